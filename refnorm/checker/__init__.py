"""Judge somebody's implementation of an operator: ``refnorm.check(candidate, "layer_norm")``.

Five layers, each with its own verdict: contract, values, special values, laws, diagnosis. The wanted result is
the operator's formula in float64, computed after the candidate has answered; how far off an answer may be is
measured on that formula and never declared.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._registry import OPERATORS, Operator
from . import calls
from .contract import contract_layer
from .diagnose import diagnosis_layer
from .laws import laws_layer
from .measure import packed
from .pace import Pace
from .report import Finding, Layer, Report, Worst
from .trial import Trial, require_signature
from .values import failing, special_layer, values_layer

__all__ = ["Finding", "Layer", "Plan", "Report", "Worst", "check", "find_operator", "inputs", "packed", "plan", "run"]

BUDGET = 60.0


@dataclass
class Plan:
    """Every call of one check. What the reference says of them is kept, so that selftest can ask them again."""

    operator: Operator
    seed: int
    dtypes: Sequence[str]
    plain: list[calls.Call]
    hard: list[calls.Call]
    special: list[calls.Call]


def find_operator(operator) -> Operator:
    """Return the record of an operator given by its name or as the function itself."""
    name = operator if isinstance(operator, str) else getattr(operator, "__name__", None)
    if name not in OPERATORS or not (isinstance(operator, str) or OPERATORS[name].function is operator):
        raise ValueError(f"no operator is called {name or operator!r}; `refnorm list` shows them all")
    return OPERATORS[name]


def plan(op: Operator, seed: int, dtypes: Sequence[str]) -> Plan:
    """Draw the calls of a check from a seed."""
    kinds = (calls.plain, calls.hard, calls.special)
    return Plan(op, seed, dtypes, *([c for dtype in dtypes for c in kind(op, seed, dtype)] for kind in kinds))


def inputs(operator, label: str, *, dtype: str, seed: int) -> tuple[list, dict]:
    """Return the arrays and options of one call of a check, from the seed that its report prints.

    >>> from refnorm.checker import inputs
    >>> arrays, options = inputs("rms_norm", "loud eps", dtype="float32", seed=7)
    >>> arrays[0].shape, options
    ((4, 8), {'eps': 0.5})
    """
    drawn = plan(find_operator(operator), seed, [dtype])
    for call in (*drawn.plain, *drawn.hard, *drawn.special):
        if call.label == label:
            return call.handed(), dict(call.options)
    raise ValueError(f"{drawn.operator.name} has no call {label!r}")


def check(
    candidate: Callable,
    operator,
    *,
    seed: int | None = None,
    dtypes: Sequence[str] = ("float32", "float64"),
    grade: str = "C",
    strict: bool = False,
    partial: bool = False,
    budget: float = BUDGET,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Judge a callable that claims to be an operator.

    Parameters
    ----------
    candidate : callable
        Called as the operator is, without `out`, with NumPy arrays; returns anything `numpy.asarray` takes.
    operator : str or function
        The operator, ``"layer_norm"`` or ``refnorm.norm.layer_norm``.
    seed : int, optional
        What the inputs are drawn from; a fresh one when left out. The report has it.
    dtypes : sequence of str
        What the candidate must take, of float16, float32, float64.
    grade : {"A", "B", "C"}
        The lowest grade that conforms: A one ulp, B a few yardsticks, C as many as a row has elements.
    strict : bool
        Let findings fail: runs that differ in bits, batch dependence, flushed denormals, overflowing squares.
    partial : bool
        Let calls that the candidate declines (NotImplementedError) be skipped: the verdict is on the others.
    budget : float
        Seconds after which nothing more is asked; a run that got not through its cases is no pass.
    progress : callable, optional
        Told what is being asked.

    Returns
    -------
    Report
        ``report.conforms``, ``report.named``, ``report.worst``, ``report.print()``, ``report.as_dict()``.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> def sum_in_place_of_mean(x, weight=None, *, axis=-1, eps=1e-6):
    ...     y = x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True) + eps)
    ...     return y if weight is None else np.moveaxis(np.moveaxis(y, axis, -1) * weight, -1, axis)
    >>> report = refnorm.check(sum_in_place_of_mean, "rms_norm", seed=1)
    >>> report.conforms, report.named[0]
    (False, 'sum in place of mean')
    """
    op = find_operator(operator)
    _require_choices(grade, dtypes)
    require_signature(candidate, op)
    seed = secrets.randbelow(2**31) if seed is None else seed
    return run(candidate, plan(op, seed, tuple(dtypes)), grade, strict, Pace(budget, progress), partial)


