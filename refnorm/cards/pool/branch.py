"""How mixtures of branches are got wrong, and what code calls them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.branch import branch_pool, gated_fusion, sampled_width_mixture, selective_kernel_fusion
from .context import plain, softmax
from .squeeze import relu, sigmoid

conventions(branch_pool, "elmo", "the scalar mix: gamma is the scale")
conventions(branch_pool, "pc-darts", "edge normalization, one call a node")
conventions(gated_fusion, "pairingnet, matching", "SelfGateV1", combine="sum")
conventions(gated_fusion, "pairingnet, searching", "SelfGateV2", combine="concat")
conventions(selective_kernel_fusion, "transkd", "SK; its batch norm goes into weight and bias")
conventions(sampled_width_mixture, "tas", "SoftSelect.py; draws are the caller's")


def branches(x, s, scale, share=softmax, axis=0):
    with np.errstate(all="ignore"):
        w = share(s, axis)
        terms = x * w.reshape(*w.shape, *(1 for _ in x.shape[w.ndim :]))
        return (x.dtype.type(scale) * terms.sum(axis=0)).astype(x.dtype)


def branch_twin(name, kind, **wrong):
    @mistake(branch_pool, name, kind=kind)
    def _(x, s, /, *, scale=1.0):
        return branches(x, s, **({"scale": scale} | wrong))


branch_twin("plain mean", "statistic", share=plain)
branch_twin("scores as weights", "denominator", share=lambda s, axis: s)
branch_twin("softmax over the last axis", "axis", axis=-1)
branch_twin("scale left out", "place of a parameter", scale=1.0)
branch_twin("sigmoid in place of softmax", "denominator", share=lambda s, axis: sigmoid(s))
branch_twin("the best branch alone", "statistic", share=lambda s, axis: (s == s.max(axis, keepdims=True)) * 1.0)


@honest(branch_pool, "NumPy")
def _(x, s, /, *, scale=1.0):
    return branches(x, s, scale)


def elu(h):
    return np.where(h > 0, h, np.expm1(np.minimum(h, 0)))


def fused(x, other, w, v, b, c, combine, act=elu, gate=sigmoid, swap=False):
    with np.errstate(all="ignore"):
        h = act(np.concatenate([other, x] if swap else [x, other], axis=-1) @ w.T + (0 if b is None else b))
        q = (h @ v.T + (0 if c is None else c)).astype(x.dtype)
        first, second = gate(q) * x, gate(-q) * other
        y = first + second if combine == "sum" else np.concatenate([first, second], axis=-1)
        return y.astype(x.dtype)


def fusion_twin(name, kind, **wrong):
    @mistake(gated_fusion, name, kind=kind)
    def _(x, other, w, v, b=None, c=None, /, *, combine="sum"):
        return fused(x, other, w, v, b, c, combine, **wrong)


fusion_twin("rectified", "statistic", act=relu)
fusion_twin("no activation", "statistic", act=lambda h: h)
fusion_twin("the two changed round in the gate", "axis", swap=True)
fusion_twin("the gate turned round", "sign", gate=lambda q: sigmoid(-q))


@mistake(gated_fusion, "biases left out", kind="place of a parameter")
def _(x, other, w, v, b=None, c=None, /, *, combine="sum"):
    return fused(x, other, w, v, None, None, combine)


@honest(gated_fusion, "NumPy")
def _(x, other, w, v, b=None, c=None, /, *, combine="sum"):
    return fused(x, other, w, v, b, c, combine)


def selected(x, other, w, v, u, b, c, d, join=np.add, act=relu, gates=None):
    with np.errstate(all="ignore"):
        z = join(x, other).mean(axis=tuple(range(2, x.ndim)))
        h = act((z @ w.T + (0 if b is None else b)).astype(x.dtype))
        p, q = (h @ m.T + (0 if more is None else more) for m, more in ((v, c), (u, d)))
        a, e = gates(p, q) if gates else (sigmoid((p - q).astype(x.dtype)), sigmoid((q - p).astype(x.dtype)))
        a, e = (part.reshape(*part.shape, *(1 for _ in x.shape[2:])) for part in (a, e))
        return (a * x + e * other).astype(x.dtype)


def kernel_twin(name, kind, **wrong):
    @mistake(selective_kernel_fusion, name, kind=kind)
    def _(x, other, w, v, u, b=None, c=None, d=None, /):
        return selected(x, other, w, v, u, b, c, d, **wrong)


kernel_twin("the mean of x alone", "statistic", join=lambda x, other: x)
kernel_twin("not rectified", "statistic", act=lambda h: h)
kernel_twin("two sigmoids", "denominator", gates=lambda p, q: (sigmoid(p), sigmoid(q)))
kernel_twin("softmax over channels", "axis", gates=lambda p, q: (softmax(p, -1), softmax(q, -1)))


@mistake(selective_kernel_fusion, "biases left out", kind="place of a parameter")
def _(x, other, w, v, u, b=None, c=None, d=None, /):
    return selected(x, other, w, v, u, None, None, None)


@honest(selective_kernel_fusion, "NumPy")
def _(x, other, w, v, u, b=None, c=None, d=None, /):
    return selected(x, other, w, v, u, b, c, d)


def binned(x, o, split=False):
    """Return the first axis after the samples brought to `o` bins."""
    n = x.shape[1]
    edges = [(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]
    if split:
        edges = [(min(i, n - 1), min(i, n - 1) + 1) for i in range(o)]
    return np.stack([x[:, a:b].mean(axis=1) for a, b in edges], axis=1)


def widened(x, s, widths, share=softmax, split=False, last=False, most=None):
    most = max(widths) if most is None else widths[most]
    with np.errstate(all="ignore"):
        p = share(s, 0)
        parts = [binned(x[:, -n:] if last else x[:, :n], most, split) for n in widths]
        return sum(w * part for w, part in zip(p, parts, strict=True)).astype(x.dtype)


def width_twin(name, kind, **wrong):
    @mistake(sampled_width_mixture, name, kind=kind)
    def _(x, s, /, *, widths):
        return widened(x, s, widths, **wrong)


width_twin("widths all alike", "statistic", share=plain)
width_twin("scores as weights", "denominator", share=lambda s, axis: s)
width_twin("the last channel repeated", "region", split=True)
width_twin("brought to the first width", "set", most=0)
width_twin("the last channels", "tail", last=True)


@honest(sampled_width_mixture, "NumPy")
def _(x, s, /, *, widths):
    return widened(x, s, widths)
