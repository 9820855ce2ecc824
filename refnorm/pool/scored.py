"""sum softmax(scores) x over a set: scores given, its own, linear in its members, or of them and a target."""

from __future__ import annotations

import math

import numpy as np

from .._cases import booleans, case, normal
from .._core.logistic import sigmoids
from .._core.products import inner
from .._core.regions import chosen_sites, require_mask
from .._core.sums import total
from .._core.weighing import scores_of_shown, softmax_weights
from .._registry import gradient, law, operator
from .._xp import (
    _axes,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_shape,
    roomy,
    to_rows,
    widen,
)


def require_scores(scores, x, axis, scale) -> None:
    """Refuse scores that are not of the size of x along `axis` and of its size, or 1, elsewhere; and a wild scale."""
    require_along(x, axis)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    if scores is None:
        return
    axes = _axes(x.ndim, axis)
    given = scores.shape if scores.ndim == x.ndim else (0,) * x.ndim
    shape = tuple(1 if one == 1 and a not in axes else n for a, (one, n) in enumerate(zip(given, x.shape, strict=True)))
    require_shape("scores", scores, shape)


def given_weights(xp, x, s, scale, *, roomy):
    """Return the softmax of scaled scores along the last axis, and x where it has a part: not with a score of -inf."""
    s = scale * s
    return softmax_weights(xp, s, roomy=roomy), chosen_sites(xp, s != -float("inf"), x)


@operator(
    paper=("liu2025hymamba", "herzalla2025graph", "li2023shs"),
    cases=[
        case("own scores", normal(2, 7, 3), axis=1),
        case("scores of members", normal(2, 7, 3), normal(2, 7, 1), axis=1),
        case("scores of channels, loud scale", normal(3, 6, 4), normal(3, 6, 4), axis=-2, scale=2.5),
        case("places", normal(2, 3, 4, 5), normal(2, 1, 4, 5), axis=(2, 3), scale=-0.75),
        case("offset", normal(3, 9, mean=300.0), axis=-1, scale=0.5),
        case("no samples", normal(0, 4, 2), axis=1),
    ],
    bench=case("tokens", normal(64, 512, 256), normal(64, 512, 1), axis=1),
    rows=lambda x, rng: ([x, rng.normal(size=(1, x.shape[1]))], {"axis": -1}),
)
def softmax_pool(x, scores=None, /, *, axis, scale=1.0):
    r"""Reduce `x` along `axis` to its mean under the softmax of scores, its own where none are given.

    .. math:: y = \sum_n a_n x_n, \qquad a_n = \frac{e^{\gamma s_n}}{\sum_j e^{\gamma s_j}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The members along `axis`, of any shape.
    scores : array, optional
        The scores s, with as many axes as `x`, of its size along `axis` and of its size, or 1, elsewhere; `x` itself
        where left out, feature by feature. A member with :math:`\gamma s = -\infty` has no part.
    axis : int or tuple of int
        The axes to reduce; they are gone from the answer.
    scale : float
        The factor :math:`\gamma` of the scores: 0 is the mean; with own scores, large is the maximum.

    Returns
    -------
    array
        The shape of `x` without `axis`, in its dtype, library and device. A NaN among members or scores makes the
        answer NaN, and so does a score of inf, or of -inf everywhere.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        `scores` has another shape, `axis` is empty or missing, or `scale` is not finite.

    Notes
    -----
    Signal strengths in decibels weigh positions by :math:`10^{\gamma s / 10}`: ``scale = gamma * log(10) / 10``. The
    code of K-pooling takes mean(x e^x) / mean(e^x) without taking the maximum off: in float32 it overflows from 89 on.
    SHS-Net weighs each point by the largest of several such softmaxes: its weights do not add up to 1.

    References
    ----------
    Liu et al., HyMamba: Mamba with Hybrid Geometry-Feature Coupling, 2025: own scores. Herzalla et al., Graph Neural
    Networks for Jamming Source Localization, 2025: positions. Li et al., SHS-Net, 2023: the largest of
    several. All as catalogued from their code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.softmax_pool(np.array([[4.0, 8.0]]), np.array([[0.0, np.log(3.0)]]), axis=1)
    array([7.])
    """
    xp, x, scores = prepare(x, scores)
    require_scores(scores, x, axis, scale)
    rows, s = to_rows(xp, axis, x, scores)
    wide, s = widen(xp, rows, s)
    spare = roomy(rows, wide)
    a, seen = given_weights(xp, wide, wide if s is None else s, scale, roomy=spare)
    return give_back(xp, total(xp, a * seen, roomy=spare)[..., 0], x)


