"""Independent truth: every operator once more, in long double, by plain loops where that is clearest.

``oracles/W/I.py`` holds the operators of ``refnorm/W/I.py``, under their names. They are written from the papers and
import nothing of the package; this file finds them and measures with them.
"""

import importlib

import numpy as np

from refnorm import OPERATORS

WIDE = np.longdouble
DIGITS = {"float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022)}


def oracle(name):
    """Return the oracle of an operator."""
    operator = OPERATORS[name]
    return getattr(importlib.import_module(f"oracles.{operator.wing}.{operator.idea}"), name)


def is_float(a):
    """Return whether `a` is an array of floating numbers, bfloat16 among them: neither None nor indices."""
    return getattr(a, "dtype", None) is not None and (a.dtype.kind == "f" or a.dtype.name == "bfloat16")


def widened(arrays):
    """Return the floating arrays of a call in long double, the others as they are."""
    return [a.astype(WIDE) if is_float(a) else a for a in arrays]


def outputs(answer):
    """Return the outputs of an operator as a list: one, or several where it returns a tuple."""
    return list(answer) if isinstance(answer, tuple) else [answer]


def exact(name, arrays, options):
    """Return the outputs of an operator's oracle."""
    return outputs(oracle(name)(*widened(arrays), **options))


def unit(exact, dtype):
    """Return one ulp of `dtype` at each exact value; below the normal range that of the smallest normal."""
    digits, lowest = DIGITS[str(np.dtype(dtype))]
    _, exponent = np.frexp(np.abs(exact))
    return np.ldexp(WIDE(1), np.maximum(exponent - 1, lowest) - digits + 1)


def ulps(got, exact, dtype=None, of=None):
    """Return |got - exact| in units in the last place; 0 where both are the same infinity or both NaN.

    A whole number, such as a count, is right or infinitely wrong. The unit is that of each exact number in the dtype of
    `got`, where it is not said to be another `dtype`, or that of one number.
    """
    if not is_float(got):
        return np.where(np.asarray(got) == exact, 0.0, np.inf)
    wide = np.asarray(got).astype(WIDE)
    with np.errstate(all="ignore"):
        of = np.where(np.isfinite(exact), exact, 1) if of is None else of
        off = np.abs(wide - exact) / unit(of, dtype or got.dtype)
        same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
    return np.where(same, 0, np.where(np.isnan(off), np.inf, off))


def condition(name, arrays, options, dtype, seed=0):
    """Return, per output, by how many ulps each exact number moves when every input moves by one unit, and 1.

    An infinity that stays one does not move.
    """
    rng = np.random.default_rng(seed)
    wide, size = widened(arrays), largest if decomposes(name) else np.abs
    still = judged(name, outputs(oracle(name)(*wide, **options)))
    far = [np.zeros_like(np.asarray(y, WIDE)) for y in still]
    for _ in range(32):
        moved = [a + unit(size(a), dtype) * rng.choice([-1, 1], a.shape) if is_float(a) else a for a in wide]
        for most, y, there in zip(far, judged(name, outputs(oracle(name)(*moved, **options))), still, strict=True):
            with np.errstate(invalid="ignore"):
                np.maximum(most, np.where(y == there, 0, np.abs(np.asarray(y, WIDE) - there)), out=most)
    return [1 + size(most) / unit(size(np.asarray(y, WIDE)), dtype) for most, y in zip(far, still, strict=True)]


# ---- decompositions: judged as a whole, and of what is free only what is not ----


def decomposes(name):
    return OPERATORS[name].load_card().judged is not None


def judged(name, ys):
    """Return what is judged of outputs: themselves, or of a decomposition what its card says."""
    return list(OPERATORS[name].judged(*ys)) if decomposes(name) else ys


def largest(a):
    """Return the largest finite size in an array."""
    return np.max(np.abs(a), where=np.isfinite(a), initial=0)


def errors(name, got, wanted):
    """Return, per output, how far an answer is off in ulp; in ulp of the largest number where it is a decomposition."""
    if not decomposes(name):
        return [ulps(y, w) for y, w in zip(got, wanted, strict=True)]
    pairs = zip(judged(name, widened(got)), judged(name, wanted), strict=True)
    return [ulps(y, w, got[0].dtype, largest(w)) for y, w in pairs]


def promised(name, arrays, options, dtype):
    """Return, per output, the errors that a decomposition may have.

    In float64 what is promised of any operator, two units of 1 + condition, times p: LAPACK's answer is exact for
    A + E with ||E|| <= p u ||A||, where p counts the roundings that meet in one number (Higham, Accuracy and Stability
    of Numerical Algorithms, 2002, section 19.3). Reflections from both sides and two sweeps of QR a singular value
    touch each number four times as often as the longest axis has elements.

    Narrow types lose the same beside one rounding of the exact answer. What is judged of it may be a product, in which
    roundings add up: by as much as half a unit of every number does in ten choices of signs, and half as much again.
    """
    p = 4 * max(n for a in arrays if is_float(a) for n in a.shape)
    wide = [2 * p * c for c in condition(name, arrays, options, "float64")]
    if dtype == "float64":
        return wide
    fine = 2.0 ** (DIGITS[dtype][0] - 53)
    return [half + fine * w for half, w in zip(roundings(name, exact(name, arrays, options), dtype), wide, strict=True)]


def roundings(name, wanted, dtype):
    """Return, per output, what one rounding of every number of an answer adds up to in what is judged."""
    rng, of = np.random.default_rng(0), judged(name, wanted)
    worst = np.zeros(len(of))
    chance = [lambda w: rng.choice([-1, 1], w.shape)] * 8
    for signs in (np.ones_like, np.sign, *chance):  # equal numbers are rounded the same way
        rounded = judged(name, [w + unit(w, dtype) / 2 * signs(w) for w in wanted])
        off = [np.max(ulps(y, w, dtype, largest(w)), initial=0) for y, w in zip(rounded, of, strict=True)]
        worst = np.fmax(worst, np.asarray(off, float))
    itself = [any(y is w for w in wanted) for y in of]
    return np.where(itself, 0.51, 1.5 * worst)
