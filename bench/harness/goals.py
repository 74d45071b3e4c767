"""The goals beside what the parts of a router cost by themselves."""

from dataclasses import dataclass
from typing import Optional

from .case import Goal
from .ceiling import MTU, TCP_PAYLOAD
from .endtoend import PEER_B
from .relay import RelayCase

# wireguard-go 0.0.20260522 on the two processors that the goals were set on, Gbit/s; what a ratio
# means without a measurement of this machine.
REFERENCE = {"relay-1420": 3.9, "relay-128": 0.9, "relay-1420-single": 1.7,
             "relay-128-single": 0.18, "tcp-1": 4.2, "tcp-1-relayed": 2.1}


@dataclass
class Parts:
    """Medians of what was measured. Times a packet are nanoseconds."""
    aead_ns: dict         # size -> backend -> open + seal
    udp: dict             # UdpCase.name -> (Gbit/s, ns)
    tun_gbit: float
    tun_ns: float
    tun_machine_ns: float  # of the whole machine: iperf3 and TCP at both ends, too
    ping_ms: float
    processors: int

    def fastest_aead(self, size: int) -> float:
        return min(self.aead_ns[size].values())

    def relay_ns(self, size: int, link: str) -> float:
        """Receive, open, seal, send; nothing else."""
        return self.fastest_aead(size) + self.udp[f"udp-{size}-{link}"][1]

    def tcp_gbit(self, tunnels: int) -> float:
        """One stream, if all processors did nothing but what has to be done."""
        each = self.tun_machine_ns + tunnels * self.relay_ns(MTU, "whole")
        return self.processors * TCP_PAYLOAD * 8 / each


@dataclass
class Row:
    """One goal. `limit` is the best that the parts allow, in the goal's unit."""
    name: str
    title: str
    unit: str
    limit: float
    goal: float
    less_is_better: bool
    achieved: Optional[float] = None

    def part(self, value: Optional[float]) -> Optional[float]:
        """`value` as a part of the limit; 1: it could not be better."""
        if value is None or not value:
            return None
        return self.limit / value if self.less_is_better else value / self.limit


class Measured:
    """What bench/compare wrote with --json; None: nothing."""

    def __init__(self, report: Optional[dict]):
        self.cases, self.subject, self.baseline = {}, None, None
        if report is not None:
            names = list(report["routers"])
            self.subject, self.baseline = names[0], names[-1]
            self.cases = {case["case"]: case["routers"] for case in report["cases"]}

    def of(self, router: Optional[str], case: str, figure: str = "median") -> Optional[float]:
        return self.cases.get(case, {}).get(router, {}).get(figure)


def _title(case) -> str:
    return case.title if case.link == "whole" else f"{case.title}, {case.link}"


def _rows_of(case, parts: Parts, measured: Measured) -> list:
    goal, rows = case.goal, []
    if isinstance(case, RelayCase):
        limit_ns = parts.relay_ns(int(case.size), case.link)
        limit = int(case.size) * 8 / limit_ns
    elif case.ping:
        limit = parts.ping_ms
    else:
        limit = parts.tcp_gbit(2 if case.target == PEER_B else 1)
    achieved = measured.of(measured.subject, case.name)
    if goal.ratio is not None:
        base = measured.of(measured.baseline, case.name) or REFERENCE[case.name]
        rows.append(Row(case.name, _title(case), case.unit, limit, goal.ratio * base, False,
                        achieved))
    if goal.value is not None:
        rows.append(Row(case.name, _title(case), case.unit, limit, goal.value,
                        case.smaller_is_better, achieved))
    if goal.cpu_ns is not None:
        rows.append(Row(case.name, _title(case), "ns", limit_ns, goal.cpu_ns, True,
                        measured.of(measured.subject, case.name, "cpu_ns_per_packet")))
    return rows


def rows(cases: list, parts: Parts, measured: Measured) -> list:
    """Of every case that has a goal."""
    found = []
    for case in cases:
        if case.goal != Goal():
            found += _rows_of(case, parts, measured)
    return found
