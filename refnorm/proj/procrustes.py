"""The rotation that takes one set of vectors nearest to another, and features brought to others by it and by class."""

from __future__ import annotations

import numpy as np

from .._cases import case, integers, normal
from .._core.norms import length
from .._core.segments import gather, require_segments, segment_sums
from .._core.sums import mean, total
from .._core.triples import require_matrices, svd
from .._registry import law, operator
from .._xp import give_back, prepare, require_same_shape, require_shape, require_switch, roomy, widen


def level(xp, x):
    """Return matrices by their largest size, so that no product of two overflows or vanishes; zeros stay."""
    size = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)
    return x / xp.where(size == 0, xp.ones_like(size), size)


@operator(
    paper=("schonemann1966generalized", "zhou2022bt2"),
    cases=[
        case("sets", normal(6, 3), normal(6, 3)),
        case("proper", normal(7, 4), normal(7, 4), proper=True),
        case("turned over", normal(5, 1), normal(5, 1), proper=True),
        case("stack", normal(2, 5, 2), normal(2, 5, 2)),
        case("tiny", normal(4, 2, std=1e-200), normal(4, 2, std=1e-200)),
        case("no sets", normal(0, 4, 3), normal(0, 4, 3)),
    ],
    bench=case("sets", normal(512, 32), normal(512, 32)),
    rows=lambda x, rng: ([x[:, :3], rng.normal(size=(len(x), 3))], {}),
)
def orthogonal_procrustes(x, target, /, *, proper=False):
    r"""Return the orthogonal matrix that takes rows of `x` nearest to those of `target`.

    .. math:: Q = \arg\min_{Q^T Q = I} \lVert X Q - T \rVert_F = U V^T, \qquad X^T T = U \, \mathrm{diag}(s) \, V^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Sets of vectors as rows, of shape (..., m, n).
    target : array
        What they should be turned to, row by row, of the shape of `x`.
    proper : bool
        Whether the matrix must be a rotation, of determinant 1 (Kabsch); the direction of the smallest singular value
        is turned over where it would not be.

    Returns
    -------
    array
        (..., n, n), in the dtype, library and device of `x`. A NaN or an infinity makes the whole matrix of its set
        NaN. Where :math:`X^T T` lacks a rank (with `proper`: two), or its last values tie, more than one is as near.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `proper` is no bool.
    ValueError
        `x` has not two axes, n or m is 0, or the shapes differ.

    Notes
    -----
    Sets are taken as they are: subtract their means for the best turn and shift together. The best scale beside the
    turn is <XQ, T> / <X, X>. SciPy's `orthogonal_procrustes` gives the same matrix, and the sum of s with it.

    References
    ----------
    Schonemann, A Generalized Solution of the Orthogonal Procrustes Problem, 1966; Kabsch, A Solution for the Best
    Rotation to Relate Two Sets of Vectors, 1976; Zhou et al., BT^2, 2022 (none read again: as catalogued; confirmed
    against SciPy).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, target = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])
    >>> refnorm.proj.orthogonal_procrustes(x, target).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    xp, x, target = prepare(x, target, need=2)
    require_matrices("x", x)
    require_same_shape("target", target, x)
    require_switch("proper", proper)
    wide, aim = widen(xp, x, target)
    return give_back(xp, nearest(xp, wide, aim, proper), x)


def nearest(xp, x, aim, proper):
    """Return the orthogonal matrix, or the rotation, that takes rows of x nearest to those of `aim`."""
    u, _, v = svd(xp, xp.matmul(xp.matrix_transpose(level(xp, x)), level(xp, aim)))
    q = xp.matmul(u, xp.matrix_transpose(v))
    if proper:
        over = xp.linalg.det(q)[..., None, None] < 0
        last = xp.matmul(u[..., -1:], xp.matrix_transpose(v[..., -1:]))
        q = xp.where(over, q - 2 * last, q)
    return q


def centred(xp, x, *, roomy):
    """Return rows less the mean of all rows."""
    return x - xp.matrix_transpose(mean(xp, xp.matrix_transpose(x), roomy=roomy))


def unit(xp, x, *, roomy):
    """Return rows of unit length; zeros stay."""
    size = length(xp, x, roomy=roomy)
    return x / xp.where(size == 0, xp.ones_like(size), size)


@operator(
    paper="zhou2023drtune",
    cases=[
        case("turned", normal(9, 3), normal(9, 3), normal(2, 3), integers(9, high=2), segments=2),
        case("as they are", normal(8, 4), normal(8, 4), normal(3, 4), integers(8, high=3), segments=3, aligned=False),
        case(
            "loud scale", normal(7, 2), normal(7, 2), normal(2, 2), integers(7, low=-1, high=2), segments=2, scale=2.5
        ),
    ],
    bench=case("turned", normal(2048, 64), normal(2048, 64), normal(10, 64), integers(2048, high=10), segments=10),
    rows=lambda x, rng: (
        [x[:, :9].T, rng.normal(size=(min(9, x.shape[1]), len(x))), rng.normal(size=(2, len(x)))]
        + [np.arange(min(9, x.shape[1])) % 2],
        {"segments": 2},
    ),
)
def semantic_calibration(x, target, weight, ids, /, *, segments, aligned=True, scale=1.0):
    r"""Bring features of an old network to those of a new one: turned as a whole, then shifted class by class.

    .. math:: p_i = R \Bigl( \hat x_i - \frac{1}{n} \sum_j \hat x_j \Bigr), \qquad
        y_i = s \, \frac{p_i + t_{c(i)}}{\lVert p_i + t_{c(i)} \rVert}, \qquad
        t_c = \sum_{c(j) = c} \alpha_j \hat d_j - \frac{1}{n_c} \sum_{c(j) = c} p_j, \qquad
        \alpha = \mathrm{softmax}_{c(j) = c} \langle \hat d_j, \hat w_c \rangle

    where a hat is a vector of unit length, zeros staying zeros, and R the rotation that takes centred x nearest to
    centred d; with ``aligned=False`` p is the unit vector of x.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The features of the old network, of shape (n, D).
    target : array
        Those of the new one, d, of the same inputs and of the shape of `x`.
    weight : array
        The vectors w of the classes in the new network's last layer, of shape (C, D).
    ids : array of integers
        The class c of each row, of shape (n,). What is not in 0 .. C - 1 is turned and not shifted.
    segments : int
        The number of classes, C.
    aligned : bool
        Whether features are turned.
    scale : float
        The length s of the answer: in the paper the mean length of the present features.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes everything NaN with ``aligned``, its
        class without.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or `ids` no integers, the arrays are of two libraries, `aligned` is no
        bool, or `scale` no number.
    ValueError
        A shape does not fit or a size is 0, or `segments` is below 1.

    Notes
    -----
    The released code turns at every tenth step only, and fails where a class has one member.

    References
    ----------
    Zhou et al., DR-Tune: Improving Fine-tuning of Pretrained Visual Models by Distribution Regularization with Semantic
    Calibration, 2023 (confirmed in its released code, ``semantic_calibration``).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, d, ids = np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 3.0], [0.0, 1.0]]), np.array([0, 0])
    >>> refnorm.proj.semantic_calibration(x, d, np.eye(2)[:1], ids, segments=1, aligned=False)
    array([[0., 1.],
           [0., 1.]])
    """
    xp, x, target, weight = prepare(x, target, weight, need=3)
    segments = require_features(xp, x, target, weight, ids, segments, aligned, scale)
    wide, new, heads = widen(xp, x, target, weight)
    spare = roomy(x, wide)
    p, d, w = (unit(xp, a, roomy=spare) for a in (wide, new, heads))
    if aligned:
        p = centred(xp, p, roomy=spare)
        p = xp.matmul(p, nearest(xp, p, centred(xp, d, roomy=spare), True))
    alike = total(xp, d * gather(xp, w, ids, segments), roomy=spare)
    e = xp.exp(alike)
    share, n = segment_sums(xp, xp.concat([e, e * d, p], axis=-1), ids, segments, roomy=spare)
    e, theirs, own = share[:, :1], share[:, 1 : 1 + x.shape[1]], share[:, 1 + x.shape[1] :]
    n = xp.astype(xp.where(n > 0, n, xp.ones_like(n)), e.dtype)[:, None]
    shift = theirs / xp.where(e == 0, xp.ones_like(e), e) - own / n
    y = p + gather(xp, shift, ids, segments)
    return give_back(xp, scale * unit(xp, y, roomy=spare), x)


def require_features(xp, x, target, weight, ids, segments, aligned, scale) -> int:
    """Refuse what are no features of two networks in classes; return the number of classes."""
    segments = require_segments(xp, x, ids, segments, scale)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must hold features, shape (n, D), not empty, got {tuple(x.shape)}")
    require_same_shape("target", target, x)
    require_shape("weight", weight, (segments, x.shape[1]))
    require_switch("aligned", aligned)
    return segments


# ---- laws ----


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def columns_are_orthonormal(f, x, t):
    q = f(x, t)
    return q.T @ q, np.eye(3, dtype=x.dtype)


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def lengths_are_free(f, x, t):
    return f(4 * x, 0.5 * t), f(x, t)


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def back_is_transposed(f, x, t):
    return f(t, x, proper=True), f(x, t, proper=True).T


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def axes_of_the_target_turn_along(f, x, t):
    return f(x, t[:, ::-1]), f(x, t)[:, ::-1]


@law(semantic_calibration, normal(9, 3), normal(9, 3), normal(2, 3), integers(9, high=2))
def lengths_do_not_matter(f, x, d, w, ids):
    return f(4 * x, 2 * d, 8 * w, ids, segments=2), f(x, d, w, ids, segments=2)


@law(semantic_calibration, normal(9, 3), normal(9, 3), normal(2, 3), integers(9, high=2))
def the_length_is_the_scale(f, x, d, w, ids):
    y = f(x, d, w, ids, segments=2, scale=3.0)
    return (y * y).sum(axis=-1), 0 * y[:, 0] + 9
