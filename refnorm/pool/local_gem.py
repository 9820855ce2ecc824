"""Generalized means of parts: of the window round a site, of scales, of strips."""

from __future__ import annotations

import operator as op

from .._cases import case, normal, positive
from .._core.norms import length
from .._core.windows import around, cells
from .._registry import law, operator
from .._xp import device, give_back, prepare, roomy, widen
from .gem import as_exponents, held, is_array, power_mean, require_exponents
from .lp import require_power


def reflected(xp, x, axis, reach):
    """Return `x` with `reach` cells more on both sides of an axis, which mirror those beside its ends."""
    n = x.shape[axis]
    if reach >= n:
        raise ValueError(f"window must reach less than the {n} cells of axis {axis} to either side, got {reach}")
    period = 2 * (n - 1)
    mirror = [i if i < n else period - i for i in map(abs, range(-reach, n + reach))]
    return xp.take(x, xp.asarray(mirror, device=device(x)), axis=axis) if reach else x


def rectified_mean(xp, x, p, *, roomy):
    """Return (mean of max(x, 0)^p)^(1/p) along the last axis, p above zero; 0 counts as the least normal number."""
    largest = xp.max(x, axis=-1, keepdims=True)
    small = (largest > 0) & (largest < xp.finfo(x.dtype).smallest_normal ** 0.5)  # beside it that number is not small
    scale = xp.where(small, largest, xp.ones_like(largest))
    y = scale[..., 0] * power_mean(xp, held(xp, x / scale, 0.0), as_exponents(xp, p, x), roomy=roomy)
    return xp.where(largest[..., 0] <= 0, xp.zeros_like(y), y)


@operator(
    paper="shao2023global",
    cases=[
        case("plane", positive(2, 3, 6, 7)),
        case("small window", positive(2, 2, 4, 5), window=3, p=4.0),
        case("some below zero", normal(2, 3, 9), window=7, p=1),
        case("volume", positive(1, 2, 3, 4, 3), window=(1, 3, 3), p=2),
        case("no images", normal(0, 3, 6, 6)),
    ],
    bench=case("plane", positive(8, 512, 32, 32)),
    rows=lambda x, rng: ([abs(x)[:, None, :]], {}),
)
def regional_gem_pool(x, /, *, window=5, p=2.5):
    r"""Take the mean of `x` and of its generalized mean over a window around every site.

    .. math:: y_i = \tfrac{1}{2} x_i
        + \tfrac{1}{2} \Bigl( \frac{1}{k} \sum_{j \in \text{window } i} \max(x_j, 0)^p \Bigr)^{1/p}

    with k cells in a window. At the border the map is mirrored, its last cell not repeated.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial): features behind a rectifier.
    window : int or tuple of int
        Cells in a window, for all or each spatial axis: odd.
    p : float
        The exponent, above zero: from 1/4 on a cell of 0 adds nothing that could be seen.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN makes its windows NaN, an infinity infinite.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `window` is no integer, or `p` no number.
    ValueError
        `window` is even, or reaches beyond the map mirrored, or `p` is not above zero.

    References
    ----------
    Shao et al., Global Features are All You Need for Image Retrieval and Reranking, 2023: rgem.py of the released code,
    as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.regional_gem_pool(np.array([[[1.0, 3.0, 8.0]]]), window=3, p=1)  # of 3 1 3, 1 3 8 and 3 8 3
    array([[[1.66666667, 3.5       , 6.33333333]]])
    """
    xp, x = prepare(x)
    axes = around(x.shape, window)
    require_power(p)
    (wide,) = widen(xp, x)
    wider = wide
    for axis, w in enumerate(axes, start=2):
        wider = reflected(xp, wider, axis, w.before)
    inside = [w._replace(size=n, before=0, after=0) for w, n in zip(axes, wider.shape[2:], strict=True)]
    seen = cells(xp, wider, inside, 0.0)
    r = rectified_mean(xp, seen, p, roomy=roomy(x, wide))
    return give_back(xp, 0.5 * wide + 0.5 * r, x)


