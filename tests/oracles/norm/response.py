"""Local response norm in long double: a channel and a neighbour at a time."""

import numpy as np

from oracles import WIDE


def local_response_norm(x, *, window, axis=1, alpha=1e-4, beta=0.75, k=1.0, average=True, side="before"):
    first = np.moveaxis(x, axis, 0)
    y = np.empty_like(first)
    before = window // 2 if side == "before" else (window - 1) // 2
    factor = WIDE(alpha) / WIDE(window) if average else WIDE(alpha)
    for c in range(len(first)):
        energy = np.zeros(first.shape[1:], WIDE)
        for j in range(c - before, c - before + window):
            if 0 <= j < len(first):
                energy = energy + first[j] * first[j]
        y[c] = first[c] / (WIDE(k) + factor * energy) ** WIDE(beta)
    return np.moveaxis(y, 0, axis)
