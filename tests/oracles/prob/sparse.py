"""entmax in long double, by halving the interval of the level to the last bit."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def raised(c, level, power):
    w = c - level
    w = np.where(w > 0, w, 0)
    return np.where(w > 0, np.where(w > 0, w, 1) ** power, 0)


def entmax(x, *, axis=-1, alpha=1.5):
    rows, back = rows_of(x, axis)
    power = 1 / (WIDE(alpha) - 1)
    c = (WIDE(alpha) - 1) * (rows - rows.max(axis=-1, keepdims=True))
    low = np.full(c.shape[:-1] + (1,), WIDE(-1))
    high = -(WIDE(c.shape[-1]) ** (-1 / power))
    width = high - low
    for _ in range(62):
        width = width / 2
        low = np.where(raised(c, low + width, power).sum(axis=-1, keepdims=True) >= 1, low + width, low)
    for _ in range(2):  # what 62 halvings leave over
        p = raised(c, low, power)
        w = np.where(p > 0, c - low, 1)
        low = low + (p.sum(axis=-1, keepdims=True) - 1) / (power * (p / w).sum(axis=-1, keepdims=True))
    bad = ~np.isfinite(rows.max(axis=-1, keepdims=True))
    return back(np.where(bad, np.nan, raised(c, low, power)))
