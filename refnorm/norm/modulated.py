"""Norms whose gain and shift are looked up where a site lies: in a map beside the data, or on a learned grid."""

from __future__ import annotations

import math

from .._cases import case, normal, uniform
from .._core.channels import as_rows, elements, moved
from .._core.convolution import convolve, require_filter
from .._core.grids import multilinear
from .._core.logistic import sigmoids
from .._core.moments import centered, root_mean_square
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_shape, roomy, to_rows, widen
from .group import by_channel, by_group, channel_beside, group_size

ACTIVATIONS = {
    "relu": lambda xp, h: xp.where(h < 0, xp.zeros_like(h), h),
    "silu": lambda xp, h: h * sigmoids(xp, h)[0],
}


def standard(xp, rows, eps, *, roomy):
    """Return rows of mean 0 and variance 1."""
    c = centered(xp, rows, roomy=roomy)
    return c / root_mean_square(xp, c, eps, roomy=roomy)


# ---- a map beside the data ----


def standard_planes(xp, planes, size, eps, *, roomy):
    """Return (N, C, *spatial) by the moments of groups of `size` channels, or, where it is 0, of the batch."""
    if size:
        return xp.reshape(standard(xp, by_group(xp, planes, size), eps, roomy=roomy), planes.shape)
    first = xp.permute_dims(by_channel(xp, planes, planes.shape), (1, 0, 2))
    z = xp.reshape(standard(xp, *as_rows(xp, first), eps, roomy=roomy), first.shape)
    return xp.reshape(xp.permute_dims(z, (1, 0, 2)), planes.shape)


