"""Global contexts in long double, one sample after the other."""

import numpy as np

from oracles import WIDE
from oracles.pool.squeeze import mapped, sigmoid


def softmax(q):
    e = np.exp(q - q.max())
    return e / e.sum()


def attended(sites, w):
    """Return the sum of vectors (n, C) by the softmax of their scores."""
    shares = softmax((w * sites).sum(axis=1))
    return (shares[:, None] * sites).sum(axis=0)


def global_context_block(x, weight, site_weight, gate, level_weight, site_bias=None, level_bias=None):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for n, sample in enumerate(x):
            levels = sample.reshape(*sample.shape[:2], -1)  # (L, C, sites)
            u = levels.sum(axis=0) / WIDE(levels.shape[0])
            v = levels.sum(axis=2) / WIDE(levels.shape[2])
            s = mapped(site_weight, attended(u.T, weight), site_bias)
            t = mapped(level_weight, attended(v, gate), level_bias)
            y[n] = (levels + (s + t)[None, :, None]).reshape(sample.shape)
    return y


def global_context_gate(x, weight, gate_weight, alpha, bias=None, gate_bias=None):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for n, sample in enumerate(x):
            flat = sample.reshape(len(sample), -1)
            h = mapped(gate_weight, mapped(weight, flat.sum(axis=1) / WIDE(flat.shape[1]), bias), gate_bias)
            h = np.where(h < 0, alpha * h, h)
            y[n] = (flat + h[:, None]).reshape(sample.shape)
    return y


def frame_channel_gate(x, weight, gate_weight, *, reduce="none"):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for n, frames in enumerate(x):
            shares = softmax((weight * frames).sum(axis=1))
            gate = sigmoid(mapped(gate_weight, frames.sum(axis=0) / WIDE(len(frames)), None))
            y[n] = frames * shares[:, None] * gate
    return y.sum(axis=1) if reduce == "sum" else y
