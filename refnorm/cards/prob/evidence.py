"""How evidence and its combination are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.evidence import dempster_combine, dirichlet_evidence, evidential_mse_loss

conventions(dirichlet_evidence, "tmc", "as catalogued", activation="softplus")
conventions(dempster_combine, "tmc", "DS_Combin, as catalogued: opinions that sum to one")
conventions(evidential_mse_loss, "tmc", "mse_loss, as catalogued; beta is min(1, step / annealing_step)")


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


def squared(alpha, y, beta, *, more=1, variance=True, removed=True, swap=False, digamma_of_sum=True):
    from scipy.special import gammaln, psi

    def entropy(a):
        """Of gamma distributions, far out by their asymptotic series: log gamma is too large there."""
        near = np.where(a < 1e3, a, 1.0)
        far = np.log(2 * np.pi * np.e * a) / 2 - (1 / 3 + (1 / 12 + 1 / 90 / a) / a) / a
        return np.where(a < 1e3, near + gammaln(near) + (1 - near) * psi(near), far)

    a = alpha.astype("float64")
    s, k = a.sum(axis=-1, keepdims=True), a.shape[-1]
    p = a / s
    loss = ((y - p) ** 2 + (p * (1 - p) / (s + more) if variance else 0)).sum(axis=-1)
    if beta:
        with np.errstate(all="ignore"):
            a = y + (1 - y) * a if removed else (1 - y) + y * a if swap else a
            t, least = a.sum(axis=-1), a.min(axis=-1)
            kl = entropy(t) - entropy(a).sum(axis=-1) + (k - 1) * psi(t) - gammaln(k)
            kl = kl if digamma_of_sum else kl + (t - k) * psi(t)
            loss = loss + beta * np.where(least > 0, kl, np.where(least == 0, np.inf, np.nan))
    return loss.astype(alpha.dtype)


def wrong_loss(name, kind, **how):
    @mistake(evidential_mse_loss, name, kind=kind)
    def _(alpha, target, /, *, beta=0.0):
        return squared(alpha, target, beta, **how)


wrong_loss("no variance", "statistic", variance=False)
wrong_loss("variance over S", "denominator", more=0)
wrong_loss("evidence of the true class kept", "statistic", removed=False)
wrong_loss("evidence of the others removed", "order", removed=False, swap=True)
wrong_loss("no psi of the sum", "statistic", digamma_of_sum=False)
mistake(evidential_mse_loss, "no divergence", kind="option not read")(lambda a, y, /, *, beta=0.0: squared(a, y, 0.0))
mistake(evidential_mse_loss, "beta of one", kind="option not read")(lambda a, y, /, *, beta=0.0: squared(a, y, 1.0))


@honest(evidential_mse_loss, "SciPy", needs="scipy", baseline=True)
def _(alpha, target, /, *, beta=0.0):
    return squared(alpha, target, beta)
