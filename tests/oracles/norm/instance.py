"""Reversible instance norm in long double, a series at a time."""

import numpy as np

from oracles import WIDE


def reversible_instance_norm(x, weight=None, bias=None, *, eps=1e-5):
    samples, variables = x.shape[0], x.shape[-1]
    y = np.empty(x.shape, WIDE)
    mean, std = (np.empty((samples, *[1] * (x.ndim - 2), variables), WIDE) for _ in range(2))
    for b in range(samples):
        for v in range(variables):
            series = x[b, ..., v]
            mu = series.sum() / WIDE(series.size)
            deviation = np.sqrt(((series - mu) ** 2).sum() / WIDE(series.size) + WIDE(eps))
            mean[b, ..., v], std[b, ..., v] = mu, deviation
            unit = (series - mu) / deviation
            unit = unit if weight is None else unit * weight[v]
            y[b, ..., v] = unit if bias is None else unit + bias[v]
    return y, mean, std


def reversible_instance_denorm(x, mean, std, weight=None, bias=None, *, eps=0.0):
    y = np.empty(x.shape, WIDE)
    for b in range(x.shape[0]):
        for v in range(x.shape[-1]):
            series = x[b, ..., v] if bias is None else x[b, ..., v] - bias[v]
            series = series if weight is None else series / (weight[v] + WIDE(eps))
            y[b, ..., v] = series * std[b, ..., v] + mean[b, ..., v]
    return y
