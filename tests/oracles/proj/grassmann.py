"""Classes as subspaces in long double, class by class."""

import numpy as np

from oracles import WIDE


def grassmann_logits(x, basis, bias=None, *, scale=25.0, normalize=True, eps=1e-12):
    size = np.sqrt(np.sum(x * x, axis=-1))
    size = np.where(size < WIDE(eps), WIDE(eps), size) if normalize else np.ones_like(size)
    y = np.zeros((*x.shape[:-1], len(basis)), WIDE)
    for k, rows in enumerate(basis):
        square = np.zeros(x.shape[:-1], WIDE)
        for row in rows:
            square = square + np.sum(x * row, axis=-1) ** 2
        y[..., k] = WIDE(scale) * np.sqrt(square) / size
    return y if bias is None else y + bias
