"""A step of spectral norm in long double: algorithm 1, an element at a time."""

import numpy as np

from oracles import WIDE


def unit(x, eps):
    norm = np.sqrt((x * x).sum())
    return x / (WIDE(eps) if norm < WIDE(eps) else norm)


def spectral_norm_step(x, u, *, axis=0, eps=1e-12):
    first = np.moveaxis(x, axis, 0)
    w = first.reshape(len(first), -1)
    v = unit(np.array([(w[:, j] * u).sum() for j in range(w.shape[1])], WIDE), eps)
    image = np.array([(w[i] * v).sum() for i in range(w.shape[0])], WIDE)
    state = unit(image, eps)
    return x / (state * image).sum(), state
