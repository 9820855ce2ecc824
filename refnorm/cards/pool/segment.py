"""How segment_pool is got wrong, and what frameworks put in empty segments."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.segment import segment_pool

conventions(segment_pool, "torch", "torch_geometric and scatter_reduce on zeros: empty segments hold 0", fill=0.0)
conventions(segment_pool, "tf", "tf.math.segment_mean and segment_max: empty segments hold 0", fill=0.0)
conventions(segment_pool, "jax-max", "jax.ops.segment_max: empty segments hold -inf", reduce="max", fill=float("-inf"))
conventions(segment_pool, "jax-min", "jax.ops.segment_min: empty segments hold inf", reduce="min", fill=float("inf"))


def written(x, ids, *, segments, reduce="mean", fill=0.0, start=0.0, less=0, clip=False, wrap=False):
    """The operator in plain NumPy by ufunc.at, and where its options say so, a wrong twin."""
    ids = np.clip(ids, 0, segments - 1) if clip else np.where(ids < 0, ids + segments, ids) if wrap else ids
    there = (ids >= 0) & (ids < segments)
    x, ids = x[there], ids[there]
    ufunc, first = {"max": (np.maximum, -np.inf), "min": (np.minimum, np.inf)}.get(reduce, (np.add, start))
    y = np.full((segments, *x.shape[1:]), first, x.dtype)
    ufunc.at(y, ids, x)
    n = np.bincount(ids, minlength=segments).astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    y = y / np.maximum(n - less, 1) if reduce == "mean" else y
    return np.where(n > 0, y, x.dtype.type(fill)).astype(x.dtype)


def twin(name, kind, **wrong):
    @mistake(segment_pool, name, kind=kind)
    def _(x, ids, /, **options):
        return written(x, ids, **(options | wrong))


twin("n - 1 in place of n", "denominator", less=1)
twin("empty segments hold 0", "place of a parameter", fill=0.0)
twin("ids outside go to the nearest segment", "region", clip=True)
twin("negative ids count from the end", "region", wrap=True)


@mistake(segment_pool, "sum in place of mean", kind="denominator")
def _(x, ids, /, *, reduce="mean", **options):
    return written(x, ids, reduce="sum" if reduce == "mean" else reduce, **options)


@mistake(segment_pool, "divided by the mean size", kind="denominator")
def _(x, ids, /, *, segments, reduce="mean", fill=0.0):
    y = written(x, ids, segments=segments, reduce="sum" if reduce == "mean" else reduce, fill=fill)
    return y * segments / max(1, len(ids)) if reduce == "mean" else y


@mistake(segment_pool, "the last of each segment stays", kind="statistic")  # y[ids] += x, without ufunc.at
def _(x, ids, /, *, segments, reduce="mean", fill=0.0):
    y = np.zeros((segments, *x.shape[1:]))
    there = (ids >= 0) & (ids < segments)
    y[ids[there]] += x[there]
    empty = np.bincount(ids[there], minlength=segments) == 0
    y[empty] = fill
    return y


@mistake(segment_pool, "maximum starts at 0", kind="sign")
def _(x, ids, /, *, reduce="mean", **options):
    y = written(x, ids, reduce=reduce, **options)
    return np.maximum(y, 0) if reduce == "max" else np.minimum(y, 0) if reduce == "min" else y


@mistake(segment_pool, "minimum and maximum changed over", kind="sign")
def _(x, ids, /, *, reduce="mean", **options):
    return written(x, ids, reduce={"max": "min", "min": "max"}.get(reduce, reduce), **options)


@mistake(segment_pool, "runs taken for segments", kind="order of steps")  # reduceat without sorting
def _(x, ids, /, *, segments, reduce="mean", fill=0.0):
    starts = np.flatnonzero(np.diff(ids, prepend=-99))
    out = np.full((segments, *x.shape[1:]), fill)
    for s, at in enumerate(starts[:segments]):
        end = starts[s + 1] if s + 1 < len(starts) else len(ids)
        part = x[at:end]
        out[s] = {"sum": part.sum(0), "mean": part.mean(0), "max": part.max(0), "min": part.min(0)}[reduce]
    return out


@mistake(segment_pool, "last member left out", kind="tail")
def _(x, ids, /, **options):
    return written(x[:-1], ids[:-1], **options)


@mistake(segment_pool, "NaN passed over", kind="NaN")
def _(x, ids, /, **options):
    return written(np.where(np.isnan(x), 0, x), ids, **options)


@mistake(segment_pool, "summed in half", kind="narrow accumulator")
def _(x, ids, /, **options):
    return written(x.astype(np.float16), ids, **options).astype(x.dtype)


@honest(segment_pool, "NumPy, ufunc.at")
def _(x, ids, /, **options):
    return written(x, ids, **options)


@honest(segment_pool, "torch, scatter_reduce", needs="torch")
def _(x, ids, /, *, segments, reduce="mean", fill=0.0):
    import torch

    there = (ids >= 0) & (ids < segments)
    rows, at = torch.from_numpy(x[there].copy()), torch.from_numpy(ids[there].astype("int64"))
    flat = rows.reshape(len(at), int(np.prod(x.shape[1:])))
    how = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin"}[reduce]
    y = torch.full((segments, flat.shape[1]), 0.0, dtype=rows.dtype)
    y = y.scatter_reduce(0, at[:, None].expand_as(flat), flat, how, include_self=False)
    y[torch.bincount(at, minlength=segments) == 0] = fill
    return y.reshape(segments, *x.shape[1:]).numpy()
