"""How stablemax, its logarithm and its loss are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.stable import log_stablemax, softmax_collapse_mask, stablemax, stablemax_cross_entropy
from ..rows import rowwise

for _operator in (stablemax, log_stablemax):
    conventions(_operator, "code", "1e-30 beside 1 - x, which changes nothing", axis=-1)
conventions(stablemax_cross_entropy, "code", "in float64; anything but mean is unreduced", reduce="mean")
conventions(softmax_collapse_mask, "code", "the label is not looked at; the sum in its own order", dtype="float32")


def grown(x):
    with np.errstate(divide="ignore"):
        return np.where(x >= 0, x + 1, 1 / (1 - np.where(x >= 0, x.dtype.type(0), x)))


def wrong_stablemax(name, kind, s, reduce=np.sum):
    @mistake(stablemax, name, kind=kind)
    @rowwise
    def _(x):
        y = s(x)
        return y / reduce(y, axis=-1, keepdims=True)


wrong_stablemax("softmax", "statistic", lambda x: np.exp(x - x.max(axis=-1, keepdims=True)))
wrong_stablemax("1 - x below zero", "statistic", lambda x: np.where(x >= 0, x + 1, 1 - x))
wrong_stablemax("1 / x below minus one", "statistic", lambda x: np.where(x >= 0, x + 1, 1 / np.maximum(1, -x)))
wrong_stablemax("exponential below zero", "statistic", lambda x: np.where(x >= 0, x + 1, np.exp(np.minimum(x, 0))))
wrong_stablemax("maximum taken off first", "shift", lambda x: grown(x - x.max(axis=-1, keepdims=True)))
wrong_stablemax("mean in place of sum", "denominator", grown, np.mean)


@mistake(stablemax, "along the first axis", kind="axis")
def _(x, /, *, axis=-1):
    return grown(x) / np.sum(grown(x), axis=0, keepdims=True)


@honest(stablemax, "NumPy")
@rowwise
def _(x):
    return grown(x) / np.sum(grown(x), axis=-1, keepdims=True)


def logarithm(x):
    s, t = grown(x), np.sign(x) * np.log1p(np.abs(x))
    top = np.arange(x.shape[-1]) == np.argmax(x, axis=-1)[..., None]
    with np.errstate(all="ignore"):
        ratio = s / np.max(s, axis=-1, keepdims=True)
        usual = ratio > np.finfo(x.dtype).tiny
        log = np.where(usual, np.log(np.where(usual, ratio, 1)), t - np.max(t, axis=-1, keepdims=True))
    rest = np.sum(np.where(top, x.dtype.type(0), ratio), axis=-1, keepdims=True)
    return log - np.log1p(rest)


@mistake(log_stablemax, "logarithm of the float32 quotient", kind="cancellation")
@rowwise
def _(x):
    s = grown(x.astype(np.float32))
    return np.log(s / np.sum(s, axis=-1, keepdims=True))


@mistake(log_stablemax, "log_softmax", kind="statistic")
@rowwise
def _(x):
    z = x - x.max(axis=-1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))


@mistake(log_stablemax, "sign lost", kind="sign")
@rowwise
def _(x):
    t = np.log1p(np.abs(x))
    return t - np.log(np.sum(np.exp(t), axis=-1, keepdims=True))


@mistake(log_stablemax, "mean in place of sum", kind="denominator")
@rowwise
def _(x):
    return logarithm(x) + np.log(x.shape[-1])


@mistake(log_stablemax, "to base two", kind="unit")
@rowwise
def _(x):
    return logarithm(x) / np.log(2)


honest(log_stablemax, "NumPy")(rowwise(logarithm))


# ---- the loss ----


def loss(x, labels, reduce, log=logarithm):
    y = -np.take_along_axis(log(x), labels[..., None], axis=-1)[..., 0]
    return y if reduce == "none" else np.asarray(y.mean() if reduce == "mean" else y.sum(), x.dtype)


@mistake(stablemax_cross_entropy, "sign lost", kind="sign")
def _(x, labels, /, *, reduce="mean"):
    return -loss(x, labels, reduce)


@mistake(stablemax_cross_entropy, "sum for the mean", kind="denominator")
def _(x, labels, /, *, reduce="mean"):
    return loss(x, labels, "none" if reduce == "none" else "sum")


@mistake(stablemax_cross_entropy, "mean for the sum", kind="option not read")
def _(x, labels, /, *, reduce="mean"):
    return loss(x, labels, "none" if reduce == "none" or not labels.size else "mean")


@mistake(stablemax_cross_entropy, "softmax", kind="statistic")
def _(x, labels, /, *, reduce="mean"):
    return loss(x, labels, reduce, lambda x: x - np.logaddexp.reduce(x, axis=-1)[..., None])


@mistake(stablemax_cross_entropy, "labels counted from one", kind="index")
def _(x, labels, /, *, reduce="mean"):
    return loss(x, labels - 1, reduce)


@honest(stablemax_cross_entropy, "NumPy")
def _(x, labels, /, *, reduce="mean"):
    return loss(x, labels, reduce)


# ---- collapse ----


def collapsed(x, labels, dtype, looks=True, over=False):
    eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}[dtype]
    with np.errstate(invalid="ignore"):
        z = x - x.max(axis=-1, keepdims=True)
    top = np.arange(x.shape[-1]) == np.argmax(x, axis=-1)[..., None]
    e = np.exp(z)
    rest = np.sum(np.where(top & ~over, e * 0, e), axis=-1)
    at = np.argmax(x, axis=-1) == labels
    return (rest - over <= eps / 2) & (at if looks else True), rest


@mistake(softmax_collapse_mask, "the label not looked at", kind="option not read")
def _(x, labels, /, *, dtype):
    return collapsed(x, labels, dtype, looks=False)


@mistake(softmax_collapse_mask, "always in float32", kind="option not read")
def _(x, labels, /, *, dtype):
    return collapsed(x, labels, "float32")


@mistake(softmax_collapse_mask, "the other way round", kind="sign")
def _(x, labels, /, *, dtype):
    mask, rest = collapsed(x, labels, dtype)
    return ~mask, rest


@mistake(softmax_collapse_mask, "the largest counted too", kind="statistic")
def _(x, labels, /, *, dtype):
    return collapsed(x, labels, dtype, over=True)


@honest(softmax_collapse_mask, "NumPy")
def _(x, labels, /, *, dtype):
    return collapsed(x, labels, dtype)
