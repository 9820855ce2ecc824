"""Batch norm in long double, a channel at a time; the mean is taken twice, as its rounding is large beside x - mean."""

import numpy as np

from oracles import WIDE


def of_channels(x, axis):
    """Return (one flat array a channel, put_back of such a list)."""
    first = np.moveaxis(x, axis, 0)

    def back(channels):
        return np.moveaxis(np.stack([c.reshape(first.shape[1:]) for c in channels]), 0, axis)

    return [c.reshape(-1) for c in first], back


def mean_and_centred(c):
    m = c.sum() / WIDE(len(c))
    rest = (c - m).sum() / WIDE(len(c))
    return m, (c - m) - rest


def scaled_and_shifted(ys, weight, bias):
    ys = ys if weight is None else [y * w for y, w in zip(ys, weight, strict=True)]
    return ys if bias is None else [y + b for y, b in zip(ys, bias, strict=True)]


def batch_norm(x, mean, var, weight=None, bias=None, *, axis=1, eps=1e-5):
    channels, back = of_channels(x, axis)
    ys = [(c - m) / np.sqrt(v + WIDE(eps)) for c, m, v in zip(channels, mean, var, strict=True)]
    return back(scaled_and_shifted(ys, weight, bias))


def batch_moments(x, *, axis=1):
    channels, _ = of_channels(x, axis)
    pairs = [mean_and_centred(c) for c in channels]
    return np.array([m for m, _ in pairs]), np.array([(d * d).sum() / WIDE(len(d)) for _, d in pairs]), len(channels[0])


def batch_norm_train(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    channels, back = of_channels(x, axis)
    mean, var, _ = batch_moments(x, axis=axis)
    ys = [mean_and_centred(c)[1] / np.sqrt(v + WIDE(eps)) for c, v in zip(channels, var, strict=True)]
    return back(scaled_and_shifted(ys, weight, bias)), mean, var
