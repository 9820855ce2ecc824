"""How entropies and distances of distributions are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.divergence import softmax_entropy, total_variation_distance

conventions(softmax_entropy, "code", "AdaMerging: each row, then the mean of the batch", axis=-1)
conventions(softmax_entropy, "scipy", "scipy.stats.entropy(softmax(x)) along the first axis", axis=0)
conventions(total_variation_distance, "paper", axis=-1)


def parts(x, axis):
    z = x - np.max(x, axis=axis, keepdims=True)
    p = np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True)), p


@mistake(softmax_entropy, "in bits", kind="unit")
def _(x, /, *, axis=-1):
    log, p = parts(x, axis)
    return -np.sum(np.where(p == 0, 0, p * log), axis=axis) / np.log(2)


@mistake(softmax_entropy, "sign lost", kind="sign")
def _(x, /, *, axis=-1):
    log, p = parts(x, axis)
    return np.sum(np.where(p == 0, 0, p * log), axis=axis)


@mistake(softmax_entropy, "mean in place of sum", kind="denominator")
def _(x, /, *, axis=-1):
    log, p = parts(x, axis)
    return -np.mean(np.where(p == 0, 0, p * log), axis=axis)


@mistake(softmax_entropy, "1e-5 added under the logarithm", kind="place of a parameter")
def _(x, /, *, axis=-1):
    _, p = parts(x, axis)
    return -np.sum(p * np.log(p + 1e-5), axis=axis)


@mistake(softmax_entropy, "scores weighed, not their logarithms", kind="statistic")
def _(x, /, *, axis=-1):
    _, p = parts(x, axis)
    return -np.sum(p * x, axis=axis)


@honest(softmax_entropy, "NumPy")
def _(x, /, *, axis=-1):
    z = x - np.max(x, axis=axis, keepdims=True)
    e = np.exp(z)
    top = z == 0
    rest = np.sum(np.where(top, 0, e), axis=axis) + (np.sum(top, axis=axis, dtype=x.dtype) - 1)
    return np.log1p(rest) - np.sum(np.where(e == 0, 0, e * z), axis=axis) / (1 + rest)


# ---- total_variation_distance ----


@mistake(total_variation_distance, "half left out", kind="denominator")
def _(x, other, /, *, axis=-1):
    return np.sum(np.abs(x - other), axis=axis)


@mistake(total_variation_distance, "mean in place of sum", kind="denominator")
def _(x, other, /, *, axis=-1):
    return np.mean(np.abs(x - other), axis=axis) / 2


@mistake(total_variation_distance, "largest difference of one outcome", kind="statistic")
def _(x, other, /, *, axis=-1):
    return np.max(np.abs(x - other), axis=axis)


@mistake(total_variation_distance, "Euclidean", kind="statistic")
def _(x, other, /, *, axis=-1):
    return np.sqrt(np.sum((x - other) ** 2, axis=axis)) / 2


@mistake(total_variation_distance, "differences without magnitudes", kind="sign")
def _(x, other, /, *, axis=-1):
    return np.abs(np.sum(x - other, axis=axis)) / 2


@honest(total_variation_distance, "NumPy")
def _(x, other, /, *, axis=-1):
    return np.sum(np.abs(x - other), axis=axis) / 2
