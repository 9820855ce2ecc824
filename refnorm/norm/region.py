"""(x - mean) / sqrt(var + eps) in each of two regions of a plane that a mask tells apart."""

from __future__ import annotations

import math

from .._cases import booleans, case, normal
from .._core.channels import moved
from .._core.moments import root_mean_square
from .._core.regions import chosen_sites, count_sites, require_mask, sites_centered, sites_mean
from .._lanes import load, run, sites, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    roomy,
    widen,
)
from .group import channel_beside

kernels = load(__name__)


def asked(xp, x, mask, weight, bias, axis, eps, eps_mode) -> int:
    """Refuse what region_norm cannot take; return the channel axis."""
    channel = channel_beside(x, axis)
    require_along(x, channel, eps)
    require_mask(xp, mask, (*x.shape[:channel], 1, *x.shape[channel + 1 :]))
    require_shape("weight", weight, (2, x.shape[channel]))
    require_shape("bias", bias, (2, x.shape[channel]))
    require_eps_mode(eps_mode)
    return channel


def require_eps_mode(eps_mode) -> None:
    """Refuse a word that says of nothing how eps is shared."""
    if eps_mode not in ("region", "plane"):
        raise ValueError(f"eps_mode must be 'region' or 'plane', what eps is shared over, got {eps_mode!r}")


def as_units(xp, planes, per_sample):
    """Return (samples, channels, sites) of (N, C, *spatial); pooled, all samples are one."""
    n, c, sites = planes.shape[0], planes.shape[1], math.prod(planes.shape[2:])
    units = xp.reshape(planes, (n, c, sites))
    return units if per_sample or n == 0 else xp.reshape(xp.permute_dims(units, (1, 0, 2)), (1, c, n * sites))


def in_rows(xp, *arrays):
    """Return (samples, channels, sites) of (N, C, *spatial)."""
    return tuple(a if a is None else xp.reshape(a, (*a.shape[:2], math.prod(a.shape[2:]))) for a in arrays)


def as_planes(xp, units, shape):
    """Return units as planes again: the inverse of `as_units`."""
    n, c, sites = shape[0], shape[1], math.prod(shape[2:])
    if units.shape[0] != n:
        units = xp.permute_dims(xp.reshape(units, (c, n, sites)), (1, 0, 2))
    return xp.reshape(units, shape)


def measured(xp, sites, x, eps, eps_mode, *, roomy):
    """Return (x - mean at the sites, s, their number n).

    What lies elsewhere is stretched away: s^2 = sum(c^2) / n + eps is a mean over all N places of N / n c^2. In the
    code eps is stretched too.
    """
    n = count_sites(xp, sites, x)
    c = sites_centered(xp, sites, x, n, roomy=roomy)
    places = xp.full_like(n, x.shape[-1])
    stretch = xp.sqrt(places / xp.where(n > 0, n, places))
    if eps_mode == "region":
        s = root_mean_square(xp, c * stretch, eps, roomy=roomy)
    else:
        s = stretch * root_mean_square(xp, c, eps, roomy=roomy)
    return c, s, n


def standard(xp, sites, x, eps, eps_mode, *, roomy):
    """Return ((x - mean) / s at the sites, s, their number)."""
    c, s, n = measured(xp, sites, x, eps, eps_mode, roomy=roomy)
    return c / s, s, n


def told_apart(xp, inside, x, **how):
    """Return the sites inside and those outside, either by their own moments."""
    out, within = (standard(xp, sites, x, **how)[0] for sites in (xp.logical_not(inside), inside))
    return xp.where(inside, within, out)


def of_region(xp, sites, parameter):
    """Return a (2, C) parameter at every site: row 1 where the mask is true, row 0 elsewhere."""
    return xp.where(sites, parameter[1, :, None], parameter[0, :, None])


def pulled_back(xp, sites, x, g, h, eps, eps_mode, roomy):
    """Return the cotangents of x, right at the sites, and of the weight and bias of this region."""
    unit, s, n = standard(xp, sites, x, eps, eps_mode, roomy=roomy)
    unit = chosen_sites(xp, sites, unit)
    level, tilt = (sites_mean(xp, sites, a, n, roomy=roomy) for a in (h, h * unit))
    dw, db = (xp.sum(chosen_sites(xp, sites, a), axis=(0, 2)) for a in (g * unit, g))
    return (h - level - unit * tilt) / s, dw, db


