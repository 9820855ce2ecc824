"""stablemax, its logarithm, its loss and the collapse of softmax in long double."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def s(v):
    return v + 1 if v >= 0 else 1 / (1 - v)  # of a NaN, NaN


def stablemax(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    e = np.vectorize(s, otypes=[WIDE])(rows)
    return back(e / e.sum(axis=-1, keepdims=True))


def log_of_shares(rows):
    e = np.vectorize(s, otypes=[WIDE])(rows)
    y = np.log(e) - np.log(e.sum(axis=-1, keepdims=True))
    top = np.argmax(rows, axis=-1)[..., None]
    others = e.copy()
    np.put_along_axis(others, top, 0, axis=-1)
    largest = np.take_along_axis(e, top, axis=-1)
    np.put_along_axis(y, top, -np.log1p(others.sum(axis=-1, keepdims=True) / largest), axis=-1)
    bad = np.isinf(largest) & (np.arange(rows.shape[-1]) == top)
    return np.where(bad, np.nan, y)


def log_stablemax(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    return back(log_of_shares(rows))


def stablemax_cross_entropy(x, labels, *, reduce="mean"):
    y = -np.take_along_axis(log_of_shares(x), labels[..., None], axis=-1)[..., 0]
    if reduce == "none":
        return y
    return np.asarray(sum(y.ravel(), start=WIDE(0)) / (y.size if reduce == "mean" else 1))


def softmax_collapse_mask(x, labels, *, dtype):
    digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype]
    m, rest = np.zeros(labels.shape, bool), np.zeros(labels.shape, WIDE)
    for i in np.ndindex(labels.shape):
        row, top = x[i], int(np.argmax(x[i]))
        others = [np.exp(v - row[top]) for j, v in enumerate(row) if j != top]
        rest[i] = sum(others, start=WIDE(0)) + 0 * np.exp(row[top] - row[top])  # NaN where the largest is no number
        m[i] = labels[i] == top and rest[i] <= WIDE(2) ** -digits
    return m, rest
