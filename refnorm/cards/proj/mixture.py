"""How the denoiser of a mixture of subspaces, and a round of K-subspaces, are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.mixture import k_subspaces, subspace_mixture_denoiser
from ..matrices import svd

conventions(subspace_mixture_denoiser, "paper", "equal weights")
conventions(k_subspaces, "paper")


def denoised(x, basis, weights, scale, std, power=None, shrink=None, hard=False, whole=True):
    x, u = x.astype(np.float64), basis.astype(np.float64)
    c = np.einsum("...d,krd->...kr", x, u)
    square = np.sum(c * c, axis=-1)
    square = square - np.max(square, axis=-1, keepdims=True)
    power = scale**2 / (2 * std**2 * (scale**2 + std**2)) if power is None else power
    e = np.exp(power * square) * (1 if weights is None else weights.astype(np.float64))
    w = (square == 0) * 1.0 if hard else e / (np.sum(e, axis=-1, keepdims=True) if whole else len(u))
    y = np.einsum("...k,...kr,krd->...d", w, c, u)
    return (scale / (scale**2 + std**2) if shrink is None else shrink) * y


@mistake(subspace_mixture_denoiser, "the nearest subspace alone", kind="statistic")
def _(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    return denoised(x, basis, weights, scale, std, hard=True)


@mistake(subspace_mixture_denoiser, "not shrunk", kind="denominator")
def _(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    return denoised(x, basis, weights, scale, std, shrink=1.0)


@mistake(subspace_mixture_denoiser, "the noise alone in the weights", kind="denominator")
def _(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    return denoised(x, basis, weights, scale, std, power=1 / (2 * std**2))


@mistake(subspace_mixture_denoiser, "weights left out", kind="place of a parameter")
def _(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    return denoised(x, basis, None, scale, std)


@mistake(subspace_mixture_denoiser, "weights not divided by their sum", kind="denominator")
def _(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    return denoised(x, basis, weights, scale, std, whole=False)


@honest(subspace_mixture_denoiser, "NumPy", baseline=True)
def _(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    with np.errstate(all="ignore"):
        return denoised(x, basis, weights, scale, std).astype(x.dtype)


@decomposition(k_subspaces)
def _(basis, energy, ids):
    """Rows of a basis may turn: judged are their Gram matrices and projectors."""
    return basis @ basis.mT, basis.mT @ basis, energy, ids


def one_round(x, basis, *, pick=np.argmax, power=2, centred=False, kept=slice, update=True):
    c = np.einsum("nd,krd->nkr", x, basis)
    squares = np.sum(np.abs(c) ** power, axis=-1)
    ids = pick(squares, axis=-1)
    energy = np.take_along_axis(squares, ids[:, None], axis=-1)[:, 0]
    found = basis.copy()
    for k in range(len(basis)) if update else ():
        mine = np.where((ids == k)[:, None], x, 0 * x if np.isfinite(x).all() else np.zeros_like(x))
        if (ids == k).any():
            mine = mine - mine.mean(axis=0) if centred else mine
            found[k] = svd(mine)[2][kept(basis.shape[1])]
    return found, energy, ids


def wrong(name, kind, **how):
    mistake(k_subspaces, name, kind=kind)(lambda x, basis, /: one_round(x, basis, **how))


wrong("the subspace that holds least", "sign", pick=np.argmin)
wrong("sizes, not squares", "power", power=1)
wrong("points less their mean", "centering", centred=True)
wrong("the least vectors kept", "set", kept=lambda r: slice(-r, None))
wrong("the old basis", "option not read", update=False)


@honest(k_subspaces, "NumPy", baseline=True)
def _(x, basis, /):
    return one_round(x, basis)
