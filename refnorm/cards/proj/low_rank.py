"""How leading singular triples are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.low_rank import low_rank_gradient_step, truncated_svd
from ..matrices import finite, svd

conventions(truncated_svd, "scipy", "linalg.svd gives v^T, and signs as they come")
conventions(truncated_svd, "scikit-learn", "PCA takes the same signs: the largest loading positive")
conventions(truncated_svd, "PELA", "two factors, u sqrt(s) and v sqrt(s)")
conventions(low_rank_gradient_step, "paper", "onto a convex set first, where there is one")
decomposition(low_rank_gradient_step)


@decomposition(truncated_svd)
def _(u, s, v):
    """Signs are free, and bases where values tie."""
    return s, (u * s[..., None, :]) @ v.mT, u.mT @ u, v.mT @ v


def triples(x, rank=None, kept=None):
    u, s, vt = svd(x)
    r = s.shape[-1] if rank is None else rank
    kept = slice(r) if kept is None else kept(r)
    return u[..., kept], s[..., kept], vt.mT[..., kept]


@mistake(truncated_svd, "signs turned in u alone", kind="sign")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return np.abs(u[..., :1, :]) / np.where(u[..., :1, :] == 0, 1, u[..., :1, :]) * u, s, v


@mistake(truncated_svd, "values ascending", kind="order")
def _(x, /, *, rank=None):
    return tuple(part[..., ::-1] for part in triples(x, rank))


@mistake(truncated_svd, "smallest values kept", kind="set")
def _(x, /, *, rank=None):
    return triples(x, rank, kept=lambda r: slice(-r, None))


@mistake(truncated_svd, "eigenvalues of the Gram matrix", kind="statistic")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return u, s * s, v


@mistake(truncated_svd, "values in the left vectors", kind="place of a parameter")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return u * s[..., None, :], s, v


@mistake(truncated_svd, "one rank too few", kind="set")
def _(x, /, *, rank=None):
    parts = triples(x, rank)
    return tuple(np.where(np.arange(parts[1].shape[-1]) == parts[1].shape[-1] - 1, 0, part) for part in parts)


@mistake(truncated_svd, "columns centred first, as of PCA", kind="centering")
def _(x, /, *, rank=None):
    return triples(x - x.mean(axis=-2, keepdims=True), rank)


@honest(truncated_svd, "NumPy", baseline=True)
def _(x, /, *, rank=None):
    return tuple(part.astype(x.dtype) for part in triples(x, rank))


@honest(truncated_svd, "NumPy, signs as they come turned")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return tuple(part.astype(x.dtype) for part in (-u, s, -v))


@honest(truncated_svd, "torch.linalg.svd", needs="torch")
def _(x, /, *, rank=None):
    import torch

    narrow, good = finite(x)
    u, s, vt = (part.numpy() for part in torch.linalg.svd(torch.from_numpy(narrow), full_matrices=False))
    parts = ((u, good), (s, good[..., 0]), (vt.mT, good))
    return tuple(np.where(known, part, np.nan)[..., :rank].astype(x.dtype) for part, known in parts)


def stepped(x, kept):
    u, s, vt = svd(x)
    return (u * (s * kept(np.arange(s.shape[-1])))[..., None, :]) @ vt


@mistake(low_rank_gradient_step, "along the gradient", kind="sign")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x + step * direction, lambda i: i < (rank or len(i)))


@mistake(low_rank_gradient_step, "cut before the step", kind="order of the steps")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x, lambda i: i < (rank or len(i))) - step * direction


@mistake(low_rank_gradient_step, "only the gradient cut", kind="order of the steps")
def _(x, direction, /, *, step=1.0, rank=None):
    return x - step * stepped(direction, lambda i: i < (rank or len(i)))


@mistake(low_rank_gradient_step, "never cut", kind="set")
def _(x, direction, /, *, step=1.0, rank=None):
    return x - step * direction


@mistake(low_rank_gradient_step, "smallest values kept", kind="set")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x - step * direction, lambda i: i >= len(i) - (rank or len(i)))


@mistake(low_rank_gradient_step, "step of 1 whatever is asked", kind="place of a parameter")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x - direction, lambda i: i < (rank or len(i)))


@honest(low_rank_gradient_step, "NumPy", baseline=True)
def _(x, direction, /, *, step=1.0, rank=None):
    narrow = finite(x)[0].dtype.type
    moved = x.astype(narrow) - narrow(step) * direction.astype(narrow)
    return stepped(moved, lambda i: i < (rank or len(i))).astype(x.dtype)
