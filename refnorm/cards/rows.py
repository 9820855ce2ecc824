"""Wrong twins of row operators are written for the last axis; this gives them the operator's `axis`."""

import functools
import math

import numpy as np

__all__ = ["rowwise"]


def rowwise(twin):
    """Let ``twin(rows, *parameters, **options)`` be called with any `axis`, as the operator is."""

    @functools.wraps(twin)
    def call(x, *parameters, axis=-1, **options):
        axes = axis if isinstance(axis, tuple) else (axis,)
        back = tuple(range(-len(axes), 0))
        moved = np.moveaxis(x, axes, back)
        kept = x.ndim - len(axes)
        rows = moved.reshape(moved.shape[:kept] + (math.prod(moved.shape[kept:]),))
        y = twin(rows, *(p if p is None else p.reshape(-1) for p in parameters), **options)
        return np.moveaxis(y.reshape(moved.shape), back, axes)

    return call
