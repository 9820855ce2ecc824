"""rms_norm in long double."""

import numpy as np

from oracles import WIDE
from oracles.rows import mean, rows_of


def rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    rows, back = rows_of(x, axis)
    y = rows / np.sqrt(mean(rows * rows) + WIDE(eps))
    return back(y if weight is None else y * weight.reshape(-1))
