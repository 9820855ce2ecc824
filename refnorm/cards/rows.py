"""What cards of row operators share: a twin written for the last axis gets `axis`, a torch function takes NumPy."""

import functools
import math

import numpy as np

__all__ = ["along", "of_torch", "rowwise"]


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


def along(x, parameter, axis):
    """Return a parameter with axes of length 1 where `x` has axes that are not normalized over."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    axes = [a % x.ndim for a in axes]
    return parameter.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])


def of_torch(function, x, *parameters, axes):
    """Call a torch function on the last axes; it knows no negative strides and no read-only memory."""
    import torch

    back = tuple(range(-len(axes), 0))
    moved = torch.from_numpy(np.moveaxis(x, axes, back).copy())
    y = function(moved, *(p if p is None else torch.from_numpy(p.copy()) for p in parameters))
    return np.moveaxis(y.numpy(), back, axes)
