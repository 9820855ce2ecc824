"""How point sets and neighbourhoods are normalized wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.points import knn_feature_norm, unit_sphere_normalize

# ---- unit_sphere_normalize ----

conventions(unit_sphere_normalize, "code", "ShapeSplat and PointNet: pc_norm", eps=0.0)


def centre(x):
    return x - np.mean(x, axis=-2, keepdims=True)


def farthest(c):
    return np.max(np.sqrt(np.sum(c**2, axis=-1, keepdims=True)), axis=-2, keepdims=True)


@mistake(unit_sphere_normalize, "scaled into the cube", kind="statistic")
def _(x, /, *, eps=0.0):
    c = centre(x)
    return c / (np.max(np.abs(c), axis=(-2, -1), keepdims=True) + eps)


@mistake(unit_sphere_normalize, "every point to length 1", kind="axis")
def _(x, /, *, eps=0.0):
    c = centre(x)
    return c / (np.sqrt(np.sum(c**2, axis=-1, keepdims=True)) + eps)


@mistake(unit_sphere_normalize, "radius taken before the mean comes off", kind="order of steps")
def _(x, /, *, eps=0.0):
    return centre(x) / (farthest(x) + eps)


@mistake(unit_sphere_normalize, "centred on the middle of the box", kind="statistic")
def _(x, /, *, eps=0.0):
    if not x.size:
        return x
    c = x - (x.max(axis=-2, keepdims=True) + x.min(axis=-2, keepdims=True)) / 2
    return c / (farthest(c) + eps)


@mistake(unit_sphere_normalize, "eps bounds the radius from below", kind="place of a parameter")
def _(x, /, *, eps=0.0):
    c = centre(x)
    return c / np.maximum(farthest(c), eps)


@mistake(unit_sphere_normalize, "one radius for the batch", kind="axis")
def _(x, /, *, eps=0.0):
    c = centre(x)
    return c / (np.max(farthest(c), initial=0) + eps)


@honest(unit_sphere_normalize, "NumPy")
def _(x, /, *, eps=0.0):
    c = centre(x)
    c = c - np.mean(c, axis=-2, keepdims=True)
    top = np.max(np.abs(c), axis=(-2, -1), keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, x.dtype.type(1))
    radius = top * farthest(c / top)
    return c / (np.where(np.isfinite(radius), radius, x.dtype.type(np.nan)) + x.dtype.type(eps))


# ---- knn_feature_norm ----

conventions(knn_feature_norm, "code", "Mamba3D K_Norm", eps=1e-5)


def beside(d, deviation, center, weight, bias):
    z = np.broadcast_to(center[:, :, None, :], d.shape)
    y = np.concatenate([d / deviation, z], axis=-1)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@mistake(knn_feature_norm, "biased deviation", kind="denominator")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    return beside(d, np.std(d) + eps, center, weight, bias)


@mistake(knn_feature_norm, "a deviation for each sample", kind="axis")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    return beside(d, np.std(d, axis=(1, 2, 3), ddof=1, keepdims=True) + eps, center, weight, bias)


@mistake(knn_feature_norm, "eps under the root", kind="place of a parameter")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    return beside(d, np.sqrt(np.var(d, ddof=1) + eps), center, weight, bias)


@mistake(knn_feature_norm, "root mean square: mean not taken off", kind="statistic")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    return beside(d, np.sqrt(np.sum(d**2) / (d.size - 1)) + eps, center, weight, bias)


@mistake(knn_feature_norm, "mean taken off the differences", kind="statistic")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    return beside(d - d.mean(), np.std(d, ddof=1) + eps, center, weight, bias)


@mistake(knn_feature_norm, "centre not put beside: the neighbour's own", kind="order of steps")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    y = np.concatenate([d / (np.std(d, ddof=1) + eps), x], axis=-1)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@honest(knn_feature_norm, "NumPy")
def _(x, center, weight=None, bias=None, /, *, eps=1e-5):
    d = x - center[:, :, None, :]
    top = np.max(np.abs(d))
    top = top if top > 0 and np.isfinite(top) else x.dtype.type(1)
    return beside(d, top * np.std(d / top, ddof=1) + x.dtype.type(eps), center, weight, bias)
