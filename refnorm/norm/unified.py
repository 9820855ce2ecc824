"""x / sqrt(mean square + eps), one mean square a channel, smoothed over the last few batches in both directions."""

from __future__ import annotations

import operator as op
from typing import NamedTuple

from .._cases import booleans, case, normal, positive, uniform
from .._core.channels import affine, as_rows, channel_of, elements, moved
from .._core.moments import centered, root_mean_square
from .._core.regions import chosen_sites, count_sites, require_mask
from .._core.sums import total
from .._registry import law, operator
from .._xp import (
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    require_switch,
    roomy,
    widen,
)
from .batch import within
from .running import shares

BENCH = normal(32, 196, 384)
LEAST_STEPS = 1000  # of training before gradients are compensated
LIMIT = 5.0  # of that compensation, and its inverse the other


def counted(name, value, least) -> None:
    """Refuse what is no int, or below the least."""
    try:
        good = op.index(value) >= least
    except TypeError:
        raise TypeError(f"{name} must be an int, got {value!r}") from None
    if not good:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")


def asked(xp, x, var, variances, mask, axis, step, warmup, skip_outliers, eps, weight, bias) -> int:
    """Refuse what both directions cannot take; return the channel axis."""
    channel = channel_of(x, axis)
    require_along(x, channel, eps, weight, bias)
    elements(x, channel)
    require_shape("var", var, (x.shape[channel],))
    require_window("variances", variances, x.shape[channel])
    if mask is not None:
        require_mask(xp, mask, (*x.shape[:channel], 1, *x.shape[channel + 1 :]))
    counted("step", step, 1)
    counted("warmup", warmup, 0)
    require_switch("skip_outliers", skip_outliers)
    return channel


def require_window(name, buffer, channels) -> None:
    """Refuse what does not hold a statistic of two batches at least."""
    require_shape(name, buffer, (*buffer.shape[:1], channels))
    if buffer.shape[0] < 2:
        raise ValueError(f"{name} must hold a row for each of two batches at least, got shape {tuple(buffer.shape)}")


class Smoothed(NamedTuple):
    """A root mean square of each channel, (C, 1), the window with this batch in it, and whether it was left out."""

    root: object
    variances: object
    left_out: object


def replaced(xp, buffer, step, row):
    """Return the window with the place of this step taken by `row`."""
    slot = step % buffer.shape[0]
    return xp.concat([buffer[:slot, :], row, buffer[slot + 1 :, :]], axis=0)


def quadratic_mean(xp, rows, shown, *, roomy):
    """Return the root mean square of each row, of the sites shown alone: NaN where there are none."""
    if shown is None:
        return root_mean_square(xp, rows, 0.0, roomy=roomy)
    n = count_sites(xp, shown, rows)
    root = root_mean_square(xp, chosen_sites(xp, shown, rows), 0.0, roomy=roomy)
    return root * xp.sqrt(xp.full_like(n, rows.shape[-1]) / n)


def geometric_mean(xp, window):
    """Return the geometric mean of each column, kept.

    A product of k-th roots does not overflow and needs no logarithms, which lose digits; a step of Newton's method
    gives back what the roots themselves lost.
    """
    k = window.shape[0]
    mean = xp.prod(window ** (1 / k), axis=0, keepdims=True)
    plain = (mean > 0) & xp.isfinite(mean)
    off = xp.prod(window / xp.where(plain, mean, xp.ones_like(mean)), axis=0, keepdims=True) - 1
    return xp.where(plain & xp.isfinite(off), mean + mean * (off / k), mean)


