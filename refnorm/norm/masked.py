"""(x - mean) / sqrt(var + eps) with moments over the sites alone that a mask shows, outliers left out if asked."""

from __future__ import annotations

from .._cases import booleans, case, normal
from .._core.channels import affine, moved
from .._core.regions import chosen_sites, from_sites, require_mask
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, roomy, to_rows, widen
from .group import channel_beside
from .region import as_planes, as_units, measured, standard


@operator(
    paper="tian2023designing",
    cases=[
        case("planes", normal(4, 3, 5, 6), booleans(4, 1, 5, 6)),
        case("affine, loud eps", normal(3, 4, 7), booleans(3, 1, 7, chance=0.3), normal(4), normal(4), eps=0.5),
        case("channels last", normal(3, 5, 4, 2), booleans(3, 5, 4, 1), normal(2), normal(2), axis=-1, eps=0.1),
        case("offset", normal(3, 4, 11, mean=1e4), booleans(3, 1, 11), normal(4), normal(4), eps=0.1),
        case("no samples", normal(0, 3, 4), booleans(0, 1, 4), normal(3), normal(3)),
    ],
    bench=case("planes", normal(8, 64, 64, 64), booleans(8, 1, 64, 64, chance=0.4), normal(64), normal(64)),
    rows=lambda x, rng: ([x[None], rng.random((1, 1, x.shape[1])) < 0.5, *rng.normal(size=(2, len(x)))], {}),
)
def masked_batch_norm(x, mask, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    r"""Normalize every channel at the sites a mask shows by their own moments; hidden sites become 0.

    .. math:: y_{nci} = m_{ni} \Bigl( \frac{x_{nci} - \mu_c}{\sqrt{\sigma^2_c + \epsilon}} \, w_c + b_c \Bigr), \qquad
        \mu_c = \frac{1}{S} \sum_{n, i} m_{ni} x_{nci}, \quad
        \sigma^2_c = \frac{1}{S} \sum_{n, i} m_{ni} (x_{nci} - \mu_c)^2, \quad S = \sum_{n, i} m_{ni}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    mask : array of booleans
        Which sites are shown: the shape of `x` with one channel. Repeat a coarse one before.
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    axis : int
        The channel axis, not 0.
    eps : float
        Added to the variance, in units of x squared.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples, 0 where no site is shown. A NaN
        or an infinity at a shown site makes the shown sites of its channel NaN; at a hidden site it harms nothing.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, the arrays are of two libraries, `axis` is no int.
    ValueError
        `mask`, `weight` or `bias` has another shape, `axis` is 0 or missing, a channel has no elements, or `eps` is
        negative.

    Notes
    -----
    The variance has the denominator S (biased). What the released code stores as running statistics are the moments
    of the shown sites, which :func:`batch_moments` gives of the sites gathered into rows, and :func:`update_running`.

    References
    ----------
    Tian et al., Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked Modeling, 2023 (the text
    not read again; SparseBatchNorm2d of its released code, keyu-tian/SparK, as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, mask = np.array([[[1.0, 90.0, 3.0]]]), np.array([[[True, False, True]]])
    >>> refnorm.norm.masked_batch_norm(x, mask, eps=0.0)
    array([[[-1.,  0.,  1.]]])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    channel = channel_beside(x, axis)
    require_along(x, channel, eps, weight, bias)
    require_mask(xp, mask, (*x.shape[:channel], 1, *x.shape[channel + 1 :]))
    planes, shown = moved(xp, channel, 1, x, mask)
    wide, w, b = widen(xp, planes, weight, bias)
    units, shown = as_units(xp, wide, False), as_units(xp, shown, False)
    z, _, _ = standard(xp, shown, units, eps, "region", roomy=roomy(x, wide))
    w, b = (p if p is None else xp.reshape(p, (-1, 1)) for p in (w, b))
    y = as_planes(xp, chosen_sites(xp, shown, affine(z, w, b)), planes.shape)
    return give_back(xp, *moved(xp, 1, channel, y), x)


@law(masked_batch_norm, normal(3, 4, 8), booleans(3, 1, 8), normal(3, 4, 8))
def what_is_hidden_has_no_part(f, x, mask, other):
    return f(mask * x + ~mask * other, mask, eps=0.5), f(x, mask, eps=0.5)


@law(masked_batch_norm, normal(3, 4, 8))
def all_shown_is_batch_norm(f, x):
    c = x - x.mean(axis=(0, 2), keepdims=True)
    return f(x, x[:, :1] == x[:, :1], eps=0.5), c / (x.var(axis=(0, 2), keepdims=True) + 0.5) ** 0.5


@law(masked_batch_norm, normal(3, 4, 8), booleans(3, 1, 8), normal(4), normal(4))
def affine_comes_last(f, x, mask, weight, bias):
    plain = f(x, mask, eps=0.5)
    return f(x, mask, weight, bias, eps=0.5), mask * (plain * weight[:, None] + bias[:, None])


# ---- outliers left out ----


def within(xp, sites, x, threshold, floor, *, roomy):
    """Return which sites of all lie nearer to the mean of the chosen ones than some of their deviations."""
    _, deviation, n = measured(xp, sites, x, 0.0, "region", roomy=roomy)
    deviation = xp.where(deviation < floor**0.5, xp.full_like(deviation, floor**0.5), deviation)
    return xp.abs(from_sites(xp, sites, x, n, roomy=roomy)) < threshold * deviation


def over_deviation(xp, sites, x, eps, *, roomy):
    """Return (x - mean) / sqrt(var + eps) everywhere, with the moments of the sites."""
    _, s, n = measured(xp, sites, x, eps, "region", roomy=roomy)
    return from_sites(xp, sites, x, n, roomy=roomy) / s


@operator(
    paper="piccinelli2025unidepthv2",
    cases=[
        case("rows", normal(4, 16), normal(4, 16), booleans(4, 16, chance=0.8)),
        case("loud eps", normal(3, 2, 9), normal(3, 2, 9), booleans(3, 2, 9, chance=0.7), eps=0.5),
        case("planes", normal(2, 5, 6), normal(2, 5, 6), booleans(2, 5, 6, chance=0.7), axis=(-2, -1), threshold=1.0),
        case("first axis", normal(12, 3), normal(12, 3), booleans(12, 3, chance=0.8), axis=0, threshold=1.5, eps=0.1),
        case("far under the floor", normal(4, 32), normal(4, 32), booleans(4, 32), threshold=0.7, floor=4.0, eps=0.1),
        case("offset", normal(3, 33, mean=1e3), normal(3, 33, mean=-1e3), booleans(3, 33, chance=0.9)),
        case("few shown", normal(5, 7), normal(5, 7), booleans(5, 7, chance=0.15), eps=0.1),
        case("no rows", normal(0, 4), normal(0, 4), booleans(0, 4)),
    ],
    bench=case("maps", normal(8, 65536), normal(8, 65536), booleans(8, 65536, chance=0.7)),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape), rng.random(x.shape) < 0.7], {}),
)
def scale_shift_normalize(x, other, mask, /, *, axis=-1, threshold=1.96, floor=1e-6, eps=1e-4):
    r"""Normalize two maps by the moments of the shown sites at which neither is an outlier.

    .. math:: m'_i = m_i \wedge \bigwedge_{a \in \{x, o\}} |a_i - \mu_a| < z \sqrt{\max(\sigma_a^2, v)}, \qquad
        y_i = \frac{a_i - \mu'_a}{\sqrt{\sigma'^2_a + \epsilon}}

    where the mean :math:`\mu_a` and the variance :math:`\sigma_a^2` are over the sites of the mask m, and
    :math:`\mu'_a` and :math:`\sigma'^2_a` over those of m'.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        One map, say of predictions.
    other : array
        The other map, :math:`o`, say of targets: the shape of `x`.
    mask : array of booleans
        Which sites are shown, :math:`m`: the shape of `x`.
    axis : int or tuple of int
        The axes of a map: moments are taken over all of them together.
    threshold : float
        From how many deviations z on a site is an outlier.
    floor : float
        The least variance v that outliers are told by, in units of x squared.
    eps : float
        Added to the variance of what is left, in units of x squared.

    Returns
    -------
    tuple
        ``(x, other, mask)``: both maps normalized at every site, also where they are hidden, in the shape, dtype,
        library and device of `x` and of `other`; and the sites that count, as booleans. Over no sites mean and
        variance are 0. A NaN or an infinity at a hidden site harms nothing but itself, at a shown one it leaves no
        site of its map that counts.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, the arrays are of two libraries, `axis` holds no
        ints, or an option is no number.
    ValueError
        `other` or `mask` has not the shape of `x`, a map is empty, an axis does not exist, or an option is negative.

    Notes
    -----
    Variances have the number of sites for their denominator (biased). Two maps that differ by a positive scale and a
    shift come out the same, but for `eps` and `floor`: the difference of the two is a loss that asks for neither.
    The released code tells outliers of the prediction without a gradient, as a comparison has none; where it is given
    no mask its variance is the unbiased one.

    References
    ----------
    Piccinelli et al., UniDepthV2: Universal Monocular Metric Depth Estimation Made Simpler, 2025 (the text not read
    again; `ssi` and `masked_mean_var` of its released code, unidepth/ops/losses/utils.py, were).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([1.0, 3.0, 1.0, 3.0, 90.0])
    >>> y, z, mask = refnorm.norm.scale_shift_normalize(x, 2 * x + 5, x > 0, eps=0.0)
    >>> y.tolist(), mask.tolist()
    ([-1.0, 1.0, -1.0, 1.0, 88.0], [True, True, True, True, False])
    >>> np.array_equal(y, z)
    True
    """
    xp, x, other = prepare(x, other, need=2)
    require_same_shape("other", other, x)
    require_mask(xp, mask, x.shape)
    for option in (eps, floor, threshold if threshold != float("inf") else 0.0):
        require_along(x, axis, option)
    rows, beside = to_rows(xp, axis, x, other)
    shown, _ = to_rows(xp, axis, mask, None)
    a, b = widen(xp, rows, beside)
    spare = roomy(x, a)
    near = [within(xp, shown, m, threshold, floor, roomy=spare) for m in (a, b)]
    left = shown & near[0] & near[1]
    y, z = (over_deviation(xp, left, m, eps, roomy=spare) for m in (a, b))
    return give_back(xp, y, x, axis), give_back(xp, z, other, axis), give_back(xp, left, mask, axis)


@law(scale_shift_normalize, normal(3, 12), normal(3, 12), booleans(3, 12, chance=0.8))
def scale_and_shift_free(f, x, other, mask):
    return f(4 * x + 2, other, mask, eps=0.0, floor=0.0)[0], f(x, other, mask, eps=0.0, floor=0.0)[0]


@law(scale_shift_normalize, normal(3, 12), normal(3, 12), booleans(3, 12, chance=0.8))
def the_maps_change_places(f, x, other, mask):
    return f(x, other, mask, eps=0.5)[1], f(other, x, mask, eps=0.5)[0]


@law(scale_shift_normalize, normal(3, 12), normal(3, 12), booleans(3, 12, chance=0.8))
def without_outliers_it_is_the_mean_and_deviation(f, x, other, mask):
    y = f(x, other, mask, threshold=float("inf"), eps=0.0)[0]
    return (mask * y * y).sum(axis=1), 1.0 * mask.sum(axis=1)


@law(scale_shift_normalize, normal(3, 12), normal(3, 12), booleans(3, 12, chance=0.8), normal(3, 12))
def hidden_sites_have_no_part(f, x, other, mask, noise):
    return mask * f(mask * x + ~mask * noise, other, mask, eps=0.5)[0], mask * f(x, other, mask, eps=0.5)[0]
