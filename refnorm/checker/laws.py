"""Layer 4: identities that the candidate must satisfy with itself."""

from __future__ import annotations

import itertools

import numpy as np

from .._registry import Law, Operator
from .calls import rounded
from .measure import DRAWS, answer, bound, changed, decomposes, nudged, packed, quiet, unit
from .pace import Pace
from .report import Layer
from .trial import Failed, calling

__all__ = ["laws_layer"]


def laws_layer(candidate, operator: Operator, seed: int, dtypes, pace: Pace) -> Layer:
    """Ask every law in every dtype; what breaks in one way is told once."""
    layer = Layer("laws", skipped="" if operator.laws else "the operator has none")
    broken: dict[str, list[str]] = {}
    for i, (law, dtype) in enumerate(itertools.product(operator.laws, dtypes)):
        if pace.spent:
            layer.cut(f"the rest: {pace.spent}")
            break
        layer.ran += 1
        trouble = _trouble(candidate, operator, law, np.random.default_rng([seed, i]), dtype)
        if trouble:
            broken.setdefault(trouble, []).append(f"{law.name} in {dtype}")
    for trouble, where in broken.items():
        layer.find(f"{', '.join(where)}: {trouble}", "fails", len(where))
    return layer


def _trouble(candidate, operator: Operator, law: Law, rng, dtype: str) -> str:
    """Return what is wrong with one law, or nothing."""
    arrays = rounded([np.asarray(draw(rng)) for draw in law.draws], dtype)
    try:
        left, right = sides(law, calling(candidate), arrays)
    except NotImplementedError:  # an option that the candidate does not offer
        return ""
    except Failed as error:  # a crash is a finding
        return str(error)
    except (TypeError, ValueError, IndexError) as error:  # its answer is not what a law can be asked of
        return f"{type(error).__name__}: {error}"
    yardstick = residual_yardstick(operator, law, arrays, rng)
    if left.shape != right.shape or left.shape != yardstick.shape:
        return f"sides of shape {left.shape} and {right.shape}, wanted {yardstick.shape}"
    with quiet():
        sticks = np.abs(left - right) / yardstick
    worst = float(np.max(np.nan_to_num(sticks, nan=np.inf)))
    return f"apart by {worst:.3g} yardsticks" if worst > bound("B", arrays[0].size) else ""


def sides(law: Law, f, arrays) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides of a law in float64; `f` sees arrays of the tested dtype, and rounds to it."""
    with quiet():
        left, right = law.function(lambda *a, **k: changed(np.asarray, f(*a, **k)), *(a.copy() for a in arrays))
    return packed(left).astype("float64"), packed(right).astype("float64")


def residual_yardstick(operator: Operator, law: Law, arrays, rng) -> np.ndarray:
    """Return how far apart the two sides may be, per element.

    A law written for real numbers holds only up to the rounding of what it does to its arrays (x + 4 moves x).
    So it is asked of a perfect candidate, the reference rounded to the tested type, whose every input is moved
    by one unit: the largest residual of eight such runs, plus one rounding of each side and of the largest answer, is
    one yardstick. Where a law takes differences of answers, eight runs may by luck round both the same way.
    """
    dtype = arrays[0].dtype
    largest, top, whole = None, 0.0, decomposes(operator)

    def perfect(*arrays, **options):
        nonlocal top
        given = changed(lambda y: y.astype(dtype), answer(operator, nudged(list(arrays), rng, whole=whole), options))
        top = max(top, float(np.max(np.abs(packed(given)), initial=0.0)))
        return given

    for _ in range(DRAWS):
        left, right = sides(law, perfect, arrays)
        far = np.abs(left - right)
        largest = far if largest is None else np.maximum(largest, far)
    return largest + unit(left, dtype) + unit(right, dtype) + unit(top, dtype)
