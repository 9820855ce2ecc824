"""A pooled vector becomes a gate, and the gate rescales channels, positions or streams."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.gates import ACTIVATIONS, bottleneck, gated, linear, require_bottleneck
from .._core.logistic import sigmoids
from .._core.sums import mean, total
from .._registry import gradient, law, operator
from .._xp import device, give_back, like_weight, prepare, require_shape, roomy, widen

REDUCES = ("mean", "max")
COMBINES = ("max", "sum", "product", "concat")


def squeeze_asked(x, weight, gate_weight, bias, gate_bias, reduce="mean", activation="relu", leading=0) -> None:
    """Refuse data without sites, maps that do not fit, and other words than `reduce` and `activation` may be."""
    if x.ndim < 3 + leading or 0 in x.shape[1 + leading :] or 0 in x.shape[:leading]:
        shape = "(T, N, C, *sites)" if leading else "(N, C, *sites)"
        raise ValueError(f"x must have shape {shape} with no empty axis but N, got {tuple(x.shape)}")
    require_bottleneck(x.shape[1 + leading], weight, gate_weight, bias, gate_bias)
    if reduce not in REDUCES:
        raise ValueError(f"reduce must be 'mean' or 'max', got {reduce!r}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")


def by_sites(xp, x):
    """Return (N, C, *sites) as (N, C, sites)."""
    return xp.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))


def squeezed(xp, sites, reduce, *, roomy):
    """Return one number a channel, of its sites."""
    return xp.max(sites, axis=-1) if reduce == "max" else mean(xp, sites, roomy=roomy)[..., 0]


def over_channels(xp, x, q):
    """Return `x` scaled by the gates that scores (N, C) make."""
    return gated(xp, x, xp.reshape(q, (*q.shape, *(1 for _ in x.shape[2:]))))


def over_sites(xp, x, weight, bias, *, roomy):
    """Return `x` scaled by the gate of every site."""
    rows = xp.permute_dims(by_sites(xp, x), (0, 2, 1))
    q = linear(xp, rows, weight[None, :], bias, roomy=roomy)
    return xp.reshape(xp.permute_dims(gated(xp, rows, q), (0, 2, 1)), x.shape)


@operator(
    paper=("guharoy2018recalibrating", "tao2023adaptive", "tu2022maxim", "pei2024efficientvmamba"),
    cases=[
        case("plane", normal(2, 4, 3, 5, mean=0.5), normal(2, 4), normal(4, 2)),
        case("biases", normal(3, 3, 6), normal(2, 3), normal(3, 2), normal(2, mean=0.5), normal(3)),
        case("silu", normal(2, 3, 4, 2), normal(5, 3), normal(3, 5), normal(5), None, activation="silu"),
        case("maximum", normal(2, 4, 5, mean=-0.5), normal(3, 4), normal(4, 3), None, normal(4), reduce="max"),
        case("offset", normal(1, 2, 40, mean=1e2), normal(3, 2, std=0.01), normal(2, 3)),
        case("no images", normal(0, 4, 3, 3), normal(2, 4), normal(4, 2)),
    ],
    bench=case("planes", normal(32, 256, 28, 28), normal(16, 256), normal(256, 16)),
    rows=lambda x, rng: ([x[None], rng.normal(size=(3, len(x))), rng.normal(size=(len(x), 3))], {}),
)
def squeeze_excite(x, weight, gate_weight, bias=None, gate_bias=None, /, *, reduce="mean", activation="relu"):
    r"""Scale each channel of `x` by a gate that all channels, averaged over their sites, have a say in.

    .. math:: y_c = s_c x_c, \qquad s = \sigma(W_2 \, \phi(W_1 z + b_1) + b_2), \quad z = \frac{1}{n} \sum_i x_i

    over the n sites of a sample.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *sites): maps, or C fields of an embedding (N, C, d).
    weight, gate_weight : array
        The maps :math:`W_1`, of shape (H, C), and :math:`W_2`, of shape (C, H).
    bias, gate_bias : array, optional
        The biases, of shape (H,) and (C,); 0 where they are None.
    reduce : {"mean", "max"}
        What becomes of the sites of a channel.
    activation : {"relu", "silu"}
        The function :math:`\phi`.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity in a sample has its say in all its gates.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no sites, a parameter has another shape, or `reduce` or `activation` is another word.

    Notes
    -----
    torch has convolutions of one cell in place of the maps. See ``refnorm conventions squeeze_excite``.

    References
    ----------
    Guha Roy, Navab and Wachinger, Recalibrating Fully Convolutional Networks with Spatial and Channel 'Squeeze &
    Excitation' Blocks, 2018: ChannelSELayer. Tao et al., Adaptive Pattern Extraction Multi-Task Learning for Multi-Step
    Conversion Estimations, 2023: over fields. Tu et al., MAXIM: Multi-Axis MLP for Image Processing, 2022: CALayer. Pei
    et al., EfficientVMamba, 2024. All as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[1.0, 3.0], [4.0, 8.0]]])
    >>> refnorm.pool.squeeze_excite(x, np.ones((1, 2)), np.array([[0.0], [1.0]]), None, np.array([0.0, -8.0]))
    array([[[0.5, 1.5],
            [2. , 4. ]]])
    """
    xp, x, weight, gate_weight, bias, gate_bias = prepare(x, weight, gate_weight, bias, gate_bias, need=3)
    squeeze_asked(x, weight, gate_weight, bias, gate_bias, reduce, activation)
    wide, *maps = widen(xp, x, weight, gate_weight, bias, gate_bias)
    z = squeezed(xp, by_sites(xp, wide), reduce, roomy=roomy(x, wide))
    q = bottleneck(xp, z, *maps, activation, roomy=roomy(x, wide))
    return give_back(xp, over_channels(xp, wide, q), x)


def activation_slope(xp, pre, activation):
    """Return the derivative of an activation."""
    if activation == "relu":
        return xp.astype(pre > 0, pre.dtype)
    s, rest = sigmoids(xp, pre)
    return s * (1 + pre * rest)


def to_sites(xp, sites, dz, reduce):
    """Return the cotangent of sites (N, C, n) for that of their mean, or of their maximum: the first one's."""
    if reduce == "mean":
        return dz[..., None] / sites.shape[-1] + xp.zeros_like(sites)
    first = xp.argmax(sites, axis=-1, keepdims=True) == xp.arange(sites.shape[-1], device=device(sites))
    return xp.where(first, dz[..., None], xp.zeros_like(sites))