def smoothed(xp, rows, shown, var, variances, *, step, warmup, skip_outliers, roomy) -> Smoothed:
    """Return what a batch is divided by: its own root mean square, or the geometric mean of the window's."""
    window = variances.shape[0]
    own = xp.matrix_transpose(quadratic_mean(xp, rows, shown, roomy=roomy))
    roots = xp.sqrt(variances)
    mean = geometric_mean(xp, replaced(xp, roots, step, own))
    filled = replaced(xp, variances, step, own * own)
    c = centered(xp, xp.reshape(roots, (-1,)), roomy=roomy)
    spread = total(xp, c * c, roomy=roomy) / (c.shape[0] - 1)
    apart = xp.mean(filled, axis=0, keepdims=True) - mean * mean
    left_out = xp.any(apart > window * spread) & (skip_outliers and step >= warmup)
    root = xp.where(left_out | (step <= window or step < warmup), own, mean)
    kept = replaced(xp, variances, step, xp.where(left_out, var, own * own))
    return Smoothed(xp.matrix_transpose(root), kept, left_out)


@operator(
    paper="yang2022unified",
    cases=[
        case("smoothed", normal(2, 5, 4), positive(4), positive(3, 4), step=8, warmup=2),
        case("affine", normal(3, 4, 5, std=2.0), positive(5), positive(4, 5), normal(5), normal(5), step=5, warmup=5,
             momentum=0.3, eps=0.5),
        case("warming up", normal(2, 5, 4), positive(4), positive(4, 4), step=9, warmup=10, momentum=0.6),
        case("window not full", normal(7, 3), positive(3), positive(4, 3), None, normal(3), step=4, warmup=0, eps=0.1),
        case("masked", normal(2, 6, 4), positive(4), positive(5, 4), normal(4), None, booleans(2, 6, 1, chance=0.6),
             step=12, warmup=3, eps=0.2),
        case("channels first", normal(3, 7, mean=3.0), positive(3), positive(2, 3), step=9, warmup=1, axis=0),
        case("left out", normal(3, 4, 5, std=9.0), positive(5), uniform(4, 5, low=0.9, high=1.1), step=6, warmup=6,
             skip_outliers=True, momentum=0.7, eps=0.3),
        case("too early to be left out", normal(3, 4, 5, std=9.0), positive(5), uniform(4, 5, low=0.9, high=1.1),
             step=6, warmup=7, skip_outliers=True),
        case("left out of a window not full", normal(3, 4, 5, std=9.0), positive(5), uniform(4, 5, low=0.9, high=1.1),
             step=3, warmup=0, skip_outliers=True),
        case("no outlier", normal(20, 6, std=3.0), positive(6), uniform(2, 6, low=1.0, high=25.0), step=9, warmup=2,
             skip_outliers=True),
    ],
    bench=case("tokens", BENCH, positive(384), positive(4, 384), normal(384), normal(384), step=5001),
    rows=lambda x, rng: (
        [within(x), rng.uniform(0.5, 2, size=len(x)), rng.uniform(0.5, 2, size=(4, len(x)))],
        {"step": 9, "warmup": 2, "axis": 0},
    ),
)  # fmt: skip
def unified_norm(
    x, var, variances, weight=None, bias=None, mask=None, /, *, step, axis=-1, warmup=4000, momentum=0.9,
    skip_outliers=False, eps=1e-5,
):  # fmt: skip
    r"""Divide every channel of `x` by a root mean square smoothed over the last few batches, then scale and shift.

    .. math:: y_{ic} = \frac{x_{ic}}{\sqrt{\hat\sigma^2_c + \epsilon}} \, w_c + b_c, \qquad
        \hat\sigma^2_c = \Bigl( \prod_{k=0}^{K-1} \sigma^2_{t-k,c} \Bigr)^{1/K}, \quad
        \sigma^2_{tc} = \frac{1}{m} \sum_i x_{ic}^2

    for the step t and a window of K batches; :math:`\hat\sigma^2 = \sigma^2_t` while :math:`t \le K` or t is below
    `warmup`. The running variance becomes :math:`\rho r + (1 - \rho) \hat\sigma^2`. Nothing is centred.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, tokens, C).
    var : array
        The running variance r, of shape (C,). It is ones before the first step.
    variances : array
        The mean squares of the last K batches, of shape (K, C) with K at least 2. Step t writes row t mod K. It is
        zeros before the first step.
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    mask : array of booleans, optional
        Which tokens are none of padding: the shape of `x` with one channel. Mean squares are of these alone; all tokens
        are normalized.
    step : int
        The step t, from 1 on.
    axis : int
        The channel axis.
    warmup : int
        From which step on the window is made use of.
    momentum : float
        The share :math:`\rho` of the old running variance.
    skip_outliers : bool
        From `warmup` on, leave a batch out of the window, and divide it by its own root mean square, where for any
        channel the arithmetic mean of the window exceeds the geometric one by more than K times the (unbiased) variance
        of all roots of `variances` as they came in. Its row of the window is then r.
    eps : float
        Added to the mean square, in units of x squared.

    Returns
    -------
    tuple
        ``(y, var, variances)``: the normalized data, in the shape, dtype, library and device of `x`, and the state
        after this step, in the dtypes of the state before. A mean square too large for the dtype is infinite. A NaN
        makes its channel NaN, an infinity itself NaN and the rest of its channel 0, now and while it is in the window.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `mask` no booleans, the arrays are of two libraries, `axis`, `step` or
        `warmup` is no int, `skip_outliers` is no bool, or `momentum` is no number.
    ValueError
        A parameter has not the shape (C,), `variances` not (K, C), a channel has no elements, `x` has no axis `axis`,
        `step` is below 1 or `warmup` below 0, `momentum` is not in 0..1, or `eps` is negative.

    Notes
    -----
    After training the norm is :func:`batch_norm` with means of 0 and the running variance. What follows it takes it in
    by :func:`fold_layer_norm`, given ``gain / sqrt(var + eps)``; what comes before it by :func:`fold_batch_norm`. The
    gradient of the paper is smoothed too: :func:`unified_norm_vjp`. That of autograd is the plain derivative.

    References
    ----------
    Yang et al., Unified Normalization for Accelerating and Stabilizing Transformers, 2022 (the text not read; ``UN1d``
    and ``UN2dFunction.forward`` of the released code, hikvision-research/Unified-Normalization, were).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, window = np.array([[3.0], [-3.0]]), np.array([[1.0], [9.0]])
    >>> y, var, variances = refnorm.norm.unified_norm(x, np.ones(1), window, step=3, warmup=0, eps=0.0)
    >>> y.round(3).tolist()  # row 1 becomes 9, as it was: the geometric mean of 1 and 9 is 3
    [[1.732], [-1.732]]
    >>> var.round(3).tolist(), variances.tolist()
    ([1.2], [[1.0], [9.0]])
    """
    xp, x, var, variances, weight, bias = prepare(x, var, variances, weight, bias, need=3)
    channel = asked(xp, x, var, variances, mask, axis, step, warmup, skip_outliers, eps, weight, bias)
    keep, take = shares(momentum, "old", None, 0)
    planes, shown = moved(xp, channel, 0, x, mask)
    wide, r, window, w, b = widen(xp, planes, var, variances, weight, bias)
    rows, shown, r, w, b = as_rows(xp, wide, shown, r, w, b)
    spare, how = roomy(x, rows), dict(step=step, warmup=warmup, skip_outliers=skip_outliers)
    now = smoothed(xp, rows, shown, xp.matrix_transpose(r), window, **how, roomy=spare)
    y = affine(rows / root_mean_square(xp, now.root, eps, roomy=spare), w, b)
    y = give_back(xp, *moved(xp, 0, channel, xp.reshape(y, planes.shape)), x)
    r = keep * r + take * (now.root * now.root)
    return y, like_weight(xp, r, var), like_weight(xp, now.variances, variances)


