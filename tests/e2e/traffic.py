"""Traffic through tunnels, and what became of it."""

from __future__ import annotations

import json
import re
import signal
import time
from dataclasses import dataclass
from typing import Optional

import daemons
from lab import AGENTS, PYTHON, Namespace, Process, wait_until

ECHO_INTERVAL_S, PATIENCE_S = 0.005, 3
PROBE_PORT, STREAM_PORT, IPERF_PORT, ORDER_PORT = 7007, 7008, 7009, 7010


@dataclass
class PingResult:
    sent: int
    received: int
    duplicates: int
    text: str

    @property
    def lost(self) -> int:
        return self.sent - self.received


def ping(namespace: Namespace, address: str, count: int = 3, interval: float = 0.005,
         wait: float = 2, options: tuple = (), deadline: Optional[float] = None) -> PingResult:
    """Up to `wait` seconds for each answer; `deadline` bounds it all."""
    command = ["ping", "-n", "-c", count, "-i", interval, "-W", wait, *options]
    if deadline is not None:
        command += ["-w", deadline]
    done = namespace.run(*command, address, check=False, timeout=90)
    match = re.search(r"(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?", done.stdout)
    assert match, f"ping {address}: {done.stdout}{done.stderr}"
    return PingResult(int(match[1]), int(match[2]), int(match[3] or 0), done.stdout)


def reaches(namespace: Namespace, address: str, seconds: float = 12, options: tuple = ()) -> None:
    """An answer comes; the first packets may have to wait for a handshake and its retry, and a router
    on the way may say that it does not know the way yet."""
    deadline = time.monotonic() + seconds
    while True:
        left = max(1, round(deadline - time.monotonic()))
        command = ["ping", "-n", "-q", "-c", 1, "-i", 0.1, "-w", left, *options, address]
        done = namespace.run(*command, check=False, timeout=seconds + 10)
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, f"{namespace.role} does not reach {address}:\n{done.stdout}"
        time.sleep(0.05)


def does_not_reach(namespace: Namespace, address: str, options: tuple = ()) -> None:
    result = ping(namespace, address, count=4, interval=0.1, wait=0.5, options=options)
    assert result.received == 0, f"{namespace.role} reaches {address}:\n{result.text}"


def all_answered(namespace: Namespace, address: str, count: int = 10, options: tuple = ()) -> None:
    """Every echo request gets one answer with its own contents. Options: see agents/echo.py."""
    done = namespace.run(PYTHON, AGENTS / "echo.py", address, count, ECHO_INTERVAL_S, PATIENCE_S,
                         *options)
    report = json.loads(done.stdout)
    assert report == {"sent": count, "received": count, "duplicates": 0}, \
        f"{namespace.role} to {address} {options}: {report}"


def await_ready(process: Process) -> None:
    def ready() -> bool:
        alive = process.alive  # asked first: what is short may be ready and end in between
        if "ready" in process.output():
            return True
        assert alive, f"{process.name} has ended:\n{process.output()}"
        return False
    wait_until(ready, 10, f"{process.name} is ready")


def last_json(process: Process) -> dict:
    lines = [line for line in process.output().splitlines() if line.startswith("{")]
    assert lines, f"{process.name} reported nothing:\n{process.output()}"
    return json.loads(lines[-1])


@dataclass
class ProbeResult:
    sent: int
    received: int
    duplicates: int
    longest_gap: float
    lost_elsewhere: int  # meanwhile, by the kernel's counters, outside of the daemon under test

    @property
    def lost(self) -> int:
        return self.sent - self.received


