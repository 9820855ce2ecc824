"""How entropies and distances of distributions are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.divergence import hellinger_distance, kl_divergence, softmax_entropy, total_variation_distance

conventions(softmax_entropy, "code", "AdaMerging: each row, then the mean of the batch", axis=-1)
conventions(softmax_entropy, "scipy", "scipy.stats.entropy(softmax(x)) along the first axis", axis=0)
conventions(total_variation_distance, "paper", axis=-1)


def parts(x, axis):
    z = x - np.max(x, axis=axis, keepdims=True)
    p = np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True)), p


@mistake(softmax_entropy, "in bits", kind="unit")
def _(x, /, *, axis=-1):
    log, p = parts(x, axis)
    return -np.sum(np.where(p == 0, 0, p * log), axis=axis) / np.log(2)


@mistake(softmax_entropy, "sign lost", kind="sign")
def _(x, /, *, axis=-1):
    log, p = parts(x, axis)
    return np.sum(np.where(p == 0, 0, p * log), axis=axis)


@mistake(softmax_entropy, "mean in place of sum", kind="denominator")
def _(x, /, *, axis=-1):
    log, p = parts(x, axis)
    return -np.mean(np.where(p == 0, 0, p * log), axis=axis)


@mistake(softmax_entropy, "1e-5 added under the logarithm", kind="place of a parameter")
def _(x, /, *, axis=-1):
    _, p = parts(x, axis)
    return -np.sum(p * np.log(p + 1e-5), axis=axis)


@mistake(softmax_entropy, "scores weighed, not their logarithms", kind="statistic")
def _(x, /, *, axis=-1):
    _, p = parts(x, axis)
    return -np.sum(p * x, axis=axis)


@honest(softmax_entropy, "NumPy")
def _(x, /, *, axis=-1):
    z = x - np.max(x, axis=axis, keepdims=True)
    e = np.exp(z)
    top = z == 0
    rest = np.sum(np.where(top, 0, e), axis=axis) + (np.sum(top, axis=axis, dtype=x.dtype) - 1)
    return np.log1p(rest) - np.sum(np.where(e == 0, 0, e * z), axis=axis) / (1 + rest)


# ---- total_variation_distance ----


@mistake(total_variation_distance, "half left out", kind="denominator")
def _(x, other, /, *, axis=-1):
    return np.sum(np.abs(x - other), axis=axis)


@mistake(total_variation_distance, "mean in place of sum", kind="denominator")
def _(x, other, /, *, axis=-1):
    return np.mean(np.abs(x - other), axis=axis) / 2


@mistake(total_variation_distance, "largest difference of one outcome", kind="statistic")
def _(x, other, /, *, axis=-1):
    return np.max(np.abs(x - other), axis=axis)


@mistake(total_variation_distance, "Euclidean", kind="statistic")
def _(x, other, /, *, axis=-1):
    return np.sqrt(np.sum((x - other) ** 2, axis=axis)) / 2


@mistake(total_variation_distance, "differences without magnitudes", kind="sign")
def _(x, other, /, *, axis=-1):
    return np.abs(np.sum(x - other, axis=axis)) / 2


@honest(total_variation_distance, "NumPy")
def _(x, other, /, *, axis=-1):
    return np.sum(np.abs(x - other), axis=axis) / 2


# ---- kl_divergence ----

conventions(kl_divergence, "logits fusion", "the text, as catalogued: a row at a time", kind="scores")
conventions(kl_divergence, "tram", "the text, as catalogued: then the mean of the batch", kind="scores")
conventions(kl_divergence, "tram code", "as catalogued: an option; divided by B^2 K", kind="scores", symmetric=True)
conventions(kl_divergence, "bandits", "an axis of one; clipped", kind="bernoulli")
conventions(kl_divergence, "scipy", "scipy.stats.entropy(p, q) along the first axis", axis=0)


def ratio(p, q):
    """Return log(p / q), 0 where both are 0; where they are close, of their difference, which is not rounded."""
    with np.errstate(all="ignore"):
        close = np.abs(p - q) < q / 2
        d = np.where(close, np.log1p((p - q) / np.where(close, q, 1)), np.log(p) - np.log(q))
        return np.where((p == 0) & (q == 0), p.dtype.type(0), d)


def softmaxed(x, axis):
    z = x - np.max(x, axis=axis, keepdims=True)
    e = np.exp(z)
    top = np.cumsum(z == 0, axis=axis) * (z == 0) == 1
    rest = np.sum(np.where(top, 0, e), axis=axis, keepdims=True, dtype=x.dtype)
    return e / (1 + rest), z, 1 + rest


def diverged(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    def call(x, other, /, *, axis=-1, kind="probabilities", symmetric=False):
        axes = axis if isinstance(axis, tuple) else (axis,)
        back = tuple(range(-len(axes), 0))
        x, other = (np.moveaxis(a, axes, back) for a in (x, other))
        x, other = (a.reshape(*a.shape[: a.ndim - len(axes)], int(np.prod(a.shape[a.ndim - len(axes) :]))) for a in (
            x, other))  # fmt: skip
        x, other = (other, x) if wrong.get("swapped") else (x, other)
        symmetric = symmetric and not wrong.get("one way")
        if kind == "scores" and not wrong.get("unsoftened"):
            (p, z, norm), (q, w, other_norm) = softmaxed(x, -1), softmaxed(other, -1)
            none = (z == -np.inf) & (w == -np.inf)
            with np.errstate(invalid="ignore"):
                d = np.where(none, x.dtype.type(0), (z - w) - np.log(norm / other_norm))
        else:
            if kind == "bernoulli" and not wrong.get("heads"):
                x, other = (np.concatenate([a, 1 - a], axis=-1) for a in (x, other))
            p, q, d = x, other, ratio(x, other)
        if wrong.get("added"):
            d = np.log((p + 1e-5) / (q + 1e-5))
        if symmetric:
            terms = np.where(np.abs(d) < 1, q * np.expm1(d), p - q) * d
        elif kind == "probabilities":
            terms = np.where(p == 0, 0, p * d)
        else:
            small = np.abs(d) < 0.05  # p d + q - p cancels there: by its series
            s = np.where(small, d, 0)
            series = p * s * s * (0.5 - s * (1 / 6 - s * (1 / 24 - s * (1 / 120 - s * (1 / 720 - s / 5040)))))
            with np.errstate(invalid="ignore"):
                terms = np.where(small, series, np.where(p == 0, 0, p * d) + (q - p))
        terms = terms / 2 if symmetric and wrong.get("half") else terms
        y = terms.mean(axis=-1) if wrong.get("mean") else terms.sum(axis=-1)
        return (y / np.log(2) if wrong.get("bits") else y).astype(x.dtype)

    return call


for name, kind, wrong in [
    ("arguments the other way round", "order of the arguments", {"swapped": True}),
    ("mean in place of sum", "denominator", {"mean": True}),
    ("in bits", "unit", {"bits": True}),
    ("scores taken for probabilities", "statistic", {"unsoftened": True}),
    ("heads without tails", "statistic", {"heads": True}),
    ("both ways halved", "denominator", {"half": True}),
    ("one way where both are asked for", "option not read", {"one way": True}),
    ("1e-5 added under the logarithm", "place of a parameter", {"added": True}),
]:
    mistake(kl_divergence, name, kind=kind)(diverged(**wrong))

honest(kl_divergence, "NumPy")(diverged())


# ---- hellinger_distance ----

conventions(hellinger_distance, "paper", "as catalogued, the half not confirmed", squared=True)


def hellinger(x, other, /, *, axis=-1, squared=False, halved=True, root=np.sqrt, reduce=np.sum, half=0.5):
    square = reduce((root(x) - root(other)) ** 2, axis=axis)
    square = square * x.dtype.type(half) if halved else square
    return square if squared else np.sqrt(square)


def wrong_hellinger(name, kind, **how):
    @mistake(hellinger_distance, name, kind=kind)
    def _(x, other, /, **options):
        return hellinger(x, other, **(options | how))


wrong_hellinger("half left out", "denominator", half=1.0)
wrong_hellinger("mean in place of sum", "denominator", reduce=np.mean)
wrong_hellinger("Euclidean: no roots of the probabilities", "statistic", root=lambda p: p)
wrong_hellinger("always squared", "option not read", squared=True)
wrong_hellinger("never squared", "option not read", squared=False)


@mistake(hellinger_distance, "angle of the overlap", kind="statistic")
def _(x, other, /, *, axis=-1, squared=False, halved=True):
    return np.arccos(np.clip(np.sum(np.sqrt(x * other), axis=axis), -1, 1))


honest(hellinger_distance, "NumPy")(hellinger)
