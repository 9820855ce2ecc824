"""One global context vector, put back as a residual or as a gate."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.gates import gated, linear, require_bottleneck
from .._core.products import inner
from .._core.sums import mean, total
from .._core.weighing import softmax_weights
from .._registry import law, operator
from .._xp import give_back, prepare, require_shape, roomy, widen


def attended(xp, x, weight, *, roomy):
    """Return the sum of (..., C, n) over its sites, weighed by the softmax of their scores: (..., C)."""
    scores = inner(xp, xp.matrix_transpose(x), weight[None, :], roomy=roomy)
    return total(xp, x * xp.matrix_transpose(softmaxed_first(xp, scores, roomy=roomy)), roomy=roomy)[..., 0]


def softmaxed_first(xp, scores, *, roomy):
    """Return the softmax of scores (..., n, 1) over n."""
    return xp.matrix_transpose(softmax_weights(xp, xp.matrix_transpose(scores), roomy=roomy))


@operator(
    paper="zong2021rcnet",
    cases=[
        case("levels of maps", normal(2, 3, 4, 2, 3), normal(4), normal(4, 4), normal(4), normal(4, 4)),
        case("biases", normal(3, 2, 3, 5), normal(3), normal(3, 3), normal(3), normal(3, 3), normal(3), normal(3)),
        case("offset", normal(1, 2, 2, 9, mean=1e3), normal(2, std=0.1), normal(2, 2), normal(2), normal(2, 2)),
        case("no images", normal(0, 2, 3, 4), normal(3), normal(3, 3), normal(3), normal(3, 3)),
    ],
    bench=case("pyramid", normal(4, 5, 64, 32, 32), normal(64), normal(64, 64), normal(64), normal(64, 64)),
    rows=lambda x, rng: (
        [x[None, :2, None], *(0.1 * rng.normal(size=s) for s in ((1,), (1, 1), (1,), (1, 1)))], {}),
)  # fmt: skip
def global_context_block(
    x, weight, site_weight, gate, level_weight, site_bias=None, level_bias=None, /
):  # fmt: skip
    r"""Add to every site of every level what the sites, and what the levels, have in common.

    .. math:: y_{l c i} = x_{l c i} + s_c + t_{l c}, \qquad
        s = W_s \sum_i a_i u_i + c_s, \quad a = \mathrm{softmax}_i(w_s^\top u_i), \quad u = \tfrac{1}{L} \sum_l x_l, \\
        t = W_l \sum_l b_l v_l + c_l, \quad b = \mathrm{softmax}_l(w_l^\top v_l), \quad v = \tfrac{1}{n} \sum_i x_i

    where t is the same for all levels, as s is for all sites.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The levels of a pyramid at one size, of shape (N, L, C, *sites).
    weight, gate : array
        The scores :math:`w_s` of sites and :math:`w_l` of levels, of shape (C,). A bias would not tell: a softmax knows
        no common shift.
    site_weight, level_weight : array
        The maps :math:`W_s` and :math:`W_l`, of shape (C, C).
    site_bias, level_bias : array, optional
        Their biases, of shape (C,); 0 where they are None.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity in a sample reaches all of it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no levels or sites, or a parameter has another shape.

    Notes
    -----
    GCNet has the branch of the sites alone, with a bottleneck for :math:`W_s`.

    References
    ----------
    Zong, Cao and Leng, RCNet: Reverse Feature Pyramid and Cross-scale Shift Network for Object Detection, 2021:
    SpatialBranch and ScaleBranch of the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, one = np.array([[[[1.0, 3.0]], [[5.0, 7.0]]]]), np.ones((1, 1))
    >>> refnorm.pool.global_context_block(x, 0 * one[0], one, 0 * one[0], 10 * one)  # means: 4, and 4 times 10
    array([[[[45., 47.]],
    <BLANKLINE>
            [[49., 51.]]]])
    """
    xp, x, *given = prepare(x, weight, site_weight, gate, level_weight, site_bias, level_bias, need=5)
    if x.ndim < 4 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, L, C, *sites) with no empty axis but N, got {tuple(x.shape)}")
    c = x.shape[2]
    names = ("weight", "site_weight", "gate", "level_weight", "site_bias", "level_bias")
    for name, a, shape in zip(names, given, ((c,), (c, c), (c,), (c, c), (c,), (c,)), strict=True):
        require_shape(name, a, shape)
    wide, ws, maps, wl, mapl, bs, bl = widen(xp, x, *given)
    spare = roomy(x, wide)
    flat = xp.reshape(wide, (*x.shape[:3], math.prod(x.shape[3:])))
    u = mean(xp, xp.permute_dims(flat, (0, 2, 3, 1)), roomy=spare)[..., 0]
    v = xp.matrix_transpose(mean(xp, flat, roomy=spare)[..., 0])
    s = linear(xp, attended(xp, u, ws, roomy=spare), maps, bs, roomy=spare)
    t = linear(xp, attended(xp, v, wl, roomy=spare), mapl, bl, roomy=spare)
    y = flat + (s + t)[:, None, :, None]
    return give_back(xp, xp.reshape(y, x.shape), x)


@operator(
    paper="elhassan2023p2at",
    cases=[
        case("plane", normal(2, 3, 4, 5), normal(2, 3), normal(3, 2), normal(3)),
        case("biases", normal(3, 3, 6), normal(4, 3), normal(3, 4), normal(3), normal(4), normal(3)),
        case("offset", normal(1, 2, 30, mean=1e3), normal(3, 2), normal(2, 3), normal(2, std=0.1)),
        case("no images", normal(0, 3, 4), normal(2, 3), normal(3, 2), normal(3)),
    ],
    bench=case("planes", normal(16, 128, 32, 32), normal(128, 128), normal(128, 128), normal(128)),
    rows=lambda x, rng: ([x[:, None], *(0.3 * rng.normal(size=s) for s in ((2, 1), (1, 2), 1))], {}),
)
def global_context_gate(x, weight, gate_weight, alpha, bias=None, gate_bias=None, /):
    r"""Add to every site of `x` what two linear maps and a rectifier with a slope make of the mean over all sites.

    .. math:: y_i = x_i + \phi_\alpha(W_2 (W_1 z + b_1) + b_2), \qquad z = \frac{1}{n} \sum_i x_i, \quad
        \phi_\alpha(h) = \begin{cases} h & h \ge 0 \\ \alpha h & h < 0 \end{cases}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *sites).
    weight, gate_weight : array
        The maps :math:`W_1`, of shape (H, C), and :math:`W_2`, of shape (C, H).
    alpha : array
        The slope below zero of each channel, of shape (C,).
    bias, gate_bias : array, optional
        The biases, of shape (H,) and (C,); 0 where they are None.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity in a sample reaches all of it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no sites, or a parameter has another shape.

    Notes
    -----
    In the released code the maps are convolutions, of which only the cell in the middle meets the one mean; a scale and
    a bias lie between them, and a batch norm behind them: with stored moments all of it is what the two maps and
    biases say. Despite its name the block adds, and does not gate.

    References
    ----------
    Elhassan et al., P2AT: Pyramid Pooling Axial Transformer for Real-time Semantic Segmentation, 2023: GCEBlock of the
    released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, one = np.array([[[1.0, 3.0]]]), np.ones((1, 1))
    >>> refnorm.pool.global_context_gate(x, one, -10 * one, np.array([0.5]))  # half of -20
    array([[[-9., -7.]]])
    """
    xp, x, *given = prepare(x, weight, gate_weight, alpha, bias, gate_bias, need=4)
    if x.ndim < 3 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, C, *sites) with no empty axis but N, got {tuple(x.shape)}")
    require_bottleneck(x.shape[1], weight, gate_weight, bias, gate_bias)
    require_shape("alpha", alpha, x.shape[1:2])
    wide, w, v, slope, b, c = widen(xp, x, *given)
    spare = roomy(x, wide)
    flat = xp.reshape(wide, (*x.shape[:2], math.prod(x.shape[2:])))
    h = linear(xp, mean(xp, flat, roomy=spare)[..., 0], w, b, roomy=spare)
    h = linear(xp, h, v, c, roomy=spare)
    y = flat + xp.where(h < 0, slope * h, h)[..., None]
    return give_back(xp, xp.reshape(y, x.shape), x)


@operator(
    paper="xu2018ensemble",
    cases=[
        case("frames", normal(2, 5, 3), normal(3), normal(3, 3)),
        case("summed", normal(3, 4, 6), normal(6), normal(6, 6), reduce="sum"),
        case("offset", normal(1, 9, 2, mean=1e2), normal(2), normal(2, 2, std=0.01)),
        case("nobody", normal(0, 4, 3), normal(3), normal(3, 3)),
    ],
    bench=case("frames", normal(64, 300, 150), normal(150), normal(150, 150), reduce="sum"),
    rows=lambda x, rng: ([x[:, :, None], rng.normal(size=1) * 1e-3, rng.normal(size=(1, 1))], {"reduce": "sum"}),
)
def frame_channel_gate(x, weight, gate_weight, /, *, reduce="none"):
    r"""Scale `x` by the share of each frame and by a gate of each channel, and add the frames up if asked.

    .. math:: y_{tc} = x_{tc} \, a_t \, \sigma(W z)_c, \qquad a = \mathrm{softmax}_t(w^\top x_t), \quad
        z = \frac{1}{T} \sum_t x_t

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The frames, of shape (N, T, C).
    weight : array
        The scores w of a frame, of shape (C,).
    gate_weight : array
        The map W, of shape (C, C).
    reduce : {"none", "sum"}
        Whether frames are added up.

    Returns
    -------
    array
        The shape of `x`, or (N, C) for the sum, in its dtype, library and device. A NaN or an infinity in a sample
        reaches all of it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no frames or channels, a parameter has another shape, or `reduce` is another word.

    References
    ----------
    Xu et al., Ensemble One-dimensional Convolution Neural Networks for Skeleton-based Action Recognition, 2018, as
    catalogued: no code is known.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[4.0], [8.0]]])
    >>> refnorm.pool.frame_channel_gate(x, np.zeros(1), np.zeros((1, 1)))  # half of a half
    array([[[1.],
            [2.]]])
    """
    xp, x, weight, gate_weight = prepare(x, weight, gate_weight, need=3)
    if x.ndim != 3 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, T, C) with no empty axis but N, got {tuple(x.shape)}")
    require_shape("weight", weight, x.shape[2:])
    require_shape("gate_weight", gate_weight, (x.shape[2], x.shape[2]))
    if reduce not in ("none", "sum"):
        raise ValueError(f"reduce must be 'none' or 'sum', got {reduce!r}")
    wide, w, gate = widen(xp, x, weight, gate_weight)
    spare, turned = roomy(x, wide), xp.matrix_transpose(wide)
    share = softmaxed_first(xp, inner(xp, wide, w[None, :], roomy=spare), roomy=spare)
    q = inner(xp, mean(xp, turned, roomy=spare)[..., 0], gate, roomy=spare)
    y = gated(xp, wide, q[:, None, :]) * share
    return give_back(xp, total(xp, xp.matrix_transpose(y), roomy=spare)[..., 0] if reduce == "sum" else y, x)


@law(global_context_block, normal(2, 3, 4, 5), normal(4), normal(4, 4), normal(4), normal(4, 4))
def order_of_levels_free(f, x, w, a, v, b):
    return f(x[:, ::-1], w, a, v, b)[:, ::-1], f(x, w, a, v, b)


@law(global_context_block, normal(2, 3, 4, 5), normal(4), normal(4, 4), normal(4), normal(4, 4))
def scores_of_zero_are_means(f, x, w, a, v, b):
    common = x.mean(axis=(1, 3)) @ (a + b).T
    return f(x, 0 * w, a, 0 * v, b), x + common[:, None, :, None]


@law(global_context_gate, normal(2, 3, 5), normal(2, 3), normal(3, 2), normal(3))
def order_of_sites_free(f, x, w, v, slope):
    return f(x[..., ::-1], w, v, slope), f(x, w, v, slope)[..., ::-1]


@law(global_context_gate, normal(2, 3, 5), normal(2, 3), normal(3, 2), normal(3))
def a_slope_of_one_is_linear(f, x, w, v, slope):
    return f(4 * x, w, v, 0 * slope + 1), 4 * f(x, w, v, 0 * slope + 1)


@law(frame_channel_gate, normal(2, 5, 3), normal(3), normal(3, 3))
def order_of_frames_free(f, x, w, v):
    return f(x[:, ::-1], w, v, reduce="sum"), f(x, w, v, reduce="sum")


@law(frame_channel_gate, normal(2, 5, 3), normal(3), normal(3, 3))
def without_scores_it_is_half_the_mean(f, x, w, v):
    return f(x, 0 * w, 0 * v, reduce="sum"), x.mean(axis=1) / 2
