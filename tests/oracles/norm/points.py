"""Point sets in long double, a set at a time."""

import numpy as np

from oracles import WIDE


def unit_sphere_normalize(x, *, eps=0.0):
    y = np.empty(x.shape, WIDE)
    for i in np.ndindex(x.shape[:-2]):
        points = x[i]
        c = points - points.sum(axis=0) / WIDE(len(points))
        radius = max(np.sqrt((p * p).sum()) for p in c)
        y[i] = c / (radius + WIDE(eps)) if np.isfinite(radius) else np.nan
    return y


def knn_feature_norm(x, center, weight=None, bias=None, *, eps=1e-5):
    channels = x.shape[3]
    d = np.empty(x.shape, WIDE)
    for i, j, k in np.ndindex(x.shape[:3]):
        d[i, j, k] = x[i, j, k] - center[i, j]
    mean = d.sum() / WIDE(d.size)
    deviation = np.sqrt(((d - mean) ** 2).sum() / WIDE(d.size - 1))
    y = np.empty((*x.shape[:3], 2 * channels), WIDE)
    for i, j, k in np.ndindex(x.shape[:3]):
        y[i, j, k, :channels] = d[i, j, k] / (deviation + WIDE(eps))
        y[i, j, k, channels:] = center[i, j]
    y = y if weight is None else y * weight
    return y if bias is None else y + bias
