"""Region norm whose regions, gain and shift are predicted from the data itself."""

from __future__ import annotations

import numpy as np

from .._cases import Draw, booleans, case, normal, positive, uniform
from .._core.channels import moved
from .._core.convolution import convolve, require_filter
from .._core.logistic import sigmoids
from .._core.sums import mean
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, widen
from .group import by_channel, channel_beside
from .region import as_planes, as_units, require_eps_mode, told_apart


def rectified(*shape):
    """Draw numbers of which half are 0: there the logistic function is exactly at a half."""
    return Draw(shape, lambda rng, s: np.maximum(rng.normal(0.0, 2.0, s), 0.0), "rectified")


def mean_and_max(xp, planes, *, roomy):
    """Return the mean and the maximum over the channels of (N, C, *spatial) as two channels."""
    sites = xp.permute_dims(by_channel(xp, planes, planes.shape), (0, 2, 1))
    both = xp.concat([mean(xp, sites, roomy=roomy), xp.max(sites, axis=-1, keepdims=True)], axis=-1)
    return xp.reshape(xp.permute_dims(both, (0, 2, 1)), (planes.shape[0], 2, *planes.shape[2:]))


def require_threshold(threshold) -> None:
    """Refuse what no number can be compared with."""
    try:
        good = threshold == threshold and threshold + 0.0 is not None
    except TypeError:
        good = False
    if not good:
        raise TypeError(f"threshold must be a real number, got {threshold!r}")


@operator(
    paper="yu2019region",
    cases=[
        case("planes", normal(2, 4, 5, 6), normal(1, 2, 3, 3), normal(1, 1, 3, 3), normal(1, 1, 3, 3), threshold=0.45),
        case("code", normal(3, 3, 9), normal(1, 2, 5), normal(1, 1, 3), normal(1, 1, 1), normal(1), normal(1),
             threshold=0.4, eps=0.5, eps_mode="plane"),
        case("each sample", normal(3, 2, 11, mean=0.5), normal(1, 2, 3), normal(1, 1, 1), normal(1, 1, 5), None,
             normal(1), per_sample=True, eps=0.1),
        case("channels last", normal(2, 5, 4, 3), normal(1, 2, 1, 3), normal(1, 1, 3, 1), normal(1, 1, 3, 3), normal(1),
             axis=-1, threshold=0.5, eps=0.1),
        case("one region", normal(2, 3, 7, mean=2.0), normal(1, 2, 3), normal(1, 1, 3), normal(1, 1, 3), threshold=1.5),
        case("at the threshold", rectified(2, 1, 15), uniform(1, 2, 1, low=-2.0, high=-1.0), normal(1, 1, 3),
             normal(1, 1, 3), threshold=0.5, eps=0.1),
        case("no samples", normal(0, 3, 4), normal(1, 2, 3), normal(1, 1, 3), normal(1, 1, 3)),
    ],
    bench=case("planes", normal(8, 64, 64, 64), normal(1, 2, 7, 7), normal(1, 1, 7, 7), normal(1, 1, 7, 7),
               threshold=0.5),
    rows=lambda x, rng: (
        [x[None], *(rng.normal(size=s) for s in ((1, 2, 3), (1, 1, 3), (1, 1, 3), 1, 1))], {"threshold": 0.5},
    ),
)  # fmt: skip
def learned_region_norm(
    x, weight, gain_weight, shift_weight, gain_bias=None, shift_bias=None, /, *, axis=1, threshold=0.8,
    per_sample=False, eps=1e-5, eps_mode="region",
):  # fmt: skip
    r"""Normalize two regions apart that a convolution of the data tells, then scale and shift by convolutions of that.

    .. math:: y = \hat x \odot (1 + \gamma) + \beta, \qquad
        s = \sigma \bigl( W * [\operatorname{mean}_c x, \max\nolimits_c x] \bigr), \quad
        \gamma = W_\gamma * s + b_\gamma, \quad \beta = W_\beta * s + b_\beta

    where :math:`\hat x` is the :func:`region_norm` of x, in the regions where s is at least the threshold and where it
    is not, :math:`\sigma` is the logistic function, and * is a convolution with zeros around, each window centred on
    its site. s, :math:`\gamma` and :math:`\beta` have one channel, shared by all of x.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    weight : array
        The filter W, of shape (1, 2, *window), with a window of odd sizes: for the mean, then for the maximum.
    gain_weight, shift_weight : array
        The filters :math:`W_\gamma` and :math:`W_\beta`, of shape (1, 1, *window).
    gain_bias, shift_bias : array, optional
        The biases, of shape (1,); 0 where they are None.
    axis : int
        The channel axis, not 0.
    threshold : float
        From which s on a site belongs to the second region. No gradient goes through this choice.
    per_sample : bool
        Whether every sample has moments of its own. Otherwise a region is that of the whole batch.
    eps : float
        Added to the variance, in units of x squared.
    eps_mode : {"region", "plane"}
        "plane" adds eps N / S in place of eps, for a region of S of the N sites.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples. A NaN counts as below the
        threshold, wherever a window reaches it; it makes NaN what it shares moments with.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` is no int, or `threshold` no
        number.
    ValueError
        A filter or a bias has another shape, `axis` is 0 or missing, a channel has no elements, `eps` is negative, or
        `eps_mode` is another word.

    Notes
    -----
    The released code has windows of 7, allows 3, and eps_mode "plane", for its :func:`region_norm` multiplies by
    sqrt(S / N). See ``refnorm conventions learned_region_norm``.

    References
    ----------
    Yu et al., Region Normalization for Image Inpainting, 2019 (the text not read; ``RN_L`` and ``SelfAware_Affine`` of
    rn.py of the released code, geekyutao/RN, were).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, one = np.array([[[1.0, -9.0, 3.0, -5.0]]]), np.ones((1, 1, 1))
    >>> weight = np.array([[[100.0], [0.0]]])  # s is 1 where x is above 0, else 0
    >>> refnorm.norm.learned_region_norm(x, weight, one, 0 * one, eps=0.0)
    array([[[-2., -1.,  2.,  1.]]])
    """
    xp, x, *filters, gb, sb = prepare(x, weight, gain_weight, shift_weight, gain_bias, shift_bias, need=4)
    channel = channel_beside(x, axis)
    require_along(x, channel, eps)
    require_eps_mode(eps_mode)
    require_threshold(threshold)
    for name, one, inputs in zip(("weight", "gain_weight", "shift_weight"), filters, (2, 1, 1), strict=True):
        require_filter(name, one, inputs, x.ndim, 1)
    require_shape("gain_bias", gb, (1,))
    require_shape("shift_bias", sb, (1,))
    (planes,) = moved(xp, channel, 1, x)
    wide, w, gw, sw, gb, sb = widen(xp, planes, *filters, gb, sb)
    spare = roomy(x, wide)
    s, _ = sigmoids(xp, convolve(xp, mean_and_max(xp, wide, roomy=spare), w, None))
    units, inside = as_units(xp, wide, per_sample), as_units(xp, s >= threshold, per_sample)
    z = as_planes(xp, told_apart(xp, inside, units, eps=eps, eps_mode=eps_mode, roomy=spare), planes.shape)
    y = z * (1 + convolve(xp, s, gw, gb)) + convolve(xp, s, sw, sb)
    return give_back(xp, *moved(xp, 1, channel, y), x)


