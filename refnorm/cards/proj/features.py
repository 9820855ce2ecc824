"""How features whose inner products are kernels are got wrong."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.features import (
    orthogonal_gaussian_matrix,
    positive_random_features,
    relu_random_features,
    taylor_softmax_features,
)

conventions(positive_random_features, "paper", "A and a of 1")
conventions(positive_random_features, "performer", "of q and k divided by d^1/4, the largest exponent taken off")
conventions(relu_random_features, "code", "no factor of root 2", floor=0.0)
conventions(taylor_softmax_features, "paper", "as catalogued")
conventions(orthogonal_gaussian_matrix, "performer", "Q as LAPACK gives it there: biased")


def exponent(x, g, half=0.5):
    return x @ g.T - half * np.sum(x * x, axis=-1, keepdims=True)


@mistake(positive_random_features, "the half left out", kind="denominator")
def _(x, directions, /):
    return np.exp(exponent(x, directions, 1.0)) / np.sqrt(len(directions))


@mistake(positive_random_features, "length left out", kind="statistic")
def _(x, directions, /):
    return np.exp(exponent(x, directions, 0.0)) / np.sqrt(len(directions))


@mistake(positive_random_features, "divided by m, not its root", kind="denominator")
def _(x, directions, /):
    return np.exp(exponent(x, directions)) / len(directions)


@mistake(positive_random_features, "divided by the root of d", kind="axis")
def _(x, directions, /):
    return np.exp(exponent(x, directions)) / np.sqrt(x.shape[-1])


@mistake(positive_random_features, "cosines in place of exponentials", kind="statistic")
def _(x, directions, /):
    return np.cos(x @ directions.T) / np.sqrt(len(directions))


@honest(positive_random_features, "NumPy", baseline=True)
def _(x, directions, /):
    z = exponent(x.astype(np.float64), directions.astype(np.float64))
    return (np.exp(z) / np.sqrt(len(directions))).astype(x.dtype)


def bent(x, g, floor):
    z = x.astype(np.float64) @ g.astype(np.float64).T
    return np.where(z < floor, floor, z)


@mistake(relu_random_features, "divided by m, not its root", kind="denominator")
def _(x, directions, /, *, floor=0.0):
    return bent(x, directions, floor) / len(directions)


@mistake(relu_random_features, "a factor of root 2", kind="denominator")
def _(x, directions, /, *, floor=0.0):
    return np.sqrt(2) * bent(x, directions, floor) / np.sqrt(len(directions))


@mistake(relu_random_features, "relu whatever the floor", kind="place of a parameter")
def _(x, directions, /, *, floor=0.0):
    return bent(x, directions, 0.0) / np.sqrt(len(directions))


@mistake(relu_random_features, "magnitudes", kind="sign")
def _(x, directions, /, *, floor=0.0):
    return np.maximum(np.abs(x @ directions.T), floor) / np.sqrt(len(directions))


@honest(relu_random_features, "NumPy", baseline=True)
def _(x, directions, /, *, floor=0.0):
    return (bent(x, directions, floor) / np.sqrt(len(directions))).astype(x.dtype)


def powers(x, degree, share):
    parts, power = [], np.ones((*x.shape[:-1], 1))
    for j in range(degree + 1):
        parts.append(power / share(j))
        power = (power[..., None] * x[..., None, :].astype(np.float64)).reshape(*x.shape[:-1], -1)
    return np.concatenate(parts, axis=-1).astype(x.dtype)


@mistake(taylor_softmax_features, "factorials without the root", kind="denominator")
def _(x, /, *, degree):
    return powers(x, degree, math.factorial)


@mistake(taylor_softmax_features, "factorials left out", kind="denominator")
def _(x, /, *, degree):
    return powers(x, degree, lambda j: 1.0)


@mistake(taylor_softmax_features, "elements to the power, not their products", kind="set")
def _(x, /, *, degree):
    y = powers(x, degree, lambda j: math.sqrt(math.factorial(j)))
    return y if degree < 2 else np.where(y > 0, y, -y)


@honest(taylor_softmax_features, "NumPy", baseline=True)
def _(x, /, *, degree):
    with np.errstate(all="ignore"):
        return whole(x, degree)


def whole(x, degree):
    if 0 in x.shape:
        return np.zeros((*x.shape[:-1], sum(x.shape[-1] ** j for j in range(degree + 1))), x.dtype)
    return powers(x, degree, lambda j: math.sqrt(math.factorial(j)))


def turned(x, blocks, *, rows=False, signs=True, size=None):
    size = np.sqrt(np.sum(x.astype(np.float64) ** 2, axis=-1, keepdims=True)) if size is None else size
    found = []
    for block in blocks.astype(np.float64):
        q, r = np.linalg.qr(block)
        q = q * np.where(np.diag(r) < 0, -1, 1) if signs else q
        found.append(q if rows else q.T)
    return (size * np.concatenate(found)[: len(x)]).astype(x.dtype)


survivor(
    orthogonal_gaussian_matrix,
    "orthogonal_gaussian_matrix > two_sum: part = s - a: s - a narrowed",
    "what the sums of Gram and Schmidt's first round lose is taken off by the second",
)


@mistake(orthogonal_gaussian_matrix, "signs as LAPACK gives them", kind="sign")
def _(x, directions, /):
    return turned(x, directions, signs=False)


@mistake(orthogonal_gaussian_matrix, "rows of Q", kind="axis")
def _(x, directions, /):
    return turned(x, directions, rows=True)


@mistake(orthogonal_gaussian_matrix, "unit rows", kind="statistic")
def _(x, directions, /):
    return turned(x, directions, size=1.0)


@mistake(orthogonal_gaussian_matrix, "all of length root d", kind="statistic")
def _(x, directions, /):
    return turned(x, directions, size=np.sqrt(x.shape[1]))


@honest(orthogonal_gaussian_matrix, "NumPy", baseline=True)
def _(x, directions, /):
    return turned(x, directions)
