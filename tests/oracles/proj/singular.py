"""A map by singular triples in long double, triple by triple."""

import numpy as np

from oracles import WIDE


def svd_linear(x, u, s, v, rest=None, bias=None):
    y = np.zeros((*x.shape[:-1], len(u)), WIDE)
    for i in range(len(s)):
        y = y + s[i] * np.sum(x * v[:, i], axis=-1)[..., None] * u[:, i]
    if rest is not None:
        y = y + np.stack([np.sum(x * row, axis=-1) for row in rest], axis=-1)
    return y if bias is None else y + bias
