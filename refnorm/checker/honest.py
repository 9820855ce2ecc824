"""Implementations written apart from the formulas, in the type of their input; none of them may be failed.

`refnorm selftest` prints how near the limit each comes, so that a limit set too tight is seen, and so is one
set so wide that nothing comes near. One that says `baseline` sets what grade C allows its operator beside the
yardsticks: twice the error of honest code in the tested type.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["Honest", "baseline", "honest", "installed"]


@dataclass(frozen=True)
class Honest:
    """An implementation that is right, and where it is known to differ: a special value -> why."""

    operator: str
    name: str
    function: Callable
    needs: str = "numpy"
    differs: dict[str, str] = field(default_factory=dict)
    baseline: bool = False


HONEST: list[Honest] = []


def honest(operator: str, name: str, **more):
    """Write down an honest implementation: `needs` a library, `differs` at some special values, is a `baseline`."""

    def write(function):
        HONEST.append(Honest(operator, name, function, **more))
        return function

    return write


def installed(operator: str) -> list[Honest]:
    """Return the honest implementations of an operator that can run here."""
    return [h for h in HONEST if h.operator == operator and find_spec(h.needs)]


def baseline(operator: str) -> Callable | None:
    """Return the implementation whose error is the measure of what everyone does."""
    return next((h.function for h in HONEST if h.operator == operator and h.baseline), None)


# ---- rows ----


def along(x, parameter, axis):
    """Return a parameter with axes of length 1 where `x` has axes that are not normalized over."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    axes = [a % x.ndim for a in axes]
    return parameter.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])