def _require_choices(grade: str, dtypes: Sequence[str]) -> None:
    if grade not in ("A", "B", "C"):
        raise ValueError(f"grade must be A, B or C, got {grade!r}")
    wrong = [d for d in dtypes if d not in calls.FLOATS]
    if wrong or not dtypes or isinstance(dtypes, str):
        raise ValueError(f"dtypes must be some of {', '.join(calls.FLOATS)}, got {dtypes!r}")


def run(candidate: Callable, drawn: Plan, grade: str, strict: bool, pace: Pace, partial: bool = False) -> Report:
    """Ask every call of a plan and judge the answers, layer by layer."""
    op = drawn.operator
    report = Report(op.name, op.wing, _name(candidate), drawn.seed, drawn.dtypes, grade, strict)
    report.floor = max(1, len(op.cases) * len(drawn.dtypes))
    answers, asked = {}, {}
    for kind in ("plain", "hard", "special"):
        pace.tell(f"{kind} calls")
        given = list(pace.ask_all(candidate, getattr(drawn, kind)))
        answers[kind], asked[kind] = [t for t in given if not t.declined], len(given)
    report.ran = len(answers["plain"])
    report.declined = asked["plain"] - report.ran
    if partial:
        report.floor = max(1, report.floor - report.declined)
    values, special = answers["plain"] + answers["hard"], answers["special"]
    pace.tell("contract")
    report.layers.append(contract_layer(candidate, answers["plain"], pace, strict))
    pace.tell("judging")
    cut = asked["plain"] + asked["hard"] < len(drawn.plain + drawn.hard)
    report.layers.append(values_layer(values, grade, strict, cut))
    report.layers.append(special_layer(special, grade, strict, asked["special"] < len(drawn.special)))
    report.layers.append(laws_layer(candidate, op, drawn.seed, drawn.dtypes, pace))
    pace.tell("diagnosis")
    counted = values + [t for t in special if not t.call.strict_only]
    layer, report.named = diagnosis_layer(candidate, op, counted, grade)
    report.layers.append(layer)
    report.worst = _smallest_failing(values, grade) or _smallest_failing(counted, grade)
    report.seconds = pace.seconds
    return report


def _name(candidate) -> str:
    name = getattr(candidate, "__qualname__", type(candidate).__qualname__)
    return f"{getattr(candidate, '__module__', '?')}:{name}"


def _smallest_failing(trials: list[Trial], grade: str) -> Worst | None:
    bad = [t for t in trials if failing(t, grade)]
    if not bad:
        return None
    # an empty call that fails is small but shows nothing where another fails too
    t = min(bad, key=lambda t: (t.call.size == 0, t.call.size, t.call.dtype != bad[0].call.dtype))
    call, judged = t.call, t.judged
    worst = Worst(call.label, call.dtype, call.arrays[0].shape, call.options, judged.why)
    if t.got is not None and t.got.shape == call.wanted.shape and t.got.dtype.kind == "f":
        worst.index, worst.ulp, worst.yardsticks = judged.index, judged.ulp, judged.yardsticks
        worst.got, worst.wanted = float(t.got[judged.index]), float(call.wanted[judged.index].astype(call.dtype))
    return worst
