"""sum m x / sum m: the mean of what a mask shows, or weighs, of all or of every cell of a grid."""

from __future__ import annotations

import numpy as np

from .._cases import booleans, case, normal, uniform
from .._core.bins import bin_sums, counts
from .._core.regions import chosen_sites, require_mask
from .._core.sums import total
from .._core.windows import per_axis
from .._registry import gradient, law, operator
from .._xp import (
    _axes,
    check_out,
    dtype_name,
    give_back,
    prepare,
    require_along,
    require_shape,
    require_switch,
    roomy,
    to_rows,
    widen,
)
from .adaptive import bins_along, sizes_asked


def weights_of(mask):
    """Return a mask that holds weights; None for any other, which is no data."""
    return mask if hasattr(mask, "dtype") and "float" in dtype_name(mask) else None


def asked(xp, x, mask, weights, axis, eps, eps_mode) -> None:
    """Refuse what masked_avg_pool cannot take: a mask has the sizes of x, or 1 away from `axis`."""
    require_along(x, axis, eps)
    axes = _axes(x.ndim, axis)
    given = mask.shape if getattr(mask, "ndim", None) == x.ndim else (0,) * x.ndim
    shape = tuple(1 if one == 1 and a not in axes else n for a, (one, n) in enumerate(zip(given, x.shape, strict=True)))
    if weights is None:
        require_mask(xp, mask, shape)
    require_shape("mask", weights, shape)
    if eps_mode not in ("add", "max"):
        raise ValueError(f"eps_mode must be 'add' or 'max', how eps meets the sum of weights, got {eps_mode!r}")


def sum_of(xp, m, eps, eps_mode, *, roomy):
    """Return the sum of weights along the last axis, kept, with eps; and where eps has taken its place."""
    n = total(xp, m, roomy=roomy)
    low = n < (eps if eps_mode == "max" else -float("inf"))
    return xp.where(low, xp.full_like(n, eps), n if eps_mode == "max" else n + eps), low


def weighed(xp, m, x, s, *, roomy):
    """Return sum(m x) / s of rows, kept. Where a weight is 0, what lies there has no part, a NaN even."""
    return total(xp, chosen_sites(xp, m != 0, x) * m, roomy=roomy) / s


@operator(
    paper=("liu2019furnishing", "rasheed2022finetuned", "tang2024pooling", "boudiaf2020fewshot"),
    cases=[
        case("tokens", normal(2, 7, 5), booleans(2, 7, 1), axis=1),
        case("planes, weights, loud eps", normal(2, 3, 5, 6), uniform(2, 1, 5, 6), axis=(2, 3), eps=0.5),
        case("shots jointly", normal(4, 3, 2, 5), booleans(4, 1, 2, 5, chance=0.3), axis=(0, 2, 3), eps=0.1),
        case("largest of eps and count", normal(3, 4, 6), booleans(3, 4, 1), axis=1, eps=2.5, eps_mode="max"),
        case("light weights below eps", normal(3, 4, 6), uniform(3, 4, 6, high=0.2), axis=1, eps=0.7, eps_mode="max"),
        case("weights both ways", normal(5, 6), uniform(1, 6, low=-0.5, high=1.5), axis=-1),
        case("offset", normal(2, 40, 3, mean=1e4), uniform(2, 40, 3), axis=1),
        case("no samples", normal(0, 3, 4), booleans(0, 3, 1), axis=1),
    ],
    bench=case("tokens", normal(64, 512, 768), booleans(64, 512, 1, chance=0.8), axis=1, eps=1e-9, eps_mode="max"),
    rows=lambda x, rng: ([x, rng.random((1, x.shape[1]))], {"axis": -1}),
)
def masked_avg_pool(x, mask, /, *, axis, eps=0.0, eps_mode="add", out=None):
    r"""Reduce `x` along `axis` to the mean of what a mask shows, or to its mean under weights.

    .. math:: y = \frac{\sum_j m_j x_j}{\sum_j m_j + \epsilon}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    mask : array of booleans, or of the floating dtypes
        What is shown (True), or the weight of everything: as many axes as `x`, of its size along `axis`, of its size
        or 1 elsewhere. ``mask[..., None]`` is that of tokens (B, T, D) with a mask (B, T); planes (N, C, H, W) have
        (N, 1, H, W). Resize a coarser one before.
    axis : int or tuple of int
        The axes to reduce: 1 for tokens, (2, 3) for planes, (0, 2, 3) for several shots of one class together. They
        are gone from the answer.
    eps : float
        What keeps the sum of weights from zero, in units of weights.
    eps_mode : {"add", "max"}
        Whether eps is added to the sum of weights, or is the least that it counts for.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        The shape of `x` without `axis`, in its dtype, library and device. What lies where the mask is False, or its
        weight exactly 0, has no part in it, be it a NaN; where nothing is shown, it is NaN with eps = 0, else 0.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `mask` neither those nor booleans, or they are of two libraries.
    ValueError
        `mask` has another shape, `axis` is empty or missing, `eps` is negative, `eps_mode` is another word, or `out`
        overlaps.

    Notes
    -----
    Frameworks differ in what they do where nothing is shown: ``refnorm conventions masked_avg_pool``. The mean over
    time of Rasheed et al. is followed by :func:`refnorm.norm.lp_normalize` (pool, then normalize).

    References
    ----------
    Liu et al., Furnishing Your Room by What You See, 2019 (no code is known). Rasheed et al., Fine-tuned CLIP Models
    are Efficient Video Learners, 2022: without a mask. Tang and Yang, Pooling And Attention: What Are Effective
    Designs For LLM-Based Embedding Models?, 2024: eps = 0 in the code. Boudiaf et al., Few-Shot Segmentation Without
    Meta-Learning, 2020: several shots jointly. All as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> tokens, mask = np.array([[[1.0], [5.0], [9.0]]]), np.array([[True, True, False]])
    >>> refnorm.pool.masked_avg_pool(tokens, mask[..., None], axis=1)
    array([[3.]])
    """
    xp, x, weights = prepare(x, weights_of(mask))
    asked(xp, x, mask, weights, axis, eps, eps_mode)
    rows, m = to_rows(xp, axis, x, mask)
    check_out(out, x, mask, shape=rows.shape[:-1])
    (wide,) = widen(xp, rows)
    m, spare = xp.astype(m, wide.dtype), roomy(rows, wide)
    s, _ = sum_of(xp, m, eps, eps_mode, roomy=spare)
    return give_back(xp, weighed(xp, m, wide, s, roomy=spare)[..., 0], x, out=out)


