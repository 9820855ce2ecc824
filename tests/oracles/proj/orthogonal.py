"""Orthogonal matrices in long double: a power series, elimination, and reflections, entry by entry."""

import numpy as np

from oracles import WIDE


def product(a, b):
    y = np.zeros((len(a), b.shape[1]), WIDE)
    for k in range(len(b)):
        y = y + a[:, k, None] * b[k]
    return y


def exponential(a):
    n, halvings = len(a), 0
    while np.abs(a).sum(axis=0).max() > 0.25:
        a, halvings = a / 2, halvings + 1
    y = term = np.eye(n, dtype=WIDE)
    for k in range(1, 22):
        term = product(term, a) / k
        y = y + term
    for _ in range(halvings):
        y = product(y, y)
    return y


def solved(a, b):
    """Return a^-1 b by elimination, the largest pivot first."""
    a, b, n = a.copy(), b.copy(), len(a)
    for j in range(n):
        p = j + int(np.argmax(np.abs(a[j:, j])))
        a[[j, p]], b[[j, p]] = a[[p, j]], b[[p, j]]
        for i in range(n):
            if i != j:
                share = a[i, j] / a[j, j]
                a[i], b[i] = a[i] - share * a[j], b[i] - share * b[j]
    return b / np.diagonal(a)[:, None]


def tall(x, kind):
    m, n = x.shape
    if kind == "householder":
        y = np.eye(m, n, dtype=WIDE)
        for j in reversed(range(n)):
            v = np.array([0] * j + [1] + list(x[j + 1 :, j]), WIDE)
            for c in range(n):
                y[:, c] = y[:, c] - 2 * v * (v * y[:, c]).sum() / (v * v).sum()
        return y
    a = np.zeros((m, m), WIDE)
    for j in range(n):
        for i in range(j + 1, m):
            a[i, j], a[j, i] = x[i, j], -x[i, j]
    if kind == "exp" and np.abs(a).sum(axis=0).max() > 0.95 * 2**16:
        return np.full((m, n), np.nan, WIDE)
    one = np.eye(m, dtype=WIDE)
    return (exponential(a) if kind == "exp" else solved(one - a / 2, one + a / 2))[:, :n]


def orthogonal_parametrization(x, *, kind="exp"):
    y = np.empty(x.shape, WIDE)
    for i in np.ndindex(x.shape[:-2]):
        if not np.isfinite(x[i]).all():
            y[i] = np.nan
        else:
            y[i] = tall(x[i], kind) if x.shape[-2] >= x.shape[-1] else tall(x[i].T, kind).T
    return y
