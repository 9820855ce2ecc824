"""gem_pool in long double, one exponent after the other: the formula as it stands, but for exponents near 0.

There the mean of powers is 1 + p times something small, whose digits the 1 would take: the powers are counted from
that of the geometric mean, which is the answer at p = 0.
"""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def gem_pool(x, *, p=3.0, axis, eps=1e-6):
    rows, _ = rows_of(x, axis)
    c = np.where(rows <= WIDE(eps), WIDE(eps), rows)
    y = np.empty(rows.shape[:-1], WIDE)
    if np.ndim(p) == 0:
        y[...] = power_mean(c, WIDE(p))
    else:
        for channel, one in enumerate(p):
            y[..., channel] = power_mean(c[..., channel, :], WIDE(one))
    return y


def power_mean(c, p):
    n = WIDE(c.shape[-1])
    if abs(p) > 0.1:
        return ((c**p).sum(axis=-1) / n) ** (1 / p)
    geometric = np.exp(np.log(c).sum(axis=-1, keepdims=True) / n)
    from_there = np.log(c / geometric)
    if p == 0:
        return geometric[..., 0]
    with np.errstate(invalid="ignore"):
        y = geometric[..., 0] * np.exp(np.log1p(np.expm1(p * from_there).sum(axis=-1) / n) / p)
    infinite = np.isinf(c).any(axis=-1)  # and with it the geometric mean
    return np.where(infinite, ((c**p).sum(axis=-1) / n) ** (1 / p), y)
