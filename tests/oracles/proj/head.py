"""Heads in long double, output by output."""

import numpy as np

from oracles import WIDE


def layer(x, weight, bias):
    y = np.stack([np.sum(x * w, axis=-1) for w in weight], axis=-1)
    return y if bias is None else y + bias


def bent(z, activation):
    if activation == "relu":
        return np.where(z < 0, WIDE(0), z)
    return np.tanh(z) if activation == "tanh" else z


def projection_head(
    x, weight, bias=None, out_weight=None, out_bias=None, *, activation="relu", normalize=True, eps=1e-12
):
    z = layer(x, weight, bias)
    if out_weight is not None:
        z = layer(bent(z, activation), out_weight, out_bias)
    if not normalize:
        return z
    size = np.sqrt(np.sum(z * z, axis=-1, keepdims=True))
    return z / np.where(size < WIDE(eps), WIDE(eps), size)


def fixed_reweighting_head(x, *, base, axis=-1):
    y = np.moveaxis(x.copy(), axis, -1)
    for i in range(min(y.shape[-1], 10)):
        y[..., i] = y[..., i] / WIDE(base) ** i
    if y.shape[-1] > 10:
        y[..., 10:] = y[..., 10:] * WIDE(base) ** -np.arange(10, y.shape[-1]).astype(WIDE)
    return np.moveaxis(y, -1, axis)


def feature_weighting_profile(x, directions, *, relative=False):
    y = np.zeros((len(x), len(directions)), WIDE)
    for j, v in enumerate(directions):
        for i, weight in enumerate(x):
            v = np.array([np.sum(row * v) for row in weight])
            y[i, j] = np.sqrt(np.sum(v * v))
    return y / y[:1] if relative else y


def matryoshka_prefix_logits(x, weight, *, normalize=True, eps=1e-12):
    y, f = np.zeros((*x.shape[:-1], len(weight)), WIDE), x[..., : weight.shape[1]]
    if normalize:
        size = np.sqrt(np.sum(f * f, axis=-1, keepdims=True))
        f = f / np.where(size < WIDE(eps), WIDE(eps), size)
    for k, w in enumerate(weight):
        size = np.sqrt(np.sum(w * w))
        y[..., k] = np.sum(f * (w / size if size > 0 else w), axis=-1)
    return y
