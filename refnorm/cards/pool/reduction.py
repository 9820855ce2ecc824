"""How a shorter grid of tokens is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.reduction import residual_spatial_reduction

conventions(residual_spatial_reduction, "vit-search", "SpatialReductionPatchEmbedding, without class tokens", eps=1e-6)


def reduced(
    x, weight, bias=None, gain=None, shift=None, position=None, *, stride=2, eps=1e-6, pad=None, front=False,
    around="mean", norm=True, flip=False, post=False,
):  # fmt: skip
    f, (n, h, w, c), d = stride, x.shape, weight.shape[0]
    k, pad = weight.shape[2], f // 2 if pad is None else pad
    t = x - x.mean(axis=-1, keepdims=True)
    z = t / np.sqrt((t * t).mean(axis=-1, keepdims=True) + x.dtype.type(eps))
    z = (z if gain is None else z * gain) + (x.dtype.type(0) if shift is None else shift)
    z = z if norm else x
    seen = np.pad(z, ((0, 0), (pad, k - 1 - pad), (pad, k - 1 - pad), (0, 0)))
    kernel = weight[:, :, ::-1, ::-1] if flip else weight
    y = np.zeros((n, h // f, w // f, d), x.dtype)
    for i in range(k):
        for j in range(k):
            y = y + seen[:, i : i + h : f, j : j + w : f] @ kernel[:, :, i, j].T
    y = y + (x.dtype.type(0) if bias is None else bias)
    cells = (z if post else x).reshape(n, h // f, f, w // f, f, c)
    skip = cells.mean(axis=(2, 4)) if around == "mean" else cells.max(axis=(2, 4))
    skip = np.pad(skip, ((0, 0), (0, 0), (0, 0), (d - c, 0) if front else (0, d - c)))
    y = y + skip if around != "none" else y
    return (y if position is None else y + position).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(residual_spatial_reduction, name, kind=kind)
    def _(*arrays, **options):
        return reduced(*arrays, **(options | wrong))


twin("not padded before", "region", pad=0)
twin("zeros in front of the residual", "region", front=True)
twin("largest in place of mean", "statistic", around="max")
twin("no residual", "statistic", around="none")
twin("not normalized", "order of steps", norm=False)
twin("residual of what is normalized", "order of steps", post=True)
twin("filters turned round", "order of steps", flip=True)
twin("eps left out", "place of a parameter", eps=0.0)


@mistake(residual_spatial_reduction, "affine map left out", kind="place of a parameter")
def _(x, weight, bias=None, gain=None, shift=None, *rest, **options):
    return reduced(x, weight, bias, None, None, *rest, **options)


@honest(residual_spatial_reduction, "NumPy", baseline=True)
def _(*arrays, **options):
    return reduced(*arrays, **options)
