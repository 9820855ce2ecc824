"""The checker checked: every known mistake, null and mutant refused, no honest implementation failed."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from .._modes import compute, lane
from .._registry import OPERATORS, Honest
from . import Plan, find_operator, plan, run
from .diagnose import diagnosis_layer
from .measure import changed, widened
from .mutants import ROUNDING, Fate, fates
from .nulls import nulls
from .pace import Pace
from .report import Report, number
from .run import local
from .trial import ask
from .values import failing

__all__ = ["Line", "SelfTest", "selftest"]

SCHEMA = "refnorm.selftest/1"
DTYPES = ("float32", "float64")
LEAST = 0.98  # of the mutants that are not equivalent must be killed
# Mutants have a seed of their own: which of them survive by a hair, and are explained in the cards, is up to the draw.
MUTANT_SEED = 5


@dataclass
class Line:
    """One implementation that was put to the checker, and whether the checker did right by it."""

    operator: str
    sort: str
    name: str
    ok: bool
    said: str
    grade: str = ""
    yardsticks: float = 0.0
    end: str = ""
    place: str = ""


@dataclass
class SelfTest:
    """All lines; `score` counts the mistakes and nulls refused, `mutants` what became of mutants."""

    seed: int
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def score(self) -> tuple[int, int]:
        wrong = [line for line in self.lines if line.sort in ("mistake", "null")]
        return sum(line.ok for line in wrong), len(wrong)

    @property
    def mutants(self) -> dict[str, int]:
        """Return how many mutants were killed, and of how many: equivalent ones do not count, explained ones do."""
        made = [line for line in self.lines if line.sort == "mutant"]
        equal = [line for line in made if line.end == "equivalent"]
        alive = [line for line in made if line.end == "survives"]
        return {
            "killed": len(made) - len(equal) - len(alive), "of": len(made) - len(equal), "equivalent": len(equal),
            "equivalent_but_for_rounding": sum(line.said == ROUNDING for line in equal),
            "explained": sum(line.ok for line in alive),
        }  # fmt: skip

    @property
    def passed(self) -> bool:
        # an empty suite has refused nothing
        enough = self.mutants["killed"] >= LEAST * self.mutants["of"]
        return bool(self.lines) and enough and all(line.ok for line in self.lines)

    def as_dict(self) -> dict:
        refused, of = self.score
        lines = [vars(line) | {"yardsticks": number(line.yardsticks)} for line in self.lines]
        return {
            "schema": SCHEMA, "seed": self.seed, "passed": self.passed, "refused": refused, "of": of,
            "mutants": self.mutants, "seconds": round(self.seconds, 3), "lines": lines,
        }  # fmt: skip

    def print(self, console=None) -> None:
        """Show the score, what went wrong, and the margin of every honest implementation."""
        from .show import show_selftest

        show_selftest(self, console)


def selftest(
    names: Iterable[str] = (),
    *,
    seed: int | None = None,
    progress: Callable[[str], None] | None = None,
    mutants: bool = True,
    sample: int | None = None,
    brief: bool = False,
) -> SelfTest:
    """Put every wrong and every right implementation of the operators to the checker.

    Parameters
    ----------
    names : iterable of str
        The operators; all when left out.
    seed : int, optional
        What the calls of mistakes, nulls and honest implementations are drawn from; a fresh one when left out.
    progress : callable, optional
        Told what is being asked.
    mutants : bool
        Whether mutants are made and judged too.
    sample : int, optional
        How many mutants of each operator at most; all when left out.
    brief : bool
        Ask what is wrong the plain calls alone where those are enough to refuse and to name it.
    """
    result = SelfTest(secrets.randbelow(2**31) if seed is None else seed)
    pace = Pace(float("inf"), progress)
    for name in names or OPERATORS:
        operator = find_operator(name)
        drawn = plan(operator, result.seed, DTYPES)
        for line in itertools.chain(_mistakes(drawn, brief), _nulls(drawn, brief), _honest(drawn)):
            pace.tell(f"{name}: {line.name}")
            result.lines.append(line)
        for line in _mutants(plan(operator, MUTANT_SEED, DTYPES), sample) if mutants else ():
            pace.tell(f"{name}: mutant at {line.place}")
            result.lines.append(line)
    result.seconds = pace.seconds
    return result


def _mutants(drawn: Plan, sample: int | None) -> Iterable[Line]:
    alive = set()
    for fate in fates(drawn, sample):
        if fate.end == "survives":
            alive.add(fate.mutant.text)
        yield _fate(drawn.operator.name, fate)
    for text in () if sample else sorted(set(drawn.operator.survivors) - alive):
        # told, and no failure: what survives by a hair may not on another processor
        yield Line(drawn.operator.name, "explanation", text, True, "no such mutant survives", end="stale")


def _fate(name: str, fate: Fate) -> Line:
    said = f"{fate.why}: {fate.explained}" if fate.explained else fate.why
    ok = fate.end != "survives" or bool(fate.explained)
    return Line(name, "mutant", fate.mutant.text, ok, said, end=fate.end, place=fate.mutant.place)


def _put(candidate: Callable, drawn: Plan) -> Report:
    return run(candidate, drawn, "C", False, Pace(float("inf")))


def _at_a_glance(candidate: Callable, drawn: Plan, naming: bool = True) -> tuple[bool, list[str]]:
    """Return whether the plain calls alone refuse a candidate, and the names they give it."""
    asked = local(candidate)
    trials = [ask(asked, call) for call in drawn.plain]
    refused = any(failing(t, "C") for t in trials)
    return refused, diagnosis_layer(asked, drawn.operator, trials, "C")[1] if refused and naming else []


def _line(drawn: Plan, sort: str, name: str, ok: bool, report: Report, said: str = "") -> Line:
    said = said or report.verdict
    return Line(drawn.operator.name, sort, name, ok, said, report.grade, report.worst_yardsticks)


def as_candidate(twin: Callable) -> Callable:
    """Return a wrong twin as somebody would hand it in: float64 inside, answers in the type of the input."""

    def candidate(x, *parameters, **options):
        return changed(lambda y: y.astype(x.dtype), twin(*widened([x, *parameters]), **options))

    return candidate


def _mistakes(drawn: Plan, brief: bool) -> Iterable[Line]:
    for mistake in drawn.operator.load_card().mistakes:
        candidate = as_candidate(mistake.function)
        if brief and mistake.name in _at_a_glance(candidate, drawn)[1][:1]:
            yield Line(drawn.operator.name, "mistake", mistake.name, True, "refused and named by the plain calls", "F")
            continue
        report = _put(candidate, drawn)
        refused, first = report.exit_code == 1, report.named[:1] == [mistake.name]
        said = report.verdict if not refused or first else f"refused, but named {report.named[:1] or 'nothing'}"
        yield _line(drawn, "mistake", mistake.name, refused and first, report, said)


def _nulls(drawn: Plan, brief: bool) -> Iterable[Line]:
    for name, candidate in nulls(drawn.operator).items():
        if brief and _at_a_glance(candidate, drawn, naming=False)[0]:
            yield Line(drawn.operator.name, "null", name, True, "refused by the plain calls", "F")
            continue
        report = _put(candidate, replace(drawn, hard=[], special=[]) if brief else drawn)
        if brief and report.exit_code != 1:
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

    native, kernel = _under(operator.function, "formula", "native"), _under(operator.function, "kernel")
    if operator.gradient:
        native.vjp, kernel.vjp = (_under(operator.gradient, *modes) for modes in (("formula", "native"), ("kernel",)))
    yield Honest(operator.name, "refnorm, native formula", native)
    if operator.kernel and "none is compiled" not in (ask(local(kernel), drawn.plain[0]).error or ""):
        yield Honest(operator.name, "refnorm, kernel", kernel)


def _under(function: Callable, its_lane: str, computing: str = "wide") -> Callable:
    def called(*arrays, **options):
        with lane(its_lane), compute(computing):
            return function(*arrays, **options)

    return called
