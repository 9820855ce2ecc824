"""How region_norm is got wrong, and where paper and code part."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.region import region_norm

conventions(region_norm, "paper", "as remembered: the text was not read again", per_sample=True)
conventions(
    region_norm, "code", "geekyutao/RN rn.py RN_binarylabel, RN_B; stores weight - 1", eps_mode="plane", leak_bias=True
)


def sums(a, n, region, axes):
    return np.sum(np.where(region, a, 0), axis=axes, keepdims=True) / n


def written(
    x, mask, weight=None, bias=None, *, axis=1, per_sample=False, eps=1e-5, eps_mode="region", leak_bias=False,
    outside=0.0, less=0, whole=False, one_pass=False, about=None, only=(0, 1), blind=False, first=False, swapped=False,
    plus_one=False, leaves=False,
):  # fmt: skip
    """The operator in plain NumPy, and where its options say so, a wrong twin."""
    channel = axis % x.ndim
    axes = tuple(a for a in range(x.ndim) if a != channel and not (per_sample and a == 0))
    y = np.zeros_like(x)
    shape = [-1 if a == channel else 1 for a in range(x.ndim)]
    for r in (0, 1):
        region = mask == bool(r)
        n = np.maximum(np.sum(region, axis=axes, keepdims=True), 1).astype(x.dtype)
        total = np.sum(np.ones_like(region), axis=axes, keepdims=True).astype(x.dtype)
        place = np.ones_like(region) if whole else region
        count = total if whole else n
        seen = np.where(np.isnan(x), 0, x) if blind else x
        mean = sums(seen, count, place, axes)
        c = seen - mean
        c = c - sums(c, count, place, axes)
        var = sums(c * c, np.maximum(count - less, 1), place, axes)
        if one_pass:
            narrow = x.astype(np.float32)
            low = sums(narrow, count.astype(np.float32), place, axes)
            var = (sums(narrow * narrow, count.astype(np.float32), place, axes) - low * low).astype(x.dtype)
        if about == "zero":
            var = sums(x * x, count, place, axes)
        if about == "plane":
            var = var * n / total
        own = eps * (total / n if eps_mode == "plane" else 1) if outside == 0 else 0 * n
        s = np.sqrt(var + own) + x.dtype.type(eps) * x.dtype.type(outside == 1)
        z = c / s if r in only else x
        row = 1 - r if swapped else r
        w = 1 if weight is None else (weight[row].reshape(shape) + plus_one)
        b = 0 if bias is None else (bias[0] + bias[1] if leak_bias != leaves else bias[row]).reshape(shape)
        y = np.where(region, (z + b) * w if first else z * w + b, y)
    return y.astype(x.dtype)


def twin(name, kind, **wrong):
    @mistake(region_norm, name, kind=kind)
    def _(x, mask, weight=None, bias=None, /, **options):
        return written(x, mask, weight, bias, **options, **wrong)


twin("eps outside the root", "place of a parameter", outside=1)
twin("eps left out", "place of a parameter", outside=2)
twin("n - 1 in place of n", "denominator", less=1)
twin("sum of squares over the plane's size", "denominator", about="plane")
twin("one mean and variance for both regions", "statistic", whole=True)
twin("variance about zero", "statistic", about="zero")
twin("one-pass variance", "cancellation", one_pass=True)
twin("the masked region left as it is", "region", only=(0,))
twin("rows of the parameters the wrong way round", "region", swapped=True)
twin("weight taken for an offset from one", "order of the affine part", plus_one=True)
twin("bias before the weight", "order of the affine part", first=True)
twin("bias leaks where it should not, and not where it should", "order of the affine part", leaves=True)
twin("NaN taken for zero", "NaN", blind=True)


@mistake(region_norm, "samples alone in place of pooled, and the other way round", kind="axis")
def _(x, mask, weight=None, bias=None, /, *, per_sample=False, **options):
    return written(x, mask, weight, bias, per_sample=not per_sample, **options)


@mistake(region_norm, "eps of the plane in place of the region, and the other way round", kind="place of a parameter")
def _(x, mask, weight=None, bias=None, /, *, eps_mode="region", **options):
    return written(x, mask, weight, bias, eps_mode="plane" if eps_mode == "region" else "region", **options)


# ---- other people's right ones ----


@honest(region_norm, "NumPy, two passes")
def _(x, mask, weight=None, bias=None, /, **options):
    return written(x, mask, weight, bias, **options)
