"""Few points that lie far from each other, and what their nearest neighbours hold."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal
from .._core.norms import length
from .._core.sums import mean, total
from .._core.weighing import softmax_weights
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_shape, require_switch, roomy, widen


def require_int(name, value, low, high, of="") -> int:
    """Refuse what is no int from `low` to `high`; return it."""
    try:
        value = op.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {value!r}") from None
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {of}{high}{' points' if of else ''}, got {value}")
    return value


def require_points(x) -> None:
    """Refuse what is no cloud (..., n, d)."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))


def distances(xp, x, point, *, roomy):
    """Return the distances of points (..., n, d) to one, (..., 1, d), as (..., n)."""
    return length(xp, x - point, roomy=roomy)[..., 0]


@operator(
    paper="ma2024shapesplat",
    cases=[
        case("cloud", normal(12, 3), k=5),
        case("clouds, loud start", normal(3, 9, 2), k=4, start=7),
        case("all", normal(2, 5, 5), k=5, start=2),
        case("offset", normal(2, 20, 3, mean=1e3), k=6),
    ],
    bench=case("cloud", normal(16, 2048, 3), k=64),
    rows=lambda x, rng: ([x.T], {"k": 4}),
)
def farthest_point_sample(x, /, *, k, start=0):
    r"""Return k points and their indices, each the farthest from those before it.

    .. math:: y_s = x_{i_s}, \qquad i_{s+1} = \arg\max_n \min_{r \le s} \lVert x_n - x_{i_r} \rVert_2, \quad
        i_1 = \mathrm{start}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The points, of shape (..., n, d).
    k : int
        How many to take, at most n.
    start : int
        The first of them.

    Returns
    -------
    tuple
        ``(points, index)``: the points in the order they are taken, (..., k, d), exactly, in the dtype of `x`; and
        which they are, (..., k) integers. The first of equally far points is taken; a point with a NaN counts as the
        farthest.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is no int.
    ValueError
        `x` has fewer than two axes or is empty along the last two, `k` is not from 1 to n, or `start` not below n.

    Notes
    -----
    Groups for PointNet-like networks are the nearest neighbours of these points, relative to them.

    References
    ----------
    Ma et al., ShapeSplat, 2024: as catalogued, where it is confirmed against fpsample.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> points, index = refnorm.pool.farthest_point_sample(np.array([[0.0], [1.0], [5.0], [9.0]]), k=3)
    >>> points.tolist(), index.tolist()
    ([[0.0], [9.0], [5.0]], [0, 3, 2])
    """
    xp, x = prepare(x)
    require_points(x)
    k = require_int("k", k, 1, x.shape[-2], "the ")
    start = require_int("start", start, 0, x.shape[-2] - 1)
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    place = xp.zeros((*x.shape[:-2], 1), dtype=xp.arange(1, device=device(x)).dtype, device=device(x)) + start
    taken, least = [place], xp.full(x.shape[:-1], float("inf"), dtype=wide.dtype, device=device(x))
    for _ in range(k - 1):
        point = xp.take_along_axis(wide, place[..., None], axis=-2)
        least = xp.minimum(least, distances(xp, wide, point, roomy=spare))
        place = xp.argmax(least, axis=-1, keepdims=True)
        taken.append(place)
    index = xp.concat(taken, axis=-1)
    return xp.take_along_axis(x, index[..., None], axis=-2), index


def require_neighbours(x, coordinates, query, reduce, tau) -> None:
    """Refuse what is no cloud with places, and no places to pool at."""
    require_points(x)
    places = coordinates.shape[-1] if coordinates.ndim else "coordinates"
    require_shape("coordinates", coordinates, (*x.shape[:-1], places))
    many = query.shape[-2] if query.ndim >= 2 else "queries"
    require_shape("query", query, (*x.shape[:-2], many, places))
    require_along(query, (-2, -1))
    if reduce not in ("max", "mean", "softmax"):
        raise ValueError(f"reduce must be 'max', 'mean' or 'softmax', got {reduce!r}")
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be above zero and finite, got {tau!r}")


def nearest(xp, x, d, k):
    """Return the members (..., n, c) at the k smallest of distances (..., m, n), (..., m, k, c), and these distances.

    What is at no known distance comes first: a NaN is not passed over.
    """
    order = xp.argsort(xp.where(xp.isnan(d), xp.full_like(d, -1.0), d), axis=-1, stable=True)[..., :k]
    flat = xp.reshape(order, (*order.shape[:-2], order.shape[-2] * k))
    members = xp.take_along_axis(x, flat[..., None], axis=-2)
    return xp.reshape(members, (*order.shape, x.shape[-1])), xp.take_along_axis(d, order, axis=-1)


