"""What gates are made of: linear maps of rows, rectifiers, and a bottleneck of two of them."""

import math

from .logistic import sigmoids
from .products import inner

__all__ = ["ACTIVATIONS", "bottleneck", "gated", "linear", "rectified", "require_bottleneck"]


def rectified(xp, h):
    """Return max(h, 0); NaN stays NaN."""
    return xp.where(h < 0, xp.zeros_like(h), h)


ACTIVATIONS = {"relu": rectified, "silu": lambda xp, h: h * sigmoids(xp, h)[0]}


def linear(xp, x, weight, bias, *, roomy):
    """Return W x + b of rows: (..., n) and (m, n) give (..., m)."""
    y = inner(xp, x, weight, roomy=roomy)
    return y if bias is None else y + bias


def gated(xp, x, q):
    """Return x / (1 + e^-q): in two steps where the gate by itself would fall below the normal numbers."""
    deep = q < -math.log(float(xp.finfo(q.dtype).max)) / 2
    s, _ = sigmoids(xp, xp.where(deep, q / 2, q))
    return xp.where(deep, x * s * s, x * s)


def require_bottleneck(channels, weight, gate_weight, bias, gate_bias, outputs=None) -> None:
    """Refuse two linear maps, by way of fewer numbers, that do not lead from channels to channels or to outputs."""
    if weight.ndim != 2 or weight.shape[1] != channels or weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (hidden, {channels}), got {tuple(weight.shape)}")
    hidden, last = weight.shape[0], channels if outputs is None else outputs
    for name, a, shape in (
        ("gate_weight", gate_weight, (last, hidden)), ("bias", bias, (hidden,)), ("gate_bias", gate_bias, (last,)),
    ):  # fmt: skip
        if a is not None and tuple(a.shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(a.shape)}")


def bottleneck(xp, z, weight, gate_weight, bias, gate_bias, activation, *, roomy):
    """Return W2 act(W1 z + b1) + b2 of rows."""
    h = ACTIVATIONS[activation](xp, linear(xp, z, weight, bias, roomy=roomy))
    return linear(xp, h, gate_weight, gate_bias, roomy=roomy)
