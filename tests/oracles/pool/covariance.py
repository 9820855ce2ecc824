"""Second moments in long double, one pair of features at a time."""

import numpy as np

from oracles import WIDE


def covariance_pool(x, *, correction=0):
    d, n = x.shape[-1], x.shape[-2]
    y = np.empty((*x.shape[:-2], d, d), WIDE)
    with np.errstate(all="ignore"):
        c = [x[..., i] - x[..., i].sum(axis=-1, keepdims=True) / n for i in range(d)]
        c = [one - one.sum(axis=-1, keepdims=True) / n for one in c]
        for i in range(d):
            for j in range(d):
                y[..., i, j] = (c[i] * c[j]).sum(axis=-1) / (n - WIDE(correction))
    return y


def cross_covariance_pool(x, weight=None, bias=None, *, groups, kind="near", eps=1e-5):
    n, d = x.shape[-2], x.shape[-1] // groups
    heads = []
    with np.errstate(all="ignore"):
        for h in range(groups):
            z = x[..., h * d : (h + 1) * d]
            z = z - z.sum(axis=-1, keepdims=True) / d
            z = z - z.sum(axis=-1, keepdims=True) / d
            z = z / np.sqrt((z * z).sum(axis=-1, keepdims=True) / d + WIDE(eps))
            z = z * (1 if weight is None else weight) + (0 if bias is None else bias)
            z = z - z.sum(axis=(-1, -2), keepdims=True) / (n * d)
            heads.append(z - z.sum(axis=(-1, -2), keepdims=True) / (n * d))
        pairs = []
        for i in range(groups):
            for j in range(i + 1, groups):
                if kind == "all" or j - i == (1 if kind == "near" else groups // 2):
                    c = np.empty((*x.shape[:-2], d, d), WIDE)
                    for p in range(d):
                        for q in range(d):
                            c[..., p, q] = (heads[i][..., p] * heads[j][..., q]).sum(axis=-1) / n
                    if kind != "all":
                        c = c / np.maximum(np.sqrt((c * c).sum(axis=-2, keepdims=True)), WIDE(1e-12))
                    pairs.append(c)
    return np.stack(pairs, axis=-3)
