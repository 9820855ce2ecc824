"""Principal axes and whitening in long double, axis by axis."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def centred(x):
    """Return rows less their mean, and the mean."""
    mean = np.zeros((*x.shape[:-2], x.shape[-1]), WIDE)
    for i in range(x.shape[-2]):
        mean = mean + x[..., i, :]
    mean = mean / x.shape[-2]
    return x - mean[..., None, :], mean


def pca_basis(x, *, rank=None, correction=1):
    c, mean = centred(x)
    _, s, v = svd(c)
    return mean, np.swapaxes(v, -1, -2)[..., :rank, :], s[..., :rank] ** 2 / (WIDE(x.shape[-2]) - WIDE(correction))


def pca_project(x, *, rank=None):
    c, _ = centred(x)
    v = svd(c)[2][..., :rank]
    return np.stack([np.sum(c * v[..., None, :, k], axis=-1) for k in range(v.shape[-1])], axis=-1)


def unit(x):
    size = np.sqrt(np.sum(x * x, axis=-1))[..., None]
    return x / np.where(size == 0, 1, size)


def pca_whiten(x, mean, basis, var, *, eps=0.0, normalize=False):
    x = unit(x) if normalize else x
    y = np.stack(
        [np.sum((x - mean) * v, axis=-1) / np.sqrt(s + WIDE(eps)) for v, s in zip(basis, var, strict=True)], -1
    )
    return unit(y) if normalize else y


def zca_whiten(x, mean, basis, var, *, eps=0.0):
    y = np.zeros(x.shape, WIDE)
    for v, s in zip(basis, var, strict=True):
        y = y + (np.sum((x - mean) * v, axis=-1) / np.sqrt(s + WIDE(eps)))[..., None] * v
    return y
