"""layer_norm in long double; the mean is taken twice, as its rounding is large beside x - mean."""

import numpy as np

from oracles import WIDE
from oracles.rows import mean, rows_of


def layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    rows, back = rows_of(x, axis)
    c = rows - mean(rows)
    c = c - mean(c)
    y = c / np.sqrt(mean(c * c) + WIDE(eps))
    y = y if weight is None else y * weight.reshape(-1)
    return back(y if bias is None else y + bias.reshape(-1))
