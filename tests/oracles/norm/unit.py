"""lp_normalize in long double, whose range holds every power asked for."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def lp_normalize(x, *, p=2.0, axis=-1, eps=1e-12):
    rows, back = rows_of(x, axis)
    size = np.abs(rows)
    if p == float("inf"):
        norm = size.max(axis=-1, keepdims=True)
    else:
        norm = (size ** WIDE(p)).sum(axis=-1, keepdims=True) ** (1 / WIDE(p))
    return back(rows / np.where(norm < WIDE(eps), WIDE(eps), norm))
