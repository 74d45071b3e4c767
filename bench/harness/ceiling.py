"""What this machine can do at best: the parts of a router by themselves."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .case import Sample
from .lab import BenchError, Lab, PathLab, run, wait_until
from .relay import MAX_LOSS, WINDOW_FACTORS

SIZES = (1420, 128)
LINKS = ("whole", "single", "gathered")
CALIBRATION_S = 0.3
MTU = 1420
TCP_PAYLOAD = MTU - 20 - 20 - 12  # less IPv4 and TCP headers, the latter with time stamps
TUN_A, TUN_B = "10.67.0.1", "10.67.0.2"
INTERFACE = "tun0"
IPERF_PORT = 5201
NUM_PINGS = 500
PING_INTERVAL_S = 0.01


def measure_aead(program: Path, size: int, seconds: float) -> dict:
    """Backend -> nanoseconds a packet, open and seal."""
    times = json.loads(run(program, "aead", "--size", size, "--duration", seconds))
    return {name: backend["open_ns"] + backend["seal_ns"] for name, backend in times.items()}


@dataclass
class UdpCase:
    size: int
    link: str

    @property
    def name(self) -> str:
        return f"udp-{self.size}-{self.link}"


class UdpBench:
    """The bare forwarder between two namespaces, fed as the router in relay cases is."""

    def __init__(self, program: Path):
        self.program = program
        self.windows = {}
        self.lab = PathLab()
        try:
            self.forwarder = self.lab.spawn(
                "forward", self.lab.controller.command(program, "forward", "--port",
                                                       self.lab.PORT))
            wait_until(self._listens, 10, "the bare forwarder listens")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.lab.close()

    def _listens(self) -> bool:
        return str(self.lab.PORT) in self.lab.controller.run("ss", "-Hlun")

    def _feed(self, case: UdpCase, window: int, seconds: float) -> dict:
        return json.loads(run(self.program, "feed", "--namespace-a", self.lab.a.name,
                              "--namespace-b", self.lab.b.name,
                              "--forwarder-a", self.lab.TO_CONTROLLER_A,
                              "--forwarder-b", self.lab.TO_CONTROLLER_B,
                              "--pid", self.forwarder.pid, "--size", case.size,
                              "--window", window, "--duration", seconds))

    def _calibrate(self, case: UdpCase) -> None:
        base = self._feed(case, 0, CALIBRATION_S)["window"]
        windows = sorted({max(1, round(base * factor)) for factor in WINDOW_FACTORS})
        tried = {window: self._feed(case, window, CALIBRATION_S) for window in windows}

        def merit(window: int) -> float:
            return tried[window]["bits_per_second"] if tried[window]["loss"] <= MAX_LOSS else 0.0

        self.windows[case.name] = max(tried, key=merit)

    def measure(self, case: UdpCase, seconds: float) -> Sample:
        self.lab.set_link_mode(case.link)
        if case.name not in self.windows:
            self._calibrate(case)
        watch = machine.Watch([self.forwarder.pid])
        result = self._feed(case, self.windows[case.name], seconds)
        watched = watch.end()
        sample = Sample(result["bits_per_second"] / 1e9, result["target"]["cpu_ns_per_packet"],
                        {**result, "machine": watched}, machine.complaints(watched))
        if result["loss"] > MAX_LOSS:
            sample.complaints.append(f"loss {result['loss']:.2%}")
        if result["stalls"]:
            sample.complaints.append(f"{result['stalls']} stalls")
        return sample


class TunBench:
    """Two TUN interfaces in two namespaces, joined by one process without a wire or crypto."""

    def __init__(self, program: Path):
        self.lab = Lab()
        try:
            self.a, self.b = self.lab.namespace("a"), self.lab.namespace("b")
            self.bridge = self.lab.spawn("tun", [program, "tun", "--namespace-a", self.a.name,
                                                 "--namespace-b", self.b.name,
                                                 "--interface", INTERFACE])
            wait_until(self._is_there, 10, "the TUN bridge has made its interfaces")
            for namespace, own, other in ((self.a, TUN_A, TUN_B), (self.b, TUN_B, TUN_A)):
                namespace.ip("address", "add", own, "peer", other, "dev", INTERFACE)
                namespace.ip("link", "set", INTERFACE, "up")
            self.server = self.lab.spawn("iperf3", self.b.command("iperf3", "-s", "-p", IPERF_PORT))
            wait_until(lambda: str(IPERF_PORT) in self.b.run("ss", "-Hltn"), 10, "iperf3 listens")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.lab.close()

    def _is_there(self) -> bool:
        if self.bridge.poll() is not None:
            raise BenchError(f"the TUN bridge has ended: {self.bridge.log_path.read_text()}")
        return all(INTERFACE in namespace.run("ip", "-br", "link")
                   for namespace in (self.a, self.b))

    def measure_tcp(self, seconds: float) -> Sample:
        """Gbit/s of one stream; the bridge's processor time for each 1,420-byte packet, and (in the
        details) that of the whole machine."""
        watch = machine.Watch([self.bridge.pid, self.server.pid])
        begin, busy = time.monotonic(), machine.busy_seconds()
        before = machine.cpu_seconds(self.bridge.pid)
        report = json.loads(self.a.run("iperf3", "-J", "-c", TUN_B, "-p", IPERF_PORT,
                                       "-t", max(1, round(seconds))))
        if "error" in report:
            raise BenchError(f"iperf3: {report['error']}")
        cpu = machine.cpu_seconds(self.bridge.pid) - before
        watched = watch.end()
        others = watched["others"] * (time.monotonic() - begin)
        busy = machine.busy_seconds() - busy - others
        received = report["end"]["sum_received"]
        packets = received["bytes"] / TCP_PAYLOAD
        return Sample(received["bits_per_second"] / 1e9, cpu / packets * 1e9,
                      {"machine_ns_per_packet": busy / packets * 1e9, "machine": watched,
                       "retransmits": report["end"]["sum_sent"].get("retransmits", 0)},
                      machine.complaints(watched))

    def measure_ping(self) -> Sample:
        text = self.a.run("ping", "-q", "-c", NUM_PINGS, "-i", PING_INTERVAL_S, TUN_B, check=False)
        times = re.search(r"= [\d.]+/([\d.]+)/", text)
        if not times:
            raise BenchError("ping got no answer through the TUN bridge")
        return Sample(float(times.group(1)))
