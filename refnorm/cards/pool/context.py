"""How global contexts are got wrong, and what code calls them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.context import frame_channel_gate, global_context_block, global_context_gate
from .squeeze import sigmoid

conventions(global_context_block, "rcnet", "SpatialBranch and ScaleBranch, five levels; biases of scores do not tell")
conventions(global_context_gate, "p2at", "GCEBlock: scale, bias and batch norm go into the maps and biases")
conventions(frame_channel_gate, "paper", "frames kept or added up")


def softmax(q, axis):
    with np.errstate(all="ignore"):
        e = np.exp(q - q.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)


def plain(q, axis):
    return np.full_like(q, 1 / q.shape[axis])


def block(x, w, a, v, b, c, d, share=softmax, sites=True, levels=True, level=softmax):
    flat = x.reshape(*x.shape[:3], -1) if x.size else x.reshape(*x.shape[:3], int(np.prod(x.shape[3:])))
    with np.errstate(all="ignore"):
        u, m = flat.mean(axis=1), flat.mean(axis=3)
        s = np.einsum("nci,ni->nc", u, share(np.einsum("nci,c->ni", u, w), 1)) @ a.T + (0 if c is None else c)
        t = np.einsum("nlc,nl->nc", m, level(np.einsum("nlc,c->nl", m, v), 1)) @ b.T + (0 if d is None else d)
        y = flat + (s * sites + t * levels)[:, None, :, None]
    return y.reshape(x.shape).astype(x.dtype)


def block_twin(name, kind, **wrong):
    @mistake(global_context_block, name, kind=kind)
    def _(x, w, a, v, b, c=None, d=None, /):
        return block(x, w, a, v, b, c, d, **wrong)


block_twin("plain mean of the sites", "statistic", share=plain)
block_twin("plain mean of the levels", "statistic", level=plain)
block_twin("sites alone", "order of steps", levels=False)
block_twin("levels alone", "order of steps", sites=False)
block_twin("sigmoid in place of softmax", "denominator", share=lambda q, axis: sigmoid(q))


@mistake(global_context_block, "the two maps changed round", kind="axis")
def _(x, w, a, v, b, c=None, d=None, /):
    return block(x, w, b, v, a, c, d)


@mistake(global_context_block, "biases left out", kind="place of a parameter")
def _(x, w, a, v, b, c=None, d=None, /):
    return block(x, w, a, v, b, None, None)


@honest(global_context_block, "NumPy")
def _(x, w, a, v, b, c=None, d=None, /):
    return block(x, w, a, v, b, c, d)


def added(x, w, v, slope, b, c, between=lambda h: h, join=np.add):
    axes = tuple(range(2, x.ndim))
    with np.errstate(all="ignore"):
        h = between(x.mean(axis=axes) @ w.T + (0 if b is None else b)) @ v.T + (0 if c is None else c)
        h = np.where(h < 0, slope * h, h).astype(x.dtype)
        return join(x, h.reshape(*h.shape, *(1 for _ in axes)))


def added_twin(name, kind, **wrong):
    @mistake(global_context_gate, name, kind=kind)
    def _(x, w, v, slope, b=None, c=None, /):
        return added(x, w, v, slope, b, c, **wrong)


added_twin("rectified between", "statistic", between=lambda h: np.maximum(h, 0))
added_twin("a gate", "order of steps", join=lambda x, h: x * sigmoid(h))
added_twin("multiplied", "order of steps", join=np.multiply)


@mistake(global_context_gate, "no slope below zero", kind="place of a parameter")
def _(x, w, v, slope, b=None, c=None, /):
    return added(x, w, v, 0 * slope, b, c)


@mistake(global_context_gate, "biases left out", kind="place of a parameter")
def _(x, w, v, slope, b=None, c=None, /):
    return added(x, w, v, slope, None, None)


@honest(global_context_gate, "NumPy")
def _(x, w, v, slope, b=None, c=None, /):
    return added(x, w, v, slope, b, c)


def framed(x, w, v, reduce, share=softmax, gate=sigmoid, axis=1):
    with np.errstate(all="ignore"):
        a = share(np.einsum("ntc,c->nt", x, w), axis)
        y = x * a[..., None] * gate((x.mean(axis=1) @ v.T).astype(x.dtype))[:, None]
        return (y.sum(axis=1) if reduce == "sum" else y).astype(x.dtype)


def frame_twin(name, kind, **wrong):
    @mistake(frame_channel_gate, name, kind=kind)
    def _(x, w, v, /, *, reduce="none"):
        return framed(x, w, v, **({"reduce": reduce} | wrong))


frame_twin("frames all alike", "statistic", share=plain)
frame_twin("shares of the samples", "axis", axis=0)
frame_twin("softmax over channels", "statistic", gate=lambda q: softmax(q, -1))
frame_twin("sigmoid of the scores", "denominator", share=lambda q, axis: sigmoid(q))


@mistake(frame_channel_gate, "the map turned round", kind="axis")
def _(x, w, v, /, *, reduce="none"):
    return framed(x, w, v.T, reduce)


@mistake(frame_channel_gate, "mean in place of sum", kind="denominator")
def _(x, w, v, /, *, reduce="none"):
    y = framed(x, w, v, reduce)
    return y / x.shape[1] if reduce == "sum" else y


def long_softmax(q, axis):
    return softmax(q.astype(np.longdouble), axis)  # a share among the denormals has no digits left


@honest(frame_channel_gate, "NumPy")
def _(x, w, v, /, *, reduce="none"):
    return framed(x, w, v, reduce, share=long_softmax)
