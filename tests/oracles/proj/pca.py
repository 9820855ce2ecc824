"""Whitening by principal axes in long double, axis by axis."""

import numpy as np

from oracles import WIDE


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
