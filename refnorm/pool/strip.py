"""Gates of rows and columns, from the means of the columns and rows of a map."""

from __future__ import annotations

import numpy as np

from .._cases import case, normal
from .._core.convolution import convolve_groups
from .._core.gates import gated, linear, require_bottleneck
from .._core.moments import centered, root_mean_square
from .._core.sums import mean
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, widen


def strips_of(xp, x, *, roomy):
    """Return the means of a map (N, C, H, W) over its columns, (N, C, H), and over its rows, (N, C, W)."""
    return mean(xp, x, roomy=roomy)[..., 0], mean(xp, xp.matrix_transpose(x), roomy=roomy)[..., 0]


def require_map(x) -> None:
    """Refuse what is no map with a channel and a site."""
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (N, C, H, W) with no empty axis but N, got {tuple(x.shape)}")


def crossed(xp, x, rows, columns):
    """Return a map scaled by the gates that scores of rows (N, C, H) and of columns (N, C, W) make."""
    return gated(xp, gated(xp, x, rows[..., None]), columns[:, :, None, :])


def require_strips(x, weight, gain, shift, groups) -> None:
    """Refuse a convolution, gains and shifts that do not fit, one for both strips or two, and groups that do not."""
    channels = x.shape[1]
    two = weight.shape[:1] if weight.ndim == 4 else ()
    inputs = weight.shape[-2] if weight.ndim in (3, 4) else 0
    if inputs == 0 or channels % inputs or weight.shape[-1] % 2 == 0 or two not in ((), (2,)):
        raise ValueError(
            f"weight must have shape ({channels}, inputs, odd) or (2, {channels}, inputs, odd), where inputs divides "
            f"{channels}, got {tuple(weight.shape)}"
        )
    require_shape("weight", weight, (*two, channels, *weight.shape[-2:]))
    require_shape("gain", gain, (*two, channels))
    require_shape("shift", shift, (*two, channels))
    if not isinstance(groups, int) or groups < 1 or channels % groups:
        raise ValueError(f"groups must be an int that divides the {channels} channels, got {groups!r}")


