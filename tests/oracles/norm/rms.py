"""rms_norm in long double."""

import numpy as np

from oracles import WIDE
from oracles.rows import mean, rows_of


def rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    rows, back = rows_of(x, axis)
    y = rows / np.sqrt(mean(rows * rows) + WIDE(eps))
    return back(y if weight is None else y * weight.reshape(-1))


def gated_rms_norm(x, gate, weight=None, *, axis=-1, norm_before_gate=True, eps=1e-5):
    rows, back = rows_of(x, axis)
    z, _ = rows_of(gate, axis)
    s = z / (1 + np.exp(-z))
    w = WIDE(1) if weight is None else weight.reshape(-1)
    if norm_before_gate:
        return back(rows / np.sqrt(mean(rows * rows) + WIDE(eps)) * w * s)
    h = rows * s
    return back(h / np.sqrt(mean(h * h) + WIDE(eps)) * w)
