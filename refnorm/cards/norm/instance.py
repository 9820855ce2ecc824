"""How reversible instance norm is got wrong, and what released code calls it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.instance import reversible_instance_denorm, reversible_instance_norm

conventions(reversible_instance_norm, "code", "RevIN and S-D-Mamba", eps=1e-5)
conventions(reversible_instance_denorm, "paper", "the exact inverse; S-D-Mamba has no weight", eps=0.0)
conventions(reversible_instance_denorm, "code", "RevIN adds the square of its eps to the weight", eps=1e-10)


def time(x):
    return tuple(range(1, x.ndim - 1))


def affine(y, weight, bias):
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def moments(x):
    mean = np.mean(x, axis=time(x), keepdims=True)
    return mean, np.mean((x - mean) ** 2, axis=time(x), keepdims=True)


@mistake(reversible_instance_norm, "eps added to the deviation", kind="place of a parameter")
def _(x, weight=None, bias=None, /, *, eps=1e-5):
    mean, var = moments(x)
    std = np.sqrt(var) + eps
    return affine((x - mean) / std, weight, bias), mean, std


@mistake(reversible_instance_norm, "unbiased variance", kind="denominator")
def _(x, weight=None, bias=None, /, *, eps=1e-5):
    mean, var = moments(x)
    n = np.prod([x.shape[a] for a in time(x)])
    std = np.sqrt(var * n / (n - 1) + eps)
    return affine((x - mean) / std, weight, bias), mean, std


@mistake(reversible_instance_norm, "deviation given back without eps", kind="order of steps")
def _(x, weight=None, bias=None, /, *, eps=1e-5):
    mean, var = moments(x)
    return affine((x - mean) / np.sqrt(var + eps), weight, bias), mean, np.sqrt(var)


@mistake(reversible_instance_norm, "over variables, not time", kind="axis")
def _(x, weight=None, bias=None, /, *, eps=1e-5):
    mean = np.mean(x, axis=-1, keepdims=True)
    std = np.sqrt(np.mean((x - mean) ** 2, axis=-1, keepdims=True) + eps)
    y = affine((x - mean) / std, weight, bias)
    return y, *(np.resize(s, moments(x)[0].shape) for s in (mean, std))


@mistake(reversible_instance_norm, "affine before the deviation", kind="order of steps")
def _(x, weight=None, bias=None, /, *, eps=1e-5):
    mean, var = moments(x)
    std = np.sqrt(var + eps)
    return affine(x - mean, weight, bias) / std, mean, std


@honest(reversible_instance_norm, "NumPy, two passes")
def _(x, weight=None, bias=None, /, *, eps=1e-5):
    mean = np.mean(x, axis=time(x), keepdims=True)
    c = x - mean
    c = c - np.mean(c, axis=time(x), keepdims=True)
    std = np.sqrt(np.mean(c * c, axis=time(x), keepdims=True) + x.dtype.type(eps))
    return affine(c / std, weight, bias), mean, std


# ---- reversible_instance_denorm ----


@mistake(reversible_instance_denorm, "eps not added to the weight", kind="place of a parameter")
def _(x, mean, std, weight=None, bias=None, /, *, eps=0.0):
    return undone(x, weight, bias, 0.0) * std + mean


@mistake(reversible_instance_denorm, "affine part left on", kind="order of steps")
def _(x, mean, std, weight=None, bias=None, /, *, eps=0.0):
    return x * std + mean


@mistake(reversible_instance_denorm, "bias taken off after the weight", kind="order of steps")
def _(x, mean, std, weight=None, bias=None, /, *, eps=0.0):
    y = undone(x, weight, None, eps)
    return (y if bias is None else y - bias) * std + mean


@mistake(reversible_instance_denorm, "mean added before the deviation", kind="order of steps")
def _(x, mean, std, weight=None, bias=None, /, *, eps=0.0):
    return (undone(x, weight, bias, eps) + mean) * std


@mistake(reversible_instance_denorm, "eps squared", kind="parameter")
def _(x, mean, std, weight=None, bias=None, /, *, eps=0.0):
    return undone(x, weight, bias, eps * eps) * std + mean


def undone(x, weight, bias, eps):
    y = x if bias is None else x - bias
    return y if weight is None else y / (weight + x.dtype.type(eps))


@honest(reversible_instance_denorm, "NumPy")
def _(x, mean, std, weight=None, bias=None, /, *, eps=0.0):
    return undone(x, weight, bias, eps) * std + mean
