"""Matrices from some of their rows and columns in long double, by Jacobi's rotations."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def times(a, b):
    """Return A B, entry by entry."""
    return np.array([[np.sum(row * column) for column in b.T] for row in a], WIDE).reshape(len(a), b.shape[1])


def inverse(x, rank):
    u, s, v = svd(x)
    y = np.zeros(x.shape[::-1], WIDE)
    for k in range(len(s))[:rank]:
        if not s[k] <= max(x.shape) * np.finfo(WIDE).eps * s[0]:
            y = y + v[:, k, None] * u[:, k] / s[k]
    return y


def cur_decomposition(x, ids, other_ids, *, kind="crossing", rank=None):
    c, r = np.stack([x[:, j] for j in other_ids], axis=1), np.stack([x[i] for i in ids])
    if kind == "crossing":
        return c, inverse(np.stack([r[:, j] for j in other_ids], axis=1), rank), r
    u = times(times(inverse(c, rank), x), inverse(r, rank))
    return c, u if np.isfinite(x).all() else np.full(u.shape, np.nan, WIDE), r


def cur_scores(x, bank, ids, *, rank=None):
    latent = times(inverse(np.stack([bank[:, j] for j in ids], axis=1), rank), bank)
    y = [np.sum(x * column, axis=-1) for column in latent.T]
    return np.where(np.isfinite(x).all(axis=-1)[..., None], np.stack(y, axis=-1), WIDE("nan"))
