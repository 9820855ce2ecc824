"""x over a root of the energy of its neighbours: every channel is a weighted neighbour of every other."""

from __future__ import annotations

import math

from .._cases import case, normal, positive, uniform
from .._core.channels import as_rows, channel_of, moved
from .._lanes import load, packed, run, scratch, takes
from .._registry import gradient, law, operator
from .._xp import check_out, give_back, like_weight, prepare, require_same_shape, require_shape, roomy, widen

kernels = load(__name__)

INFINITY = float("inf")
ROWS, STRIP, SHARES = 4, 48, 16  # of the kernel: rows packed together, sites of whole strips, shares of all tiles


def magnitude(xp, x):
    """Return |x|; at 0 its gradient is 0 in every library, where JAX gives that of abs as 1."""
    return xp.where(x == 0, xp.zeros_like(x), xp.abs(x))


def scale_of(xp, x, *, roomy):
    """Return what to divide the channels of a place by so that no square overflows: the largest magnitude, or 1."""
    if roomy:
        return xp.ones_like(x[:1, :])
    largest = xp.max(magnitude(xp, x), axis=0, keepdims=True)
    large = (largest > xp.finfo(x.dtype).max ** 0.25) & (largest < INFINITY)
    return xp.where(large, largest, xp.ones_like(largest))


def pooled(xp, x, weight, bias, simplified, *, roomy):
    """Return (energy, pool, s) of columns: pool = bias + weight @ energy, both in units of s or of its square."""
    s = scale_of(xp, x, roomy=roomy)
    scaled = x / s
    if simplified:
        energy = magnitude(xp, scaled)
        return energy, bias / s + xp.matmul(weight, energy), s
    energy = scaled * scaled
    return energy, bias / s / s + xp.matmul(weight, energy), s


def require_parameters(x, channel, weight, bias) -> None:
    """Refuse a matrix and a vector that are not of the channels of `x`, and an `x` without channels."""
    n = x.shape[channel]
    if n == 0:
        raise ValueError(f"x must have at least one channel, got an array of shape {tuple(x.shape)}")
    require_shape("weight", weight, (n, n))
    require_shape("bias", bias, (n,))


def tiled(xp, channel, *arrays):
    """Return the place of the channel axis and (samples, C, sites) views; one sample where one would have few sites."""
    shape = arrays[0].shape
    others = shape[:channel] + shape[channel + 1 :]
    to = 1 if len(others) > 1 and math.prod(others[1:]) >= STRIP else 0
    form = (math.prod(others[:to]), shape[channel], math.prod(others[to:]))
    rows = moved(xp, channel, to, *arrays)
    return to, *(a if a is None else xp.reshape(a, form) for a in rows)


