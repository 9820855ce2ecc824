"""Ordered ranks in long double, rank by rank."""

import numpy as np

from oracles import WIDE


def ordered_low_rank_linear(x, u, v, bias=None, *, rank=None):
    y = np.zeros((*x.shape[:-1], len(u)), WIDE)
    for r in range(u.shape[1] if rank is None else rank):
        y = y + np.sum(x * v[:, r], axis=-1)[..., None] * u[:, r]
    return y if bias is None else y + bias


def ordered_dropout_objective(x, target, u, v, weights):
    loss, rows = WIDE(0), int(np.prod(x.shape[:-1]))
    for r in range(1, u.shape[1] + 1):
        off = target - ordered_low_rank_linear(x, u, v, rank=r)
        loss = loss + weights[r - 1] * np.sum(off * off) / rows
    return np.asarray(loss)


def norm(x):
    return np.sqrt(np.sum(x * x))


def groups(factor, nested):
    ranks = factor.shape[1]
    return [norm(factor[:, b:] if nested else factor[:, b]) for b in range(ranks)]


def hierarchical_group_lasso(u, v, *, scale=1.0, nested=True):
    return np.asarray(WIDE(scale) * (sum(groups(u, nested)) + sum(groups(v, nested))))


def progressive_rank_shrink(u, v, *, threshold=1e-7, nested=True):
    u, v = u.copy(), v.copy()
    for b, (one, two) in enumerate(zip(groups(u, nested), groups(v, nested), strict=True)):
        if one * two < WIDE(threshold):
            u[:, b], v[:, b] = 0, 0
    return u, v
