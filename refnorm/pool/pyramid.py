"""Bins of several levels, one behind the other: of maps, of boxes in them, and of codes that lie scattered."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import boxes, case, integers, normal, uniform
from .._core.bins import bin_maxima, bin_sums, bins, cells_by_bin, counts, grid_plan, turned
from .._core.grids import cell_index, grid_span
from .._core.segments import segment_sums
from .._core.sums import total
from .._core.windows import per_axis
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_indices, require_shape, require_switch, roomy, widen
from .adaptive import sizes_asked
from .segment import pooled

kernels = load(__name__)

REDUCES = ("max", "mean")


def levels_asked(levels, reduce) -> tuple[int, ...]:
    """Return the levels; refuse what is none, or another word than `reduce` may be."""
    if reduce not in REDUCES:
        raise ValueError(f"reduce must be 'max' or 'mean', got {reduce!r}")
    try:
        levels = tuple(op.index(n) for n in levels)
    except TypeError:
        raise TypeError(f"levels must be a tuple of ints, the bins along an axis, got {levels!r}") from None
    if not levels or min(levels) < 1:
        raise ValueError(f"levels must hold numbers of at least 1, got {levels!r}")
    return levels


def sliding(n: int, o: int) -> tuple[list[int], list[int]]:
    """Return the windows of ceil(n / o) cells in steps of floor(n / o) that fit."""
    window, stride = -(-n // o), n // o
    if stride == 0:
        raise ValueError(f"levels must be at most the {n} cells of an axis with binning='window', got {o}")
    return [start for start in range(0, n - window + 1, stride)], list(range(window, n + 1, stride))


def pyramid(x, levels, reduce, binning, tokens):
    """Return the edges of the bins along the spatial axes for every level, and the shape of the answer."""
    sizes_asked(x.shape, 1)
    levels = levels_asked(levels, reduce)
    if binning not in ("adaptive", "window"):
        raise ValueError(f"binning must be 'adaptive' or 'window', got {binning!r}")
    require_switch("tokens", tokens)
    edges = [[(bins if binning == "adaptive" else sliding)(n, o) for n in x.shape[2:]] for o in levels]
    cells = sum([math.prod([len(starts) for starts, _ in level]) for level in edges])
    return edges, (x.shape[0], cells, x.shape[1]) if tokens else (x.shape[0], x.shape[1] * cells)


def as_planes(x):
    """Return (N, C, length) as planes of one row, and planes as they are."""
    return x if x.ndim == 4 else x[:, :, None, :]


def as_rows(xp, parts):
    """Return the levels (N, C, *bins) one behind the other, each flattened."""
    return xp.concat([xp.reshape(y, (y.shape[0], math.prod(y.shape[1:]))) for y in parts], axis=1)


def as_tokens(xp, parts):
    """Return the levels (N, C, *bins) as (N, bins, C)."""
    flat = [xp.reshape(y, (*y.shape[:2], math.prod(y.shape[2:]))) for y in parts]
    return xp.permute_dims(xp.concat(flat, axis=2), (0, 2, 1))


def parted(xp, y, c, edges, tokens):
    """Return the levels (N, C, *bins) of what `as_tokens` or `as_rows` made of them."""
    parts, start = [], 0
    for level in edges:
        shape = tuple(len(starts) for starts, _ in level)
        size = math.prod(shape) * (1 if tokens else c)
        part = y[:, start : start + size, ...]
        part = xp.permute_dims(part, (0, 2, 1)) if tokens else part
        parts.append(xp.reshape(part, (y.shape[0], c, *shape)))
        start += size
    return parts


def winners(xp, x, edges):
    """Return the cell, in row-major order, where each bin of (N, C, *spatial) has its maximum first: (N, C, bins)."""
    place = xp.reshape(xp.arange(math.prod(x.shape[2:]), device=device(x)), (1, 1, *x.shape[2:]))
    spatial = len(edges)
    for j, both in enumerate(edges):
        x = cells_by_bin(xp, x, 2 + 2 * j, both, -float("inf"))
        place = cells_by_bin(xp, place, 2 + 2 * j, both, 0)
    order = (0, 1, *(2 + 2 * j for j in range(spatial)), *(3 + 2 * j for j in range(spatial)))
    many, taps = (math.prod(x.shape[first::2]) for first in (2, 3))
    x, place = (xp.reshape(xp.permute_dims(a, order), (*a.shape[:2], many, taps)) for a in (x, place))
    first = xp.argmax(x, axis=-1, keepdims=True)
    return xp.sum(xp.where(xp.arange(x.shape[-1], device=device(x)) == first, place, xp.zeros_like(place)), axis=-1)


@operator(
    paper=("he2014spatial", "elhassan2023p2at"),
    kernel="spatial_pyramid_pool",
    cases=[
        case("plane", normal(2, 3, 7, 6), levels=(1, 2, 3)),
        case("mean, tokens", normal(2, 3, 5, 8), levels=(2, 3), reduce="mean", tokens=True),
        case("windows", normal(2, 2, 13, 10), levels=(1, 6, 4), binning="window"),
        case("means of windows", normal(2, 2, 14, 5), levels=(4, 3), binning="window", reduce="mean"),
        case("below zero", normal(1, 2, 5, 6, mean=-9.0), levels=(3, 2), tokens=True),
        case("line", normal(2, 3, 11), levels=(1, 4)),
        case("offset", normal(1, 2, 9, 8, mean=1e4), levels=(2, 1), reduce="mean"),
        case("more bins than cells", normal(2, 2, 2, 5), levels=(6,), reduce="mean"),
        case("no images", normal(0, 3, 6, 6), levels=(1, 2)),
    ],
    bench=case("planes", normal(32, 256, 28, 28), levels=(1, 2, 4)),
    rows=lambda x, rng: ([x[:, None, :]], {"levels": (1, 3), "reduce": "mean"}),
)
def spatial_pyramid_pool(x, /, *, levels=(1, 2, 3, 6), reduce="max", binning="adaptive", tokens=False):
    r"""Reduce the bins of several levels along the spatial axes of `x`, and put them one behind the other.

    .. math:: y_{n, b} = \max_{j \in b} x_j, \qquad b = \prod_{\text{axes}} \Bigl[
        \lfloor i a / n \rfloor, \lceil (i + 1) a / n \rceil \Bigr), \quad i < n

    for each level n, where :math:`a` is the size of an axis; the mean likewise. With windows, bin i has
    :math:`\lceil a / n \rceil` cells from :math:`i \lfloor a / n \rfloor` on, for every i that fits.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), any number of spatial axes.
    levels : tuple of int
        The bins along every spatial axis, for each level.
    reduce : {"max", "mean"}
        What becomes of a bin.
    binning : {"adaptive", "window"}
        The bins of :func:`adaptive_avg_pool`, always n; or windows, which the paper has: n of them for most sizes,
        more for some (9 for a = 10, n = 6), and cells at the end left out for others (a = 14, n = 4).
    tokens : bool
        Whether the answer is laid out bin after bin, each with its channels.

    Returns
    -------
    array
        (N, C sum n^2) for planes: the levels one behind the other, each flattened from (C, *bins); or
        (N, sum n^2, C) for `tokens`. In the dtype, library and device of `x`. A NaN makes its bins NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `levels` no ints, or `tokens` is no bool.
    ValueError
        A spatial axis is empty, a level is below 1, or beyond the size of an axis with windows, or `reduce` or
        `binning` is another word.

    Notes
    -----
    The released detection code has adaptive bins, and a maximum that starts at 0. The token pyramid of means is what
    P2AT describes; its released code pools otherwise. See ``refnorm conventions spatial_pyramid_pool``.

    References
    ----------
    He et al., Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition, 2014, section 2.2.
    Elhassan et al., P2AT: Pyramid Pooling Axial Transformer for Real-time Semantic Segmentation, 2023. As catalogued;
    the adaptive bins are confirmed against torch.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> refnorm.pool.spatial_pyramid_pool(x, levels=(1, 2))
    array([[8., 4., 5., 7., 8.]])
    """
    xp, x = prepare(x)
    edges, shape = pyramid(x, levels, reduce, binning, tokens)
    if takes(kernels, x) and (plan := grid_plan(edges)) is not None:
        how = plan, len(edges), reduce == "max", tokens
        y = run(kernels.spatial_pyramid_pool, as_planes(x), *how, shape=shape, units=x.shape[0] * x.shape[1])
        return give_back(xp, y, x)
    (wide,) = widen(xp, x)
    if reduce == "max":
        parts = [bin_maxima(xp, wide, level) for level in edges]
    else:
        spare = roomy(x, wide)
        divisors = [per_axis(xp, counts(level), wide.dtype, wide) for level in edges]
        parts = [bin_sums(xp, wide, level, roomy=spare) / n for level, n in zip(edges, divisors, strict=True)]
    return give_back(xp, (as_tokens if tokens else as_rows)(xp, parts), x)


@gradient(spatial_pyramid_pool)
def spatial_pyramid_pool_vjp(
    cotangent, x, /, *, levels=(1, 2, 3, 6), reduce="max", binning="adaptive", tokens=False
):  # fmt: skip
    r"""Return the cotangent of `x` for a cotangent of ``spatial_pyramid_pool(x)``.

    .. math:: \bar x_j = \sum_{b \,:\, j = j^*_b} \bar y_b, \qquad \text{or} \quad
        \bar x_j = \sum_{b \ni j} \bar y_b / |b|

    where :math:`j^*_b` is the first maximal cell of bin b in row-major order; the second is that of the mean.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, levels, reduce, binning, tokens
        As in :func:`spatial_pyramid_pool`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`spatial_pyramid_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    One subgradient of :func:`spatial_pyramid_pool`, chosen as stated.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> g, x = np.array([[1.0, 10.0, 100.0]]), np.array([[[5.0, 7.0, 7.0]]])
    >>> refnorm.pool.spatial_pyramid_pool_vjp(g, x, levels=(1, 2))
    array([[[  0., 111.,   0.]]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    edges, shape = pyramid(x, levels, reduce, binning, tokens)
    require_shape("cotangent", cotangent, shape)
    if takes(kernels, x, cotangent) and (plan := grid_plan(edges)) is not None:
        planes, how = as_planes(x), (cotangent, plan, len(edges), reduce == "max", tokens)
        dx = run(kernels.spatial_pyramid_pool_vjp, planes, *how, units=x.shape[0] * x.shape[1])
        return give_back(xp, xp.reshape(dx, x.shape), x)
    wide, g = widen(xp, x, cotangent)
    parts = parted(xp, g, x.shape[1], edges, tokens)
    if reduce == "mean":
        shares = [g / per_axis(xp, counts(level), g.dtype, g) for g, level in zip(parts, edges, strict=True)]
        back = [[turned(both, n) for both, n in zip(level, x.shape[2:], strict=True)] for level in edges]
        spread = [bin_sums(xp, g, level, roomy=roomy(x, wide)) for g, level in zip(shares, back, strict=True)]
        return give_back(xp, sum(spread[1:], spread[0]), x)
    planes, cells = x.shape[0] * x.shape[1], math.prod(x.shape[2:])
    place = xp.concat([winners(xp, wide, level) for level in edges], axis=2)
    g = xp.concat([xp.reshape(g, (*g.shape[:2], math.prod(g.shape[2:]))) for g in parts], axis=2)
    first = xp.reshape(xp.arange(planes, dtype=place.dtype, device=device(x)), (*x.shape[:2], 1)) * cells
    rows, ids = xp.reshape(g, (planes * g.shape[2], 1)), xp.reshape(first + place, (planes * g.shape[2],))
    dx = segment_sums(xp, rows, ids, planes * cells, roomy=roomy(x, wide))[0] if planes else wide
    return give_back(xp, xp.reshape(dx, x.shape), x)


# ---- boxes ----


def cells_of_boxes(xp, low, high, size, kind):
    """Return the first and last cell, kept, that boxes from `low` to `high`, in cells, have along an axis."""
    if kind == "code":
        first, last = xp.floor(low + 0.5), xp.ceil(high - 0.5)
    else:
        first, last = xp.floor(low) + 1, xp.ceil(high) - 1
    middle = xp.floor((first + last) / 2)
    none = first > last
    ends = (xp.where(none, middle, first), xp.where(none, middle, last))
    return tuple(xp.expand_dims(xp.clip(end, 0, size - 1), axis=-1) for end in ends)


def in_bins(xp, first, last, size, level):
    """Return which cells of an axis lie in each of a number of bins between the first and the last cell."""
    i = xp.arange(level, dtype=first.dtype, device=device(first))
    start = first + xp.floor(i * (last - first + 1) / level)
    stop = first + xp.ceil((i + 1) * (last - first + 1) / level)
    cell = xp.arange(size, dtype=first.dtype, device=device(first))
    return (cell >= start[..., None]) & (cell < stop[..., None])


def reduced_along(xp, x, inside, reduce, *, roomy):
    """Return (R, C, H, W) with its last axis reduced over each of the bins (R, level, W) and put first of the two."""
    x, inside = x[:, :, :, None, :], inside[:, None, None, :, :]
    if reduce == "max":
        y = xp.max(xp.where(inside, x, xp.full_like(x, -float("inf"))), axis=-1)
    else:
        n = xp.sum(xp.astype(inside, x.dtype), axis=-1)
        y = total(xp, xp.where(inside, x, xp.zeros_like(x)), roomy=roomy)[..., 0] / n
    return xp.permute_dims(y, (0, 1, 3, 2))


@operator(
    paper="he2014spatial",
    cases=[
        case("released code", normal(2, 3, 6, 7), boxes(4, height=96.0, width=112.0), integers(4, high=2),
             levels=(1, 2, 3), kind="code"),
        case("paper, mean", normal(2, 2, 8, 5), boxes(3, height=64.0, width=40.0), integers(3, high=2), levels=(2, 1),
             reduce="mean", stride=8),
        case("beyond the map", normal(3, 2, 4, 5), boxes(5, height=120.0, width=130.0), integers(5, high=3),
             levels=(2,)),
        case("small boxes", normal(2, 2, 6, 6), uniform(4, 4, low=20.0, high=30.0), integers(4, high=2), levels=(1, 2)),
        case("no boxes", normal(2, 3, 4, 4), uniform(0, 4), integers(0, high=2), levels=(1,)),
    ],
    bench=case("boxes", normal(2, 64, 32, 32), boxes(64, height=512.0, width=512.0), integers(64, high=2)),
    rows=lambda x, rng: (
        [x[None, :, None], rng.uniform(0, x.shape[1], (1, 4)), rng.integers(0, 1, 1)],
        {"stride": 1, "levels": (1, 2)},
    ),
)  # fmt: skip
def spatial_pyramid_roi_pool(x, boxes, ids, /, *, stride=16, levels=(1, 2, 3, 6), reduce="max", kind="paper"):
    r"""Reduce the bins of several levels of each box in a map.

    .. math:: y_{r, n, b} = \max_{j \in b} x_j, \qquad b = \prod_{\text{axes}} \Bigl[
        f + \lfloor i m / n \rfloor, f + \lceil (i + 1) m / n \rceil \Bigr), \quad i < n

    for box r and level n, where m cells from f = floor(low / stride) + 1 to ceil(high / stride) - 1 are in the box
    along an axis; the mean likewise.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The maps, of shape (N, C, H, W).
    boxes : array
        x0, y0, x1, y1 of each box, in pixels of the image, of shape (R, 4).
    ids : array of integers
        The image of each box, from 0 to N - 1, of shape (R,).
    stride : float
        Pixels of the image from one cell to the next.
    levels : tuple of int
        The bins along each axis of a box, for each level.
    reduce : {"max", "mean"}
        What becomes of a bin.
    kind : {"paper", "code"}
        How cells of a box are counted: as above, or from floor(low / stride + 1/2) to ceil(high / stride - 1/2), as
        the released code does, whose two offsets are 0 here: add them to the boxes.

    Returns
    -------
    array
        (R, C sum n^2), in the dtype, library and device of `x`: the levels one behind the other, each flattened from
        (C, n, n). A box without a cell has the one in its middle; all is within the map. A NaN in a map makes its bins
        NaN, one in a box all of its own.

    Raises
    ------
    TypeError
        `x` or `boxes` does not hold floating numbers, `ids` no integers, or they are of two libraries.
    ValueError
        An array has another shape, an axis of the map is empty, `stride` is not above zero, or another option is
        refused as by :func:`spatial_pyramid_pool`.

    Notes
    -----
    The maximum of the released code starts at 0, which shows in maps with numbers below zero only.

    References
    ----------
    He et al., Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition, 2014, appendix; and
    spm_response_boxes of the released code. Both as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, box = np.arange(16.0).reshape(1, 1, 4, 4), np.array([[8.0, 8.0, 56.0, 56.0]])
    >>> refnorm.pool.spatial_pyramid_roi_pool(x, box, np.array([0]), levels=(1, 2))  # cells 1 to 3
    array([[15., 10., 11., 14., 15.]])
    """
    xp, x, boxes = prepare(x, boxes, need=2)
    require_indices(xp, "ids", ids, boxes.shape[:1])
    require_shape("boxes", boxes, (boxes.shape[0], 4))
    if len(sizes_asked(x.shape, 1)) != 2:
        raise ValueError(f"x must have shape (N, C, H, W), got {tuple(x.shape)}")
    levels = levels_asked(levels, reduce)
    if kind not in ("paper", "code"):
        raise ValueError(f"kind must be 'paper' or 'code', got {kind!r}")
    if not 0 < stride < math.inf:
        raise ValueError(f"stride must be finite and above zero, got {stride!r}")
    wide, at = widen(xp, x, boxes)
    columns = cells_of_boxes(xp, at[:, 0] / stride, at[:, 2] / stride, x.shape[3], kind)
    rows = cells_of_boxes(xp, at[:, 1] / stride, at[:, 3] / stride, x.shape[2], kind)
    y, spare = xp.take(wide, ids, axis=0), roomy(x, wide)
    parts = []
    for level in levels:
        wise = reduced_along(xp, y, in_bins(xp, *columns, x.shape[3], level), reduce, roomy=spare)
        parts.append(reduced_along(xp, wise, in_bins(xp, *rows, x.shape[2], level), reduce, roomy=spare))
    y = as_rows(xp, parts)
    return give_back(xp, xp.where(xp.isnan(xp.sum(at, axis=1, keepdims=True)), xp.full_like(y, math.nan), y), x)


# ---- codes ----


@operator(
    paper="liu2013online",
    cases=[
        case("maximum", normal(20, 3), uniform(20, 2), levels=(1, 2)),
        case("mean", normal(15, 4), uniform(15, 2), levels=(3, 1), reduce="mean"),
        case("line", normal(12, 2), uniform(12, 1), levels=(4, 2)),
        case("no codes", normal(0, 3), uniform(0, 2), levels=(2,)),
    ],
    bench=case("codes", normal(4096, 128), uniform(4096, 2), levels=(1, 2, 4)),
    rows=lambda x, rng: ([x.T, rng.random((x.shape[1], 1))], {"levels": (2,), "reduce": "mean"}),
)
def spatial_pyramid_code_pool(x, coordinates, /, *, levels=(1, 2), reduce="max"):
    r"""Reduce the codes that lie in the cells of grids of several levels.

    .. math:: y_{n, c} = \max_{i \,:\, \lfloor n u_i \rfloor = c} x_i

    for each level n; the mean likewise, and 0 in an empty cell.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The codes, of shape (points, K).
    coordinates : array
        Where they lie, :math:`u`, from 0 to 1, of shape (points, k). What is outside is taken to the border.
    levels : tuple of int
        The cells along every axis, for each level.
    reduce : {"max", "mean"}
        What becomes of the codes in a cell.

    Returns
    -------
    array
        (sum n^k, K), in the dtype, library and device of `x`: the levels one behind the other, each in row-major order
        of its cells. The vector of the paper is this one flattened. A NaN or an infinity stays in its cells; a code
        with a NaN coordinate is in none.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or `levels` holds no ints.
    ValueError
        An array has another shape, a level is below 1, or `reduce` is another word.

    References
    ----------
    Liu et al., Online Unsupervised Feature Learning for Visual Tracking, 2013, as catalogued: no code is known.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, u = np.array([[1.0], [5.0], [2.0]]), np.array([[0.1], [0.3], [0.9]])
    >>> refnorm.pool.spatial_pyramid_code_pool(x, u, levels=(1, 2))[:, 0]
    array([5., 5., 2.])
    """
    xp, x, coordinates = prepare(x, coordinates, need=2)
    levels = levels_asked(levels, reduce)
    if x.ndim != 2 or coordinates.ndim != 2 or coordinates.shape[1] == 0:
        raise ValueError(f"x must have shape (points, K), got {tuple(x.shape)}, and coordinates (points, k)")
    axes = coordinates.shape[1]
    require_shape("coordinates", coordinates, (x.shape[0], axes))
    wide, at = widen(xp, x, coordinates)
    parts = []
    for level in levels:
        cell = cell_index(xp, at, grid_span(0.0, 1.0, axes), (level,) * axes)
        parts.append(pooled(xp, wide, cell, level**axes, reduce, 0.0, roomy=roomy(x, wide)))
    return give_back(xp, xp.concat(parts, axis=0), x)


@law(spatial_pyramid_pool, normal(2, 3, 7, 6))
def shift_comes_through(f, x):
    return f(x + 4, levels=(1, 3)), f(x, levels=(1, 3)) + 4


@law(spatial_pyramid_pool, normal(2, 3, 7, 6))
def one_level_after_the_other(f, x):
    both = f(x, levels=(2, 3), reduce="mean", tokens=True)
    return both[:, 4:], f(x, levels=(3,), reduce="mean", tokens=True)


@law(spatial_pyramid_pool, normal(2, 3, 12, 12))
def windows_are_blocks_where_they_divide(f, x):
    blocks = x.reshape(2, 3, 6, 2, 6, 2).mean(axis=(3, 5))
    return f(x, levels=(6,), binning="window", reduce="mean"), blocks.reshape(2, 108)


@law(spatial_pyramid_roi_pool, normal(2, 3, 6, 7))
def the_whole_image_is_the_map(f, x):
    whole = np.tile(x[:1, 0, 0, :4] * 0 + [0.0, 0.0, 111.0, 95.0], (len(x), 1))
    return f(x, whole.astype(x.dtype), np.arange(len(x)), levels=(1,), kind="code"), x.max(axis=(2, 3))


@law(spatial_pyramid_roi_pool, normal(2, 3, 6, 7), boxes(4, height=96.0, width=112.0), integers(4, high=2))
def boxes_have_no_unit(f, x, box, ids):
    return f(x, 4 * box, ids, levels=(2,), stride=64), f(x, box, ids, levels=(2,))


@law(spatial_pyramid_code_pool, normal(20, 3), uniform(20, 2))
def order_free(f, x, u):
    return f(x[::-1], u[::-1], reduce="mean"), f(x, u, reduce="mean")


@law(spatial_pyramid_code_pool, normal(20, 3), uniform(20, 2))
def one_cell_has_all(f, x, u):
    return f(x, u, levels=(1, 1)), x.max(axis=0, keepdims=True) + 0 * x[:2]
