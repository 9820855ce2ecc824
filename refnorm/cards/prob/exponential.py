"""How softmax, log_softmax and their relatives are got wrong, and what frameworks call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.exponential import log_softmax, log_sum_exp, softmax
from ..rows import of_torch, rowwise

for _operator in (softmax, log_softmax):
    conventions(_operator, "torch", "the axis is always said; a row of -inf is NaN, in its attention 0", axis=-1)
    conventions(_operator, "onnx", "opset 13 and later; before: axis=tuple(range(1, x.ndim)) (onnx#2289)", axis=-1)
    conventions(_operator, "jax", axis=-1)
    conventions(_operator, "scipy", "axis=None: all axes together; say axis=-1 for rows", axis=-1)


def shifted(x):
    return x - np.max(x, axis=-1, keepdims=True)


@mistake(softmax, "maximum not taken off", kind="overflow")
@rowwise
def _(x):
    e = np.exp(x.astype(np.float32))
    return e / np.sum(e, axis=-1, keepdims=True)


@mistake(softmax, "one sum for the whole array", kind="axis")
@rowwise
def _(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


@mistake(softmax, "along the first axis", kind="axis")
def _(x, /, *, axis=-1):
    e = np.exp(x - np.max(x, axis=0, keepdims=True))
    return e / np.sum(e, axis=0, keepdims=True)


@mistake(softmax, "flattened from the axis on", kind="axis")
def _(x, /, *, axis=-1):
    first = axis[0] if isinstance(axis, tuple) else axis
    axes = tuple(range(first % x.ndim, x.ndim))
    e = np.exp(x - np.max(x, axis=axes, keepdims=True))
    return e / np.sum(e, axis=axes, keepdims=True)


@mistake(softmax, "1 + sum in the denominator", kind="denominator")
@rowwise
def _(x):
    e = np.exp(shifted(x))
    return e / (1 + np.sum(e, axis=-1, keepdims=True))


@mistake(softmax, "mean in place of sum", kind="denominator")
@rowwise
def _(x):
    e = np.exp(shifted(x))
    return e / np.mean(e, axis=-1, keepdims=True)


@mistake(softmax, "powers of two", kind="statistic")
@rowwise
def _(x):
    e = np.exp2(shifted(x))
    return e / np.sum(e, axis=-1, keepdims=True)


@mistake(softmax, "exponentials rounded to half", kind="cast order")
@rowwise
def _(x):
    e = np.exp(shifted(x)).astype(np.float16).astype(x.dtype)
    return e / np.sum(e, axis=-1, keepdims=True)


@mistake(softmax, "sum taken in half", kind="narrow accumulator")
@rowwise
def _(x):
    e = np.exp(shifted(x))
    return e / np.cumsum(e.astype(np.float16), axis=-1, dtype=np.float16)[..., -1:].astype(x.dtype)


@mistake(softmax, "tail of the row left out of the sum", kind="tail")
@rowwise
def _(x):
    n = x.shape[-1]
    e = np.exp(shifted(x))
    return e / np.sum(e[..., : n - n % 4 or n], axis=-1, keepdims=True)


@mistake(softmax, "NaN taken for -inf", kind="NaN")
@rowwise
def _(x):
    e = np.exp(shifted(np.where(np.isnan(x), -np.inf, x)))
    return e / np.sum(e, axis=-1, keepdims=True)


@mistake(softmax, "zeros for a row of -inf", kind="NaN")
@rowwise
def _(x):
    e = np.exp(shifted(x))
    y = e / np.sum(e, axis=-1, keepdims=True)
    return np.where(np.all(x == -np.inf, axis=-1, keepdims=True), 0.0, y)


@mistake(softmax, "equal shares for a row of -inf", kind="NaN")
@rowwise
def _(x):
    e = np.exp(shifted(x))
    y = e / np.sum(e, axis=-1, keepdims=True)
    return np.where(np.all(x == -np.inf, axis=-1, keepdims=True), 1 / x.shape[-1], y)


@mistake(log_softmax, "logarithm of the softmax", kind="cancellation")
@rowwise
def _(x):
    e = np.exp(shifted(x).astype(np.float32))
    return np.log(e / np.sum(e, axis=-1, keepdims=True))


@mistake(log_softmax, "maximum not taken off", kind="overflow")
@rowwise
def _(x):
    return x - np.log(np.sum(np.exp(x.astype(np.float32)), axis=-1, keepdims=True))


@mistake(log_softmax, "one sum for the whole array", kind="axis")
@rowwise
def _(x):
    z = x - np.max(x)
    return z - np.log(np.sum(np.exp(z)))


@mistake(log_softmax, "mean in place of sum", kind="denominator")
@rowwise
def _(x):
    z = shifted(x)
    return z - np.log(np.mean(np.exp(z), axis=-1, keepdims=True))


@mistake(log_softmax, "logarithm to base two", kind="statistic")
@rowwise
def _(x):
    z = shifted(x)
    return z - np.log2(np.sum(np.exp(z), axis=-1, keepdims=True))


@mistake(log_softmax, "maximum not put back", kind="statistic")
@rowwise
def _(x):
    return x - np.log(np.sum(np.exp(shifted(x)), axis=-1, keepdims=True))


@mistake(log_softmax, "rounded to half before the difference", kind="cast order")
@rowwise
def _(x):
    z = shifted(x)
    total = np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    return z - total.astype(np.float16).astype(x.dtype)


@mistake(log_softmax, "sum taken in half", kind="narrow accumulator")
@rowwise
def _(x):
    z = shifted(x)
    total = np.cumsum(np.exp(z).astype(np.float16), axis=-1, dtype=np.float16)[..., -1:].astype(x.dtype)
    return z - np.log(total)


@mistake(log_softmax, "tail of the row left out of the sum", kind="tail")
@rowwise
def _(x):
    n = x.shape[-1]
    z = shifted(x)
    return z - np.log(np.sum(np.exp(z[..., : n - n % 4 or n]), axis=-1, keepdims=True))


@mistake(log_softmax, "NaN taken for -inf", kind="NaN")
@rowwise
def _(x):
    z = shifted(np.where(np.isnan(x), -np.inf, x))
    return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))


# ---- log_sum_exp ----

conventions(log_sum_exp, "torch", "logsumexp: its axis is always said", axis=-1)
conventions(log_sum_exp, "jax", "jax.nn.logsumexp: axis=None, all axes together; say axis=-1 for rows", axis=-1)
conventions(log_sum_exp, "scipy", "axis=None: all axes together; say axis=-1 for rows", axis=-1)


def log_of_sum(x, axis, reduce=np.sum):
    m = np.max(x, axis=axis, keepdims=True)
    m = np.where(np.isfinite(m), m, x.dtype.type(0))
    with np.errstate(divide="ignore"):
        return np.log(reduce(np.exp(x - m), axis=axis)) + np.squeeze(m, axis=axis)


@mistake(log_sum_exp, "maximum not taken off", kind="overflow")
def _(x, /, *, axis=-1):
    with np.errstate(all="ignore"):
        return np.log(np.sum(np.exp(x.astype(np.float32)), axis=axis))


@mistake(log_sum_exp, "maximum not put back", kind="statistic")
def _(x, /, *, axis=-1):
    return log_of_sum(x, axis) - np.max(x, axis=axis)


@mistake(log_sum_exp, "mean in place of sum", kind="denominator")
def _(x, /, *, axis=-1):
    return log_of_sum(x, axis, np.mean)


@mistake(log_sum_exp, "logarithm left out", kind="statistic")
def _(x, /, *, axis=-1):
    with np.errstate(all="ignore"):
        return np.exp(log_of_sum(x, axis))


@mistake(log_sum_exp, "NaN for a row of -inf", kind="NaN")
def _(x, /, *, axis=-1):
    y = log_of_sum(x, axis)
    return np.where(y == -np.inf, np.nan, y)


@mistake(log_sum_exp, "one sum for the whole array", kind="axis")
def _(x, /, *, axis=-1):
    whole = log_of_sum(x, None) if x.size else 0
    return np.full_like(log_of_sum(x, axis), whole)


# ---- other people's right ones ----


@honest(softmax, "NumPy")
def _(x, /, *, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@honest(log_softmax, "NumPy", baseline=True)
def _(x, /, *, axis=-1):
    z = x - np.max(x, axis=axis, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))


@honest(softmax, "scipy.special", needs="scipy")
def _(x, /, *, axis=-1):
    from scipy.special import softmax

    return softmax(x, axis=axis)


@honest(log_softmax, "scipy.special", needs="scipy", differs={"an infinity": "-inf beside it; the reference has NaN"})
def _(x, /, *, axis=-1):
    from scipy.special import log_softmax

    return log_softmax(x, axis=axis)


def flattened(function, x, axis):
    """Call a torch function of one axis on several taken as one."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t: function(t.flatten(-len(axes)), -1).reshape(t.shape), x, axes=axes)


@honest(softmax, "torch", needs="torch")
def _(x, /, *, axis=-1):
    from torch import softmax

    return flattened(softmax, x, axis)


@honest(log_softmax, "torch", needs="torch")
def _(x, /, *, axis=-1):
    from torch import log_softmax

    return flattened(log_softmax, x, axis)


@honest(log_sum_exp, "NumPy", baseline=True)
def _(x, /, *, axis=-1):
    return log_of_sum(x, axis)


@honest(log_sum_exp, "scipy.special", needs="scipy")
def _(x, /, *, axis=-1):
    from scipy.special import logsumexp

    return logsumexp(x, axis=axis)
