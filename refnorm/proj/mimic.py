"""Layers made smaller by turning what goes between them and cutting directions off."""

from __future__ import annotations

import operator as op

from .._cases import case, normal, orthonormal
from .._core.products import inner
from .._registry import law, operator
from .._xp import give_back, prepare, require_shape, roomy, widen


def require_block(x, other, rotation, basis, bias, k) -> None:
    """Refuse what are no layers into and out of a block, a rotation of what each meets, and a size to cut to."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (inside, d) without a 0, got {tuple(x.shape)}")
    d = x.shape[1]
    if other.ndim != 2 or other.shape[0] != d or 0 in other.shape:
        raise ValueError(f"other must have shape ({d}, inside), got {tuple(other.shape)}")
    require_shape("rotation", rotation, (d, d))
    require_shape("basis", basis, (d, d))
    require_shape("bias", bias, (d,))
    if not 1 <= op.index(k) <= d:
        raise ValueError(f"k must be 1 to {d}, got {k!r}")


@operator(
    paper="ashkboos2024slicegpt",
    cases=[
        case("a block", normal(5, 4), normal(4, 6), orthonormal(4, 4), orthonormal(4, 4), normal(4), k=3),
        case("no bias", normal(3, 5), normal(5, 3), orthonormal(5, 5), orthonormal(5, 5), k=2),
        case("all kept", normal(2, 3, mean=5.0), normal(3, 4), orthonormal(3, 3), orthonormal(3, 3), normal(3), k=3),
    ],
    bench=case("a block", normal(512, 128), normal(128, 512), normal(128, 128), normal(128, 128), normal(128), k=96),
    rows=lambda x, rng: (
        [x[:, :6], *(rng.normal(size=(x[:, :6].shape[1], n or x[:, :6].shape[1])) / 6 for n in (2, 0, 0))],
        {"k": 1},
    ),
)
def slice_rotated_weights(x, other, rotation, basis, bias=None, /, *, k):
    r"""Turn the weights into and out of a block to principal directions, and keep the first `k`.

    .. math:: (W_i Q_i)_{:,:k}, \quad (Q_o^T W_o)_{:k}, \quad (Q_o^T b)_{:k}, \quad (Q_i^T Q_o)_{:k,:k}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The weight into the block :math:`W_i`, of shape (inside, d).
    other : array
        The weight out of it :math:`W_o`, of shape (d, inside).
    rotation, basis : array
        The rotations :math:`Q_i` and :math:`Q_o` of what comes in and of what goes out, of shape (d, d): columns by
        falling variance. That they are orthogonal is not checked.
    bias : array, optional
        The bias :math:`b` of the weight out, of shape (d,).
    k : int
        How many directions are kept, from 1 to d.

    Returns
    -------
    tuple of array
        (weight in, weight out, bias, shortcut) of shapes (inside, k), (k, inside), (k,) and (k, k), in the dtype,
        library and device of `x`: what goes round the block is multiplied by the shortcut. The bias is 0 without one.
        With k = d the block does what it did, in turned coordinates.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `k` is no integer.
    ValueError
        A shape does not fit, a size is 0, or `k` is not 1 to d.

    References
    ----------
    Ashkboos et al., SliceGPT, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> turn = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> into, out, _, shortcut = refnorm.proj.slice_rotated_weights(
    ...     np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), turn, np.eye(2), k=1)
    >>> into.tolist(), out.tolist(), shortcut.tolist()
    ([[2.0]], [[3.0]], [[0.0]])
    """
    xp, x, other, rotation, basis, bias = prepare(x, other, rotation, basis, bias, need=4)
    require_block(x, other, rotation, basis, bias, k)
    into, out, p, q, b = widen(xp, x, other, rotation, basis, bias)
    spare = roomy(x, into)
    kept, turned = xp.matrix_transpose(p[:, :k]), xp.matrix_transpose(q[:, :k])
    b = xp.zeros_like(q[0, :]) if b is None else b
    parts = (
        inner(xp, into, kept, roomy=spare),
        inner(xp, turned, xp.matrix_transpose(out), roomy=spare),
        inner(xp, turned, b[None, :], roomy=spare)[:, 0],
        inner(xp, kept, turned, roomy=spare),
    )
    return tuple(give_back(xp, part, x) for part in parts)


@law(slice_rotated_weights, normal(5, 4), normal(4, 6), orthonormal(4, 4), normal(4))
def a_linear_block_is_the_same_in_turned_coordinates(f, into, out, q, b):
    v = f(into, out, q, q, b, k=4)[1]
    return v.T @ v, out.T @ out


@law(slice_rotated_weights, normal(5, 4), normal(4, 6), orthonormal(4, 4), orthonormal(4, 4), normal(4))
def what_is_kept_does_not_depend_on_how_much(f, into, out, p, q, b):
    return f(into, out, p, q, b, k=4)[0][:, :2], f(into, out, p, q, b, k=2)[0]


@law(slice_rotated_weights, normal(5, 4), normal(4, 6), orthonormal(4, 4), normal(4))
def shortcut_of_one_rotation_is_the_identity(f, into, out, q, b):
    return 3 * f(into, out, q, q, b, k=2)[3] + 1, 1 + 3.0 * (f(into, out, q, q, b, k=2)[3] > 0.5)
