"""softmax_minus_one in long double."""

import numpy as np

from oracles.rows import rows_of


def softmax_minus_one(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    largest = np.maximum(rows.max(axis=-1, keepdims=True), 0)
    low, high = np.minimum(rows, 0), np.maximum(rows, 0)
    y = np.where(rows > 0, -np.expm1(-high) * np.exp(rows - largest), np.expm1(low) * np.exp(-largest))
    return back(y / y.sum(axis=-1, keepdims=True))