class Probe:
    """Numbered UDP packets from one namespace to an echo in another, while something happens:

    with Probe(a, b, address) as probe: ...
    assert probe.result.lost == 0
    """

    def __init__(self, source: Namespace, target: Namespace, address: str, rate: int = 200,
                 length: int = 64):
        self.source, self.target, self.address = source, target, address
        self.rate, self.length = rate, length
        self.result: Optional[ProbeResult] = None

    def __enter__(self) -> "Probe":
        self.echo = self.target.agent("probe", "echo", self.address, PROBE_PORT)
        await_ready(self.echo)
        self.lost_before = self.lost_elsewhere()
        self.process = self.source.agent("probe", "run", self.address, PROBE_PORT, self.rate,
                                         self.length)
        await_ready(self.process)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.process.signal(signal.SIGINT)
            status = self.process.wait(10)
            assert status == 0, self.process.output()
            elsewhere = self.lost_elsewhere() - self.lost_before
            self.result = ProbeResult(**last_json(self.process), lost_elsewhere=elsewhere)
        else:
            self.process.kill()
        self.echo.kill()

    def lost_elsewhere(self) -> int:
        return self.source.lab.lost_elsewhere(daemons.program_under_test())

    def nothing_lost(self) -> None:
        """The daemon under test lost nothing. What full sockets of others have lost, such as
        wireguard-go's on a busy machine, is theirs: the kernel counts it."""
        assert self.result.sent > 0
        assert self.result.lost <= self.result.lost_elsewhere, self.result
        assert self.result.duplicates == 0, self.result


class Stream:
    """A TCP stream of known bytes from one namespace to another."""

    def __init__(self, source: Namespace, target: Namespace, address: str, length: int,
                 rate: int = 0):
        self.length = length
        self.receiver = target.agent("stream", "receive", address, STREAM_PORT)
        await_ready(self.receiver)
        self.sender = source.agent("stream", "send", address, STREAM_PORT, length, rate)
        # An established stream outlives unreachable errors; one that is still connecting ends at the first.
        await_ready(self.sender)

    @property
    def running(self) -> bool:
        return self.sender.alive

    def finish(self, seconds: float = 30) -> None:
        """It ends in time, and every byte has arrived as it was sent."""
        try:
            status = self.sender.wait(seconds)
            assert status == 0, self.sender.output()
            assert self.receiver.wait(5) == 0, self.receiver.output()
        finally:
            self.sender.kill()
            self.receiver.kill()
        sent, received = last_json(self.sender), last_json(self.receiver)
        assert sent["length"] == self.length
        assert received == sent


class OrderedFlows:
    """Flows of numbered packets as fast as they are answered, for some seconds; `report` says how
    many came late (agents/order.py)."""

    FLOWS, SECONDS = 8, 3

    def __init__(self, source: Namespace, target: Namespace, address: str):
        self.source, self.target, self.address = source, target, address
        self.report: Optional[dict] = None

    def __enter__(self) -> "OrderedFlows":
        self.echo = self.target.agent("order", "echo", self.address, ORDER_PORT)
        await_ready(self.echo)
        self.process = self.source.agent("order", "run", self.address, ORDER_PORT, self.FLOWS,
                                         self.SECONDS)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            assert self.process.wait(self.SECONDS + 20) == 0, self.process.output()
            self.report = last_json(self.process)
        self.process.kill()
        self.echo.kill()


def stream(source: Namespace, target: Namespace, address: str, length: int = 8 << 20,
           seconds: float = 30) -> None:
    Stream(source, target, address, length).finish(seconds)


def iperf3(source: Namespace, target: Namespace, address: str, seconds: int = 2,
           options: tuple = ()) -> dict:
    """The "end" part of iperf3's report."""
    server = target.spawn("iperf3", "iperf3", "--server", "--bind", address, "--port", IPERF_PORT,
                          "--one-off")
    wait_until(lambda: str(IPERF_PORT) in target.run("ss", "-Hltn").stdout, 10, "iperf3 listens")
    done = source.run("iperf3", "--client", address, "--port", IPERF_PORT, "--time", seconds,
                      "--json", *options, timeout=seconds + 30, check=False)
    server.end()
    report = json.loads(done.stdout)
    assert "error" not in report, report["error"]
    return report["end"]
