"""The nearest rotation in long double, triple by triple."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def orthogonal_procrustes(x, target, *, proper=False):
    n = x.shape[-1]
    found = [nearest(a, b, proper) for a, b in zip(sets(x), sets(target), strict=True)]
    return np.array(found, WIDE).reshape(*x.shape[:-2], n, n)


def sets(x):
    return x.reshape(-1, *x.shape[-2:])


def nearest(x, target, proper):
    n = x.shape[1]
    product = np.zeros((n, n), WIDE)
    for a, b in zip(x, target, strict=True):
        product = product + a[:, None] * b
    u, _, v = svd(product)
    if proper and determinant(u) * determinant(v) < 0:
        u[:, -1] = -u[:, -1]
    q = np.zeros((n, n), WIDE)
    for k in range(n):
        q = q + u[:, k, None] * v[:, k]
    return q


def determinant(a):
    """Return a determinant by its first row."""
    if len(a) == 1:
        return a[0, 0]
    return sum((-1) ** k * a[0, k] * determinant(np.delete(a[1:], k, axis=1)) for k in range(len(a)))
