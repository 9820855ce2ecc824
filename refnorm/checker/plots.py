"""The geometry of a report's two drawings: errors counted by size, and calls against the limits of their grades.

Pure functions from data to coordinates; the page draws what they return. Counts and yardsticks span many powers of
ten, so both drawings have logarithmic scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .histogram import CaseResult

__all__ = ["Bar", "Plot", "bars", "dots", "figure", "power"]

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LOWEST = 1e-2  # yardsticks below are drawn on the floor: nobody asks how much smaller than a rounding an error is


@dataclass
class Bar:
    """One bin: where it stands, what it says, and what stands below it."""

    x: float
    y: float
    width: float
    height: float
    title: str
    count: int
    label: str = ""
    bad: bool = False


@dataclass
class Plot:
    """What to draw in a box of `width` by `height`; ticks are (place, text)."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    marks: list[tuple[float, float, str, str]] = field(default_factory=list)
    limits: list[tuple[str, str, float]] = field(default_factory=list)
    split: float | None = None
    infinite: bool = False

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def figure(value) -> str:
    """Return a number as people write it: 3 digits, and a power of ten where it is large or small.

    >>> from refnorm.checker.plots import figure
    >>> figure(0.5), figure(1.04e17), figure(float("inf"))
    ('0.5', '1.04 × 10¹⁷', '∞')
    """
    if value is None or math.isnan(value):
        return "–" if value is None else "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits, _, exponent = f"{value:.3g}".partition("e")
    return f"{digits} × {power(10, int(exponent))}" if exponent else digits


def power(base: int, exponent: int) -> str:
    return f"{base}{str(exponent).translate(SUPERSCRIPTS)}"


# ---- errors counted by size ----


def bars(errors: dict) -> Plot:
    """Return one bar a bin, its height the logarithm of its count, and a last one for NaN and infinity."""
    plot = Plot(420, 200, 38, 412, 14, 158)
    counts, beyond = errors["counts"], errors["nonfinite"]
    most = math.log10(1 + max([*counts, beyond, 9]))
    places = len(counts) + (2 if beyond else 0)  # a gap before what is no number
    step = min((plot.right - plot.left) / places, 44)
    every = math.ceil(len(counts) / 10)

    def bar(place: int, count: int, title: str, label: str, bad: bool = False) -> Bar:
        tall = (plot.bottom - plot.top) * math.log10(1 + count) / most
        x, y = plot.left + place * step + step * 0.1, plot.bottom - tall
        return Bar(round(x, 2), round(y, 2), round(step * 0.8, 2), round(tall, 2), title, count, label, bad)

    for i, count in enumerate(counts):
        plot.bars.append(bar(i, count, _bin(errors["edges"], i), _edge(errors["edges"][i]) if i % every == 0 else ""))
    if beyond:
        plot.bars.append(bar(places - 1, beyond, "NaN or infinite in the wrong place", "NaN, ∞", bad=True))
    for decade in range(int(most) + 1):
        up = (plot.bottom - plot.top) * math.log10(1 + 10**decade) / most
        plot.y_ticks.append((round(plot.bottom - up, 2), str(10**decade) if decade < 4 else power(10, decade)))
    return plot


def _edge(edge: float) -> str:
    if edge in (0, 0.5):
        return "0" if edge == 0 else "½"
    return str(int(edge)) if edge < 1000 else power(2, int(math.log2(edge)))


def _bin(edges: Sequence[float], i: int) -> str:
    if i == 0:
        return "no error"
    if edges[i] >= 2.0**64:
        return f"above {_edge(edges[i - 1])} ulp"
    return f"above {_edge(edges[i - 1])}, up to {_edge(edges[i])} ulp" if i > 1 else f"up to {_edge(edges[i])} ulp"


# ---- calls against the limits of their grades ----


def dots(cases: Sequence[CaseResult], told: int = 20) -> Plot | None:
    """Return one dot a call: those of grade A first, then by how much grade C allows, the better before the worse.

    So the limits are stairs, and what lies above them is seen. The `told` worst calls get a mark with a text.
    """
    if not cases:
        return None
    plot = Plot(720, 280, 52, 690, 30, 240)
    cases = sorted(cases, key=lambda c: (c.bound_c or 0, c.yardsticks))
    known = [v for c in cases for v in (c.yardsticks, c.bound_b, c.bound_c) if v is not None and LOWEST < v < math.inf]
    low, high = math.log10(LOWEST), math.ceil(math.log10(max([*known, 100])))
    step = (plot.right - plot.left) / len(cases)
    plot.infinite = any(c.yardsticks == math.inf for c in cases)

    def height(value: float) -> float:
        if value == math.inf:
            return plot.top - 12
        up = (math.log10(max(value, LOWEST)) - low) / (high - low)
        return round(plot.bottom - (plot.bottom - plot.top) * up, 1)

    worst = {id(c) for c in sorted(cases, key=lambda c: c.rank)[-told:]}
    for i, c in enumerate(cases):
        x, y, sort = round(plot.left + (i + 0.5) * step, 1), height(c.yardsticks), _sort(c)
        plot.paths[sort] = plot.paths.get(sort, "") + f"M{x} {y}h0"
        if id(c) in worst:
            title = f"{c.label}, {c.dtype}: {figure(c.yardsticks)} yardsticks, {figure(c.ulp)} ulp, grade {c.grade}"
            plot.marks.append((x, y, sort, title))
    for grade in "BC":
        stairs = [(i, getattr(c, f"bound_{grade.lower()}")) for i, c in enumerate(cases)]
        stairs = [(i, limit) for i, limit in stairs if limit is not None]
        if stairs:
            path = "".join(f"M{x:.1f} {height(v)}h{step:.2f}" if first else f"V{height(v)}h{step:.2f}"
                           for first, x, v in _steps(stairs, plot.left, step))  # fmt: skip
            plot.limits.append((grade, path, height(stairs[-1][1])))
    first = next((i for i, c in enumerate(cases) if c.bound_c is not None), len(cases))
    plot.split = round(plot.left + first * step, 1) if 0 < first < len(cases) else None
    for decade in range(int(low), high + 1, max(1, math.ceil((high - low) / 6))):
        plot.y_ticks.append((height(10.0**decade), power(10, decade) if abs(decade) > 2 else f"{10.0**decade:g}"))
    return plot


def _sort(case: CaseResult) -> str:
    return "fails" if case.fails else "told" if case.grade == "F" else "passes"


def _steps(stairs, left: float, step: float):
    """Yield (whether a line starts here, x, value) for calls side by side."""
    before = None
    for i, value in stairs:
        yield before != i - 1, left + i * step, value
        before = i