@gradient(squeeze_excite)
def squeeze_excite_vjp(
    cotangent, x, weight, gate_weight, bias=None, gate_bias=None, /, *, reduce="mean", activation="relu"
):  # fmt: skip
    r"""Return the cotangents of `x` and of the parameters for a cotangent of ``squeeze_excite(x, ...)``.

    .. math:: \bar x = s \odot \bar y + \frac{\bar z}{n}, \qquad \bar q = \Bigl( \sum_i \bar y_i x_i \Bigr) s (1 - s),
        \quad \bar W_2 = \bar q h^\top, \quad \bar p = W_2^\top \bar q \odot \phi'(p), \quad
        \bar W_1 = \bar p z^\top, \quad \bar z = W_1^\top \bar p

    with p what goes into the activation, h what comes out of it, and sums over the samples.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, weight, gate_weight, bias, gate_bias, reduce, activation
        As in :func:`squeeze_excite`. Of equal maxima the first has the cotangent.

    Returns
    -------
    tuple
        ``(dx, dweight, dgate_weight, dbias, dgate_bias)``; None where there is no bias.

    Raises
    ------
    TypeError, ValueError
        As in :func:`squeeze_excite`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`squeeze_excite`, confirmed against torch's and JAX's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, one = np.array([[[1.0, 3.0]]]), np.ones((1, 1))
    >>> dx, dw, dv, _, _ = refnorm.pool.squeeze_excite_vjp(np.array([[[1.0, 1.0]]]), x, one, 0 * one)
    >>> dx, dw, dv
    (array([[[0.5, 0.5]]]), array([[0.]]), array([[2.]]))
    """
    xp, cotangent, x, weight, gate_weight, bias, gate_bias = prepare(
        cotangent, x, weight, gate_weight, bias, gate_bias, need=4
    )
    squeeze_asked(x, weight, gate_weight, bias, gate_bias, reduce, activation)
    require_shape("cotangent", cotangent, x.shape)
    wide, g, w, v, b, c = widen(xp, x, cotangent, weight, gate_weight, bias, gate_bias)
    sites, g, spare = by_sites(xp, wide), by_sites(xp, g), roomy(x, wide)
    z = squeezed(xp, sites, reduce, roomy=spare)
    p = linear(xp, z, w, b, roomy=spare)
    h = ACTIVATIONS[activation](xp, p)
    s, rest = sigmoids(xp, linear(xp, h, v, c, roomy=spare))
    dq = total(xp, g * sites, roomy=spare)[..., 0] * s * rest
    dp = xp.matmul(dq, v) * activation_slope(xp, p, activation)
    dx = g * s[..., None] + to_sites(xp, sites, xp.matmul(dp, w), reduce)
    turned = xp.matrix_transpose
    return (
        give_back(xp, xp.reshape(dx, x.shape), x),
        like_weight(xp, xp.matmul(turned(dp), z), weight), like_weight(xp, xp.matmul(turned(dq), h), gate_weight),
        like_weight(xp, xp.sum(dp, axis=0), bias), like_weight(xp, xp.sum(dq, axis=0), gate_bias),
    )  # fmt: skip


