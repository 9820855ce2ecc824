"""Unions of subspaces: what a noisy point was when each may have held it, and a round of finding the subspaces."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, normal, positive
from .._core.norms import square_scale
from .._core.products import inner
from .._core.sums import total
from .._core.triples import svd
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_shape, roomy, widen
from .subspace import frames


def require_mixture(x, basis, weights, scale, std) -> None:
    """Refuse what are no subspaces of rows of x, and a signal or a noise that is not above zero."""
    require_along(x, -1)
    if basis.ndim != 3 or basis.shape[2] != x.shape[-1] or 0 in basis.shape:
        raise ValueError(f"basis must have shape (subspaces, r, {x.shape[-1]}) without a 0, got {tuple(basis.shape)}")
    require_shape("weights", weights, basis.shape[:1])
    for name, value in (("scale", scale), ("std", std)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be finite and above zero, got {value!r}")


@operator(
    paper="wang2024diffusion",
    cases=[
        case("two subspaces", normal(4, 6), frames(2, 2, 6), positive(2)),
        case("loud noise", normal(2, 3, 5), frames(3, 2, 5), positive(3), scale=0.75, std=1.5),
        case("equal weights", normal(3, 4, std=2.0), frames(3, 1, 4), scale=1.5, std=2.0),
        case("one", normal(5), frames(1, 2, 5)),
        case("no rows", normal(0, 4), frames(2, 2, 4), positive(2)),
    ],
    bench=case("rows", normal(1024, 128), frames(10, 8, 128), positive(10)),
    rows=lambda x, rng: ([x, rng.normal(size=(2, 1, x.shape[1])) / x.shape[1] ** 0.5], {}),
)
def subspace_mixture_denoiser(x, basis, weights=None, /, *, scale=1.0, std=1.0):
    r"""Return the posterior mean of points of a few subspaces seen in noise.

    .. math::
        y = \frac{s}{s^2 + \gamma^2} \sum_k w_k U_k^T U_k x, \qquad
        w = \mathrm{softmax}_k \bigl( \log \pi_k + \phi \lVert U_k x \rVert^2 \bigr), \qquad
        \phi = \frac{s^2}{2 \gamma^2 (s^2 + \gamma^2)}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The points seen, s times a point of a subspace with normal coordinates, and noise: of shape (..., d).
    basis : array
        Orthonormal rows :math:`U_k` of each subspace, of shape (subspaces, r, d). Not checked.
    weights : array, optional
        How often each subspace is met, :math:`\pi_k`, of shape (subspaces,), of any sum; alike when left out.
    scale : float
        The factor :math:`s` of the signal, above zero.
    std : float
        The standard deviation :math:`\gamma` of the noise, above zero.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        A shape does not fit, a size is 0, or an option is not above zero.

    Notes
    -----
    Of subspaces of one dimension each; of several dimensions the weights carry ((s^2 + g^2) / g^2)^(-r / 2) beside.

    References
    ----------
    Wang et al., Diffusion Models Learn Low-Dimensional Distributions via Subspace Clustering, 2024 (not read again: as
    catalogued from its derivation).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.subspace_mixture_denoiser(np.array([4.0, 0.0]), np.array([[[1.0, 0.0]]]))
    array([2., 0.])
    """
    xp, x, basis, weights = prepare(x, basis, weights, need=2)
    require_mixture(x, basis, weights, scale, std)
    wide, u, prior = widen(xp, x, basis, weights)
    spare, flat = roomy(x, wide), xp.reshape(u, (-1, x.shape[-1]))
    c = xp.reshape(inner(xp, wide, flat, roomy=spare), (*x.shape[:-1], *basis.shape[:2]))
    size = square_scale(xp, wide, roomy=spare)  # squares may overflow: differences of them are scaled up again
    square = total(xp, (c / size[..., None]) ** 2, roomy=spare)[..., 0]
    power = scale**2 / (2 * std**2 * (scale**2 + std**2))
    e = xp.exp(power * (square - xp.max(square, axis=-1, keepdims=True)) * size * size)
    e = e if prior is None else prior * e
    w = e / total(xp, e, roomy=spare)
    mixed = xp.reshape(w[..., None] * c, (*x.shape[:-1], basis.shape[0] * basis.shape[1]))
    y = inner(xp, mixed, xp.matrix_transpose(flat), roomy=spare)
    return give_back(xp, scale / (scale**2 + std**2) * y, x)


@operator(
    paper="wang2024diffusion",
    cases=[
        case("lines", normal(12, 4), frames(2, 1, 4)),
        case("planes", normal(11, 5), frames(2, 2, 5)),
        case("one", normal(6, 3, std=5.0), frames(1, 2, 3)),
        case("more than points", normal(3, 4), frames(5, 1, 4)),
    ],
    bench=case("planes", normal(1024, 64), frames(8, 2, 64)),
    rows=lambda x, rng: ([x[:, :9].T / np.max(np.abs(x)), rng.normal(size=(1, 1, len(x)))], {}),
)
def k_subspaces(x, basis, /):
    r"""Give each point to the subspace that holds most of it, and find the best subspace for the points of each.

    .. math:: c_i = \arg\max_k \lVert U_k x_i \rVert^2, \qquad e_i = \lVert U_{c_i} x_i \rVert^2, \qquad
        U_k' = \arg\max_{U U^\top = I} \sum_{c_i = k} \lVert U x_i \rVert^2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The points, of shape (n, d).
    basis : array
        Orthonormal rows :math:`U_k` of each subspace, of shape (subspaces, r, d), r at most n and d. Not checked.

    Returns
    -------
    tuple
        ``(basis, energy, ids)``: the next basis, of the shape of `basis`, and (n,), in the dtype, library and device of
        `x`; integers (n,), the first of equals. Rows are the leading right singular vectors of the points, their first
        largest entry above zero. A subspace without points keeps its rows; one with fewer than r of them, or with equal
        singular values, is not determined. A NaN or an infinity makes the energy of its point NaN and the rows of its
        subspace.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        A shape does not fit, a size is 0, or there are more rows than points.

    Notes
    -----
    One round of K-subspaces: the sum of the energies never falls from one to the next.

    References
    ----------
    Wang et al., Diffusion Models Learn Low-Dimensional Distributions via Subspace Clustering, 2024 (not read again: as
    catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[3.0, 1.0], [6.0, 2.0], [0.0, 5.0]])
    >>> basis, energy, ids = refnorm.proj.k_subspaces(x, np.eye(2)[:, None])
    >>> basis.round(4).tolist(), energy, ids
    ([[[0.9487, 0.3162]], [[0.0, 1.0]]], array([ 9., 36., 25.]), array([0, 0, 1]))
    """
    xp, x, basis = prepare(x, basis, need=2)
    require_frames(x, basis)
    wide, u = widen(xp, x, basis)
    spare = roomy(x, wide)
    size = square_scale(xp, wide, roomy=spare)  # squares may overflow
    c = xp.reshape(inner(xp, wide, xp.reshape(u, (-1, x.shape[1])), roomy=spare), (x.shape[0], *basis.shape[:2]))
    squares = total(xp, (c / size[..., None]) ** 2, roomy=spare)[..., 0]
    ids = xp.argmax(squares, axis=-1)
    mine = ids == xp.arange(basis.shape[0], device=device(x))[:, None]
    energy = xp.max(squares, axis=-1) * size[:, 0] * size[:, 0]
    _, _, v = svd(xp, xp.where(mine[..., None], wide, xp.zeros_like(wide)))
    found = xp.matrix_transpose(v[..., : basis.shape[1]])
    found = xp.where(xp.any(mine, axis=-1)[:, None, None], found, u)
    return give_back(xp, found, x), give_back(xp, energy, x), ids


def require_frames(x, basis) -> None:
    """Refuse what are no points, and no subspaces of their numbers that so many points can have."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must hold points, shape (n, d), not empty, got {tuple(x.shape)}")
    if basis.ndim != 3 or basis.shape[2] != x.shape[1] or 0 in basis.shape:
        raise ValueError(f"basis must have shape (subspaces, r, {x.shape[1]}) without a 0, got {tuple(basis.shape)}")
    if basis.shape[1] > min(x.shape):
        raise ValueError(
            f"basis must have at most {min(x.shape)} rows for points of shape {tuple(x.shape)}, got {basis.shape[1]}"
        )


@law(subspace_mixture_denoiser, normal(4, 6), frames(1, 2, 6))
def one_subspace_is_a_projection(f, x, u):
    return f(x, u, scale=2.0), 0.4 * (x @ u[0].T @ u[0])


@law(subspace_mixture_denoiser, normal(4, 6), frames(2, 2, 6), positive(2))
def sum_of_weights_is_free(f, x, u, w):
    return f(x, u, 4 * w), f(x, u, w)


@law(subspace_mixture_denoiser, normal(4, 6), frames(2, 2, 6), positive(2))
def sign_of_points_is_free(f, x, u, w):
    return f(-x, u, w), -f(x, u, w)


@law(k_subspaces, normal(12, 4), frames(1, 2, 4))
def who_is_inside_has_all_of_the_energy(f, x, u):
    inside = x @ u[0].T @ u[0]
    return f(inside, u)[1], (inside * inside).sum(axis=-1)


@law(k_subspaces, normal(12, 4), frames(1, 2, 4))
def energies_are_squares(f, x, u):
    return f(4 * x, u)[1], 16 * f(x, u)[1]
