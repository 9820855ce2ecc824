"""softmax and its relatives in long double."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def softmax(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    e = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return back(e / e.sum(axis=-1, keepdims=True))


def log_softmax(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    z = rows - rows.max(axis=-1, keepdims=True)
    e = np.exp(z)
    np.put_along_axis(e, rows.argmax(axis=-1)[..., None], 0, axis=-1)
    bad = np.isnan(z).any(axis=-1, keepdims=True)
    return back(np.where(bad, np.nan, z - np.log1p(e.sum(axis=-1, keepdims=True))))


def log_sum_exp(x, *, axis=-1):
    rows, _ = rows_of(x, axis)
    y = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(y.shape):
        top = int(np.argmax(rows[i]))
        largest = rows[i][top]
        if np.isfinite(largest):
            y[i] = largest + np.log1p(np.delete(np.exp(rows[i] - largest), top).sum())
        else:
            y[i] = largest  # all are -inf, or one is +inf or NaN
    return y
