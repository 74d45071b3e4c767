"""A controller that relays a steady load while somebody floods its port."""

import json
import re
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from . import machine
from .case import Sample
from .lab import BenchError, PathLab, run, wait_until
from .router import Router, new_key

KINDS = {
    "garbage": "garbage",
    "bad-mac1": "bad mac1",
    "valid-mac1": "valid mac1, one source",
    "spoofed": "valid mac1, spoofed sources",
    "replay": "replayed initiation",
    "unknown-index": "data, unknown index",
    "bad-tag": "data, bad tag",
}
PAIRS = 2  # the load's, and the one that the flooder plays
CLOSED_PORT = 51999
SPOOFED_NET = "10.200.0.0"
NEW_PEER = "10.67.0.1"
# Longer than any implementation counts as under load after a flood, so that floods do not mix.
CALM_S = 1.5
START_S = 20
MAX_FLOOD_S = 90
MIN_RATE = 0.95  # of the flood; less is not the flood that was asked for
CONNECT_S = 40  # how long a new peer is waited for
SETTLE_S = 1.0  # of flood before the new peer appears
POLL_S = 0.05


@dataclass
class Programs:
    load: Path
    flood: Path
    hawser: Path


class FloodLab(PathLab):
    """A path, a flooder, and a place for a new peer. Each has a link of its own to the controller."""

    CONTROLLER_FLOODED = "203.0.113.1"
    TO_CONTROLLER_NEW = f"198.18.0.1:{PathLab.PORT}"

    def __init__(self):
        super().__init__()
        try:
            self.flooder = self.namespace("f")
            self.newcomer = self.namespace("n")
            self.link(self.flooder, "eth0", "203.0.113.2/24",
                      self.controller, "eth3", f"{self.CONTROLLER_FLOODED}/24")
            self.link(self.newcomer, "eth0", "198.18.0.2/24",
                      self.controller, "eth4", "198.18.0.1/24")
            self.flooder.ip("route", "add", "local", f"{SPOOFED_NET}/16", "dev", "lo")
            self.controller.ip("route", "add", f"{SPOOFED_NET}/16", "via", "203.0.113.2")
            self.set_link_mode("whole")
        except BaseException:
            self.close()
            raise


