"""How point sets and neighbourhoods are normalized wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.points import gaussian_splat_normalize, knn_feature_norm, unit_sphere_normalize

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


# ---- gaussian_splat_normalize ----

conventions(gaussian_splat_normalize, "code", "pc_norm_gs of ShapeSplat; but for half turns", eps=1e-9)
conventions(
    gaussian_splat_normalize,
    "code, all",
    "its pretraining: every attribute it knows",
    kinds=("opacity", "scale", "sh"),
    eps=1e-9,
)


def sphere(x):
    """Return the mean, the distances to it and the radius; shifted first, so that equal points give exactly 0."""
    first = x[..., :1, :]
    c = x - first
    shift = np.mean(c, axis=-2, keepdims=True)
    c = c - shift
    top = np.max(np.abs(c), axis=(-2, -1), keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, x.dtype.type(1))
    radius = top * farthest(c / top)
    return first + shift, c, np.where(np.isfinite(radius), radius, x.dtype.type(np.nan))


def length(q):
    top = np.max(np.abs(q), axis=-1, keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, q.dtype.type(1))
    return top * np.sqrt(np.sum((q / top) ** 2, axis=-1, keepdims=True))


def splats(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    def call(x, log_scale, rotation, opacity, sh, /, *, kinds=(), eps=1e-9):
        of, kinds = x.dtype.type, wrong.get("kinds", kinds)
        _, c, m = sphere(x)
        m1 = np.ones_like(m) if wrong.get("unscaled") else m
        scale = np.exp(log_scale)
        center, radius = np.zeros_like(scale[..., 0, :]), np.ones_like(scale[..., 0, 0])
        if "scale" in kinds:
            _, apart, r = sphere(scale)
            mean = np.mean(scale, axis=-2, keepdims=True)
            scale, center, radius = apart / r, (mean / m1)[..., 0, :], (r / m1)[..., 0, 0]
            center = center * 0 if wrong.get("bare") else center
        else:
            scale = log_scale - np.log(m) if wrong.get("logs") else scale / m1
        sign = np.where(rotation[..., :1] < 0, of(-1), of(1))
        sign = {"code": np.sign(rotation[..., :1]), "none": of(1)}.get(wrong.get("sign"), sign)
        far = np.maximum(length(rotation), of(eps)) if wrong.get("bound") else length(rotation) + of(eps)
        z = opacity if "opacity" not in kinds else opacity / 2
        e = np.exp(-np.abs(opacity))
        o = np.tanh(z) if "opacity" in kinds else np.where(z < 0, e, np.ones_like(e)) / (1 + e)
        o = opacity if wrong.get("logits") else o
        h = sh
        if "sh" in kinds:
            h = of(0.28209479177387814) * sh
            h = h if wrong.get("open") else np.clip(h, of(-0.5), of(0.5))
            h = 2 * h / of(1 if wrong.get("cube") else 3**0.5)
        return c / m, scale, sign * rotation / far, o, h, center, radius

    return call


for name, kind, wrong in [
    ("scales not divided by the radius of the cloud", "missing factor", {"unscaled": True}),
    ("logarithms of scales in place of scales", "unit", {"logs": True}),
    ("half turns lost: the sign of 0 is 0", "sign", {"sign": "code"}),
    ("quaternions of either sign", "sign", {"sign": "none"}),
    ("eps bounds the length from below", "place of a parameter", {"bound": True}),
    ("opacities left before the logistic function", "activation", {"logits": True}),
    ("colours not clipped", "order of steps", {"open": True}),
    ("colours to the cube, not to the sphere", "missing factor", {"cube": True}),
    ("always all", "option not read", {"kinds": ("opacity", "scale", "sh")}),
    ("never any", "option not read", {"kinds": ()}),
    ("mean of the scales not returned", "statistic", {"bare": True}),
]:
    mistake(gaussian_splat_normalize, name, kind=kind)(splats(**wrong))

honest(gaussian_splat_normalize, "NumPy")(splats())
