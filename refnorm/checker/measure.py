"""The reference in float64, the condition of a call as measured on it, and grades.

For float64 candidates the reference is the same formula in float64, with its compensated sums: an error of a
few ulp there may be the reference's own. Yardsticks are as honest there as elsewhere, since they are measured.
"""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager

import numpy as np

from .._modes import compute, lane

__all__ = [
    "DRAWS", "answer", "baseline_error", "bound", "changed", "nudged", "packed", "quiet", "reach", "reference",
    "shapes", "unit", "widened", "yardstick",
]  # fmt: skip

DRAWS = 8


@contextmanager
def quiet():
    """Let NaN, overflow and division by zero pass without a word: they are what is being asked about."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _each(f, arrays):
    """Apply `f` to the floating arrays of a call."""
    if isinstance(arrays, list):
        return [_each(f, a) for a in arrays]
    return f(arrays) if arrays is not None and arrays.dtype.kind == "f" else arrays


def widened(arrays) -> list:
    """Return the floating arrays in float64, where every value of a narrower type is exact."""
    return _each(lambda a: a.astype("float64"), arrays)


# ---- operators that return several things ----


def packed(answer) -> np.ndarray:
    """Return an answer as one array: itself, or the outputs of a tuple laid end to end, counts in the dtype of data."""
    if not isinstance(answer, tuple):
        return np.asarray(answer)
    parts = [np.asarray(part) for part in answer]
    data = next((part.dtype for part in parts if part.dtype.kind == "f"), np.dtype("float64"))
    return np.concatenate([part.astype(data if part.dtype.kind in "iu" else part.dtype).reshape(-1) for part in parts])


def shapes(answer) -> tuple:
    """Return the shape of an answer, or the tuple of shapes of a tuple."""
    return tuple(np.shape(part) for part in answer) if isinstance(answer, tuple) else np.shape(answer)


def changed(change, answer):
    """Return an answer with `change` applied to each output that is an array."""
    if isinstance(answer, tuple):
        return tuple(part if isinstance(part, int) else change(np.asarray(part)) for part in answer)
    return change(np.asarray(answer))


# ---- the reference ----


def answer(operator, arrays, options):
    """Return the operator's formula in float64 at these arrays, not rounded to their type."""
    with lane("formula"), compute("wide"), quiet():
        return operator.function(*widened(arrays), **options)


def reference(operator, arrays, options) -> np.ndarray:
    """Return the same as one array."""
    return packed(answer(operator, arrays, options))


def nudged(arrays, rng) -> list:
    """Return the arrays with every finite element moved by one unit in its last place, up or down by chance."""

    def nudge(a):
        to = np.where(rng.random(a.shape) < 0.5, -np.inf, np.inf).astype(a.dtype)
        return np.where(np.isfinite(a), np.nextafter(a, to), a)

    with quiet():
        return _each(nudge, arrays)


def unit(values, dtype):
    """Return one rounding of float64 `values` in `dtype`: half its eps of each, and never 0."""
    info = np.finfo(dtype)
    return np.maximum(np.abs(values) * float(info.eps) / 2, float(info.smallest_subnormal))


def yardstick(call) -> np.ndarray:
    """Return, per element, its largest change under eight nudges of the input, plus one rounding of itself."""
    change = np.zeros(call.wanted.shape)
    for i, rng in enumerate(call.rng.spawn(DRAWS), start=1):
        # the last draw moves the data alone: where x - mean cancels, all the others may move both the same way
        arrays = nudged(call.arrays, rng) if i < DRAWS else [*nudged(call.arrays[:1], rng), *call.arrays[1:]]
        moved = reference(call.operator, arrays, call.options)
        with quiet():
            change = np.fmax(change, np.abs(moved - call.wanted))
    with quiet():
        return change + unit(call.wanted, call.dtype)


def reach(call) -> int:
    """Return n, how many elements of the first array one output is made of, as shown by where a NaN gets to."""
    if call.wanted.size == 0:
        return 2
    marked = np.zeros(call.arrays[0].shape)
    marked.flat[marked.size // 2] = np.nan
    touched = np.isnan(reference(call.operator, [marked, *call.arrays[1:]], call.options)).sum()
    return max(2, int(touched * marked.size / call.wanted.size))


def baseline_error(call) -> float:
    """Return the largest error of the operator's baseline in this call; 0 where it has none.

    The logarithm of a softmax near 0 is a sum that rounds to 1: every implementation in use loses those digits,
    though the data would allow them, and what everyone does is a warning and no failure.
    """
    function = next((h.function for h in call.operator.load_card().honest if h.baseline), None)
    if function is None:
        return 0.0
    with quiet():
        error = np.abs(packed(function(*call.handed(), **call.options)).astype("float64") - call.wanted)
    return float(error[np.isfinite(error)].max(initial=0.0))


def bound(grade: str, n: int) -> float:
    """Return how many yardsticks a grade allows where `n` elements make one output."""
    b = 4 * (1 + math.log2(n))
    return {"B": b, "C": max(b, n)}[grade]
