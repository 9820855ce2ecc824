"""What oracles of operators along an axis share."""

import math

import numpy as np


def rows_of(x, axis):
    """Return (rows, put_back) with `axis` (int or tuple) moved last and flattened."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    moved = np.moveaxis(x, axes, range(-len(axes), 0))
    kept = moved.shape[: x.ndim - len(axes)]
    rows = moved.reshape(*kept, math.prod(moved.shape[len(kept) :]))
    return rows, lambda y: np.moveaxis(y.reshape(moved.shape), range(-len(axes), 0), axes)


def mean(x):
    """Return the mean along the last axis, kept."""
    return x.sum(axis=-1, keepdims=True) / np.longdouble(x.shape[-1])
