"""How evidence and its combination are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.evidence import dempster_combine, dirichlet_evidence

conventions(dirichlet_evidence, "tmc", "as catalogued", activation="softplus")
conventions(dempster_combine, "tmc", "DS_Combin, as catalogued: opinions that sum to one")


def evidence(x, activation, clip, *, prior=1.0, count=None, clipped=True):
    of = x.dtype.type
    if activation == "exp":
        with np.errstate(over="ignore"):
            e = np.exp(np.clip(x, of(-clip), of(clip)) if clipped else x)
    else:
        e = np.where(x < 0, of(0), x)
        e = e + np.log1p(np.exp(-np.abs(x))) if activation == "softplus" else e
    alpha, k = e + of(prior), of(x.shape[-1] if count is None else count)
    s = np.sum(e, axis=-1, keepdims=True) + of(prior) * of(x.shape[-1])
    return alpha, e / s, alpha / s, k / s


def wrong(name, kind, twin):
    @mistake(dirichlet_evidence, name, kind=kind)
    def _(x, /, *, activation="softplus", clip=10.0):
        return twin(x, activation, clip)


wrong("always softplus", "option not read", lambda x, a, c: evidence(x, "softplus", c))
wrong("always relu", "option not read", lambda x, a, c: evidence(x, "relu", c))
wrong("not clipped", "option not read", lambda x, a, c: evidence(x, a, c, clipped=False))
wrong("no prior of one", "denominator", lambda x, a, c: evidence(x, a, c, prior=0.0))
wrong("uncertainty 1 / S", "denominator", lambda x, a, c: evidence(x, a, c, count=1))


@mistake(dirichlet_evidence, "beliefs are probabilities", kind="statistic")
def _(x, /, *, activation="softplus", clip=10.0):
    alpha, _, p, u = evidence(x, activation, clip)
    return alpha, p, p, u


@honest(dirichlet_evidence, "NumPy")
def _(x, /, *, activation="softplus", clip=10.0):
    return evidence(x, activation, clip)


def combined(b, u, c, v, *, cross=True, swap=False, divided=True):
    if swap:
        u, v = v, u
    agreed = b * c + (b * v + c * u if cross else 0 * b)
    rest = np.sum(agreed, axis=-1, keepdims=True) + u * v if divided else 1
    return agreed / rest, u * v / rest


def wrong_rule(name, kind, **how):
    mistake(dempster_combine, name, kind=kind)(lambda x, u, other, v, /: combined(x, u, other, v, **how))


wrong_rule("not divided", "denominator", divided=False)
wrong_rule("doubts exchanged", "order", swap=True)
wrong_rule("common beliefs alone", "statistic", cross=False)
mistake(dempster_combine, "mean of the two", kind="statistic")(lambda x, u, other, v, /: ((x + other) / 2, (u + v) / 2))
mistake(dempster_combine, "the first alone", kind="option not read")(lambda x, u, other, v, /: (x, u))
honest(dempster_combine, "NumPy")(lambda x, u, other, v, /: combined(x, u, other, v))
