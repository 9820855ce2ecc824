"""Classes as subspaces: logits that are lengths of projections."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, normal
from .._core.moments import sum_leading
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import give_back, like_weight, prepare, require_along, require_shape, require_switch, roomy, widen
from .subspace import frames


def require_classes(x, basis, bias, normalize, scale, eps) -> tuple:
    """Refuse what are no subspaces of rows of x; return the shape of the logits."""
    require_along(x, -1, eps)
    if basis.ndim != 3 or basis.shape[2] != x.shape[-1] or 0 in basis.shape:
        raise ValueError(f"basis must have shape (classes, m, {x.shape[-1]}) without a 0, got {tuple(basis.shape)}")
    require_shape("bias", bias, basis.shape[:1])
    require_switch("normalize", normalize)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    return (*x.shape[:-1], basis.shape[0])


def sizes(xp, x, normalize, eps, *, roomy):
    """Return what rows are divided by: their length or eps, and 1 where they are taken as they are."""
    if not normalize:
        return xp.ones_like(x[..., :1])
    size = length(xp, x, roomy=roomy)
    return xp.where(size < eps, xp.full_like(size, eps), size)


def along(xp, x, basis, *, roomy):
    """Return the coordinates of rows in every subspace, (..., classes, m), and their lengths, (..., classes, 1)."""
    flat = xp.reshape(basis, (-1, basis.shape[2]))
    c = xp.reshape(inner(xp, x, flat, roomy=roomy), (*x.shape[:-1], *basis.shape[:2]))
    return c, length(xp, c, roomy=roomy)


@operator(
    paper="wang2023get",
    cases=[
        case("classes", normal(4, 6), frames(3, 2, 6)),
        case("bias", normal(2, 3, 5, mean=2.0), frames(4, 3, 5), normal(4), scale=2.5),
        case("as they are", normal(3, 7), frames(2, 1, 7), scale=0.5, normalize=False),
        case("loud eps", normal(3, 4), frames(2, 2, 4), eps=4.0),
        case("no rows", normal(0, 4), frames(3, 2, 4)),
    ],
    bench=case("classes", normal(512, 256), frames(100, 8, 256)),
    rows=lambda x, rng: ([x, rng.normal(size=(2, 2, x.shape[1]))], {}),
)
def grassmann_logits(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    r"""Return the lengths of the projections of rows of `x` on a subspace for each class.

    .. math:: y_k = \gamma \, \lVert S_k \hat x \rVert_2 + b_k, \qquad \hat x = x / \max(\lVert x \rVert_2, \epsilon)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., d).
    basis : array
        Orthonormal rows :math:`S_k` for each class, of shape (classes, m, d). That they are orthonormal is not
        checked.
    bias : array, optional
        The shift :math:`b_k` of each class; the released head has none.
    scale : float
        The factor :math:`\gamma`.
    normalize : bool
        Whether rows of x get unit length first.
    eps : float
        The least a row is divided by, in units of x.

    Returns
    -------
    array
        (..., classes), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, a size is 0, `scale` is not finite, or `eps` negative.

    Notes
    -----
    A subspace of one dimension gives the magnitude of a cosine, the whole space gives 1. Turning a basis within its
    subspace changes nothing. The gradient of a basis is made a tangent by :func:`subspace_remove`.

    References
    ----------
    Wang, Li and Zhang, Get the Best of Both Worlds, 2023 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> basis = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    >>> refnorm.proj.grassmann_logits(np.array([3.0, 0.0, 4.0]), basis, scale=10.0).tolist()
    [6.0, 8.0]
    """
    xp, x, basis, bias = prepare(x, basis, bias, need=2)
    require_classes(x, basis, bias, normalize, scale, eps)
    wide, s, b = widen(xp, x, basis, bias)
    spare = roomy(x, wide)
    y = along(xp, wide, s, roomy=spare)[1][..., 0] / sizes(xp, wide, normalize, eps, roomy=spare)
    return give_back(xp, scale * y if b is None else scale * y + b, x)


@gradient(grassmann_logits)
def grassmann_logits_vjp(cotangent, x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    r"""Return the cotangents of `x`, `basis` and `bias` for a cotangent of ``grassmann_logits(x, basis, bias)``.

    .. math::
        u_k = \frac{S_k \hat x}{\lVert S_k \hat x \rVert}, \quad g = \gamma \sum_k \bar y_k S_k^T u_k, \quad
        \bar x = \frac{g - \hat x \langle \hat x, g \rangle}{\lVert x \rVert}, \quad
        \bar S_k = \gamma \sum_{\text{rows}} \bar y_k u_k \hat x^T

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, basis, bias, scale, normalize, eps
        As in :func:`grassmann_logits`.

    Returns
    -------
    tuple
        ``(dx, dbasis, dbias)``; None where there is no bias. Where a projection is 0 its gradient is 0; a row shorter
        than eps is divided by a constant.

    Raises
    ------
    TypeError, ValueError
        As in :func:`grassmann_logits`; also where `cotangent` has not the shape of the output.

    References
    ----------
    Wang, Li and Zhang, Get the Best of Both Worlds, 2023 (not read again: confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, basis = np.array([0.0, 2.0]), np.array([[[0.6, 0.8]]])
    >>> dx, dbasis, _ = refnorm.proj.grassmann_logits_vjp(np.array([1.0]), x, basis, scale=1.0)
    >>> dx.round(12).tolist(), dbasis.tolist()
    ([0.3, 0.0], [[[0.0, 1.0]]])
    """
    xp, cotangent, x, basis, bias = prepare(cotangent, x, basis, bias, need=3)
    require_shape("cotangent", cotangent, require_classes(x, basis, bias, normalize, scale, eps))
    c, wide, s = widen(xp, cotangent, x, basis)
    spare = roomy(x, wide)
    size = sizes(xp, wide, normalize, eps, roomy=spare)
    at, far = along(xp, wide, s, roomy=spare)
    u = scale * c[..., None] * at / xp.where(far == 0, xp.ones_like(far), far)
    u = xp.reshape(u, (*x.shape[:-1], basis.shape[0] * basis.shape[1]))
    flat, unit = xp.reshape(s, (-1, x.shape[-1])), wide / size
    g = xp.matmul(u, flat)
    moves = size == length(xp, wide, roomy=spare) if normalize else size != size
    dx = (g - xp.where(moves, unit * total(xp, unit * g, roomy=spare), xp.zeros_like(g))) / size
    rows = xp.matrix_transpose(xp.reshape(u, (-1, flat.shape[0])))
    ds = xp.matmul(rows, xp.reshape(unit, (-1, x.shape[-1])))
    return give_back(xp, dx, x), like_weight(xp, ds, basis), like_weight(xp, sum_leading(xp, c), bias)


# ---- laws ----


@law(grassmann_logits, normal(4, 6), frames(3, 2, 6))
def a_turned_basis_is_the_same(f, x, s):
    turned = np.stack([0.6 * s[:, 0] + 0.8 * s[:, 1], 0.8 * s[:, 0] - 0.6 * s[:, 1]], axis=1)
    return f(x, turned), f(x, s)


@law(grassmann_logits, normal(4, 6), frames(3, 2, 6))
def length_of_rows_is_free(f, x, s):
    return f(4 * x, s), f(x, s)


@law(grassmann_logits, normal(4, 6), frames(1, 6, 6))
def whole_space_gives_one(f, x, s):
    return f(x, s, scale=2.0), 2.0 + 0 * x[:, :1]
