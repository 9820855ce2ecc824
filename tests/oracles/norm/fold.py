"""Norms folded into weights, in long double: sums and products of matrices element by element."""

import numpy as np

from oracles import WIDE


def product(a, b):
    return (a[:, :, None] * b[None, :, :]).sum(axis=1)


def fold_layer_norm(weight, gain=None, shift=None, bias=None, rotation=None, *, compressed=False):
    new = np.zeros(weight.shape[0], WIDE) if bias is None else bias
    if shift is not None:
        new = new + (weight * shift).sum(axis=1)
    w = weight if gain is None else weight * gain
    if rotation is not None:
        w = product(w, rotation)
    return (w[:, :-1] - w[:, -1:] if compressed else w), new


def recenter_output(weight, bias=None, rotation=None, *, compressed=False):
    d = weight.shape[0]
    bias = np.zeros(d, WIDE) if bias is None else bias
    mean = weight.sum(axis=0) / WIDE(d)
    w = np.where(np.isfinite(mean), weight - mean, np.nan)
    b = bias - bias.sum() / WIDE(d)
    if rotation is not None:
        w, b = product(rotation.T, w), product(rotation.T, b[:, None])[:, 0]
    return (w[:-1], b[:-1]) if compressed else (w, b)


def fold_batch_norm(weight, mean, var, bias=None, gain=None, shift=None, *, axis=0, eps=1e-5):
    scale = (1 if gain is None else gain) / np.sqrt(var + WIDE(eps))
    new = ((0 if bias is None else bias) - mean) * scale
    w = np.moveaxis(np.moveaxis(weight, axis, -1) * scale, -1, axis)
    return w, (new if shift is None else new + shift)
