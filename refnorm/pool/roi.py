"""Bilinear samples averaged in the bins of a box."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import boxes, case, integers, normal, uniform
from .._core.sums import mean
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_indices, require_shape, require_switch, roomy, widen
from .adaptive import sizes_asked


def boxes_asked(xp, x, boxes, ids, output_size, scale, samples, aligned):
    """Refuse what no boxes can be aligned with; return the bins along both axes and the samples in each."""
    if len(sizes_asked(x.shape, 1)) != 2:
        raise ValueError(f"x must have shape (N, C, H, W), got {tuple(x.shape)}")
    require_indices(xp, "ids", ids, boxes.shape[:1])
    require_shape("boxes", boxes, (boxes.shape[0], 4))
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be finite and above zero, got {scale!r}")
    require_switch("aligned", aligned)
    try:
        samples = op.index(samples)
    except TypeError:
        raise TypeError(f"samples must be an int, got {samples!r}") from None
    if samples < 1:
        raise ValueError(f"samples must be at least 1: a number that depends on the boxes has no shape, got {samples}")
    return sizes_asked((1, 1, 1, 1), output_size), samples


def spread_out(xp, low, high, count, scale, aligned):
    """Return `count` samples from the low to the high end of boxes, (R, count), and their slopes in both ends."""
    a, b = (scale * end - (0.5 if aligned else 0.0) for end in (low, high))
    size = b - a
    free = xp.ones_like(size)
    if not aligned:  # a box has one cell at least
        free = xp.astype(size > 1, size.dtype)
        size = xp.where(size < 1, free + 1, size)
    t = (xp.arange(count, dtype=size.dtype, device=device(size)) + 0.5) / count
    far = free[:, None] * t
    return a[:, None] + size[:, None] * t, scale * (1 - far), scale * far


def neighbours(xp, at, n):
    """Return the two cells beside samples along an axis of n cells, how far they are from the first, and which count.

    A sample up to one cell outside is taken to the border; what is further out counts as 0.
    """
    inside = (at >= -1) & (at <= n)
    p = xp.clip(xp.where(inside, at, xp.zeros_like(at)), 0, n - 1)
    low = xp.floor(p)
    return low, xp.clip(low + 1, 0, n - 1), p - low, inside


def sampled(xp, x, ids, rows, columns):
    """Return bilinear samples of maps (N, C, H, W) at the neighbours of rows and columns: (R, rows, columns, C)."""
    n, c, height, width = x.shape
    cells = xp.reshape(xp.permute_dims(x, (0, 2, 3, 1)), (n * height * width, c))
    whole = ids.dtype
    image = ids[:, None, None] * (height * width)
    y = 0.0
    for row, share in ((rows[0], 1 - rows[2]), (rows[1], rows[2])):
        for column, part in ((columns[0], 1 - columns[2]), (columns[1], columns[2])):
            place = image + xp.astype(row, whole)[:, :, None] * width + xp.astype(column, whole)[:, None, :]
            seen = xp.take(cells, xp.reshape(place, (-1,)), axis=0)
            y = y + (share[:, :, None] * part[:, None, :])[..., None] * xp.reshape(seen, (*place.shape, c))
    inside = rows[3][:, :, None, None] & columns[3][:, None, :, None]
    return xp.where(inside, y, xp.zeros_like(y))


def shares(xp, near, n, bins):
    """Return what each of n cells has in the mean of every bin, (R, bins, n), and by how much its samples move it."""
    low, high, rest, inside = (part[..., None] for part in near)
    cell = xp.arange(n, dtype=low.dtype, device=device(low))
    first, second, zero = cell == low, cell == high, xp.zeros_like(rest)
    share = xp.where(first, 1 - rest, zero) + xp.where(second, rest, zero)
    slope = xp.astype(second, rest.dtype) - xp.astype(first, rest.dtype)
    shape = (low.shape[0], bins, low.shape[1] // bins, n)
    return (xp.reshape(xp.where(inside, part, xp.zeros_like(part)), shape) for part in (share, slope))


@operator(
    paper=("he2017mask", "zhou2023regionblip"),
    cases=[
        case("aligned", normal(2, 3, 6, 7), boxes(4, height=6.0, width=7.0), integers(4, high=2), output_size=(2, 3)),
        case("not aligned, scaled", normal(2, 2, 5, 6), boxes(3, height=20.0, width=24.0), integers(3, high=2),
             output_size=2, scale=0.25, samples=3, aligned=False),
        case("small, not aligned", normal(2, 2, 5, 6), uniform(3, 4, low=1.3, high=1.9), integers(3, high=2),
             output_size=2, aligned=False, samples=1),
        case("beyond the map", normal(3, 2, 4, 5), uniform(4, 4, low=-6.0, high=11.0), integers(4, high=3),
             output_size=3, scale=1.5, samples=4),
        case("no boxes", normal(2, 3, 4, 4), uniform(0, 4), integers(0, high=2), output_size=2),
    ],
    bench=case("boxes", normal(2, 64, 50, 68), boxes(128, height=50.0, width=68.0), integers(128, high=2),
               output_size=7),
    rows=lambda x, rng: (
        [x[None, :, None], np.round(8 * rng.uniform(0, x.shape[1], (3, 4))) / 8 * [1, 0, 1, 0], rng.integers(0, 1, 3)],
        {"output_size": (1, 4)},
    ),
)  # fmt: skip
def roi_align(x, boxes, ids, /, *, output_size, scale=1.0, samples=2, aligned=True):
    r"""Take the mean of samples, bilinear between the cells of a map, in each bin of each box.

    .. math:: y_{r, i, k} = \frac{1}{s^2} \sum_{p, q} x\bigl(v_{i s + p}, u_{k s + q}\bigr), \qquad
        u_m = a + (b - a) \frac{m + 1/2}{o s}, \quad a = \sigma x_0 - \tfrac{1}{2}, \; b = \sigma x_1 - \tfrac{1}{2}

    with s samples a bin along each axis, o bins, and the scale :math:`\sigma`; v likewise from :math:`y_0` to
    :math:`y_1`. Up to one cell outside, the map goes on as at its border; further out it is 0.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The maps, of shape (N, C, H, W).
    boxes : array
        x0, y0, x1, y1 of each box, of shape (R, 4).
    ids : array of integers
        The image of each box, from 0 to N - 1, of shape (R,).
    output_size : int or tuple of int
        The bins along both or each axis.
    scale : float
        Cells of the map a unit of the boxes, :math:`\sigma`.
    samples : int
        The samples along each axis of a bin.
    aligned : bool
        Whether half a cell is taken off, so that the center of cell 0 lies at 0.5. Where it is not, a box counts as one
        cell wide and high at least.

    Returns
    -------
    array
        (R, C, *output_size), in the dtype, library and device of `x`. A NaN or an infinity in a map makes NaN the
        samples that its cell has a part in, be that part 0; a NaN in a box, all of its own.

    Raises
    ------
    TypeError
        `x` or `boxes` does not hold floating numbers, `ids` no integers, they are of two libraries, `samples` is no
        int, or `aligned` no bool.
    ValueError
        An array has another shape, an axis of the map is empty, `scale` is not above zero, `samples` or
        `output_size` is below 1.

    Notes
    -----
    torchvision and ONNX take ceil(size / bins) samples where none are said; how many those are depends on the boxes,
    so it has to be said here. torchvision's path in plain Python takes samples far outside to the border, other than
    its kernel (as catalogued). See ``refnorm conventions roi_align``.

    References
    ----------
    He et al., Mask R-CNN, 2017, section 3. Zhou et al., RegionBLIP: A Unified Multi-modal Pre-training Framework for
    Holistic and Regional Comprehension, 2023. Neither read again: the formula is confirmed against onnxruntime.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, box = np.arange(16.0).reshape(1, 1, 4, 4), np.array([[0.0, 0.0, 4.0, 2.0]])
    >>> refnorm.pool.roi_align(x, box, np.array([0]), output_size=(1, 2))
    array([[[[2.5, 4.5]]]])
    """
    xp, x, boxes = prepare(x, boxes, need=2)
    (tall, wide), samples = boxes_asked(xp, x, boxes, ids, output_size, scale, samples, aligned)
    maps, at = widen(xp, x, boxes)
    v, _, _ = spread_out(xp, at[:, 1], at[:, 3], tall * samples, scale, aligned)
    u, _, _ = spread_out(xp, at[:, 0], at[:, 2], wide * samples, scale, aligned)
    seen = sampled(xp, maps, ids, neighbours(xp, v, x.shape[2]), neighbours(xp, u, x.shape[3]))
    seen = xp.reshape(seen, (boxes.shape[0], tall, samples, wide, samples, x.shape[1]))
    seen = xp.reshape(xp.permute_dims(seen, (0, 5, 1, 3, 2, 4)), (boxes.shape[0], x.shape[1], tall, wide, samples**2))
    y = mean(xp, seen, roomy=roomy(x, maps))[..., 0]
    lost = xp.isnan(xp.sum(at, axis=1))[:, None, None, None]
    return give_back(xp, xp.where(lost, xp.full_like(y, math.nan), y), x)


@gradient(roi_align)
def roi_align_vjp(cotangent, x, boxes, ids, /, *, output_size, scale=1.0, samples=2, aligned=True):
    r"""Return the cotangents of `x` and `boxes` for a cotangent of ``roi_align(x, boxes, ids)``.

    .. math:: \bar x = \sum_r V_r^\top \bar y_r U_r, \qquad
        \bar y_0 = \bigl\langle \bar y_r, \tfrac{\partial V_r}{\partial y_0} \, x \, U_r^\top \bigr\rangle

    where the samples of box r are :math:`V_r \, x \, U_r^\top`, and alike for the other ends of a box.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, boxes, ids, output_size, scale, samples, aligned
        As in :func:`roi_align`.

    Returns
    -------
    tuple of two arrays
        ``(dx, dboxes)``. A sample taken to the border does not move with its box, nor one outside.

    Raises
    ------
    TypeError, ValueError
        As in :func:`roi_align`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`roi_align`, confirmed against torch's and JAX's of the formula; the gradients in use leave
    out that of the boxes.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, box, g = np.zeros((1, 1, 2, 2)), np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[[[4.0]]]])
    >>> refnorm.pool.roi_align_vjp(g, x, box, np.array([0]), output_size=1)[0]
    array([[[[1., 1.],
             [1., 1.]]]])
    """
    xp, cotangent, x, boxes = prepare(cotangent, x, boxes, need=3)
    (tall, wide), samples = boxes_asked(xp, x, boxes, ids, output_size, scale, samples, aligned)
    require_shape("cotangent", cotangent, (boxes.shape[0], x.shape[1], tall, wide))
    maps, at, g = widen(xp, x, boxes, cotangent)
    sides = []
    for j, (n, bins) in enumerate(((x.shape[3], wide), (x.shape[2], tall))):
        points, *moves = spread_out(xp, at[:, j], at[:, j + 2], bins * samples, scale, aligned)
        sides.append(part_of_bins(xp, points, moves, n, bins))
    (u, u_moves), (v, v_moves) = sides
    here, turned = xp.take(maps, ids, axis=0), xp.matrix_transpose
    back = xp.matmul(turned(v)[:, None, ...], xp.matmul(g, u[:, None, ...]))
    mine = xp.astype(ids[None, :] == xp.arange(x.shape[0], device=device(x))[:, None], g.dtype)
    dx = xp.matmul(mine, xp.reshape(back, (boxes.shape[0], math.prod(x.shape[1:]))))
    by_row = xp.sum(xp.matmul(g, turned(xp.matmul(here, turned(u)[:, None, ...]))), axis=1)
    by_column = xp.sum(xp.matmul(turned(g), xp.matmul(v[:, None, ...], here)), axis=1)
    slopes = [xp.sum(m * by, axis=(1, 2)) for k in (0, 1) for m, by in ((u_moves[k], by_column), (v_moves[k], by_row))]
    return give_back(xp, xp.reshape(dx, x.shape), x), give_back(xp, xp.stack(slopes, axis=1), boxes)


def part_of_bins(xp, points, moves, n, bins):
    """Return what each of n cells has in the mean of every bin, (R, bins, n), and how both ends of a box move it."""
    share, slope = shares(xp, neighbours(xp, points, n), n, bins)
    free = xp.reshape(xp.astype((points > 0) & (points < n - 1), points.dtype), (*slope.shape[:3], 1))
    each = [xp.reshape(move, (*slope.shape[:3], 1)) * free * slope for move in moves]
    return xp.sum(share, axis=2) / share.shape[2], [xp.sum(part, axis=2) / share.shape[2] for part in each]


@law(roi_align, normal(2, 3, 6, 7), boxes(4, height=6.0, width=7.0), integers(4, high=2))
def scale_is_in_units_of_the_boxes(f, x, box, ids):
    return f(x, 4 * box, ids, output_size=2, scale=0.25), f(x, box, ids, output_size=2)


@law(roi_align, normal(2, 3, 6, 7), boxes(4, height=6.0, width=7.0), integers(4, high=2))
def shift_comes_through(f, x, box, ids):
    return f(x + 4, box, ids, output_size=2), f(x, box, ids, output_size=2) + 4


@law(roi_align, normal(2, 3, 6, 7))
def cells_are_their_own_samples(f, x):
    whole = np.tile(0 * x[:1, 0, 0, :4] + [0.0, 0.0, 7.0, 6.0], (len(x), 1)).astype(x.dtype)
    return f(x, whole, np.arange(len(x)), output_size=(6, 7), samples=1), x


@law(roi_align, normal(2, 3, 6, 7), boxes(4, height=6.0, width=7.0), integers(4, high=2))
def half_a_cell_is_all_there_is_to_it(f, x, box, ids):
    wide = box + [0.0, 0.0, 1.0, 1.0]
    return f(x, wide, ids, output_size=2, aligned=False), f(x, wide + 0.5, ids, output_size=2)