@law(unified_norm, normal(6, 4), positive(4), positive(3, 4))
def a_batch_of_its_own_is_scale_free(f, x, var, variances):
    return f(4 * x, var, variances, step=1, eps=0.0)[0], f(x, var, variances, step=1, eps=0.0)[0]


@law(unified_norm, normal(6, 4), positive(4), positive(3, 4))
def all_in_squared_units(f, x, var, variances):
    how = dict(step=7, warmup=2)
    return f(4 * x, 16 * var, 16 * variances, eps=4.0, **how)[0], f(x, var, variances, eps=0.25, **how)[0]


@law(unified_norm, normal(6, 4), positive(4), normal(4), normal(4))
def a_window_of_equals_changes_nothing(f, x, var, weight, bias):
    square = (x * x).mean(axis=0)
    y, _, _ = f(x, var, 0 * x[:3] + square, weight, bias, step=7, warmup=2, eps=0.5)
    return y, x / (square + 0.5) ** 0.5 * weight + bias


@law(unified_norm, normal(6, 4), positive(4), positive(3, 4))
def the_window_takes_the_batch(f, x, var, variances):
    _, _, window = f(x, var, variances, step=7, warmup=2)
    return window[1], (x * x).mean(axis=0)


@law(unified_norm, normal(6, 4), positive(4), positive(2, 4))
def the_running_variance_moves_to_the_one_divided_by(f, x, var, variances):
    _, r, window = f(x, var, variances, step=7, warmup=2, momentum=0.25, eps=0.0)
    return r, 0.25 * var + 0.75 * (window[0] * window[1]) ** 0.5


