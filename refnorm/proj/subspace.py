"""One linear subspace: projection on it, removal of it, and losses to it."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import Draw, case, normal, orthonormal, positive, uniform
from .._core.frames import orthonormal_rows
from .._core.logistic import sigmoids
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_shape, roomy, widen


def mean_of_all(xp, x):
    """Return the mean of all elements as an array of one: NumPy would make it a number, which is no array."""
    return xp.mean(xp.reshape(x, (-1,)), axis=-1, keepdims=True)


def frame(k, n):
    """Draw k orthonormal rows of n."""
    return Draw((k, n), lambda rng, s: orthonormal(s[1], s[0])(rng).T.copy(), "orthonormal rows")


def frames(m, k, n):
    """Draw m such frames."""
    return Draw((m, k, n), lambda rng, s: np.stack([frame(*s[1:])(rng) for _ in range(s[0])]), "orthonormal rows")


def require_rows(name, rows, n, ndim=2) -> None:
    """Refuse what is no stack of rows of n elements."""
    if rows.ndim != ndim or rows.shape[-1] != n:
        raise ValueError(f"{name} must have shape ({'m, ' * (ndim - 2)}k, {n}), got {tuple(rows.shape)}")


def on(xp, x, basis, origin, *, roomy):
    """Return the nearest point of origin + span(basis), whose rows are orthonormal."""
    c = x if origin is None else x - origin
    y = xp.matmul(inner(xp, c, basis, roomy=roomy), basis)
    return y if origin is None else y + origin


@operator(
    paper="li2023few",
    cases=[
        case("rows", normal(4, 8), frame(3, 8)),
        case("origin", normal(3, 7), frame(2, 7), normal(7)),
        case("offset", normal(2, 3, 9, mean=100.0), frame(4, 9), normal(9, mean=100.0)),
        case("one direction", normal(5), frame(1, 5)),
        case("no rows", normal(0, 4), frame(2, 4)),
    ],
    bench=case("rows", normal(4096, 1024), frame(64, 1024)),
    rows=lambda x, rng: ([x, frame(2, x.shape[1])(rng)], {}),
)
def subspace_project(x, basis, origin=None, /):
    r"""Project rows of `x` on the nearest point of the subspace that the rows of `basis` span.

    .. math:: y = \mu + (x - \mu) Q^T Q

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    basis : array
        Orthonormal rows :math:`Q`, of shape (k, n). That they are orthonormal is not checked.
    origin : array, optional
        A point :math:`\mu` of the subspace, of shape (n,); 0 when left out.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN makes its whole row NaN. The residual is x less this, and
        the squared distance that of the residual.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `basis` has not the shape (k, n), or `origin` not (n,), or n is 0.

    References
    ----------
    Li et al., Few-shot Hybrid Domain Adaptation of Image Generators, 2023 (abstract read only; the projection is the
    textbook's, and confirmed against least squares).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.subspace_project(np.array([3.0, 4.0]), np.array([[0.0, 1.0]]))
    array([0., 4.])
    """
    xp, x, basis, origin = prepare(x, basis, origin, need=2)
    require_along(x, -1)
    require_rows("basis", basis, x.shape[-1])
    require_shape("origin", origin, x.shape[-1:])
    wide, q, mu = widen(xp, x, basis, origin)
    return give_back(xp, on(xp, wide, q, mu, roomy=roomy(x, wide)), x)


@operator(
    paper=("jang2024decor", "venkataramanan2025franca"),
    cases=[
        case("rows", normal(4, 8), normal(3, 8)),
        case("alpha", normal(2, 3, 7), normal(2, 7), alpha=0.75),
        case("large directions", normal(3, 9), normal(2, 9, std=1e4), alpha=1.25),
        case("dependent to a half", normal(4, 6), normal(3, 6, mean=1.5), rtol=0.8),
        case("no rows", normal(0, 4), normal(2, 4)),
    ],
    bench=case("rows", normal(4096, 1024), normal(8, 1024)),
    rows=lambda x, rng: ([x, rng.normal(size=(2, x.shape[1]))], {"alpha": 0.75}),
)
def subspace_remove(x, directions, /, *, alpha=1.0, rtol=1e-6):
    r"""Take the span of unwanted directions off the rows of `x`.

    .. math:: y = x - \alpha \, x \, Q^T Q, \qquad Q \text{ orthonormal rows of the span of the directions}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    directions : array
        The unwanted directions, of shape (k, n) and any length.
    alpha : float
        How much of them to take off: 1 leaves nothing of them, 0 leaves `x`.
    rtol : float
        A direction is left out if those before it explain it but for this share of its length.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN makes its whole row NaN, one in `directions` everything.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        `directions` has not the shape (k, n), n is 0, `alpha` is not finite or `rtol` negative.

    Notes
    -----
    Any orthonormal rows of a span give the same answer: they come from Gram and Schmidt in the order given, which
    needs no rule of signs. DECOR takes singular vectors above rtol times the largest singular value; Franca takes off
    pairs of directions round after round, each fitted to what the last has left: call once a round.

    References
    ----------
    Jang et al., DECOR, 2024 (abstract read only); Venkataramanan et al., Franca, 2025 (not read again; as
    catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.subspace_remove(np.array([3.0, 4.0]), np.array([[0.0, 2.0]]), alpha=0.5)
    array([3., 2.])
    """
    xp, x, directions = prepare(x, directions, need=2)
    require_along(x, -1, rtol)
    require_rows("directions", directions, x.shape[-1])
    if not math.isfinite(alpha):
        raise ValueError(f"alpha must be finite, got {alpha!r}")
    wide, d = widen(xp, x, directions)
    spare = roomy(x, wide)
    q = orthonormal_rows(xp, d, rtol, roomy=spare)
    along, unused = inner(xp, wide, q, roomy=spare), xp.max(xp.abs(q), axis=-1) == 0
    along = xp.where(unused, xp.zeros_like(along), along)  # not infinity times the 0 that stands for a direction
    return give_back(xp, wide - alpha * xp.matmul(along, q), x)


@operator(
    paper="li2023few",
    cases=[
        case("two subspaces", normal(4, 8), frames(2, 3, 8)),
        case("origins", normal(3, 7), frames(2, 2, 7), normal(2, 7)),
        case("weights", normal(2, 3, 6), frames(3, 2, 6), normal(3, 6), positive(3)),
        case("one of one", normal(5), frames(1, 1, 5)),
    ],
    bench=case("rows", normal(1024, 512), frames(4, 16, 512)),
    rows=lambda x, rng: ([x, frames(2, 2, x.shape[1])(rng), None, np.full(2, x.shape[1] ** -0.5)], {}),
)
def subspace_distance_loss(x, basis, origin=None, weight=None, /):
    r"""Return the mean distance of the rows of `x` to several subspaces, added up.

    .. math:: L = \sum_d w_d \, \frac{1}{N} \sum_n \lVert x_n - P_d(x_n) \rVert_2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    basis : array
        The subspaces, each k orthonormal rows: shape (m, k, n). That they are orthonormal is not checked.
    origin : array, optional
        A point of each subspace, of shape (m, n); 0 when left out.
    weight : array, optional
        The weights :math:`w`, of shape (m,); 1 when left out.

    Returns
    -------
    array
        One number, in the dtype, library and device of `x`; NaN where there are no rows, or a NaN among them. The
        derivative at a row inside a subspace is 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `basis` has not the shape (m, k, n), `origin` not (m, n), `weight` not (m,), or n is 0.

    References
    ----------
    Li et al., Few-shot Hybrid Domain Adaptation of Image Generators, 2023: formula as catalogued, not confirmed at its
    source (the abstract only speaks of reducing the distances to all target subspaces).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.subspace_distance_loss(np.array([[3.0, 4.0]]), np.array([[[0.0, 1.0]], [[1.0, 0.0]]]))
    array(7.)
    """
    xp, x, basis, origin, weight = prepare(x, basis, origin, weight, need=2)
    require_along(x, -1)
    require_rows("basis", basis, x.shape[-1], ndim=3)
    require_shape("origin", origin, (basis.shape[0], x.shape[-1]))
    require_shape("weight", weight, basis.shape[:1])
    wide, q, mu, w = widen(xp, x, basis, origin, weight)
    spare, loss = roomy(x, wide), 0.0
    for d in range(basis.shape[0]):
        rest = wide - on(xp, wide, q[d, ...], None if mu is None else mu[d, ...], roomy=spare)
        distance = mean_of_all(xp, length(xp, rest, roomy=spare))
        loss = loss + (distance if w is None else w[d] * distance)
    return give_back(xp, xp.reshape(loss, ()), x)


@operator(
    paper="li2023few",
    cases=[
        case("rows", normal(4, 8), normal(4, 8), frame(3, 8)),
        case("origin", normal(3, 7), normal(3, 7), frame(2, 7), normal(7)),
        case("loud eps", normal(2, 3, 6), normal(2, 3, 6), frame(2, 6), normal(6), eps=0.5),
        case("one row", normal(5), normal(5), frame(1, 5), eps=2.0),
    ],
    bench=case("rows", normal(1024, 512), normal(1024, 512), frame(16, 512)),
    rows=lambda x, rng: ([x, x + rng.normal(size=x.shape) * abs(x).mean(), frame(2, x.shape[1])(rng)], {}),
)
def subspace_direction_loss(x, old, basis, origin=None, /, *, eps=1e-8):
    r"""Return one minus the mean cosine between how rows moved and the perpendicular to a subspace.

    .. math:: L = 1 - \frac{1}{N} \sum_n \frac{\langle \delta_n, p_n \rangle}
        {\lVert \delta_n \rVert \lVert p_n \rVert + \epsilon}, \qquad
        \delta = x - x', \quad p = P(x') - x'

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The rows after the move, of shape (..., n).
    old : array
        The rows before it, :math:`x'`, of the same shape.
    basis, origin : array
        The subspace, as :func:`subspace_project` takes it.
    eps : float
        Added to the product of lengths, in units of x squared.

    Returns
    -------
    array
        One number from 0 to 2, in the dtype, library and device of `x`; 0 where every row moved straight to the
        subspace. A row that did not move counts 1. NaN where there are no rows, or a NaN among them.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `old` has not the shape of `x`, `basis` not (k, n), `origin` not (n,), n is 0, or `eps` is negative.

    References
    ----------
    Li et al., Few-shot Hybrid Domain Adaptation of Image Generators, 2023: formula as catalogued, not confirmed at its
    source (the abstract only speaks of guiding the adaptation along the perpendicular to subspaces).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, old = np.array([[1.0, 1.0]]), np.array([[1.0, 2.0]])
    >>> refnorm.proj.subspace_direction_loss(x, old, np.array([[1.0, 0.0]]), eps=0.0)
    array(0.)
    """
    xp, x, old, basis, origin = prepare(x, old, basis, origin, need=3)
    require_same_shape("old", old, x)
    require_along(x, -1, eps)
    require_rows("basis", basis, x.shape[-1])
    require_shape("origin", origin, x.shape[-1:])
    wide, before, q, mu = widen(xp, x, old, basis, origin)
    spare = roomy(x, wide)
    moved, straight = wide - before, on(xp, before, q, mu, roomy=spare) - before
    sizes = length(xp, moved, roomy=spare) * length(xp, straight, roomy=spare)
    cosine = total(xp, moved * straight, roomy=spare) / (sizes + eps)
    return give_back(xp, xp.reshape(1 - mean_of_all(xp, cosine), ()), x)


def require_fit(x, weight, coordinates, count, step) -> None:
    """Refuse what are no rows with coordinates and directions to begin with, and steps that are none."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (N, n) without a 0, got {tuple(x.shape)}")
    require_rows("weight", weight, x.shape[1])
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have a row for each coordinate, got {tuple(weight.shape)}")
    require_shape("coordinates", coordinates, (x.shape[0], weight.shape[0]))
    require_along(x, -1, step)
    if op.index(count) < 1:
        raise ValueError(f"count must be 1 or more, got {count!r}")