@gradient(softmax_pool)
def softmax_pool_vjp(cotangent, x, scores=None, /, *, axis, scale=1.0):
    r"""Return the cotangents of `x` and `scores`, None where those are left out.

    .. math:: \bar x_n = a_n \bar y, \qquad \bar s_n = \gamma \sum a_n (x_n - y) \, \bar y

    with the sum over the features that share a score; where `x` scores itself, it gets both.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, scores, axis, scale
        As in :func:`softmax_pool`.

    Returns
    -------
    tuple
        ``(dx, dscores)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`softmax_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`softmax_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, scores = np.array([[4.0, 8.0]]), np.array([[0.0, 0.0]])
    >>> refnorm.pool.softmax_pool_vjp(np.array([1.0]), x, scores, axis=1)[1]
    array([[-1.,  1.]])
    """
    xp, cotangent, x, scores = prepare(cotangent, x, scores, need=2)
    require_scores(scores, x, axis, scale)
    rows, s = to_rows(xp, axis, x, scores)
    require_shape("cotangent", cotangent, rows.shape[:-1])
    wide, s, g = widen(xp, rows, s, cotangent)
    spare, g = roomy(rows, wide), xp.expand_dims(g, axis=-1)
    a, seen = given_weights(xp, wide, wide if s is None else s, scale, roomy=spare)
    dx, ds = a * g, scale * a * (seen - total(xp, a * seen, roomy=spare)) * g
    if s is None:
        return give_back(xp, dx + ds, x, axis), None
    shared = tuple(i for i, (one, n) in enumerate(zip(s.shape, wide.shape, strict=True)) if one != n)
    return give_back(xp, dx, x, axis), give_back(xp, xp.sum(ds, axis=shared, keepdims=True), scores, axis)


