"""The Hadamard transform and Fastfood in long double."""

import numpy as np
from scipy.linalg import hadamard

from oracles import WIDE

H = hadamard(8).astype(WIDE)  # the leading n x n block is H_n; larger ones by the definition of H_2n


def times_h(x):
    """Return H x along the last axis."""
    n = x.shape[-1]
    if n <= len(H):
        return x @ H[:n, :n]
    halves = times_h(x.reshape(*x.shape[:-1], 2, n // 2))
    a, b = halves[..., 0, :], halves[..., 1, :]
    return np.concatenate([a + b, a - b], axis=-1)


def walsh_hadamard_transform(x, *, axis=-1, scale=1.0):
    return WIDE(scale) * np.moveaxis(times_h(np.moveaxis(x, axis, -1)), -1, axis)


def fastfood_project(x, signs, permutation, gains, *, output_size=None):
    n = signs.shape[0]
    size = n if output_size is None else output_size
    v = np.concatenate([x, np.zeros((*x.shape[:-1], n - x.shape[-1]), WIDE)], axis=-1)
    u = times_h(gains * times_h(signs * v)[..., permutation])
    return u[..., :size] / (np.sqrt(WIDE(n) * (gains * gains).sum()) * np.sqrt(WIDE(size) / WIDE(n)))
