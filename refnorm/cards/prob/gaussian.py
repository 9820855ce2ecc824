"""How gaussian_kl is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.gaussian import gaussian_kl

conventions(gaussian_kl, "torch", "distributions.kl_divergence of two MultivariateNormal of one mean", eps=0.0)


def factored(s):
    """Return unit lower factors and pivots."""
    s, n = s.copy(), s.shape[-1]
    u, d = np.zeros_like(s), np.zeros_like(s[..., 0])
    for j in range(n):
        d[..., j] = s[..., j, j]
        u[..., j, j] = 1
        u[..., j + 1 :, j] = s[..., j + 1 :, j] / d[..., j, None]
        s[..., j + 1 :, j + 1 :] = s[..., j + 1 :, j + 1 :] - s[..., j + 1 :, j, None] * u[..., None, j + 1 :, j]
    return u, d


def written(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    def call(x, other, /, *, eps=0.0):
        of = x.dtype.type
        x, other = (other, x) if wrong.get("swapped") else (x, other)
        one = np.eye(x.shape[-1], dtype=x.dtype) * of(eps)
        (u, d), (v, e) = factored(x + one * (not wrong.get("second"))), factored(other + one * (not wrong.get("first")))
        d = np.where((d < 0) | (e < 0), of(np.nan), d)
        w = u.copy()
        for i in range(x.shape[-1]):
            for k in range(i):
                w[..., i, :] = w[..., i, :] - v[..., i, k, None] * w[..., k, :]
        off = np.tril(w * w * d[..., None, :] / e[..., :, None], -1).sum(axis=(-2, -1), dtype=x.dtype)
        r = d / e
        on = np.where(r < 0.5, r - 1 - np.log(r), (d - e) / e - np.log1p((d - e) / e))
        on = {"diagonal": r, "determinants": -np.log(r), "trace": r - 1}.get(wrong.get("only"), on)
        y = on.sum(axis=-1) + (0 if wrong.get("diagonal") else off)
        return (y / of(1 if wrong.get("twice") else 2) / of(np.log(2) if wrong.get("bits") else 1)).astype(x.dtype)

    return call


for name, kind, wrong in [
    ("arguments the other way round", "order of the arguments", {"swapped": True}),
    ("half left out", "denominator", {"twice": True}),
    ("in bits", "unit", {"bits": True}),
    ("dimension not taken off", "missing term", {"only": "diagonal"}),
    ("trace alone", "missing term", {"only": "trace"}),
    ("determinants alone", "missing term", {"only": "determinants"}),
    ("what is off the diagonal left out", "axis", {"diagonal": True}),
    ("eps on the first alone", "place of a parameter", {"first": True}),
    ("eps on the second alone", "place of a parameter", {"second": True}),
]:
    mistake(gaussian_kl, name, kind=kind)(written(**wrong))

honest(gaussian_kl, "NumPy")(written())
