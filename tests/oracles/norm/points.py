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


def sphere(points):
    """Return the mean, the distances to it and the largest length of them: NaN where it is not finite."""
    mean = points.sum(axis=0) / WIDE(len(points))
    c = points - mean
    rest = c.sum(axis=0) / WIDE(len(points))
    c = c - np.where(np.isfinite(rest), rest, 0)
    radius = max(np.sqrt((p * p).sum()) for p in c)
    return mean, c, radius if np.isfinite(radius) else WIDE(np.nan)


def gaussian_splat_normalize(x, log_scale, rotation, opacity, sh, *, kinds=(), eps=1e-9):
    y, scale = np.empty(x.shape, WIDE), np.empty(x.shape, WIDE)
    center, radius = np.zeros((*x.shape[:-2], x.shape[-1]), WIDE), np.ones(x.shape[:-2], WIDE)
    for i in np.ndindex(x.shape[:-2]):
        _, c, m = sphere(x[i])
        y[i], s = c / m, np.exp(log_scale[i])
        scale[i] = s / m
        if "scale" in kinds:
            nu, c, r = sphere(s)
            scale[i], center[i], radius[i] = c / r, nu / m, r / m
    q = np.empty(rotation.shape, WIDE)
    for i in np.ndindex(opacity.shape):
        r = rotation[i]
        q[i] = (-r if r[0] < 0 else r) / (np.sqrt((r * r).sum()) + WIDE(eps))
    o = np.tanh(opacity / 2) if "opacity" in kinds else 1 / (1 + np.exp(-opacity))
    if "sh" in kinds:
        band = WIDE(1) / (2 * np.sqrt(WIDE("3.14159265358979323846264338327950288")))
        sh = 2 * np.clip(band * sh, WIDE(-0.5), WIDE(0.5)) / np.sqrt(WIDE(3))
    return y, scale, q, o, sh, center, radius