@operator(
    paper=("ma2024shapesplat", "liu2025hymamba"),
    cases=[
        case("maximum", normal(9, 3), normal(9, 2), normal(4, 2), k=3),
        case("mean", normal(2, 7, 3), normal(2, 7, 3), normal(2, 2, 3), k=4, reduce="mean"),
        case("softmax of squares, loud tau", normal(8, 2), normal(8, 3), normal(3, 3), k=5, reduce="softmax", tau=2.5),
        case(
            "softmax of distances", normal(2, 8, 2), normal(2, 8, 3), normal(2, 3, 3), k=5, reduce="softmax", tau=0.5,
            squared=False,
        ),
        case("nearest", normal(6, 2), normal(6, 2), normal(3, 2), k=1),
    ],
    bench=case("cloud", normal(8, 1024, 32), normal(8, 1024, 3), normal(8, 64, 3), k=16, reduce="softmax"),
    rows=lambda x, rng: (
        [x.T, rng.normal(size=(x.shape[1], 2)), rng.normal(size=(2, 2))],
        {"k": 3, "reduce": "softmax"},
    ),
)  # fmt: skip
def knn_pool(x, coordinates, query, /, *, k, reduce="max", tau=1.0, squared=True):
    r"""Reduce the members nearest to each of several places: to their maximum, their mean, or one under softmax.

    .. math:: y_m = \sum_{n \in N_k(q_m)} w_n x_n, \qquad
        w = \mathrm{softmax}_{n \in N_k(q_m)} \big( -\lVert p_n - q_m \rVert_2^2 / \tau \big)

    for softmax; maximum and mean over the same neighbours, feature by feature.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        What n members hold, of shape (..., n, c).
    coordinates : array
        Their places p, in space or in a space of features, of shape (..., n, d).
    query : array
        The places q to pool at, of shape (..., m, d).
    k : int
        How many neighbours, at most n.
    reduce : {"max", "mean", "softmax"}
        What becomes of them.
    tau : float
        The temperature of softmax, above 0: small is the nearest, large the mean.
    squared : bool
        Whether softmax sees squared distances, or distances.

    Returns
    -------
    array
        (..., m, c), in the dtype, library and device of `x`. Of equally near members the first is taken. A NaN makes
        its feature NaN; a member with a NaN for a coordinate counts as the nearest.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of another type.
    ValueError
        An array has another shape or is empty, `k` is not from 1 to n, `reduce` is another word, or `tau` not above 0.

    Notes
    -----
    The residual form, the centre plus weighed differences to it, is the same: weights add up to 1.

    References
    ----------
    Ma et al., ShapeSplat, 2024; Liu et al., HyMamba: Mamba with Hybrid Geometry-Feature Coupling, 2025: formulas as
    catalogued, neither confirmed at its source (no code of these layers is known).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, p = np.array([[1.0], [5.0], [9.0]]), np.array([[0.0], [1.0], [7.0]])
    >>> refnorm.pool.knn_pool(x, p, np.array([[0.2]]), k=2, reduce="mean")
    array([[3.]])
    """
    xp, x, coordinates, query = prepare(x, coordinates, query, need=3)
    require_neighbours(x, coordinates, query, reduce, tau)
    require_switch("squared", squared)
    k = require_int("k", k, 1, x.shape[-2], "the ")
    wide, p, q = widen(xp, x, coordinates, query)
    spare = roomy(x, wide)
    d = length(xp, q[..., :, None, :] - p[..., None, :, :], roomy=spare)[..., 0]
    members, d = nearest(xp, wide, d, k)
    features = xp.matrix_transpose(members)
    if reduce == "softmax":
        w = softmax_weights(xp, -(d * d if squared else d) / tau, roomy=spare)
        y = total(xp, w[..., None, :] * features, roomy=spare)
    else:
        y = xp.max(features, axis=-1, keepdims=True) if reduce == "max" else mean(xp, features, roomy=spare)
    return give_back(xp, y[..., 0], x)


# ---- laws ----


@law(farthest_point_sample, normal(12, 3))
def neither_unit_nor_side_matters(f, x):
    return f(-4 * x, k=5, start=3)[0], -4 * f(x, k=5, start=3)[0]


@law(farthest_point_sample, normal(12, 3))
def the_second_is_the_farthest_from_the_first(f, x):
    return f(x, k=2, start=4)[0], x[[4, np.argmax(((x - x[4]) ** 2).sum(axis=1))]]


@law(farthest_point_sample, normal(12, 3))
def points_turned_round(f, x):
    return f(x[::-1], k=4, start=10)[0], f(x, k=4, start=1)[0]


@law(knn_pool, normal(8, 3), normal(8, 2), normal(3, 2))
def order_free(f, x, p, q):
    return f(x[::-1], p[::-1], q, k=4, reduce="softmax"), f(x, p, q, k=4, reduce="softmax")


@law(knn_pool, normal(8, 3), normal(8, 2), normal(3, 2))
def a_temperature_has_the_unit_of_squares(f, x, p, q):
    y = f(x, 4 * p, 4 * q, k=4, reduce="softmax", tau=8.0)
    return y, f(x, p, q, k=4, reduce="softmax", tau=0.5)


@law(knn_pool, normal(8, 3), normal(8, 2), normal(3, 2))
def all_members_are_neighbours(f, x, p, q):
    return f(x, p, q, k=8, reduce="mean"), np.repeat(x.sum(axis=0, keepdims=True) / 8, 3, axis=0)
