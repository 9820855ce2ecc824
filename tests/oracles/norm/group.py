"""Group and instance norm in long double, a group of a sample at a time; the mean is taken twice, as its rounding is
large beside x - mean."""

import numpy as np

from oracles import WIDE


def standardized(block, eps):
    n = WIDE(block.size)
    c = block - block.sum() / n
    c = c - c.sum() / n
    return c / np.sqrt((c * c).sum() / n + WIDE(eps))


def by_blocks(x, weight, bias, axis, eps, size):
    """Standardize every block of `size` neighbouring channels of every sample, then scale and shift every channel."""
    x = np.moveaxis(x, axis, 1)
    y = np.empty_like(x)
    for sample in range(x.shape[0]):
        for start in range(0, x.shape[1], size):
            here = sample, slice(start, start + size)
            y[here] = standardized(x[here], eps)
    for c in range(x.shape[1]):
        y[:, c] = y[:, c] if weight is None else y[:, c] * weight[c]
        y[:, c] = y[:, c] if bias is None else y[:, c] + bias[c]
    return np.moveaxis(y, 1, axis)


def group_norm(x, weight=None, bias=None, *, groups, axis=1, eps=1e-5):
    return by_blocks(x, weight, bias, axis, eps, x.shape[axis] // groups)


def instance_norm(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    return by_blocks(x, weight, bias, axis, eps, 1)
