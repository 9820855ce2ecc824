"""Sliced layers in long double, entry by entry."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def times(rows, columns):
    return np.array([[np.sum(a * b) for b in columns] for a in rows], WIDE)


def slice_rotated_weights(x, other, rotation, basis, bias=None, *, k):
    b = np.zeros(len(basis), WIDE) if bias is None else bias
    p, q = rotation.T[:k], basis.T[:k]
    return times(x, p), times(q, other.T), np.array([np.sum(row * b) for row in q], WIDE), times(p, q)


def atomic_feature_mimicking(x, mean, var, bias=None, *, rank=None):
    u = svd(var)[2][:, :rank]
    b = np.zeros(len(x), WIDE) if bias is None else bias
    rest = mean.copy()
    for direction in u.T:
        rest = rest - np.sum(direction * mean) * direction
    return times(u.T, x.T), np.array([np.sum(direction * b) for direction in u.T], WIDE), u, rest
