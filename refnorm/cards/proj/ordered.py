"""How ordered ranks are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.ordered import (
    hierarchical_group_lasso,
    ordered_dropout_objective,
    ordered_low_rank_linear,
    progressive_rank_shrink,
)

conventions(ordered_low_rank_linear, "code", "rank = ceil(p R), the bias after")
conventions(ordered_dropout_objective, "paper", "as catalogued")
conventions(hierarchical_group_lasso, "paper", nested=True)
conventions(hierarchical_group_lasso, "code", "group_lasso_criterion, when nothing is said", nested=False)
conventions(progressive_rank_shrink, "paper", nested=True)
conventions(progressive_rank_shrink, "code", "when nothing is said", nested=False)


def mapped(x, u, v, bias, rank):
    y = x @ v[:, :rank] @ u[:, :rank].T
    return y if bias is None else y + bias


@mistake(ordered_low_rank_linear, "all ranks", kind="place of a parameter")
def _(x, u, v, bias=None, /, *, rank=None):
    return mapped(x, u, v, bias, None)


@mistake(ordered_low_rank_linear, "the last ranks", kind="set")
def _(x, u, v, bias=None, /, *, rank=None):
    return mapped(x, u[:, ::-1], v[:, ::-1], bias, rank)


@mistake(ordered_low_rank_linear, "bias left out", kind="place of a parameter")
def _(x, u, v, bias=None, /, *, rank=None):
    return mapped(x, u, v, None, rank)


@mistake(ordered_low_rank_linear, "divided by the rank", kind="denominator")
def _(x, u, v, bias=None, /, *, rank=None):
    y = mapped(x, u, v, None, rank) / (rank or u.shape[1])
    return y if bias is None else y + bias


@honest(ordered_low_rank_linear, "NumPy", baseline=True)
def _(x, u, v, bias=None, /, *, rank=None):
    return mapped(x, u, v, bias, rank)


def objective(x, target, u, v, weights, root=lambda s: s, count=None):
    x, t, u, v, p = (a.astype(np.float64) for a in (x, target, u, v, weights))
    loss = 0.0
    for r in range(1, u.shape[1] + 1):
        off = root(np.sum((t - x @ v[:, :r] @ u[:, :r].T) ** 2, axis=-1))
        loss += p[r - 1] * np.sum(off) / (count or max(off.size, 1))
    return np.asarray(loss)


@mistake(ordered_dropout_objective, "distances not squared", kind="statistic")
def _(x, target, u, v, weights, /):
    return objective(x, target, u, v, weights, root=np.sqrt)


@mistake(ordered_dropout_objective, "sum over the rows", kind="denominator")
def _(x, target, u, v, weights, /):
    return objective(x, target, u, v, weights, count=1)


@mistake(ordered_dropout_objective, "mean over the outputs too", kind="denominator")
def _(x, target, u, v, weights, /):
    return objective(x, target, u, v, weights) / target.shape[-1]


@mistake(ordered_dropout_objective, "ranks weighed alike", kind="place of a parameter")
def _(x, target, u, v, weights, /):
    return objective(x, target, u, v, np.full_like(weights, 1 / len(weights)))


@mistake(ordered_dropout_objective, "the factors changed about", kind="axis")
def _(x, target, u, v, weights, /):
    return objective(x, target, u[:, ::-1], v[:, ::-1], weights)


@honest(ordered_dropout_objective, "NumPy", baseline=True)
def _(x, target, u, v, weights, /):
    return objective(x, target, u, v, weights).astype(x.dtype)


def lengths(factor, nested):
    square = np.sum(factor.astype(np.float64) ** 2, axis=0)
    return np.sqrt(np.cumsum(square[::-1])[::-1] if nested else square)


@mistake(hierarchical_group_lasso, "heads in place of tails", kind="axis")
def _(u, v, /, *, scale=1.0, nested=True):
    return np.asarray(scale * sum(np.sum(lengths(f[:, ::-1], nested)) for f in (u, v)))


@mistake(hierarchical_group_lasso, "squared lengths", kind="statistic")
def _(u, v, /, *, scale=1.0, nested=True):
    return np.asarray(scale * sum(np.sum(lengths(f, nested) ** 2) for f in (u, v)))


@mistake(hierarchical_group_lasso, "each rank alone", kind="place of a parameter")
def _(u, v, /, *, scale=1.0, nested=True):
    return np.asarray(scale * sum(np.sum(lengths(f, False)) for f in (u, v)))


@mistake(hierarchical_group_lasso, "scale left out", kind="place of a parameter")
def _(u, v, /, *, scale=1.0, nested=True):
    return np.asarray(sum(np.sum(lengths(f, nested)) for f in (u, v)))


@honest(hierarchical_group_lasso, "NumPy", baseline=True)
def _(u, v, /, *, scale=1.0, nested=True):
    return np.asarray(scale * sum(np.sum(lengths(f, nested)) for f in (u, v))).astype(u.dtype)


def cut(u, v, short):
    return np.where(short, 0.0, u).astype(u.dtype), np.where(short, 0.0, v).astype(u.dtype)


@mistake(progressive_rank_shrink, "the sum of the lengths", kind="statistic")
def _(u, v, /, *, threshold=1e-7, nested=True):
    return cut(u, v, lengths(u, nested) + lengths(v, nested) < threshold)


@mistake(progressive_rank_shrink, "always prefixes", kind="place of a parameter")
def _(u, v, /, *, threshold=1e-7, nested=True):
    return cut(u, v, lengths(u, True) * lengths(v, True) < threshold)


@mistake(progressive_rank_shrink, "nothing cut", kind="statistic")
def _(u, v, /, *, threshold=1e-7, nested=True):
    return u, v


@honest(progressive_rank_shrink, "NumPy", baseline=True)
def _(u, v, /, *, threshold=1e-7, nested=True):
    return cut(u, v, lengths(u, nested) * lengths(v, nested) < threshold)
