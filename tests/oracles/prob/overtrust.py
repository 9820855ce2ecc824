"""Attentions of tokens to earlier ones, and penalised scores, in long double, a beam at a time."""

import numpy as np

from oracles import WIDE


def over_trust_penalty(x, *, window=None, scale=50.0):
    penalty, position = np.empty(x.shape[:-3], WIDE), np.empty(x.shape[:-3], int)
    rows, tokens = x.shape[-2:]
    k = rows if window is None else window
    for b in np.ndindex(penalty.shape):
        w = x[b].max(axis=0)
        w = w / w.sum(axis=-1, keepdims=True)
        columns = np.ones(k, WIDE)
        for c in range(k):
            for i in range(c, k):
                columns[c] *= WIDE(scale) * w[rows - k + i, tokens - k + c]
        position[b] = tokens - k + int(np.argmax(columns))
        penalty[b] = columns.max()
    return penalty, position


def penalized_beam_logits(x, indices, penalty, *, alpha=1.0):
    y = np.full(x.shape, -np.inf, WIDE)
    for b in np.ndindex(x.shape[:-1]):
        z = x[b][indices[b]] - WIDE(alpha) * penalty[b]
        z = z - z.max()
        first = int(np.argmax(z))
        y[b][indices[b]] = z - np.log1p(sum(np.exp(np.delete(z, first)))) + 0 * z[first]
    return y
