"""Layers made smaller by turning what goes between them and cutting directions off."""

from __future__ import annotations

import operator as op

import numpy as np

from .._cases import Draw, case, normal, orthonormal
from .._core.products import inner
from .._core.triples import leading, require_rank
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


def scatter(n):
    """Draw a covariance."""

    def make(rng, s):
        a = rng.normal(size=(s[0], s[0])) / s[0] ** 0.5
        return a @ a.T

    return Draw((n, n), make, "covariance")


def require_layer(x, mean, var, bias, rank) -> int:
    """Refuse what is no layer, and no moments of what comes out of it; return how many directions are kept."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (outputs, inputs) without a 0, got {tuple(x.shape)}")
    m = x.shape[0]
    require_shape("mean", mean, (m,))
    require_shape("var", var, (m, m))
    require_shape("bias", bias, (m,))
    return require_rank(rank, m)


@operator(
    paper="yu2024unified",
    cases=[
        case("a layer", normal(4, 6), normal(4), scatter(4), normal(4), rank=2),
        case("no bias", normal(3, 2), normal(3, mean=5.0), scatter(3), rank=1),
        case("most of it", normal(3, 4), normal(3), scatter(3), normal(3), rank=2),
    ],
    bench=case("a layer", normal(64, 128), normal(64), scatter(64), normal(64), rank=2),
    rows=lambda x, rng: (
        [x[:, :9] / (1 + abs(x).max()), *(draw(rng) for draw in (normal(len(x)), scatter(len(x))))],
        {"rank": 1},
    ),
)
def atomic_feature_mimicking(x, mean, var, bias=None, /, *, rank=None):
    r"""Split a linear layer in two by the principal directions of what comes out of it.

    .. math::
        \Sigma = U \, \mathrm{diag}(s) \, U^T, \qquad W_1 = U_r^T W, \quad b_1 = U_r^T b, \qquad
        W_2 = U_r, \quad b_2 = (I - U_r U_r^T) \mu

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The weight :math:`W`, of shape (outputs, inputs).
    mean : array
        The mean :math:`\mu` of the outputs on calibration data, of shape (outputs,).
    var : array
        Their covariance :math:`\Sigma`, of shape (outputs, outputs), symmetric and without negative eigenvalues. Not
        checked.
    bias : array, optional
        The bias :math:`b`, of shape (outputs,).
    rank : int, optional
        How many directions are kept, r, of 1 to the number of outputs; all when left out.

    Returns
    -------
    tuple of arrays
        ``(w_1, b_1, w_2, b_2)``, of shapes (r, inputs), (r,), (outputs, r) and (outputs,), in the dtype, library and
        device of `x`: outputs are W_2 (W_1 x + b_1) + b_2. The first of the largest entries of each direction is
        positive. A NaN or an infinity in the covariance makes everything NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `rank` is no int.
    ValueError
        A shape does not fit, a size is 0, or `rank` is out of its range.

    Notes
    -----
    The mean squared error on the calibration data is the sum of the eigenvalues cut off; no other layer of the rank has
    less. Nothing may bend between the two: a released script has a ReLU there, which breaks this. A table of embeddings
    is a layer of one-hot inputs, its moments weighted by how often each row is read.

    References
    ----------
    Yu et al., Unified Low-rank Compression Framework for Click-through Rate Prediction, 2024 (not read again: as
    catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> w, mean, cov = np.array([[1.0], [2.0]]), np.array([3.0, 5.0]), np.array([[4.0, 0.0], [0.0, 1.0]])
    >>> w1, b1, w2, b2 = refnorm.proj.atomic_feature_mimicking(w, mean, cov, rank=1)
    >>> w1.tolist(), b1.tolist(), abs(w2).tolist(), b2.tolist()
    ([[1.0]], [0.0], [[1.0], [0.0]], [0.0, 5.0])
    """
    xp, x, mean, var, bias = prepare(x, mean, var, bias, need=3)
    r = require_layer(x, mean, var, bias, rank)
    w, mu, cov, b = widen(xp, x, mean, var, bias)
    spare, b = roomy(x, w), xp.zeros_like(mu) if b is None else b
    _, _, v = leading(xp, cov, r)
    vt = xp.matrix_transpose(v)
    along = lambda y: inner(xp, vt, y[None, :], roomy=spare)[:, 0]
    rest = mu - inner(xp, v, along(mu)[None, :], roomy=spare)[:, 0]
    parts = inner(xp, vt, xp.matrix_transpose(w), roomy=spare), along(b), v, rest
    return tuple(give_back(xp, part, x) for part in parts)


# ---- laws ----


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


@law(atomic_feature_mimicking, normal(4, 6), normal(4), scatter(4), normal(4))
def all_directions_are_the_layer(f, x, mean, var, b):
    w1, b1, w2, b2 = f(x, mean, var, b)
    return np.concatenate([w2 @ w1, (w2 @ b1 + b2)[:, None]], axis=1), np.concatenate([x, b[:, None]], axis=1)


@law(atomic_feature_mimicking, normal(4, 6), normal(4), scatter(4))
def the_mean_is_met(f, x, mean, var):
    _, _, w2, b2 = f(x, mean, var, mean, rank=2)
    return w2 @ (w2.T @ mean) + b2, mean


@law(atomic_feature_mimicking, normal(4, 4), normal(4), scatter(4))
def first_weight_is_a_part_of_the_old(f, x, mean, var):
    w1, _, w2, _ = f(x, mean, var, rank=2)
    return w2 @ w1, w2 @ w2.T @ x
