"""All samples of a comparison: medians, spread, ratios, goals."""

from dataclasses import dataclass
from statistics import median
from typing import Optional

from .case import Case


@dataclass
class Summary:
    """One router in one case. All of `values` count for the median, clean or not; if any sample is
    not clean, the reader is told."""
    median: float
    low: float
    high: float
    cpu_ns: Optional[float]
    complaints: list


class Results:
    def __init__(self, routers: list, baseline: str):
        self.routers = routers  # names, in order of columns
        self.baseline = baseline
        self.cases = []
        self.samples = {}  # (case name, router name) -> list of Sample

    def add(self, case: Case, router: str, sample) -> None:
        if case not in self.cases:
            self.cases.append(case)
        self.samples.setdefault((case.name, router), []).append(sample)

    def summary(self, case: Case, router: str) -> Optional[Summary]:
        samples = self.samples.get((case.name, router))
        if not samples:
            return None
        values = [sample.value for sample in samples]
        cpu = [sample.cpu_ns for sample in samples if sample.cpu_ns is not None]
        complaints = [f"round {number + 1}: {complaint}" for number, sample in enumerate(samples)
                      for complaint in sample.complaints]
        return Summary(median(values), min(values), max(values), median(cpu) if cpu else None,
                       complaints)

    def ratio(self, case: Case, router: str) -> Optional[float]:
        """How many times better than the baseline."""
        own, base = self.summary(case, router), self.summary(case, self.baseline)
        if router == self.baseline or not own or not base or not own.median or not base.median:
            return None
        return base.median / own.median if case.smaller_is_better else own.median / base.median

    def goal_verdicts(self, case: Case, router: str) -> list:
        """(text, met) of each goal of the case that can be judged."""
        summary, goal, verdicts = self.summary(case, router), case.goal, []
        if summary is None or router == self.baseline:
            return verdicts
        ratio = self.ratio(case, router)
        if goal.ratio is not None and ratio is not None:
            verdicts.append((f">= {goal.ratio:g} x", ratio >= goal.ratio))
        if goal.value is not None:
            verdicts.append((f"<= {goal.value:g} {case.unit}", summary.median <= goal.value))
        if goal.cpu_ns is not None and summary.cpu_ns is not None:
            verdicts.append((f"<= {goal.cpu_ns:g} ns", summary.cpu_ns <= goal.cpu_ns))
        return verdicts

    def latencies(self, case: Case, router: str) -> dict:
        """Load in percent -> medians over the rounds of p50, p99, p999 in microseconds."""
        collected = {}
        for sample in self.samples.get((case.name, router), []):
            for load, figures in sample.details.get("latency", {}).items():
                for name in ("p50_us", "p99_us", "p999_us"):
                    if name in figures:
                        collected.setdefault(load, {}).setdefault(name, []).append(figures[name])
        return {load: {name: median(values) for name, values in figures.items()}
                for load, figures in collected.items()}

    def to_json(self) -> list:
        rows = []
        for case in self.cases:
            row = {"case": case.name, "title": case.title, "link": case.link, "unit": case.unit,
                   "routers": {}}
            for router in self.routers:
                summary = self.summary(case, router)
                if summary is None:
                    continue
                samples = self.samples[(case.name, router)]
                row["routers"][router] = {
                    "median": summary.median, "low": summary.low, "high": summary.high,
                    "cpu_ns_per_packet": summary.cpu_ns, "ratio": self.ratio(case, router),
                    "goals": [{"goal": text, "met": met}
                              for text, met in self.goal_verdicts(case, router)],
                    "latency": self.latencies(case, router),
                    "samples": [{"value": sample.value, "cpu_ns_per_packet": sample.cpu_ns,
                                 "complaints": sample.complaints, **sample.details}
                                for sample in samples]}
            rows.append(row)
        return rows
