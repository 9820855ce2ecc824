"""Projected and limited gradients in long double, number by number."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def norm(x):
    return np.sqrt(np.sum(x * x))


def perp_grad(x, weight, *, rescale=False, eps=1e-30):
    y = x - np.sum(weight * x) / (np.sum(weight * weight) + WIDE(eps)) * weight
    return y * norm(x) / (norm(y) + WIDE(eps)) if rescale else y


def norm_growth_limiter(x, old=None, *, growth=1.01, eps=1e-8):
    size = norm(x)
    if old is None:
        return x.copy(), np.asarray(size)
    q = np.maximum(size / (old + WIDE(eps)), WIDE(growth)) / WIDE(growth)
    return x / q, np.asarray(size / q)


def times(a, b):
    """Return A B, entry by entry."""
    return np.array([[np.sum(row * column) for column in b.T] for row in a], WIDE).reshape(len(a), b.shape[1])


def fira_scale(x, basis, other, *, alpha=1.0, eps=1e-8):
    r = times(basis.T, x)
    y = WIDE(alpha) * times(basis, other)
    taken = times(basis, r)
    for j in range(x.shape[1]):
        s = norm(other[:, j]) / (norm(r[:, j]) + WIDE(eps))
        y[:, j] += s * (x[:, j] - WIDE(alpha) * taken[:, j])
    return y


def galore_adam_step(x, basis, mean=None, var=None, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    b1, b2 = WIDE(momentum), WIDE(beta)
    r = times(basis.T, x)
    m = (1 - b1) * r + (0 if mean is None else b1 * mean)
    v = (1 - b2) * r * r + (0 if var is None else b2 * var)
    n = m / (np.sqrt(v) + WIDE(eps))
    return WIDE(scale) * np.sqrt(1 - b2**step) / (1 - b1**step) * times(basis, n), m, v


def svd_projector(x, *, rank=None, side="auto"):
    u, _, v = svd(x)
    if side == "auto":
        side = "left" if x.shape[-2] < x.shape[-1] else "right"
    return {"left": u, "right": v}[side][..., :rank]