@operator(
    paper="venkataramanan2025franca",
    cases=[
        case("steps", normal(6, 4), normal(2, 4), uniform(6, 2), step=0.5, count=3),
        case("one step", normal(3, 5), normal(1, 5), uniform(3, 1), step=2.0),
        case("straight", normal(5, 3), normal(2, 3), normal(5, 2), step=0.25, count=2, activation="none"),
    ],
    bench=case("steps", normal(256, 64), normal(2, 64), uniform(256, 2), count=4),
    rows=lambda x, rng: (
        [x[:, :8] / (1 + abs(x[:, :8]).max()), rng.normal(size=(2, x[:, :8].shape[1])), rng.uniform(size=(len(x), 2))],
        {"count": 2, "step": 0.5},
    ),
)
def fit_position_directions(x, weight, coordinates, /, *, count=1, step=1.0, activation="sigmoid"):
    r"""Move directions so that they tell the coordinates of rows of `x`, by steps of gradient descent.

    .. math::
        W \leftarrow W - \eta \, \nabla_W \, \frac{1}{N p} \sum_{ni}
        \bigl( \phi(\langle w_i, x_n \rangle) - c_{ni} \bigr)^2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Patch features, of shape (N, n).
    weight : array
        The directions to begin with, of shape (p, n): a row a coordinate, 2 for rows and columns of an image.
    coordinates : array
        Where each patch is, of shape (N, p): index / (side - 1) from 0 to 1.
    count : int
        The number of steps.
    step : float
        The length :math:`\eta` of a step.
    activation : str
        What :math:`\phi` is: "sigmoid", or "none" for a linear fit.

    Returns
    -------
    array
        (p, n), in the dtype, library and device of `x`. Hand it to :func:`subspace_remove`, and fit anew on what is
        left. A NaN makes everything NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, a size is 0, `count` is below 1, `step` negative, or `activation` has no such name.

    Notes
    -----
    Plain steps over all rows; the released code takes AdamW over batches, without a bias as here.

    References
    ----------
    Venkataramanan et al., Franca, 2025 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, w = np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])
    >>> refnorm.proj.fit_position_directions(x, w, np.array([[1.0]]), step=4.0)
    array([[1., 3.]])
    """
    xp, x, weight, coordinates = prepare(x, weight, coordinates, need=3)
    require_fit(x, weight, coordinates, count, step)
    if activation not in ("sigmoid", "none"):
        raise ValueError(f"activation must be sigmoid or none, got {activation!r}")
    wide, w, c = widen(xp, x, weight, coordinates)
    spare, factor = roomy(x, wide), 2 / (c.shape[0] * c.shape[1])
    columns = xp.matrix_transpose(wide)
    for _ in range(count):
        a = inner(xp, wide, w, roomy=spare)
        delta = a - c
        if activation == "sigmoid":
            a, rest = sigmoids(xp, a)
            delta = (a - c) * a * rest
        w = w - step * (factor * inner(xp, xp.matrix_transpose(delta), columns, roomy=spare))
    return give_back(xp, w, x)


