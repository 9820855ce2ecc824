"""Companding in long double, a number at a time."""

import numpy as np

from oracles import WIDE


def each(x, of_size):
    """Return sign(v) of_size(|v|) of every number v; NaN of NaN."""
    y = np.empty(x.shape, WIDE)
    for i, v in enumerate(x.flat):
        y.flat[i] = v if v == 0 or v != v else of_size(v) if v > 0 else -of_size(-v)
    return y


def signed_power(x, *, p=0.5):
    return each(x, lambda s: s ** WIDE(p))


def signed_log_compress(x, *, base=8.0):
    return each(x, lambda s: np.log1p(s) / np.log(WIDE(base)))


def mu_law_compress(x, *, mu=255.0, inverse=False):
    mu = WIDE(mu)
    if inverse:
        return each(x, lambda s: np.expm1(s * np.log1p(mu)) / mu)
    return each(x, lambda s: np.log1p(mu * s) / np.log1p(mu))


def weight_compander(x, *, a, b):
    return each(x, lambda s: WIDE(a) * np.arctan(s / WIDE(b)))
