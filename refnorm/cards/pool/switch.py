"""How cells are drawn, and maxima put back, wrong; and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.switch import max_unpool, stochastic_pool
from .window import greatest

conventions(max_unpool, "torch", "indices within a plane; of equal ones the last is met, or any")
conventions(max_unpool, "onnx", "indices through all planes: modulo the size of one")
conventions(stochastic_pool, "paper", "with u in training, without in testing")


def put(x, indices, output_size, backwards=True, add=False, whole=False):
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * (x.ndim - 2)
    y = np.zeros((*x.shape[:2], int(np.prod(sizes))), x.dtype)
    for plane in np.ndindex(x.shape[:2]):
        v, at = x[plane].ravel(), indices[plane].ravel()
        fits = (at >= (-y.shape[-1] if whole else 0)) & (at < y.shape[-1])
        v, at = v[fits], at[fits]
        if add:
            np.add.at(y[plane], at, v)
        else:
            y[plane][at[::-1] if backwards else at] = v[::-1] if backwards else v
    return y.reshape(*x.shape[:2], *sizes)


@mistake(max_unpool, "the last of equal indices", kind="order of steps")
def _(x, indices, /, *, output_size):
    return put(x, indices, output_size, backwards=False)


@mistake(max_unpool, "equal indices added", kind="statistic")
def _(x, indices, /, *, output_size):
    return put(x, indices, output_size, add=True)


@mistake(max_unpool, "-1 taken for the last cell", kind="tail")
def _(x, indices, /, *, output_size):
    return put(x, indices, output_size, whole=True)


@mistake(max_unpool, "rows and columns changed round", kind="axis")
def _(x, indices, /, *, output_size):
    y = put(x, indices, output_size)
    return np.ascontiguousarray(np.moveaxis(y, 2, -1)).reshape(y.shape)


@honest(max_unpool, "NumPy")
def _(x, indices, /, *, output_size):
    return put(x, indices, output_size)


def shares(x, window, stride, padding, ceil_mode):
    return np.maximum(greatest(x, window, stride, padding, 1, ceil_mode, fill=0.0), x.dtype.type(0))


def chosen(a, u):
    """Return the cell where the running sum first passes u times the sum."""
    running = np.cumsum(a, axis=-1, dtype=a.dtype)
    at = np.argmax(running > (u * running[..., -1])[..., None], axis=-1)
    y = np.take_along_axis(a, at[..., None], axis=-1)[..., 0]
    return np.where(np.isfinite(running[..., -1]), y, running[..., -1])


def expected(a):
    with np.errstate(all="ignore"):
        s = a.sum(-1, keepdims=True, dtype=a.dtype)
        y = np.where(s[..., 0] == 0, s[..., 0], (a * (a / s)).sum(-1, dtype=a.dtype))
    return np.where(np.isfinite(s[..., 0]), y, s[..., 0]).astype(a.dtype)


def draw_twin(name, kind, draw=chosen, mean=expected):
    @mistake(stochastic_pool, name, kind=kind)
    def _(x, u=None, /, *, window, stride=None, padding=0, ceil_mode=False):
        a = shares(x, window, stride, padding, ceil_mode)
        return mean(a) if u is None else draw(a, u)


draw_twin("drawn evenly", "statistic", draw=lambda a, u: np.take_along_axis(
    a, (u * a.shape[-1]).astype(int)[..., None], axis=-1)[..., 0])  # fmt: skip
draw_twin("drawn from the other end", "order of steps", draw=lambda a, u: chosen(a, 1 - u))
draw_twin("plain mean", "statistic", mean=lambda a: a.mean(-1))
draw_twin("maximum", "statistic", mean=lambda a: a.max(-1))
draw_twin("sum of squares not divided", "denominator", mean=lambda a: (a * a).sum(-1))


@mistake(stochastic_pool, "magnitude in place of the rectified", kind="sign")
def _(x, u=None, /, *, window, stride=None, padding=0, ceil_mode=False):
    a = shares(np.abs(x), window, stride, padding, ceil_mode)
    return expected(a) if u is None else chosen(a, u)


@honest(stochastic_pool, "NumPy")
def _(x, u=None, /, *, window, stride=None, padding=0, ceil_mode=False):
    a = shares(x, window, stride, padding, ceil_mode).astype(x.dtype)
    return expected(a) if u is None else chosen(a, u)
