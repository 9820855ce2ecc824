"""New embeddings that hold the old ones: cut from a rotated space, merged with an old head, held there by a loss."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, integers, normal, orthonormal
from .._core.norms import length
from .._core.products import inner
from .._core.sums import mean, total
from .._registry import law, operator
from .._xp import (
    device,
    give_back,
    prepare,
    require_along,
    require_indices,
    require_same_shape,
    require_shape,
    roomy,
    widen,
)  # fmt: skip


def unit(xp, x, eps, *, roomy):
    """Return rows divided by their length, or by eps where they are shorter."""
    size = length(xp, x, roomy=roomy)
    return x / xp.where(size < eps, xp.full_like(size, eps), size)


@operator(
    paper="ricci2024backward",
    cases=[
        case("rows", normal(4, 6), orthonormal(6, 6), k=4),
        case("bias", normal(2, 3, 5, mean=2.0), orthonormal(5, 5), normal(5), k=2),
        case("loud eps", normal(3, 4), orthonormal(4, 4), k=4, eps=4.0),
        case("one row", normal(3), orthonormal(3, 3), k=1),
        case("no rows", normal(0, 4), orthonormal(4, 4), k=2),
    ],
    bench=case("rows", normal(1024, 256), orthonormal(256, 256), k=128),
    rows=lambda x, rng: ([x[:, :5], orthonormal(x[:, :5].shape[1], x[:, :5].shape[1])(rng)], {"k": 1}),
)
def orthogonal_compatible_map(x, rotation, bias=None, /, *, k, eps=1e-12):
    r"""Return the part of unit rows that meets old embeddings, and the rows turned for the new classifier.

    .. math:: f = x / \max(\lVert x \rVert_2, \epsilon), \qquad (f_{:k}, \; f Q^T + c)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The new embeddings, of shape (..., n).
    rotation : array
        The orthogonal :math:`Q`, of shape (n, n). That it is orthogonal is not checked.
    bias : array, optional
        The shift :math:`c`, of shape (n,): the released layer has one, which takes its lengths away.
    k : int
        The size of the old embeddings, from 1 to n.
    eps : float
        The least a row is divided by, in units of x.

    Returns
    -------
    tuple of array
        ((..., k), (..., n)), in the dtype, library and device of `x`: the first is compared with old embeddings by its
        cosine, the second goes to the classifier. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, n is 0, `k` is not 1 to n, or `eps` is negative.

    References
    ----------
    Ricci et al., Backward-Compatible Aligned Representations, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.orthogonal_compatible_map(np.array([3.0, 4.0]), np.array([[0.0, 1.0], [-1.0, 0.0]]), k=1)
    (array([0.6]), array([ 0.8, -0.6]))
    """
    xp, x, rotation, bias = prepare(x, rotation, bias, need=2)
    require_along(x, -1, eps)
    n = x.shape[-1]
    require_shape("rotation", rotation, (n, n))
    require_shape("bias", bias, (n,))
    if not 1 <= op.index(k) <= n:
        raise ValueError(f"k must be 1 to {n}, got {k!r}")
    wide, q, c = widen(xp, x, rotation, bias)
    spare = roomy(x, wide)
    f = unit(xp, wide, eps, roomy=spare)
    y = inner(xp, f, q, roomy=spare)
    return give_back(xp, f[..., :k], x), give_back(xp, y if c is None else y + c, x)


def require_merge(x, other, rotation, basis, scale, eps) -> None:
    """Refuse what is no old head, no new embedding, or no square matrix for each."""
    require_along(x, -1, eps)
    require_along(other, -1)
    d, a = other.shape[-1], basis.shape[0] if basis.ndim else 0
    require_shape("other", other, (*x.shape[:-1], d))
    require_shape("rotation", rotation, (d, d))
    if basis.shape != (a, a) or not 1 <= a <= x.shape[-1] + d:
        raise ValueError(f"basis must be square, 1 to {x.shape[-1] + d}, got shape {tuple(basis.shape)}")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")


@operator(
    paper="zhou2022bt2",
    cases=[
        case("rows", normal(4, 2), normal(4, 6), orthonormal(6, 6), orthonormal(5, 5)),
        case("scale", normal(2, 3, 4), normal(2, 3, 3), orthonormal(3, 3), orthonormal(6, 6), scale=0.75),
        case("loud eps", normal(3, 1), normal(3, 4), orthonormal(4, 4), orthonormal(2, 2), eps=3.0),
        case("no rows", normal(0, 2), normal(0, 3), orthonormal(3, 3), orthonormal(4, 4)),
    ],
    bench=case("rows", normal(1024, 32), normal(1024, 256), orthonormal(256, 256), orthonormal(128, 128)),
    rows=lambda x, rng: (
        [x, rng.normal(size=(len(x), 4)), orthonormal(4, 4)(rng), orthonormal(1, 1)(rng)],
        {"scale": 0.5},
    ),
)
def basis_transformation(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    r"""Merge what predicts an old embedding with the new one, so that the first part is compared with old ones.

    .. math::
        v = \Bigl[ \frac{x}{\max(\lVert x \rVert, \epsilon)}, \; s \, \frac{f}{\max(\lVert f \rVert, \epsilon)} P^T
        \Bigr], \qquad c = v_{:a} P_o^T, \qquad (c, \; [c, v_{a:}])

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The first entries of the head that predicts old embeddings, of shape (..., e).
    other : array
        The new embeddings :math:`f`, of shape (..., d).
    rotation : array
        The orthogonal :math:`P`, of shape (d, d). Not checked.
    basis : array
        The orthogonal :math:`P_o`, of shape (a, a), a the size of old embeddings, at most e + d. Not checked.
    scale : float
        The factor :math:`s` of the new embeddings.
    eps : float
        The least a row is divided by.

    Returns
    -------
    tuple of array
        ((..., a), (..., e + d)), in the dtype, library and device of `x`: compare the first with old embeddings by its
        cosine, the second with other new ones. The second has the squared length 1 + s^2.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        A shape does not fit, a size is 0, `scale` is not finite, or `eps` is negative.

    Notes
    -----
    The released model has a second form, which projects the old embedding first and leaves the new one as it is.

    References
    ----------
    Zhou et al., BT^2, 2022 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, f, p = np.array([-2.0]), np.array([3.0, 4.0]), np.eye(2)
    >>> refnorm.proj.basis_transformation(x, f, p, np.array([[0.0, 1.0], [1.0, 0.0]]), scale=5.0)
    (array([ 3., -1.]), array([ 3., -1.,  4.]))
    """
    xp, x, other, rotation, basis = prepare(x, other, rotation, basis, need=4)
    require_merge(x, other, rotation, basis, scale, eps)
    old, new, p, q = widen(xp, x, other, rotation, basis)
    spare = roomy(x, old)
    turned = scale * inner(xp, unit(xp, new, eps, roomy=spare), p, roomy=spare)
    v = xp.concat([unit(xp, old, eps, roomy=spare), turned], axis=-1)
    a = basis.shape[0]
    c = inner(xp, v[..., :a], q, roomy=spare)
    return give_back(xp, c, x), give_back(xp, xp.concat([c, v[..., a:]], axis=-1), x)


@operator(
    paper="biondi2024stationary",
    cases=[
        case("batch", normal(4, 6, std=0.5), normal(4, 6), integers(4, high=3), scale=1.0),
        case("loud scale", normal(6, 5, std=0.5), normal(6, 5, std=0.5), integers(6, high=2), scale=3.0),
        case("one class", normal(3, 4), normal(3, 4), integers(3, high=1), scale=0.5),
        case("offset", normal(5, 3, mean=2.0), normal(5, 3), integers(5, high=9), scale=-0.5),
    ],
    bench=case("batch", normal(256, 128, std=0.1), normal(256, 128, std=0.1), integers(256, high=10)),
    rows=lambda x, rng: (
        [x, rng.normal(size=x.shape) / x.shape[1], rng.integers(0, 3, len(x))],
        {"scale": 0.5},
    ),
)
def higher_order_compatible_loss(x, old, ids, /, *, scale=10.0):
    r"""Return a contrastive loss that pulls new features to the old ones of the same sample.

    .. math::
        L = \frac1B \sum_i \Bigl( -S_{ii} + \log \sum_j e^{S_{ij} [y_i \ne y_j]} \Bigr), \qquad
        S_{ij} = \mu \, \langle h_i, x_j \rangle

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The new features, of shape (B, n).
    old : array
        The old features :math:`h`, of the same shape.
    ids : array of integers
        The class :math:`y_i` of each sample, of shape (B,).
    scale : float
        The factor :math:`\mu`.

    Returns
    -------
    array
        One number, in the dtype, library and device of `x`. A NaN or an infinity may make it NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, the arrays are of two libraries, or `scale` is no
        number.
    ValueError
        A shape does not fit, a size is 0, or `scale` is not finite.

    Notes
    -----
    As released: what is of the same class is multiplied by 0 in the exponent and adds 1 to the sum, the pair itself
    too. The paper leaves it out of the sum, but for the pair. Features are not normalised inside.

    References
    ----------
    Biondi et al., Stationary Representations, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids = np.array([[1.0], [1.0]]), np.array([0, 0])
    >>> round(float(refnorm.proj.higher_order_compatible_loss(x, x, ids, scale=2.0)), 6)
    -1.306853
    """
    xp, x, old = prepare(x, old, need=2)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (B, n) without a 0, got {tuple(x.shape)}")
    require_same_shape("old", old, x)
    require_indices(xp, "ids", ids, x.shape[:1])
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    new, h = widen(xp, x, old)
    spare = roomy(x, new)
    z = scale * inner(xp, h, new, roomy=spare)
    z = xp.where(ids[:, None] == ids[None, :], xp.zeros_like(z), z)
    most = xp.max(z, axis=-1, keepdims=True)
    pull = scale * total(xp, h * new, roomy=spare)
    each = (most - pull) + xp.log(total(xp, xp.exp(z - most), roomy=spare))
    return give_back(xp, xp.reshape(mean(xp, xp.reshape(each, (-1,)), roomy=spare), ()), x)


def directed(xp, x, eps, *, roomy):
    """Return rows divided by their length or by eps, and how much their squares lack to 1: nothing but where by eps."""
    size = length(xp, x, roomy=roomy)
    short = size < eps
    least = xp.full_like(size, eps)
    share = xp.where(short, size / least if eps else size, xp.ones_like(size))
    return x / xp.where(short, least, size), 1 - share * share


def cross_entropies(xp, z, ids, *, roomy):
    """Return log sum_j exp(z_j - z_y) for each row; NaN where there is no such y."""
    places = xp.arange(z.shape[-1], dtype=ids.dtype, device=device(z))
    first = xp.argmax(z, axis=-1, keepdims=True)
    most = xp.take_along_axis(z, first, axis=-1)
    mine = total(xp, xp.where(places == ids[:, None], z, xp.zeros_like(z)), roomy=True)
    others = xp.where(places == xp.astype(first, ids.dtype), xp.zeros_like(z), xp.exp(z - most))
    y = (most - mine) + xp.log1p(total(xp, others, roomy=roomy))  # the largest is 1, which need not be added
    return xp.where(((ids >= 0) & (ids < z.shape[-1]))[:, None], y, xp.full_like(y, math.nan))


def require_batch(xp, x, weight, ids, scores, old, weights, eps) -> None:
    """Refuse what are no embeddings with a label and scores each, no old prototypes, and no three weights."""
    if x.ndim != 2 or x.shape[0] == 0:
        raise ValueError(f"x must have shape (B, n) without a 0, got {tuple(x.shape)}")
    require_along(x, -1, eps)
    if weight.ndim != 2 or weight.shape[0] == 0 or weight.shape[1] != x.shape[1]:
        raise ValueError(f"weight must have shape (K, {x.shape[1]}), got {tuple(weight.shape)}")
    require_indices(xp, "ids", ids, x.shape[:1])
    if scores.ndim != 2 or scores.shape[0] != x.shape[0] or scores.shape[1] == 0:
        raise ValueError(f"scores must have shape ({x.shape[0]}, classes), got {tuple(scores.shape)}")
    if old is not None:
        require_same_shape("old", old, x)
    if not isinstance(weights, tuple | list) or len(weights) != 3 or not all(math.isfinite(w) for w in weights):
        raise ValueError(f"weights must be three finite numbers, got {weights!r}")


@operator(
    paper=("ricci2024backward", "zhou2022bt2"),
    cases=[
        case("batch", normal(4, 6), normal(3, 6), integers(4, high=3), normal(4, 3)),
        case("old embeddings", normal(5, 4), normal(3, 4), integers(5, high=3), normal(5, 3), normal(5, 4),
             weights=(1.0, 2.0, 3.0)),
        case("more classes", normal(6, 3), normal(4, 3), integers(6, high=4), normal(6, 9, std=3.0),
             weights=(2.0, 0.5, 0.25)),
        case("loud eps", normal(3, 5), normal(2, 5), integers(3, high=2), normal(3, 2), eps=4.0),
        case("cosines alone", normal(4, 2), normal(3, 2), integers(4, high=3), normal(4, 3), weights=(0.0, 0.0, 1.0)),
    ],
    bench=case("batch", normal(256, 128), normal(100, 128), integers(256, high=100), normal(256, 100)),
    rows=lambda x, rng: (
        [x, rng.normal(size=(3, x.shape[1])), rng.integers(0, 3, len(x)), rng.normal(size=(len(x), 3))], {}),
)  # fmt: skip
def backward_compatible_loss(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    r"""Return the loss of new embeddings that an old classifier has to understand too.

    .. math::
        L = \frac1B \sum_i w_1 \, H(s_i, y_i) + w_2 \, H(P c_i, y_i)
        + w_3 \Bigl( 1 - \Bigl\langle \frac{o_i}{\lVert o_i \rVert}, c_i \Bigr\rangle \Bigr), \qquad
        H(z, y) = \log \sum_j e^{z_j - z_y}, \quad c = x / \max(\lVert x \rVert_2, \epsilon)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The part of the new embeddings that meets old ones, of shape (B, n).
    weight : array
        The old prototypes :math:`P`, of shape (K, n).
    ids : array of integers
        The class :math:`y_i` of each sample, of shape (B,).
    scores : array
        The scores :math:`s` of the new classifier, of shape (B, classes).
    old : array, optional
        The old embeddings :math:`o` of the samples, of shape (B, n); the prototypes of their classes when left out.
    weights : tuple of float
        The weights of the new classifier, of the old one, and of the cosine.
    eps : float
        The least x and o are divided by.

    Returns
    -------
    array
        One number, in the dtype, library and device of `x`. A NaN or an infinity in `x` makes it NaN, and so does a
        class that is not there.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, the arrays are of two libraries, or an option is
        of the wrong type.
    ValueError
        A shape does not fit, a size is 0, `weights` are not three finite numbers, or `eps` is negative.

    Notes
    -----
    Without `old` it is the loss of OCA, with it that of BT^2 but for one term: 1 less the mean cosine of new embeddings
    with those of an independent new model, which touches none of these arrays.

    References
    ----------
    Ricci et al., Backward-Compatible Aligned Representations, 2024; Zhou et al., BT^2, 2022 (neither read again: as
    catalogued from the trainers in their code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, prototypes, ids = np.array([[3.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([0])
    >>> float(refnorm.proj.backward_compatible_loss(x, prototypes, ids, np.array([[7.0]])))
    5.0
    """
    xp, x, weight, scores, old = prepare(x, weight, scores, old, need=3)
    require_batch(xp, x, weight, ids, scores, old, weights, eps)
    wide, p, s, o = widen(xp, x, weight, scores, old)
    spare, (own, before, near) = roomy(x, wide), weights
    c, lack = directed(xp, wide, eps, roomy=spare)
    if o is None:
        there = (ids >= 0) & (ids < p.shape[0])
        o = xp.take(p, xp.where(there, ids, xp.zeros_like(ids)), axis=0)
    v, less = directed(xp, o, eps, roomy=spare)
    apart = (total(xp, (c - v) ** 2, roomy=spare) + lack + less) / 2  # 1 - <c, v>, right also where it nearly vanishes
    each = own * cross_entropies(xp, s, ids, roomy=spare) + near * apart
    each = each + before * cross_entropies(xp, inner(xp, c, p, roomy=spare), ids, roomy=spare)
    return give_back(xp, xp.reshape(mean(xp, xp.reshape(each, (-1,)), roomy=spare), ()), x)


# ---- laws ----


@law(higher_order_compatible_loss, normal(4, 6), normal(4, 6), integers(4, high=3))
def order_of_samples_is_free(f, x, old, ids):
    return f(x[::-1], old[::-1], ids[::-1], scale=0.5), f(x, old, ids, scale=0.5)


@law(higher_order_compatible_loss, normal(4, 6), normal(4, 6))
def one_class_is_a_mean(f, x, old):
    return f(x, old, np.zeros(4, int), scale=2.0), np.log(4) - 2 * (x * old).sum() / 4


@law(orthogonal_compatible_map, normal(4, 6), orthonormal(6, 6))
def cosines_stay(f, x, q):
    whole, turned = f(x, q, k=6)
    return turned @ turned.T, whole @ whole.T


@law(orthogonal_compatible_map, normal(4, 6), orthonormal(6, 6))
def length_of_rows_is_free(f, x, q):
    return f(4 * x, q, k=3)[0], f(x, q, k=3)[0]


@law(basis_transformation, normal(4, 2), normal(4, 6), orthonormal(6, 6), orthonormal(5, 5))
def merged_rows_are_of_one_length(f, x, new, p, q):
    y = f(x, new, p, q, scale=2.0)[1]
    return (y * y).sum(axis=-1), 5.0 + 0 * y[:, 0]


@law(basis_transformation, normal(4, 2), normal(4, 6), orthonormal(6, 6), orthonormal(5, 5))
def lengths_of_new_rows_are_free(f, x, new, p, q):
    return f(x, 4 * new, p, q)[0], f(x, new, p, q)[0]


BATCH = normal(4, 6), normal(3, 6), integers(4, high=3), normal(4, 3)


@law(backward_compatible_loss, *BATCH)
def lengths_of_embeddings_are_free(f, x, p, ids, s):
    return f(8 * x, p, ids, s, weights=(0.5, 0.25, 1.0)), f(x, p, ids, s, weights=(0.5, 0.25, 1.0))


@law(backward_compatible_loss, *BATCH)
def terms_add(f, x, p, ids, s):
    terms = (f(x, p, ids, s, weights=w) for w in ((0.5, 0.0, 0.0), (0.0, 0.25, 0.0), (0.0, 0.0, 2.0)))
    return f(x, p, ids, s, weights=(0.5, 0.25, 2.0)), sum(terms)


@law(backward_compatible_loss, *BATCH)
def samples_may_change_places(f, x, p, ids, s):
    return f(x[::-1], p, ids[::-1], s[::-1], weights=(0.5, 0.5, 0.5)), f(x, p, ids, s, weights=(0.5, 0.5, 0.5))


@law(backward_compatible_loss, *BATCH)
def the_same_embeddings_cost_nothing(f, x, p, ids, s):
    return 1 + f(x, p, ids, s, 2 * x, weights=(0.0, 0.0, 1.0)), np.ones(())


@law(backward_compatible_loss, *BATCH)
def equal_scores_cost_the_logarithm_of_their_number(f, x, p, ids, s):
    return f(x, 0 * p, ids, s - s, x, weights=(1.0, 2.0, 0.0)), np.asarray(3 * np.log(3.0))
