"""A map by singular triples and a draw of some in long double, triple by triple."""

import numpy as np

from oracles import WIDE


def svd_linear(x, u, s, v, rest=None, bias=None):
    y = np.zeros((*x.shape[:-1], len(u)), WIDE)
    for i in range(len(s)):
        y = y + s[i] * np.sum(x * v[:, i], axis=-1)[..., None] * u[:, i]
    if rest is not None:
        y = y + np.stack([np.sum(x * row, axis=-1) for row in rest], axis=-1)
    return y if bias is None else y + bias


def sample_singular_directions(x, u, *, k, alpha=0.5):
    p, places = np.zeros_like(x), np.empty((*x.shape[:-1], k), int)
    for i in np.ndindex(x.shape[:-1]):
        p[i] = WIDE(alpha) / x.shape[-1] + (1 - WIDE(alpha)) * (x[i] / np.sum(x[i]))
        clocks = [-np.log(a) / b for a, b in zip(u[i], p[i], strict=True)]
        places[i] = sorted(range(len(clocks)), key=lambda j: (np.isnan(clocks[j]), clocks[j]))[:k]
    return p, places