# ---- laws ----


@law(subspace_project, normal(4, 9), frame(3, 9), normal(9))
def stays_once_there(f, x, q, mu):
    return f(f(x, q, mu), q, mu), f(x, q, mu)


@law(subspace_project, normal(4, 9), frame(3, 9))
def pythagoras(f, x, q):
    y = f(x, q)
    return (y**2).sum(axis=-1) + ((x - y) ** 2).sum(axis=-1), (x**2).sum(axis=-1)


@law(subspace_project, normal(4, 9), frame(3, 9), normal(9))
def origin_moves_along(f, x, q, mu):
    return f(x + 4, q, mu + 4), f(x, q, mu) + 4


@law(subspace_remove, normal(4, 9), normal(3, 9))
def nothing_is_left(f, x, d):
    return f(x, d) @ d.T, 0 * (x @ d.T)


@law(subspace_remove, normal(4, 9), normal(3, 9))
def length_of_directions_is_free(f, x, d):
    return f(x, 4 * d[::-1], alpha=0.5), f(x, d, alpha=0.5)


@law(subspace_remove, normal(4, 9), normal(3, 9))
def half_and_half(f, x, d):
    return (x + f(x, d)) / 2, f(x, d, alpha=0.5)


@law(subspace_distance_loss, normal(4, 9), frames(2, 3, 9))
def distances_are_in_units_of_x(f, x, q):
    return f(4 * x, q), 4 * f(x, q)


