"""The comparison as an SVG chart: a group of bars for each case."""

from xml.sax.saxutils import escape

from .results import Results
from .table import figure

WIDTH = 960
LABEL_WIDTH = 300
VALUE_WIDTH = 190
TOP = 64
BAR = 16
GAP = 14  # between groups
COLOURS = ("#1f6f8b", "#e0a030", "#8a8a8a", "#7a5195", "#4f9d4f")
STYLE = ("text{font:13px system-ui,sans-serif;fill:#222}.small{font-size:11px;fill:#555}"
         ".title{font-size:16px;font-weight:600}.goal{stroke:#c03030;stroke-width:2}"
         ".axis{stroke:#bbb}"
         "@media(prefers-color-scheme:dark){text{fill:#ddd}.small{fill:#aaa}.axis{stroke:#555}}")


class _Canvas:
    def __init__(self):
        self.parts = []

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}">'
                          f"{escape(text)}</text>")

    def bar(self, x: float, y: float, width: float, colour: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                          f'height="{BAR - 3}" fill="{colour}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="{style}"/>')

    def svg(self, height: float) -> str:
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
                f'role="img"><style>{STYLE}</style>\n' + "\n".join(self.parts) + "\n</svg>\n")


def _goal_at(results: Results, case) -> float:
    """Where the goal lies in the case's unit; 0: none."""
    base = results.summary(case, results.baseline)
    if case.goal.value is not None:
        return case.goal.value
    if case.goal.ratio is not None and base is not None:
        return base.median * case.goal.ratio
    return 0.0


def _group(canvas: _Canvas, results: Results, case, y: float) -> float:
    """One case. Each group has a scale of its own: units and sizes differ. Returns the next y."""
    summaries = [(router, results.summary(case, router)) for router in results.routers]
    summaries = [(router, summary) for router, summary in summaries if summary]
    goal = _goal_at(results, case)
    largest = max([goal] + [summary.high for _, summary in summaries]) or 1.0
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / largest
    top = y
    title = case.title if case.link == "whole" else f"{case.title}, {case.link}"
    canvas.text(LABEL_WIDTH - 10, y + BAR - 5, title, anchor="end")
    direction = "less is better" if case.smaller_is_better else ""
    canvas.text(LABEL_WIDTH - 10, y + 2 * BAR - 5, direction, "small", "end")
    for router, summary in summaries:
        colour = COLOURS[results.routers.index(router) % len(COLOURS)]
        canvas.bar(LABEL_WIDTH, y, summary.median * scale, colour)
        middle = y + (BAR - 3) / 2
        canvas.line(LABEL_WIDTH + summary.low * scale, middle, LABEL_WIDTH + summary.high * scale,
                    middle, "axis")
        text = f"{figure(summary.median, case.unit)} {case.unit}"
        ratio = results.ratio(case, router)
        if ratio is not None:
            text += f"  ({ratio:.1f} ×)"
        canvas.text(LABEL_WIDTH + max(summary.median, summary.high) * scale + 8, y + BAR - 5, text,
                    "small")
        y += BAR
    if goal:
        x = LABEL_WIDTH + goal * scale
        canvas.line(x, top - 2, x, y - 1, "goal")
    canvas.line(LABEL_WIDTH, top - 2, LABEL_WIDTH, y - 1, "axis")
    return y + GAP


def draw(results: Results, subtitle: str) -> str:
    canvas = _Canvas()
    canvas.text(16, 24, "Throughput and round-trip times", "title")
    canvas.text(16, 42, subtitle, "small")
    x = LABEL_WIDTH + 60
    for number, router in enumerate(results.routers):
        canvas.bar(x, 14, 12, COLOURS[number % len(COLOURS)])
        canvas.text(x + 18, 25, router)
        x += 40 + 8 * len(router)
    canvas.line(x, 14, x, 27, "goal")
    canvas.text(x + 8, 25, "goal")
    y = TOP
    for case in results.cases:
        y = _group(canvas, results, case, y)
    return canvas.svg(y + 8)