@operator(
    paper="shao2023global",
    cases=[
        case("maximum", normal(3, 2, 5)),
        case("power", normal(4, 2, 3, mean=3.0), p=4.0),
        case("one scale", normal(1, 2, 6, mean=3.0), p=2),
        case("offset", normal(3, 2, 4, mean=1e4), p=10.0),
        case("nobody", normal(3, 0, 4), p=2),
    ],
    bench=case("descriptors", normal(3, 1024, 2048)),
    rows=lambda x, rng: ([x[:, None, :]], {}),
)
def scale_gem_pool(x, /, *, p=None):
    r"""Reduce the descriptors of one image at several scales to one.

    .. math:: y = \max_s \frac{x_s}{\lVert x_s \rVert}, \qquad \text{or} \quad
        y = \gamma + \Bigl( \frac{1}{S} \sum_s (x_s - \gamma)^p \Bigr)^{1/p}, \quad \gamma = \min x

    The minimum is that of all there is: scales, samples and channels.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The descriptors, of shape (S, N, C): of S scales and N images.
    p : float, optional
        The exponent, above zero; None for the maximum, of descriptors of length 1.

    Returns
    -------
    array
        (N, C), in the dtype, library and device of `x`. A descriptor of zeros stays so. A NaN makes its image NaN, or,
        with an exponent, everything.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `p` is no number.
    ValueError
        `x` has not three axes, no scale or no channel, or `p` is not above zero.

    Notes
    -----
    With an exponent the answer depends on the other images, as it does in the released code, and nothing is normalized.

    References
    ----------
    Shao et al., Global Features are All You Need for Image Retrieval and Reranking, 2023: sgem.py of the released code,
    as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[3.0, 4.0]], [[0.0, -2.0]]])
    >>> refnorm.pool.scale_gem_pool(x)
    array([[0.6, 0.8]])
    >>> refnorm.pool.scale_gem_pool(x, p=1)
    array([[1.5, 1. ]])
    """
    xp, x = prepare(x)
    if x.ndim != 3 or x.shape[0] == 0 or x.shape[2] == 0:
        raise ValueError(f"x must have shape (S, N, C), with a scale and a channel, got {tuple(x.shape)}")
    if p is not None:
        require_power(p)
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    if p is None:
        size = length(xp, wide, roomy=spare)
        y = xp.max(wide / xp.where(size == 0, xp.ones_like(size), size), axis=0)
    else:
        least = xp.min(wide) if x.shape[1] else 0.0
        scales = xp.permute_dims(wide - least, (1, 2, 0))
        y = rectified_mean(xp, scales, p, roomy=spare) + least
    return give_back(xp, y, x)


def strips_of(x, split, p, eps):
    """Return (start, stop, exponent) of every strip; refuse what does not fill the height."""
    if x.ndim != 5 or 0 in x.shape[2:]:
        raise ValueError(f"x must have shape (N, C, T, H, W) with no empty axis behind C, got {tuple(x.shape)}")
    require_exponents(p if isinstance(p, int | float) else 1.0, x, eps)
    try:
        sizes = tuple(op.index(n) for n in split)
    except TypeError:
        raise TypeError(f"split must be a tuple of ints, the rows of each strip, got {split!r}") from None
    each = (p,) * len(sizes) if isinstance(p, int | float) else p
    count = each.shape if is_array(each) else (len(each),)
    if count != (len(sizes),):
        raise ValueError(f"p must have shape ({len(sizes)},), one exponent a strip, got {tuple(count)}")
    strips, row = [], 0
    for size, one in zip(sizes, each, strict=True):
        require_exponents(1.0 if is_array(each) else one, x, eps)
        if size < 1 or row + size > x.shape[3]:
            raise ValueError(f"split must fill the {x.shape[3]} rows, once or several times over, got {sizes!r}")
        strips.append((row, row + size, one))
        row = (row + size) % x.shape[3]
    if row or not sizes:
        raise ValueError(f"split must fill the {x.shape[3]} rows, once or several times over, got {sizes!r}")
    return strips


