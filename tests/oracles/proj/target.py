"""Local targets in long double, class by class and row by row."""

import numpy as np

from oracles import WIDE


def random_target_projection(x, weight, *, scale=1.0):
    y = np.zeros((*x.shape[:-1], weight.shape[1]), WIDE)
    for j in range(weight.shape[1]):
        y[..., j] = WIDE(scale) * np.sum(x * weight[:, j], axis=-1)
    return y


def slope(z, activation):
    if activation == "tanh":
        e = np.exp(-2 * np.abs(z))
        return 4 * e / ((1 + e) * (1 + e))
    return np.where(np.isnan(z), z, np.where(z > 0, WIDE(1), WIDE(0))) if activation == "relu" else np.ones_like(z)


def direct_random_target_delta(x, labels, weight, *, activation="tanh", scale=1.0):
    return random_target_projection(labels, weight, scale=scale) * slope(x, activation)


def local_target_update(x, weight, bias=None, target=None, *, activation="tanh", squared=True, average=False):
    z = random_target_projection(x, weight.T) + (WIDE(0) if bias is None else bias)
    h = {"tanh": np.tanh, "relu": lambda v: np.where(v < 0, WIDE(0), v), "none": lambda v: v}[activation](z)
    r = h - target
    delta = ((r if squared else np.sign(r)) * slope(z, activation)).reshape(-1, len(weight))
    rows = x.reshape(-1, x.shape[-1])
    dw, db = np.zeros(weight.shape, WIDE), np.zeros(len(weight), WIDE)
    for row, d in zip(rows, delta, strict=True):
        dw += d[:, None] * row
        db += d
    return (dw / len(rows), db / len(rows)) if average else (dw, db)
