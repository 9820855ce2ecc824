"""How corrections of probabilities are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.calibration import affine_prior_calibration, bayes_refined_prediction, distribution_alignment

conventions(affine_prior_calibration, "code", "LLaVA-Align metrics.py, as catalogued", kind="diagonal")
conventions(distribution_alignment, "code", "SimMatchV2, as catalogued; 1 / C to begin with", momentum=0.9)
conventions(bayes_refined_prediction, "paper", "as catalogued; the code leaves the division to a softmax")


def shared(p):
    return p / np.sum(p, axis=-1, keepdims=True)


def wrong(name, kind, diagonal=lambda x, q: shared(x / q), identity=lambda x, q: shared(x) - shared(q), always=None):
    @mistake(affine_prior_calibration, name, kind=kind)
    def _(x, prior, /, *, kind="diagonal"):
        return (diagonal if (always or kind) == "diagonal" else identity)(x, prior)


wrong("times the prior", "reciprocal", lambda x, q: shared(x * q))
wrong("not renormalized", "denominator", lambda x, q: x / q)
wrong("1e-4 beside the prior", "place of a parameter", lambda x, q: shared(x / (shared(q) + 1e-4)))
wrong("always diagonal", "option not read", always="diagonal")
wrong("always identity", "option not read", always="identity")
wrong("sums left as they are", "denominator", identity=lambda x, q: x - q)


@honest(affine_prior_calibration, "NumPy")
def _(x, prior, /, *, kind="diagonal"):
    return shared(x / prior) if kind == "diagonal" else shared(x) - shared(prior)


def aligned(x, mean, momentum, by=None):
    m = x.dtype.type(momentum)
    new = m * mean + (1 - m) * np.mean(x, axis=0)
    return shared(x / (mean if by is None else by(new))), new


def wrong_alignment(name, kind, twin):
    mistake(distribution_alignment, name, kind=kind)(lambda x, mean, /, *, momentum=0.9: twin(x, mean, momentum))


def moved_by_aligned(x, mean, m):
    y, _ = aligned(x, mean, m)
    return y, m * mean + (1 - m) * np.mean(y, axis=0)


wrong_alignment("the new mean divides", "order", lambda x, mean, m: aligned(x, mean, m, lambda new: new))
wrong_alignment("momentum weighs the batch", "sum of the shares", lambda x, mean, m: aligned(x, mean, 1 - m))
wrong_alignment("always 0.999", "option not read", lambda x, mean, m: aligned(x, mean, 0.999))
wrong_alignment("aligned predictions move the mean", "order", moved_by_aligned)
wrong_alignment("not renormalized", "denominator", lambda x, mean, m: (x / mean, aligned(x, mean, m)[1]))
honest(distribution_alignment, "NumPy")(lambda x, mean, /, *, momentum=0.9: aligned(x, mean, momentum))

mistake(bayes_refined_prediction, "numerator alone", kind="denominator")(lambda x, other, /: x * other)
mistake(bayes_refined_prediction, "divided by the domain's", kind="reciprocal")(lambda x, other, /: shared(x / other))
mistake(bayes_refined_prediction, "softmax of the product", kind="statistic")(
    lambda x, other, /: shared(np.exp(x * other - np.max(x * other, axis=-1, keepdims=True)))
)
mistake(bayes_refined_prediction, "sum in place of product", kind="statistic")(lambda x, other, /: shared(x + other))
honest(bayes_refined_prediction, "NumPy")(lambda x, other, /: shared(x * other))
