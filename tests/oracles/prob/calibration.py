"""Corrected probabilities in long double, a row at a time."""

import numpy as np

from oracles import WIDE


def each_row(x, *others, f):
    y = np.empty(x.shape, WIDE)
    for i in np.ndindex(x.shape[:-1]):
        y[i] = f(x[i], *(o if o.ndim == 1 else o[i] for o in others))
    return y


def affine_prior_calibration(x, prior, *, kind="diagonal"):
    if kind == "identity":
        return each_row(x, prior, f=lambda p, q: p / p.sum() - q / q.sum())
    return each_row(x, prior, f=lambda p, q: (p / q) / (p / q).sum())


def distribution_alignment(x, mean, *, momentum=0.9):
    m = WIDE(momentum)
    new = np.array([m * mean[c] + (1 - m) * x[:, c].sum() / len(x) for c in range(x.shape[1])])
    return each_row(x, mean, f=lambda p, q: (p / q) / (p / q).sum()), new


def bayes_refined_prediction(x, other):
    return each_row(x, other, f=lambda p, d: p * d / (p * d).sum())
