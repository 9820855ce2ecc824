"""How norms of shown sites are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.masked import masked_batch_norm, scale_shift_normalize

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


# ---- outliers left out ----

conventions(scale_shift_normalize, "code", "ssi of unidepth/ops/losses/utils.py", axis=(-2, -1))


def centred_and_variance(x, sites, axis, less=0):
    n = np.maximum(sites.sum(axis=axis, keepdims=True), 1).astype(x.dtype)
    mean = np.where(sites, x, 0).sum(axis=axis, keepdims=True) / n
    c = x - mean
    c = c - np.where(sites, c, 0).sum(axis=axis, keepdims=True) / n  # two sites are one deviation from their mean
    square = np.where(sites, c * c, 0).sum(axis=axis, keepdims=True)
    return c, square / (n if not less else np.maximum(n - less, 1))


def normalized(
    x,
    other,
    mask,
    *,
    axis=-1,
    threshold=1.96,
    floor=1e-6,
    eps=1e-4,
    own=False,
    once=False,
    shown=True,
    less=0,
    outside=False,
    bound=lambda var, floor: np.sqrt(np.maximum(var, floor)),
):
    """The operator in plain NumPy, and where its options say so, a wrong twin."""
    number = x.dtype.type
    near = []
    for a in (x, other):
        c, var = centred_and_variance(a, mask, axis, less)
        near.append(np.abs(c) < number(threshold) * bound(var, number(floor)))
    both = [near[0] & near[1] & (mask if shown else True)] * 2
    left = [mask & near[0], mask & near[1]] if own else both
    ys = []
    for a, sites in zip((x, other), left, strict=True):
        c, var = centred_and_variance(a, mask if once else sites, axis, less)
        ys.append(c / (np.sqrt(var) + number(eps) if outside else np.sqrt(var + number(eps))))
    return *ys, both[0]


def wrong_pair(name, kind, **wrong):
    @mistake(scale_shift_normalize, name, kind=kind)
    def _(x, other, mask, /, **options):
        return normalized(x, other, mask, **options, **wrong)


wrong_pair("moments of all shown sites", "order of steps", once=True)
wrong_pair("every map without its own outliers alone", "region", own=True)
wrong_pair("hidden sites counted where they are near", "region", shown=False)
wrong_pair("n - 1 in place of n", "denominator", less=1)
wrong_pair("eps outside the root", "place of a parameter", outside=True)
wrong_pair("floor left out", "place of a parameter", bound=lambda var, floor: np.sqrt(var))
wrong_pair("floor of the deviation", "place of a parameter", bound=lambda var, floor: np.maximum(np.sqrt(var), floor))
wrong_pair("variances in place of deviations", "power", bound=lambda var, floor: np.maximum(var, floor))


@mistake(scale_shift_normalize, "outliers counted", kind="statistic")
def _(x, other, mask, /, *, axis=-1, threshold=1.96, floor=1e-6, eps=1e-4):
    return normalized(x, other, mask, axis=axis, threshold=np.inf, floor=1.0, eps=eps)


honest(scale_shift_normalize, "NumPy, two passes")(normalized)