FILTERS = normal(1, 2, 3), normal(1, 1, 3), normal(1, 1, 3)


@law(learned_region_norm, normal(3, 4, 8), *FILTERS)
def out_of_reach_it_is_batch_norm(f, x, weight, gain_weight, shift_weight):
    c = x - x.mean(axis=(0, 2), keepdims=True)
    plain = c / (x.var(axis=(0, 2), keepdims=True) + 0.5) ** 0.5
    return f(x, weight, 0 * gain_weight, 0 * shift_weight, threshold=2.0, eps=0.5), plain


@law(learned_region_norm, normal(3, 4, 8), *FILTERS)
def below_everything_as_above_it(f, x, weight, gain_weight, shift_weight):
    rest = weight, gain_weight, shift_weight
    return f(x, *rest, threshold=-1.0, eps=0.5), f(x, *rest, threshold=2.0, eps=0.5)


@law(learned_region_norm, normal(3, 4, 8), *FILTERS)
def linear_in_gain_and_shift(f, x, weight, gain_weight, shift_weight):
    twice = f(x, weight, 2 * gain_weight, 2 * shift_weight, threshold=0.5, eps=0.5)
    none = f(x, weight, 0 * gain_weight, 0 * shift_weight, threshold=0.5, eps=0.5)
    return twice + none, 2 * f(x, weight, gain_weight, shift_weight, threshold=0.5, eps=0.5)


@law(learned_region_norm, normal(3, 4, 8), *FILTERS)
def channels_change_places(f, x, weight, gain_weight, shift_weight):
    rest = weight, gain_weight, shift_weight
    return f(x[:, ::-1], *rest, threshold=0.5, eps=0.5)[:, ::-1], f(x, *rest, threshold=0.5, eps=0.5)


@law(learned_region_norm, normal(3, 4, 8), positive(1, 2, 1), booleans(3, 1, 8))
def at_the_threshold_counts_as_above(f, x, weight, mask):
    """Sites of nothing have s = 1/2, all others less: those are normed by themselves."""
    below = -abs(x) * ~mask
    n = (~mask).sum()
    c = (below - below.sum(axis=(0, 2), keepdims=True) / n) * ~mask
    none = 0 * weight[:, :1]
    wanted = c / ((c * c).sum(axis=(0, 2), keepdims=True) / n + 0.5) ** 0.5
    return f(below, weight, none, none, threshold=0.5, eps=0.5), wanted
