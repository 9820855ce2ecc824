"""How gates of strips are got wrong, and what code calls them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.strip import coordinate_attention, efficient_local_attention
from .squeeze import relu, sigmoid

conventions(efficient_local_attention, "paper, T and B", "T has 32 groups, B 16; weight (C, 1, window)", groups=16)
conventions(efficient_local_attention, "timm", "EfficientLocalAttn: two convolutions; its SiLU is not here", groups=1)
conventions(coordinate_attention, "coordatt", "CoordAtt; its batch norm goes into weight and bias")


def normed(q, groups, eps, alone=False):
    each = q.reshape(len(q), q.shape[1] if alone else groups, -1) if q.size else q.reshape(0, groups, 1)
    with np.errstate(all="ignore"):
        c = each - each.mean(-1, keepdims=True)
        c = c - c.mean(-1, keepdims=True)
        top = np.maximum(np.abs(c).max(-1, keepdims=True), 1e-30).astype(q.dtype)
        top = np.where(np.isfinite(top) & (top > 1), top, 1).astype(q.dtype)
        unit = c / top
        return (unit / np.sqrt((unit * unit).mean(-1, keepdims=True) + q.dtype.type(eps) / top / top)).reshape(q.shape)


def convolved(z, k, wrap=False, turn=False):
    n, c, size = z.shape
    each, window = k.shape[1:]
    around = np.pad(z, [(0, 0), (0, 0), (window // 2, window // 2)], mode="wrap" if wrap else "constant")
    y, many = np.zeros((n, len(k), size), z.dtype), len(k) // (c // each)
    k = k[..., ::-1] if turn else k
    for d in range(len(k)):
        first = d // many * each
        for i in range(each):
            for j in range(window):
                y[:, d] += k[d, i, j] * around[:, first + i, j : j + size]
    return y


def local(x, k, gain, shift, groups, eps, how=np.mean, swapped=False, gate=sigmoid, **wrong):
    with np.errstate(all="ignore"):
        strips = how(x, axis=3), how(x, axis=2)
        sides = [(k[j], gain[j], shift[j]) if k.ndim == 4 else (k, gain, shift) for j in (0, 1)]
        gates = []
        for z, (w, a, b) in zip(strips, sides[::-1] if swapped else sides, strict=True):
            q = convolved(z, w, wrong.get("wrap"), wrong.get("turn"))
            q = q if wrong.get("plain") else normed(q, groups, eps, wrong.get("alone"))
            gates.append(gate((q * a[:, None] + b[:, None]).astype(x.dtype)))
        return (x * gates[0][..., None] * gates[1][:, :, None]).astype(x.dtype)


def local_twin(name, kind, **wrong):
    @mistake(efficient_local_attention, name, kind=kind)
    def _(x, k, gain, shift, /, *, groups=16, eps=1e-5):
        return local(x, k, gain, shift, **({"groups": groups, "eps": eps} | wrong))


local_twin("strips go round", "tail", wrap=True)
local_twin("the convolution turned round", "sign", turn=True)
local_twin("not normalized", "order of steps", plain=True)
local_twin("each channel normalized by itself", "region", alone=True)
local_twin("eps left out", "place of a parameter", eps=1e-30)
local_twin("maximum in place of mean", "statistic", how=np.max)
local_twin("the two convolutions changed round", "axis", swapped=True)
local_twin("no sigmoid", "statistic", gate=lambda q: q)


@honest(efficient_local_attention, "NumPy")
def _(x, k, gain, shift, /, *, groups=16, eps=1e-5):
    return local(x, k, gain, shift, groups, eps)


def swish(h):
    return h * np.clip(h + 3, 0, 6) / 6


def coordinated(x, w, wr, wc, b, br, bc, act=swish, how=np.mean):
    gates = []
    with np.errstate(all="ignore"):
        for axis, side, more in ((3, wr, br), (2, wc, bc)):
            z = how(x, axis=axis).swapaxes(1, 2)
            f = act((z @ w.T + (0 if b is None else b)).astype(x.dtype)).astype(x.dtype)
            gates.append(sigmoid((f @ side.T + (0 if more is None else more)).astype(x.dtype)).swapaxes(1, 2))
        return (x * gates[0][..., None] * gates[1][:, :, None]).astype(x.dtype)


def coordinate_twin(name, kind, **wrong):
    @mistake(coordinate_attention, name, kind=kind)
    def _(x, w, wr, wc, b=None, br=None, bc=None, /):
        return coordinated(x, w, wr, wc, b, br, bc, **wrong)


coordinate_twin("rectified", "statistic", act=relu)
coordinate_twin("a smooth swish", "statistic", act=lambda h: h * sigmoid(h))
coordinate_twin("maximum in place of mean", "statistic", how=np.max)


@mistake(coordinate_attention, "rows and columns changed round", kind="axis")
def _(x, w, wr, wc, b=None, br=None, bc=None, /):
    return coordinated(x, w, wc, wr, b, bc, br)


@mistake(coordinate_attention, "biases left out", kind="place of a parameter")
def _(x, w, wr, wc, b=None, br=None, bc=None, /):
    return coordinated(x, w, wr, wc, None, None, None)


@honest(coordinate_attention, "NumPy")
def _(x, w, wr, wc, b=None, br=None, bc=None, /):
    return coordinated(x, w, wr, wc, b, br, bc)
