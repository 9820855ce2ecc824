"""How samples by added noise are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.gumbel import binary_concrete, gumbel_softmax, gumbel_top_k

conventions(gumbel_softmax, "code", "TAS: log_softmax first; a tau of 0 or less is the plain softmax", tau=1.0)
conventions(gumbel_softmax, "torch", "gumbel_softmax with the same noise", tau=1.0)
conventions(gumbel_top_k, "code", "DSIR: the set, in no order", k=1)
conventions(binary_concrete, "torch", "RelaxedBernoulli, float32", eps=1.1920928955078125e-07)
conventions(binary_concrete, "code", "subspace_fusion, float32", tau=0.5, eps=1.1920928955078125e-07)


def noise(u):
    with np.errstate(divide="ignore"):
        return -np.log(-np.log(u))


def softmax(z, axis):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def sample(x, u, axis, tau, add=noise):
    return softmax(((x - np.max(x, axis=axis, keepdims=True)) + add(u)) / x.dtype.type(tau), axis)


def wrong(name, kind, twin):
    @mistake(gumbel_softmax, name, kind=kind)
    def _(x, u, /, *, axis=-1, tau=1.0):
        return twin(x, u, axis, tau)


wrong("noise subtracted", "sign", lambda x, u, a, t: sample(x, u, a, t, lambda u: -noise(u)))
wrong("exponential noise", "statistic", lambda x, u, a, t: sample(x, u, a, t, lambda u: -np.log(u)))
wrong("logistic noise", "statistic", lambda x, u, a, t: sample(x, u, a, t, lambda u: np.log(u) - np.log1p(-u)))
wrong("no noise", "statistic", lambda x, u, a, t: sample(x, u, a, t, lambda u: 0 * u))
wrong("times tau", "reciprocal", lambda x, u, a, t: sample(x, u, a, 1 / t))
wrong("tau left out", "option not read", lambda x, u, a, t: sample(x, u, a, 1.0))
wrong("tau divides the scores alone", "place of a parameter", lambda x, u, a, t: softmax(x / t + noise(u), a))
wrong("along the first axis", "axis", lambda x, u, a, t: sample(x, u, 0, t))


@honest(gumbel_softmax, "NumPy")
def _(x, u, /, *, axis=-1, tau=1.0):
    return sample(x, u, axis, tau)


def drawn(x, u, k, add=noise, turned=1):
    s = x + add(u)
    places = np.argsort(-turned * s, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(s, places, axis=-1), places


def wrong_draw(name, kind, twin):
    mistake(gumbel_top_k, name, kind=kind)(lambda x, u, /, *, k: twin(x, u, k))


wrong_draw("the smallest", "sign", lambda x, u, k: drawn(x, u, k, turned=-1))
wrong_draw("no noise", "statistic", lambda x, u, k: drawn(x, u, k, lambda u: 0 * u))
wrong_draw("noise subtracted", "sign", lambda x, u, k: drawn(x, u, k, lambda u: -noise(u)))
wrong_draw("exponential noise", "statistic", lambda x, u, k: drawn(x, u, k, lambda u: -np.log(u)))
wrong_draw("from the smallest of them on", "order", lambda x, u, k: tuple(a[..., ::-1] for a in drawn(x, u, k)))
wrong_draw("places counted from one", "index", lambda x, u, k: (drawn(x, u, k)[0], drawn(x, u, k)[1] + 1))
honest(gumbel_top_k, "NumPy")(lambda x, u, /, *, k: drawn(x, u, k))


def coins(x, u, tau, eps, hard, way=1, times=1):
    of = x.dtype.type
    u = np.clip(u, of(eps), of(1) - of(eps)) if eps else u
    with np.errstate(divide="ignore"):
        z = (of(way) * x + of(times) * (np.log(u) - np.log1p(-u))) / of(tau)
    e = np.exp(-np.abs(z))
    soft = np.where(z < 0, e, of(1)) / (of(1) + e)
    return np.where(np.isnan(z), z, (z > 0).astype(x.dtype)) if hard else soft


def wrong_coins(name, kind, twin):
    @mistake(binary_concrete, name, kind=kind)
    def _(x, u, /, *, tau=0.5, eps=0.0, hard=False):
        return twin(x, u, tau, eps, hard)


wrong_coins("never hard", "option not read", lambda x, u, t, e, h: coins(x, u, t, e, False))
wrong_coins("always hard", "option not read", lambda x, u, t, e, h: coins(x, u, t, e, True))
wrong_coins("times tau", "reciprocal", lambda x, u, t, e, h: coins(x, u, 1 / t, e, h))
wrong_coins("tau left out", "option not read", lambda x, u, t, e, h: coins(x, u, 1.0, e, h))
wrong_coins("u not kept inside", "option not read", lambda x, u, t, e, h: coins(x, u, t, 0, h))
wrong_coins("scores subtracted", "sign", lambda x, u, t, e, h: coins(x, u, t, e, h, way=-1))
wrong_coins("noise subtracted", "sign", lambda x, u, t, e, h: coins(x, u, t, e, h, times=-1))
wrong_coins("no noise", "statistic", lambda x, u, t, e, h: coins(x, u, t, e, h, times=0))


@honest(binary_concrete, "NumPy")
def _(x, u, /, *, tau=0.5, eps=0.0, hard=False):
    return coins(x, u, tau, eps, hard)
