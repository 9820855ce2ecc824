"""Queries attend to a set and return one vector each."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import booleans, case, normal
from .._core.norms import unit
from .._core.products import inner, inner_pairs
from .._core.regions import chosen_sites, count_sites, require_mask
from .._core.sums import total
from .._core.weighing import scores_of_shown, softmax_weights
from .._registry import gradient, law, operator
from .._xp import give_back, like_weight, prepare, require_along, require_same_shape, require_shape, roomy, widen

LEAST = 1e-12  # torch's normalize: no vector is divided by less


def require_members(xp, x, mask) -> None:
    """Refuse what is no set (..., n, d), and a mask that is not of its members."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    if mask is not None:
        require_mask(xp, mask, x.shape[:-1])


def require_queries(xp, x, query, key_weight, value_weight, mask, groups, scale, kind) -> tuple[int, float]:
    """Refuse what attention_pool cannot take; return the number of heads and the factor of their scores."""
    require_members(xp, x, mask)
    for name, m in (("key_weight", key_weight), ("value_weight", value_weight)):
        if m is not None:
            require_shape(name, m, (x.shape[-1], m.shape[-1] if m.ndim == 2 else "columns"))
    keys = x.shape[-1] if key_weight is None else key_weight.shape[1]
    values = x.shape[-1] if value_weight is None else value_weight.shape[1]
    many = query.shape[-2] if query.ndim >= 2 else "queries"
    require_shape("query", query, (*(x.shape[:-2] if query.ndim == x.ndim else ()), many, keys))
    try:
        heads = op.index(groups)
    except TypeError:
        raise TypeError(f"groups must be an int, got {groups!r}") from None
    if heads < 1 or keys % heads or values % heads or 0 in (keys, values):
        raise ValueError(f"groups must be at least 1 and divide {keys} and {values} features, got {groups}")
    if kind not in ("members", "queries"):
        raise ValueError(f"kind must be 'members' or 'queries', got {kind!r}")
    scale = 1 / math.sqrt(keys // heads) if scale is None else scale
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    return heads, scale


def turned(xp, x):
    """Return (..., n, heads, d) as (..., heads, n, d), and back."""
    n = x.ndim
    return xp.permute_dims(x, (*range(n - 3), n - 2, n - 3, n - 1))


def split(xp, x, heads):
    """Return (..., n, heads d) as (..., heads, n, d)."""
    return turned(xp, xp.reshape(x, (*x.shape[:-1], heads, x.shape[-1] // heads)))


def merge(xp, x):
    """Return (..., heads, n, d) as (..., n, heads d)."""
    y = turned(xp, x)
    return xp.reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1]))


def projected(xp, x, matrix, *, roomy):
    """Return x, or x times a matrix where there is one."""
    return x if matrix is None else inner(xp, x, xp.matrix_transpose(matrix), roomy=roomy)


def attention(xp, s, mask, kind, *, roomy):
    """Return the softmax of the scores of heads, (..., heads, queries, members), over members or over queries."""
    if kind == "members":
        return softmax_weights(xp, s if mask is None else scores_of_shown(xp, mask[..., None, None, :], s), roomy=roomy)
    a = xp.matrix_transpose(softmax_weights(xp, xp.matrix_transpose(s), roomy=roomy))
    return a if mask is None else chosen_sites(xp, mask[..., None, None, :], a)


@operator(
    paper=("zhang2024beyond", "jo2021edge", "huang2024hires", "tao2023adaptive"),
    cases=[
        case("shared queries", normal(2, 5, 4), normal(3, 4)),
        case(
            "heads, projections, mask", normal(2, 6, 3), normal(2, 3, 4), normal(3, 4), normal(3, 6),
            booleans(2, 6, chance=0.8), groups=2,
        ),
        case("softmax over queries", normal(2, 5, 4), normal(2, 3, 4), kind="queries", scale=1.5),
        case(
            "queries, mask", normal(2, 5, 4), normal(3, 4), None, normal(4, 2), booleans(2, 5, chance=0.6),
            kind="queries", groups=2,
        ),
        case("loud scale", normal(5, 4), normal(2, 3), normal(4, 3), scale=-2.0),
    ],
    bench=case("tokens", normal(48, 196, 64), normal(16, 64), normal(64, 64), normal(64, 64), groups=4),
    rows=lambda x, rng: ([x.T, rng.normal(size=(2, len(x)))], {}),
)  # fmt: skip
def attention_pool(x, query, key_weight=None, value_weight=None, mask=None, /, *, groups=1, scale=None, kind="members"):
    r"""Reduce a set to one vector for each query: the mean of values under the softmax of products with keys.

    .. math:: Y = \mathrm{softmax} \big( \gamma \, Q (X W_k)^T \big) \, X W_v

    head by head where there are several.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Sets of n members, of shape (..., n, d).
    query : array
        The queries Q: of shape (queries, e), the same for all sets, or (..., queries, e). What projects them, learned
        or pooled from `x`, comes before.
    key_weight : array, optional
        :math:`W_k`, of shape (d, e); the members themselves are keys where left out.
    value_weight : array, optional
        :math:`W_v`, of shape (d, f); the members themselves are values where left out.
    mask : array of booleans, optional
        The members that are there (True), of shape (..., n).
    groups : int
        The number of heads: e and f are split into as many parts side by side.
    scale : float, optional
        The factor :math:`\gamma` of the scores; one over the root of the features of a head where left out.
    kind : {"members", "queries"}
        Whether softmax is taken over the members, or over the queries for each member.

    Returns
    -------
    array
        (..., queries, f), in the dtype, library and device of `x`. What lies where the mask is False has no part in
        it, be it a NaN; where nothing is there, it is NaN, or 0 with softmax over queries.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, they are of two libraries, or an option is of
        another type.
    ValueError
        An array has another shape, `x` is empty along the last two axes, `groups` does not divide the features,
        `scale` is not finite, or `kind` is another word.

    Notes
    -----
    Where nothing is there, the fused attention of torch and ONNX gives 0 and JAX's the mean of all (as catalogued).
    SliME normalizes queries and members before, and adds places to keys alone. GMPool scales by the root of the full
    width, ``scale=e**-0.5``, and adds the projected query. A temperature is ``scale=1/tau``.

    References
    ----------
    Zhang et al., Beyond LLaVA-HD, 2024: learned queries. Jo et al., Edge Representation Learning with Hypergraphs,
    2021: seeds, with softmax over either. Both as catalogued from their code. Huang et al., HiRes-LLaVA, 2024: pooled
    tokens as queries; Tao et al., Adaptive Pattern Extraction Multi-Task Learning, 2023: task vectors; not confirmed.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 3.0], [5.0, 7.0]])
    >>> refnorm.pool.attention_pool(x, np.zeros((1, 2)))
    array([[3., 5.]])
    """
    xp, x, query, key_weight, value_weight = prepare(x, query, key_weight, value_weight, need=2)
    heads, scale = require_queries(xp, x, query, key_weight, value_weight, mask, groups, scale, kind)
    wide, q, wk, wv = widen(xp, x, query, key_weight, value_weight)
    spare = roomy(x, wide)
    wide = wide if mask is None else chosen_sites(xp, mask[..., None], wide)
    k, v = (split(xp, projected(xp, wide, m, roomy=spare), heads) for m in (wk, wv))
    s = inner_pairs(xp, scale * split(xp, q, heads), k, roomy=spare)  # a later factor XLA would merge with s - max s
    a = attention(xp, s, mask, kind, roomy=spare)
    return give_back(xp, merge(xp, inner_pairs(xp, a, xp.matrix_transpose(v), roomy=spare)), x)


@gradient(attention_pool)
def attention_pool_vjp(
    cotangent, x, query, key_weight=None, value_weight=None, mask=None, /, *, groups=1, scale=None, kind="members"
):
    r"""Return the cotangents of `x`, `query` and both matrices, None for what is left out and for `mask`.

    .. math:: \bar V = A^T \bar Y, \qquad \bar S = A \odot \big( \bar A - \textstyle\sum A \odot \bar A \big), \quad
        \bar A = \bar Y V^T, \qquad \bar Q = \gamma \bar S K, \qquad \bar K = \gamma \bar S^T Q

    with the sum along the axis of softmax; keys and values hand theirs on to `x` and the matrices.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, query, key_weight, value_weight, mask, groups, scale, kind
        As in :func:`attention_pool`.

    Returns
    -------
    tuple
        ``(dx, dquery, dkey_weight, dvalue_weight, None)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`attention_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`attention_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 3.0], [5.0, 7.0]])
    >>> refnorm.pool.attention_pool_vjp(np.array([[1.0, 0.0]]), x, np.zeros((1, 2)), scale=1.0)[1]
    array([[4., 4.]])
    """
    xp, cotangent, x, query, key_weight, value_weight = prepare(cotangent, x, query, key_weight, value_weight, need=3)
    heads, scale = require_queries(xp, x, query, key_weight, value_weight, mask, groups, scale, kind)
    values = x.shape[-1] if value_weight is None else value_weight.shape[1]
    require_shape("cotangent", cotangent, (*x.shape[:-2], query.shape[-2], values))
    wide, q, wk, wv, g = widen(xp, x, query, key_weight, value_weight, cotangent)
    wide = wide if mask is None else chosen_sites(xp, mask[..., None], wide)
    k, v = (split(xp, wide if m is None else xp.matmul(wide, m), heads) for m in (wk, wv))
    q, g = split(xp, q, heads), split(xp, g, heads)
    a = attention(xp, xp.matmul(scale * q, xp.matrix_transpose(k)), mask, kind, roomy=roomy(x, wide))
    da = a * xp.matmul(g, xp.matrix_transpose(v))
    ds = scale * (da - a * xp.sum(da, axis=-1 if kind == "members" else -2, keepdims=True))
    dq = merge(xp, xp.matmul(ds, k))
    dk = merge(xp, xp.matmul(xp.matrix_transpose(ds), xp.broadcast_to(q, (*ds.shape[:-1], q.shape[-1]))))
    dv = merge(xp, xp.matmul(xp.matrix_transpose(a), g))
    dq = xp.sum(xp.reshape(dq, (-1, *query.shape)), axis=0) if query.ndim == 2 else dq
    (dx, dwk), (more, dwv) = handed_on(xp, wide, dk, wk), handed_on(xp, wide, dv, wv)
    dwk, dwv = like_weight(xp, dwk, key_weight), like_weight(xp, dwv, value_weight)
    return give_back(xp, dx + more, x), give_back(xp, dq, query), dwk, dwv, None


def handed_on(xp, x, dy, matrix):
    """Return the cotangents of x and of a matrix for one of their product; of x alone where there is no matrix."""
    if matrix is None:
        return dy, None
    dm = xp.matmul(xp.matrix_transpose(x), dy)
    return xp.matmul(dy, xp.matrix_transpose(matrix)), xp.sum(xp.reshape(dm, (-1, *matrix.shape)), axis=0)


@operator(
    paper="wen2022self",
    cases=[
        case("slots", normal(2, 6, 3), normal(4, 3)),
        case("loud eps", normal(2, 5, 3), normal(2, 3), eps=0.5, tau=0.5),
        case("warm", normal(7, 4), normal(3, 4, std=9.0), tau=2.0),
        case("one slot", normal(3, 5, 2), normal(1, 2), tau=1.0),
    ],
    bench=case("places", normal(48, 196, 64), normal(256, 64)),
    rows=lambda x, rng: ([x.T, rng.normal(size=(3, len(x)))], {"tau": 0.5}),
)
def slot_pool(x, other, /, *, tau=0.07, eps=1e-6):
    r"""Reduce a set to one vector for each prototype: the mean of the members that are most like it.

    .. math:: y_k = \frac{\sum_n A_{kn} x_n}{\sum_n A_{kn}}, \qquad
        A_{kn} = \mathrm{softmax}_k \Big( \frac{1}{\tau} \Big\langle \frac{x_n}{\lVert x_n \rVert},
        \frac{s_k}{\lVert s_k \rVert} \Big\rangle \Big) + \epsilon

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Sets of n members, of shape (..., n, d).
    other : array
        The prototypes s, of shape (slots, d).
    tau : float
        The temperature, above 0: large makes all slots the mean.
    eps : float
        Added to every weight.

    Returns
    -------
    array
        (..., slots, d), in the dtype, library and device of `x`, and not made units. A NaN makes its set NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        `x` is empty along the last two axes, `other` has not the shape (slots, d), `tau` is not above 0, or `eps` is
        negative.

    Notes
    -----
    Lengths count as 1e-12 at least, as in torch's normalize. Only the scores see units.

    References
    ----------
    Wen et al., Self-Supervised Visual Representation Learning with Semantic Grouping, 2022 (SlotCon): as catalogued
    from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[8.0, 0.0], [0.0, 2.0], [0.0, 6.0]])
    >>> refnorm.pool.slot_pool(x, np.eye(2), tau=0.001, eps=0.0)
    array([[8., 0.],
           [0., 4.]])
    """
    xp, x, other = prepare(x, other, need=2)
    require_members(xp, x, None)
    require_shape("other", other, (other.shape[0] if other.ndim == 2 else "slots", x.shape[-1]))
    require_along(other, -2, eps)
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be above zero and finite, got {tau!r}")
    wide, slots = widen(xp, x, other)
    spare = roomy(x, wide)
    s = inner(xp, unit(xp, wide, LEAST, roomy=spare), unit(xp, slots, LEAST, roomy=spare), roomy=spare)
    a = xp.matrix_transpose(softmax_weights(xp, s / tau, roomy=spare) + eps)
    y = inner_pairs(xp, a, xp.matrix_transpose(wide), roomy=spare)
    return give_back(xp, y / total(xp, a, roomy=spare), x)


@operator(
    paper="tan2021ponet",
    cases=[
        case("keys are values", normal(2, 5, 3), normal(2, 5, 3)),
        case("values", normal(2, 2, 5, 3), normal(2, 2, 5, 3), normal(2, 2, 5, 4)),
        case("mask", normal(3, 6, 3), normal(3, 6, 3), None, booleans(3, 6, chance=0.7)),
        case("one sequence", normal(7, 2), normal(7, 2, std=3.0), normal(7, 1)),
    ],
    bench=case("tokens", normal(48, 512, 64), normal(48, 512, 64)),
    rows=lambda x, rng: ([x.T, rng.normal(size=x.T.shape)], {}),
)
def global_query_pool(x, query, value=None, mask=None, /):
    r"""Reduce a sequence to the mean of values under the softmax of keys times the mean query.

    .. math:: y = \sum_t a_t v_t, \qquad a = \mathrm{softmax}_t \big( \langle g, k_t \rangle / \sqrt{d} \big), \qquad
        g = \frac{1}{n} \sum_t q_t

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The keys k, of shape (..., n, d): heads are one of the axes before.
    query : array
        The queries q, of the shape of `x`.
    value : array, optional
        The values v, of shape (..., n, e); the keys where left out.
    mask : array of booleans, optional
        The tokens that are there (True), of shape (..., n).

    Returns
    -------
    array
        (..., e), in the dtype, library and device of `x`. What lies where the mask is False has no part in it, be it
        a NaN; where nothing is there, it is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, or they are of two libraries.
    ValueError
        `x` is empty along the last two axes, or another array has another shape.

    Notes
    -----
    The released code gives hidden tokens the score -10000 in place of leaving them out: the same to the last digit
    unless all scores lie as low.

    References
    ----------
    Tan et al., PoNet: Pooling Network for Efficient Token Mixing in Long Sequences, 2021: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.global_query_pool(np.array([[1.0], [5.0]]), np.array([[2.0], [-2.0]]))
    array([3.])
    """
    xp, x, query, value = prepare(x, query, value, need=2)
    require_members(xp, x, mask)
    require_same_shape("query", query, x)
    if value is not None:
        require_shape("value", value, (*x.shape[:-1], value.shape[-1] if value.ndim else "features"))
        require_along(value, -1)
    k, q, v = widen(xp, x, query, value)
    spare, v = roomy(x, k), k if v is None else v
    if mask is not None:
        k, q, v = (chosen_sites(xp, mask[..., None], one) for one in (k, q, v))
    n = float(x.shape[-2]) if mask is None else count_sites(xp, mask, k)[..., None]
    g = xp.matrix_transpose(total(xp, xp.matrix_transpose(q), roomy=spare) / n)
    s = inner_pairs(xp, g / math.sqrt(x.shape[-1]), k, roomy=spare)  # a later factor XLA would merge with s - max s
    s = s if mask is None else scores_of_shown(xp, mask[..., None, :], s)
    y = total(xp, softmax_weights(xp, s, roomy=spare) * xp.matrix_transpose(v), roomy=spare)
    return give_back(xp, y[..., 0], x)


# ---- laws ----


@law(attention_pool, normal(6, 4), normal(3, 4))
def order_free(f, x, q):
    return f(x[::-1], q), f(x, q)


@law(attention_pool, normal(6, 4), normal(3, 4), normal(4, 4), normal(4, 6))
def heads_stand_apart(f, x, q, k, v):
    one, two = (f(x, q[:, i : i + 2], k[:, i : i + 2], v[:, j : j + 3]) for i, j in ((0, 0), (2, 3)))
    return f(x, q, k, v, groups=2), np.concatenate([one, two], axis=1)


@law(attention_pool, normal(6, 4), normal(3, 4))
def over_queries_members_are_shared_out(f, x, q):
    return f(x, q, kind="queries").sum(axis=0), x.sum(axis=0)


@law(slot_pool, normal(6, 3), normal(4, 3))
def only_members_have_a_unit(f, x, s):
    return f(4 * x, 8 * s, tau=0.5), 4 * f(x, s, tau=0.5)


@law(slot_pool, normal(6, 3), normal(1, 3))
def one_slot_is_the_mean(f, x, s):
    return f(x, s, eps=0.25), x.sum(axis=0, keepdims=True) / 6


@law(slot_pool, normal(6, 3), normal(4, 3))
def prototypes_of_zeros_are_like_nobody(f, x, s):
    return f(x, 0 * s, tau=0.5), np.repeat(x.sum(axis=0, keepdims=True) / 6, 4, axis=0)


@law(global_query_pool, normal(6, 3), normal(6, 3))
def queries_that_cancel_ask_for_the_mean(f, x, q):
    return f(x, q - q[::-1]), x.sum(axis=0) / 6


@law(global_query_pool, normal(6, 3), normal(6, 3), normal(6, 2))
def values_move_along(f, x, q, v):
    return f(x, q, 4 * v + 2), 4 * f(x, q, v) + 2
