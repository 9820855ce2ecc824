"""Charts of measured figures: errors here and elsewhere, and speed against the fastest peer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from pictures.style import BLUE, QUIET, RED, STYLE, panels

LEAST, MOST = 0.02, 1e8  # ulp: what is outside is drawn at the border


def errors(beside: dict, path: Path) -> Path:
    """Draw the largest float32 error on each kind of data, ours beside other people's, on a scale of powers of ten."""

    def drawn(figure):
        ax = panels(figure, height=24 * len(beside) + 76)
        for i, found in enumerate(beside.values()):
            for who, error in found.items():
                ours = who == "refnorm"
                at = 3 * MOST if error is None else np.clip(error, LEAST, MOST)
                ax.plot(at, i, "o" if ours else "s", color=BLUE if ours else RED, ms=7 if ours else 5, zorder=2 + ours)
        ax.set_yticks(range(len(beside)), beside)
        ax.set(xscale="log", xlabel="largest error, ulp", xlim=(LEAST / 2, 10 * MOST))
        ax.axvline(0.5, color=BLUE, lw=1, zorder=0)
        ax.invert_yaxis()
        ax.plot([], [], "o", color=BLUE, label="refnorm")
        others = list(dict.fromkeys(who for found in beside.values() for who in found if who != "refnorm"))
        if others:
            ax.plot([], [], "s", color=RED, label=", ".join(others[:2]))
        figure.legend(loc="outside upper center", ncols=2)

    return save(drawn, path)


def everybody(beside: dict, path: Path) -> Path:
    """Draw every operator and kind of data as a point: other people's largest error against ours."""
    points = [
        (found["refnorm"], max(error for who, error in found.items() if who != "refnorm" and error is not None))
        for of in beside.values()
        for found in of.values()
        if found["refnorm"] is not None and any(e is not None for who, e in found.items() if who != "refnorm")
    ]

    def drawn(figure):
        ax = panels(figure, height=280)
        ours, theirs = np.clip(np.array(points).T, LEAST, MOST)
        ax.plot([LEAST, MOST], [LEAST, MOST], color=QUIET, lw=1)
        ax.plot(theirs, ours, "o", color=BLUE, ms=3.5, alpha=0.35, mew=0)
        ax.set(xscale="log", yscale="log", xlabel="elsewhere in float32, ulp", ylabel="refnorm, ulp")
        ax.set_ylim(LEAST / 2, MOST)

    return save(drawn, path)


def ratios(fastest: list[dict], path: Path) -> Path:
    """Draw how many times faster than its fastest peer each case is."""
    fastest = sorted(fastest, key=lambda r: r["ratio"])
    values = [r["ratio"] for r in fastest]

    def drawn(figure):
        ax = panels(figure, height=17 * len(fastest) + 50)
        ax.barh([r["case"] for r in fastest], values, color=[RED if v < 1 else BLUE for v in values])
        ax.axvline(1, color=QUIET, lw=1)
        ax.set(xscale="log", xlabel="times as fast as the fastest peer")
        ax.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.minorticks_off()
        ax.tick_params(axis="y", labelsize=7.5)

    return save(drawn, path)


def save(drawn, path: Path) -> Path:
    """Write what a function draws, the same bytes every time."""
    with rc_context(STYLE):
        figure = Figure()
        drawn(figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return path
