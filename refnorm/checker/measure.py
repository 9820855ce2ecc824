"""The reference in float64, the condition of a call as measured on it, and grades.

For float64 candidates the reference is the same formula in float64, with its compensated sums: an error of a
few ulp there may be the reference's own. Yardsticks are as honest there as elsewhere, since they are measured.
"""

from __future__ import annotations

import functools
import math
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from .._modes import compute, lane
from .wire import dtype_of

__all__ = [
    "DRAWS", "Condition", "answer", "baseline_error", "bound", "changed", "condition", "decomposes", "is_float",
    "judged", "limits", "nudged", "packed", "quiet", "reach", "reference", "seen", "shapes", "trimmed", "unit",
    "widened",
]  # fmt: skip

DRAWS, FAR = 8, 3


@contextmanager
def quiet():
    """Let NaN, overflow and division by zero pass without a word: they are what is being asked about."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_float(a) -> bool:
    """Return whether an array, or its dtype, is of floating numbers; bfloat16 is of no kind that NumPy knows."""
    dtype = getattr(a, "dtype", a)
    return dtype.kind == "f" or dtype.name == "bfloat16"


def limits(dtype):
    """Return eps, max and the smallest numbers of a floating dtype."""
    name = np.dtype(dtype).name if not isinstance(dtype, str) else dtype
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.finfo(name)
    return np.finfo(name)


def _each(f, arrays):
    """Apply `f` to the floating arrays of a call."""
    if isinstance(arrays, list | tuple):
        return type(arrays)(_each(f, a) for a in arrays)
    return f(arrays) if arrays is not None and is_float(arrays) else arrays


def widened(arrays) -> list:
    """Return the floating arrays in float64, where every value of a narrower type is exact."""
    return _each(lambda a: a.astype("float64"), arrays)


# ---- operators that return several things ----


def packed(answer) -> np.ndarray:
    """Return an answer as one array: itself, or the outputs of a tuple laid end to end, counts in the dtype of data."""
    if not isinstance(answer, tuple):
        return np.asarray(answer)
    parts = [np.asarray(part) for part in answer if part is not None]
    data = next((part.dtype for part in parts if is_float(part)), np.dtype("float64"))
    return np.concatenate([part.astype(data if part.dtype.kind in "iu" else part.dtype).reshape(-1) for part in parts])


def shapes(answer) -> tuple:
    """Return the shape of an answer, or the tuple of shapes of a tuple."""
    if isinstance(answer, tuple):
        return tuple(None if part is None else np.shape(part) for part in answer)
    return np.shape(answer)


def changed(change, answer):
    """Return an answer with `change` applied to each output that is an array."""
    if isinstance(answer, tuple):
        return tuple(part if part is None or isinstance(part, int) else change(np.asarray(part)) for part in answer)
    return change(np.asarray(answer))


# ---- decompositions ----
# A backward stable algorithm, as LAPACK's are, answers exactly for A + E, with E a few units of the largest number of
# A: it owes small numbers no digits of their own. So a call is shaken by units of the largest number of each array, and
# each output judged as a whole, by its largest. Signs and bases that are free are no part of what is judged.


def decomposes(operator) -> bool:
    """Return whether the answers of an operator are judged as a whole."""
    return operator.load_card().judged is not None


def judged(operator, answer):
    """Return what is judged of an answer: itself, or of a decomposition what its card says, in the answer's dtype."""
    if not decomposes(operator):
        return answer
    outputs = answer if isinstance(answer, tuple) else (answer,)
    with quiet():
        wide = (part.astype(np.promote_types(part.dtype, "float64")) for part in map(np.asarray, outputs))
        found = operator.judged(*wide)
        found = tuple(part.astype(np.asarray(outputs[0]).dtype) for part in found)
    return found if isinstance(answer, tuple) else found[0]


def seen(operator, answer) -> np.ndarray:
    """Return what is judged of an answer as one array."""
    return packed(judged(operator, answer))


def levelled(values, shapes):
    """Return the largest finite size of each output in the place of every number of it; outputs are laid end to end."""
    if not shapes or not isinstance(shapes[0], tuple):
        return np.full(values.shape, _largest(values))
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return np.concatenate([np.full(part.shape, _largest(part)) for part in np.split(values, ends[:-1])])


def _largest(values) -> float:
    return float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))


# ---- the reference ----


def answer(operator, arrays, options, vjp: bool = False):
    """Return the operator's formula, or its gradient's, in float64 at these arrays, not rounded to their type."""
    with lane("formula"), compute("wide"), quiet():
        if vjp:
            return trimmed(_called(operator.gradient, widened(arrays), options))
        return _called(operator.function, widened(arrays), options)


