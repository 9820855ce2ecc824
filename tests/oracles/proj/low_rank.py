"""Leading singular triples in long double, by Jacobi's rotations."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def truncated_svd(x, *, rank=None):
    return tuple(part[..., :rank] for part in svd(x))


def low_rank_gradient_step(x, direction, *, step=1.0, rank=None):
    u, s, v = svd(x - WIDE(step) * direction)
    y = np.zeros(x.shape, WIDE)
    for k in range(s.shape[-1])[:rank]:
        y = y + s[..., k, None, None] * u[..., :, None, k] * v[..., None, :, k]
    return y
