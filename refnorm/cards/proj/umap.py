"""How the fuzzy graph of neighbours is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.umap import fuzzy_union

conventions(fuzzy_union, "umap-learn", "set_op_mix_ratio=1.0", alpha=1.0)


def turned(x):
    return np.swapaxes(x, -1, -2)


@mistake(fuzzy_union, "the mean of both directions", kind="statistic")
def _(x, /, *, alpha=1.0):
    return (x + turned(x)) / 2


@mistake(fuzzy_union, "the larger of both", kind="statistic")
def _(x, /, *, alpha=1.0):
    return alpha * np.maximum(x, turned(x)) + (1 - alpha) * x * turned(x)


@mistake(fuzzy_union, "both counted twice", kind="set")
def _(x, /, *, alpha=1.0):
    return alpha * (x + turned(x)) + (1 - alpha) * x * turned(x)


@mistake(fuzzy_union, "the union whatever is said", kind="place of a parameter")
def _(x, /, *, alpha=1.0):
    return x + turned(x) - x * turned(x)


@mistake(fuzzy_union, "shares changed about", kind="place of a parameter")
def _(x, /, *, alpha=1.0):
    both = x * turned(x)
    return (1 - alpha) * (x + turned(x) - both) + alpha * both


@mistake(fuzzy_union, "a matrix product", kind="statistic")
def _(x, /, *, alpha=1.0):
    both = x @ turned(x)
    return alpha * (x + turned(x) - both) + (1 - alpha) * both


@honest(fuzzy_union, "NumPy", baseline=True)
def _(x, /, *, alpha=1.0):
    p = x.astype(np.float64)
    return (alpha * (p + turned(p)) + (1 - 2 * alpha) * p * turned(p)).astype(x.dtype)
