"""Ranges in long double, a row at a time."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def each_row(x, axis, of_row):
    rows, back = rows_of(x, axis)
    y = np.empty(rows.shape, WIDE)
    for i in np.ndindex(rows.shape[:-1]):
        y[i] = of_row(rows[i])
    return back(y)


def min_max_normalize(x, *, axis=-1, eps=0.0):
    def of_row(row):
        low, high = row.min(), row.max()
        return [(v - low) / (high - low + WIDE(eps)) for v in row]

    return each_row(x, axis, of_row)


def order_statistic_clip(x, *, low, high, axis=-1):
    def of_row(row):
        if np.isnan(row).any():
            return [np.nan] * len(row)
        ordered = sorted(row)
        least, most = ordered[int(len(row) * low)], ordered[int(len(row) * (1 - high) - 1)]
        return [min(max(v, least), most) for v in row]

    return each_row(x, axis, of_row)
