"""Batch norm of a large batch as if it were several small ones, each normalized by its own moments."""

from __future__ import annotations

import math
import operator as op

from .._cases import case, normal
from .._core.channels import affine, elements, given, moved
from .._core.moments import centered, root_mean_square
from .._core.sums import mean as mean_of
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_switch,
    roomy,
    widen,
)
from .batch import pulled, require_both, within
from .group import channel_beside, columns


def ghosts(samples, groups) -> int:
    """Return the number of ghost batches; refuse what does not divide the samples."""
    try:
        count = op.index(groups)
    except TypeError:
        raise TypeError(f"groups must be an int, got {groups!r}") from None
    if count < 1 or samples % count:
        raise ValueError(f"groups must divide the samples, got {groups} groups and {samples} samples")
    return count


def asked(x, weight, bias, groups, interleaved, axis, eps) -> tuple[int, int]:
    """Refuse what ghost batch norm cannot take; return the channel axis and the number of ghost batches."""
    channel = channel_beside(x, axis)
    require_along(x, channel, eps, weight, bias)
    elements(x, channel)
    require_switch("interleaved", interleaved)
    return channel, ghosts(x.shape[0], groups)


def by_ghost(xp, planes, groups, interleaved):
    """Return (groups, C, elements) of (N, C, *spatial)."""
    n, c, places = planes.shape[0], planes.shape[1], math.prod(planes.shape[2:])
    if interleaved:
        parts = xp.permute_dims(xp.reshape(planes, (n // groups, groups, c, places)), (1, 2, 0, 3))
    else:
        parts = xp.permute_dims(xp.reshape(planes, (groups, n // groups, c, places)), (0, 2, 1, 3))
    return xp.reshape(parts, (groups, c, n // groups * places))


def as_samples(xp, y, shape, interleaved):
    """Return (N, C, *spatial) again: the inverse of `by_ghost`."""
    parts = xp.reshape(y, (*y.shape[:2], shape[0] // y.shape[0], math.prod(shape[2:])))
    return xp.reshape(xp.permute_dims(parts, (2, 0, 1, 3) if interleaved else (0, 2, 1, 3)), shape)


@operator(
    paper="hoffer2017train",
    cases=[
        case("planes", normal(6, 3, 4, 5), groups=2),
        case("affine, interleaved", normal(6, 3, 7), normal(3), normal(3), groups=3, interleaved=True, eps=0.1),
        case("loud eps", normal(4, 3, 7), groups=2, eps=0.5),
        case("weight alone", normal(4, 3, 7), normal(3), groups=2, eps=0.1),
        case("bias alone, interleaved", normal(22, 3), None, normal(3), groups=2, interleaved=True, eps=0.1),
        case("channels last", normal(6, 4, 2, 3), normal(3), normal(3), groups=2, axis=-1, eps=0.1),
        case("offset", normal(4, 3, 11, mean=1e4), normal(3), normal(3), groups=2),
        case("one ghost", normal(5, 4, 3), normal(4), normal(4), groups=1, eps=0.1),
        case("a ghost a sample", normal(5, 4, 11), groups=5, eps=0.1),
    ],
    bench=case("planes", normal(32, 64, 28, 28), normal(64), normal(64), groups=2),
    rows=lambda x, rng: ([within(x)[:, None], *rng.normal(size=(2, 1))], {"groups": len(x), "eps": 1e-30}),
)
def ghost_batch_norm_train(x, weight=None, bias=None, /, *, groups, interleaved=False, axis=1, eps=1e-5, out=None):
    r"""Normalize every channel of every ghost batch by its own mean and variance, then scale and shift.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_{gc}}{\sqrt{\sigma^2_{gc} + \epsilon}} \, w_c + b_c, \qquad
        \mu_{gc} = \frac{1}{m} \sum_{n \in g, i} x_{nci}, \quad
        \sigma^2_{gc} = \frac{1}{m} \sum_{n \in g, i} (x_{nci} - \mu_{gc})^2

    for a sample n of the ghost batch g, of m elements a channel.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,), shared by the ghost batches.
    groups : int
        The number G of ghost batches, which divides N; each has N / G samples.
    interleaved : bool
        Whether sample n belongs to ghost batch n mod G. Otherwise a ghost batch is N / G samples in a row.
    axis : int
        The channel axis, not 0.
    eps : float
        Added to the variance, in units of x squared.
    out : array, optional
        Where to write the normalized data (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    tuple
        ``(y, mean, var)``: `y` has the shape, dtype, library and device of `x`; the moments have the shape (G, C) and
        the dtype of `x`, and `var` has the denominator m (biased). A channel that is constant in a ghost batch gives
        exactly the bias there while eps > 0. A NaN or an infinity makes its channel NaN in its ghost batch alone.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` or `groups` is not one int, or
        `interleaved` is no bool.
    ValueError
        `groups` does not divide the samples, a channel has no elements, `weight` or `bias` has not the shape (C,),
        `axis` is 0 or missing, `eps` is negative, or `out` overlaps.

    Notes
    -----
    The moments of the whole batch, which :func:`batch_norm_train` takes, are those of its ghosts merged: hand `mean`
    and `var` to :func:`merge_moments`. The paper moves the running statistics by one ghost after the other; TensorFlow
    once, by the mean of the ghosts' moments, whose variance leaves out what lies between them.

    TensorFlow's `virtual_batch_size` and the code with `num_splits` that folds ghosts into channels interleave,
    TabNet and the code of the paper's authors cut. See ``refnorm conventions ghost_batch_norm_train``.

    References
    ----------
    Hoffer, Hubara and Soudry, Train longer, generalize better: closing the generalization gap in large batch training
    of neural networks, 2017 (not read again; the codes named were).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [3.0], [10.0], [30.0]])
    >>> y, mean, var = refnorm.norm.ghost_batch_norm_train(x, groups=2, eps=0.0)
    >>> y[:, 0], mean[:, 0], var[:, 0]
    (array([-1.,  1., -1.,  1.]), array([ 2., 20.]), array([  1., 100.]))
    >>> refnorm.norm.merge_moments(mean, var, np.array([2, 2]))  # of the whole batch
    (array([11.]), array([131.5]))
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    channel, count = asked(x, weight, bias, groups, interleaved, axis, eps)
    check_out(out, x, weight, bias)
    (planes,) = moved(xp, channel, 1, x)
    wide, w, b = widen(xp, planes, weight, bias)
    rows, spare = by_ghost(xp, wide, count, interleaved), roomy(x, wide)
    c = centered(xp, rows, roomy=spare)
    mean, var = mean_of(xp, rows, roomy=spare), mean_of(xp, c * c, roomy=spare)
    y = affine(c / root_mean_square(xp, c, eps, roomy=spare), *columns(xp, w, b))
    y = give_back(xp, *moved(xp, 1, channel, as_samples(xp, y, planes.shape, interleaved)), x, out=out)
    return y, give_back(xp, mean[..., 0], x), give_back(xp, var[..., 0], x)


@gradient(ghost_batch_norm_train)
def ghost_batch_norm_train_vjp(
    cotangent, x, weight=None, bias=None, /, *, groups, interleaved=False, axis=1, eps=1e-5
):  # fmt: skip
    r"""Return the cotangents of `x`, `weight` and `bias` for cotangents of ``ghost_batch_norm_train(x, weight, bias)``.

    .. math::
        \bar x = \frac{1}{s} \Bigl( h - \frac{1}{m} \sum_g h - \hat x \, \frac{1}{m} \sum_g h \hat x \Bigr)
            + \frac{1}{m} \bar\mu_g + \frac{2}{m} (x - \mu_g) \, \overline{\sigma^2}_g,
        \quad \bar w = \sum \bar y \hat x, \quad \bar b = \sum \bar y

    with :math:`h = \bar y w`, :math:`s = \sqrt{\sigma_g^2 + \epsilon}` and :math:`\hat x = (x - \mu_g) / s` in the
    ghost batch g of a sample; sums without g run over all samples.

    Parameters
    ----------
    cotangent : tuple
        The cotangents of `y`, of the shape of `x`, and of the mean and the variance, of shape (G, C); each may be None.
    x, weight, bias, groups, interleaved, axis, eps
        As in :func:`ghost_batch_norm_train`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias)``; None where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`ghost_batch_norm_train`; also where `cotangent` is no tuple of three, or one has the wrong shape.

    References
    ----------
    The derivative of the norm of Hoffer, Hubara and Soudry, 2017: ghost by ghost that of :func:`batch_norm_train`.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [3.0], [1.0], [3.0], [7.0], [9.0], [7.0], [9.0]])
    >>> g = np.array([[1.0], [0.0], [0.0], [0.0], [0.0], [0.0], [0.0], [0.0]])
    >>> refnorm.norm.ghost_batch_norm_train_vjp((g, None, None), x, groups=2, eps=0.0)[0][:, 0].tolist()
    [0.5, 0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    xp, x, gy, gmean, gvar, weight, bias = prepare(x, *given(cotangent, "y mean var"), weight, bias)
    channel, count = asked(x, weight, bias, groups, interleaved, axis, eps)
    gy = xp.zeros_like(x) if gy is None else gy
    require_same_shape("cotangent", gy, x)
    require_both("cotangent of ", gmean, gvar, (count, x.shape[channel]))
    planes, g = moved(xp, channel, 1, x, gy)
    wide, g, w, a, b = widen(xp, planes, g, weight, gmean, gvar)
    rows, g = (by_ghost(xp, p, count, interleaved) for p in (wide, g))
    a, b = (m if m is None else m[..., None] for m in (a, b))
    spare = roomy(x, wide)
    c = centered(xp, rows, roomy=spare)
    s = root_mean_square(xp, c, eps, roomy=spare)
    unit, h = c / s, affine(g, *columns(xp, w), None)
    dx = (h - mean_of(xp, h, roomy=spare) - unit * mean_of(xp, h * unit, roomy=spare)) / s
    dx = as_samples(xp, dx + pulled(c, rows.shape[-1], a, b), planes.shape, interleaved)
    dw, db = (xp.sum(total(xp, p, roomy=spare), axis=0) for p in (g * unit, g))
    return give_back(xp, *moved(xp, 1, channel, dx), x), like_weight(xp, dw, weight), like_weight(xp, db, bias)


@law(ghost_batch_norm_train, normal(6, 3, 4))
def a_ghost_alone_is_the_same(f, x):
    return f(x, groups=2, eps=0.5)[0][3:], f(x[3:], groups=1, eps=0.5)[0]


@law(ghost_batch_norm_train, normal(6, 3, 4))
def every_ghost_is_shift_and_scale_free(f, x):
    moved_on = x.copy()
    moved_on[3:] = 4 * x[3:] + 2
    return f(moved_on, groups=2, eps=0.0)[0], f(x, groups=2, eps=0.0)[0]


@law(ghost_batch_norm_train, normal(6, 3, 4))
def interleaving_is_an_order_of_samples(f, x):
    order = [0, 3, 1, 4, 2, 5]  # cut in two, turned into taking turns
    return f(x[order], groups=2, interleaved=True, eps=0.5)[0], f(x, groups=2, eps=0.5)[0][order]


@law(ghost_batch_norm_train, normal(6, 3, 4), normal(3), normal(3))
def the_affine_part_is_shared(f, x, weight, bias):
    plain = f(x, groups=2, eps=0.5)[0]
    return f(x, weight, bias, groups=2, eps=0.5)[0], plain * weight[:, None] + bias[:, None]
