"""Robust fits of classes in long double: a class at a time, plain loops."""

import numpy as np

from oracles import WIDE


def factor_of_each(points, k):
    n = len(points)
    if n == 1:
        return [WIDE(1)]
    k = min(k, n - 1)
    far = [[np.sqrt(((a - b) ** 2).sum()) for b in points] for a in points]
    near = [sorted((j for j in range(n) if j != i), key=lambda j, i=i: far[i][j])[:k] for i in range(n)]
    last = [far[i][near[i][-1]] for i in range(n)]
    reach = [sum(max(far[i][j], last[j]) for j in near[i]) / k for i in range(n)]
    ratio = lambda a, b: a / b if b else (WIDE(1) if a == 0 else WIDE(np.inf))
    return [sum(ratio(reach[i], reach[j]) for j in near[i]) / k for i in range(n)]


def robust_class_gaussian(x, ids, *, segments, k=20, threshold=1.5, correction=1):
    n, size = x.shape
    mask = np.zeros(n, bool)
    mean, var = np.full((segments, size), np.nan, WIDE), np.full((segments, size, size), np.nan, WIDE)
    for c in range(segments):
        own = [i for i in range(n) if ids[i] == c and np.isfinite(x[i]).all()]
        if not own:
            continue
        for i, factor in zip(own, factor_of_each(x[own], k), strict=True):
            mask[i] = factor <= threshold
        kept = x[[i for i in own if mask[i]]]
        if len(kept):
            mean[c] = kept.sum(axis=0) / len(kept)
        if len(kept) > correction:
            z = kept - mean[c]
            for a in range(size):
                for b in range(size):
                    var[c, a, b] = (z[:, a] * z[:, b]).sum() / (len(kept) - WIDE(correction))
    return mean, var, mask