@operator(
    paper="guharoy2018recalibrating",
    cases=[
        case("plane", normal(2, 4, 3, 5), normal(4)),
        case("bias", normal(3, 3, 6), normal(3), normal(1)),
        case("offset", normal(1, 2, 40, mean=1e2), normal(2, std=0.01)),
        case("no images", normal(0, 4, 3, 3), normal(4)),
    ],
    bench=case("planes", normal(32, 256, 28, 28), normal(256)),
    rows=lambda x, rng: ([x[:, None], rng.normal(size=1)], {}),
)
def spatial_squeeze_excite(x, weight, bias=None, /):
    r"""Scale each site of `x` by a gate that its channels have a say in.

    .. math:: y_i = x_i \, \sigma \Bigl( \sum_c w_c x_{ci} + b \Bigr)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *sites).
    weight : array
        The weight of each channel, of shape (C,).
    bias : array, optional
        The bias, of shape (1,); 0 where it is None.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity has its say in its own site.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no sites, or a parameter has another shape.

    References
    ----------
    Guha Roy, Navab and Wachinger, Recalibrating Fully Convolutional Networks with Spatial and Channel 'Squeeze &
    Excitation' Blocks, 2018: SpatialSELayer, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.spatial_squeeze_excite(np.array([[[2.0, 6.0], [1.0, 3.0]]]), np.array([1.0, -2.0]))
    array([[[1. , 3. ],
            [0.5, 1.5]]])
    """
    xp, x, weight, bias = prepare(x, weight, bias, need=2)
    if x.ndim < 3 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, C, *sites) with no empty axis but N, got {tuple(x.shape)}")
    require_shape("weight", weight, x.shape[1:2])
    require_shape("bias", bias, (1,))
    wide, weight, bias = widen(xp, x, weight, bias)
    return give_back(xp, over_sites(xp, wide, weight, bias, roomy=roomy(x, wide)), x)