def rooms(x, count):
    """Return scratch for each share of the tiles of (samples, C, sites), `count` tiles of it, and the sites of one."""
    samples, n, sites = x.shape
    most = max(STRIP, min(2 * STRIP, (1 << 14) // n // STRIP * STRIP))
    tiles = samples * -(-sites // most)
    # a share of the gradient holds a matrix: all of them no more than 64 MB
    shares = SHARES if count < 4 else max(1, min(SHARES, (1 << 23) // (n * n)))
    return scratch((max(1, min(tiles, shares)), count, (n + 24) * most + 8), "float64"), most


def untiled(xp, y, to, channel, shape):
    """Return (samples, C, sites) in the shape of the data: the inverse of `tiled`."""
    others = shape[:channel] + shape[channel + 1 :]
    y = xp.reshape(y, (*others[:to], shape[channel], *others[to:]))
    return moved(xp, to, channel, y)[0]


def divided_by_kernel(xp, x, weight, bias, channel, inverse, simplified, out):
    """Return the answer by a kernel."""
    to, tiles, into = tiled(xp, channel, x, out)
    room, most = rooms(tiles, 3)
    how = (packed(weight, ROWS), packed(bias, ROWS), room, most, inverse, simplified)
    y = run(kernels.generalized_divisive_norm, tiles, *how, out=into, units=len(room))
    return untiled(xp, y, to, channel, x.shape)


def pulled_by_kernel(xp, g, x, weight, bias, channel, inverse, simplified):
    """Return the cotangents of all arrays by a kernel, those of the parameters in float64."""
    n = x.shape[channel]
    to, tiles, beside = tiled(xp, channel, x, g)
    room, most = rooms(tiles, 7)
    by_rows, by_columns = packed(weight, ROWS), packed(xp.matrix_transpose(weight), ROWS)
    how = (by_rows, by_columns, packed(bias, ROWS), room, most, inverse, simplified)
    sums = dict(parts=(len(room), n * (n + 1)), units=len(room))
    dx, parts = run(kernels.generalized_divisive_norm_vjp, beside, tiles, *how, **sums)
    return untiled(xp, dx, to, channel, x.shape), xp.reshape(parts[: n * n], (n, n)), parts[n * n :]


@operator(
    paper=("balle2015density", "matsubara2021supervised"),
    kernel="generalized_divisive_norm",
    cases=[
        case("planes", normal(2, 3, 4, 5), uniform(3, 3), positive(3)),
        case("inverse", normal(2, 5, 3), uniform(5, 5), positive(5), inverse=True),
        case("simplified", normal(2, 4, 3), uniform(4, 4), positive(4), simplified=True),
        case("simplified inverse", normal(3, 4, 2), uniform(4, 4), positive(4), simplified=True, inverse=True),
        case("channels last", normal(2, 3, 5, mean=3.0), uniform(5, 5), positive(5), axis=-1),
        case("no samples", normal(0, 3, 4), uniform(3, 3), positive(3)),
    ],
    bench=case("planes", normal(8, 64, 64, 64), uniform(64, 64), positive(64)),
    rows=lambda x, rng: ([x[None], rng.uniform(size=(len(x),) * 2), rng.uniform(0.5, 2, size=len(x))], {}),
)
def generalized_divisive_norm(x, weight, bias, /, *, axis=1, inverse=False, simplified=False, out=None):
    r"""Divide every channel of `x` by the root of a weighted sum of the squares of all channels at its place.

    .. math:: y_i = \frac{x_i}{n_i} \quad\text{or, inverse,}\quad y_i = x_i n_i, \qquad
        n_i = \Bigl( \beta_i + \sum_j \gamma_{ij} x_j^2 \Bigr)^{1/2}
        \quad\text{or, simplified,}\quad n_i = \beta_i + \sum_j \gamma_{ij} |x_j|

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, C, *spatial).
    weight : array
        The matrix :math:`\gamma`, of shape (C, C), not below zero; a row for each channel of the answer.
    bias : array
        The vector :math:`\beta`, of shape (C,), above zero.
    axis : int
        The channel axis. -1 for channels-last data.
    inverse : bool
        Multiply in place of dividing: the layer of the decoder. It is one step of a fixed-point iteration that
        inverts the other, not its inverse function.
    simplified : bool
        Take magnitudes for squares and leave the root out (GDN1).
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`, empty where `x` is. Signs are kept. A NaN makes all channels of
        its place NaN, and so does an infinity under a weight of 0; under weights above 0 an infinity makes itself
        NaN and the other channels 0 (infinite, where `inverse`). Where the sum is below zero the root is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is not one int.
    ValueError
        `weight` has not the shape (C, C) or `bias` not (C,), `x` has no channel or no axis `axis`, `out` overlaps.

    Notes
    -----
    The parameters are the effective ones. CompressAI stores roots, p = max(stored, bound)^2 - 2^-36, with a bound
    that keeps beta at 1e-6 at least; its docstring writes gamma with its indices the other way round, its code
    computes what stands here. TensorFlow Compression multiplies by gamma from the right (hand over the transpose),
    takes magnitudes without a root by default, and channels last. The released code of the second paper takes
    CompressAI's simplified form. See ``refnorm conventions generalized_divisive_norm``.

    References
    ----------
    Ballé, Laparra and Simoncelli, Density Modeling of Images using a Generalized Normalization Transformation, 2015
    (not read again: the formula is that of TensorFlow Compression's code, and of CompressAI's as catalogued).
    Matsubara et al., Supervised Compression for Resource-Constrained Edge Computing Systems, 2021.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, gamma, beta = np.array([[3.0, 4.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([9.0, 16.0])
    >>> refnorm.norm.generalized_divisive_norm(x, gamma, beta)
    array([[0.6, 0.8]])
    >>> refnorm.norm.generalized_divisive_norm(x, gamma, beta, simplified=True, inverse=True)
    array([[39., 76.]])
    """
    xp, x, weight, bias = prepare(x, weight, bias, need=3)
    channel = channel_of(x, axis)
    require_parameters(x, channel, weight, bias)
    check_out(out, x, weight, bias)
    if takes(kernels, x, weight, bias):
        y = divided_by_kernel(xp, x, weight, bias, channel, inverse, simplified, out)
    else:
        (planes,) = moved(xp, channel, 0, x)
        columns, w, b = as_rows(xp, *widen(xp, planes, weight, bias))
        _, n, s = pooled(xp, columns, w, b, simplified, roomy=roomy(x, columns))
        n = n if simplified else xp.sqrt(n)
        y = columns * n * s if inverse else columns / s / n
        (y,) = moved(xp, 0, channel, xp.reshape(y, planes.shape))
    return give_back(xp, y, x, out=out)


@gradient(generalized_divisive_norm)
def generalized_divisive_norm_vjp(cotangent, x, weight, bias, /, *, axis=1, inverse=False, simplified=False):
    r"""Return the cotangents of all arrays for a cotangent of ``generalized_divisive_norm(x, weight, bias)``.

    .. math::
        \bar x_j = \bar y_j n_j^{\mp 1} + e'_j \sum_i \gamma_{ij} t_i, \quad
        \bar\gamma_{ij} = \sum t_i e_j, \quad \bar\beta_i = \sum t_i, \quad
        t_i = \mp \frac{\bar y_i y_i}{q P_i}

    with :math:`P_i = \beta_i + \sum_j \gamma_{ij} e_j`, :math:`e = x^2` and q = 2, or simplified :math:`e = |x|` and
    q = 1; the lower sign is that of the inverse. Sums without limits run over all axes but the channel axis.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, weight, bias, axis, inverse, simplified
        As in :func:`generalized_divisive_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias)``. The slope of a magnitude at 0 counts as 0.

    Raises
    ------
    TypeError, ValueError
        As in :func:`generalized_divisive_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the norm of Ballé, Laparra and Simoncelli, 2015; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> one = np.ones((1, 1))
    >>> dx, dw, db = refnorm.norm.generalized_divisive_norm_vjp(one, one, 3 * one, one[0])
    >>> dx, dw, db  # x / sqrt(1 + 3 x^2) has the slope 1 / 8 at 1
    (array([[0.125]]), array([[-0.0625]]), array([-0.0625]))
    """
    xp, cotangent, x, weight, bias = prepare(cotangent, x, weight, bias, need=4)
    channel = channel_of(x, axis)
    require_same_shape("cotangent", cotangent, x)
    require_parameters(x, channel, weight, bias)
    if takes(kernels, cotangent, x, weight, bias):
        how = (channel, inverse, simplified)
        dx, dw, db = pulled_by_kernel(xp, cotangent, x, weight, bias, *how)
    else:
        g, planes = moved(xp, channel, 0, cotangent, x)
        g, columns, w, b = as_rows(xp, *widen(xp, g, planes, weight, bias))
        energy, pool, s = pooled(xp, columns, w, b, simplified, roomy=roomy(x, columns))
        n = pool if simplified else xp.sqrt(pool)
        gain = n * s if inverse else 1 / n / s
        t = g * columns * gain / pool * ((1 if simplified else 0.5) * (1 if inverse else -1))
        slope = xp.sign(columns) / s if simplified else 2 * (columns / s / s)
        dx = xp.reshape(g * gain + slope * xp.matmul(xp.matrix_transpose(w), t), planes.shape)
        dw, db = xp.matmul(t, xp.matrix_transpose(energy)), xp.sum(t / s if simplified else t / s / s, axis=1)
        (dx,) = moved(xp, 0, channel, dx)
    return give_back(xp, dx, x), like_weight(xp, dw, weight), like_weight(xp, db, bias)


@law(generalized_divisive_norm, normal(2, 3, 5), uniform(3, 3), positive(3))
def the_pair_cancels(f, x, weight, bias):
    """x / n times n(x): the inverse multiplies by what the other divides by."""
    return f(x, weight, bias) * f(x, weight, bias, inverse=True), x * x


@law(generalized_divisive_norm, normal(2, 3, 5), positive(3))
def without_neighbours_it_is_a_scale(f, x, bias):
    return f(x, 0 * bias[:, None] * bias, bias), x / bias[:, None] ** 0.5


@law(generalized_divisive_norm, normal(2, 3, 5), uniform(3, 3), positive(3))
def scale_is_shared_with_the_bias(f, x, weight, bias):
    return f(4 * x, weight, 16 * bias), f(x, weight, bias)


@law(generalized_divisive_norm, normal(2, 3, 5), uniform(3, 3), positive(3))
def squares_and_the_simplified_form(f, x, weight, bias):
    return f(x * x, weight, bias, simplified=True), f(x, weight, bias) ** 2


@law(generalized_divisive_norm, normal(2, 3, 5), uniform(3, 3), positive(3))
def rows_of_the_weight_are_channels_of_the_answer(f, x, weight, bias):
    one = x[:, 0] / (bias[0] + sum(weight[0, j] * x[:, j] ** 2 for j in range(3))) ** 0.5
    return f(x, weight, bias)[:, 0], one