@operator(
    paper="wang2023hierarchical",
    cases=[
        case("strips", normal(2, 3, 2, 4, 3), split=(1, 3)),
        case("pyramid", normal(2, 2, 1, 4, 2), split=(4, 2, 2, 1, 1, 1, 1), p=2.5, eps=0.2),
        case("one exponent a strip", positive(2, 2, 3, 4, 3), split=(2, 2), p=(1.0, 4.6), eps=0.3),
        case("offset", normal(2, 2, 2, 3, 3, mean=1e4), split=(3,), p=3),
        case("no samples", normal(0, 3, 2, 4, 4), split=(2, 2)),
    ],
    bench=case("gait", normal(8, 32, 30, 64, 44), split=(2,) * 32),
    rows=lambda x, rng: ([x[:, None, None, None, :]], {"split": (1,), "p": 2.37}),
)
def strip_gem_pool(x, /, *, split, p=6.5, eps=1e-6):
    r"""Take the maximum of `x` over time, and the generalized mean of each of its horizontal strips.

    .. math:: y_j = \Bigl( \frac{1}{n_j} \sum_{i \in \text{strip } j} \max(m_i, \epsilon)^{p_j} \Bigr)^{1/p_j},
        \qquad m = \max_t x_t

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The frames, of shape (N, C, T, H, W); ``x[:, :, None]`` for one map.
    split : tuple of int
        The rows of each strip. They fill the height once, or several times over: (4, 2, 2) is the pyramid of one and
        two bins of a height of 4.
    p : float, array or tuple of float
        The exponent, any finite number as in :func:`gem_pool`, or one a strip.
    eps : float
        The least that is raised, in units of x; above zero.

    Returns
    -------
    array
        (N, C, strips), in the dtype, library and device of `x`. A NaN makes its strip NaN, an infinity infinite while
        p >= 0.

    Raises
    ------
    TypeError
        `x` or an array `p` does not hold floating numbers, they are of two libraries, `split` holds no integers, or `p`
        is no number.
    ValueError
        `x` has not five axes, `split` does not fill the height, `p` is not finite or not one a strip, or `eps` is not
        above zero.

    Notes
    -----
    A linear map of the channels may come between the maximum and the mean in the released code: apply it to the maximum
    and pool that with T = 1.

    References
    ----------
    Wang et al., Hierarchical Spatio-Temporal Representation Learning for Gait Recognition, 2023: ASTP and GeMHPP of the
    released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 5.0], [3.0, 2.0], [0.0, 7.0]]).reshape(1, 1, 1, 3, 2)
    >>> refnorm.pool.strip_gem_pool(x, split=(1, 2), p=1).round(5)
    array([[[3., 3.]]])
    """
    xp, x, _ = prepare(x, p if is_array(p) else None)
    strips = strips_of(x, split, p, eps)
    (wide,) = widen(xp, x)
    m = xp.max(wide, axis=2)
    parts = []
    for start, stop, one in strips:
        rows = xp.reshape(m[:, :, start:stop, :], (*x.shape[:2], (stop - start) * x.shape[4]))
        power = as_exponents(xp, one, wide)
        parts.append(power_mean(xp, held(xp, rows, eps), power, roomy=roomy(x, wide)))
    return give_back(xp, xp.stack(parts, axis=2), x)


@law(regional_gem_pool, positive(2, 3, 6, 7))
def scale_comes_through_windows(f, x):
    return f(8 * x), 8 * f(x)


@law(regional_gem_pool, positive(2, 3, 6, 7))
def turns_with_the_map(f, x):
    return f(x[..., ::-1]), f(x)[..., ::-1]


@law(regional_gem_pool, positive(2, 3, 8))
def a_constant_stays(f, x):
    flat = x[..., :1] + 0 * x
    return f(flat, window=3), flat


@law(scale_gem_pool, normal(3, 2, 5))
def order_of_scales_free(f, x):
    return f(x[::-1], p=3.0), f(x, p=3.0)


@law(scale_gem_pool, normal(3, 2, 5))
def lengths_do_not_matter(f, x):
    return f(8 * x), f(x)


@law(scale_gem_pool, normal(3, 2, 5))
def shift_and_scale_come_through(f, x):
    return f(4 * x + 8, p=2.5), 4 * f(x, p=2.5) + 8


@law(strip_gem_pool, positive(2, 3, 2, 4, 3))
def scale_comes_through_strips(f, x):
    return f(8 * x, split=(1, 3)), 8 * f(x, split=(1, 3))


@law(strip_gem_pool, positive(2, 3, 2, 4, 3))
def turns_with_the_strips(f, x):
    return f(x[..., ::-1, :], split=(3, 1), p=2.5)[..., ::-1], f(x, split=(1, 3), p=2.5)


@law(strip_gem_pool, positive(2, 3, 2, 4, 3))
def one_is_the_mean_of_the_maximum(f, x):
    return f(x, split=(4,), p=1)[..., 0], x.max(axis=2).sum(axis=(2, 3)) / 12