def gate_of_strip(xp, z, weight, gain, shift, groups, eps, *, roomy):
    """Return a strip (N, C, n) convolved, normalized by groups of channels, scaled and shifted."""
    q = convolve_groups(xp, z, weight)
    each = xp.reshape(q, (q.shape[0], groups, q.shape[1] // groups * q.shape[2]))
    c = centered(xp, each, roomy=roomy)
    unit = xp.reshape(c / root_mean_square(xp, c, eps, roomy=roomy), q.shape)
    return unit * gain[:, None] + shift[:, None]


@operator(
    paper="xu2024ela",
    cases=[
        case("each channel by itself", normal(2, 4, 5, 6), normal(4, 1, 3), normal(4), normal(4), groups=2, eps=0.1),
        case("two convolutions", normal(2, 6, 4, 3), normal(2, 6, 2, 5), normal(2, 6), normal(2, 6), groups=3,
             eps=0.5),
        case("all channels", normal(3, 2, 3, 4, mean=1.0), normal(2, 2, 1), normal(2), normal(2), groups=1, eps=0.1),
        case("no images", normal(0, 4, 3, 3), normal(4, 2, 3), normal(4), normal(4), groups=1),
    ],
    bench=case("planes", normal(16, 64, 32, 32), normal(64, 1, 7), normal(64), normal(64)),
    rows=lambda x, rng: (
        [x[None, :, None], rng.normal(size=(len(x), 1, 3)), rng.normal(size=len(x)), rng.normal(size=len(x))],
        {"groups": 1},
    ),
)  # fmt: skip
def efficient_local_attention(x, weight, gain, shift, /, *, groups=16, eps=1e-5):
    r"""Scale a map by gates of its rows and of its columns: strips convolved and normalized by groups of channels.

    .. math:: y_{chw} = x_{chw} \, \sigma(g^{\mathrm{row}}_{ch}) \, \sigma(g^{\mathrm{col}}_{cw}), \qquad
        g = \gamma \odot \mathrm{GN}(K * z) + \beta, \quad
        z^{\mathrm{row}}_{ch} = \frac{1}{W} \sum_w x_{chw}, \quad z^{\mathrm{col}}_{cw} = \frac{1}{H} \sum_h x_{chw}

    where * is a convolution along the strip with zeros around it.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The map, of shape (N, C, H, W).
    weight : array
        The convolution K, of shape (C, C / convolution groups, odd window): (C, 1, window) for each channel by itself.
        With an axis of 2 in front, the first is that of rows, the second that of columns.
    gain, shift : array
        :math:`\gamma` and :math:`\beta`, of shape (C,), or (2, C) beside two convolutions.
    groups : int
        The groups of channels that are normalized, with their strip, together; they divide C.
    eps : float
        Added to the variance of a group, in units of x squared.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its channel group of the sample NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has not four axes, a parameter has another shape, `groups` does not divide C, or `eps` is negative.

    Notes
    -----
    No code of the authors is known. Copies share one convolution and norm; timm has two, one group and a SiLU behind
    the norm, which is not offered here.

    References
    ----------
    Xu et al., ELA: Efficient Local Attention for Deep Convolutional Neural Networks, 2024, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[[1.0, 3.0], [5.0, 7.0]]]])
    >>> one, zero = np.ones((1, 1, 1)), np.zeros(1)
    >>> refnorm.pool.efficient_local_attention(4 * x, one, zero, zero, groups=1)  # both gates are a half
    array([[[[1., 3.],
             [5., 7.]]]])
    """
    xp, x, weight, gain, shift = prepare(x, weight, gain, shift, need=4)
    require_map(x)
    require_strips(x, weight, gain, shift, groups)
    require_along(x, -1, eps)
    wide, *given = widen(xp, x, weight, gain, shift)
    sides = zip(*([a[j, ...] for j in (0, 1)] if weight.ndim == 4 else (a, a) for a in given), strict=True)
    strips = zip(strips_of(xp, wide, roomy=roomy(x, wide)), sides, strict=True)
    gates = [gate_of_strip(xp, z, *side, groups, eps, roomy=roomy(x, wide)) for z, side in strips]
    return give_back(xp, crossed(xp, wide, *gates), x)


def hard_swish(xp, h):
    """Return h relu6(h + 3) / 6."""
    return h * xp.clip(h + 3, 0, 6) / 6


@operator(
    paper="xu2024ela",
    cases=[
        case("plane", normal(2, 4, 5, 3), normal(2, 4), normal(4, 2), normal(4, 2)),
        case("biases", normal(3, 3, 2, 4), normal(2, 3, std=2.0), normal(3, 2), normal(3, 2), normal(2), normal(3),
             normal(3)),
        case("no images", normal(0, 4, 3, 3), normal(2, 4), normal(4, 2), normal(4, 2)),
    ],
    bench=case("planes", normal(16, 64, 32, 32), normal(8, 64), normal(64, 8), normal(64, 8)),
    rows=lambda x, rng: (  # scores of a gate in the tens would make denormals, which XLA flushes
        [x[None, :, None], rng.normal(size=(3, len(x))) / max(10.0, np.max(np.abs(x))),
         *(0.1 * rng.normal(size=(len(x), 3)) for _ in range(2))], {}),
)  # fmt: skip
def coordinate_attention(
    x, weight, row_weight, column_weight, bias=None, row_bias=None, column_bias=None, /
):  # fmt: skip
    r"""Scale a map by gates of its rows and of its columns, by way of a few channels that both strips share.

    .. math:: y_{chw} = x_{chw} \, \sigma(W_r f^{\mathrm{row}} + b_r)_{ch} \, \sigma(W_c f^{\mathrm{col}} + b_c)_{cw},
        \qquad f = \phi(W z + b), \quad \phi(h) = h \, \frac{\min(\max(h + 3, 0), 6)}{6}

    with the means z of each row and of each column.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The map, of shape (N, C, H, W).
    weight, row_weight, column_weight : array
        The maps W, of shape (M, C), and :math:`W_r` and :math:`W_c`, of shape (C, M).
    bias, row_bias, column_bias : array, optional
        The biases, of shape (M,), (C,) and (C,); 0 where they are None.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity has its say in the gates of its row and
        column.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or they are of two libraries.
    ValueError
        `x` has not four axes, or a parameter has another shape.

    Notes
    -----
    The released code has a batch norm behind W: with stored moments it is an affine map, which `weight` and `bias`
    take in: scale the rows of `weight` by gain / sqrt(var + eps).

    References
    ----------
    Xu et al., ELA: Efficient Local Attention for Deep Convolutional Neural Networks, 2024: the baseline, whose code is
    CoordAtt of houqb/CoordAttention. As catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[[1.0, 3.0], [5.0, 7.0]]]])
    >>> one = np.ones((1, 1))
    >>> refnorm.pool.coordinate_attention(4 * x, one, 0 * one, 0 * one)
    array([[[[1., 3.],
             [5., 7.]]]])
    """
    xp, x, *given = prepare(x, weight, row_weight, column_weight, bias, row_bias, column_bias, need=4)
    require_map(x)
    require_bottleneck(x.shape[1], given[0], None, given[3], None)
    for name, a, b in (("row", *given[1::3]), ("column", *given[2::3])):
        require_shape(f"{name}_weight", a, (x.shape[1], weight.shape[0]))
        require_shape(f"{name}_bias", b, x.shape[1:2])
    wide, w, wr, wc, b, br, bc = widen(xp, x, *given)
    gates = []
    for z, side, more in zip(strips_of(xp, wide, roomy=roomy(x, wide)), (wr, wc), (br, bc), strict=True):
        f = hard_swish(xp, linear(xp, xp.matrix_transpose(z), w, b, roomy=roomy(x, wide)))
        gates.append(xp.matrix_transpose(linear(xp, f, side, more, roomy=roomy(x, wide))))
    return give_back(xp, crossed(xp, wide, *gates), x)


@law(efficient_local_attention, normal(2, 4, 5, 6), normal(4, 1, 3), normal(4), normal(4))
def turned_with_the_map(f, x, k, gain, shift):
    turned = f(x.swapaxes(2, 3), k, gain, shift, groups=2, eps=0.5).swapaxes(2, 3)
    return turned, f(x, k, gain, shift, groups=2, eps=0.5)


@law(efficient_local_attention, normal(2, 4, 5, 6), normal(4, 1, 3), normal(4), normal(4))
def a_norm_knows_no_scale(f, x, k, gain, shift):
    return f(x, 4 * k, gain, shift, groups=2, eps=0.0), f(x, k, gain, shift, groups=2, eps=0.0)


@law(efficient_local_attention, normal(2, 4, 5, 6), normal(4, 1, 3), normal(4), normal(4))
def without_a_say_it_quarters(f, x, k, gain, shift):
    return f(x, k, 0 * gain, 0 * shift, groups=4), x / 4


@law(coordinate_attention, normal(2, 4, 5, 3), normal(2, 4), normal(4, 2), normal(4, 2))
def turned_with_both_maps(f, x, w, a, b):
    return f(x.swapaxes(2, 3), w, b, a).swapaxes(2, 3), f(x, w, a, b)


@law(coordinate_attention, normal(2, 4, 5, 3), normal(2, 4), normal(4, 2), normal(4, 2))
def without_a_say_it_quarters_too(f, x, w, a, b):
    return f(x, w, 0 * a, 0 * b), x / 4