@honest("rms_norm", "NumPy")
def _(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * along(x, weight, axis)


@honest("layer_norm", "NumPy, two passes")
def _(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    c = x - np.mean(x, axis=axis, keepdims=True)
    y = c / np.sqrt(np.mean(c * c, axis=axis, keepdims=True) + x.dtype.type(eps))
    y = y if weight is None else y * along(x, weight, axis)
    return y if bias is None else y + along(x, bias, axis)


@honest("softmax", "NumPy")
def _(x, /, *, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@honest("log_softmax", "NumPy", baseline=True)
def _(x, /, *, axis=-1):
    z = x - np.max(x, axis=axis, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))


@honest("softmax", "scipy.special", needs="scipy")
def _(x, /, *, axis=-1):
    from scipy.special import softmax

    return softmax(x, axis=axis)


@honest("log_softmax", "scipy.special", needs="scipy", differs={"an infinity": "-inf beside it; the reference has NaN"})
def _(x, /, *, axis=-1):
    from scipy.special import log_softmax

    return log_softmax(x, axis=axis)


# ---- windows ----


def pairs(value, count):
    """Return (before, after) for each spatial axis."""
    each = value if isinstance(value, tuple) else (value,) * count
    return [p if isinstance(p, tuple) else (p, p) for p in each]


def tuples(value, count):
    return value if isinstance(value, tuple) else (value,) * count


def outputs(size, before, after, reach, stride, ceil_mode):
    """Count the windows by walking: one more where rounding up leaves a start inside the input or left padding."""
    room = before + size + after - reach
    count = room // stride + 1
    return count + bool(ceil_mode and room % stride and count * stride < before + size)


def views(x, window, stride, padding, dilation, ceil_mode, fill):
    """Return `x` padded with `fill` as windows on new last axes, one for each spatial axis."""
    n = x.ndim - 2
    window, dilation = tuples(window, n), tuples(dilation, n)
    stride = window if stride is None else tuples(stride, n)
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    ends, counts = [], []
    for size, (before, after), r, s in zip(x.shape[2:], pairs(padding, n), reach, stride, strict=True):
        count = outputs(size, before, after, r, s, ceil_mode)
        ends.append((before, max(after, (count - 1) * s + r - before - size)))
        counts.append(count)
    padded = np.pad(x, [(0, 0), (0, 0), *ends], constant_values=fill)
    seen = sliding_window_view(padded, reach, axis=tuple(range(2, x.ndim)))
    steps = [slice(None, None, s) for s in stride] + [slice(None, None, d) for d in dilation]
    return seen[(slice(None), slice(None), *steps)][(slice(None), slice(None), *map(slice, counts))]


@honest("max_pool", "NumPy, sliding windows")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    seen = views(x, window, stride, padding, dilation, ceil_mode, -np.inf)
    return seen.max(axis=tuple(range(x.ndim, seen.ndim)))


@honest("avg_pool", "NumPy, sliding windows")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    cells = tuple(range(x.ndim, 2 * x.ndim - 2))
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:
        ones = np.pad(ones, [(0, 0), (0, 0), *pairs(padding, x.ndim - 2)], constant_values=1)
    counted = views(ones, window, stride, 0 if count_include_pad else padding, 1, ceil_mode, 0)
    total = views(x, window, stride, padding, 1, ceil_mode, 0).sum(axis=cells)
    count = counted.sum(axis=cells)
    return total / count[(slice(None), slice(None), *map(slice, total.shape[2:]))]


@honest("max_pool", "Python loops")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    n = x.ndim - 2
    window, dilation = tuples(window, n), tuples(dilation, n)
    stride = window if stride is None else tuples(stride, n)
    sides = zip(x.shape[2:], pairs(padding, n), window, dilation, stride, strict=True)
    counts = [outputs(size, b, a, d * (k - 1) + 1, s, ceil_mode) for size, (b, a), k, d, s in sides]
    y = np.full((*x.shape[:2], *counts), -np.inf, x.dtype)
    for o in itertools.product(*map(range, counts)):
        for j in itertools.product(*map(range, window)):
            at = [
                s * i - b + d * t for s, i, (b, _), d, t in zip(stride, o, pairs(padding, n), dilation, j, strict=True)
            ]
            if all(0 <= i < size for i, size in zip(at, x.shape[2:], strict=True)):
                y[(..., *o)] = np.maximum(y[(..., *o)], x[(..., *at)])
    return y


# ---- torch ----


def of_torch(function, x, *parameters, axes):
    """Call a torch function on the last axes; it knows no negative strides and no read-only memory."""
    import torch

    back = tuple(range(-len(axes), 0))
    moved = torch.from_numpy(np.moveaxis(x, axes, back).copy())
    y = function(moved, *(p if p is None else torch.from_numpy(p.copy()) for p in parameters))
    return np.moveaxis(y.numpy(), back, axes)


@honest("rms_norm", "torch", needs="torch")
def _(x, weight=None, /, *, axis=-1, eps=1e-6):
    from torch.nn.functional import rms_norm

    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t, w: rms_norm(t, t.shape[-len(axes) :], w, eps), x, weight, axes=axes)


@honest("layer_norm", "torch", needs="torch")
def _(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    from torch.nn.functional import layer_norm

    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t, w, b: layer_norm(t, t.shape[-len(axes) :], w, b, eps), x, weight, bias, axes=axes)


def flattened(function, x, axis):
    """Call a torch function of one axis on several taken as one."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t: function(t.flatten(-len(axes)), -1).reshape(t.shape), x, axes=axes)


@honest("softmax", "torch", needs="torch")
def _(x, /, *, axis=-1):
    from torch import softmax

    return flattened(softmax, x, axis)


@honest("log_softmax", "torch", needs="torch")
def _(x, /, *, axis=-1):
    from torch import log_softmax

    return flattened(log_softmax, x, axis)


def padded_first(x, padding, fill):
    """Return `x` with uneven padding put on and no padding left to do; torch's pools only know even padding."""
    each = pairs(padding, x.ndim - 2)
    if all(before == after for before, after in each):
        return x, tuple(before for before, _ in each)
    return np.pad(x, [(0, 0), (0, 0), *each], constant_values=fill), (0,) * len(each)


@honest("max_pool", "torch", needs="torch")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    import torch.nn.functional as F

    x, padding = padded_first(x, padding, -np.inf)
    pool = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}[x.ndim]
    return of_torch(lambda t: pool(t, window, stride, padding, dilation, ceil_mode), x, axes=())


@honest("avg_pool", "torch", needs="torch")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    import torch.nn.functional as F

    x, padding = padded_first(x, padding, 0.0)
    pool = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim]
    return of_torch(lambda t: pool(t, window, stride, padding, ceil_mode, count_include_pad), x, axes=())
