"""Sliced layers in long double, entry by entry."""

import numpy as np

from oracles import WIDE


def times(rows, columns):
    return np.array([[np.sum(a * b) for b in columns] for a in rows], WIDE)


def slice_rotated_weights(x, other, rotation, basis, bias=None, *, k):
    b = np.zeros(len(basis), WIDE) if bias is None else bias
    p, q = rotation.T[:k], basis.T[:k]
    return times(x, p), times(q, other.T), np.array([np.sum(row * b) for row in q], WIDE), times(p, q)
