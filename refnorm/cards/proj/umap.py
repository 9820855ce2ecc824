"""How the fuzzy graph of neighbours is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.umap import fuzzy_union, umap_cross_entropy

conventions(umap_cross_entropy, "umap-learn", "min_dist of 0.1 and spread of 1", a=1.577, b=0.895)
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


def plogp(x):
    return x * np.log(np.where(x == 0, 1, x))


def entropies(x, w, a, b, eps, *, root=False, half=False, diagonal=False, given=True, clip=True):
    x, w = x.astype(np.float64), w.astype(np.float64)
    with np.errstate(all="ignore"):
        t = a * np.sum((x[:, None] - x[None]) ** 2, axis=-1) ** (b / 2 if root else b)
        near, far = np.log1p(t), np.log1p(1 / t)
        if clip:
            near, far = (np.where(v > -np.log(eps), -np.log(eps), v) for v in (near, far))
        each = w * near + (1 - w) * far + (plogp(w) + plogp(1 - w) if given else 0)
    if not diagonal:
        each[np.arange(len(x)), np.arange(len(x))] = 0
    return np.asarray(np.sum(each) / (2 if half else 1))


@mistake(umap_cross_entropy, "each edge once", kind="set")
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, a, b, eps, half=True)


@mistake(umap_cross_entropy, "a point and itself an edge", kind="set")
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, a, b, eps, diagonal=True)


@mistake(umap_cross_entropy, "distances to the power b", kind="statistic")
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, a, b, eps, root=True)


@mistake(umap_cross_entropy, "entropy of the graph left out", kind="statistic")
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, a, b, eps, given=False)


@mistake(umap_cross_entropy, "eps left out", kind="place of eps")
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, a, b, 1e-12)


@mistake(umap_cross_entropy, "a curve of 1 and 1", kind="place of a parameter")
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, 1.0, 1.0, eps)


@honest(umap_cross_entropy, "NumPy", baseline=True)
def _(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    return entropies(x, weights, a, b, eps).astype(x.dtype)
