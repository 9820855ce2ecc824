"""Scores of the next token in long double, a row at a time."""

import numpy as np

from oracles import WIDE


def filtered(row, k, p):
    """Return a row of x / tau with all but the likeliest at -inf."""
    nan = np.full(row.shape, np.nan, WIDE)
    if np.isnan(row).any():
        return nan
    if k is not None and k < len(row):
        least = sorted(row)[-k]
        row = np.array([v if v >= least else -np.inf for v in row], WIDE)
    if p is None or p >= 1:
        return row
    if not np.isfinite(row.max()):
        return nan
    shares = np.exp(row - row.max())
    shares = shares / shares.sum()
    kept, reached = np.full(row.shape, -np.inf, WIDE), WIDE(0)
    for i in sorted(range(len(row)), key=lambda i: -row[i]):
        if reached >= p:
            break
        kept[i], reached = row[i], reached + shares[i]
    return kept


def top_k_top_p_filter(x, *, tau=1.0, k=None, p=None):
    y = np.empty(x.shape, WIDE)
    for i in np.ndindex(x.shape[:-1]):
        y[i] = filtered(x[i] / WIDE(tau), k, p)
    return y


def contrastive_decoding_logits(x, other, *, alpha=1.0, beta=0.1, kind="against"):
    y = x + WIDE(alpha) * (x - other) if kind == "against" else x + WIDE(alpha) * other
    least = x.max(axis=-1, keepdims=True) + (np.log(WIDE(beta)) if beta else -WIDE(np.inf))
    return np.where(x < least, -np.inf, y)


def logit_arithmetic(x, new, old, alpha):
    y = x
    for a, n in zip(alpha, new, strict=True):
        y = y + a * (n - old)
    return y


def shares(row):
    """Return a softmax and its logarithm."""
    z = row - row.max()
    z = z - np.log(np.exp(z).sum())
    return np.exp(z), z


def divergence(a, b):
    """KL(a || b) of scores, in a form of which no term is negative."""
    (p, x), (q, y) = shares(a), shares(b)
    d = x - y
    return np.where(p == 0, q, p * (d + np.expm1(-d))).sum()


def dynamic_fusion_weights(x, new, old, *, high=2.0, count=21):
    experts = len(new)
    alpha = np.full((*x.shape[:-1], experts), np.nan, WIDE)
    tried = np.stack(np.meshgrid(*[np.arange(count) * WIDE(high) / (count - 1)] * experts, indexing="ij"), axis=-1)
    for i in np.ndindex(x.shape[:-1]):
        large, small = x[i], old[i]
        wanted = [(divergence(new[t][i], small), divergence(small, new[t][i])) for t in range(experts)]
        best = np.inf
        for a in tried.reshape(-1, experts):
            moved = large + sum(a[t] * (new[t][i] - small) for t in range(experts))
            there, back = divergence(moved, large), divergence(large, moved)
            off = sum((there - f) ** 2 + (back - b) ** 2 for f, b in wanted)
            if off < best:
                best, alpha[i] = off, a
    return alpha
