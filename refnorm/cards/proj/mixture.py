"""How the denoiser of a mixture of subspaces is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.mixture import subspace_mixture_denoiser

conventions(subspace_mixture_denoiser, "paper", "equal weights")


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
