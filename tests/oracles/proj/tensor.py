"""Tensors of few factors in long double, entry by entry."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def mode_product(x, weight, *, axis):
    y = np.stack([np.sum(np.moveaxis(x, axis, -1) * row, axis=-1) for row in weight], axis=-1)
    return np.moveaxis(y, -1, axis)


def tucker_reconstruct(core, a, b, c=None, *, scale=1.0):
    y = mode_product(mode_product(core, a, axis=0), b, axis=1)
    return WIDE(scale) * (y if c is None else mode_product(y, c, axis=2))


def cp_reconstruct(a, b, c=None, weights=None):
    w = np.ones(a.shape[1], WIDE) if weights is None else weights
    y = np.zeros((len(a), len(b)) if c is None else (len(a), len(b), len(c)), WIDE)
    for i in range(len(a)):
        for j in range(len(b)):
            for k in range(1 if c is None else len(c)):
                last = 1 if c is None else c[k]
                y[(i, j) if c is None else (i, j, k)] = np.sum(w * a[i] * b[j] * last)
    return y


def slid(z, taps, stride, padding):
    """Along the last axis, a set of taps for each channel."""
    n, r, h, w = z.shape
    padded = np.zeros((n, r, h, w + 2 * padding), WIDE)
    padded[..., padding : padding + w] = z
    places = range(0, w + 2 * padding - len(taps) + 1, stride)
    return np.stack([np.sum(padded[..., p : p + len(taps)] * taps.T[:, None, :], axis=-1) for p in places], axis=-1)


def cp_conv(x, a, b, u, v, bias=None, *, stride=1, padding=0):
    z = mode_product(x, b.T, axis=1)
    z = np.swapaxes(slid(np.swapaxes(z, 2, 3), u, stride, padding), 2, 3)
    y = mode_product(slid(z, v, stride, padding), a, axis=1)
    return y if bias is None else y + bias[:, None, None]


def hosvd(x, *, rank=None):
    factors = []
    for k, n in enumerate(x.shape):
        u, _, _ = svd(np.moveaxis(x, k, 0).reshape(n, -1))
        factors.append(u[:, : None if rank is None else rank[k]])
    core = x if np.isfinite(x).all() else np.full(x.shape, np.nan, WIDE)
    for k, u in enumerate(factors):
        core = mode_product(core, u.T, axis=k)
    return core, *factors
