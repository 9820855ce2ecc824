"""How a map by singular triples is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.singular import svd_linear

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
