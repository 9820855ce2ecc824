"""How softmax_minus_one is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.minus_one import softmax_minus_one
from ..rows import rowwise

conventions(softmax_minus_one, "code", "LISTER: exp(x) - 1, at inference only", axis=-1)


def less_one(x):
    m = np.maximum(np.max(x, axis=-1, keepdims=True), 0)
    with np.errstate(over="ignore"):
        return np.where(x > 0, -np.expm1(-np.maximum(x, 0)) * np.exp(x - m), np.expm1(np.minimum(x, 0)) * np.exp(-m))


@mistake(softmax_minus_one, "softmax", kind="statistic")
@rowwise
def _(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@mistake(softmax_minus_one, "one taken off the numerator alone", kind="denominator")
@rowwise
def _(x):
    m = np.maximum(np.max(x, axis=-1, keepdims=True), 0)
    return less_one(x) / np.sum(np.exp(x - m), axis=-1, keepdims=True)


@mistake(softmax_minus_one, "maximum taken off, then one", kind="shift")
@rowwise
def _(x):
    y = np.expm1(x - np.max(x, axis=-1, keepdims=True))
    return y / np.sum(y, axis=-1, keepdims=True)


@mistake(softmax_minus_one, "one taken off a float32 exponential", kind="cancellation")
@rowwise
def _(x):
    with np.errstate(all="ignore"):
        y = np.exp(x.astype(np.float32)) - 1
        return y / np.sum(y, axis=-1, keepdims=True)


@mistake(softmax_minus_one, "mean in place of sum", kind="denominator")
@rowwise
def _(x):
    return less_one(x) / np.mean(less_one(x), axis=-1, keepdims=True)


@honest(softmax_minus_one, "NumPy")
@rowwise
def _(x):
    return less_one(x) / np.sum(less_one(x), axis=-1, keepdims=True)
