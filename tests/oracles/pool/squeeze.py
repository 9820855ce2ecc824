"""Gates of pooled vectors in long double, one sample after the other."""

import numpy as np

from oracles import WIDE


def sigmoid(q):
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-q))


def mapped(w, z, b):
    """Return W z + b of rows z."""
    return np.stack([(row * z).sum(axis=-1) for row in w], axis=-1) + (0 if b is None else b)


def act(h, activation):
    if activation == "silu":
        return h * sigmoid(h)
    return np.where(h <= 0, WIDE(0), h)


def gate(sample, w, v, b, c, reduce="mean", activation="relu"):
    """Return the gate of each channel of (C, *sites)."""
    flat = sample.reshape(len(sample), -1)
    z = flat.max(axis=1) if reduce == "max" else flat.sum(axis=1) / WIDE(flat.shape[1])
    with np.errstate(all="ignore"):
        return sigmoid(mapped(v, act(mapped(w, z, b), activation), c))


def squeeze_excite(x, weight, gate_weight, bias=None, gate_bias=None, *, reduce="mean", activation="relu"):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for n, sample in enumerate(x):
            s = gate(sample, weight, gate_weight, bias, gate_bias, reduce, activation)
            y[n] = sample * s.reshape(-1, *(1 for _ in sample.shape[1:]))
    return y


def spatial_squeeze_excite(x, weight, bias=None):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for n, sample in enumerate(x):
            q = sum(w * channel for w, channel in zip(weight, sample, strict=True))
            y[n] = sample * sigmoid(q if bias is None else q + bias[0])
    return y


def concurrent_squeeze_excite(
    x, weight, gate_weight, site_weight, bias=None, gate_bias=None, site_bias=None, *, combine="max"
):  # fmt: skip
    a = squeeze_excite(x, weight, gate_weight, bias, gate_bias)
    b = spatial_squeeze_excite(x, site_weight, site_bias)
    if combine == "concat":
        return np.concatenate([a, b], axis=1)
    with np.errstate(all="ignore"):
        return {"max": np.maximum(a, b), "sum": a + b, "product": a * b}[combine]


def aggregation_gate(x, weight, gate_weight, bias=None, gate_bias=None):
    with np.errstate(all="ignore"):
        return sum(squeeze_excite(stream, weight, gate_weight, bias, gate_bias) for stream in x)
