"""How a map by singular triples, and a draw of directions, is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.singular import sample_singular_directions, svd_linear

conventions(sample_singular_directions, "sst", "half uniform", alpha=0.5)
conventions(sample_singular_directions, "first version", "by magnitude alone", alpha=0.0)
conventions(svd_linear, "svfit", "s alone is trained, the rest is kept frozen")
conventions(svd_linear, "sst", "no rest; Sparse Spectral Training")


def mapped(x, u, s, v, rest, bias):
    y = (x @ v * s) @ u.T
    y = y if rest is None else y + x @ rest.T
    return y if bias is None else y + bias


@mistake(svd_linear, "values left out", kind="place of a parameter")
def _(x, u, s, v, rest=None, bias=None, /):
    return mapped(x, u, np.ones_like(s), v, rest, bias)


@mistake(svd_linear, "roots of the values", kind="statistic")
def _(x, u, s, v, rest=None, bias=None, /):
    return mapped(x, u, np.sqrt(np.abs(s)), v, rest, bias)


@mistake(svd_linear, "what is left dropped", kind="place of a parameter")
def _(x, u, s, v, rest=None, bias=None, /):
    return mapped(x, u, s, v, None, bias)


@mistake(svd_linear, "bias left out", kind="place of a parameter")
def _(x, u, s, v, rest=None, bias=None, /):
    return mapped(x, u, s, v, rest, None)


@mistake(svd_linear, "the largest value alone", kind="set")
def _(x, u, s, v, rest=None, bias=None, /):
    return mapped(x, u, np.where(np.abs(s) == np.max(np.abs(s)), s, 0), v, rest, bias)


@honest(svd_linear, "NumPy", baseline=True)
def _(x, u, s, v, rest=None, bias=None, /):
    return mapped(x, u, s, v, rest, bias)


def drawn(x, u, k, alpha, *, clock=lambda u, p: -np.log(u) / p, power=1.0):
    s = x.astype(np.float64) ** power
    with np.errstate(all="ignore"):
        p = alpha / x.shape[-1] + (1 - alpha) * s / np.sum(s, axis=-1, keepdims=True)
        places = np.argsort(clock(u.astype(np.float64), p), axis=-1, kind="stable")[..., :k]
    return p, places


@mistake(sample_singular_directions, "squares of the values", kind="statistic")
def _(x, u, /, *, k, alpha=0.5):
    return drawn(x, u, k, alpha, power=2.0)


@mistake(sample_singular_directions, "shares changed about", kind="place of a parameter")
def _(x, u, /, *, k, alpha=0.5):
    return drawn(x, u, k, 1 - alpha if alpha != 0.5 else 0.25)


@mistake(sample_singular_directions, "by size alone whatever is said", kind="place of a parameter")
def _(x, u, /, *, k, alpha=0.5):
    return drawn(x, u, k, 0.0)


@mistake(sample_singular_directions, "clocks times the chance", kind="statistic")
def _(x, u, /, *, k, alpha=0.5):
    return drawn(x, u, k, alpha, clock=lambda u, p: -np.log(u) * p)


@mistake(sample_singular_directions, "the largest, nothing drawn", kind="set")
def _(x, u, /, *, k, alpha=0.5):
    return drawn(x, u, k, alpha, clock=lambda u, p: -p)


@mistake(sample_singular_directions, "the last to ring", kind="sign")
def _(x, u, /, *, k, alpha=0.5):
    return drawn(x, u, k, alpha, clock=lambda u, p: np.log(u) / p)


@honest(sample_singular_directions, "NumPy", baseline=True)
def _(x, u, /, *, k, alpha=0.5):
    p, places = drawn(x, u, k, alpha)
    return p.astype(x.dtype), places
