"""How divergences, samples and regions of normal distributions are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.gaussian import factor_model_predictor, gaussian_kl, gaussian_sample, highest_density_region

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


# ---- samples ----

conventions(gaussian_sample, "torch", "distributions.MultivariateNormal: loc + scale_tril z")


def root_of(var):
    u, d = factored(var)
    return u * np.sqrt(d)


def wrong_sample(name, kind, twin):
    mistake(gaussian_sample, name, kind=kind)(lambda x, mean, var, /: twin(x, mean, var))


wrong_sample("the covariance itself", "exponent", lambda x, m, s: m + x @ (np.tril(s) + np.tril(s, -1).T).T)
wrong_sample("the root from the right", "order", lambda x, m, s: m + x @ root_of(s))
wrong_sample("no covariances", "statistic", lambda x, m, s: m + x * np.sqrt(np.diagonal(s)))
wrong_sample("the mean left out", "option not read", lambda x, m, s: x @ root_of(s).T)
wrong_sample("whitened", "reciprocal", lambda x, m, s: m + x @ np.linalg.inv(root_of(s)).T)
honest(gaussian_sample, "NumPy")(lambda x, mean, var, /: mean + np.sum(x[..., None, :] * root_of(var), axis=-1))

# ---- regions ----

conventions(highest_density_region, "paper", "as catalogued", alpha=0.05)


def region(x, alpha, *, more=0, keep=False):
    n = int(np.floor((1 - alpha if keep else alpha) * x.shape[-1])) + more
    edge = np.sort(x, axis=-1)[..., min(max(n, 0), x.shape[-1] - 1)]
    return x >= edge[..., None], edge


@mistake(highest_density_region, "alpha is kept", kind="order")
def _(x, /, *, alpha=0.05):
    return region(x, alpha, keep=True)


@mistake(highest_density_region, "one too many left out", kind="index")
def _(x, /, *, alpha=0.05):
    return region(x, alpha, more=1)


@mistake(highest_density_region, "the edge left out", kind="edges")
def _(x, /, *, alpha=0.05):
    return x > region(x, alpha)[1][..., None], region(x, alpha)[1]


@mistake(highest_density_region, "always one in twenty", kind="option not read")
def _(x, /, *, alpha=0.05):
    return region(x, 0.05)


@honest(highest_density_region, "NumPy")
def _(x, /, *, alpha=0.05):
    return region(x, alpha)


# ---- factors ----

conventions(factor_model_predictor, "sklearn", "FactorAnalysis.transform: components_ is B transposed, noise 1")


def factors(x, b, *, noise=1.0, own=True):
    gram = np.sum(b[:, :, None] * b[:, None, :], axis=0) if own else 0 * b.T @ b
    u, d = factored(gram + x.dtype.type(noise) * np.eye(b.shape[1], dtype=x.dtype))
    m = np.linalg.inv(u)
    return (np.sum(x[..., None] * b, axis=-2)) @ ((m.T / d) @ m).astype(x.dtype)


def wrong_factors(name, kind, twin):
    mistake(factor_model_predictor, name, kind=kind)(lambda x, weight, /: twin(x, weight))


wrong_factors("least squares: no prior", "denominator", lambda x, b: x @ np.linalg.pinv(b).T)
wrong_factors("projected alone", "denominator", lambda x, b: factors(x, b, own=False))
wrong_factors("half the noise", "place of a parameter", lambda x, b: factors(x, b, noise=0.5))


@honest(factor_model_predictor, "NumPy")
def _(x, weight, /):
    """By the smaller matrix: the order of the products says what an infinity leaves."""
    if weight.shape[0] >= weight.shape[1]:
        return factors(x, weight)
    u, d = factored(np.sum(weight[:, None] * weight, axis=-1) + np.eye(len(weight), dtype=x.dtype))
    m = np.linalg.inv(u)
    return np.sum((x @ ((m.T / d) @ m).astype(x.dtype))[..., None] * weight, axis=-2)
