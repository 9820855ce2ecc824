"""How canonical correlations are got wrong."""

import itertools

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake, survivor
from ...proj.correlation import cca, multiview_cca
from ..matrices import svd

conventions(cca, "scikit-learn", "CCA(scale=False): its rotations span the same; scores of unit variance", eps=0.0)
conventions(cca, "paper", "the released code was not found", eps=1e-6)
conventions(multiview_cca, "cca_zoo", "MCCA", eps=0.0, p=0.0)
conventions(multiview_cca, "paper", "embeddings are weighted by the fourth power", p=4.0)


def falling(*parts):
    """Return pairs of directions, in which one sign is free: a sum of their products with falling weights."""
    weights = 1 / np.arange(1, parts[0].shape[1] + 1, dtype=parts[0].dtype)
    every = np.concatenate(parts)
    return (every * weights) @ every.T


@decomposition(cca)
def _(a, b, correlations):
    return falling(a), falling(a, b), correlations


@decomposition(multiview_cca)
def _(values, *maps):
    return values, *(falling(*maps[i:]) for i in range(len(maps)))


def white(x, eps, centre=True, root=np.sqrt):
    """Return white coordinates and the map to them, by the singular values of the view, in its type or float32."""
    x = x.astype(np.promote_types(x.dtype, np.float32))
    u, s, vt = svd(x - x.mean(axis=0) if centre else x)
    size = root(s * s + s.dtype.type(eps))
    inverse = np.where(size == 0, 0, 1 / np.where(size == 0, 1, size)).astype(s.dtype)
    return (u * (s * inverse)) @ vt, (vt.T * inverse) @ vt


def correlated(x, y, rank, eps, kept=slice, **how):
    (first, p), (second, q) = (white(v, eps, **how) for v in (x, y))
    u, s, vt = svd(first.T @ second)
    kept = kept(len(s) if rank is None else rank)
    return p @ u[:, kept], q @ vt.T[:, kept], s[kept]


@mistake(cca, "not centred", kind="centering")
def _(x, other, /, *, rank=None, eps=1e-6):
    return correlated(x, other, rank, eps, centre=False)


@mistake(cca, "divided by the scatter, not its root", kind="denominator")
def _(x, other, /, *, rank=None, eps=1e-6):
    return correlated(x, other, rank, eps, root=lambda v: v)


@mistake(cca, "eps left out", kind="place of eps")
def _(x, other, /, *, rank=None, eps=1e-6):
    return correlated(x, other, rank, 0.0)


@mistake(cca, "smallest correlations kept", kind="set")
def _(x, other, /, *, rank=None, eps=1e-6):
    return correlated(x, other, rank, eps, kept=lambda r: slice(-r, None))


@mistake(cca, "squared correlations", kind="statistic")
def _(x, other, /, *, rank=None, eps=1e-6):
    a, b, s = correlated(x, other, rank, eps)
    return a, b, s * s


@mistake(cca, "scores of unit variance", kind="correction")
def _(x, other, /, *, rank=None, eps=1e-6):
    a, b, s = correlated(x, other, rank, eps)
    return a * np.sqrt(len(x) - 1), b * np.sqrt(len(x) - 1), s


@mistake(cca, "directions in white coordinates", kind="order of the steps")
def _(x, other, /, *, rank=None, eps=1e-6):
    (first, _), (second, _) = white(x, eps), white(other, eps)
    u, s, vt = svd(first.T @ second)
    return u[:, :rank], vt.T[:, :rank], s[:rank]


@honest(cca, "NumPy", baseline=True)
def _(x, other, /, *, rank=None, eps=1e-6):
    with np.errstate(all="ignore"):
        return tuple(part.astype(x.dtype) for part in correlated(x, other, rank, eps))


def mapped(views, rank, eps, p, diagonal=True, power=lambda s, p: s**p, kept=slice, each=False, **how):
    views = [v for v in views if v is not None]
    coordinates, roots = zip(*(white(v, eps, **how) for v in views), strict=True)
    z = np.concatenate(coordinates, axis=1)
    ends = np.cumsum([0, *(v.shape[1] for v in views)])
    own = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    m = z.T @ z
    if diagonal:
        m = np.where(own[:, None] == own, np.eye(len(m), dtype=m.dtype) + 0 * m, m)
    _, s, vt = svd(m)
    kept = kept(len(s) if rank is None else rank)
    s, w = s[kept], vt.T[:, kept] * power(s[kept], s.dtype.type(p))
    parts = [w[i:j] for i, j in itertools.pairwise(ends)]
    parts = [part / np.linalg.norm(part, axis=0) for part in parts] if each else parts
    return s, *(root @ part for root, part in zip(roots, parts, strict=True))


@mistake(multiview_cca, "not centred", kind="centering")
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    return mapped((a, b, c), rank, eps, p, centre=False)


@mistake(multiview_cca, "eps on one side only", kind="place of eps")
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    return mapped((a, b, c), rank, eps, p, diagonal=False)


@mistake(multiview_cca, "no power", kind="place of a parameter")
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    return mapped((a, b, c), rank, eps, 0.0)


@mistake(multiview_cca, "divided by the power", kind="denominator")
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    return mapped((a, b, c), rank, eps, -p)


@mistake(multiview_cca, "smallest eigenvalues kept", kind="set")
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    return mapped((a, b, c), rank, eps, p, kept=lambda r: slice(-r, None))


@mistake(multiview_cca, "every view of unit length by itself", kind="denominator")
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    return mapped((a, b, c), rank, eps, p, each=True)


@honest(multiview_cca, "NumPy", baseline=True)
def _(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    with np.errstate(all="ignore"):
        return tuple(part.astype(a.dtype) for part in mapped((a, b, c), rank, eps, p))


survivor(
    cca,
    "cca > centered: c = x - (first + mean(xp, x - first, roomy=roomy)): "
    "first + mean(xp, x - first, roomy=roomy) -> first - mean(xp, x - first, roomy=roomy)",
    "the mean is taken off a second time, whatever was the first: rounding is all that is lost",
)
