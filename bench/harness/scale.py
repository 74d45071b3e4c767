"""What bench/scale measures, one function each. All of them return rows of its table."""

import hashlib
import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Optional

from . import machine
from .crowd import BigRouter, CrowdLab, CrowdProcess, crowd_config, public_keys
from .lab import BenchError, run, wait_until

LOAD_GOAL_S = 2.0
MEMORY_GOAL_KIB = 4.0
CHANGE_GOAL_US = 50.0
FORWARDING_GOAL = 0.97  # a dip that is smaller cannot be measured
RESPOND_GOAL = 0.8
RECONNECT_GOAL_S = 30.0
STAGED_LIMIT = 65536  # dataplane/limits.h: kStagedChunks
MIB = 1024  # KiB
# Answering takes memory that the allocator keeps; after a few answers it takes no more.
STATUS_CALLS = 5

# In the state that peers are in who have something to say and hear nothing, they call each 5 s and
# up to 0.333 s more: after that time all have called in vain.
SPREAD_S = 5.0
DOWN_S = 6.0
TIMEOUT_S = 120.0


@dataclass
class Row:
    name: str
    title: str
    value: str
    goal: str = ""
    met: Optional[bool] = None
    details: dict = field(default_factory=dict)


@dataclass
class Setting:
    hawserd: Path
    load: Path
    bench: Path
    peers: int
    allowed_ips: int  # of each peer
    rounds: int
    seconds: float    # of one measurement of throughput
    changes: int

    def command(self) -> str:
        return f"{self.hawserd} -f --workers=1 --forward=direct " \
               "--state-dir={directory} {interface}"

    def total_ips(self) -> int:
        return self.peers * self.allowed_ips


