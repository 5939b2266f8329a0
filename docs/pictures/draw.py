"""Draw the two pictures of `docs/statistics.md` from real counts: `python docs/pictures/draw.py`.

The script writes `cells.svg` and `alarm.svg` beside itself. A test checks that they are up to date.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tidegauge import Monitor, Policy, Profile
from tidegauge.protocol.names import Severity
from tidegauge.report.model import FeatureReport

HERE = Path(__file__).parent
WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 30, 60
BLUE, ORANGE, RED, GREY = "#1f6feb", "#d9822b", "#c9302c", "#777777"
ROWS_PER_PANE = 200
DRIFT_BEGINS, DRIFT_ENDS, LAST_PANE = 90, 270, 540  # panes of 10 s: minutes 15, 45 and 90

Point = tuple[float, float]


class Plot:
    """One plot: takes values of the data, keeps SVG elements."""

    def __init__(self, x: Point, y: Point) -> None:
        self.x, self.y = x, y
        self.elements: list[str] = []

    def at(self, point: Point) -> Point:
        """Place of a value in the picture, in pixels."""
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (point[1] - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Iterable[Point], colour: str, *, width: float = 2, dash: str = "") -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        style = f'fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}'
        self.elements.append(f'<polyline points="{path}" {style}/>')

    def area(self, low: Point, high: Point, colour: str, opacity: float) -> None:
        """Fill a rectangle between two corners."""
        (left, bottom), (right, top) = self.at(low), self.at(high)
        place = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
        self.elements.append(f'<rect {place} fill="{colour}" fill-opacity="{opacity:g}"/>')

    def text(self, point: Point, text: str, colour: str = "#333333", anchor: str = "start") -> None:
        """Write text at a value."""
        x, y = self.at(point)
        style = f'fill="{colour}" text-anchor="{anchor}"'
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>')

    def axes(self, title: str, below: str, ticks: Iterable[float]) -> None:
        """Draw both axes; the vertical one is a share from 0 to its end."""
        (x0, x1), (y0, y1) = self.x, self.y
        self.line([(x0, y1), (x0, y0), (x1, y0)], GREY, width=1)
        for tick in ticks:
            self.text((tick, y0 - (y1 - y0) * 0.07), f"{tick:,g}", anchor="middle")
        for share in np.linspace(y0, y1, 5):
            self.text((x0 - (x1 - x0) * 0.01, float(share)), f"{share:.2f}", anchor="end")
        self.text(((x0 + x1) / 2, y0 - (y1 - y0) * 0.15), below, anchor="middle")
        self.text((x0, y1 + (y1 - y0) * 0.06), title)

    def svg(self) -> str:
        """Return the picture as a document."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        font = 'font-family="sans-serif" font-size="13">'
        paper = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        return "\n".join([f"{head} {font}", paper, *self.elements, "</svg>", ""])


def draw_cells() -> str:
    """Draw both cumulative distributions of one feature over its cut points, and D between them."""
    rng = np.random.default_rng(7)
    profile = Profile.fit({"sqft": rng.normal(2000, 500, 20_000)}, cut_points=16)
    counts = profile.count({"sqft": rng.normal(2200, 500, 2_000)})
    (feature,) = profile.monitored
    edges = np.asarray(feature.cut_points, dtype=float)
    reference = np.cumsum(feature.counts)[1::2] / feature.counts.sum()
    live = np.cumsum(counts.cells)[1::2] / counts.cells.sum()
    finite = np.isfinite(edges)
    edges, reference, live = edges[finite], reference[finite], live[finite]
    place = int(np.argmax(np.abs(reference - live)))
    plot = Plot((500, 3700), (0, 1))
    for edge in edges:
        plot.line([(float(edge), 0), (float(edge), 1)], "#dddddd", width=1)
    plot.axes("share of rows up to a value", "sqft; each grey line is a cut point", range(1000, 3501, 500))
    plot.line(zip(edges.tolist(), reference.tolist(), strict=True), BLUE)
    plot.line(zip(edges.tolist(), live.tolist(), strict=True), ORANGE)
    at = float(edges[place])
    plot.line([(at, float(live[place])), (at, float(reference[place]))], RED, width=4)
    plot.text((at + 60, float(live[place]) + 0.01), f"D = {counts.ks('sqft').statistic:.3f}", RED)
    plot.text((2900, 0.5), "training data, 20,000 rows", BLUE)
    plot.text((2900, 0.42), "live rows, 2,000 rows", ORANGE)
    return plot.svg()


def watch_a_drift() -> list[FeatureReport]:
    """Report on one feature after each pane; its values move by 0.3 standard deviations for half an hour."""
    rng = np.random.default_rng(7)
    profile = Profile.fit({"sqft": rng.normal(2000, 500, 20_000)})
    monitor, found = Monitor(profile, Policy(design_effect=1)), []
    for pane in range(LAST_PANE + 1):
        moved = 150 if DRIFT_BEGINS <= pane < DRIFT_ENDS else 0
        monitor.add(pane, profile.count({"sqft": rng.normal(2000 + moved, 500, ROWS_PER_PANE)}))
        found.append(monitor.report(pane).features["sqft"])
    return found


def draw_alarm() -> str:
    """Draw D and its lower bound over time, and when the alarm is raised and cleared."""
    found = watch_a_drift()
    minutes = [pane / 6 for pane in range(len(found))]
    alarmed = [minute for minute, feature in zip(minutes, found, strict=True) if feature.severity]
    plot = Plot((0, LAST_PANE / 6), (0, 0.2))
    plot.area((DRIFT_BEGINS / 6, 0), (DRIFT_ENDS / 6, 0.2), GREY, 0.12)
    plot.area((alarmed[0], 0.192), (alarmed[-1], 0.2), RED, 0.8)
    plot.axes("share of rows that moved", "minutes", range(0, LAST_PANE // 6 + 1, 15))
    floor = found[0].floor
    plot.line([(0, floor), (LAST_PANE / 6, floor)], GREY, dash="6 4")
    plot.text((LAST_PANE / 6, floor + 0.004), "floor of a warning", GREY, "end")
    for values, colour, width in (
        ([feature.statistic for feature in found], BLUE, 1.5),
        ([feature.lower for feature in found], ORANGE, 1.5),
    ):
        known = [(x, min(y, 0.2)) for x, y in zip(minutes, values, strict=True) if y is not None]
        plot.line(known, colour, width=width)
    severity = max((feature.severity for feature in found if feature.severity), key=list(Severity).index)
    plot.text((alarmed[-1] + 1, 0.192), f"{severity.value} alarm", RED)
    plot.text((DRIFT_BEGINS / 6 + 1, 0.012), "the values have moved")
    plot.text((62, 0.16), "D", BLUE)
    plot.text((62, 0.147), "lower bound", ORANGE)
    return plot.svg()


PICTURES = {"cells.svg": draw_cells, "alarm.svg": draw_alarm}


def main() -> None:
    """Write the pictures."""
    for name, draw in PICTURES.items():
        (HERE / name).write_text(draw())


if __name__ == "__main__":
    main()