def resized(xp, guide, sizes):
    """Return a map of these spatial sizes: each site is that of the old map it begins in."""
    for axis, (have, want) in enumerate(zip(guide.shape[2:], sizes, strict=True), start=2):
        if have != want:
            nearest = xp.asarray([i * have // want for i in range(want)], device=device(guide))
            guide = xp.take(guide, nearest, axis=axis)
    return guide


def require_filters(x, channel, guide, filters, biases) -> None:
    """Refuse a map and convolutions that do not fit the data and one another."""
    if guide.ndim != x.ndim or x.ndim < 3:
        raise ValueError(f"x and guide must have shape (N, C, *spatial), got {tuple(x.shape)} and {tuple(guide.shape)}")
    if guide.shape[0] != x.shape[0] or 0 in guide.shape[1:]:
        raise ValueError(f"guide must have {x.shape[0]} samples and no empty axis, got shape {tuple(guide.shape)}")
    weight, gain_weight, shift_weight = filters
    hidden = require_filter("weight", weight, guide.shape[channel], x.ndim)
    require_filter("gain_weight", gain_weight, hidden, x.ndim, x.shape[channel])
    require_filter("shift_weight", shift_weight, hidden, x.ndim, x.shape[channel])
    sizes = (hidden, x.shape[channel], x.shape[channel])
    for name, bias, size in zip(("bias", "gain_bias", "shift_bias"), biases, sizes, strict=True):
        require_shape(name, bias, (size,))


@operator(
    paper=("lei2024enriching", "park2019semantic"),
    cases=[
        case("planes", normal(2, 3, 5, 4), normal(2, 2, 5, 4), normal(4, 2, 3, 3), normal(3, 4, 3, 3),
             normal(3, 4, 3, 3)),
        case("groups, biases", normal(2, 6, 5, 3, mean=0.5), normal(2, 2, 5, 3), normal(3, 2, 3, 1),
             normal(6, 3, 1, 3), normal(6, 3, 1, 3), normal(3), normal(6), normal(6), groups=2, activation="silu",
             eps=0.5),
        case("a coarse map", normal(2, 3, 7, 5), normal(2, 2, 3, 10), normal(4, 2, 3, 3), normal(3, 4, 3, 3),
             normal(3, 4, 3, 3), normal(4), eps=0.1),
        case("channels last", normal(3, 6, 4, mean=2.0), normal(3, 6, 2), normal(3, 2, 5), normal(4, 3, 1),
             normal(4, 3, 3), None, normal(4), normal(4), axis=-1, groups=4, eps=0.1),
        case("no samples", normal(0, 4, 3), normal(0, 2, 3), normal(3, 2, 3), normal(4, 3, 3), normal(4, 3, 3),
             groups=1),
    ],
    bench=case("planes", normal(8, 64, 32, 32), normal(8, 19, 32, 32), normal(32, 19, 3, 3), normal(64, 32, 3, 3),
               normal(64, 32, 3, 3)),
    rows=lambda x, rng: (
        [x[None], rng.normal(size=(1, 2, x.shape[1])), *(rng.normal(size=s) for s in (
            (4, 2, 3), (len(x), 4, 3), (len(x), 4, 3), 4, len(x), len(x)))],
        {},
    ),
)  # fmt: skip
def spade(
    x, guide, weight, gain_weight, shift_weight, bias=None, gain_bias=None, shift_bias=None, /, *, axis=1, groups=None,
    activation="relu", eps=1e-5,
):  # fmt: skip
    r"""Normalize `x`, then scale and shift every site by what convolutions make of a map beside it.

    .. math:: y = \hat x \odot (1 + \gamma) + \beta, \qquad
        \gamma = W_\gamma * h + b_\gamma, \quad \beta = W_\beta * h + b_\beta, \quad h = \phi(W * m + b)

    where :math:`\hat x` has mean 0 and variance 1, m is the map, resized to the sites of `x`, and * is a convolution
    with zeros around, each window centred on its site.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    guide : array
        The map :math:`m`, such as one-hot classes, of L channels: (N, L, *spatial), with its channels where those of
        `x` are. Of other spatial sizes, it is resized to the nearest: site i takes site floor(i * have / want).
    weight, gain_weight, shift_weight : array
        The filters W, of shape (H, L, *window), and :math:`W_\gamma` and :math:`W_\beta`, of shape (C, H, *window),
        with windows of odd sizes.
    bias, gain_bias, shift_bias : array, optional
        The biases, of shape (H,), (C,) and (C,); 0 where they are None.
    axis : int
        The channel axis, not 0; of `guide` too.
    groups : int, optional
        The number of groups of channels, dividing C, by whose own moments a sample is normalized: C is instance norm.
        Where it is None, every channel is normalized by its moments over the batch.
    activation : {"relu", "silu"}
        The function :math:`\phi`.
    eps : float
        Added to the variance, in units of x squared.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity in `x` makes NaN what it shares moments with;
        one in `guide`, the sites its windows reach.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` or `groups` is no int.
    ValueError
        The map has not the samples of `x`, a filter or bias another shape, `axis` is 0 or missing, a channel has no
        elements, `groups` does not divide C, `activation` is another word, or `eps` is negative.

    Notes
    -----
    The first is the paper that the catalogue has it from, the second the one it was published in. The variance is
    biased. Resizing is exact here; torch's steps in float32 and may take the site beside it. See
    ``refnorm conventions spade``.

    References
    ----------
    Lei, Zhong and Dai, Enriching Information and Preserving Semantic Consistency in Expanding Curvilinear Object
    Segmentation Datasets, 2024. Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, 2019 (the
    texts not read; ``SPADEGroupNorm`` of tanlei0/COSTG and ``SPADE`` of NVlabs/SPADE were).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, guide = np.array([[[1.0, 3.0]]]), np.array([[[1.0, 0.0]]])
    >>> one = np.ones((1, 1, 1))
    >>> refnorm.norm.spade(x, guide, one, one, 10 * one, eps=0.0)  # a gain of 2 and a shift of 10 where the map is 1
    array([[[8., 1.]]])
    """
    xp, x, guide, *filters, b, gb, sb = prepare(
        x, guide, weight, gain_weight, shift_weight, bias, gain_bias, shift_bias, need=5
    )
    channel = channel_beside(x, axis)
    require_along(x, channel, eps)
    require_filters(x, channel, guide, filters, (b, gb, sb))
    size = 0 if groups is None else group_size(x.shape[channel], groups)
    if groups is None:
        elements(x, channel)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    planes, guide = moved(xp, channel, 1, x, guide)
    wide, guide, w, gw, sw, b, gb, sb = widen(xp, planes, guide, *filters, b, gb, sb)
    hidden = convolve(xp, resized(xp, guide, planes.shape[2:]), w, b)
    hidden = ACTIVATIONS[activation](xp, hidden)
    z = standard_planes(xp, wide, size, eps, roomy=roomy(x, wide))
    y = z * (1 + convolve(xp, hidden, gw, gb)) + convolve(xp, hidden, sw, sb)
    return give_back(xp, *moved(xp, 1, channel, y), x)


FILTERS = normal(3, 2, 3), normal(4, 3, 3), normal(4, 3, 3)


@law(spade, normal(2, 4, 5), normal(2, 2, 5), *FILTERS)
def without_filters_it_is_batch_norm(f, x, guide, weight, gain_weight, shift_weight):
    c = x - x.mean(axis=(0, 2), keepdims=True)
    plain = c / (x.var(axis=(0, 2), keepdims=True) + 0.5) ** 0.5
    return f(x, guide, weight, 0 * gain_weight, 0 * shift_weight, eps=0.5), plain


@law(spade, normal(2, 4, 5), normal(2, 2, 5), *FILTERS)
def linear_in_gain_and_shift(f, x, guide, weight, gain_weight, shift_weight):
    twice = f(x, guide, weight, 2 * gain_weight, 2 * shift_weight, groups=2, eps=0.5)
    none = f(x, guide, weight, 0 * gain_weight, 0 * shift_weight, groups=2, eps=0.5)
    return twice + none, 2 * f(x, guide, weight, gain_weight, shift_weight, groups=2, eps=0.5)


@law(spade, normal(2, 4, 5), normal(2, 2, 5), *FILTERS)
def turned_round_all_together(f, x, guide, weight, gain_weight, shift_weight):
    back = f(x[..., ::-1], guide[..., ::-1], weight[..., ::-1], gain_weight[..., ::-1], shift_weight[..., ::-1])
    return back[..., ::-1], f(x, guide, weight, gain_weight, shift_weight)


@law(spade, normal(2, 4, 5), normal(2, 2, 5), *FILTERS)
def a_rectifier_knows_no_scale(f, x, guide, weight, gain_weight, shift_weight):
    scaled = f(x, 4 * guide, weight, gain_weight / 4, shift_weight / 4, eps=0.5)
    return scaled, f(x, guide, weight, gain_weight, shift_weight, eps=0.5)


# ---- a learned grid ----


def interpolated(xp, grid, coordinates):
    """Return a grid (G, *sizes) at coordinates (points, k), from -1, the first node, to 1, the last: (points, G)."""
    at = [(xp.clip(coordinates[:, j], -1.0, 1.0) + 1) * ((n - 1) / 2) for j, n in enumerate(grid.shape[1:])]
    return multilinear(xp, grid, xp.stack(at, axis=1))


def require_grids(x, coordinates, gain, shift) -> None:
    """Refuse grids and coordinates that do not fit the data and one another."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (*points, C), got {tuple(x.shape)}")
    if gain.ndim < 2 or gain.shape[0] not in (1, x.shape[-1]) or 0 in gain.shape:
        raise ValueError(f"gain must have shape (1 or {x.shape[-1]}, *sizes), not empty, got {tuple(gain.shape)}")
    require_shape("shift", shift, tuple(gain.shape))
    require_shape("coordinates", coordinates, (*x.shape[:-1], gain.ndim - 1))


@operator(
    paper="lee2023coordinate",
    cases=[
        case("image", normal(2, 5, 4), uniform(2, 5, 2, low=-1.2, high=1.2), normal(1, 3, 4), normal(1, 3, 4)),
        case("a grid a channel", normal(2, 3, 4, mean=1.0), uniform(2, 3, 1, low=-1.0), normal(4, 5), normal(4, 5),
             axis=(0, 1), eps=0.5),
        case("volume, rays", normal(3, 6, 4), uniform(3, 6, 3, low=-1.0), normal(1, 2, 3, 2), normal(1, 2, 3, 2),
             axis=(-2, -1), eps=0.1),
        case("one node", normal(4, 7, mean=3.0), uniform(4, 2, low=-1.0), normal(7, 1, 6), normal(7, 1, 6)),
        case("no points", normal(0, 3), normal(0, 1), normal(3, 4), normal(3, 4)),
    ],
    bench=case("image", normal(65536, 64), uniform(65536, 2, low=-1.0), normal(1, 32, 32), normal(1, 32, 32)),
    rows=lambda x, rng: ([x, rng.uniform(-1, 1, size=(len(x), 1)), *rng.normal(size=(2, 1, 5))], {}),
)  # fmt: skip
def coordinate_modulated_norm(x, coordinates, gain, shift, /, *, axis=-1, eps=1e-5):
    r"""Normalize the features of points, then scale and shift them by grids, interpolated where the points lie.

    .. math:: y_{pc} = \gamma_c(u_p) \, \frac{x_{pc} - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_c(u_p)

    where :math:`\gamma` and :math:`\beta` are multilinear between the nodes of their grids, of which the first lies at
    -1 and the last at 1 in every coordinate, and outside go on as at the border.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The features of points, of shape (*points, C).
    coordinates : array
        Where the points lie, of shape (*points, k). Coordinate j runs along axis j of the grids.
    gain, shift : array
        The grids :math:`\gamma` and :math:`\beta`, of one shape: (C, *sizes), or (1, *sizes) for all channels alike,
        with k sizes.
    axis : int or tuple of int
        The axes that moments are taken over: -1 for every point by itself, (-2, -1) for samples and features of a ray,
        the axes of the points for every channel by itself.
    eps : float
        Added to the variance, in units of x squared.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity in `x` makes NaN what it shares moments with,
        a NaN coordinate its point, a NaN or an infinity of a grid the points in the cells beside it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` holds no ints.
    ValueError
        `axis` is empty or missing, an array has another shape, a grid is empty, or `eps` is negative.

    Notes
    -----
    torch's ``grid_sample`` counts the axes of a grid from the last, as if `coordinates` were reversed; the lookup is
    that with ``padding_mode="border", align_corners=True``. See ``refnorm conventions coordinate_modulated_norm``.

    References
    ----------
    Lee et al., Coordinate-Aware Modulation for Neural Fields, 2023 (the text not read; ``FCLayer_aff`` of CAM_image.py
    and ``TempMod`` of CAM_ffnerv/model.py of the released code, maincold2/CAM, were; mip-NeRF is as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, u = np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([[-1.0], [0.5]])
    >>> gain, shift = np.array([[1.0, 2.0, 4.0]]), np.array([[0.0, 0.0, 10.0]])
    >>> refnorm.norm.coordinate_modulated_norm(x, u, gain, shift, eps=0.0)  # the second gain is 3, the shift 5
    array([[-1.,  1.],
           [ 2.,  8.]])
    """
    xp, x, coordinates, gain, shift = prepare(x, coordinates, gain, shift, need=4)
    require_along(x, axis, eps)
    require_grids(x, coordinates, gain, shift)
    wide, at, gain, shift = widen(xp, x, coordinates, gain, shift)
    rows, _ = to_rows(xp, axis, wide, None)
    z = give_back(xp, standard(xp, rows, eps, roomy=roomy(x, wide)), wide, axis)
    at = xp.reshape(at, (math.prod(at.shape[:-1]), at.shape[-1]))
    both = interpolated(xp, xp.concat([gain, shift], axis=0), at)
    both = xp.reshape(both, (*x.shape[:-1], both.shape[-1]))
    channels = gain.shape[0]
    return give_back(xp, both[..., :channels] * z + both[..., channels:], x)


@law(coordinate_modulated_norm, normal(5, 4), uniform(5, 2, low=-1.0), normal(1, 3, 4), normal(1, 3, 4))
def beyond_the_border_as_on_it(f, x, coordinates, gain, shift):
    clamped = coordinates / abs(coordinates).max(axis=1, keepdims=True)
    far = clamped * (1 + 3 * (abs(clamped) == 1))
    return f(x, far, gain, shift, eps=0.5), f(x, clamped, gain, shift, eps=0.5)


@law(coordinate_modulated_norm, normal(5, 4), uniform(5, 2, low=-1.0))
def a_linear_grid_is_the_coordinate(f, x, coordinates):
    line = coordinates[:3, :1] * 0 + [[-1.0], [0.0], [1.0]]
    gain = (line + 0 * line.T)[None]
    z = (x - x.mean(axis=1, keepdims=True)) / (x.var(axis=1, keepdims=True) + 0.5) ** 0.5
    wanted = coordinates[:, :1] * z + coordinates[:, 1:]
    return f(x, coordinates, gain, gain.transpose(0, 2, 1), eps=0.5), wanted


@law(coordinate_modulated_norm, normal(5, 4), uniform(5, 1, low=-1.0), normal(4, 3), normal(4, 3))
def scale_and_shift_free(f, x, coordinates, gain, shift):
    return f(4 * x + 8, coordinates, gain, shift, eps=0.0), f(x, coordinates, gain, shift, eps=0.0)
