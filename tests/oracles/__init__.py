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


def ulps(got, exact):
    """Return |got - exact| in units in the last place; 0 where both are the same infinity or both NaN.

    A whole number, such as a count, is right or infinitely wrong.
    """
    if not is_float(got):
        return np.where(np.asarray(got) == exact, 0.0, np.inf)
    wide = np.asarray(got).astype(WIDE)
    with np.errstate(all="ignore"):
        off = np.abs(wide - exact) / unit(np.where(np.isfinite(exact), exact, 1), got.dtype)
        same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
    return np.where(same, 0, np.where(np.isnan(off), np.inf, off))


def condition(name, arrays, options, dtype, seed=0):
    """Return, per output, by how many ulps each exact number moves when every input moves by one unit, and 1."""
    rng = np.random.default_rng(seed)
    wide = widened(arrays)
    still = outputs(oracle(name)(*wide, **options))
    largest = [np.zeros_like(np.asarray(y, WIDE)) for y in still]
    for _ in range(32):
        moved = [a + unit(a, dtype) * rng.choice([-1, 1], a.shape) if is_float(a) else a for a in wide]
        for most, y, there in zip(largest, outputs(oracle(name)(*moved, **options)), still, strict=True):
            np.maximum(most, np.abs(np.asarray(y, WIDE) - there), out=most)
    return [1 + most / unit(np.asarray(y, WIDE), dtype) for most, y in zip(largest, still, strict=True)]
