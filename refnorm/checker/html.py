"""One page for people: verdict, layers, findings, errors drawn, the worst cases in hex, how to see it again.

The page holds everything it shows: no script, no font and no picture from elsewhere, and it forbids itself any. What
a candidate said is text in it, whatever it said.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from .harmless import harmless
from .histogram import CaseResult
from .plots import bars, dots, figure
from .report import Report
from .show import again, shares, snippet

__all__ = ["WORST", "html", "worst_cases"]

WORST = 20
CODE = 8000  # characters of a snippet or a command that are shown
TONES = {"conforms": "good", "conforms with a warning": "warn", "does not conform": "bad", "too few cases ran": "none"}
MARKS = {"good": "✓", "warn": "!", "bad": "✗", "none": "?"}
LAYER_TONES = {"conforms": "good", "warning": "warn", "fails": "bad", "skipped": "none"}


def html(reports: Report | Sequence[Report]) -> str:
    """Return a self-contained page on one report or several.

    Raises
    ------
    ImportError
        jinja2 is not installed.
    ValueError
        There is no report.
    """
    reports = [reports] if isinstance(reports, Report) else list(reports)
    if not reports:
        raise ValueError("html() needs one report at least, got none")
    page = files("refnorm.checker").joinpath("report.html.jinja").read_text("utf-8")
    return _environment().from_string(page).render(
        reports=reports, TONES=TONES, MARKS=MARKS, LAYER_TONES=LAYER_TONES, WORST=WORST,
        conforming=sum(r.conforms for r in reports),
    )  # fmt: skip


def _environment():
    try:
        import jinja2
        from markupsafe import Markup, escape
    except ImportError as error:
        raise ImportError(f"an HTML report needs jinja2: pip install 'refnorm[check]' ({error})") from error

    def shown(value):
        """Every value passes here on its way into the page; markup is what the page itself made."""
        return harmless(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=shown
    )
    environment.filters |= {
        "figure": figure, "code": lambda text: escape(harmless(text, CODE)), "drawn": Markup, "floats": floats,
        "options": lambda options: ", ".join(f"{k}={v!r}" for k, v in options.items()),
    }  # fmt: skip
    environment.globals |= {
        "again": again, "bars": bars, "dots": dots, "shares": shares, "snippet": snippet, "worst_cases": worst_cases,
    }  # fmt: skip
    return environment


def worst_cases(report: Report) -> list[CaseResult]:
    """Return the calls furthest off, the worst first, at most `WORST`."""
    return sorted(report.cases, key=lambda case: case.rank, reverse=True)[:WORST]


def floats(value: float | str | None) -> tuple[str, str]:
    """Return a float as (decimal, hex); nothing where there is none."""
    if value is None:
        return "", ""
    value = float.fromhex(value) if isinstance(value, str) else float(value)
    return repr(value), value.hex()
