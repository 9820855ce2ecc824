"""Mixtures of branches in long double."""

import math

import numpy as np

from oracles import WIDE
from oracles.pool.context import softmax
from oracles.pool.squeeze import mapped, sigmoid


def branch_pool(x, scores, *, scale=1.0):
    y = np.zeros(x.shape[1:], WIDE)
    with np.errstate(all="ignore"):
        for place in np.ndindex(scores.shape[1:]):
            shares = softmax(scores[(slice(None), *place)])
            total = sum(w * branch for w, branch in zip(shares, x[(slice(None), *place)], strict=True))
            y[place] = WIDE(scale) * total
    return y


def elu(h):
    return np.where(h <= 0, np.expm1(np.minimum(h, 0)), h)


def gated_fusion(x, other, weight, gate_weight, bias=None, gate_bias=None, *, combine="sum"):
    with np.errstate(all="ignore"):
        h = elu(mapped(weight, np.concatenate([x, other], axis=-1), bias))
        q = mapped(gate_weight, h, gate_bias)
        terms = sigmoid(q) * x, sigmoid(-q) * other
        return np.concatenate(terms, axis=-1) if combine == "concat" else terms[0] + terms[1]


def selective_kernel_fusion(
    x, other, weight, gate_weight, other_weight, bias=None, gate_bias=None, other_bias=None
):  # fmt: skip
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for n, (a, b) in enumerate(zip(x, other, strict=True)):
            flat = (a + b).reshape(len(a), -1)
            h = mapped(weight, flat.sum(axis=1) / WIDE(flat.shape[1]), bias)
            h = np.where(h <= 0, WIDE(0), h)
            more = mapped(gate_weight, h, gate_bias) - mapped(other_weight, h, other_bias)
            share, rest = (sigmoid(q).reshape(-1, *(1 for _ in a.shape[1:])) for q in (more, -more))
            y[n] = share * a + rest * b
    return y


def sampled_width_mixture(x, scores, *, widths):
    most = max(widths)
    y = np.zeros((x.shape[0], most, *x.shape[2:]), WIDE)
    for share, width in zip(softmax(scores), widths, strict=True):
        for i in range(most):
            cells = range(math.floor(i * width / most), math.ceil((i + 1) * width / most))
            y[:, i] += share * sum(x[:, c] for c in cells) / WIDE(len(cells))
    return y
