"""Entropies and distances in long double, a row at a time."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def softmax_entropy(x, *, axis=-1):
    rows, _ = rows_of(x, axis)
    h = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(h.shape):
        top = int(np.argmax(rows[i]))  # of a NaN, where there is one
        z = rows[i] - rows[i][top]
        others = [v for n, v in enumerate(z) if n != top]
        rest = sum((np.exp(v) for v in others), start=WIDE(0)) + 0 * z[top]  # NaN where the largest is infinite
        h[i] = np.log1p(rest) - sum((np.exp(v) * v for v in others if v != -np.inf), start=WIDE(0)) / (1 + rest)
    return h


def total_variation_distance(x, other, *, axis=-1):
    rows, _ = rows_of(x, axis)
    others, _ = rows_of(other, axis)
    d = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(d.shape):
        d[i] = sum((abs(p - q) for p, q in zip(rows[i], others[i], strict=True)), start=WIDE(0)) / 2
    return d