@operator(
    paper="yu2019region",
    kernel="region_norm",
    cases=[
        case("planes", normal(4, 3, 5, 6), booleans(4, 1, 5, 6)),
        case("affine", normal(4, 3, 5, 2), booleans(4, 1, 5, 2), normal(2, 3), normal(2, 3), eps=0.1),
        case("loud eps", normal(3, 4, 7), booleans(3, 1, 7, chance=0.3), eps=0.5),
        case("code", normal(3, 4, 9), booleans(3, 1, 9, chance=0.3), normal(2, 4), normal(2, 4), eps=0.5,
             eps_mode="plane", leak_bias=True),
        case("each sample", normal(3, 4, 11), booleans(3, 1, 11, chance=0.6), normal(2, 4), None, eps=0.5,
             per_sample=True),
        case("each sample, code", normal(3, 4, 11), booleans(3, 1, 11, chance=0.6), None, normal(2, 4), eps=0.5,
             per_sample=True, eps_mode="plane"),
        case("channels last", normal(3, 5, 4, 2), booleans(3, 5, 4, 1), normal(2, 2), normal(2, 2), axis=-1, eps=0.1),
        case("all true", normal(3, 2, 5), booleans(3, 1, 5, chance=1.0), normal(2, 2), normal(2, 2), eps=0.1),
        case("offset", normal(3, 4, 11, mean=1e4), booleans(3, 1, 11), normal(2, 4), normal(2, 4)),
        case("small", normal(3, 4, 8, std=1e-3), booleans(3, 1, 8), eps=1e-4),
        case("long", normal(2, 3, 1030), booleans(2, 1, 1030), normal(2, 3), normal(2, 3)),
        case("no samples", normal(0, 3, 4), booleans(0, 1, 4), normal(2, 3), normal(2, 3)),
    ],
    bench=case("planes", normal(8, 64, 64, 64), booleans(8, 1, 64, 64), normal(2, 64), normal(2, 64)),
    rows=lambda x, rng: (
        [x[None], rng.random((1, 1, x.shape[1])) < 0.5, *rng.normal(size=(2, 2, len(x)))],
        {},
    ),
)  # fmt: skip
def region_norm(
    x, mask, weight=None, bias=None, /, *, axis=1, per_sample=False, eps=1e-5, eps_mode="region", leak_bias=False,
    out=None,
):  # fmt: skip
    r"""Normalize the sites where a mask is true and those where it is false apart, then scale and shift each.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_{cr}}{\sqrt{\sigma^2_{cr} + \epsilon}} \, w_{rc} + b_{rc}, \qquad
        \mu_{cr} = \frac{1}{S_r} \sum_{(n, i) \in r} x_{nci}, \quad
        \sigma^2_{cr} = \frac{1}{S_r} \sum_{(n, i) \in r} (x_{nci} - \mu_{cr})^2

    where r = 1 where the mask is true, else 0, and :math:`S_r` is the number of sites of region r.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    mask : array of booleans
        The region of every site: the shape of `x` with one channel. Resize it before.
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (2, C): row 0 where the mask is false, row 1 where it
        is true.
    axis : int
        The channel axis, not 0.
    per_sample : bool
        Whether every sample has moments of its own. Otherwise the region is that of the whole batch.
    eps : float
        Added to the variance, in units of x squared.
    eps_mode : {"region", "plane"}
        "plane" adds eps N / S in place of eps, for a region of S of the N sites.
    leak_bias : bool
        Whether both rows of `bias` reach every site.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples. A constant region gives
        exactly the bias while eps > 0. A NaN or an infinity makes its whole region NaN, and no other; an empty
        region harms nothing.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, the arrays are of two libraries, `axis` is no int.
    ValueError
        `mask`, `weight` or `bias` has another shape, `axis` is 0 or missing, a channel has no elements, `eps` is
        negative, `eps_mode` is another word, `out` overlaps.

    Notes
    -----
    The released code has eps_mode "plane", as it fills the other region with the mean, takes batch norm of the whole
    and multiplies by sqrt(S / N); both its shifts reach every site; it stores weight - 1. The text has one moment a
    sample, as remembered. See ``refnorm conventions region_norm``.

    References
    ----------
    Yu et al., Region Normalization for Image Inpainting, 2019 (the text not read again; RN_binarylabel and RN_B of the
    released code as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, mask = np.array([[[1.0, 10.0, 3.0, 30.0]]]), np.array([[[False, True, False, True]]])
    >>> refnorm.norm.region_norm(x, mask, eps=0.0)
    array([[[-1., -1.,  1.,  1.]]])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    channel = asked(xp, x, mask, weight, bias, axis, eps, eps_mode)
    check_out(out, x, weight, bias)
    planes, regions, into = moved(xp, channel, 1, x, mask, out)
    pooled, plane = not per_sample, eps_mode == "plane"
    if takes(kernels, planes, weight, bias, mask):
        rows, into, on = in_rows(xp, planes, into, regions)
        how = (weight, bias, pooled, plane, leak_bias, eps)
        units = rows.shape[1] * (1 if pooled else rows.shape[0])
        y = run(kernels.region_norm, rows, *sites(on[:, 0, :]), *how, out=into, units=units)
    else:
        wide, w, b = widen(xp, planes, weight, bias)
        units, inside = as_units(xp, wide, per_sample), as_units(xp, regions, per_sample)
        y = told_apart(xp, inside, units, eps=eps, eps_mode=eps_mode, roomy=roomy(x, wide))
        y = y if w is None else y * of_region(xp, inside, w)
        if b is not None:
            y = y + (b[0, :, None] + b[1, :, None] if leak_bias else of_region(xp, inside, b))
    return give_back(xp, *moved(xp, 1, channel, as_planes(xp, y, planes.shape)), x, out=out)


@gradient(region_norm)
def region_norm_vjp(
    cotangent, x, mask, weight=None, bias=None, /, *, axis=1, per_sample=False, eps=1e-5, eps_mode="region",
    leak_bias=False,
):  # fmt: skip
    r"""Return the cotangents of `x`, `weight` and `bias` for a cotangent of ``region_norm(x, mask, weight, bias)``.

    .. math::
        \bar x = \frac{1}{s} \Bigl( h - \frac{1}{S} \sum_r h - \hat x \, \frac{1}{S} \sum_r h \hat x \Bigr),
        \quad h = \bar y w, \quad \hat x = (x - \mu) / s, \quad s = \sqrt{\sigma^2 + \epsilon}, \quad
        \bar w_{rc} = \sum_r \bar y \hat x, \quad \bar b_{rc} = \sum_r \bar y

    where the sums run over the region r of a site.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, mask, weight, bias, axis, per_sample, eps, eps_mode, leak_bias
        As in :func:`region_norm`.

    Returns
    -------
    tuple
        ``(dx, None, dweight, dbias)``; None for the mask, and where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`region_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the region norm of Yu et al., 2019, for a mask that is held fast; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, mask = np.array([[[1.0, 3.0, 1.0, 3.0, 7.0]]]), np.array([[[True, True, True, True, False]]])
    >>> refnorm.norm.region_norm_vjp(np.array([[[1.0, 0.0, 0.0, 0.0, 0.0]]]), x, mask, eps=0.5)[0].round(3)
    array([[[ 0.476, -0.068, -0.34 , -0.068,  0.   ]]])
    """
    xp, cotangent, x, weight, bias = prepare(cotangent, x, weight, bias, need=2)
    channel = asked(xp, x, mask, weight, bias, axis, eps, eps_mode)
    require_same_shape("cotangent", cotangent, x)
    planes, g, regions = moved(xp, channel, 1, x, cotangent, mask)
    if takes(kernels, g, planes, weight, mask):
        rows, g, on = in_rows(xp, planes, g, regions)
        how = (weight, not per_sample, eps_mode == "plane", leak_bias, eps)
        n, c = rows.shape[:2]
        sums = dict(parts=(n if per_sample else 1, 4, c), units=n * c if per_sample else c)
        dx, parts = run(kernels.region_norm_vjp, g, rows, *sites(on[:, 0, :]), *how, **sums)
        dx, dw, db = xp.reshape(dx, planes.shape), parts[:2, :], parts[2:, :]
    else:
        wide, g, w = widen(xp, planes, g, weight)
        units, g, inside = (as_units(xp, a, per_sample) for a in (wide, g, regions))
        h = g if w is None else g * of_region(xp, inside, w)
        both = [
            pulled_back(xp, on, units, g, h, eps, eps_mode, roomy(x, wide)) for on in (xp.logical_not(inside), inside)
        ]
        dx = as_planes(xp, xp.where(inside, both[1][0], both[0][0]), planes.shape)
        dw, db = xp.stack([b[1] for b in both]), xp.stack([b[2] for b in both])
        db = xp.zeros_like(db) + xp.sum(db, axis=0) if leak_bias else db
    dw, db = like_weight(xp, dw, weight), like_weight(xp, db, bias)
    return give_back(xp, *moved(xp, 1, channel, dx), x), None, dw, db


@law(region_norm, normal(3, 4, 8), booleans(3, 1, 8))
def a_region_stands_alone(f, x, mask):
    moved = mask * (4 * x + 3) + ~mask * (2 * x - 1)
    return f(moved, mask, eps=0.0), f(x, mask, eps=0.0)


@law(region_norm, normal(3, 4, 8), booleans(3, 1, 8))
def regions_change_places(f, x, mask):
    return f(x, ~mask, eps=0.5), f(x, mask, eps=0.5)


@law(region_norm, normal(3, 4, 8), booleans(3, 1, 8), normal(2, 4), normal(2, 4))
def affine_comes_last(f, x, mask, weight, bias):
    w, b = (mask * p[1][:, None] + ~mask * p[0][:, None] for p in (weight, bias))
    return f(x, mask, weight, bias, eps=0.5), f(x, mask, eps=0.5) * w + b


@law(region_norm, normal(3, 4, 8), booleans(3, 1, 8))
def eps_is_in_squared_units(f, x, mask):
    return f(4 * x, mask, eps=16 * 0.3), f(x, mask, eps=0.3)


@law(region_norm, normal(3, 4, 8))
def one_region_is_batch_norm(f, x):
    c = x - x.mean(axis=(0, 2), keepdims=True)
    whole = x[:, :1] == x[:, :1]
    return f(x, whole, eps=0.5), c / (x.var(axis=(0, 2), keepdims=True) + 0.5) ** 0.5
