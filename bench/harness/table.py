"""The table that people read, as Markdown."""

from .case import LINK_MODES
from .results import Results


def figure(value: float, unit: str) -> str:
    return f"{value:.3f}" if unit == "ms" else f"{value:.2f}"


def _cell(results: Results, case, router: str) -> str:
    summary = results.summary(case, router)
    if summary is None:
        return "-"
    text = (f"{figure(summary.median, case.unit)} "
            f"({figure(summary.low, case.unit)}–{figure(summary.high, case.unit)})")
    if summary.cpu_ns is not None:
        text += f", {summary.cpu_ns:,.0f} ns"
    ratio = results.ratio(case, router)
    if ratio is not None:
        text += f", **{ratio:.2f} ×**"
    return text + (" !" if summary.complaints else "")


def _goal_cell(results: Results, case, router: str) -> str:
    return ", ".join(f"{text}: {'met' if met else 'missed'}"
                     for text, met in results.goal_verdicts(case, router))


def lines(rows: list) -> list:
    """Markdown with its columns aligned, so that it reads in a terminal too."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
            for row in rows]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return text


def main_table(results: Results, subject: str) -> str:
    rows = [["case", "unit", *results.routers, f"goals of {subject}"]]
    for case in results.cases:
        title = case.title if case.link == "whole" else f"{case.title}, {case.link}"
        rows.append([title, case.unit, *(_cell(results, case, router) for router in results.routers),
                     _goal_cell(results, case, subject)])
    text = lines(rows)
    text += ["", f"Median (lowest–highest) of the rounds; processor time of the router for one "
             f"relayed packet; how many times better than {results.baseline}. "
             + "; ".join(f"{name}: {meaning}" for name, meaning in LINK_MODES.items()) + "."]
    return "\n".join(text)


def latency_table(results: Results) -> str:
    rows = [["time through the controller", "router", "load", "p50 µs", "p99 µs", "p99.9 µs"]]
    for case in results.cases:
        for router in results.routers:
            for load, figures in sorted(results.latencies(case, router).items()):
                if not figures:
                    continue
                rows.append([f"{case.title} ({case.link})", router, f"{load} %",
                             *(f"{figures[name]:,.0f}" for name in ("p50_us", "p99_us", "p999_us"))])
    return "\n".join(lines(rows)) if len(rows) > 1 else ""


def complaints(results: Results) -> str:
    lines = []
    for case in results.cases:
        for router in results.routers:
            summary = results.summary(case, router)
            if summary and summary.complaints:
                lines.append(f"  {case.name}, {router}: " + "; ".join(summary.complaints))
    if not lines:
        return "Every measurement was clean."
    return "Not clean (!):\n" + "\n".join(lines)
