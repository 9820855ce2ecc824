"""How weights are standardized wrong, and where codes put eps."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.standardized import weight_standardization

conventions(weight_standardization, "paper", "eps under the root; WeightStandardization#1, #16", eps=1e-5)
conventions(
    weight_standardization, "code", "weight.view(O, -1).std(dim=1) + 1e-5", correction=1, eps=1e-5, eps_mode="deviation"
)
conventions(weight_standardization, "big_transfer", "StdConv2d of its torch code", eps=1e-10)
conventions(
    weight_standardization,
    "vision_transformer",
    "StdConv, in JAX; vision_transformer#76",
    axis=-1,
    eps_mode="deviation",
)


def by_slice(twin):
    """Let ``twin(rows, correction, eps, eps_mode)``, a row a slice, be called with any `axis`, as the operator is."""

    def call(x, gains=None, *, axis=0, correction=0, eps=1e-5, eps_mode="variance"):
        first = x[None] if axis is None else np.moveaxis(x, axis, 0)
        rows = first.reshape(len(first), math.prod(first.shape[1:]))
        y = twin(rows, correction, eps, eps_mode)
        y = (y if gains is None else y * gains.reshape(-1, 1)).reshape(first.shape)
        return y[0] if axis is None else np.moveaxis(y, 0, axis)

    return call


def variance(c, correction):
    return np.sum(c * c, axis=1, keepdims=True) / c.dtype.type(c.shape[1] - correction)


def divided(c, var, eps, eps_mode):
    eps = c.dtype.type(eps)
    return c / (np.sqrt(var + eps) if eps_mode == "variance" else np.sqrt(var) + eps)


def centered(x):
    return x - np.mean(x, axis=1, keepdims=True)


@by_slice
def standardized(x, correction, eps, eps_mode):
    return divided(centered(x), variance(centered(x), correction), eps, eps_mode)


@mistake(weight_standardization, "eps always under the root", kind="place of a parameter")
@by_slice
def _(x, correction, eps, eps_mode):
    return divided(centered(x), variance(centered(x), correction), eps, "variance")


@mistake(weight_standardization, "eps always beside the root", kind="place of a parameter")
@by_slice
def _(x, correction, eps, eps_mode):
    return divided(centered(x), variance(centered(x), correction), eps, "deviation")


@mistake(weight_standardization, "eps left out", kind="place of a parameter")
@by_slice
def _(x, correction, eps, eps_mode):
    return divided(centered(x), variance(centered(x), correction), 0.0, eps_mode)


@mistake(weight_standardization, "n whatever the correction", kind="denominator")
@by_slice
def _(x, correction, eps, eps_mode):
    return divided(centered(x), variance(centered(x), 0), eps, eps_mode)


@mistake(weight_standardization, "n - 1 whatever the correction", kind="denominator")
@by_slice
def _(x, correction, eps, eps_mode):
    return divided(centered(x), variance(centered(x), 1), eps, eps_mode)


@mistake(weight_standardization, "mean not taken off", kind="statistic")
@by_slice
def _(x, correction, eps, eps_mode):
    return divided(x, variance(centered(x), correction), eps, eps_mode)


@mistake(weight_standardization, "only the mean taken off", kind="statistic")
@by_slice
def _(x, correction, eps, eps_mode):
    return centered(x)


@mistake(weight_standardization, "one mean and variance for the whole weight", kind="axis")
@by_slice
def _(x, correction, eps, eps_mode):
    c = x - np.mean(x)
    return divided(c, variance(c.reshape(1, -1), correction), eps, eps_mode)


@mistake(weight_standardization, "moments along the axis that is kept", kind="axis")
@by_slice
def _(x, correction, eps, eps_mode):
    c = x - np.mean(x, axis=0)
    return divided(c, np.mean(c * c, axis=0), eps, eps_mode)


@mistake(weight_standardization, "gains left out", kind="parameter left out")
def _(x, gains=None, **options):
    return standardized(x, **options)


@mistake(weight_standardization, "one-pass variance in float32", kind="cancellation")
@by_slice
def _(x, correction, eps, eps_mode):
    narrow = x.astype(np.float32)
    n = x.shape[1]
    var = np.mean(narrow * narrow, axis=1, keepdims=True) - np.mean(narrow, axis=1, keepdims=True) ** 2
    return divided(centered(x), var * n / (n - correction), eps, eps_mode)


@mistake(weight_standardization, "tail of the slice left out", kind="tail")
@by_slice
def _(x, correction, eps, eps_mode):
    n = x.shape[1]
    head = x[:, : n - n % 4 or n]
    c = head - np.mean(head, axis=1, keepdims=True)
    return divided(x - np.mean(head, axis=1, keepdims=True), variance(c, correction), eps, eps_mode)


# ---- other people's right ones ----


honest(weight_standardization, "NumPy")(standardized)


@honest(weight_standardization, "torch", needs="torch")
@by_slice
def _(x, correction, eps, eps_mode):
    import torch

    t = torch.from_numpy(x.copy())
    var, mean = torch.var_mean(t, dim=1, keepdim=True, correction=correction)
    return ((t - mean) / (torch.sqrt(var + eps) if eps_mode == "variance" else torch.sqrt(var) + eps)).numpy()