@gradient(masked_avg_pool)
def masked_avg_pool_vjp(cotangent, x, mask, /, *, axis, eps=0.0, eps_mode="add"):
    r"""Return the cotangent of `x`, and of `mask` where that holds weights.

    .. math:: \bar x_j = \frac{m_j}{s} \bar y, \qquad \bar m_j = \sum \frac{x_j - y}{s} \, \bar y,
        \qquad s = \sum_j m_j + \epsilon

    with the sum over what shares the weight; where eps replaces the sum of weights, y is not taken off.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, mask, axis, eps, eps_mode
        As in :func:`masked_avg_pool`.

    Returns
    -------
    tuple
        ``(dx, dmask)``; None for a mask of booleans. The weight 0 gets a cotangent as any other: NaN where x is NaN.

    Raises
    ------
    TypeError, ValueError
        As in :func:`masked_avg_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`masked_avg_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> tokens, mask = np.array([[1.0, 5.0, 9.0]]), np.array([[True, True, False]])
    >>> refnorm.pool.masked_avg_pool_vjp(np.array([6.0]), tokens, mask, axis=1)[0]
    array([[3., 3., 0.]])
    """
    xp, cotangent, x, weights = prepare(cotangent, x, weights_of(mask), need=2)
    asked(xp, x, mask, weights, axis, eps, eps_mode)
    rows, m = to_rows(xp, axis, x, mask)
    require_shape("cotangent", cotangent, rows.shape[:-1])
    wide, g = widen(xp, rows, cotangent)
    m, spare = xp.astype(m, wide.dtype), roomy(rows, wide)
    s, low = sum_of(xp, m, eps, eps_mode, roomy=spare)
    h = xp.expand_dims(g, axis=-1) / s
    dx = give_back(xp, h * m, x, axis)
    if weights is None:
        return dx, None
    y = xp.where(low, xp.zeros_like(s), weighed(xp, m, wide, s, roomy=spare))
    shared = tuple(a for a, (one, n) in enumerate(zip(m.shape, wide.shape, strict=True)) if one != n)
    return dx, give_back(xp, xp.sum(h * (wide - y), axis=shared, keepdims=True), mask, axis)


