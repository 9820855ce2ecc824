"""Judge somebody's implementation of an operator: ``refnorm.check(candidate, "layer_norm")``.

Layers, each with its own verdict: contract, values, special values, laws, gradients, diagnosis. The wanted result is
the operator's formula in float64, computed after the candidate has answered; how far off an answer may be is
measured on that formula and never declared.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from .. import convention as framework_options
from .._registry import OPERATORS, Operator
from .calls import FLOATS
from .follow import following
from .local import Local, require_signature
from .measure import packed, seen
from .pace import Pace
from .remote import Remote, Spec
from .report import Finding, Layer, Report, Worst
from .run import Plan, local, name_of, plan, run

__all__ = [
    "Finding", "Layer", "Plan", "Remote", "Report", "Spec", "Worst", "check", "find_operator", "inputs", "packed",
    "plan", "run", "seen",
]  # fmt: skip

BUDGET = 10.0
LEISURE = 60.0  # seconds of budget from which 2^23 rows are asked


def find_operator(operator) -> Operator:
    """Return the record of an operator given by its name or as the function itself."""
    name = operator if isinstance(operator, str) else getattr(operator, "__name__", None)
    if name not in OPERATORS or not (isinstance(operator, str) or OPERATORS[name].function is operator):
        raise ValueError(f"no operator is called {name or operator!r}; `refnorm list` shows them all")
    return OPERATORS[name]


def inputs(operator, label: str, *, dtype: str, seed: int) -> tuple[list, dict]:
    """Return the arrays and options of one call of a check, from the seed that its report prints.

    >>> from refnorm.checker import inputs
    >>> arrays, options = inputs("rms_norm", "loud eps", dtype="float32", seed=7)
    >>> arrays[0].shape, options
    ((4, 8), {'eps': 0.5})
    """
    drawn = plan(find_operator(operator), seed, [dtype])
    for call in (*drawn.plain, *drawn.hard, *drawn.special, *drawn.gradients):
        if call.label == label:
            return call.handed(), dict(call.options)
    raise ValueError(f"{drawn.operator.name} has no call {label!r}")


def check(
    candidate: Callable | Remote,
    operator,
    *,
    vjp: Callable | None = None,
    seed: int | None = None,
    dtypes: Sequence[str] = ("float32", "float64"),
    grade: str = "C",
    strict: bool = False,
    partial: bool = False,
    convention: str | None = None,
    budget: float = BUDGET,
    tall: bool | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Judge an implementation that claims to be an operator.

    Parameters
    ----------
    candidate : callable or Remote
        Called as the operator is, with NumPy arrays; returns anything `numpy.asarray` takes. A callable runs in this
        process; ``Remote(Spec("layer_norm", "mine.py:layer_norm"))`` in one of its own, which may crash or hang.
    operator : str or function
        The operator, ``"layer_norm"`` or ``refnorm.norm.layer_norm``.
    vjp : callable, optional
        The candidate's gradient, called as the operator's is: cotangent, arrays, options. An attribute `vjp` of the
        candidate is taken where this is left out.
    seed : int, optional
        What the inputs are drawn from; a fresh one when left out. The report has it.
    dtypes : sequence of str
        What the candidate must take, of float16, bfloat16, float32, float64.
    grade : {"A", "B", "C"}
        The lowest grade that conforms: A one ulp, B a few yardsticks, C as many as a row has elements.
    strict : bool
        Let findings fail: runs that differ in bits, batch dependence, flushed denormals, overflowing squares.
    partial : bool
        Let calls that the candidate declines (NotImplementedError) be skipped: the verdict is on the others.
    convention : str, optional
        A framework whose keyword values both sides are called with where a case leaves them out.
    budget : float
        Seconds after which nothing more is asked; a run that got not through its cases is no pass.
    tall : bool, optional
        Whether 2^23 rows are asked; by default they are from a budget of 60 on.
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
    _require_choices(grade, dtypes)
    op = find_operator(operator)
    filled = {} if convention is None else framework_options(convention, op.name)
    op = following(op, filled)
    seed = secrets.randbelow(2**31) if seed is None else seed
    if not isinstance(candidate, Remote | Local):
        require_signature(candidate, op)
        candidate = local(candidate, vjp)
    name = candidate.spec.where if isinstance(candidate, Remote) else name_of(candidate.adapted.call)
    candidate.filled = filled
    pace = Pace(budget, progress, tall=budget >= LEISURE if tall is None else tall)
    report = run(candidate, plan(op, seed, tuple(dtypes)), grade, strict, pace, partial, name, True)
    report.kind = candidate.spec.kind if isinstance(candidate, Remote) else ""
    report.convention = convention or ""
    return report


def _require_choices(grade: str, dtypes: Sequence[str]) -> None:
    if grade not in ("A", "B", "C"):
        raise ValueError(f"grade must be A, B or C, got {grade!r}")
    wrong = [d for d in dtypes if d not in FLOATS]
    if wrong or not dtypes or isinstance(dtypes, str):
        raise ValueError(f"dtypes must be some of {', '.join(FLOATS)}, got {dtypes!r}")
