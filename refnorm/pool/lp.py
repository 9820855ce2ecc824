"""(sum of |x|^p)^(1/p) over sliding windows of (N, C, *spatial)."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.norms import power_length
from .._core.windows import cells, cells_back, windows
from .._registry import gradient, law, operator
from .._xp import give_back, prepare, require_shape, require_switch, roomy, widen
from .window import BENCH, lines, pooled_shape


def require_power(p) -> None:
    """Refuse a power that is no number, not above zero, or infinite."""
    if not isinstance(p, int | float):
        raise TypeError(f"p must be a real number, got {type(p).__name__}")
    if not 0 < p < math.inf:
        raise ValueError(f"p must be finite and above zero, got {p!r}: the limit at infinity is max_pool")


@operator(
    paper="sermanet2012convolutional",
    cases=[
        case("plane", normal(2, 3, 6, 7), window=2),
        case("signed", normal(2, 3, 7, 8, mean=2.5), window=3, stride=2, padding=1, p=3, signed=True),
        case("no whole power", normal(1, 2, 8, 9), window=(3, 2), stride=(2, 3), p=2.37),
        case("sum, signed", normal(2, 3, 11), window=3, stride=1, p=1, signed=True),
        case("half a power", normal(2, 3, 11, mean=1.0), window=3, stride=2, p=0.5),
        case("dilated, one side", normal(1, 2, 9, 8), window=2, stride=1, dilation=3, padding=((1, 0), (0, 2)), p=4),
        case("ceil, one taken back", normal(1, 2, 4, 7), window=2, stride=3, padding=1, ceil_mode=True, p=1.0),
        case("far from one", normal(1, 2, 4, 6, std=1e3), window=2, p=90),
        case("no images", normal(0, 3, 6, 6), window=2),
    ],
    bench=case("plane", BENCH, window=2),
    rows=lambda x, rng: ([x[:, None]], {"window": 4, "stride": 3}) if x.shape[1] < 10_000 else lines(x, rng),
)
def lp_pool(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
    r"""Take the p-norm of every window sliding over the spatial axes of `x`.

    .. math:: y_o = \Bigl( \sum_{j < k} |x_{s o - q + d j}|^p \Bigr)^{1/p}

    along each spatial axis, where :math:`k` is the window, :math:`s` the stride, :math:`q` the padding before, with
    zeros, and :math:`d` the dilation.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), any number of spatial axes.
    window, stride, padding, dilation, ceil_mode
        As in :func:`max_pool`.
    p : float
        The power, above zero: 1 is the sum of magnitudes, 2 the length, a large one approaches the maximum.
    signed : bool
        Whether x itself is raised to the power, not its magnitude: a sum below zero then has no root, and is NaN but
        where p is 1, as is any x below zero where p is no whole number.

    Returns
    -------
    array
        (N, C, *pooled), in the dtype, library and device of `x`. A NaN or an infinity makes its windows so.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `p` is no number, `signed` no bool, or another option no integer.
    ValueError
        `p` is not above zero, no window fits, a window would see nothing but padding, or an option has the wrong
        length.

    Notes
    -----
    torch raises x itself (pytorch#184037), ONNX its magnitude. torch's ceil_mode multiplies the sum of a window that is
    cut off by the share it lacks, which is not done here. With the mean in place of the sum it is
    :func:`gem_pool`. See ``refnorm conventions lp_pool``.

    References
    ----------
    Sermanet et al., Convolutional Neural Networks Applied to House Numbers Digit Classification, 2012 (not read again:
    the formula is confirmed against torch and onnxruntime).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[3.0, -4.0, -1.0, 1.0]]])
    >>> refnorm.pool.lp_pool(x, window=2)
    array([[[5.        , 1.41421356]]])
    >>> refnorm.pool.lp_pool(x, window=2, p=1, signed=True)
    array([[[-1.,  0.]]])
    """
    xp, x = prepare(x)
    axes = windows(x.shape, window, stride, padding, dilation, ceil_mode)
    require_power(p)
    require_switch("signed", signed)
    (wide,) = widen(xp, x)
    seen = cells(xp, wide if signed else xp.abs(wide), axes, 0.0)
    return give_back(xp, power_length(xp, seen, p, roomy=roomy(x, wide))[..., 0], x)


@gradient(lp_pool)
def lp_pool_vjp(cotangent, x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
    r"""Return the cotangent of `x` for a cotangent of ``lp_pool(x)``.

    .. math:: \bar x_i = \sum_{o \,:\, i \in \text{window } o} \bar y_o \, \mathrm{sign}(x_i)
        \Bigl( \frac{|x_i|}{y_o} \Bigr)^{p - 1}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, window, stride, padding, dilation, ceil_mode, p, signed
        As in :func:`lp_pool`; where `signed`, x stands in place of its magnitude and its sign falls away.

    Returns
    -------
    array
        The cotangent of `x`: 0 for windows of zeros.

    Raises
    ------
    TypeError, ValueError
        As in :func:`lp_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`lp_pool`, confirmed against torch's and JAX's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.lp_pool_vjp(np.array([[[10.0]]]), np.array([[[3.0, -4.0]]]), window=2)
    array([[[ 6., -8.]]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    axes = windows(x.shape, window, stride, padding, dilation, ceil_mode)
    require_power(p)
    require_switch("signed", signed)
    require_shape("cotangent", cotangent, pooled_shape(x, axes))
    wide, g = widen(xp, x, cotangent)
    seen = cells(xp, wide, axes, 0.0)
    size = seen if signed else xp.abs(seen)
    y = power_length(xp, size, p, roomy=roomy(x, wide))
    share = xp.where(size == 0, xp.ones_like(size), size / xp.where(y == 0, xp.ones_like(y), y)) ** (p - 1)
    share = xp.where(y == 0, 0 * share, share if signed else xp.sign(seen) * share)
    if signed and p != 1:
        share = xp.where(size == 0, 0 * share, share)
    return give_back(xp, cells_back(xp, g[..., None] * share, axes), x)


@law(lp_pool, normal(2, 3, 6, 8))
def scale_comes_through_norms(f, x):
    return f(-4 * x, window=2, p=3), 4 * f(x, window=2, p=3)


@law(lp_pool, normal(2, 3, 8, 8))
def composes_norms(f, x):
    return f(f(x, window=2, p=1.5), window=2, p=1.5), f(x, window=4, p=1.5)


@law(lp_pool, normal(2, 3, 6, 8))
def one_is_the_sum(f, x):
    return f(x, window=(6, 8), p=1, signed=True)[..., 0, 0], x.sum(axis=(2, 3))


@law(lp_pool, normal(2, 3, 6, 8))
def powers_multiply(f, x):
    return f(x**2, window=3, stride=1, p=2), f(x, window=3, stride=1, p=4, signed=True) ** 2