@operator(
    paper="guharoy2018recalibrating",
    cases=[
        case("maximum", normal(2, 4, 3, 5, mean=0.5), normal(2, 4), normal(4, 2), normal(4)),
        case("sum, biases", normal(3, 3, 6), normal(2, 3), normal(3, 2), normal(3), normal(2), normal(3), normal(1),
             combine="sum"),
        case("product", normal(2, 3, 4), normal(2, 3), normal(3, 2), normal(3), combine="product"),
        case("one behind the other", normal(2, 3, 4, 2), normal(2, 3), normal(3, 2), normal(3), None, normal(3),
             combine="concat"),
        case("no images", normal(0, 4, 3, 3), normal(2, 4), normal(4, 2), normal(4)),
    ],
    bench=case("planes", normal(32, 256, 28, 28), normal(128, 256), normal(256, 128), normal(256)),
    rows=lambda x, rng: (
        [x[None], rng.normal(size=(3, len(x))), rng.normal(size=(len(x), 3)), rng.normal(size=len(x))], {}),
)  # fmt: skip
def concurrent_squeeze_excite(
    x, weight, gate_weight, site_weight, bias=None, gate_bias=None, site_bias=None, /, *, combine="max"
):  # fmt: skip
    r"""Scale `x` by the gates of its channels and, beside that, by those of its sites, and join the two.

    .. math:: y = \max(s \odot x, \; t \odot x), \qquad
        s = \sigma(W_2 \max(W_1 z + b_1, 0) + b_2), \quad t_i = \sigma \Bigl( \sum_c w_c x_{ci} + b \Bigr)

    with z the mean over the sites; their sum, product, or both one behind the other likewise.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *sites).
    weight, gate_weight, bias, gate_bias : array
        As in :func:`squeeze_excite`: :math:`W_1` (H, C), :math:`W_2` (C, H), and biases (H,) and (C,), or None.
    site_weight, site_bias : array
        As in :func:`spatial_squeeze_excite`: w (C,), and b (1,) or None.
    combine : {"max", "sum", "product", "concat"}
        How the two are joined, element by element; "concat" has the channels of the second behind those of the first.

    Returns
    -------
    array
        The shape of `x`, twice the channels for "concat", in its dtype, library and device.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no sites, a parameter has another shape, or `combine` is another word.

    References
    ----------
    Guha Roy, Navab and Wachinger, Recalibrating Fully Convolutional Networks with Spatial and Channel 'Squeeze &
    Excitation' Blocks, 2018: ChannelSpatialSELayer, which has the maximum only. As catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, one, two = np.array([[[2.0, 6.0], [1.0, 3.0]]]), np.zeros((1, 2)), np.zeros((2, 1))
    >>> refnorm.pool.concurrent_squeeze_excite(x, one, two, np.array([1.0, -2.0]), combine="sum")
    array([[[2., 6.],
            [1., 3.]]])
    """
    xp, x, *maps, site_weight, bias, gate_bias, site_bias = prepare(
        x, weight, gate_weight, site_weight, bias, gate_bias, site_bias, need=4
    )
    squeeze_asked(x, *maps, bias, gate_bias)
    require_shape("site_weight", site_weight, x.shape[1:2])
    require_shape("site_bias", site_bias, (1,))
    if combine not in COMBINES:
        raise ValueError(f"combine must be one of {', '.join(COMBINES)}, got {combine!r}")
    wide, *maps, v, c = widen(xp, x, *maps, bias, gate_bias, site_weight, site_bias)
    spare = roomy(x, wide)
    q = bottleneck(xp, mean(xp, by_sites(xp, wide), roomy=spare)[..., 0], *maps, "relu", roomy=spare)
    channels = over_channels(xp, wide, q)
    sites = over_sites(xp, wide, v, c, roomy=spare)
    if combine == "concat":
        return give_back(xp, xp.concat([channels, sites], axis=1), x)
    join = {"max": xp.maximum, "sum": xp.add, "product": xp.multiply}[combine]
    return give_back(xp, join(channels, sites), x)


