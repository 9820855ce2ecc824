"""Vectors of mean zero stored without their last entry, in long double."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def crms_norm(x, *, axis=-1, eps=1e-5):
    rows, back = rows_of(x, axis)
    missing = rows.sum(axis=-1, keepdims=True)
    square = (rows * rows).sum(axis=-1, keepdims=True) + missing * missing
    return back(rows / np.sqrt(square / WIDE(rows.shape[-1] + 1) + WIDE(eps)))


def compress_zero_mean(x, *, axis=-1, inverse=False):
    x = np.moveaxis(x, axis, -1)
    y = np.concatenate([x, -x.sum(axis=-1, keepdims=True)], axis=-1) if inverse else x[..., :-1]
    return np.moveaxis(y, -1, axis)
