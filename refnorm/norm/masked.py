"""(x - mean) / sqrt(var + eps) with moments over the sites alone that a mask shows."""

from __future__ import annotations

from .._cases import booleans, case, normal
from .._core.channels import affine, moved
from .._core.regions import chosen_sites, require_mask
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, roomy, widen
from .group import channel_beside
from .region import as_planes, as_units, standard


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
