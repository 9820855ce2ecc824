"""How masked_batch_norm is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.masked import masked_batch_norm

conventions(masked_batch_norm, "code", "keyu-tian/SparK pretrain/encoder.py SparseBatchNorm2d", eps=1e-5)


def written(
    x,
    mask,
    weight=None,
    bias=None,
    *,
    axis=1,
    eps=1e-5,
    fill=False,
    outside=False,
    less=0,
    everywhere=False,
    shift=False,
):
    """The operator in plain NumPy, and where its options say so, a wrong twin."""
    axes = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    shape = [-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]
    n = (np.ones_like(mask) if fill else mask).sum(axis=axes, keepdims=True).astype(x.dtype)
    n = np.maximum(n, 1)
    c = x - np.where(mask, x, 0).sum(axis=axes, keepdims=True) / n
    square = np.where(mask, c * c, 0).sum(axis=axes, keepdims=True) / np.maximum(n - less, 1)
    s = np.sqrt(square) + x.dtype.type(eps) if outside else np.sqrt(square + x.dtype.type(eps))
    w = 1 if weight is None else weight.reshape(shape)
    b = 0 if bias is None else bias.reshape(shape)
    y = np.where(mask, c / s * w + (0 if shift else b), 0)
    y = c / s * w + b if everywhere else y + (b if shift else 0)
    return y.astype(x.dtype)


def twin(name, kind, **wrong):
    @mistake(masked_batch_norm, name, kind=kind)
    def _(x, mask, weight=None, bias=None, /, **options):
        return written(x, mask, weight, bias, **options, **wrong)


twin("hidden sites counted as zeros", "denominator", fill=True)
twin("n - 1 in place of n", "denominator", less=1)
twin("eps outside the root", "place of a parameter", outside=True)
twin("hidden sites normalized too", "region", everywhere=True)
twin("bias at hidden sites", "region", shift=True)


@honest(masked_batch_norm, "NumPy, two passes")
def _(x, mask, weight=None, bias=None, /, **options):
    return written(x, mask, weight, bias, **options)
