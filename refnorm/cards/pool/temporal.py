"""How pooling along time is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.temporal import change_point_pool, recurrent_conv_text_pool, selective_temporal_max_pool

conventions(selective_temporal_max_pool, "hstl", "FTA, for one strip of rows")
conventions(change_point_pool, "paper", "as catalogued, not confirmed", min_length=1)
conventions(recurrent_conv_text_pool, "paper", "as catalogued, not confirmed; others use relu", activation="tanh")


def softmax(s):
    """Of two: the logistic function of their difference, which knows what to say of one infinity."""
    d = s[0] - s[1]
    return np.stack([1 / (1 + np.exp(-d)), 1 / (1 + np.exp(d))])


def chosen(x, w, b, *, pads=(0, 1), sizes=(3, 5), reduce=np.max, over=np.mean, fill=-np.inf, turn=False, gate=softmax):
    n = (x.shape[2] - 3) // 3 + 1
    outs = []
    for size, pad in zip(sizes, pads, strict=True):
        width = [(0, 0), (0, 0), (pad, 5)] + [(0, 0)] * (x.ndim - 3)
        seen = np.pad(x, width, constant_values=fill)
        outs.append(
            np.stack(
                [reduce(seen[:, :, 3 * t : min(3 * t + size, x.shape[2] + 2 * pad)], axis=2) for t in range(n)], axis=2
            )
        )
    g = over((outs[0] + outs[1]).reshape(*outs[0].shape[:3], int(np.prod(x.shape[3:]))), axis=-1)
    with np.errstate(all="ignore"):
        a = gate(np.stack([np.swapaxes(np.swapaxes(g, 1, 2) @ m.T + c, 1, 2) for m, c in zip(w, b, strict=True)]))
    a = a.reshape(*a.shape, *[1] * (x.ndim - 3))
    a = a[::-1] if turn else a
    return (a[0] * outs[0] + a[1] * outs[1]).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(selective_temporal_max_pool, name, kind=kind)
    def _(*arrays):
        return chosen(*arrays, **wrong)


twin("no padding of the wide window", "region", pads=(0, 0))
twin("zeros for padding", "NaN", fill=0.0)
twin("sum over space", "denominator", over=np.sum)
twin("largest over space", "statistic", over=np.max)
twin("weights changed over", "sign", turn=True)
twin("both windows of three", "region", sizes=(3, 3), pads=(0, 0))
twin("gates of their own", "denominator", gate=lambda s: 1 / (1 + np.exp(-s)))


@mistake(selective_temporal_max_pool, "matrices transposed", kind="order of steps")
def _(x, w, b, /):
    return chosen(x, np.swapaxes(w, 1, 2), b)


@honest(selective_temporal_max_pool, "NumPy", baseline=True)
def _(*arrays):
    return chosen(*arrays)


def cut(x, *, threshold, min_length=1, first=False, half=False, raw=False, share=True, flip=False):
    flat = x.reshape(-1, *x.shape[-2:])
    y, ids = np.zeros_like(flat), np.zeros(flat.shape[:2], int)
    for b, frames in enumerate(flat):
        u = frames / np.maximum(np.sqrt(np.sum(frames**2, axis=-1, keepdims=True)), x.dtype.type(1e-8))
        u = frames if raw else u
        s, start = 0, 0
        for t in range(1, len(frames)):
            c = 1 - np.sum(u[t] * u[start if first else t - 1])
            if (c < threshold if flip else c > threshold) and t - start >= (1 if half else min_length):
                s, start = s + 1, t
            ids[b, t] = s
        for k in range(s + 1):
            here = frames[ids[b] == k]
            y[b, k] = np.mean(here, axis=0) if share else np.sum(here, axis=0)
    return y.reshape(x.shape), ids.reshape(x.shape[:-1])


def cut_twin(name, kind, /, **wrong):
    @mistake(change_point_pool, name, kind=kind)
    def _(x, /, **options):
        return cut(x, **(options | wrong))


cut_twin("change since the segment began", "statistic", first=True)
cut_twin("any length", "place of a parameter", half=True)
cut_twin("products without units", "denominator", raw=True)
cut_twin("sum of the frames", "denominator", share=False)
cut_twin("cut where nothing changes", "sign", flip=True)
cut_twin("another threshold", "place of a parameter", threshold=1.2)


@honest(change_point_pool, "NumPy", baseline=True)
def _(x, /, **options):
    return cut(x, **options)


def read(
    x, wl, sl, wr, sr, w, b, first=None, last=None, *, activation="tanh", own=False, reduce=np.max, end=np.tanh,
    order=(0, 1, 2),
):  # fmt: skip
    f = np.tanh if activation == "tanh" else (lambda z: np.maximum(z, 0))
    n, zero = x.shape[-2], np.zeros((*x.shape[:-2], wl.shape[0]), x.dtype)
    cl, cr = [zero + (0 if first is None else first)], [zero + (0 if last is None else last)]
    for t in range(n - 1):
        cl.append(f(cl[-1] @ wl + x[..., t + own, :] @ sl))
        cr.append(f(cr[-1] @ wr + x[..., n - 1 - t - own, :] @ sr))
    parts = np.stack(cl, axis=-2), x, np.stack(cr[::-1], axis=-2)
    z = np.concatenate([parts[i] for i in order], axis=-1)
    return reduce(end(z @ w + b), axis=-2).astype(x.dtype)


def read_twin(name, kind, /, **wrong):
    @mistake(recurrent_conv_text_pool, name, kind=kind)
    def _(*arrays, **options):
        return read(*arrays, **(options | wrong))


read_twin("contexts see their own word", "region", own=True)
read_twin("mean over the words", "statistic", reduce=np.mean)
read_twin("no tanh at the end", "statistic", end=lambda z: z)
read_twin("contexts before the word", "order of steps", order=(0, 2, 1))
read_twin("tanh in any case", "place of a parameter", activation="tanh")


@mistake(recurrent_conv_text_pool, "contexts at the ends left out", kind="place of a parameter")
def _(*arrays, **options):
    return read(*arrays[:7], **options)


@mistake(recurrent_conv_text_pool, "one map for both sides", kind="statistic")
def _(x, wl, sl, wr, sr, *rest, **options):
    return read(x, wl, sl, wl, sl, *rest, **options)


@honest(recurrent_conv_text_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return read(*arrays, **options)