@operator(
    paper="zhou2019learning",
    cases=[
        case("streams", normal(3, 2, 4, 3, 5, mean=0.5), normal(2, 4), normal(4, 2)),
        case("biases", normal(4, 3, 3, 6), normal(2, 3), normal(3, 2), normal(2, mean=0.5), normal(3)),
        case("one stream", normal(1, 2, 3, 4), normal(2, 3), normal(3, 2), None, normal(3)),
        case("no images", normal(2, 0, 4, 3), normal(2, 4), normal(4, 2)),
    ],
    bench=case("streams", normal(4, 32, 64, 32, 16), normal(4, 64), normal(64, 4)),
    rows=lambda x, rng: ([x[:2, None, None], rng.normal(size=(3, 1)), rng.normal(size=(1, 3))], {}),
)
def aggregation_gate(x, weight, gate_weight, bias=None, gate_bias=None, /):
    r"""Add streams up, each of its channels scaled by a gate that the stream itself gives.

    .. math:: y = \sum_t s_t \odot x_t, \qquad s_t = \sigma(W_2 \max(W_1 z_t + b_1, 0) + b_2)

    with :math:`z_t` the mean of stream t over its sites; all streams share the maps.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The streams, of shape (T, N, C, *sites).
    weight, gate_weight : array
        The maps :math:`W_1`, of shape (H, C), and :math:`W_2`, of shape (C, H).
    bias, gate_bias : array, optional
        The biases, of shape (H,) and (C,); 0 where they are None.

    Returns
    -------
    array
        (N, C, *sites), in the dtype, library and device of `x`. A NaN or an infinity has its say in the gates of its
        sample.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has no streams or no sites, or a parameter has another shape.

    References
    ----------
    Zhou et al., Learning Generalisable Omni-Scale Representations for Person Re-Identification, 2019: ChannelGate and
    OSBlock of the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[[1.0, 3.0]]], [[[4.0, 8.0]]]])
    >>> refnorm.pool.aggregation_gate(x, np.ones((1, 1)), np.zeros((1, 1)))
    array([[[2.5, 5.5]]])
    """
    xp, x, weight, gate_weight, bias, gate_bias = prepare(x, weight, gate_weight, bias, gate_bias, need=3)
    squeeze_asked(x, weight, gate_weight, bias, gate_bias, leading=1)
    wide, *maps = widen(xp, x, weight, gate_weight, bias, gate_bias)
    spare = roomy(x, wide)
    each = xp.reshape(wide, (x.shape[0] * x.shape[1], *x.shape[2:]))
    q = bottleneck(xp, mean(xp, by_sites(xp, each), roomy=spare)[..., 0], *maps, "relu", roomy=spare)
    scaled = xp.reshape(over_channels(xp, each, q), x.shape)
    y = total(xp, xp.permute_dims(scaled, (*range(1, x.ndim), 0)), roomy=spare)
    return give_back(xp, y[..., 0], x)


MAPS = normal(2, 4), normal(4, 2)


@law(squeeze_excite, normal(2, 4, 3, 5), *MAPS)
def order_of_sites_free(f, x, w, v):
    return f(x[..., ::-1], w, v), f(x, w, v)[..., ::-1]


@law(squeeze_excite, normal(2, 4, 3, 5), *MAPS)
def without_a_say_it_halves(f, x, w, v):
    return f(x, w, 0 * v), x / 2


@law(squeeze_excite, normal(2, 4, 3, 5), *MAPS)
def a_rectifier_knows_no_scale(f, x, w, v):
    return f(x, 4 * w, v / 4), f(x, w, v)


@law(spatial_squeeze_excite, normal(2, 4, 6), normal(4))
def sites_stand_alone(f, x, w):
    return f(x[..., 2:5], w), f(x, w)[..., 2:5]


@law(spatial_squeeze_excite, normal(2, 4, 6), normal(4))
def without_a_say_it_halves_sites(f, x, w):
    return f(x, 0 * w), x / 2


@law(concurrent_squeeze_excite, normal(2, 4, 3, 5), *MAPS, normal(4))
def order_of_sites_free_too(f, x, w, v, t):
    return f(x[..., ::-1], w, v, t, combine="sum"), f(x, w, v, t, combine="sum")[..., ::-1]


@law(concurrent_squeeze_excite, normal(2, 4, 3, 5), *MAPS, normal(4))
def without_a_say_both_halve(f, x, w, v, t):
    return f(x, w, 0 * v, 0 * t), x / 2


@law(aggregation_gate, normal(3, 2, 4, 5), *MAPS)
def order_of_streams_free(f, x, w, v):
    return f(x[::-1], w, v), f(x, w, v)


@law(aggregation_gate, normal(3, 2, 4, 5), *MAPS)
def streams_add_up(f, x, w, v):
    return f(x[:1], w, v) + f(x[1:], w, v), f(x, w, v)
