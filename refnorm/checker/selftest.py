"""The checker checked: every known mistake and every null refused, no honest implementation failed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from .._modes import compute, lane
from .._registry import OPERATORS, Honest
from . import BUDGET, Plan, find_operator, plan, run
from .measure import changed, widened
from .nulls import nulls
from .pace import Pace
from .report import Report, number
from .trial import ask

__all__ = ["Line", "SelfTest", "selftest"]

SCHEMA = "refnorm.selftest/1"
DTYPES = ("float32", "float64")


@dataclass
class Line:
    """One implementation that was put to the checker, and whether the checker did right by it."""

    operator: str
    sort: str
    name: str
    ok: bool
    said: str
    grade: str
    yardsticks: float


@dataclass
class SelfTest:
    """All lines; `score` is the share of mistakes and nulls refused."""

    seed: int
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def score(self) -> tuple[int, int]:
        wrong = [line for line in self.lines if line.sort != "honest"]
        return sum(line.ok for line in wrong), len(wrong)

    @property
    def passed(self) -> bool:
        # an empty suite has refused nothing
        return bool(self.lines) and all(line.ok for line in self.lines)

    def as_dict(self) -> dict:
        refused, of = self.score
        lines = [vars(line) | {"yardsticks": number(line.yardsticks)} for line in self.lines]
        return {
            "schema": SCHEMA, "seed": self.seed, "passed": self.passed, "refused": refused, "of": of,
            "seconds": round(self.seconds, 3), "lines": lines,
        }  # fmt: skip

    def print(self, console=None) -> None:
        """Show the score, what went wrong, and the margin of every honest implementation."""
        from .show import show_selftest

        show_selftest(self, console)


def selftest(names: Iterable[str] = (), *, seed: int | None = None, progress=None) -> SelfTest:
    """Put every wrong and every right implementation of the operators to the checker."""
    result = SelfTest(secrets.randbelow(2**31) if seed is None else seed)
    pace = Pace(float("inf"), progress)
    for name in names or OPERATORS:
        drawn = plan(find_operator(name), result.seed, DTYPES)
        for sort in (_mistakes, _nulls, _honest):
            for line in sort(drawn):
                pace.tell(f"{name}: {line.name}")
                result.lines.append(line)
    result.seconds = pace.seconds
    return result


def _put(candidate: Callable, drawn: Plan) -> Report:
    return run(candidate, drawn, "C", False, Pace(BUDGET))


def _line(drawn: Plan, sort: str, name: str, ok: bool, report: Report, said: str = "") -> Line:
    said = said or report.verdict
    return Line(drawn.operator.name, sort, name, ok, said, report.grade, report.worst_yardsticks)


def as_candidate(twin: Callable) -> Callable:
    """Return a wrong twin as somebody would hand it in: float64 inside, answers in the type of the input."""

    def candidate(x, *parameters, **options):
        return changed(lambda y: y.astype(x.dtype), twin(*widened([x, *parameters]), **options))

    return candidate


def _mistakes(drawn: Plan) -> Iterable[Line]:
    for mistake in drawn.operator.load_card().mistakes:
        report = _put(as_candidate(mistake.function), drawn)
        refused, first = report.exit_code == 1, report.named[:1] == [mistake.name]
        said = report.verdict if not refused or first else f"refused, but named {report.named[:1] or 'nothing'}"
        yield _line(drawn, "mistake", mistake.name, refused and first, report, said)


def _nulls(drawn: Plan) -> Iterable[Line]:
    for name, candidate in nulls(drawn.operator).items():
        report = _put(candidate, drawn)
        yield _line(drawn, "null", name, report.exit_code == 1, report)


def _honest(drawn: Plan) -> Iterable[Line]:
    for entry in [*(h for h in drawn.operator.load_card().honest if h.installed), *own_lanes(drawn)]:
        agreed = replace(drawn, special=[c for c in drawn.special if not _differs(entry, c)])
        report = _put(entry.function, agreed)
        yield _line(drawn, "honest", entry.name, report.conforms, report)
        if entry.differs:  # a difference that is gone must be taken off the list
            others = replace(drawn, special=[c for c in drawn.special if _differs(entry, c)])
            report = _put(entry.function, others)
            said = f"differs at {', '.join(f'{k}: {v}' for k, v in entry.differs.items())}"
            yield _line(drawn, "honest", f"{entry.name}, its known difference", not report.conforms, report, said)


def _differs(entry: Honest, call) -> bool:
    return any(call.label.endswith(f" + {special}") for special in entry.differs)


def own_lanes(drawn: Plan) -> Iterable[Honest]:
    """Yield this library's other ways of computing the same: narrow formulas, and kernels where compiled."""
    operator = drawn.operator

    def native(*arrays, **options):
        with lane("formula"), compute("native"):
            return operator.function(*arrays, **options)

    def kernel(*arrays, **options):
        with lane("kernel"):
            return operator.function(*arrays, **options)

    yield Honest(operator.name, "refnorm, native formula", native)
    if operator.kernel and "none is compiled" not in (ask(kernel, drawn.plain[0]).error or ""):
        yield Honest(operator.name, "refnorm, kernel", kernel)
