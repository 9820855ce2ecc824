"""How the nearest rotation is got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake, survivor
from ...proj.procrustes import orthogonal_procrustes
from ..matrices import finite, svd

conventions(orthogonal_procrustes, "scipy", "linalg.orthogonal_procrustes(A, B)[0]; its second is the sum of s")
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
