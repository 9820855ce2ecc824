"""Points reduced to the cells of a grid that they lie in, and grids looked up where points lie."""

from __future__ import annotations

import numpy as np

from .._cases import case, normal, uniform
from .._core.grids import cell_index, grid_span, multilinear
from .._core.segments import segment_counts
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_shape, roomy, widen
from .adaptive import sizes_asked
from .segment import REDUCTIONS, pooled

KINDS = ("nearest", "linear")


def grid_asked(x, coordinates, output_size, low, high, reduce, fill):
    """Refuse what no grid can be made of; return the sizes of the grid and what it spans."""
    if x.ndim != 2 or coordinates.ndim != 2 or coordinates.shape[1] == 0:
        raise ValueError(
            "x and coordinates must have shape (points, C) and (points, k), "
            f"got {tuple(x.shape)} and {tuple(coordinates.shape)}"
        )
    axes = coordinates.shape[1]
    require_shape("coordinates", coordinates, (x.shape[0], axes))
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be 'sum', 'mean', 'max' or 'min', got {reduce!r}")
    if not isinstance(fill, int | float):
        raise TypeError(f"fill must be a real number, got {fill!r}")
    return sizes_asked((1, 1) + (1,) * axes, output_size), grid_span(low, high, axes)


@operator(
    paper="li2023bevdg",
    cases=[
        case("maximum", normal(30, 3), uniform(30, 2), output_size=(3, 4)),
        case("mean, one number a side", normal(25, 2), uniform(25, 2, low=-3.0, high=5.0), output_size=4, low=-2.0,
             high=6.0, reduce="mean"),
        case("volume, loud fill", normal(20, 2), uniform(20, 3, high=4.0), output_size=(2, 4, 3), low=(0.0, 1.0, -2.0),
             high=(4.0, 3.0, 4.0), reduce="sum", fill=-3.5),
        case("line, minimum", normal(40, 3), uniform(40, 1), output_size=8, reduce="min"),
        case("no points", normal(0, 3), uniform(0, 2), output_size=2),
    ],
    bench=case("birds", normal(100_000, 16), uniform(100_000, 2), output_size=64),
    rows=lambda x, rng: ([x.T, rng.random((x.shape[1], 1))], {"output_size": 2, "reduce": "mean"}),
)  # fmt: skip
def grid_scatter_pool(x, coordinates, /, *, output_size, low=0.0, high=1.0, reduce="max", fill=0.0):
    r"""Reduce the features of the points in each cell of a grid to one.

    .. math:: y_{c} = \max_{i \,:\, \mathrm{cell}_i = c} x_i, \qquad
        \mathrm{cell}_i = \Bigl\lfloor \frac{u_i - \mathrm{low}}{(\mathrm{high} - \mathrm{low}) / n} \Bigr\rfloor

    along each axis of the grid, taken to the cell at the border outside; mean, sum and minimum likewise.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The features of points, of shape (points, C).
    coordinates : array
        Where the points lie, :math:`u`, of shape (points, k): k = 2 for a view from above.
    output_size : int or tuple of int
        The cells n along all or each axis of the grid.
    low, high : float or tuple of float
        What the grid spans, in units of the coordinates. A cell holds its lower end, not its upper one.
    reduce : {"max", "mean", "sum", "min"}
        What becomes of the points in a cell.
    fill : float
        What an empty cell holds, in units of x.

    Returns
    -------
    grid : array
        (C, *output_size), in the dtype, library and device of `x`. A NaN or an infinity stays in its cell.
    counts : array of integers
        The points in each cell, of shape output_size.
    cell : array of integers
        The cell of each point in row-major order, of shape (points,); -1, for none, where a coordinate is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or an option is no number.
    ValueError
        `x` or `coordinates` has another shape, `low` is not below `high`, an option has the wrong length, or `reduce`
        is another word.

    Notes
    -----
    SciPy's ``binned_statistic_dd`` leaves out what is outside, and counts the upper end of the last cell to it.

    References
    ----------
    Li et al., BEV-DG: Cross-Modal Learning under Bird's-Eye View for Domain Generalization of 3D Semantic Segmentation,
    2023, as catalogued: no code is known.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, u = np.array([[1.0], [5.0], [2.0]]), np.array([[0.1], [0.3], [0.9]])
    >>> grid, counts, cell = refnorm.pool.grid_scatter_pool(x, u, output_size=2)
    >>> grid
    array([[5., 2.]])
    >>> counts, cell
    (array([2, 1]), array([0, 0, 1]))
    """
    xp, x, coordinates = prepare(x, coordinates, need=2)
    sizes, spans = grid_asked(x, coordinates, output_size, low, high, reduce, fill)
    wide, at = widen(xp, x, coordinates)
    cell, cells = cell_index(xp, at, spans, sizes), int(np.prod(sizes))
    counts = segment_counts(xp, cell, cells) if x.shape[0] else xp.zeros((cells,), dtype=cell.dtype, device=device(x))
    y = pooled(xp, wide, cell, cells, reduce, fill, roomy=roomy(x, wide))
    grid = xp.reshape(xp.permute_dims(y, (1, 0)), (x.shape[1], *sizes))
    return give_back(xp, grid, x), xp.reshape(counts, sizes), cell


