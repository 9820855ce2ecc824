"""Random matrices and what is projected with them in long double, number by number."""

import numpy as np

from oracles import WIDE


def sparse_random_matrix(x, *, density, scale=1.0, normalize=False):
    y = x.copy()
    for place in np.ndindex(x.shape):
        if not np.isnan(x[place]):
            y[place] = 1 if x[place] < WIDE(density) / 2 else -1 if x[place] > 1 - WIDE(density) / 2 else 0
    if not normalize:
        return WIDE(scale) * y / np.sqrt(WIDE(density))
    for column in y.T:
        if np.any(column != 0):
            column *= WIDE(scale) / np.sqrt(np.sum(column * column))
    return y


def norm(x):
    return np.sqrt(np.sum(x * x))


def random_subspace_project(x, weight, origin=None, *, normalize=True):
    y = np.zeros((*x.shape[:-1], len(weight)), WIDE)
    sizes = np.sqrt(np.sum(weight * weight, axis=0)) if normalize else np.ones(weight.shape[1], WIDE)
    sizes[sizes == 0] = 1
    for i, row in enumerate(weight):
        y[..., i] = np.sum(x * (row / sizes), axis=-1)
    return y if origin is None else y + origin


def fastrp(x, directions, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    nodes, n, y, m = len(x), directions.copy(), np.zeros((len(x), directions.shape[1]), WIDE), x.copy()
    for i in range(nodes):
        d = np.sum(x[i])
        if d == 0:
            n[i] = 0
            continue
        n[i] = d ** WIDE(alpha) * n[i]
        if transition:
            m[i] = x[i] / d
    for w in weights:
        n = np.array([[np.sum(m[i] * column) for column in n.T] for i in range(nodes)], WIDE).reshape(y.shape)
        sizes = [norm(row) for row in n] if normalize else [WIDE(1)] * nodes
        y = y + WIDE(w) * n / np.array([1 if s == 0 else s for s in sizes], WIDE)[:, None]
    if standardize:
        for column in y.T:
            column -= np.sum(column) / nodes
            column -= np.sum(column) / nodes
            std = np.sqrt(np.sum(column * column) / nodes)
            if std != 0:
                column /= std
    return y