def require_members(xp, x, mask) -> None:
    """Refuse what is no set (..., n, d), and a mask that is not of its members."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    if mask is not None:
        require_mask(xp, mask, x.shape[:-1])


def require_matrix(weight, d) -> None:
    """Refuse what is neither a (d, d) matrix nor one of a single column."""
    one = weight.ndim == 2 and weight.shape[-1] == 1
    require_shape("weight", weight, (d, 1 if one else d))


def linear_weights(xp, x, weight, mask, *, roomy):
    """Return the features of shown members, (..., d, n), and the softmax over them of their linear scores."""
    x = x if mask is None else chosen_sites(xp, mask[..., None], x)
    s = xp.matrix_transpose(inner(xp, x, xp.matrix_transpose(weight), roomy=roomy))
    s = s if mask is None else scores_of_shown(xp, mask[..., None, :], s)
    return xp.matrix_transpose(x), softmax_weights(xp, s, roomy=roomy)


@operator(
    paper="yang2018robust",
    cases=[
        case("a score for each feature", normal(2, 6, 4), normal(4, 4)),
        case("a score for each member", normal(3, 5, 4), normal(4, 1)),
        case("mask", normal(3, 7, 3), normal(3, 3), booleans(3, 7, chance=0.7)),
        case("mask, one score", normal(2, 6, 3), normal(3, 1), booleans(2, 6, chance=0.8)),
        case("one set", normal(8, 3), normal(3, 3, std=3.0)),
    ],
    bench=case("tokens", normal(48, 512, 64), normal(64, 64)),
    rows=lambda x, rng: ([x.T, rng.normal(size=(len(x), len(x)))], {}),
)
def attentive_pool(x, weight, mask=None, /):
    r"""Reduce a set to the mean of its members under the softmax of scores linear in them.

    .. math:: y_d = \sum_n a_{nd} x_{nd}, \qquad a_{nd} = \frac{e^{c_{nd}}}{\sum_j e^{c_{jd}}}, \qquad c = x W

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Sets of n members of d features, of shape (..., n, d).
    weight : array
        W, of shape (d, d): scores for each feature; or (d, 1): one score for each member. A bias would cancel.
    mask : array of booleans, optional
        The members that are there (True), of shape (..., n).

    Returns
    -------
    array
        (..., d), in the dtype, library and device of `x`. What lies where the mask is False has no part in it, be it
        a NaN; where nothing is there, it is NaN. An infinite member makes it NaN or infinite.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, or they are of two libraries.
    ValueError
        `x` has fewer than two axes or is empty along the last two, or `weight` or `mask` has another shape.

    References
    ----------
    Yang et al., Robust Attentional Aggregation of Deep Feature Sets for Multi-view 3D Reconstruction, 2018 (AttSets):
    as catalogued from its code, whose bias cancels.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.attentive_pool(np.array([[1.0, 3.0], [5.0, 7.0]]), np.zeros((2, 2)))
    array([3., 5.])
    """
    xp, x, weight = prepare(x, weight, need=2)
    require_members(xp, x, mask)
    require_matrix(weight, x.shape[-1])
    wide, w = widen(xp, x, weight)
    spare = roomy(x, wide)
    features, a = linear_weights(xp, wide, w, mask, roomy=spare)
    return give_back(xp, total(xp, a * features, roomy=spare)[..., 0], x)


@gradient(attentive_pool)
def attentive_pool_vjp(cotangent, x, weight, mask=None, /):
    r"""Return the cotangents of `x` and `weight`, and None for `mask`.

    .. math:: \bar c_{nd} = a_{nd} (x_{nd} - y_d) \, \bar y_d, \qquad \bar x_n = a_n \bar y + \bar c_n W^T,
        \qquad \bar W = \sum_n x_n \bar c_n^T

    where one score is shared, its cotangent is the sum over the features.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, weight, mask
        As in :func:`attentive_pool`.

    Returns
    -------
    tuple
        ``(dx, dweight, None)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`attentive_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`attentive_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 3.0], [5.0, 7.0]])
    >>> refnorm.pool.attentive_pool_vjp(np.array([1.0, 0.0]), x, np.zeros((2, 2)))[0]
    array([[0.5, 0. ],
           [0.5, 0. ]])
    """
    xp, cotangent, x, weight = prepare(cotangent, x, weight, need=3)
    require_members(xp, x, mask)
    require_matrix(weight, x.shape[-1])
    require_shape("cotangent", cotangent, x.shape[:-2] + x.shape[-1:])
    wide, w, g = widen(xp, x, weight, cotangent)
    spare, g = roomy(x, wide), xp.expand_dims(g, axis=-1)
    features, a = linear_weights(xp, wide, w, mask, roomy=spare)
    y = total(xp, a * features, roomy=spare)
    dc = a * (features - y) * g
    dc = xp.sum(dc, axis=-2, keepdims=True) if w.shape[1] == 1 else dc
    dx = xp.matrix_transpose(a * g) + xp.matmul(xp.matrix_transpose(dc), xp.matrix_transpose(w))
    dw = xp.sum(xp.reshape(xp.matmul(features, xp.matrix_transpose(dc)), (-1, *w.shape)), axis=0)
    return give_back(xp, dx, x), like_weight(xp, dw, weight), None


def require_layers(x, first, first_bias, second, second_bias, third, third_bias) -> None:
    """Refuse what is no network from 4 d features through two hidden layers to one score."""
    for name, weight in (("first", first), ("second", second)):
        if weight.ndim != 2:
            raise ValueError(f"{name} must have shape (inputs, outputs), got {tuple(weight.shape)}")
    i, j = first.shape[1], second.shape[1]
    require_shape("first", first, (4 * x.shape[-1], i))
    require_shape("first_bias", first_bias, (i,))
    require_shape("second", second, (i, j))
    require_shape("second_bias", second_bias, (j,))
    require_shape("third", third, (j, 1))
    require_shape("third_bias", third_bias, (1,))


def target_scores(xp, x, q, layers, *, roomy):
    """Return the scores of members (..., n, d) for a target (..., 1, d) by a network of sigmoids, as (..., n)."""
    q = xp.broadcast_to(q, x.shape)
    h = xp.concat([q, x, q - x, q * x], axis=-1)
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        h, _ = sigmoids(xp, inner(xp, h, xp.matrix_transpose(weight), roomy=roomy) + bias)
    return (inner(xp, h, xp.matrix_transpose(layers[-2]), roomy=roomy) + layers[-1])[..., 0]


NETWORK = normal(12, 5), normal(5), normal(5, 4), normal(4), normal(4, 1, std=3.0), normal(1)


@operator(
    paper="zhou2018deep",
    cases=[
        case("sum", normal(2, 6, 3), normal(2, 3), *NETWORK),
        case("softmax", normal(2, 6, 3, std=2.0), normal(2, 3), *NETWORK, kind="softmax"),
        case("mask", normal(3, 7, 3), normal(3, 3), *NETWORK, booleans(3, 7, chance=0.7)),
        case("mask, softmax", normal(3, 7, 3), normal(3, 3), *NETWORK, booleans(3, 7, chance=0.7), kind="softmax"),
        case("one set", normal(5, 3), normal(3), *NETWORK),
    ],
    bench=case(
        "behaviours", normal(48, 200, 16), normal(48, 16), normal(64, 80), normal(80), normal(80, 40), normal(40),
        normal(40, 1), normal(1),
    ),
    rows=lambda x, rng: (
        [x.T] + [rng.normal(size=s) for s in ((len(x),), (4 * len(x), 3), (3,), (3, 2), (2,), (2, 1), (1,))],
        {"kind": "softmax"},
    ),
)  # fmt: skip
def target_attention_pool(
    x, query, first, first_bias, second, second_bias, third, third_bias, mask=None, /, *, kind="sum"
):
    r"""Reduce a set of behaviours to their sum under scores of how each activates with a target.

    .. math:: y = \sum_t a_t k_t, \qquad a_t = \mathrm{MLP}([q, k_t, q - k_t, q \odot k_t])

    with two hidden layers of sigmoids; under softmax the weights are :math:`\mathrm{softmax}_t(a_t / \sqrt{d})`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The behaviours :math:`k_t`, of shape (..., n, d).
    query : array
        The target q, of shape (..., d).
    first, second, third : array
        The matrices of the network, of shapes (4 d, i), (i, j) and (j, 1).
    first_bias, second_bias, third_bias : array
        Its biases, of shapes (i,), (j,) and (1,).
    mask : array of booleans, optional
        The behaviours that are there (True), of shape (..., n).
    kind : {"sum", "softmax"}
        Whether scores weigh as they are, which keeps their intensity, or by their softmax.

    Returns
    -------
    array
        (..., d), in the dtype, library and device of `x`. What lies where the mask is False has no part in it, be it
        a NaN; where nothing is there, it is 0 for the sum and NaN for softmax.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, or they are of two libraries.
    ValueError
        An array has another shape, `x` is empty along the last two axes, or `kind` is another word.

    Notes
    -----
    The paper multiplies outer products in, argues for the sum and uses PReLU or Dice; the released code has the
    features and sigmoids written here, and softmax. Where nothing is there, that code returns the mean of the padding.

    References
    ----------
    Zhou et al., Deep Interest Network for Click-Through Rate Prediction, 2018: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> nothing = [np.zeros(s) for s in ((4, 2), (2,), (2, 2), (2,), (2, 1))]
    >>> refnorm.pool.target_attention_pool(np.array([[3.0], [5.0]]), np.array([1.0]), *nothing, np.array([0.5]))
    array([4.])
    """
    given = (x, query, first, first_bias, second, second_bias, third, third_bias)
    xp, x, query, *layers = prepare(*given, need=len(given))
    require_members(xp, x, mask)
    require_shape("query", query, x.shape[:-2] + x.shape[-1:])
    require_layers(x, *layers)
    if kind not in ("sum", "softmax"):
        raise ValueError(f"kind must be 'sum' or 'softmax', got {kind!r}")
    k, q, *layers = widen(xp, x, query, *layers)
    spare = roomy(x, k)
    k = k if mask is None else chosen_sites(xp, mask[..., None], k)
    a = target_scores(xp, k, q[..., None, :], layers, roomy=spare)[..., None, :]
    if kind == "softmax":
        a = a / math.sqrt(x.shape[-1])
        a = softmax_weights(xp, a if mask is None else scores_of_shown(xp, mask[..., None, :], a), roomy=spare)
    return give_back(xp, total(xp, a * xp.matrix_transpose(k), roomy=spare)[..., 0], x)


# ---- laws ----


@law(softmax_pool, normal(3, 7), normal(3, 7))
def one_shift_of_all_scores_changes_nothing(f, x, s):
    return f(x, s + 3, axis=1, scale=2.0), f(x, s, axis=1, scale=2.0)


@law(softmax_pool, normal(3, 7), normal(3, 7))
def values_move_along(f, x, s):
    return f(4 * x + 2, s, axis=1), 4 * f(x, s, axis=1) + 2


@law(softmax_pool, normal(3, 7))
def no_scale_is_the_mean(f, x):
    return f(x, axis=1, scale=0.0), x.sum(axis=1) / 7


@law(attentive_pool, normal(7, 3), normal(3, 3))
def order_free(f, x, w):
    return f(x[::-1], w), f(x, w)


@law(attentive_pool, normal(7, 3), normal(3, 3))
def twice_the_set_is_the_set(f, x, w):
    return f(np.concatenate([x, x]), w), f(x, w)


@law(attentive_pool, normal(7, 3), normal(3, 1))
def one_score_is_the_same_for_each_feature(f, x, w):
    return f(x, w), f(x, np.repeat(w, 3, axis=1))


@law(target_attention_pool, normal(7, 3), normal(3), *NETWORK)
def behaviours_add_up(f, x, *rest):
    return f(x, *rest), f(x[:4], *rest) + f(x[4:], *rest)


@law(target_attention_pool, normal(7, 3), normal(3), *NETWORK)
def equal_scores_are_the_mean_to_softmax(f, x, q, a, b, c, d, third, bias):
    return f(x, q, a, b, c, d, 0 * third, bias, kind="softmax"), x.sum(axis=0) / 7
