"""How the nearest rotation, and features brought to others, are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake, survivor
from ...proj.procrustes import orthogonal_procrustes, semantic_calibration
from ..matrices import finite, svd

conventions(orthogonal_procrustes, "scipy", "linalg.orthogonal_procrustes(A, B)[0]; its second is the sum of s")
conventions(semantic_calibration, "DR-Tune", "turned at every tenth step", aligned=True)
conventions(orthogonal_procrustes, "kabsch", "a rotation; sets centred first", proper=True)


@decomposition(orthogonal_procrustes)
def _(q):
    """Unique where the data determine it, orthonormal everywhere."""
    return q, q.mT @ q


def nearest(x, target, proper, over=True, product=lambda x, t: x.mT @ t):
    x, target = (a.astype(np.promote_types(a.dtype, np.float32)) for a in (x, target))
    with np.errstate(all="ignore"):
        sizes = (np.max(np.abs(a), axis=(-2, -1), keepdims=True) for a in (x, target))
        x, target = (a / np.where(s == 0, 1, s) for a, s in zip((x, target), sizes, strict=True))
        u, _, vt = svd(product(x, target))
        if proper and over:
            u = np.concatenate([u[..., :-1], np.sign(np.linalg.det(u @ vt))[..., None, None] * u[..., -1:]], axis=-1)
        return u @ vt


@mistake(orthogonal_procrustes, "transposed: takes the target to x", kind="order of the steps")
def _(x, target, /, *, proper=False):
    return nearest(x, target, proper).mT


@mistake(orthogonal_procrustes, "never a rotation", kind="place of a parameter")
def _(x, target, /, *, proper=False):
    return nearest(x, target, False)


@mistake(orthogonal_procrustes, "always a rotation", kind="place of a parameter")
def _(x, target, /, *, proper=False):
    return nearest(x, target, True)


@mistake(orthogonal_procrustes, "all turned over for a rotation", kind="sign")
def _(x, target, /, *, proper=False):
    q = nearest(x, target, False)
    return q * np.sign(np.linalg.det(q))[..., None, None] if proper else q


@mistake(orthogonal_procrustes, "sets centred first", kind="centering")
def _(x, target, /, *, proper=False):
    return nearest(*(a - a.mean(axis=-2, keepdims=True) for a in (x, target)), proper)


@mistake(orthogonal_procrustes, "least squares: not orthogonal", kind="set")
def _(x, target, /, *, proper=False):
    return np.linalg.pinv(finite(x)[0]) @ target


@mistake(orthogonal_procrustes, "rows of unit length first", kind="denominator")
def _(x, target, /, *, proper=False):
    return nearest(*(a / np.linalg.norm(a, axis=-1, keepdims=True) for a in (x, target)), proper)


@honest(orthogonal_procrustes, "NumPy", baseline=True)
def _(x, target, /, *, proper=False):
    return nearest(x, target, proper).astype(x.dtype)


survivor(
    orthogonal_procrustes,
    "orthogonal_procrustes > level: size = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True): "
    "xp.max(xp.abs(x), axis=(-2, -1), keepdims=True) -> xp.min(xp.abs(x), axis=(-2, -1), keepdims=True)",
    "any size of the set levels it, as long as its sizes are less than 1e150 apart",
)


# ---- features brought to others ----

decomposition(semantic_calibration)  # its answer is unique


def unit(x):
    top = np.max(np.abs(x), axis=-1, keepdims=True)
    x = x / np.where(top == 0, 1, top)
    size = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return x / np.where(size == 0, 1, size)


def calibrated(
    x, target, weight, ids, segments, aligned, scale, *, proper=True, even=False, whole=False, rescaled=True, raw=False
):
    p, d, w = (a if raw else unit(a) for a in (x, target, weight))
    if aligned:
        p, q = p - p.mean(axis=0), d - d.mean(axis=0)
        p = p @ nearest(p, q, proper).astype(p.dtype)
    y = p.copy()
    for c in range(segments):
        own = np.ones(len(x), bool) if whole else ids == c
        if own.any():
            e = np.exp(d[own] @ w[c]) if not even else np.ones(own.sum(), p.dtype)
            y[own] = p[own] + (e / e.sum()) @ d[own] - p[own].mean(axis=0)
    return (unit(y) if rescaled else y) * x.dtype.type(scale)


def wrong(name, kind, twin):
    @mistake(semantic_calibration, name, kind=kind)
    def _(x, target, weight, ids, /, *, segments, aligned=True, scale=1.0):
        return twin((x, target, weight, ids, segments), aligned, scale)


wrong("never turned", "option not read", lambda a, t, s: calibrated(*a, False, s))
wrong("always turned", "option not read", lambda a, t, s: calibrated(*a, True, s))
wrong("turned over", "sign", lambda a, t, s: calibrated(*a, t, s, proper=False))
wrong("members alike", "statistic", lambda a, t, s: calibrated(*a, t, s, even=True))
wrong("all as one class", "set", lambda a, t, s: calibrated(*a, t, s, whole=True))
wrong("lengths kept", "denominator", lambda a, t, s: calibrated(*a, t, s, rescaled=False))
wrong("not of unit length first", "denominator", lambda a, t, s: calibrated(*a, t, s, raw=True))
wrong("always of length one", "option not read", lambda a, t, s: calibrated(*a, t, 1.0))


@honest(semantic_calibration, "NumPy")
def _(x, target, weight, ids, /, *, segments, aligned=True, scale=1.0):
    return calibrated(x, target, weight, ids, segments, aligned, scale)


survivor(
    semantic_calibration,
    "semantic_calibration > two_sum: part = s - a: s - a narrowed",
    "what a sum loses of numbers that are at most one, in float32: far below what the rotation is off",
)