def trimmed(answer):
    """Return gradients without those of parameters that were left out at the end; one alone is no tuple."""
    if not isinstance(answer, tuple):
        return answer
    kept = max((i + 1 for i, part in enumerate(answer) if part is not None), default=0)
    return answer[0] if kept == 1 else answer[:kept]


def _called(function, arrays, options):
    """Call an operator or its gradient; several cotangents, a list in a call, are a tuple there."""
    return function(*(tuple(a) if isinstance(a, list) else a for a in arrays), **options)


def reference(operator, arrays, options, vjp: bool = False) -> np.ndarray:
    """Return what is judged of that, as one array."""
    found = answer(operator, arrays, options, vjp)
    return packed(found) if vjp else seen(operator, found)


def nudged(arrays, rng, share: float = 0.5, units: int = 1, whole: bool = False) -> list:
    """Return the arrays with every finite element moved by units in its last place, this share of them up.

    As a `whole` an array is moved by units in the last place of its largest element.
    """

    def nudge(a):
        size = np.max(np.abs(a), where=np.isfinite(a), initial=0) if whole else np.abs(a)
        step = np.where(rng.random(a.shape) < share, units, -units).astype(a.dtype) * np.spacing(size)
        return np.where(np.isfinite(a), a + step, a)

    with quiet():
        return _each(nudge, arrays)


def unit(values, dtype):
    """Return one rounding of float64 `values` in `dtype`: half its eps of each, and never 0."""
    info = limits(dtype)
    return np.maximum(np.abs(values) * float(info.eps) / 2, float(info.smallest_subnormal))


@dataclass
class Condition:
    """How far each element of an answer moves with its input, and what it jumps to where it does not move but jump."""

    yardstick: np.ndarray
    jumps: np.ndarray
    moved: list


def condition(call, draws: int = DRAWS) -> Condition:
    """Measure a yardstick: the largest change under nudges of the input by one unit, plus one rounding of the element.

    An element jumps (a tie, a threshold, a rank) where a nudge 256 times smaller changes it by as much: what stops at
    0, as a share that leaves the support does, may look alike at a sixteenth. Then only its own rounding is a
    yardstick, and one of the moved answers has to be met. Where a decomposition jumps it is not determined, and only
    what does not jump with it is judged.
    """
    whole = decomposes(call.operator) and not call.vjp
    moved, change = [], np.zeros(call.wanted.shape)
    first = 2 if call.vjp else 1  # the data, and the cotangent before it
    for share, units, alone, rng in zip(*_draws(call.dtype, draws), call.rng.spawn(draws + FAR), strict=True):
        arrays = nudged(call.arrays[:first] if alone else call.arrays, rng, share, units, whole)
        moved.append(reference(call.operator, [*arrays, *call.arrays[len(arrays) :]], call.options, call.vjp))
        with quiet():
            change = np.fmax(change, np.abs(moved[-1] - call.wanted) / units)
    with quiet():
        if whole:
            change, own = (levelled(values, call.judged_shapes) for values in (change, call.wanted))
            return Condition(change + unit(own, call.dtype), np.zeros(change.shape, bool), moved)
        own = unit(call.wanted, call.dtype)
        jumps = _jumps(call, change, own)
        return Condition(np.where(jumps, 0.0, change) + own, jumps, moved)


def _draws(dtype: str, draws: int) -> tuple[list, list, list]:
    """Return the share moved up, the units and whether the data moves alone, for each nudge of a yardstick.

    Where x - mean cancels, data and mean may move both the same way in every draw, so one moves the data alone. Chance
    averages out in a long sum, and what adds one after the other errs as if all went the same way, so one goes up as a
    whole. And where float64 is tested, the reference in float64 rounds small changes away: three go far.
    """
    units = 64 if dtype == "float64" else 1
    return [0.5] * draws + [1.0, 0.5, 0.5], [1] * draws + [units] * FAR, [False] * (draws - 1) + [True] + [False] * FAR


LEAP = 1e4  # roundings: a change smaller than this is no jump that mattered


def _jumps(call, change, own):
    """Return where a change does not shrink with the nudge; nowhere in float64, which has no smaller nudge."""
    suspect = change > LEAP * own
    if call.dtype == "float64" or not suspect.any():
        return np.zeros(change.shape, bool)
    smaller = np.zeros(change.shape)
    for rng in call.rng.spawn(DRAWS):
        near = [_between(a, b) for a, b in zip(call.arrays, nudged(call.arrays, rng), strict=True)]
        smaller = np.fmax(smaller, np.abs(reference(call.operator, near, call.options, call.vjp) - call.wanted))
    return suspect & (smaller > change / 4)


