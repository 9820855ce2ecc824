"""How labels as local targets are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.target import direct_random_target_delta, local_target_update, random_target_projection

conventions(random_target_projection, "paper", "as catalogued; no activation on the target", scale=1.0)
conventions(direct_random_target_delta, "code", "the released hook hands back + y B", scale=1.0)
conventions(direct_random_target_delta, "paper", "as the target is often written, - y B", scale=-1.0)
conventions(local_target_update, "paper", "sums, without the factor 2", squared=True, average=False)


def hyperbolic(z):
    e = np.exp(-np.abs(z))
    half = 2 * e / (1 + e * e)
    return half * half


BENDS = {
    "tanh": (np.tanh, hyperbolic),
    "relu": (lambda z: np.where(z < 0, 0.0, z), lambda z: np.where(np.isnan(z), z, z > 0)),
    "none": (lambda z: z, np.ones_like),
}


@mistake(random_target_projection, "the class of the largest score alone", kind="set")
def _(x, weight, /, *, scale=1.0):
    return scale * weight[np.argmax(x, axis=-1)]


@mistake(random_target_projection, "scale left out", kind="place of a parameter")
def _(x, weight, /, *, scale=1.0):
    return x @ weight


@mistake(random_target_projection, "divided by the number of classes", kind="denominator")
def _(x, weight, /, *, scale=1.0):
    return scale * (x @ weight) / len(weight)


@honest(random_target_projection, "NumPy", baseline=True)
def _(x, weight, /, *, scale=1.0):
    return x.dtype.type(scale) * (x @ weight)


@mistake(direct_random_target_delta, "the target minus the output", kind="statistic")
def _(x, labels, weight, /, *, activation="tanh", scale=1.0):
    bend, slope = BENDS[activation]
    return (scale * labels @ weight - bend(x)) * slope(x)


@mistake(direct_random_target_delta, "the slope left out", kind="denominator")
def _(x, labels, weight, /, *, activation="tanh", scale=1.0):
    return scale * labels @ weight


@mistake(direct_random_target_delta, "the slope taken at the output", kind="order of the steps")
def _(x, labels, weight, /, *, activation="tanh", scale=1.0):
    bend, slope = BENDS[activation]
    return scale * labels @ weight * (slope(bend(x)) if activation == "tanh" else 1)


@mistake(direct_random_target_delta, "scale left out", kind="place of a parameter")
def _(x, labels, weight, /, *, activation="tanh", scale=1.0):
    return labels @ weight * BENDS[activation][1](x)


@honest(direct_random_target_delta, "NumPy", baseline=True)
def _(x, labels, weight, /, *, activation="tanh", scale=1.0):
    z, y, b = (a.astype(np.float64) for a in (x, labels, weight))
    return (scale * (y @ b) * BENDS[activation][1](z)).astype(x.dtype)


def update(x, weight, bias, target, activation, squared, average, slope=None, factor=1.0):
    rows, goal = x.reshape(-1, x.shape[-1]).astype(np.float64), target.reshape(-1, len(weight)).astype(np.float64)
    z = rows @ weight.T.astype(np.float64) + (0 if bias is None else bias)
    bend, bent = BENDS[activation]
    r = bend(z) - goal
    delta = factor * (r if squared else np.sign(r)) * (slope or bent)(z)
    count = len(rows) if average else 1
    return (delta.T @ rows / count).astype(x.dtype), (np.sum(delta, axis=0) / count).astype(x.dtype)


@mistake(local_target_update, "sign turned round", kind="sign")
def _(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    return update(x, weight, bias, target, activation, squared, average, factor=-1.0)


@mistake(local_target_update, "twice the residual", kind="denominator")
def _(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    return update(x, weight, bias, target, activation, squared, average, factor=2.0)


@mistake(local_target_update, "always the mean", kind="denominator")
def _(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    return update(x, weight, bias, target, activation, squared, True)


@mistake(local_target_update, "the slope left out", kind="statistic")
def _(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    return update(x, weight, bias, target, activation, squared, average, slope=np.ones_like)


@mistake(local_target_update, "bias left out", kind="place of a parameter")
def _(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    return update(x, weight, None, target, activation, squared, average)


@honest(local_target_update, "NumPy", baseline=True)
def _(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    return update(x, weight, bias, target, activation, squared, average)