@operator(
    paper="bruggemann2023contrastive",
    cases=[
        case("cells", normal(2, 3, 6, 8), uniform(2, 1, 6, 8), output_size=(2, 4)),
        case("sums, not means", normal(2, 3, 7, 5), uniform(2, 1, 7, 5), output_size=(3, 2), average=False),
        case("loud eps", normal(1, 2, 9), uniform(1, 1, 9), output_size=4, eps=0.5),
        case("offset", normal(1, 2, 8, 8, mean=1e4), uniform(1, 1, 8, 8), output_size=3),
        case("no images", normal(0, 3, 4, 4), uniform(0, 1, 4, 4), output_size=2),
    ],
    bench=case("cells", normal(16, 256, 64, 64), uniform(16, 1, 64, 64), output_size=7),
    rows=lambda x, rng: ([x[:, None], rng.random((len(x), 1, x.shape[1]))], {"output_size": 4}),
)
def confidence_grid_pool(x, confidence, /, *, output_size, average=True, eps=0.0):
    r"""Take the mean of each of a given number of bins along the spatial axes of `x`, weighed by a confidence map.

    .. math:: y_b = \frac{s_b}{\bar c_b + \epsilon}, \qquad s_b = \frac{1}{n_b} \sum_{j \in b} c_j x_j, \quad
        \bar c_b = \frac{1}{n_b} \sum_{j \in b} c_j

    over bins of :math:`n_b` cells, those of :func:`adaptive_avg_pool`; :math:`s_b` itself where `average` is False.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial).
    confidence : array
        The weight :math:`c` of each site, of shape (N, 1, *spatial).
    output_size : int or tuple of int and None
        Bins along all or each spatial axis, as in :func:`adaptive_avg_pool`.
    average : bool
        Whether the sum of a bin is divided by that of its weights, or by its number of cells alone.
    eps : float
        Added to the mean confidence of a bin.

    Returns
    -------
    y : array
        (N, C, *output_size), in the dtype, library and device of `x`. What lies where the confidence is exactly 0 has
        no part in it, be it a NaN; a bin without confidence is NaN with eps = 0.
    share : array
        The mean confidence of each bin, of shape (N, 1, *output_size): bins below a threshold are left out by it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or `average` is no bool.
    ValueError
        `confidence` has another shape, `output_size` is below 1 or has the wrong length, a spatial axis is empty, or
        `eps` is negative.

    Notes
    -----
    The released code does not divide (``average=False``), and normalizes what it gets to length 1, which takes the
    divisor out; it keeps the cells whose share is at least 0.2. See ``refnorm conventions confidence_grid_pool``.

    References
    ----------
    Bruggemann et al., Contrastive Model Adaptation for Cross-Condition Robustness in Semantic Segmentation, 2023:
    CDCLoss.forward of the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, c = np.array([[[1.0, 5.0, 7.0, 8.0]]]), np.array([[[0.5, 0.5, 1.0, 0.0]]])
    >>> y, share = refnorm.pool.confidence_grid_pool(x, c, output_size=2)
    >>> y, share
    (array([[[3., 7.]]]), array([[[0.5, 0.5]]]))
    """
    xp, x, confidence = prepare(x, confidence, need=2)
    sizes = sizes_asked(x.shape, output_size)
    require_shape("confidence", confidence, (x.shape[0], 1, *x.shape[2:]))
    require_along(x, -1, eps)
    require_switch("average", average)
    wide, c = widen(xp, x, confidence)
    spare, edges = roomy(x, wide), bins_along(x.shape[2:], sizes)
    n = per_axis(xp, counts(edges), wide.dtype, wide)
    weighed_cells = bin_sums(xp, chosen_sites(xp, c != 0, wide) * c, edges, roomy=spare)
    weight = bin_sums(xp, c, edges, roomy=spare)
    y = weighed_cells / (weight + eps * n if average else n)
    return give_back(xp, y, x), give_back(xp, weight / n, x)


@law(masked_avg_pool, normal(4, 9), booleans(4, 9))
def what_is_hidden_does_not_matter(f, x, mask):
    return f(np.where(mask, x, 7 * x), mask, axis=1, eps=0.5), f(x, mask, axis=1, eps=0.5)


@law(masked_avg_pool, normal(4, 9), uniform(4, 9))
def weights_have_no_unit(f, x, m):
    return f(x, 8 * m, axis=1), f(x, m, axis=1)


@law(masked_avg_pool, normal(4, 9), uniform(4, 1))
def one_weight_is_the_mean(f, x, m):
    return f(x, m + 1 + 0 * x, axis=1), x.sum(axis=1) / x.shape[1]


@law(masked_avg_pool, normal(4, 9), booleans(4, 9))
def eps_counts_as_a_zero_beside(f, x, mask):
    more = np.concatenate([mask, np.ones_like(mask[:, :1])], axis=1)
    return f(x, mask, axis=1, eps=1.0), f(np.concatenate([x, 0 * x[:, :1]], axis=1), more, axis=1)


@law(confidence_grid_pool, normal(2, 3, 6, 5), uniform(2, 1, 6, 5))
def confidence_has_no_unit(f, x, c):
    return f(x, 8 * c, output_size=3)[0], f(x, c, output_size=3)[0]


@law(confidence_grid_pool, normal(2, 3, 6, 4))
def full_confidence_is_the_mean(f, x):
    y, share = f(x, 0 * x[:, :1] + 1, output_size=(1, 2))
    return y * share, x.reshape(*x.shape[:3], 2, -1).sum(axis=(2, 4), keepdims=True)[..., 0] / (x[0, 0].size // 2)


@law(confidence_grid_pool, normal(2, 3, 6, 5), uniform(2, 1, 6, 5))
def shift_comes_through(f, x, c):
    return f(x + 4, c, output_size=3)[0], f(x, c, output_size=3)[0] + 4
