"""Unions of subspaces: the mean of what a noisy point was, when each subspace may have held it."""

from __future__ import annotations

import math

from .._cases import case, normal, positive
from .._core.norms import square_scale
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, widen
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


@law(subspace_mixture_denoiser, normal(4, 6), frames(1, 2, 6))
def one_subspace_is_a_projection(f, x, u):
    return f(x, u, scale=2.0), 0.4 * (x @ u[0].T @ u[0])


@law(subspace_mixture_denoiser, normal(4, 6), frames(2, 2, 6), positive(2))
def sum_of_weights_is_free(f, x, u, w):
    return f(x, u, 4 * w), f(x, u, w)


@law(subspace_mixture_denoiser, normal(4, 6), frames(2, 2, 6), positive(2))
def sign_of_points_is_free(f, x, u, w):
    return f(-x, u, w), -f(x, u, w)