@law(subspace_distance_loss, normal(4, 9), frames(2, 3, 9))
def subspaces_add(f, x, q):
    return f(x, q), f(x, q[:1]) + f(x, q[1:])


@law(subspace_direction_loss, normal(4, 9), normal(4, 9), frame(3, 9))
def length_of_the_move_is_free(f, x, old, q):
    return f(old + 2 * (x - old), old, q, eps=0.0), f(x, old, q, eps=0.0)


@law(subspace_direction_loss, normal(4, 9), normal(4, 9), frame(3, 9))
def back_is_the_other_way(f, x, old, q):
    return f(2 * old - x, old, q, eps=0.5), 2 - f(x, old, q, eps=0.5)


@law(fit_position_directions, normal(6, 4), normal(2, 4), normal(6, 2))
def a_straight_step_is_linear(f, x, w, c):
    moved = f(x, w, c, step=0.5, activation="none")
    return moved, w - 0.5 * (x @ w.T - c).T @ x / 6


@law(fit_position_directions, normal(6, 4), normal(2, 4), normal(6, 2))
def two_steps_are_two_times_one(f, x, w, c):
    return f(x, w, c, step=0.5, count=2), f(x, f(x, w, c, step=0.5), c, step=0.5)


@law(fit_position_directions, normal(6, 4), normal(2, 4))
def nothing_moves_where_it_is_told(f, x, w):
    return f(x, w, 1 / (1 + np.exp(-x @ w.T)), step=4.0), w
