"""How generalized means of parts are got wrong, and what released code calls them with."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..._registry import conventions, honest, mistake
from ...pool.local_gem import regional_gem_pool, scale_gem_pool, strip_gem_pool
from .gem import held, power_mean

conventions(regional_gem_pool, "superglobal", "rgem.py", window=5, p=2.5)
conventions(scale_gem_pool, "superglobal", "sgem.py: the maximum of unit descriptors", p=None)
conventions(scale_gem_pool, "superglobal, finite", "sgem.py where a power is asked", p=10.0)
conventions(strip_gem_pool, "hstl", "GeMHPP, ASTP", p=6.5, eps=1e-6)


def around(x, window, p, mode="reflect", divide=True, rectify=True):
    """Return the p-mean of the window round every site."""
    each = window if isinstance(window, tuple) else (window,) * (x.ndim - 2)
    padded = np.pad(x, [(0, 0), (0, 0)] + [(n // 2, n // 2) for n in each], mode=mode)
    seen = sliding_window_view(padded, each, axis=tuple(range(2, x.ndim)))
    seen = seen.reshape(*x.shape, int(np.prod(each)))
    seen = np.maximum(seen, 0) if rectify else seen
    top = np.max(np.abs(seen), axis=-1, keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, 1).astype(x.dtype)
    with np.errstate(all="ignore"):
        powers = (seen / top) ** x.dtype.type(p)
        s = powers.mean(-1) if divide else powers.sum(-1)
        return (top[..., 0] * s ** x.dtype.type(1 / p)).astype(x.dtype)


def regional_twin(name, kind, share=0.5, **wrong):
    @mistake(regional_gem_pool, name, kind=kind)
    def _(x, /, *, window=5, p=2.5):
        return (1 - share) * x + share * around(x, window, **({"p": p} | wrong))


regional_twin("last cell repeated", "tail", mode="symmetric")
regional_twin("zeros around", "tail", mode="constant")
regional_twin("sum in place of mean", "denominator", divide=False)
regional_twin("not rectified", "sign", rectify=False)
regional_twin("x left out", "statistic", share=1.0)
regional_twin("p always 2.5", "place of a parameter", p=2.5)


@honest(regional_gem_pool, "NumPy")
def _(x, /, *, window=5, p=2.5):
    half = x.dtype.type(0.5)
    return half * x + half * around(x, window, p)


def unit(x):
    top = np.max(np.abs(x), axis=-1, keepdims=True)
    x = x / np.where((top > 0) & np.isfinite(top), top, 1).astype(x.dtype)
    with np.errstate(all="ignore"):
        size = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
        return x / np.where(size == 0, 1, size).astype(x.dtype)


def scales(x, p, least=None, divide=True):
    g = (x.min() if x.size else x.dtype.type(0)) if least is None else least(x)
    d = x - g
    top = np.max(d, axis=0, keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, 1).astype(x.dtype)
    with np.errstate(all="ignore"):
        s = ((d / top) ** x.dtype.type(p)).sum(0) / (x.dtype.type(len(x)) if divide else 1)
        return (top[0] * s ** x.dtype.type(1 / p) + (g[0] if np.ndim(g) else g)).astype(x.dtype)


def scale_twin(name, kind, top=lambda x: unit(x).max(axis=0), **wrong):
    @mistake(scale_gem_pool, name, kind=kind)
    def _(x, /, *, p=None):
        return top(x) if p is None else scales(x, **({"p": p} | wrong))


scale_twin("maximum not of unit vectors", "order of steps", top=lambda x: x.max(axis=0))
scale_twin("normalized after the maximum", "order of steps", top=lambda x: unit(x.max(axis=0)))
scale_twin("mean of unit vectors", "statistic", top=lambda x: unit(x).mean(axis=0))
scale_twin("least of each image", "region", least=lambda x: x.min(axis=(0, 2), keepdims=True))
scale_twin("nothing taken off", "statistic", least=lambda x: x.dtype.type(0))
scale_twin("sum in place of mean", "denominator", divide=False)


@honest(scale_gem_pool, "NumPy")
def _(x, /, *, p=None):
    return unit(x).max(axis=0) if p is None else scales(x, p)


def strips(x, split, p, eps, pool=np.max, turn=lambda m: m):
    m = turn(pool(x, axis=2))
    each = np.broadcast_to(np.asarray(p, "float64"), (len(split),))
    y, row = [], 0
    for size, one in zip(split, each, strict=True):
        cells = m[:, :, row : row + size].reshape(*m.shape[:2], size * m.shape[3])
        y.append(power_mean(held(cells.astype("float64"), eps), one))
        row = (row + size) % m.shape[2]
    return np.stack(y, axis=2).astype(x.dtype)


def strip_twin(name, kind, **wrong):
    @mistake(strip_gem_pool, name, kind=kind)
    def _(x, /, *, split, p=6.5, eps=1e-6):
        return strips(x, split, **({"p": p, "eps": eps} | wrong))


strip_twin("mean over time", "statistic", pool=np.mean)
strip_twin("eps left out", "place of a parameter", eps=1e-300)
strip_twin("plain mean", "statistic", p=1.0)
strip_twin("strips from below", "axis", turn=lambda m: m[:, :, ::-1])
strip_twin("p always 6.5", "place of a parameter", p=6.5)


@honest(strip_gem_pool, "NumPy")
def _(x, /, *, split, p=6.5, eps=1e-6):
    return strips(x, split, p, eps)
