"""Relay cases: hawser-load is both peers, the router under test is the controller between them."""

import json
from dataclasses import dataclass

from . import machine
from .case import Case, Goal, Sample
from .lab import PathLab, run
from .router import Router

MAX_LOSS = 0.001
CALIBRATION_S = 0.4
# Packets on their way, as parts of the generator's own choice. Too few leave a router idle, too many
# fall out of its caches and overflow its queues; each router gets the one that suits it best.
WINDOW_FACTORS = (0.5, 1, 2, 4)


@dataclass
class RelayCase(Case):
    size: str = "1420"
    pairs: int = 1
    family: str = "v4"
    send: str = "trains"
    latency: bool = False


def all_cases() -> list:
    whole, single, gathered = "whole", "single", "gathered"

    def case(name, title, link, goal=None, **settings):
        return RelayCase(name, title, link, "Gbit/s", goal or Goal(), **settings)

    return [
        case("relay-1420", "relay, 1,420 bytes", whole, Goal(ratio=3, cpu_ns=1000), latency=True),
        case("relay-128", "relay, 128 bytes", whole, Goal(ratio=3.5, cpu_ns=350), size="128",
             latency=True),
        case("relay-64", "relay, 64 bytes", whole, size="64"),
        case("relay-576", "relay, 576 bytes", whole, size="576"),
        case("relay-imix", "relay, mixed sizes", whole, size="imix"),
        case("relay-1420-v6", "relay, 1,420 bytes, IPv6 inside", whole, family="v6"),
        case("relay-1420-pairs", "relay, 1,420 bytes, 1,000 pairs", whole, pairs=1000),
        case("relay-128-pairs", "relay, 128 bytes, 1,000 pairs", whole, size="128", pairs=1000),
        case("relay-128-singles", "relay, 128 bytes, sent one by one", whole, size="128",
             send="singles"),
        case("relay-1420-single", "relay, 1,420 bytes", single, Goal(ratio=2.5), latency=True),
        case("relay-128-single", "relay, 128 bytes", single, Goal(ratio=2.5), size="128"),
        case("relay-1420-gathered", "relay, 1,420 bytes", gathered),
        case("relay-128-gathered", "relay, 128 bytes", gathered, size="128"),
        case("relay-imix-gathered", "relay, mixed sizes", gathered, size="imix"),
    ]


class RelayBench:
    """One router as controller, and hawser-load around it."""

    def __init__(self, router: Router, load_program: str):
        self.load_program = load_program
        self.lab = PathLab()
        self.windows = {}
        self.pairs = None
        try:
            self.running = router.start(self.lab, self.lab.controller)
            self.running.bring_up(["10.64.0.1/32", "fd64::1/128"],
                                  ["10.65.0.0/16", "10.66.0.0/16", "fd65::/64", "fd66::/64"])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.lab.close()

    def _prepare(self, case: RelayCase) -> None:
        if self.pairs != case.pairs:
            self.running.configure(run(self.load_program, "config", "--pairs", case.pairs,
                                       "--listen-port", self.lab.PORT))
            self.pairs = case.pairs
        self.lab.set_link_mode(case.link)

    def _load(self, case: RelayCase, seconds: float, window: int, latency: bool) -> dict:
        command = [self.load_program, "run",
                   "--namespace-a", self.lab.a.name, "--namespace-b", self.lab.b.name,
                   "--controller-a", self.lab.TO_CONTROLLER_A,
                   "--controller-b", self.lab.TO_CONTROLLER_B,
                   "--pid", self.running.pid, "--pairs", case.pairs, "--family", case.family,
                   "--size", case.size, "--send", case.send, "--window", window,
                   "--duration", seconds, "--json", "-"]
        if latency:
            command.append("--latency")
        return json.loads(run(*command, timeout=60 + 20 * seconds))

    def calibrate(self, case: RelayCase) -> None:
        """Finds the window that this router likes best in this case."""
        self._prepare(case)
        first = self._load(case, CALIBRATION_S, 0, False)
        base = first["setting"]["window"]
        tried = {base: first["result"]}
        for factor in WINDOW_FACTORS:
            window = max(1, round(base * factor))
            if window not in tried:
                tried[window] = self._load(case, CALIBRATION_S, window, False)["result"]

        def merit(window: int) -> float:
            result = tried[window]
            return result["bits_per_second"] if result["loss"] <= MAX_LOSS else 0.0

        self.windows[case.name] = max(tried, key=merit)

    def measure(self, case: RelayCase, seconds: float) -> Sample:
        self._prepare(case)
        if case.name not in self.windows:
            self.calibrate(case)
        watch = machine.Watch([self.running.pid])
        report = self._load(case, seconds, self.windows[case.name], case.latency)
        watched = watch.end()
        result = report["result"]
        sample = Sample(result["bits_per_second"] / 1e9, result["target"]["cpu_ns_per_packet"])
        sample.details = {"packets_per_second": result["packets_per_second"],
                          "loss": result["loss"], "target": result["target"],
                          "generator": result["generator"], "setting": report["setting"],
                          "machine": watched, "resident_kib": report["target_resident_kib"]}
        if case.latency:
            sample.details["latency"] = {load: at.get("latency", {})
                                         for load, at in report["at_load"].items()}
        sample.complaints = machine.complaints(watched) + complaints(result)
        return sample


def complaints(result: dict) -> list:
    found = []
    if result["loss"] > MAX_LOSS:
        found.append(f"loss {result['loss']:.2%}")
    if result["stalls"]:
        found.append(f"{result['stalls']} stalls")
    if result["reordered"]:
        found.append(f"{result['reordered']} out of order")
    bad = {name: count for name, count in result["sample"]["packets"].items()
           if name not in ("good", "late") and count}
    if result["sample"]["unopenable"]:
        bad["unopenable"] = result["sample"]["unopenable"]
    if bad:
        found.append(f"wrong packets: {bad}")
    if not result["sample"]["opened"]:
        found.append("no packet was looked at")
    return found
