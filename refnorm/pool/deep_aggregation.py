"""Strided pools of growing size, side by side."""

from __future__ import annotations

import math
import operator as op

from .._cases import case, normal
from .._core.sums import mean
from .._core.windows import around, divisors, per_axis, window_sum
from .._registry import law, operator
from .._xp import give_back, prepare, require_switch, roomy, widen


def steps_asked(window, stride) -> list[tuple[int, int]]:
    """Return (window, stride) of each pool; refuse what are not as many of the one as of the other."""
    try:
        pairs = [tuple(op.index(n) for n in sizes) for sizes in (window, stride)]
    except TypeError:
        raise TypeError(f"window and stride must be tuples of ints, got {window!r} and {stride!r}") from None
    if len(pairs[0]) != len(pairs[1]) or not pairs[0]:
        raise ValueError(f"window and stride must have one entry for each pool, got {window!r} and {stride!r}")
    if min(pairs[1]) < 1:
        raise ValueError(f"stride must be at least 1, got {stride!r}")
    return list(zip(*pairs, strict=True))


@operator(
    paper="hong2021deep",
    cases=[
        case("plane", normal(2, 3, 7, 9)),
        case("padding left out", normal(2, 2, 6, 5), window=(3, 5), stride=(2, 3), count_include_pad=False),
        case("line", normal(2, 3, 20), window=(5,), stride=(1,)),
        case("offset", normal(1, 2, 9, 8, mean=1e4), window=(3,), stride=(2,), count_include_pad=False),
        case("no images", normal(0, 3, 6, 6)),
    ],
    bench=case("plane", normal(2, 256, 32, 64)),
    rows=lambda x, rng: (
        [x[:, None]],
        {"window": (1001,), "stride": (x.shape[1] // 3,)} if x.shape[1] > 10_000 else {},
    ),
)
def dappm_pool_stack(x, /, *, window=(5, 9, 17), stride=(2, 4, 8), count_include_pad=True):
    r"""Return `x`, its means over strided windows of growing size, and its mean over everything.

    .. math:: y_0 = x, \qquad y_i = \mathrm{avgpool}_{k_i, s_i}(x), \qquad
        y_{\mathrm{last}} = \frac{1}{n} \sum_j x_j

    where windows of :math:`k_i` cells are padded by :math:`\lfloor k_i / 2 \rfloor` zeros.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial).
    window, stride : tuple of int
        The cells in a window, odd, and from one to the next, along every spatial axis, for each pool.
    count_include_pad : bool
        Whether the divisor of a mean counts padding.

    Returns
    -------
    tuple of arrays
        `x`, (N, C, *pooled) for each pool, and (N, C, 1, ...), in the dtype, library and device of `x`.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `window` or `stride` no integers, or `count_include_pad` is no bool.
    ValueError
        A spatial axis is empty, `window` is even, `stride` below 1, or `window` has not the length of `stride`.

    Notes
    -----
    The first steps of a deep aggregation pyramid (DAPPM): what follows are convolutions and a cascade of sums.

    References
    ----------
    Hong et al., Deep Dual-resolution Networks for Real-time and Accurate Semantic Segmentation of Road Scenes, 2021:
    scale1 to scale4 of DAPPM in the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[3.0, 6.0, 9.0]]])
    >>> _, pooled, whole = refnorm.pool.dappm_pool_stack(x, window=(3,), stride=(2,))
    >>> pooled, whole
    (array([[[3., 5.]]]), array([[[6.]]]))
    """
    xp, x = prepare(x)
    pools = [around(x.shape, k, stride=s) for k, s in steps_asked(window, stride)]
    require_switch("count_include_pad", count_include_pad)
    (wide,) = widen(xp, x)
    spare, parts = roomy(x, wide), []
    for axes in pools:
        n = per_axis(xp, divisors(axes, count_include_pad), wide.dtype, wide)
        parts.append(give_back(xp, window_sum(xp, wide, axes, roomy=spare) / n, x))
    whole = mean(xp, xp.reshape(wide, (*x.shape[:2], math.prod(x.shape[2:]))), roomy=spare)
    return x, *parts, give_back(xp, xp.reshape(whole, (*x.shape[:2], *(1 for _ in x.shape[2:]))), x)


@law(dappm_pool_stack, normal(2, 3, 8, 6))
def linear(f, x):
    return f(4 * x, window=(3,), stride=(2,))[1], 4 * f(x, window=(3,), stride=(2,))[1]


@law(dappm_pool_stack, normal(2, 3, 8, 6))
def shift_comes_through_where_padding_does_not_count(f, x):
    how = {"window": (3, 5), "stride": (2, 3), "count_include_pad": False}
    return f(x + 4, **how)[2], f(x, **how)[2] + 4


@law(dappm_pool_stack, normal(2, 3, 8, 6))
def the_last_is_the_mean(f, x):
    return f(x)[-1][..., 0, 0], x.mean(axis=(2, 3))
