"""Pooling along time: two windows to choose from, segments between changes, and texts with both their contexts."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal
from .._core.logistic import sigmoids
from .._core.norms import unit
from .._core.products import inner
from .._core.sums import total
from .._core.windows import Window, slide
from .._registry import law, operator
from .._xp import _cast, device, give_back, prepare, require_along, require_shape, roomy, widen
from .segment import pooled

LEAST = 1e-8  # torch's cosine_similarity: no length counts as less


def temporal_max(xp, x, window, padding):
    """Return the maximum over windows of time, axis 2, three steps apart."""
    outputs = (x.shape[2] - 3) // 3 + 1
    time = Window(x.shape[2], window, stride=3, dilation=1, before=padding, after=padding, outputs=outputs)
    return slide(xp, x, [time], -float("inf"), xp.maximum)


def channel_map(xp, g, weight, bias, *, roomy):
    """Return W g + b over the channels of (N, C, T)."""
    y = inner(xp, xp.matrix_transpose(g), weight, roomy=roomy) + bias
    return xp.matrix_transpose(y)


@operator(
    paper="wang2023hierarchical",
    cases=[
        case("silhouettes", normal(2, 3, 7, 2, 2), normal(2, 3, 3), normal(2, 3)),
        case("strips", normal(2, 2, 11, 3), normal(2, 2, 2), normal(2, 2)),
        case("shortest", normal(1, 4, 3, 1), normal(2, 4, 4), normal(2, 4, std=3.0)),
        case("no samples", normal(0, 2, 6, 2), normal(2, 2, 2), normal(2, 2)),
    ],
    bench=case("silhouettes", normal(8, 64, 30, 16, 11), normal(2, 64, 64), normal(2, 64)),
    rows=lambda x, rng: (
        [x[None, :, :, None], rng.normal(size=(2, len(x), len(x))), rng.normal(size=(2, len(x)))],
        {},
    ),
)
def selective_temporal_max_pool(x, weight, bias, /):
    r"""Reduce time threefold to the maximum over windows of 3 and of 5, each channel choosing between them.

    .. math:: y = a_1 \odot o_1 + a_2 \odot o_2, \qquad (a_1, a_2) = \mathrm{softmax}_i (W_i g + b_i), \qquad
        g = \mathrm{mean}_{\mathrm{space}} (o_1 + o_2)

    where :math:`o_1` takes windows of 3, :math:`o_2` of 5 with one step of padding, both every 3 steps.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Frames, of shape (N, C, T, *space) with T at least 3 and at least one axis of space.
    weight : array
        The matrices :math:`W_1, W_2`, of shape (2, C, C).
    bias : array
        The biases, of shape (2, C).

    Returns
    -------
    array
        (N, C, (T - 3) // 3 + 1, *space), in the dtype, library and device of `x`. A NaN makes its moment NaN, in all
        channels.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `x` has fewer than four axes, an empty one or T below 3, or `weight` or `bias` has another shape.

    Notes
    -----
    In the network each strip of rows has matrices of its own.

    References
    ----------
    Wang et al., Hierarchical Spatio-Temporal Representation Learning for Gait Recognition, 2023 (FTA): as catalogued
    from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([1.0, 2.0, 3.0, 7.0]).reshape(1, 1, 4, 1)
    >>> refnorm.pool.selective_temporal_max_pool(x, np.zeros((2, 1, 1)), np.zeros((2, 1)))
    array([[[[5.]]]])
    """
    xp, x, weight, bias = prepare(x, weight, bias, need=3)
    if x.ndim < 4 or x.shape[2] < 3 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, C, T, *space) with T at least 3, got {tuple(x.shape)}")
    require_shape("weight", weight, (2, x.shape[1], x.shape[1]))
    require_shape("bias", bias, (2, x.shape[1]))
    wide, w, b = widen(xp, x, weight, bias)
    spare = roomy(x, wide)
    one, two = temporal_max(xp, wide, 3, 0), temporal_max(xp, wide, 5, 1)
    space = math.prod(x.shape[3:])
    flat = xp.reshape(one + two, (*one.shape[:3], space))
    g = total(xp, flat, roomy=spare)[..., 0] / space
    left, right = (channel_map(xp, g, w[i, ...], b[i, ...], roomy=spare) for i in (0, 1))
    a, rest = sigmoids(xp, left - right)  # the softmax of two
    a, rest = (xp.reshape(s, (*s.shape, *(1 for _ in x.shape[3:]))) for s in (a, rest))
    return give_back(xp, a * one + rest * two, x)


def segments_of(xp, changed, least):
    """Return the segment of each frame, from whether it is a change, (..., n): one counts after `least` frames only."""
    whole = xp.arange(1, device=device(changed)).dtype
    segment = xp.zeros_like(changed[..., 0], dtype=whole)
    length, ids = segment + 1, [segment]
    for t in range(1, changed.shape[-1]):
        cut = changed[..., t] & (length >= least)
        segment = segment + _cast(xp, cut, whole)
        length = xp.where(cut, xp.ones_like(length), length + 1)
        ids.append(segment)
    return xp.stack(ids, axis=-1)


@operator(
    paper="li2025vt",
    cases=[
        case("loud threshold", normal(9, 3), threshold=0.8),
        case("batch, longer segments", normal(2, 12, 2), threshold=0.5, min_length=3),
        case("each for itself", normal(5, 3), threshold=-0.5),
        case("one frame", normal(1, 4), threshold=0.5),
    ],
    bench=case("frames", normal(16, 128, 256), threshold=0.9, min_length=4),
    rows=lambda x, rng: ([x], {"threshold": 0.5}),
)
def change_point_pool(x, /, *, threshold, min_length=1):
    r"""Cut a sequence where it changes, and reduce each segment to the mean of its frames.

    .. math:: y_s = \frac{1}{|s|} \sum_{t \in s} x_t, \qquad c_t = 1 - \cos(x_t, x_{t-1})

    with a new segment at t where :math:`c_t` exceeds the threshold and the one before is long enough.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        n frames of d features, of shape (..., n, d).
    threshold : float
        What a change must exceed, from 0 to 2: below 0 every frame is a change.
    min_length : int
        How many frames a segment has at least.

    Returns
    -------
    tuple
        ``(y, ids)``: the means of the segments, (..., n, d), in the dtype of `x`, with 0 behind the last; and the
        segment of each frame, (..., n), so that there are max(ids) + 1. So no shape depends on values. A NaN is no
        change, and makes its segment NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is of another type.
    ValueError
        `x` has fewer than two axes or is empty along the last two, `threshold` is NaN, or `min_length` is below 1.

    Notes
    -----
    The last segment may be shorter. Lengths count as 1e-8 at least: a frame of zeros is a change of 1.

    References
    ----------
    Li et al., VT-LVLM-AR, 2025: formula as catalogued, not confirmed at its source (the abstract speaks of adaptive
    temporal pooling only).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> y, ids = refnorm.pool.change_point_pool(x, threshold=0.5)
    >>> y.tolist(), ids.tolist()
    ([[2.0, 0.0], [0.0, 4.0], [0.0, 0.0]], [0, 0, 1])
    """
    xp, x = prepare(x)
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    try:
        least, known = op.index(min_length), threshold == threshold + 0.0
    except TypeError:
        raise TypeError(f"min_length must be an int, threshold a number: {min_length!r}, {threshold!r}") from None
    if least < 1 or not known:
        raise ValueError(f"min_length must be at least 1 and threshold no NaN, got {min_length} and {threshold!r}")
    (wide,) = widen(xp, x)
    n, spare, batch = x.shape[-2], roomy(x, wide), math.prod(x.shape[:-2])
    u = unit(xp, wide, LEAST, roomy=spare)
    cosine = total(xp, u * xp.roll(u, 1, axis=-2), roomy=spare)[..., 0]
    ids = segments_of(xp, 1 - cosine > threshold, least)
    apart = xp.reshape(xp.reshape(ids, (batch, n)) + n * xp.arange(batch, device=device(x))[:, None], (batch * n,))
    y = pooled(xp, xp.reshape(wide, (batch * n, x.shape[-1])), apart, batch * n, "mean", 0.0, roomy=spare)
    return give_back(xp, xp.reshape(y, x.shape), x), ids


def require_contexts(x, left, left_input, right, right_input, weight, bias, first, last) -> None:
    """Refuse maps that do not fit words (..., n, d), their contexts and what both become."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    c, d = left.shape[0] if left.ndim else 0, x.shape[-1]
    for name, one, shape in (
        ("left", left, (c, c)), ("left_input", left_input, (d, c)), ("right", right, (c, c)),
        ("right_input", right_input, (d, c)), ("bias", bias, bias.shape[:1]), ("first", first, (c,)),
        ("last", last, (c,)), ("weight", weight, (2 * c + d, *bias.shape[:1])),
    ):  # fmt: skip
        require_shape(name, one, shape)


def contexts(xp, start, words, recurrent, activation, *, roomy):
    """Return the contexts of words, (..., n, c): each from the one before and what the word before it adds."""
    state, done = start, [start]
    for t in range(words.shape[-2] - 1):
        z = inner(xp, state, xp.matrix_transpose(recurrent), roomy=roomy) + words[..., t, :]
        state = xp.tanh(z) if activation == "tanh" else xp.where(z < 0, xp.zeros_like(z), z)
        done.append(state)
    return xp.stack(done, axis=-2)


TEXT = normal(3, 3), normal(2, 3), normal(3, 3), normal(2, 3), normal(8, 4), normal(4)


def text_shapes(d):
    """Return the shapes of maps for words of d features: two in a context, three of the text."""
    return (2, 2), (d, 2), (2, 2), (d, 2), (d + 4, 3), (3,)


@operator(
    paper="lai2016word",
    cases=[
        case("text", normal(5, 2), *TEXT),
        case("texts, contexts at the ends", normal(2, 4, 2), *TEXT, normal(3), normal(3)),
        case("rectified", normal(3, 4, 2), *TEXT, normal(3), activation="relu"),
        case("one word", normal(2, 1, 2), *TEXT),
    ],
    bench=case(
        "texts", normal(48, 40, 64), normal(32, 32), normal(64, 32), normal(32, 32), normal(64, 32),
        normal(128, 100), normal(100),
    ),
    rows=lambda x, rng: (
        [x] + [rng.normal(size=s) for s in text_shapes(x.shape[1])],
        {},
    ),
)  # fmt: skip
def recurrent_conv_text_pool(
    x, left, left_input, right, right_input, weight, bias, first=None, last=None, /, *, activation="tanh"
):
    r"""Reduce a text to the largest of what its words are with their contexts on both sides.

    .. math:: y = \max_i \tanh \big( [l_i, x_i, r_i] W + b \big), \qquad
        l_i = f(l_{i-1} W_l + x_{i-1} S_l), \qquad r_i = f(r_{i+1} W_r + x_{i+1} S_r)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The embeddings of n words, of shape (..., n, d).
    left, right : array
        The maps :math:`W_l, W_r` from context to context, of shape (c, c).
    left_input, right_input : array
        The maps :math:`S_l, S_r` from word to context, of shape (d, c).
    weight : array
        W, of shape (2 c + d, h).
    bias : array
        b, of shape (h,).
    first, last : array, optional
        The left context of the first word and the right one of the last, of shape (c,); 0 when left out.
    activation : {"tanh", "relu"}
        The function f.

    Returns
    -------
    array
        (..., h), from -1 to 1, in the dtype, library and device of `x`. A NaN makes the text NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        An array has another shape, `x` is empty along the last two axes, or `activation` is another word.

    References
    ----------
    Lai, Word and Document Embeddings based on Neural Network Approaches, 2016: recurrent convolutional networks,
    formula as catalogued, not confirmed at its source.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, none, one = np.array([[0.5], [-2.0]]), np.zeros((1, 1)), np.array([[0.0], [1.0], [0.0]])
    >>> refnorm.pool.recurrent_conv_text_pool(x, none, none, none, none, one, np.zeros(1)).round(4)
    array([0.4621])
    """
    given = prepare(x, left, left_input, right, right_input, weight, bias, first, last, need=7)
    xp, x, *maps = given
    require_contexts(x, *maps)
    if activation not in ("tanh", "relu"):
        raise ValueError(f"activation must be 'tanh' or 'relu', got {activation!r}")
    e, wl, sl, wr, sr, w, b, start, end = widen(xp, x, *maps)
    spare = roomy(x, e)
    before, after = (inner(xp, e, xp.matrix_transpose(m), roomy=spare) for m in (sl, sr))
    none = xp.zeros_like(before[..., 0, :])
    start, end = (none if s is None else none + s for s in (start, end))
    cl = contexts(xp, start, before, wl, activation, roomy=spare)
    cr = xp.flip(contexts(xp, end, xp.flip(after, axis=-2), wr, activation, roomy=spare), axis=-2)
    h = xp.tanh(inner(xp, xp.concat([cl, e, cr], axis=-1), xp.matrix_transpose(w), roomy=spare) + b)
    return give_back(xp, xp.max(h, axis=-2), x)


# ---- laws ----


@law(selective_temporal_max_pool, normal(1, 2, 8, 3), normal(2, 2, 2), normal(2, 2))
def the_same_for_both_is_their_mean(f, x, w, b):
    one = np.stack([x[:, :, 0:3].max(axis=2), x[:, :, 3:6].max(axis=2)], axis=2)
    two = np.stack([x[:, :, 0:4].max(axis=2), x[:, :, 2:7].max(axis=2)], axis=2)
    return f(x, 0 * w + w[:1], 0 * b + b[:1]), (one + two) / 2


@law(selective_temporal_max_pool, normal(1, 2, 8, 3), normal(2, 2, 2), normal(2, 2))
def what_both_share_cancels(f, x, w, b):
    return f(x, w + 2, b - 3), f(x, w, b)


@law(change_point_pool, normal(8, 3))
def means_have_the_unit(f, x):
    return f(4 * x, threshold=0.5)[0], 4 * f(x, threshold=0.5)[0]


@law(change_point_pool, normal(8, 3))
def the_sum_of_all_frames_stays(f, x):
    y, ids = f(x, threshold=0.8, min_length=2)
    return (ids[:, None] == np.arange(8)).sum(axis=0) @ y, x.sum(axis=0)


@law(recurrent_conv_text_pool, normal(5, 2), *TEXT)
def read_backwards_the_sides_change_places(f, x, wl, sl, wr, sr, w, b):
    turned = np.concatenate([w[5:], w[3:5], w[:3]])
    return f(x[::-1], wr, sr, wl, sl, turned, b), f(x, wl, sl, wr, sr, w, b)


@law(recurrent_conv_text_pool, normal(5, 2), *TEXT)
def without_contexts_words_stand_alone(f, x, wl, sl, wr, sr, w, b):
    alone = w * np.repeat([0.0, 1.0, 0.0], (3, 2, 3))[:, None]
    return f(x, wl, sl, wr, sr, alone, b), np.tanh(x @ w[3:5] + b).max(axis=0)