class FloodBench:
    """One implementation as controller."""

    def __init__(self, router: Router, programs: Programs, rate: float, size: int):
        self.programs = programs
        self.rate = rate
        self.size = size
        self.lab = FloodLab()
        try:
            self.running = router.start(self.lab, self.lab.controller)
            self.running.bring_up(["10.64.0.1/32"],
                                  ["10.65.0.0/16", "10.66.0.0/16", f"{NEW_PEER}/32"])
            self.running.configure(run(programs.load, "config", "--pairs", PAIRS,
                                       "--listen-port", self.lab.PORT))
            self.public_key = self._wg("show", self.running.interface, "public-key").strip()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.lab.close()

    def _wg(self, *arguments) -> str:
        return self.lab.controller.run("wg", *arguments)

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.running.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def drops(self) -> Counter:
        """Reason -> packets; empty for an implementation that does not tell."""
        try:
            return _sum_drops(json.loads(run(self.programs.hawser, "status", "--json",
                                             self.running.interface)))
        except (BenchError, ValueError):
            return Counter()

    def _wait_for_line(self, process, line: str) -> None:
        def said() -> bool:
            text = process.log_path.read_text(errors="replace")
            if line not in text and process.poll() is not None:
                raise BenchError(f"{process.args[0]} has ended\n{text[-2000:]}")
            return line in text

        wait_until(said, START_S, f"{process.args[0]} says: {line}")

    def _start_load(self, seconds: float) -> tuple:
        lab = self.lab
        report = lab.dir / "load.json"
        report.unlink(missing_ok=True)
        load = lab.spawn("load", [
            self.programs.load, "run", "--namespace-a", lab.a.name, "--namespace-b", lab.b.name,
            "--controller-a", lab.TO_CONTROLLER_A, "--controller-b", lab.TO_CONTROLLER_B,
            "--pid", self.running.pid, "--size", self.size, "--duration", seconds,
            "--json", report])
        self._wait_for_line(load, "connected")
        return load, report

    def _start_flood(self, kind: str, closed: bool):
        command = [self.programs.flood, "--namespace", self.lab.flooder.name,
                   "--controller", f"{self.lab.CONTROLLER_FLOODED}:{self.lab.PORT}",
                   "--kind", kind, "--rate", self.rate, "--duration", MAX_FLOOD_S,
                   "--size", self.size, "--spoofed-net", SPOOFED_NET]
        flood = self.lab.spawn("flood", command + (["--port", CLOSED_PORT] if closed else []))
        self._wait_for_line(flood, "flooding")
        return flood

    def _end_flood(self, flood) -> dict:
        flood.send_signal(signal.SIGTERM)
        flood.wait(10)
        last = flood.log_path.read_text().strip().splitlines()[-1]
        if flood.returncode != 0:
            raise BenchError(f"the flooder has failed: {last}")
        return json.loads(last)

    def measure(self, kind: str, closed: bool, seconds: float) -> Sample:
        """The load's packets a second while the controller's port, or a closed one, is flooded."""
        time.sleep(CALM_S)
        before = self.drops()
        watch = machine.Watch([self.running.pid])
        load, report = self._start_load(seconds)
        flood = self._start_flood(kind, closed)
        load.wait(60 + 10 * seconds)
        flooded = self._end_flood(flood)
        watched = watch.end()
        if load.returncode != 0:
            raise BenchError(load.log_path.read_text(errors="replace")[-2000:])
        result = json.loads(report.read_text())["result"]
        sample = Sample(result["packets_per_second"], result["target"]["cpu_ns_per_packet"])
        sample.details = {"loss": result["loss"], "target": result["target"], "flood": flooded,
                          "drops": dict(self.drops() - before),
                          "resident_kib": self.resident_kib(), "machine": watched}
        sample.complaints = machine.complaints(watched) + self._complaints(result, flooded)
        return sample

    def _complaints(self, result: dict, flooded: dict) -> list:
        found = []
        if flooded["packets_per_second"] < MIN_RATE * self.rate:
            found.append(f"the flood had only {flooded['packets_per_second']:,.0f} packets/s")
        if flooded["seconds"] < result["seconds"]:
            found.append("the flood began late")
        return found

    def connect(self, kind: str, peer: Router) -> Optional[float]:
        """Seconds until a new peer has a session, while load and flood go on; None: it gets none
        within CONNECT_S."""
        time.sleep(CALM_S)
        running = peer.start(self.lab, self.lab.newcomer)
        running.bring_up([f"{NEW_PEER}/32"], ["10.64.0.0/14"])
        private, public = new_key()
        interface = self.running.interface
        self._wg("set", interface, "peer", public, "allowed-ips", f"{NEW_PEER}/32")
        load, _ = self._start_load(MAX_FLOOD_S)
        flood = self._start_flood(kind, closed=False)
        try:
            time.sleep(SETTLE_S)
            return self._time_connect(running, private)
        finally:
            self._end_flood(flood)
            for process in (load, running.process):
                process.terminate()
                process.wait(10)
            self._wg("set", interface, "peer", public, "remove")

    def _time_connect(self, running, private: str) -> Optional[float]:
        begin = time.monotonic()
        running.configure(f"[Interface]\nPrivateKey = {private}\n[Peer]\n"
                          f"PublicKey = {self.public_key}\nAllowedIPs = 10.64.0.0/14\n"
                          f"Endpoint = {self.lab.TO_CONTROLLER_NEW}\nPersistentKeepalive = 5\n")
        while time.monotonic() - begin < CONNECT_S:
            shown = self.lab.newcomer.run("wg", "show", running.interface, "latest-handshakes")
            if int(shown.split()[-1]) > 0:
                return time.monotonic() - begin
            time.sleep(POLL_S)
        return None


def _sum_drops(status) -> Counter:
    """Of the device and all its peers."""
    total = Counter()
    if isinstance(status, dict):
        for name, value in status.items():
            total += Counter(value) if name == "drops" else _sum_drops(value)
    elif isinstance(status, list):
        for value in status:
            total += _sum_drops(value)
    return total
