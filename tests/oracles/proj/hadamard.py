"""The Hadamard transform and Fastfood in long double."""

import numpy as np
from scipy.linalg import hadamard

from oracles import WIDE

LARGEST = 64  # of the matrices written out; beyond, by the definition of H_2n


def times_h(x):
    """Return H x along the last axis."""
    n = x.shape[-1]
    if n <= LARGEST:
        return x @ hadamard(n).astype(WIDE)
    a, b = times_h(x[..., : n // 2]), times_h(x[..., n // 2 :])
    return np.concatenate([a + b, a - b], axis=-1)


def walsh_hadamard_transform(x, *, axis=-1, scale=1.0):
    return WIDE(scale) * np.moveaxis(times_h(np.moveaxis(x, axis, -1)), -1, axis)


def fastfood_project(x, signs, permutation, gains, *, output_size=None):
    n = signs.shape[0]
    size = n if output_size is None else output_size
    v = np.concatenate([x, np.zeros((*x.shape[:-1], n - x.shape[-1]), WIDE)], axis=-1)
    u = times_h(gains * times_h(signs * v)[..., permutation])
    return u[..., :size] / (np.sqrt(WIDE(n) * (gains * gains).sum()) * np.sqrt(WIDE(size) / WIDE(n)))