# ---- backwards ----


@operator(
    paper="yang2022unified",
    cases=[
        case("smoothed", normal(2, 5, 4), normal(2, 5, 4), positive(4), positive(3, 4), normal(4), normal(3, 4),
             step=1008, warmup=2),
        case("weight, windows apart", normal(3, 4, 5), normal(3, 4, 5, std=2.0), positive(5), positive(4, 5), normal(5),
             normal(3, 5), normal(5), step=1206, warmup=1205, momentum=0.3, eps=0.5),
        case("warming up", normal(2, 5, 4), normal(2, 5, 4), positive(4), positive(2, 4), normal(4), normal(4, 4),
             normal(4), step=9, warmup=10, momentum=0.6, eps=0.1),
        case("window not full", normal(7, 3), normal(7, 3), positive(3), positive(2, 3), normal(3), normal(4, 3),
             step=4, warmup=4, momentum=0.5, eps=0.1),
        case("window full, not yet compensated", normal(7, 3), normal(7, 3), positive(3), positive(2, 3), normal(3),
             normal(4, 3), step=1000, warmup=4, momentum=0.5, eps=0.1),
        case("no longer warming up", normal(7, 3), normal(7, 3), positive(3), positive(2, 3), normal(3), normal(4, 3),
             step=5, warmup=5, momentum=0.5, eps=0.1),
        case("compensated", normal(7, 3), normal(7, 3), positive(3), positive(2, 3), normal(3), normal(4, 3), normal(3),
             step=1001, warmup=4, momentum=0.5, eps=0.1),
        case("far off", normal(7, 4, mean=1.0), normal(7, 4), uniform(4, low=90.0, high=100.0), positive(2, 4),
             normal(4), normal(3, 4), normal(4), step=1001, warmup=4, momentum=0.5, eps=0.1),
        case("far off the other way", normal(7, 4, mean=1.0), normal(7, 4, std=9.0), uniform(4, low=0.1, high=0.2),
             uniform(2, 4, low=50.0, high=90.0), normal(4), normal(3, 4), normal(4), step=1001, warmup=4, momentum=0.5),
        case("masked", normal(2, 6, 4), normal(2, 6, 4), positive(4), positive(5, 4), normal(4), normal(5, 4),
             normal(4), booleans(2, 6, 1, chance=0.6), step=2012, warmup=3, eps=0.2),
        case("channels first", normal(3, 7), normal(3, 7, mean=3.0), positive(3), positive(2, 3), normal(3),
             normal(2, 3), normal(3), step=1001, warmup=1, axis=0),
        case("left out", normal(3, 4, 5), normal(3, 4, 5, std=9.0), positive(5), uniform(4, 5, low=0.9, high=1.1),
             normal(5), normal(3, 5), normal(5), step=1006, warmup=6, skip_outliers=True, momentum=0.7, eps=0.3),
    ],
    bench=case("tokens", BENCH, BENCH, positive(384), positive(4, 384), normal(384), normal(4, 384), normal(384),
               step=5001),
    rows=lambda x, rng: (
        [rng.normal(size=x.shape), within(x), *rng.uniform(0.5, 2, size=(1, len(x))),
         rng.uniform(0.5, 2, size=(4, len(x))), rng.normal(size=len(x)), rng.normal(size=(4, len(x)))],
        {"step": 1009, "warmup": 2, "axis": 0},
    ),
)  # fmt: skip
def unified_norm_vjp(
    cotangent, x, var, variances, tilt, tilts, weight=None, mask=None, /, *, step, axis=-1, warmup=4000, momentum=0.9,
    skip_outliers=False, eps=1e-5,
):  # fmt: skip
    r"""Pull a cotangent back through :func:`unified_norm` by statistics that are smoothed as its own are.

    .. math:: \bar x = \frac{h - \tau' z}{s}, \quad \tau' = \rho \tau + (1 - \rho) \hat\tau, \quad
        \hat\tau_c = \frac{1}{K} \sum_{k=0}^{K-1} \tau_{t-k,c}, \quad
        \tau_{tc} = \frac{1}{n} \sum_i h_{ic} z_{ic}, \quad h = q \, \bar y \, w

    with :math:`s = \sqrt{\hat\sigma^2 + \epsilon}`, :math:`z = x / s`, sums over all n tokens, and the compensation
    q = s over the root of :math:`r + \epsilon`, held between 1/5 and 5, for the running variance r before the step.
    q = 1 while t is at most 1000 or `warmup`; :math:`\hat\tau = \tau_t` while :math:`t \le K` or t is below `warmup`.

    Parameters
    ----------
    cotangent : array
        The cotangent of the normalized data, of the shape of `x`.
    x, var, variances, weight, mask : array
        As given to :func:`unified_norm` at this step.
    tilt : array
        The smoothed tilt :math:`\tau`, of shape (C,). It is zeros before the first step.
    tilts : array
        The tilts of the last K batches, of shape (K, C) with K at least 2, which need not be that of `variances`. It is
        zeros before the first step.
    step, axis, warmup, momentum, skip_outliers, eps
        As in :func:`unified_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias, tilt, tilts)``: cotangents, those of weight and bias in any case, and the state after
        this step. dweight is the sum of :math:`q \bar y z`, dbias that of :math:`\bar y`. A batch that is left out
        has :math:`q = 1`, :math:`\hat\tau = \tau_t` and :math:`\bar x = (h - \tau_t z) / s`; its row of `tilts` is
        the old `tilt`. A NaN makes its channel NaN.

    Raises
    ------
    TypeError, ValueError
        As in :func:`unified_norm`; also where `cotangent` has not the shape of `x`, `tilt` not (C,) or `tilts`
        not (K, C).

    Notes
    -----
    This is not the derivative of :func:`unified_norm`, but what the paper trains with in its place. It is that of
    x over its own root mean square where `momentum` is 0, the step is the first and nothing is masked.

    References
    ----------
    Yang et al., Unified Normalization for Accelerating and Stabilizing Transformers, 2022 (the text not read;
    ``UN2dFunction.backward`` of the released code, hikvision-research/Unified-Normalization, was).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g, one, window = np.array([[1.0], [-1.0]]), np.array([[4.0], [0.0]]), np.ones(1), np.ones((2, 1))
    >>> dx, dw, db, tilt, tilts = refnorm.norm.unified_norm_vjp(g, x, one, window, one, window, step=1, eps=0.0)
    >>> dx.round(3).tolist(), dw.tolist(), db.tolist()  # the tilt of the batch is 2, the smoothed one 1.1
    ([[2.9], [1.1]], [4.0], [4.0])
    >>> tilt.round(3).tolist(), tilts.tolist()
    ([1.1], [[1.0], [2.0]])
    """
    xp, cotangent, x, *state, weight = prepare(cotangent, x, var, variances, tilt, tilts, weight, need=6)
    channel = asked(xp, x, var, variances, mask, axis, step, warmup, skip_outliers, eps, weight, None)
    require_same_shape("cotangent", cotangent, x)
    require_shape("tilt", tilt, var.shape)
    require_window("tilts", tilts, x.shape[channel])
    keep, take = shares(momentum, "old", None, 0)
    planes, g, shown = moved(xp, channel, 0, x, cotangent, mask)
    wide, g, r, window, before, last, w = widen(xp, planes, g, *state, weight)
    rows, g, shown, r, before, w = as_rows(xp, wide, g, shown, r, before, w)
    spare, how = roomy(x, rows), dict(step=step, warmup=warmup, skip_outliers=skip_outliers)
    now = smoothed(xp, rows, shown, xp.matrix_transpose(r), window, **how, roomy=spare)
    s = root_mean_square(xp, now.root, eps, roomy=spare)
    plain = now.left_out | (step <= max(LEAST_STEPS, warmup))
    q = xp.where(plain, xp.ones_like(s), xp.clip(s / xp.sqrt(r + eps), 1 / LIMIT, LIMIT))
    z, w = rows / s, 1.0 if w is None else w
    level, turn = total(xp, g, roomy=spare), total(xp, g * z, roomy=spare) * q
    own = turn / rows.shape[-1] * w
    after, last, pull = pulled(xp, own, before, last, now.left_out, step, warmup, keep, take)
    dx = g * (q * w / s) - z * (pull / s)
    dx = give_back(xp, *moved(xp, 0, channel, xp.reshape(dx, planes.shape)), x)
    tilt, tilts = like_weight(xp, after, tilt), like_weight(xp, last, tilts)
    return dx, give_back(xp, turn[:, 0], x), give_back(xp, level[:, 0], x), tilt, tilts


