"""Canonical correlations in long double, by Jacobi's rotations."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def times(a, b):
    """Return A B, entry by entry."""
    return np.array([[np.sum(row * column) for column in b.T] for row in a], WIDE).reshape(len(a), b.shape[1])


def white(x, eps):
    """Return X_c S^(-1/2) and S^(-1/2), S = X_c^T X_c + eps on the span of its rows."""
    mean = np.zeros(x.shape[1], WIDE)
    for row in x:
        mean = mean + row
    c = x - mean / len(x)
    _, s, v = svd(c)
    root = np.zeros((x.shape[1],) * 2, WIDE)
    for k in range(len(s)):
        if s[k] * s[k] + WIDE(eps) != 0:
            root = root + v[:, k, None] * v[:, k] / np.sqrt(s[k] * s[k] + WIDE(eps))
    return times(c, root), root


def cca(x, other, *, rank=None, eps=1e-6):
    (first, p), (second, q) = white(x, eps), white(other, eps)
    u, s, v = svd(times(first.T, second))
    return times(p, u[:, :rank]), times(q, v[:, :rank]), s[:rank]


def multiview_cca(a, b, c=None, *, rank=None, eps=1e-4, p=4.0):
    views = [white(view, eps) for view in (a, b, c) if view is not None]
    blocks = [
        [np.eye(z.shape[1], dtype=WIDE) + 0 * z[0] if i == j else times(z.T, y) for j, (y, _) in enumerate(views)]
        for i, (z, _) in enumerate(views)
    ]
    _, s, w = svd(np.block(blocks))
    s, w = s[:rank], w[:, :rank]
    w, maps, at = w * s ** WIDE(p), [], 0
    for _, root in views:
        maps.append(times(root, w[at : at + len(root)]))
        at += len(root)
    return s, *maps
