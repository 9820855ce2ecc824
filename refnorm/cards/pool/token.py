"""How one vector, or few, are got wrong from a sequence."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.token import last_token_pool, position_weighted_mean_pool, top_descriptor_pool

conventions(last_token_pool, "poolingandattn", "the same for padding on one side, without gaps")
conventions(last_token_pool, "sentence-transformers", "lasttoken: the same, but for masks of zeros")
conventions(position_weighted_mean_pool, "rds", "RDS+: without a mask", kind="sequence")
conventions(
    position_weighted_mean_pool, "sentence-transformers", "weightedmean from 6.2 on; before, 'sequence'", kind="first"
)
conventions(top_descriptor_pool, "cfcd", "k is half of its number of positions", eps=1e-12)


def everything(x, mask):
    return np.ones(x.shape[:-1], bool) if mask is None else mask


def taken(x, place):
    return np.take_along_axis(x, place[..., None, None], axis=-2)[..., 0, :]


@mistake(last_token_pool, "position -1 in any case", kind="region")
def _(x, mask=None, /):
    return x[..., -1, :]


@mistake(last_token_pool, "as many as are there", kind="region")
def _(x, mask=None, /):
    return taken(x, everything(x, mask).sum(axis=-1) - 1)


@mistake(last_token_pool, "the first", kind="region")
def _(x, mask=None, /):
    return taken(x, np.argmax(everything(x, mask), axis=-1))


@mistake(last_token_pool, "one after the last", kind="tail")
def _(x, mask=None, /):
    last = x.shape[-2] - np.argmax(everything(x, mask)[..., ::-1], axis=-1)
    return taken(x, np.minimum(last, x.shape[-2] - 1))


@mistake(last_token_pool, "one before the last", kind="tail")
def _(x, mask=None, /):
    return taken(x, np.maximum(x.shape[-2] - 2 - np.argmax(everything(x, mask)[..., ::-1], axis=-1), 0))


@honest(last_token_pool, "NumPy")
def _(x, mask=None, /):
    return taken(x, x.shape[-2] - 1 - np.argmax(everything(x, mask)[..., ::-1], axis=-1))


def averaged(x, mask=None, *, kind="sequence", start=1, all_of=False, rank=False, turn=False, power=1):
    m = everything(x, mask)
    t = np.arange(x.shape[-2]) + start - (np.argmax(m, axis=-1)[..., None] if kind == "first" else 0)
    t = np.cumsum(m, axis=-1) if rank else t[..., ::-1] if turn else t
    w = (np.broadcast_to(t, m.shape) * (m | all_of)).astype(x.dtype)[..., None] ** power
    x = x if all_of else np.where(m[..., None], x, 0)
    return (np.sum(w * x, axis=-2) / np.sum(w, axis=-2)).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(position_weighted_mean_pool, name, kind=kind)
    def _(*arrays, **options):
        return averaged(*arrays, **(options | wrong))


twin("counted from 0", "denominator", start=0)
twin("mask left out", "region", all_of=True)
twin("counted among those that are there", "region", rank=True)
twin("falling weights", "sign", turn=True)
twin("equal weights", "statistic", power=0)
twin("squared weights", "statistic", power=2)
twin("from the first in any case", "region", kind="first")
twin("from the start in any case", "region", kind="sequence")


@mistake(position_weighted_mean_pool, "divided by the count", kind="denominator")
def _(x, mask=None, /, *, kind="sequence"):
    w = (np.arange(x.shape[-2]) + 1.0) * everything(x, mask)
    return averaged(x, mask, kind=kind) * w.sum(axis=-1)[..., None] / everything(x, mask).sum(axis=-1)[..., None]


@honest(position_weighted_mean_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return averaged(*arrays, **options)


def best(x, *, k, eps=1e-12, p=1, sign=-1, add=False, raw=False, over=1, shown=False):
    a = np.sum(np.abs(x.astype(np.float64)) ** p, axis=-1) * over if not shown else np.sum(x, axis=-1)
    order = np.argsort(sign * np.where(np.isnan(a), np.inf, a), axis=-1, kind="stable")[..., :k]
    y = np.take_along_axis(x, order[..., None], axis=-2)
    top = np.max(np.abs(y), axis=-1, keepdims=True)
    top = np.where(np.isfinite(top) & (top > 0), top, 1).astype(x.dtype)  # else squares overflow
    size = top * np.sqrt(np.sum((y / top) ** 2, axis=-1, keepdims=True))
    eps = x.dtype.type(eps)
    return (y if raw else y / (size + eps if add else np.maximum(size, eps))).astype(x.dtype)


def top_twin(name, kind, /, **wrong):
    @mistake(top_descriptor_pool, name, kind=kind)
    def _(x, /, **options):
        return best(x, **(options | wrong))


top_twin("attention by the largest", "statistic", p=8)
top_twin("attention with signs", "sign", shown=True)
top_twin("the lowest attention", "sign", sign=1)
top_twin("not made units", "denominator", raw=True)
top_twin("eps added", "place of a parameter", add=True)
top_twin("eps left out", "place of a parameter", eps=0.0)


@mistake(top_descriptor_pool, "in the order of the places", kind="order of steps")
def _(x, /, *, k, eps=1e-12):
    order = np.sort(np.argsort(-np.abs(x).sum(axis=-1), axis=-1, kind="stable")[..., :k], axis=-1)
    y = np.take_along_axis(x, order[..., None], axis=-2)
    return y / np.maximum(np.sqrt((y * y).sum(axis=-1, keepdims=True)), eps)


@honest(top_descriptor_pool, "NumPy")
def _(x, /, **options):
    return best(x, **options)
