"""The fuzzy graph of neighbours in long double, edge by edge."""

import numpy as np

from oracles import WIDE


def fuzzy_union(x, *, alpha=1.0):
    y, a = np.zeros(x.shape, WIDE), WIDE(alpha)
    for i in range(x.shape[-2]):
        for j in range(min(x.shape[-2:])):
            there, back = x[..., i, j], x[..., j, i] if x.shape[-2] > j else x[..., i, j]
            y[..., i, j] = a * (there + back) + (1 - 2 * a) * (there * back)
    return y


def umap_cross_entropy(x, weights, *, a=1.577, b=0.895, eps=1e-4):
    loss, most = WIDE(0), -np.log(WIDE(eps))
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                w = weights[i, j]
                t = WIDE(a) * np.sum((x[i] - x[j]) ** 2) ** WIDE(b)
                near, far = np.log1p(t), np.log1p(1 / t) if t != 0 else WIDE(np.inf)
                near, far = (most if v > most else v for v in (near, far))
                loss += w * ((np.log(w) if w != 0 else 0) + near)
                loss += (1 - w) * ((np.log(1 - w) if w != 1 else 0) + far)
    return np.asarray(loss)
