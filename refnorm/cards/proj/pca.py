"""How whitening by principal axes is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.pca import pca_whiten, zca_whiten

conventions(pca_whiten, "scikit-learn", "PCA(whiten=True).transform; var = explained_variance_", eps=0.0)
conventions(pca_whiten, "retrieval", "unit rows before and after", normalize=True)
conventions(zca_whiten, "paper", eps=0.0)


def unit(x):
    size = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return x / np.where(size == 0, 1, size)


def white(x, mean, basis, var, eps, normalize=False, root=np.sqrt, back=False):
    x, mean, basis, var = (a.astype(np.float64) for a in (x, mean, basis, var))
    y = ((unit(x) if normalize else x) - mean) @ basis.T / root(var + eps)
    y = y @ basis if back else y
    return unit(y) if normalize else y


@mistake(pca_whiten, "divided by the variance", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize, root=lambda v: v)


@mistake(pca_whiten, "mean not taken off", kind="centering")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, 0 * mean, basis, var, eps, normalize)


@mistake(pca_whiten, "eps outside the root", kind="place of eps")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize, root=lambda v: np.sqrt(v - eps) + eps)


@mistake(pca_whiten, "not divided", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize, root=np.ones_like)


@mistake(pca_whiten, "never unit rows", kind="place of a parameter")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps)


@mistake(pca_whiten, "unit rows after alone", kind="order of the steps")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    y = white(x, mean, basis, var, eps)
    return unit(y) if normalize else y


@honest(pca_whiten, "NumPy", baseline=True)
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize).astype(x.dtype)


@mistake(zca_whiten, "divided by the variance", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, root=lambda v: v, back=True)


@mistake(zca_whiten, "mean put back", kind="centering")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, back=True) + mean


@mistake(zca_whiten, "eps left out", kind="place of eps")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, 0.0, back=True)


@mistake(zca_whiten, "not divided", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, root=np.ones_like, back=True)


@honest(zca_whiten, "NumPy", baseline=True)
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, back=True).astype(x.dtype)
