"""A shorter grid of wider tokens, with a residual around it."""

from __future__ import annotations

import operator as op

import numpy as np

from .._cases import case, normal
from .._core.convolution import convolve, require_filter
from .._core.moments import centered, root_mean_square
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_shape, roomy, widen


def require_grid(x, weight, stride) -> tuple[int, int]:
    """Refuse a grid that the stride does not divide; return the stride and the width of what comes out."""
    try:
        stride = op.index(stride)
    except TypeError:
        raise TypeError(f"stride must be an int, got {stride!r}") from None
    if stride < 2 or stride % 2:
        raise ValueError(f"stride must be even and at least 2, got {stride}")
    if x.ndim != 4 or 0 in x.shape[1:] or x.shape[1] % stride or x.shape[2] % stride:
        raise ValueError(f"x must have shape (N, H, W, C), H and W multiples of {stride}, got {tuple(x.shape)}")
    wide = require_filter("weight", weight, x.shape[3], 4)
    if wide < x.shape[3] or weight.shape[2:] != (stride + 1, stride + 1):
        shape = (f"at least {x.shape[3]}", x.shape[3], stride + 1, stride + 1)
        raise ValueError(f"weight must have shape ({', '.join(map(str, shape))}), got {tuple(weight.shape)}")
    return stride, wide


def cell_means(xp, x, stride, *, roomy):
    """Return the means of stride x stride cells of (N, H, W, C)."""
    n, h, w, c = x.shape
    cells = xp.reshape(x, (n, h // stride, stride, w // stride, stride, c))
    cells = xp.reshape(xp.permute_dims(cells, (0, 1, 3, 5, 2, 4)), (n, h // stride, w // stride, c, stride * stride))
    return total(xp, cells, roomy=roomy)[..., 0] / stride**2


@operator(
    paper="liao2021searching",
    cases=[
        case("halved", normal(2, 4, 6, 3), normal(5, 3, 3, 3), normal(5), normal(3), normal(3)),
        case("by four", normal(1, 8, 4, 2), normal(2, 2, 5, 5), normal(2), normal(2), stride=4),
        case("places, loud eps", normal(1, 4, 4, 2), normal(3, 2, 3, 3), None, None, None, normal(2, 2, 3), eps=0.5),
        case("no samples", normal(0, 2, 2, 2), normal(3, 2, 3, 3)),
    ],
    bench=case("tokens", normal(16, 28, 28, 64), normal(128, 64, 3, 3), normal(128), normal(64), normal(64)),
    rows=lambda x, rng: (
        [np.resize(x[:, :32], (len(x), 2, 4, 4)), rng.normal(size=(5, 4, 3, 3)), rng.normal(size=5)],
        {},
    ),
)
def residual_spatial_reduction(
    x, weight, bias=None, gain=None, shift=None, position=None, /, *, stride=2, eps=1e-6
):  # fmt: skip
    r"""Reduce a grid of tokens to fewer and wider ones: a convolution of what is normalized, and the mean around it.

    .. math:: y = \mathrm{conv}(\mathrm{LN}(x)) + P + [\mathrm{avg}(x), 0, \ldots, 0]

    with a convolution of kernel f + 1, stride f and padding f / 2, the means of cells of f by f tokens, and zeros for
    the channels that come in addition.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Tokens on a grid, of shape (N, H, W, C).
    weight : array
        The convolution, of shape (D, C, f + 1, f + 1) with D at least C.
    bias : array, optional
        Its bias, of shape (D,).
    gain, shift : array, optional
        The affine map of the layer norm, of shape (C,).
    position : array, optional
        What is added to each place, P, of shape (H / f, W / f, D).
    stride : int
        The factor f: even, a divisor of H and W.
    eps : float
        Added to the variance of the layer norm, in units of x squared.

    Returns
    -------
    array
        (N, H / f, W / f, D), in the dtype, library and device of `x`. A NaN makes every place NaN that sees its token.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        An array has another shape, or `eps` is negative.

    Notes
    -----
    The residual is padded with zeros, not mapped. Class tokens take a linear map of their own in the released code,
    with the same residual.

    References
    ----------
    Liao et al., Searching for Efficient Multi-Stage Vision Transformers, 2021: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> refnorm.pool.residual_spatial_reduction(x, np.zeros((2, 1, 3, 3)))
    array([[[[1.5, 0. ]]]])
    """
    xp, x, weight, bias, gain, shift, position = prepare(x, weight, bias, gain, shift, position, need=2)
    f, d = require_grid(x, weight, stride)
    n, h, w, c = x.shape
    require_along(x, -1, eps)
    require_shape("bias", bias, (d,))
    require_shape("gain", gain, (c,))
    require_shape("shift", shift, (c,))
    require_shape("position", position, (h // f, w // f, d))
    tokens, kernel, b, g, s, p = widen(xp, x, weight, bias, gain, shift, position)
    spare = roomy(x, tokens)
    z = centered(xp, tokens, roomy=spare)
    z = z / root_mean_square(xp, z, eps, roomy=spare)
    z = z if g is None else z * g
    z = xp.permute_dims(z if s is None else z + s, (0, 3, 1, 2))
    main = xp.permute_dims(convolve(xp, z, kernel, b)[:, :, ::f, ::f], (0, 2, 3, 1))
    around = cell_means(xp, tokens, f, roomy=spare)
    more = xp.zeros((n, h // f, w // f, d - c), dtype=around.dtype, device=device(x))
    y = main + xp.concat([around, more], axis=-1)
    return give_back(xp, y if p is None else y + p, x)


@law(residual_spatial_reduction, normal(2, 4, 4, 3), normal(5, 3, 3, 3), normal(5))
def without_a_filter_the_means_are_left(f, x, w, b):
    y = x.reshape(2, 2, 2, 2, 2, 3).sum(axis=(2, 4)) / 4
    return f(x, 0 * w, b) - b, np.concatenate([y, np.zeros((2, 2, 2, 2))], axis=-1)


@law(residual_spatial_reduction, normal(2, 4, 4, 3), normal(5, 3, 3, 3))
def only_the_residual_sees_a_unit(f, x, w):
    return f(4 * x, w, eps=0.0) - f(x, w, eps=0.0), 3 * f(x, 0 * w, eps=0.0)


@law(residual_spatial_reduction, normal(2, 4, 4, 3), normal(5, 3, 3, 3), normal(2, 2, 5))
def places_are_added(f, x, w, p):
    return f(x, w, None, None, None, p, eps=0.5), f(x, w, eps=0.5) + p