def percentile(values: list, part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread_of(values: list, unit: str, factor: float = 1.0, digits: int = 2) -> str:
    scaled = [value * factor for value in values]
    return f"{median(scaled):.{digits}f} {unit} ({min(scaled):.{digits}f}–{max(scaled):.{digits}f})"


def loading(setting: Setting) -> list:
    """A whole configuration into a fresh daemon, and out of it again."""
    uapi = crowd_config(setting.load, setting.peers, setting.allowed_ips, "uapi")
    setconf = crowd_config(setting.load, setting.peers, setting.allowed_ips, "setconf").decode()
    times, again, gets, resident, tools = [], [], [], [], []
    with CrowdLab() as lab:
        for _ in range(setting.rounds):
            router = BigRouter(lab, setting.command())
            router.start()
            before = router.wait_until_resident()
            times.append(router.control.set(uapi))
            resident.append(router.wait_until_resident() - before)
            again.append(router.control.set(uapi))
            begin = time.perf_counter()
            answer = router.control.ask(b"get=1\n\n")
            gets.append(time.perf_counter() - begin)
            if answer.count(b"\nallowed_ip=") != setting.total_ips():
                raise BenchError("the daemon does not give back what it was given")
            router.stop()
            router.start()
            begin = time.perf_counter()
            router.running.configure(setconf)
            tools.append(time.perf_counter() - begin)
            router.stop()
    size = f"{setting.peers:,} peers, {setting.total_ips():,} allowed IPs"
    each = median(resident) * 1024 / setting.total_ips()
    return [
        Row("load", f"load {size}", spread_of(times, "s"), f"<= {LOAD_GOAL_S:g} s",
            median(times) <= LOAD_GOAL_S, {"seconds": times, "request_bytes": len(uapi)}),
        Row("load-again", "the same again (nothing changes)", spread_of(again, "s"),
            details={"seconds": again}),
        Row("load-wg", "the same with wg setconf, its own work included", spread_of(tools, "s"),
            details={"seconds": tools}),
        Row("get", "read all of it back (get=1)", spread_of(gets, "s"), details={"seconds": gets}),
        Row("memory-table", "memory of this configuration",
            f"{median(resident) / MIB:.0f} MiB, {each:.0f} bytes an allowed IP",
            details={"kib": resident}),
    ]


def _new_key(number: int) -> bytes:
    return hashlib.sha256(b"a peer of bench/scale %d" % number).hexdigest().encode()


def _change_pair(keys: list, number: int, whole_peer: bool) -> tuple:
    """A change, and what takes it back."""
    address = f"33.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32".encode()
    if whole_peer:
        key = _new_key(number)
        return (b"set=1\npublic_key=" + key + b"\nallowed_ip=" + address + b"\n\n",
                b"set=1\npublic_key=" + key + b"\nremove=true\n\n")
    key = random.choice(keys)
    return (b"set=1\npublic_key=" + key + b"\nallowed_ip=" + address + b"\n\n",
            b"set=1\npublic_key=" + key + b"\nallowed_ip=-" + address + b"\n\n")


class Changer(threading.Thread):
    """Changes the configuration at a steady rate until stop(): an allowed IP, a peer, in turns."""

    def __init__(self, router: BigRouter, keys: list, per_second: float):
        super().__init__(daemon=True)
        self.router, self.keys, self.interval = router, keys, 1 / per_second
        self.times = []
        self._ended = threading.Event()
        self.error = None

    def run(self) -> None:
        due = time.monotonic()
        number = 0
        try:
            while not self._ended.is_set():
                for request in _change_pair(self.keys, number, number % 2 == 1):
                    time.sleep(max(0.0, due - time.monotonic()))
                    due += self.interval
                    self.times.append(self.router.control.set(request))
                number += 1
        except (BenchError, OSError) as error:
            self.error = error

    def stop(self) -> list:
        self._ended.set()
        self.join(10)
        if self.error:
            raise BenchError(str(self.error))
        return self.times


def _throughput(lab: CrowdLab, setting: Setting, router: BigRouter) -> dict:
    report = json.loads(run(
        setting.load, "run", "--namespace-a", lab.a.name, "--namespace-b", lab.b.name,
        "--controller-a", lab.TO_CONTROLLER_A, "--controller-b", lab.TO_CONTROLLER_B,
        "--pid", router.pid, "--duration", setting.seconds, "--json", "-",
        timeout=60 + 20 * setting.seconds))
    return report["result"]


def changing(setting: Setting) -> list:
    """Single changes at full size, at rest and under traffic."""
    uapi = crowd_config(setting.load, setting.peers, setting.allowed_ips, "uapi")
    keys = public_keys(uapi)
    times = {False: [], True: []}
    still, changed, under_traffic, watched = [], [], [], []
    with CrowdLab() as lab:
        router = BigRouter(lab, setting.command())
        router.start()
        router.control.set(uapi)
        time.sleep(0.5)
        for number in range(setting.changes):
            for whole_peer in (False, True):
                for request in _change_pair(keys, number, whole_peer):
                    times[whole_peer].append(router.control.set(request) * 1e6)
        _throughput(lab, setting, router)  # warms up
        for _ in range(setting.rounds):
            watch = machine.Watch([router.pid])
            still.append(_throughput(lab, setting, router))
            changer = Changer(router, keys, 100)
            changer.start()
            changed.append(_throughput(lab, setting, router))
            under_traffic += changer.stop()
            watched.append(watch.end())
        router.stop()

    def bits(results: list) -> list:
        return [result["bits_per_second"] / 1e9 for result in results]

    def cpu(results: list) -> float:
        return median(result["target"]["cpu_ns_per_packet"] for result in results)

    ratio = median(bits(changed)) / median(bits(still))
    rows = []
    for whole_peer, what in ((False, "allowed IP"), (True, "peer")):
        us = times[whole_peer]
        rows.append(Row(f"change-{what.replace(' ', '-').lower()}",
                        f"add or remove one {what} at that size, at the control socket",
                        f"{median(us):.0f} µs, p99 {percentile(us, 0.99):.0f} µs",
                        f"<= {CHANGE_GOAL_US:g} µs", median(us) <= CHANGE_GOAL_US,
                        {"p50_us": median(us), "p99_us": percentile(us, 0.99), "max_us": max(us)}))
    rows.append(Row("forwarding", "forwarding with 100 changes/s against none",
                    f"{ratio:.3f} ({spread_of(bits(changed), 'Gbit/s')} against "
                    f"{spread_of(bits(still), 'Gbit/s')}; processor time a packet "
                    f"{cpu(changed) / cpu(still):.3f})",
                    f">= {FORWARDING_GOAL:g}", ratio >= FORWARDING_GOAL,
                    {"still_gbit": bits(still), "changed_gbit": bits(changed),
                     "still_cpu_ns": cpu(still), "changed_cpu_ns": cpu(changed),
                     "loss": [result["loss"] for result in still + changed],
                     "change_p50_us": median(under_traffic) * 1e6,
                     "change_p99_us": percentile(under_traffic, 0.99) * 1e6,
                     "machine": watched}))
    return rows


def crowd(setting: Setting) -> list:
    """Peers with one allowed IP each: their memory, their handshakes, their return."""
    uapi = crowd_config(setting.load, setting.peers, 1, "uapi")
    with CrowdLab() as lab:
        router = BigRouter(lab, setting.command())
        router.start()
        peers = CrowdProcess(lab, setting.load, setting.peers)
        try:
            rows = _memory(setting, router, peers, uapi)
            rows += _reconnect(setting, router, peers, uapi)
        finally:
            peers.close()
        rows += _respond(setting, lab, router, uapi)
        router.stop()
    return rows


def _memory(setting: Setting, router: BigRouter, peers: CrowdProcess, uapi: bytes) -> list:
    empty = router.wait_until_resident()
    router.control.set(uapi)
    configured = router.wait_until_resident()
    peers.connect(SPREAD_S, TIMEOUT_S)
    once = router.wait_until_resident(2)
    peers.connect(SPREAD_S, TIMEOUT_S)
    twice = router.wait_until_resident(2)
    each = {name: (kib - empty) / setting.peers
            for name, kib in (("configured", configured), ("once", once), ("twice", twice))}
    return [Row("memory-peer", f"memory of one of {setting.peers:,} idle peers with sessions",
                f"{each['once']:.2f} KiB with one session, {each['twice']:.2f} KiB with two "
                f"(configured only: {each['configured']:.2f} KiB)", f"<= {MEMORY_GOAL_KIB:g} KiB",
                each["twice"] <= MEMORY_GOAL_KIB,
                {"empty_kib": empty, "configured_kib": configured, "once_kib": once,
                 "twice_kib": twice, "each_kib": each})]


def _summary(result: dict, since: float) -> dict:
    times = {part: None if at is None else at - since for part, at in result["at"].items()}
    return {"seconds_to_percent": times, **{name: result[name] for name in
                                            ("connected", "initiations", "responses",
                                             "cookie_replies")}}


def _reconnect_row(name: str, title: str, runs: list) -> Row:
    def reached(part: str) -> list:
        return [one["seconds_to_percent"][part] or float("inf") for one in runs]

    cookies = median(one["cookie_replies"] for one in runs)
    return Row(name, title, f"{spread_of(reached('95'), 's', digits=1)} to 95 %, "
               f"{spread_of(reached('100'), 's', digits=1)} to all; {cookies:,.0f} cookie replies",
               f"<= {RECONNECT_GOAL_S:g} s to 95 %", max(reached("95")) <= RECONNECT_GOAL_S,
               {"runs": runs})


def _reconnect(setting: Setting, router: BigRouter, peers: CrowdProcess, uapi: bytes) -> list:
    restarts, herds = [], []
    for _ in range(setting.rounds):
        router.stop()
        peers.begin(SPREAD_S, TIMEOUT_S)
        time.sleep(DOWN_S)
        since = time.monotonic()
        router.start()
        router.control.set(uapi)
        restarts.append(_summary(peers.end(), since))
        router.stop()
        router.start()
        router.control.set(uapi)
        peers.begin(0, TIMEOUT_S)
        herd = peers.end()
        herds.append(_summary(herd, herd["begun"]))
        herds[-1]["device"] = router.control.status()
    who = f"{setting.peers:,} peers reconnect"
    return [_reconnect_row("reconnect", f"{who} after a restart, from the daemon's start", restarts),
            _reconnect_row("reconnect-herd", f"{who}, all of them calling at once", herds)]


def _respond(setting: Setting, lab: CrowdLab, router: BigRouter, uapi: bytes) -> list:
    """The handshake thread by itself. Its processor time says what one core could do; beside it the
    time of its X25519 alone: three shared secrets (es, ee, se) and an ephemeral public key. The
    static-static secret was made when they first met, in the round that does not count."""
    router.stop()
    router.start()
    router.control.set(uapi)
    x25519 = micro(setting, "handshake_x25519")
    report = json.loads(run(setting.load, "respond", "--peers", setting.peers, "--namespace",
                            lab.a.name, "--controller", lab.TO_CONTROLLER_A, "--rounds",
                            setting.rounds, "--pid", router.pid, timeout=300))
    again = micro(setting, "handshake_x25519")
    shared, base = (mean((x25519[name]["cpu_time"], again[name]["cpu_time"]))
                    for name in ("handshake_x25519", "handshake_x25519_base"))
    bound_ns = 3 * shared + base
    rounds = report["rounds"][1:]  # they have met
    each = [one["thread_cpu_seconds"] * 1e9 / one["responses"] for one in rounds]
    first = report["rounds"][0]
    share = bound_ns / median(each)
    return [Row("respond", "handshakes answered by one core",
                f"{1e9 / median(each):,.0f}/s ({median(each) / 1e3:.0f} µs each), {share:.0%} of "
                f"X25519 alone ({bound_ns / 1e3:.0f} µs); first meeting "
                f"{first['thread_cpu_seconds'] * 1e6 / first['responses']:.0f} µs",
                f">= {RESPOND_GOAL:.0%}", share >= RESPOND_GOAL,
                {"thread_ns": each, "x25519_shared_ns": shared, "x25519_base_ns": base,
                 "answered_per_second": [one["responses"] / one["seconds"] for one in rounds],
                 "rounds": report["rounds"]})]


def staging(setting: Setting) -> list:
    """More packets than may wait, for peers that never answer."""
    uapi = crowd_config(setting.load, setting.peers, 1, "uapi")
    with CrowdLab() as lab:
        nobody = lab.TO_CONTROLLER_B.replace("198.51.100.1", "198.51.100.2").encode()
        uapi = uapi.replace(b"\nreplace_allowed_ips=true\n",
                            b"\nendpoint=" + nobody + b"\nreplace_allowed_ips=true\n")
        router = BigRouter(lab, setting.command())
        router.start()
        router.control.set(uapi)
        for _ in range(STATUS_CALLS):
            router.control.status()
        before = router.wait_until_resident()

        def send(rounds: int) -> dict:
            lab.controller.run(sys.executable, Path(__file__).with_name("send_to_peers.py"),
                               setting.peers, rounds, 40000)
            status = router.control.status()
            status["resident_kib"] = router.wait_until_resident()
            return status

        rounds = STAGED_LIMIT * 5 // (4 * setting.peers) + 1  # some are lost before they are read
        filled = send(rounds)
        overfilled = send(rounds)
        router.stop()
    staged = [status["num_staged"] for status in (filled, overfilled)]
    dropped = overfilled.get("drop.staged-full", 0)
    growth = overfilled["resident_kib"] - filled["resident_kib"]
    bounded = max(staged) <= STAGED_LIMIT and growth < MIB
    taken = int(overfilled["tun_read_packets"])
    counted = staged[1] + sum(count for name, count in overfilled.items()
                              if name.startswith("drop."))
    return [Row("staged", f"packets staged for {setting.peers:,} peers that do not answer",
                f"{staged[0]:,} staged with {(filled['resident_kib'] - before) / MIB:.0f} MiB; "
                f"as many again: {staged[1]:,} staged, {dropped:,} dropped, {growth:+,} KiB",
                f"<= {STAGED_LIMIT:,}, no growth, each counted",
                bounded and staged[0] >= STAGED_LIMIT - 1 and counted == taken,
                {"before_kib": before, "filled": filled, "overfilled": overfilled,
                 "taken": taken, "counted": counted})]


def micro(setting: Setting, only: str) -> dict:
    """Results of hawser-bench by name."""
    done = subprocess.run([str(setting.bench), f"--benchmark_filter={only}",
                           "--benchmark_format=json"], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if done.returncode != 0:
        raise BenchError(f"hawser-bench has failed: {done.stderr[-2000:]}")
    results = json.loads(done.stdout)["benchmarks"]
    return {result["name"].split("/")[0]: result for result in results}


def inside(setting: Setting) -> list:
    """The same table without a daemon around it. Its size is hawser-bench's own."""
    results = micro(setting, "^scale_")
    rows = []
    for what in ("allowed_ip", "peer"):
        result = results[f"scale_change_{what}"]
        rows.append(Row(f"inside-{what.replace('_', '-')}",
                        f"the same inside: Device::apply() of one {what.replace('_', ' ')}"
                        .replace("ip", "IP"),
                        f"{result['p50'] * 1e6:.1f} µs, p99 {result['p99'] * 1e6:.1f} µs",
                        f"<= {CHANGE_GOAL_US:g} µs", result["p50"] * 1e6 <= CHANGE_GOAL_US,
                        {name: result[name] for name in ("p50", "p99", "max")}))
    result = results["scale_load"]
    rows.append(Row("inside-load", "the load inside: Device::apply() of all",
                    f"{result['cpu_time']:.0f} ms of processor time",
                    details={"cpu_ms": result["cpu_time"]}))
    for name, title in (("hit_warm", "hit, warm"), ("hit_cold", "hit, cold"),
                        ("miss_warm", "miss, warm"), ("miss_cold", "miss, cold")):
        result = results[f"scale_lookup_{name}"]
        rows.append(Row(f"lookup-{name.replace('_', '-')}", f"lookup among 1,000,000, {title}",
                        f"{result['p50'] * 1e9:.0f} ns, p99 {result['p99'] * 1e9:.0f} ns",
                        details={part: result[part] for part in ("p50", "p99", "max")}))
    return rows


PARTS = {"load": loading, "change": changing, "crowd": crowd, "staged": staging, "inside": inside}
