"""How second moments of tokens and of heads are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.covariance import covariance_pool, cross_covariance_pool

conventions(covariance_pool, "moment-probing", "Covariance with two arguments", correction=0)
conventions(covariance_pool, "numpy", "numpy.cov of the transposed tokens; bias=True is correction=0", correction=1)
conventions(cross_covariance_pool, "moment-probing", "Moment_Probing_ViT; its cn2 is 'all'", kind="near", eps=1e-5)


def moments(x, center=True, over=None, correction=0):
    c = x - x.mean(axis=-2, keepdims=True) if center else x
    return (np.swapaxes(c, -1, -2) @ c / x.dtype.type((over or x.shape[-2]) - correction)).astype(x.dtype)


@mistake(covariance_pool, "mean left in", kind="statistic")
def _(x, /, *, correction=0):
    return moments(x, center=False, correction=correction)


@mistake(covariance_pool, "correction left out", kind="denominator")
def _(x, /, *, correction=0):
    return moments(x)


@mistake(covariance_pool, "divided by the features", kind="denominator")
def _(x, /, *, correction=0):
    return moments(x, over=x.shape[-1])


@mistake(covariance_pool, "one mean for all features", kind="axis")
def _(x, /, *, correction=0):
    return moments(x - x.mean(axis=(-1, -2), keepdims=True), center=False, correction=correction)


@mistake(covariance_pool, "covariances of the tokens", kind="axis")
def _(x, /, *, correction=0):
    return moments(np.swapaxes(x, -1, -2), correction=0)


@mistake(covariance_pool, "correlations", kind="denominator")
def _(x, /, *, correction=0):
    c = moments(x, correction=correction)
    s = np.sqrt(np.diagonal(c, axis1=-2, axis2=-1))
    return c / (s[..., :, None] * s[..., None, :])


@honest(covariance_pool, "NumPy", baseline=True)
def _(x, /, *, correction=0):
    return moments(x, correction=correction)


def crossed(
    x, w=None, b=None, *, groups, kind="near", eps=1e-5, axis=-2, center=(-1, -2), mix=False, step=None, **wrong
):
    d = x.shape[-1] // groups
    parts = np.stack([x[..., i::groups] if mix else x[..., i * d : (i + 1) * d] for i in range(groups)], axis=-3)
    c = parts - parts.mean(axis=-1, keepdims=True)
    z = c / np.sqrt((c * c).mean(axis=-1, keepdims=True) + x.dtype.type(eps))
    z = (z if w is None else z * w) + (x.dtype.type(0) if b is None else b)
    z = z - z.mean(axis=center, keepdims=True)
    gap = step or (groups // 2 if kind == "half" else 1)
    pairs = [(i, j) for i in range(groups) for j in range(i + 1, groups) if kind == "all" or j == i + gap]
    y = np.stack([np.swapaxes(z[..., i, :, :], -1, -2) @ z[..., j, :, :] for i, j in pairs], axis=-3) / len(
        z[..., 0, :, 0].T
    )
    if kind != "all" or wrong.get("always"):
        y = y / np.maximum(np.sqrt((y * y).sum(axis=axis, keepdims=True)), x.dtype.type(wrong.get("least", 1e-12)))
    return y.astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(cross_covariance_pool, name, kind=kind)
    def _(x, w=None, b=None, /, **options):
        return crossed(x, w, b, **(options | wrong))


twin("rows divided by their lengths", "axis", axis=-1)
twin("whole matrices of unit length", "axis", axis=(-1, -2))
twin("the mean token taken off", "statistic", center=-2)
twin("heads interleaved", "region", mix=True)
twin("neighbours in any case", "region", kind="near")
twin("columns divided for all pairs", "denominator", always=True)
twin("eps left out", "place of a parameter", eps=0.0)


@mistake(cross_covariance_pool, "transposed", kind="order of steps")
def _(x, w=None, b=None, /, **options):
    return np.swapaxes(crossed(x, w, b, **options), -1, -2)


@mistake(cross_covariance_pool, "layer norm over all heads", kind="axis")
def _(x, w=None, b=None, /, *, groups, kind="near", eps=1e-5):
    c = x - x.mean(axis=-1, keepdims=True)
    return crossed(c / np.sqrt((c * c).mean(axis=-1, keepdims=True) + eps), w, b, groups=groups, kind=kind, eps=0.0)


@honest(cross_covariance_pool, "NumPy", baseline=True)
def _(x, w=None, b=None, /, **options):
    return crossed(x, w, b, **options)
