"""What cards of operators with a channel axis share: twins and honest code written for one layout get `axis`."""

import functools

import numpy as np

from .._registry import survivor

__all__ = [
    "affine", "along_channels", "by_channel", "centered", "channels_second", "of_torch", "one_pass", "unshifted",
    "variance",
]  # fmt: skip


def by_channel(twin):
    """Let ``twin(rows, *columns, **options)``, a row a channel, be called with any `axis`, as the operator is."""

    @functools.wraps(twin)
    def call(x, *parameters, axis=1, **options):
        first = np.moveaxis(x, axis, 0)
        rows = first.reshape(len(first), -1)
        answer = twin(rows, *(p if p is None else p[:, None] for p in parameters), **options)
        y, *moments = answer if isinstance(answer, tuple) else (answer,)
        y = np.moveaxis(y.reshape(first.shape), 0, axis)
        return (y, *moments) if moments else y

    return call


def channels_second(twin):
    """Let ``twin(x, *columns, **options)`` of an x of shape (N, C, cells) be called with any `axis`."""

    @functools.wraps(twin)
    def call(x, *parameters, axis=1, **options):
        second = np.moveaxis(x, axis, 1)
        cells = second.reshape(*second.shape[:2], int(np.prod(second.shape[2:])))
        y = twin(cells, *(p if p is None else p[:, None] for p in parameters), **options)
        return np.moveaxis(y.reshape(second.shape), 1, axis)

    return call


def along_channels(x, parameter, axis):
    """Return a parameter with axes of length 1 but for the channel axis."""
    return parameter.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])


def of_torch(function, x, *parameters, axis):
    """Call a torch function of (N, C, ...); it knows no negative strides and no read-only memory."""
    import torch

    moved = torch.from_numpy(np.moveaxis(x, axis, 1).copy())
    return function(moved, *(p if p is None else torch.from_numpy(p.copy()) for p in parameters))


def variance(c):
    return np.mean(c * c, axis=-1, keepdims=True)


def centered(x):
    return x - np.mean(x, axis=-1, keepdims=True)


def one_pass(x):
    """Return mean and E[x^2] - E[x]^2 of rows, in float32."""
    narrow = x.astype(np.float32)
    mean = np.mean(narrow, axis=-1, keepdims=True)
    return mean, np.mean(narrow * narrow, axis=-1, keepdims=True) - mean * mean


def affine(y, weight, bias):
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def unshifted(function) -> None:
    """Write why mutants of the shift in an operator's gradient survive."""
    for what in ("y + bias -> y", "y + bias -> bias", "y + bias -> y - bias"):
        survivor(
            function,
            f"{function.__name__}_vjp > affine: return y if bias is None else y + bias: {what}",
            "unreachable: a gradient scales its cotangent and never shifts it",
        )
