"""What is measured, and what a measurement of it is."""

from dataclasses import dataclass, field
from typing import Optional

LINK_MODES = {
    "whole": "trains cross a link as one buffer",
    "single": "every packet crosses a link alone, and arrives alone",
    "gathered": "every packet crosses a link alone, and GRO gathers trains behind it",
}


@dataclass
class Goal:
    """What we want to reach; None: no such goal."""
    ratio: Optional[float] = None   # of the main figure, against the baseline
    value: Optional[float] = None   # of the main figure itself
    cpu_ns: Optional[float] = None  # processor time a packet, at most


@dataclass
class Case:
    """One thing to measure; `unit` is the main figure's. Smaller is better for times."""
    name: str
    title: str
    link: str
    unit: str
    goal: Goal = field(default_factory=Goal)

    @property
    def smaller_is_better(self) -> bool:
        return self.unit in ("ms", "us")


@dataclass
class Sample:
    """One measurement of one router: the main figure, others beside it, and what was not clean."""
    value: float
    cpu_ns: Optional[float] = None  # processor time of the router a packet
    details: dict = field(default_factory=dict)
    complaints: list = field(default_factory=list)