def _between(a, b):
    """Return a point near `a` on the way from it to `b`, in float64."""
    if isinstance(a, list):
        return [_between(c, d) for c, d in zip(a, b, strict=True)]
    if a is None or not is_float(a):
        return a
    a, b = a.astype("float64"), b.astype("float64")
    return np.where(np.isfinite(a), a + (b - a) / 256, a)


def reach(call) -> int:
    """Return n, how many elements of the first array one output is made of, as shown by where a NaN gets to."""
    if call.wanted.size == 0:
        return 2
    if call.vjp:  # a parameter's gradient is a sum over all rows
        return max(2, call.arrays[1].size)
    marked = np.zeros(call.arrays[0].shape)
    if marked.size == 0:  # an empty segment has an answer too
        return 2
    marked.flat[marked.size // 2] = np.nan
    touched = np.isnan(reference(call.operator, [marked, *call.arrays[1:]], call.options)).sum()
    return max(2, int(touched * marked.size / call.wanted.size))


def baseline_error(call) -> float:
    """Return how far off the operator's baseline may be in this call; 0 where it has none.

    The logarithm of a softmax near 0 is a sum that rounds to 1: every implementation in use loses those digits,
    though the data would allow them, and what everyone does is a warning and no failure. It loses up to one rounding
    of the largest number of the answer, which counts besides the error of this draw: that may be small by luck, and
    is 0 where reference and baseline, both in float64, round the same way.
    """
    if call.vjp:
        return _gradient_baseline(call)
    function = next((h.function for h in call.operator.load_card().honest if h.baseline), None)
    if function is None:
        return 0.0
    with quiet():
        error = np.abs(seen(call.operator, function(*call.handed(), **call.options)).astype("float64") - call.wanted)
        largest = np.abs(call.wanted).max(where=np.isfinite(call.wanted), initial=0.0)
    return float(error.max(where=np.isfinite(error), initial=0.0) + unit(largest, call.dtype))


LESS = 1024  # by so much is x made smaller to see whether the answer is a power of it, and so knows no scale
TERMS = 4  # another way to write a gradient has other terms, and each has a rounding of its own


def _gradient_baseline(call) -> float:
    """Return what honest code loses in a gradient: the error of the formula in float32, in units of the tested type.

    The gradient of a normalization is a difference of sums; where they cancel (a row of one element, a saturated
    softmax) everybody's rounding stays, though moving the input does not show it.
    """
    largest = 0.0
    for rng in call.rng.spawn(DRAWS):
        # one draw's error may be small by luck: the same numbers in other units round otherwise
        narrow = _each(functools.partial(_rescaled, rng), widened(call.arrays))
        with lane("formula"), compute("native"), quiet():
            got = packed(trimmed(_called(call.operator.gradient, narrow, call.options))).astype("float64")
            error = np.abs(got - reference(call.operator, narrow, call.options, vjp=True))
        largest = max(largest, float(error.max(where=np.isfinite(error), initial=0.0)))
    narrow_loss = largest * float(limits(dtype_of(call.dtype)).eps) / float(np.finfo("float32").eps)
    return TERMS * (narrow_loss + float(unit(_size_of_terms(call), call.dtype)))


def _size_of_terms(call) -> float:
    """Return how large g y / x is: what the terms of a gradient are like where nothing of their sum is left.

    That of a softmax, which knows no scale of x but an absolute one, has terms of g y however large x is.
    """
    cotangents = call.arrays[0] if isinstance(call.arrays[0], list) else [call.arrays[0]]
    data, *rest = widened(call.arrays[1:])
    with quiet():
        y, less, none = (reference(call.operator, [data * k, *rest], call.options) for k in (1, 1 / LESS, 0))
        g, x = (max(float(np.abs(a.astype("float64")).max(initial=0.0)) for a in one) for one in (cotangents, [data]))
        powers = [np.isclose(LESS**k * (less - b), y - b, rtol=1e-3) for k in (0, 1, 2) for b in (0, none)]
        size = g * np.abs(y) / np.where(np.any(powers, axis=0), x, min(x, 1.0))
        return float(size.max(where=np.isfinite(size), initial=0.0))


def _rescaled(rng, a):
    return (a * rng.uniform(0.98, 1.02)).astype("float32")


def bound(grade: str, n: int) -> float:
    """Return how many yardsticks a grade allows where `n` elements make one output."""
    b = 4 * (1 + math.log2(n))
    return {"B": b, "C": max(b, n)}[grade]
