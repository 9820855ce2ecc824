"""Norms that bend, in long double."""

import numpy as np

from oracles import WIDE


def variance(x, axes):
    n = WIDE(np.prod([x.shape[a] for a in axes]))
    mean = x.sum(axis=axes, keepdims=True) / n
    return ((x - mean) ** 2).sum(axis=axes, keepdims=True) / n


def along(parameter, x):
    """A parameter of axis 1 of x."""
    return parameter.reshape((1, -1) + (1,) * (x.ndim - 2))


def mean_square(x, axes):
    return (x * x).sum(axis=axes, keepdims=True) / WIDE(np.prod([x.shape[a] for a in axes]))


def evonorm(x, v=None, weight=None, bias=None, var=None, *, kind, groups=None, axis=1, eps=1e-5):
    x = np.moveaxis(x, axis, 1)
    places = tuple(range(2, x.ndim))
    slope = x if v is None else along(v, x) * x
    if kind in ("s0", "s1", "s2"):
        parts = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
        of = mean_square if kind == "s2" else variance
        std = np.sqrt(of(parts, tuple(range(2, parts.ndim))) + WIDE(eps))
        y = x / (1 + np.exp(-slope)) / np.broadcast_to(std, parts.shape).reshape(x.shape)
    else:
        batch = variance(x, (0, *places)) if var is None else along(var, x)
        std, rms = (np.sqrt(of(x, places) + WIDE(eps)) for of in (variance, mean_square))
        right = slope + std if kind == "b0" else (x + 1) * rms if kind == "b1" else rms - x
        y = x / np.maximum(np.sqrt(batch + WIDE(eps)), right)
    y = y if weight is None else y * along(weight, x)
    y = y if bias is None else y + along(bias, x)
    return np.moveaxis(y, 1, axis)


def dice_activation(x, alpha, mean=None, var=None, gain=None, *, axis=-1, eps=1e-8):
    x = np.moveaxis(x, axis, -1)
    if mean is None:
        others = tuple(range(x.ndim - 1))
        mean = x.sum(axis=others) / WIDE(np.prod(x.shape[:-1]))
        var = variance(x, others).reshape(-1)
    score = (x - mean) / np.sqrt(var + WIDE(eps)) * (1 if gain is None else gain)
    y = x * (1 / (1 + np.exp(-score)) + alpha / (1 + np.exp(score)))
    return np.moveaxis(y, -1, axis)
