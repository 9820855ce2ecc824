"""What a check found, as data: findings in layers, layers in a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["SCHEMA", "Finding", "Layer", "Report", "Worst"]

SCHEMA = "refnorm.report/1"
ORDER = ("skipped", "conforms", "warning", "fails")


@dataclass
class Finding:
    """One thing worth telling; `verdict` is ``"conforms"`` where it is a remark only."""

    what: str
    verdict: str
    calls: int = 1


@dataclass
class Layer:
    """One kind of question: how many calls were asked, and what was found."""

    name: str
    ran: int = 0
    findings: list[Finding] = field(default_factory=list)
    skipped: str = ""
    grade: str = ""
    yardsticks: float = 0.0
    ulp: float = 0.0
    complete: bool = True

    @property
    def verdict(self) -> str:
        if not self.ran and not self.findings:
            return "skipped"
        return max((f.verdict for f in self.findings), key=ORDER.index, default="conforms")

    def skip(self, why: str) -> None:
        """Say what is not asked, and why."""
        self.skipped = f"{self.skipped}; {why}" if self.skipped else why

    def cut(self, why: str) -> None:
        """Say what was not asked though it should have been: such a run is no pass."""
        self.skip(why)
        self.complete = False

    def find(self, what: str, verdict: str, calls: int = 1) -> None:
        """Add a finding, unless it holds for no call; the same once more counts up."""
        for known in self.findings:
            if (known.what, known.verdict) == (what, verdict):
                known.calls += calls
                return
        if calls:
            self.findings.append(Finding(what, verdict, calls))

    def as_dict(self) -> dict:
        findings = [vars(f) for f in self.findings]
        return {
            "name": self.name, "verdict": self.verdict, "ran": self.ran, "complete": self.complete,
            "skipped": self.skipped or None, "grade": self.grade or None,
            "yardsticks": number(self.yardsticks), "ulp": number(self.ulp),
            "findings": findings,
        }  # fmt: skip


@dataclass
class Worst:
    """The smallest call that fails, and its worst element."""

    label: str
    dtype: str
    shape: tuple
    options: dict
    why: str
    index: tuple = ()
    got: float | None = None
    wanted: float | None = None
    ulp: float = 0.0
    yardsticks: float = 0.0
    place: str = ""

    @property
    def drawn(self) -> str:
        """The label of the call as it was drawn, before it was shrunk."""
        return self.label.removesuffix(", shrunk")

    def as_dict(self) -> dict:
        said = dict(vars(self))
        for name in ("got", "wanted"):
            said[f"{name}_hex"] = None if said[name] is None else float(said[name]).hex()
        return number(said)


@dataclass
class Report:
    """The whole of one check."""

    operator: str
    wing: str
    candidate: str
    seed: int
    dtypes: Sequence[str]
    wanted_grade: str
    strict: bool
    layers: list[Layer] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    worst: Worst | None = None
    smallest: object = None  # the trial that `worst` shows; not in the JSON
    ran: int = 0
    floor: int = 1
    declined: int = 0
    seconds: float = 0.0
    kind: str = ""
    convention: str = ""
    errors: dict[str, dict] = field(default_factory=dict)
    cases: list = field(default_factory=list)  # of histogram.CaseResult
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        """Whether at least every case ran in every dtype, and no layer was cut: less is an error, never a pass."""
        return self.ran >= self.floor > 0 and all(layer.complete for layer in self.layers)

    @property
    def conforms(self) -> bool:
        return self.enough and self.verdict in ("conforms", "conforms with a warning")

    @property
    def wrong(self) -> bool:
        return any(layer.verdict == "fails" for layer in self.layers)

    @property
    def verdict(self) -> str:
        if not self.enough and not self.wrong:
            return "too few cases ran"
        worst = max((layer.verdict for layer in self.layers), key=ORDER.index, default="skipped")
        said = {"conforms": "conforms", "warning": "conforms with a warning", "fails": "does not conform"}
        return said.get(worst, "too few cases ran")

    @property
    def grade(self) -> str:
        return max((layer.grade for layer in self.layers if layer.grade), default="F")

    @property
    def worst_ulp(self) -> float:
        return max((layer.ulp for layer in self.layers), default=0.0)

    @property
    def worst_yardsticks(self) -> float:
        return max((layer.yardsticks for layer in self.layers), default=0.0)

    @property
    def exit_code(self) -> int:
        # what is known to be wrong stays so, however little was asked
        return 1 if self.wrong else 0 if self.conforms else 3

    def as_dict(self) -> dict:
        """Return the report as JSON takes it; numbers that are not finite as text."""
        return {
            "schema": SCHEMA, "operator": self.operator, "candidate": self.candidate, "kind": self.kind or None,
            "seed": self.seed, "dtypes": list(self.dtypes), "wanted_grade": self.wanted_grade, "strict": self.strict,
            "convention": self.convention or None,
            "conforms": self.conforms, "verdict": self.verdict, "grade": self.grade,
            "worst_ulp": number(self.worst_ulp), "worst_yardsticks": number(self.worst_yardsticks),
            "ran": self.ran, "floor": self.floor, "declined": self.declined, "seconds": round(self.seconds, 3),
            "named": list(self.named), "layers": [layer.as_dict() for layer in self.layers],
            "worst": self.worst and self.worst.as_dict(),
            "errors": self.errors, "cases": [case.as_dict() for case in self.cases], "versions": dict(self.versions),
        }  # fmt: skip

    def print(self, console=None) -> None:
        """Show the report on a rich console, by default the terminal's."""
        from .show import show  # rich costs 60 ms that only a reader pays

        show(self, console)


def number(value):
    """Return a Python number that JSON can hold, else its text; the same of every number in a dict or a sequence."""
    if isinstance(value, dict):
        return {name: number(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [number(one) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
