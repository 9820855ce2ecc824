"""The nearest rotation in long double, triple by triple, and features brought to others, row by row."""

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


def unit(rows):
    out = []
    for row in rows:
        size = np.sqrt((row * row).sum())
        out.append(row if size == 0 else row / size)
    return np.array(out, WIDE)


def semantic_calibration(x, target, weight, ids, *, segments, aligned=True, scale=1.0):
    p, d, w = unit(x), unit(target), unit(weight)
    if aligned:
        p, q = (a - a.sum(axis=0) / len(a) for a in (p, d))
        turn = nearest(p, q, True)
        p = np.array([[(row * column).sum() for column in turn.T] for row in p], WIDE)
    y = p.copy()
    for c in range(segments):
        own = [i for i in range(len(x)) if ids[i] == c]
        if own:
            e = [np.exp((d[i] * w[c]).sum()) for i in own]
            center = sum(a * d[i] for a, i in zip(e, own, strict=True)) / sum(e)
            for i in own:
                y[i] = p[i] + center - p[own].sum(axis=0) / len(own)
    return WIDE(scale) * unit(y)
