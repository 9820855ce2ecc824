"""Maps by the ends of a row: its smallest and largest value, or two of its order statistics."""

from __future__ import annotations

from .._cases import case, normal
from .._registry import law, operator
from .._xp import check_out, give_back, prepare, require_along, to_rows, widen


@operator(
    paper=("du2024parameter", "nagar2024remote"),
    cases=[
        case("rows", normal(4, 8)),
        case("loud eps", normal(3, 7), eps=0.5),
        case("bands of an image", normal(5, 3, 4, mean=30.0), axis=(0, 1), eps=0.25),
        case("columns", normal(5, 9, mean=100.0), axis=0),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 1024)),
)
def min_max_normalize(x, /, *, axis=-1, eps=0.0, out=None):
    r"""Map the smallest value along `axis` to 0 and the largest to 1.

    .. math:: y_i = \frac{x_i - \min_j x_j}{\max_j x_j - \min_j x_j + \epsilon}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    axis : int or tuple of int
        The axis to take the ends over; several count as one: ``axis=(0, 1)`` for each band of an image.
    eps : float
        Added to the range, in units of x.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A constant row is NaN, and 0 where eps > 0. A NaN makes its row
        NaN. +inf makes itself NaN and the rest of its row 0, -inf its whole row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `eps` is no number.
    ValueError
        `axis` is empty or missing, `eps` is negative, `out` overlaps.

    Notes
    -----
    scikit-learn's MinMaxScaler takes each column, ``axis=0``, as its convention says, and divides by 1 where a column
    is constant (its range below 10 machine eps): ``eps=2.0**-1022`` gives 0 there too, and changes no row that is not.
    The native formula takes float32's least, 2**-126.
    See ``refnorm conventions min_max_normalize``.

    References
    ----------
    Du et al., Parameter Competition Balancing for Model Merging, 2024 (as catalogued from its code: no eps).
    Nagar et al., Remote sensing framework for geological mapping via stacked autoencoders and clustering, 2024 (not
    read again; the formula is confirmed against scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.min_max_normalize(np.array([2.0, 6.0, 3.0]))
    array([0.  , 1.  , 0.25])
    """
    xp, x = prepare(x)
    require_along(x, axis, eps)
    check_out(out, x)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    low = xp.min(wide, axis=-1, keepdims=True)
    high = xp.max(wide, axis=-1, keepdims=True)
    # a range of more than the largest number is halved first; halving denormals would lose digits
    far = high / 2 - low / 2 > float(xp.finfo(wide.dtype).max) / 4
    part = xp.where(far, xp.full_like(low, 0.5), xp.ones_like(low))
    y = (wide * part - low * part) / (high * part - low * part + eps * part)
    return give_back(xp, y, x, axis, out)


@law(min_max_normalize, normal(4, 8))
def shift_and_scale_go(f, x):
    return f(4 * x + 2), f(x)


@law(min_max_normalize, normal(4, 8))
def upside_down(f, x):
    return f(-x), 1 - f(x)


@law(min_max_normalize, normal(4, 8))
def eps_is_in_units_of_x(f, x):
    return f(4 * x, eps=2.0), f(x, eps=0.5)


def require_shares(**shares) -> None:
    """Refuse a share that is no number from 0 to below 1."""
    for name, share in shares.items():
        if not isinstance(share, int | float):
            raise TypeError(f"{name} must be a number, got {type(share).__name__}")
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be a share of the row, at least 0 and below 1, got {share!r}")


@operator(
    paper="du2024parameter",
    cases=[
        case("rows", normal(4, 8), low=0.25, high=0.125),
        case("uneven", normal(3, 37), low=0.1, high=0.2),
        case("the ends cross", normal(3, 10), low=0.5, high=0.9),
        case("nearly all off", normal(3, 7), low=0.0, high=0.95),
        case("two axes", normal(3, 5, 4, mean=30.0), low=0.3, high=0.0, axis=(0, 2)),
        case("no rows", normal(0, 4), low=0.25, high=0.25),
    ],
    bench=case("rows", normal(4096, 1024), low=0.05, high=0.05),
    rows=lambda x, rng: ([x], {"low": 0.1, "high": 0.05}),
)
def order_statistic_clip(x, /, *, low, high, axis=-1, out=None):
    r"""Clip the smallest and largest values along `axis` to order statistics of the row.

    .. math:: y_i = \min(\max(x_i, x_{(k)}), x_{(l)}), \qquad
        k = \operatorname{trunc}(d \, q_-), \quad l = \operatorname{trunc}(d \, (1 - q_+) - 1)

    where :math:`x_{(0)} \le \dots \le x_{(d-1)}` are the d values of a row in order.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    low, high : float
        The shares :math:`q_-` and :math:`q_+` of a row that are clipped from below and from above: at least 0 and
        below 1. There is no default.
    axis : int or tuple of int
        The axis to take the order statistics over; several count as one.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`: values of the row, not rounded. Where the lower end is above the
        upper, all of them become the upper. A NaN makes its row NaN; infinities are values like others.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or a share is no number.
    ValueError
        A share is not in 0..1, `axis` is empty or missing, or `out` overlaps.

    Notes
    -----
    The places are worked out in floating point and cut towards zero, as released: for d = 10 and `high` 0.9 the
    product falls just short of 0 and the place is 0, not -1. Nothing is interpolated, unlike a quantile.

    References
    ----------
    Du et al., Parameter Competition Balancing for Model Merging, 2024 (the clamp of its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.order_statistic_clip(np.array([9.0, 1.0, 5.0, 3.0]), low=0.25, high=0.25)
    array([5., 3., 5., 3.])
    """
    xp, x = prepare(x)
    require_shares(low=low, high=high)
    require_along(x, axis)
    check_out(out, x)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    ordered, d = xp.sort(wide, axis=-1), rows.shape[-1]
    first, last = int(d * low), int(d * (1 - high) - 1)
    least, most = ordered[..., first : first + 1], ordered[..., last : last + 1]
    y = xp.where(wide < least, least, wide)
    y = xp.where(y > most, most, y)
    blank = xp.any(xp.isnan(wide), axis=-1, keepdims=True)  # libraries sort NaN where they like
    return give_back(xp, xp.where(blank, xp.full_like(y, float("nan")), y), x, axis, out)


@law(order_statistic_clip, normal(4, 8))
def an_increasing_map_goes_through(f, x):
    return f(x**3, low=0.25, high=0.125), f(x, low=0.25, high=0.125) ** 3


@law(order_statistic_clip, normal(4, 8))
def clipped_once_for_all(f, x):
    return f(f(x, low=0.25, high=0.25), low=0.25, high=0.25), f(x, low=0.25, high=0.25)


@law(order_statistic_clip, normal(4, 8))
def the_ends_change_places(f, x):
    return f(-x, low=0.25, high=0.5), -f(x, low=0.5, high=0.25)