def pulled(xp, own, before, tilts, left_out, step, warmup, keep, take):
    """Return the smoothed tilt, the window of tilts with this batch in it, and the tilt to take off."""
    first, old = xp.matrix_transpose(own), xp.matrix_transpose(before)
    tilts = replaced(xp, tilts, step, xp.where(left_out, old, first))
    alone = left_out | (step <= tilts.shape[0] or step < warmup)
    mean = xp.where(alone, first, xp.mean(tilts, axis=0, keepdims=True))
    after = keep * before + take * xp.matrix_transpose(mean)
    return after, tilts, xp.where(left_out, own, after)


@law(unified_norm_vjp, *[normal(6, 4)] * 2, positive(4), positive(3, 4), normal(4), normal(3, 4), normal(4))
def linear_in_cotangent_and_tilts(f, g, x, var, variances, tilt, tilts, weight):
    how = dict(step=1007, warmup=2, eps=0.5)
    one = f(g, x, var, variances, tilt, tilts, weight, **how)
    return f(4 * g, x, var, variances, 4 * tilt, 4 * tilts, weight, **how)[0], 4 * one[0]


@law(unified_norm_vjp, *[normal(6, 4)] * 2, positive(4), positive(3, 4), normal(4), normal(3, 4), normal(4))
def without_a_past_it_is_the_derivative(f, g, x, var, variances, tilt, tilts, weight):
    s = ((x * x).mean(axis=0) + 0.5) ** 0.5
    h, z = g * weight, x / s
    got = f(g, x, var, variances, tilt, tilts, weight, step=1, momentum=0.0, eps=0.5)[0]
    return got, (h - (h * z).mean(axis=0) * z) / s


@law(unified_norm_vjp, *[normal(6, 4)] * 2, positive(4), positive(3, 4), normal(4), normal(3, 4))
def all_momentum_takes_the_old_tilt(f, g, x, var, variances, tilt, tilts):
    s = ((x * x).mean(axis=0) + 0.5) ** 0.5
    return f(g, x, var, variances, tilt, tilts, step=1, momentum=1.0, eps=0.5)[0], (g - tilt * x / s) / s


@law(unified_norm_vjp, *[normal(6, 4)] * 2, positive(4), positive(3, 4), normal(4), normal(3, 4))
def the_window_of_tilts_is_averaged(f, g, x, var, variances, tilt, tilts):
    *_, after, window = f(g, x, var, variances, tilt, tilts, step=1007, warmup=2, momentum=0.25, eps=0.5)
    return after, 0.25 * tilt + 0.75 * window.mean(axis=0)
