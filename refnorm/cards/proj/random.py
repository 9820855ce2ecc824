"""How random matrices, subspaces and graph embeddings are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.random import fastrp, random_subspace_project, sparse_random_matrix

conventions(sparse_random_matrix, "scikit-learn", "with density 1 / sqrt(n) and scale 1 / sqrt(d)")
conventions(sparse_random_matrix, "intrinsic-dimension", "unit columns over all layers together", normalize=True)
conventions(random_subspace_project, "intrinsic-dimension", normalize=True)
conventions(fastrp, "code", "columns standardized, degrees of the weighted graph", standardize=True)
conventions(fastrp, "paper", "scaled with (d / 2m)^beta", standardize=False)


def drawn(u, density, scale, normalize, low=0.5):
    sign = np.where(np.isnan(u), u, (u < low * density) * 1.0 - (u > 1 - density / 2))
    if normalize:
        return scale * sign / np.sqrt(np.maximum(np.sum(sign * sign, axis=0), 1))
    return scale * sign / np.sqrt(density)


@mistake(sparse_random_matrix, "not scaled by the density", kind="denominator")
def _(x, /, *, density, scale=1.0, normalize=False):
    return drawn(x, density, scale * (1 if normalize else np.sqrt(density)), normalize)


@mistake(sparse_random_matrix, "divided by the density, not its root", kind="denominator")
def _(x, /, *, density, scale=1.0, normalize=False):
    return drawn(x, density, scale / (1 if normalize else np.sqrt(density)), normalize)


@mistake(sparse_random_matrix, "twice as many of one sign", kind="set")
def _(x, /, *, density, scale=1.0, normalize=False):
    return drawn(x, density, scale, normalize, low=1.0)


@mistake(sparse_random_matrix, "unit rows", kind="axis")
def _(x, /, *, density, scale=1.0, normalize=False):
    return drawn(x.T, density, scale, normalize).T if normalize else drawn(x, density, scale, normalize)


@mistake(sparse_random_matrix, "columns never of unit length", kind="place of a parameter")
def _(x, /, *, density, scale=1.0, normalize=False):
    return drawn(x, density, scale, False)


@honest(sparse_random_matrix, "NumPy", baseline=True)
def _(x, /, *, density, scale=1.0, normalize=False):
    return drawn(x.astype(np.float64), density, scale, normalize).astype(x.dtype)


def lengths(p, axis=0):
    size = np.sqrt(np.sum(p * p, axis=axis, keepdims=True))
    return np.where(size == 0, 1, size)


def placed(x, weight, origin, normalize, axis=0):
    wide, p = x.astype(np.float64), weight.astype(np.float64)
    y = wide @ (p / lengths(p, axis) if normalize else p).T
    return (y if origin is None else y + origin).astype(x.dtype)


@mistake(random_subspace_project, "unit rows", kind="axis")
def _(x, weight, origin=None, /, *, normalize=True):
    return placed(x, weight, origin, normalize, axis=1)


@mistake(random_subspace_project, "columns as they are", kind="place of a parameter")
def _(x, weight, origin=None, /, *, normalize=True):
    return placed(x, weight, origin, False)


@mistake(random_subspace_project, "always unit columns", kind="place of a parameter")
def _(x, weight, origin=None, /, *, normalize=True):
    return placed(x, weight, origin, True)


@mistake(random_subspace_project, "origin left out", kind="place of a parameter")
def _(x, weight, origin=None, /, *, normalize=True):
    return placed(x, weight, None, normalize)


@honest(random_subspace_project, "NumPy", baseline=True)
def _(x, weight, origin=None, /, *, normalize=True):
    return placed(x, weight, origin, normalize)


def embedded(a, r, weights, alpha, transition, normalize, standardize, *, columns=False, first=True, ddof=0):
    a, n = a.astype(np.float64), r.astype(np.float64)
    d = np.sum(a, axis=0)[:, None] if columns else np.sum(a, axis=1, keepdims=True)
    one = np.where(d == 0, 1, d)
    n = np.where(d == 0, 0, one**alpha * n)
    m = a / one if transition else a
    y = np.zeros_like(n)
    for w in weights:
        n = m @ n if first else n
        y = y + w * (n / lengths(n, 1) if normalize else n)
        n = n if first else m @ n
    if standardize:
        c = y - np.mean(y, axis=0)
        std = np.sqrt(np.sum(c * c, axis=0) / (len(c) - ddof))
        y = c / np.where(std == 0, 1, std)
    return y


@mistake(fastrp, "degrees of the columns", kind="axis")
def _(x, r, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    return embedded(x, r, weights, alpha, transition, normalize, standardize, columns=True)


@mistake(fastrp, "a step too few", kind="order of the steps")
def _(x, r, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    return embedded(x, r, weights, alpha, transition, normalize, standardize, first=False)


@mistake(fastrp, "degrees left out", kind="place of a parameter")
def _(x, r, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    return embedded(x, r, weights, 0.0, transition, normalize, standardize)


@mistake(fastrp, "variance with n - 1", kind="correction")
def _(x, r, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    return embedded(x, r, weights, alpha, transition, normalize, standardize, ddof=1)


@mistake(fastrp, "rows never of unit length", kind="place of a parameter")
def _(x, r, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    return embedded(x, r, weights, alpha, transition, False, standardize)


@honest(fastrp, "NumPy", baseline=True)
def _(x, r, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    return embedded(x, r, weights, alpha, transition, normalize, standardize).astype(x.dtype)


survivor(
    fastrp,
    "fastrp > centered: c = x - (first + mean(xp, x - first, roomy=roomy)): x - first -> x",
    "columns of an embedding are no longer than a few of their spreads: the second mean takes off what is left",
)