@operator(
    paper="li2023bevdg",
    cases=[
        case("nearest", normal(3, 4, 5), uniform(7, 2, low=-0.2, high=1.1)),
        case("linear", normal(3, 4, 5), uniform(9, 2, low=-0.2, high=1.1), kind="linear"),
        case("volume", normal(2, 3, 2, 4), uniform(6, 3, low=-2.0, high=7.0), low=(-1.0, 0.0, 2.0),
             high=(7.0, 4.0, 6.0), kind="linear"),
        case("line, nearest", normal(2, 8), uniform(9, 1, high=4.0), low=-4.0, high=4.0),
        case("no points", normal(2, 3, 3), uniform(0, 2)),
    ],
    bench=case("birds", normal(16, 64, 64), uniform(100_000, 2), kind="linear"),
    rows=lambda x, rng: ([x, rng.random((33, 1))], {"kind": "linear"}),
)  # fmt: skip
def grid_gather(x, coordinates, /, *, low=0.0, high=1.0, kind="nearest"):
    r"""Look a grid up where points lie: the cell a point is in, or what is linear between the centers of cells.

    .. math:: y_i = x_{\mathrm{cell}_i}, \qquad \text{or} \quad
        y_i = \sum_{c} x_c \prod_j \max(0, 1 - |p_{ij} - c_j|), \quad
        p = \frac{u - \mathrm{low}}{(\mathrm{high} - \mathrm{low}) / n} - \frac{1}{2}

    with p brought to 0..n - 1: beyond the centers at the border a grid goes on as it ends.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The grid, of shape (C, *sizes), with k sizes.
    coordinates : array
        Where the points lie, :math:`u`, of shape (points, k).
    low, high : float or tuple of float
        What the grid spans, in units of the coordinates.
    kind : {"nearest", "linear"}
        The cell of :func:`grid_scatter_pool`, or multilinear between the centers of cells.

    Returns
    -------
    array
        (points, C), in the dtype, library and device of `x`. A point with a NaN coordinate gets NaN; a NaN or an
        infinity in the grid makes NaN the points that its center has a part in, be that part 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or `low` or `high` is no number.
    ValueError
        `x` or `coordinates` has another shape, `low` is not below `high`, or `kind` is another word.

    Notes
    -----
    torch's ``grid_sample(align_corners=False, padding_mode="border")`` with its coordinates, from -1 to 1, reversed.

    References
    ----------
    Li et al., BEV-DG: Cross-Modal Learning under Bird's-Eye View for Domain Generalization of 3D Semantic Segmentation,
    2023, as catalogued: no code is known.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> grid, u = np.array([[2.0, 6.0]]), np.array([[0.1], [0.5], [0.9]])
    >>> refnorm.pool.grid_gather(grid, u)[:, 0]
    array([2., 6., 6.])
    >>> refnorm.pool.grid_gather(grid, u, kind="linear")[:, 0]
    array([2., 4., 6.])
    """
    xp, x, coordinates = prepare(x, coordinates, need=2)
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (C, *sizes) with no empty axis, got {tuple(x.shape)}")
    sizes = x.shape[1:]
    require_shape("coordinates", coordinates, (*coordinates.shape[:1], len(sizes)))
    spans = grid_span(low, high, len(sizes))
    if kind not in KINDS:
        raise ValueError(f"kind must be 'nearest' or 'linear', got {kind!r}")
    wide, at = widen(xp, x, coordinates)
    if kind == "linear":
        axes = [(at[:, j] - a) / ((b - a) / n) - 0.5 for j, ((a, b), n) in enumerate(zip(spans, sizes, strict=True))]
        within = [xp.clip(p, 0.0, n - 1.0) for p, n in zip(axes, sizes, strict=True)]
        return give_back(xp, multilinear(xp, wide, xp.stack(within, axis=1)), x)
    cell = cell_index(xp, at, spans, sizes)
    cells = xp.permute_dims(xp.reshape(wide, (x.shape[0], int(np.prod(sizes)))), (1, 0))
    y = xp.take(cells, xp.where(cell < 0, xp.zeros_like(cell), cell), axis=0)
    return give_back(xp, xp.where((cell < 0)[:, None], xp.full_like(y, float("nan")), y), x)


@law(grid_scatter_pool, normal(20, 3), uniform(20, 2))
def order_free(f, x, u):
    return f(x[::-1], u[::-1], output_size=3, reduce="mean")[0], f(x, u, output_size=3, reduce="mean")[0]


@law(grid_scatter_pool, normal(20, 3), uniform(20, 2))
def coordinates_have_no_unit(f, x, u):
    return f(x, 4 * u - 2, output_size=3, low=-2.0, high=2.0)[0], f(x, u, output_size=3)[0]


@law(grid_scatter_pool, normal(20, 3), uniform(20, 2))
def axes_change_places(f, x, u):
    turned = f(x, u[:, ::-1], output_size=(4, 3), fill=-9.0)[0].transpose(0, 2, 1)
    return turned, f(x, u, output_size=(3, 4), fill=-9.0)[0]


@law(grid_gather, normal(3, 4, 5), uniform(7, 2))
def linear_in_the_grid(f, x, u):
    return f(4 * x, u, kind="linear") - f(x, u, kind="linear"), 3 * f(x, u, kind="linear")


@law(grid_gather, normal(3, 8))
def centers_are_found(f, x):
    centers = (np.arange(8)[:, None] + 0.5) / 8
    return f(x, centers, kind="linear") + 2 * f(x, centers), 3 * x.T


@law(grid_gather, normal(3, 4, 5), uniform(7, 2, low=-1.0, high=2.0))
def beyond_the_border_it_goes_on(f, x, u):
    return f(x, u), f(x, np.minimum(np.maximum(u, 0.0), 1.0))
