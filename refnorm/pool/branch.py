"""Convex mixtures of branches: layers, features, kernels, widths."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.bins import bins
from .._core.gates import linear, rectified, require_bottleneck
from .._core.logistic import sigmoids
from .._core.sums import mean, total
from .._core.weighing import softmax_weights
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_same_shape, require_shape, roomy, widen


def require_scale(scale) -> None:
    """Refuse a scale that is no finite number."""
    if not isinstance(scale, int | float):
        raise TypeError(f"scale must be a real number, got {type(scale).__name__}")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")


def mixed(xp, x, weights, *, roomy):
    """Return the sum over branches of x (M, ...) by weights, (M,) or with more of the axes of x."""
    terms = x * xp.reshape(weights, (*weights.shape, *(1 for _ in x.shape[weights.ndim :])))
    return total(xp, xp.permute_dims(terms, (*range(1, x.ndim), 0)), roomy=roomy)[..., 0]


def first_last(xp, a):
    """Return `a` with its first axis last."""
    return xp.permute_dims(a, (*range(1, a.ndim), 0))


@operator(
    paper=("roh2024levi", "xu2019pcdarts", "mungoli2023adaptive", "zhang2024beyond"),
    cases=[
        case("layers", normal(4, 2, 3), normal(4)),
        case("scaled", normal(3, 5, 2), normal(3), scale=-2.5),
        case("scores a sample", normal(3, 4, 2, 2), normal(3, 4)),
        case("scores a token", normal(2, 2, 3, 4), normal(2, 2, 3, std=3.0)),
        case("offset", normal(5, 8, mean=1e4), normal(5)),
        case("nobody", normal(3, 0, 2), normal(3)),
    ],
    bench=case("layers", normal(12, 32, 512, 64), normal(12)),
    rows=lambda x, rng: ([x.T, rng.normal(size=x.shape[1])], {}),
)
def branch_pool(x, scores, /, *, scale=1.0):
    r"""Add branches up, weighed by the softmax of their scores.

    .. math:: y = \gamma \sum_m w_m x_m, \qquad w = \mathrm{softmax}_m(s)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The branches, of shape (M, ...): layers, features, the edges into a node, experts.
    scores : array
        The scores s, of shape (M,), or with as many of the leading axes of `x` as have scores of their own: (M, N) for
        samples, (M, N, T) for tokens.
    scale : float
        The factor :math:`\gamma`.

    Returns
    -------
    array
        The shape of `x` without its first axis, in its dtype, library and device. A NaN or an infinity in a branch has
        its place in the sum, be its weight 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or `scale` is no number.
    ValueError
        There is no branch, `scores` has another shape, or `scale` is not finite.

    Notes
    -----
    The mix of layers of ELMo, the fusion of features, and the edge normalization of PC-DARTS, for each node its own
    call, are this one. Scores are given: a gate that makes them of an input is a linear map before it. The released
    mixture of adapters divides by 1 + 1e-6 besides. See ``refnorm conventions branch_pool``.

    References
    ----------
    Roh et al., LEVI: Generalizable Fine-tuning via Layer-wise Ensemble of Different Views, 2024. Xu et al., PC-DARTS:
    Partial Channel Connections for Memory-Efficient Architecture Search, 2019: Network.forward. Mungoli, Adaptive
    Ensemble Learning, 2023: the standard instance of its framework. Zhang et al., Beyond LLaVA-HD, 2024:
    noisy_top_k_gating, whose two experts are all taken. All as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.branch_pool(np.array([[1.0, 2.0], [5.0, 10.0]]), np.array([0.0, np.log(3.0)]))
    array([4., 8.])
    """
    xp, x, scores = prepare(x, scores, need=2)
    if x.ndim < 1 or x.shape[0] == 0 or scores.ndim < 1:
        raise ValueError(f"x must have shape (M, ...), with a branch, and scores, got {tuple(x.shape)}")
    require_shape("scores", scores, x.shape[: scores.ndim])
    require_scale(scale)
    wide, s = widen(xp, x, scores)
    weights = xp.permute_dims(
        softmax_weights(xp, first_last(xp, s), roomy=roomy(x, wide)), (s.ndim - 1, *range(s.ndim - 1))
    )
    return give_back(xp, scale * mixed(xp, wide, weights, roomy=roomy(x, wide)), x)


def elu(xp, h):
    """Return h above zero, e^h - 1 below."""
    return xp.where(h > 0, h, xp.expm1(xp.where(h > 0, xp.zeros_like(h), h)))


@operator(
    paper="zhou2023pairingnet",
    cases=[
        case("features", normal(4, 3), normal(4, 3), normal(3, 6), normal(3, 3)),
        case("biases", normal(2, 5, 2), normal(2, 5, 2), normal(4, 4), normal(2, 4), normal(4), normal(2)),
        case("one beside the other", normal(3, 2), normal(3, 2, mean=1.0), normal(2, 4), normal(2, 2),
             combine="concat"),
        case("offset", normal(2, 4, mean=1e3), normal(2, 4), normal(3, 8, std=1e-3), normal(4, 3)),
        case("nobody", normal(0, 3), normal(0, 3), normal(3, 6), normal(3, 3)),
    ],
    bench=case("features", normal(4096, 64), normal(4096, 64), normal(64, 128), normal(64, 64)),
    rows=lambda x, rng: (
        [x[..., None], rng.normal(size=(*x.shape, 1)), rng.normal(size=(2, 2)), rng.normal(size=(1, 2))], {}),
)  # fmt: skip
def gated_fusion(x, other, weight, gate_weight, bias=None, gate_bias=None, /, *, combine="sum"):
    r"""Mix two features, channel by channel, by a gate that both have a say in.

    .. math:: y = w \odot x + (1 - w) \odot x', \qquad
        w = \sigma(W_2 \, \phi(W_1 [x, x'] + b_1) + b_2), \quad
        \phi(h) = \begin{cases} h & h > 0 \\ e^h - 1 & h \le 0 \end{cases}

    or both terms one beside the other.

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The features, both of shape (..., D).
    weight, gate_weight : array
        The maps :math:`W_1`, of shape (H, 2 D), and :math:`W_2`, of shape (D, H).
    bias, gate_bias : array, optional
        The biases, of shape (H,) and (D,); 0 where they are None.
    combine : {"sum", "concat"}
        Whether the two terms are added, or (..., 2 D) holds both.

    Returns
    -------
    array
        The shape of `x`, or twice its last axis, in its dtype, library and device. A NaN has its say in the gates
        beside it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `other` has not the shape of `x`, a parameter has another shape, or `combine` is another word.

    References
    ----------
    Zhou et al., PairingNet: A Learning-based Pair-searching and -matching Network for Image Fragments, 2023: SelfGateV1
    and, for "concat", SelfGateV2 of the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other = np.array([[2.0]]), np.array([[6.0]])
    >>> refnorm.pool.gated_fusion(x, other, np.ones((1, 2)), np.zeros((1, 1)))
    array([[4.]])
    """
    xp, x, other, *given = prepare(x, other, weight, gate_weight, bias, gate_bias, need=4)
    if x.ndim < 1 or x.shape[-1] == 0:
        raise ValueError(f"x must have shape (..., D), with a channel, got {tuple(x.shape)}")
    require_same_shape("other", other, x)
    require_bottleneck(2 * x.shape[-1], *given, outputs=x.shape[-1])
    if combine not in ("sum", "concat"):
        raise ValueError(f"combine must be 'sum' or 'concat', got {combine!r}")
    wide, second, w, v, b, c = widen(xp, x, other, *given)
    spare = roomy(x, wide)
    h = elu(xp, linear(xp, xp.concat([wide, second], axis=-1), w, b, roomy=spare))
    share, rest = sigmoids(xp, linear(xp, h, v, c, roomy=spare))
    first, second = share * wide, rest * second
    return give_back(xp, first + second if combine == "sum" else xp.concat([first, second], axis=-1), x)


@operator(
    paper="liu2022transkd",
    cases=[
        case("maps", normal(2, 4, 3, 5), normal(2, 4, 3, 5), normal(2, 4), normal(4, 2), normal(4, 2)),
        case("biases", normal(3, 3, 6), normal(3, 3, 6), normal(2, 3), normal(3, 2), normal(3, 2), normal(2), normal(3),
             normal(3)),
        case("offset", normal(2, 2, 20, mean=1e2), normal(2, 2, 20), normal(3, 2, std=1e-2), normal(2, 3),
             normal(2, 3)),
        case("no images", normal(0, 4, 3), normal(0, 4, 3), normal(2, 4), normal(4, 2), normal(4, 2)),
    ],
    bench=case("maps", normal(16, 256, 28, 28), normal(16, 256, 28, 28), normal(32, 256), normal(256, 32),
               normal(256, 32)),
    rows=lambda x, rng: (
        [x[:, None], rng.normal(size=(len(x), 1, x.shape[1])), *(rng.normal(size=s) for s in ((2, 1), (1, 2), (1, 2)))],
        {},
    ),
)  # fmt: skip
def selective_kernel_fusion(
    x, other, weight, gate_weight, other_weight, bias=None, gate_bias=None, other_bias=None, /
):  # fmt: skip
    r"""Mix two maps, channel by channel, by the softmax of two scores that the mean of their sum gives.

    .. math:: y_c = \alpha_c x_c + (1 - \alpha_c) x'_c, \qquad
        \alpha = \frac{e^p}{e^p + e^{p'}}, \quad p = W_p h + b_p, \quad p' = W_{p'} h + b_{p'}, \quad
        h = \max(W z + b, 0), \quad z = \frac{1}{n} \sum_i (x_i + x'_i)

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The maps, both of shape (N, C, *sites).
    weight : array
        The map W, of shape (H, C).
    gate_weight, other_weight : array
        The maps of the scores of `x` and of `other`, of shape (C, H).
    bias, gate_bias, other_bias : array, optional
        The biases, of shape (H,), (C,) and (C,); 0 where they are None.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity in a sample has its say in all its gates.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no sites, `other` not its shape, or a parameter has another shape.

    Notes
    -----
    The batch norm behind W, with stored moments, goes into `weight` and `bias`. The released code resizes `other`
    before, and convolves the answer after.

    References
    ----------
    Liu et al., TransKD: Transformer Knowledge Distillation for Efficient Semantic Segmentation, 2022: SK.forward of the
    released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other, one = np.array([[[1.0, 3.0]]]), np.array([[[5.0, 5.0]]]), np.ones((1, 1))
    >>> refnorm.pool.selective_kernel_fusion(x, other, one, 2 * one, 2 * one)
    array([[[3., 4.]]])
    """
    xp, x, other, *given = prepare(x, other, weight, gate_weight, other_weight, bias, gate_bias, other_bias, need=5)
    if x.ndim < 3 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, C, *sites) with no empty axis but N, got {tuple(x.shape)}")
    require_same_shape("other", other, x)
    require_bottleneck(x.shape[1], weight, gate_weight, bias, gate_bias)
    require_shape("other_weight", other_weight, tuple(gate_weight.shape))
    require_shape("other_bias", other_bias, x.shape[1:2])
    wide, second, w, v, u, b, c, d = widen(xp, x, other, *given)
    spare, shape = roomy(x, wide), (*x.shape[:2], math.prod(x.shape[2:]))
    z = mean(xp, xp.reshape(wide + second, shape), roomy=spare)[..., 0]
    h = rectified(xp, linear(xp, z, w, b, roomy=spare))
    share, rest = sigmoids(xp, linear(xp, h, v, c, roomy=spare) - linear(xp, h, u, d, roomy=spare))
    share, rest = (xp.reshape(part, (*shape[:2], *(1 for _ in x.shape[2:]))) for part in (share, rest))
    return give_back(xp, share * wide + rest * second, x)


@operator(
    paper="dong2019network",
    cases=[
        case("two widths", normal(2, 6, 3), normal(2), widths=(4, 6)),
        case("the wider first", normal(2, 7, 2, 2), normal(3), widths=(7, 3, 5)),
        case("one width", normal(3, 5, 4), normal(1), widths=(3,)),
        case("offset", normal(1, 5, 8, mean=1e4), normal(2), widths=(3, 5)),
        case("no images", normal(0, 4, 3), normal(2), widths=(2, 4)),
    ],
    bench=case("planes", normal(32, 64, 32, 32), normal(2), widths=(38, 64)),
    rows=lambda x, rng: ([x[None], rng.normal(size=2)], {"widths": (max(1, len(x) // 2), len(x))}),
)
def sampled_width_mixture(x, scores, /, *, widths):
    r"""Mix the first channels of `x`, as many as each of several widths has, brought to the largest width.

    .. math:: y = \sum_j p_j \, \mathrm{pool}_{\max_k c_k}(x_{: c_j}), \qquad p = \mathrm{softmax}(s)

    where the pool has the adaptive bins of :func:`adaptive_avg_pool` along the channels.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *sites).
    scores : array
        The scores s of the widths that were sampled, perturbed and tempered as they may be, of shape (K,).
    widths : tuple of int
        Those widths :math:`c_j`, from 1 to C.

    Returns
    -------
    array
        (N, max(widths), *sites), in the dtype, library and device of `x`. A NaN or an infinity reaches the bins that
        hold its channel.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or `widths` holds no ints.
    ValueError
        `x` has no channel axis, `scores` not one score a width, or a width is below 1 or above C.

    Notes
    -----
    The released code perturbs by (log softmax + Gumbel noise) / tau and samples without replacement: both are draws,
    and belong to the caller.

    References
    ----------
    Dong and Yang, Network Pruning via Transformable Architecture Search, 2019: select2withP and ChannelWiseInter of the
    released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[1.0], [3.0], [8.0]]])
    >>> refnorm.pool.sampled_width_mixture(x, np.zeros(2), widths=(1, 3))[0, :, 0]
    array([1. , 2. , 4.5])
    """
    xp, x, scores = prepare(x, scores, need=2)
    if not isinstance(widths, tuple | list) or not all(isinstance(n, int) for n in widths):
        raise TypeError(f"widths must be a tuple of ints, got {widths!r}")
    if x.ndim < 2 or not widths or min(widths) < 1 or max(widths) > x.shape[1]:
        raise ValueError(f"widths must lie from 1 to the channels of x, of shape {tuple(x.shape)}, got {widths!r}")
    require_shape("scores", scores, (len(widths),))
    wide, s = widen(xp, x, scores)
    spare, parts = roomy(x, wide), []
    for width in widths:  # a bin has one cell or two: the first and the last are all there is
        start, stop = (xp.asarray(ends, device=device(x)) for ends in bins(width, max(widths)))
        parts.append(0.5 * xp.take(wide, start, axis=1) + 0.5 * xp.take(wide, stop - 1, axis=1))
    return give_back(xp, mixed(xp, xp.stack(parts), softmax_weights(xp, s, roomy=spare), roomy=spare), x)


@law(branch_pool, normal(4, 2, 3), normal(4))
def scores_have_no_zero(f, x, s):
    return f(x, s + 4), f(x, s)


@law(branch_pool, normal(4, 2, 3), normal(4))
def order_of_branches_free(f, x, s):
    return f(x[::-1], s[::-1]), f(x, s)


@law(branch_pool, normal(4, 2, 3), normal(4))
def equal_scores_are_the_mean(f, x, s):
    return f(x, 0 * s, scale=2.0), 2 * x.mean(axis=0)


@law(gated_fusion, normal(4, 3), normal(4, 3), normal(3, 6), normal(3, 3))
def the_sum_is_of_both_terms(f, x, other, w, v):
    both = f(x, other, w, v, combine="concat")
    return both[:, :3] + both[:, 3:], f(x, other, w, v)


@law(gated_fusion, normal(4, 3), normal(4, 3), normal(3, 6), normal(3, 3))
def without_a_say_it_is_the_mean(f, x, other, w, v):
    return f(x, other, w, 0 * v), (x + other) / 2


@law(selective_kernel_fusion, normal(2, 4, 5), normal(2, 4, 5), normal(2, 4), normal(4, 2), normal(4, 2))
def the_two_change_places(f, x, other, w, v, u):
    return f(other, x, w, u, v), f(x, other, w, v, u)


@law(selective_kernel_fusion, normal(2, 4, 5), normal(2, 4, 5), normal(2, 4), normal(4, 2), normal(4, 2))
def equal_scores_halve_the_sum(f, x, other, w, v, u):
    return f(x, other, w, v, v), (x + other) / 2


@law(sampled_width_mixture, normal(2, 6, 3), normal(2))
def one_width_is_itself(f, x, s):
    return f(x, s[:1], widths=(4,)), x[:, :4]


@law(sampled_width_mixture, normal(2, 6, 3), normal(2))
def widths_in_any_order(f, x, s):
    return f(x, s[::-1], widths=(6, 4)), f(x, s, widths=(4, 6))
