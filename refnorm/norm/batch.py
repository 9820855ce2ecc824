"""(x - mean) / sqrt(var + eps), one mean and variance a channel: stored ones, or those of the batch itself."""

from __future__ import annotations

import math

from .._cases import case, normal, positive
from .._core.channels import affine, as_rows, channel_of, elements, given, moved
from .._core.moments import centered, root_mean_square
from .._core.sums import mean as mean_of
from .._core.sums import total
from .._lanes import load, run, takes
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

kernels = load(__name__)

BENCH = normal(32, 64, 56, 56)


def within(x):
    """Return rows divided by a power of two, so that their variance fits every dtype."""
    return x / 2.0 ** max(0, math.frexp(abs(x).max())[1] - 6)


TRAIN_CASES = [
    case("planes", normal(4, 3, 5, 6)),
    case("affine", normal(4, 3, 5, 2), normal(3), normal(3), eps=0.1),
    case("loud eps", normal(5, 3, 4), eps=0.5),
    case("affine, loud eps", normal(3, 7, 11), normal(7), normal(7), eps=2.0),
    case("weight alone", normal(6, 4, 3), normal(4), eps=0.1),
    case("bias alone", normal(6, 4, 3), None, normal(4), eps=0.1),
    case("channels last", normal(3, 5, 2, 4), normal(4), normal(4), axis=-1, eps=0.1),
    case("channels first", normal(3, 5, 4), normal(3), normal(3), axis=0, eps=0.1),
    case("square", normal(3, 4, 4), normal(4), normal(4), eps=0.1),
    case("table", normal(37, 5), normal(5), normal(5), eps=0.1),
    case("volume", normal(2, 3, 3, 2, 4), normal(3), normal(3), eps=0.1),
    case("offset", normal(3, 4, 11, mean=1e4), normal(4), normal(4)),
    case("small", normal(4, 3, 8, std=1e-3), normal(3), normal(3), eps=1e-4),
    case("long", normal(2, 3, 1030), normal(3), normal(3)),
]


def require_both(what, mean, var, shape) -> None:
    """Refuse moments, or their cotangents, that are not one number a channel."""
    require_shape(f"{what}mean", mean, shape)
    require_shape(f"{what}var", var, shape)


def sums_of(planes):
    """Return what asks a kernel for two sums a channel beside its answer."""
    return {"parts": (1, 2, planes.shape[0]), "units": planes.shape[0]}


# ---- with stored moments ----


@operator(
    paper=("ioffe2015batch", "frankle2020training"),
    kernel="batch_norm",
    cases=[
        case("planes", normal(4, 3, 5, 6), normal(3), positive(3)),
        case("affine", normal(4, 3, 5, 2), normal(3), positive(3), normal(3), normal(3), eps=0.1),
        case("loud eps", normal(5, 3, 4), normal(3), positive(3), eps=0.5),
        case("affine, loud eps", normal(3, 7, 11), normal(7), positive(7), normal(7), normal(7), eps=2.0),
        case("weight alone", normal(6, 4, 3), normal(4), positive(4), normal(4), eps=0.1),
        case("bias alone", normal(6, 4, 3), normal(4), positive(4), None, normal(4), eps=0.1),
        case("channels last", normal(3, 5, 2, 4), normal(4), positive(4), normal(4), normal(4), axis=-1, eps=0.1),
        case("channels first", normal(3, 5, 4), normal(3), positive(3), normal(3), normal(3), axis=0, eps=0.1),
        case("square", normal(3, 4, 4), normal(4), positive(4), normal(4), normal(4), eps=0.1),
        case("table", normal(37, 5), normal(5), positive(5), normal(5), normal(5), eps=0.1),
        case("volume", normal(2, 3, 3, 2, 4), normal(3), positive(3), normal(3), normal(3), eps=0.1),
        case("offset", normal(3, 4, 11, mean=1e4), normal(4, mean=1e4), positive(4), normal(4), normal(4)),
        case("one element a channel", normal(1, 5), normal(5), positive(5), normal(5), normal(5), eps=0.25),
        case("long", normal(2, 3, 1030), normal(3), positive(3), normal(3), normal(3)),
        case("no samples", normal(0, 3, 4), normal(3), positive(3), normal(3), normal(3)),
    ],
    bench=case("planes", BENCH, normal(64), positive(64), normal(64), normal(64)),
    rows=lambda x, rng: ([x[None], x[:, 0], rng.uniform(50, 150, size=len(x)), *rng.normal(size=(2, len(x)))], {}),
)
def batch_norm(x, mean, var, weight=None, bias=None, /, *, axis=1, eps=1e-5, out=None):
    r"""Normalize every channel of `x` by a given mean and variance, then scale and shift.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_c}{\sqrt{\sigma^2_c + \epsilon}} \, w_c + b_c

    This is batch normalization as it is used after training, with the running statistics. For the moments of
    the batch itself see :func:`batch_norm_train`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, C, *spatial).
    mean, var : array
        The moments :math:`\mu` and :math:`\sigma^2`, of shape (C,).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    axis : int
        The channel axis. -1 for channels-last data, which is taken as it lies.
    eps : float
        Added to the variance, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`, empty where `x` is. Every element stands alone: a NaN or an
        infinity makes no other one NaN. A channel with var + eps below zero is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is not one int.
    ValueError
        A parameter has not the shape (C,), `x` has no channel or no axis `axis`, `eps` is negative, `out` overlaps.

    Notes
    -----
    torch and ONNX have eps 1e-5, Keras 1e-3. `mean` and `var` in another dtype than `x` take the formula lane:
    the kernels want one dtype. See ``refnorm conventions batch_norm``.

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015 (not read again: the formula is confirmed against torch, ONNX and
    Keras). Frankle, Schwab and Morcos, Training BatchNorm and Only BatchNorm, 2020.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> refnorm.norm.batch_norm(x, np.array([1.0, 20.0]), np.array([4.0, 25.0]), eps=0.0)
    array([[ 0., -2.],
           [ 1.,  2.]])
    """
    xp, x, mean, var, weight, bias = prepare(x, mean, var, weight, bias, need=3)
    channel = channel_of(x, axis)
    require_along(x, channel, eps, weight, bias)
    check_out(out, x, mean, var, weight, bias)
    planes, into = moved(xp, channel, 0, x, out)
    require_both("", mean, var, planes.shape[:1])
    if takes(kernels, planes, mean, var, weight, bias):
        y = run(kernels.batch_norm, planes, mean, var, weight, bias, eps, out=into, units=planes.shape[0])
    else:
        rows, m, v, w, b = as_rows(xp, *widen(xp, planes, mean, var, weight, bias))
        y = xp.reshape(affine((rows - m) / xp.sqrt(v + eps), w, b), planes.shape)
    return give_back(xp, *moved(xp, 0, channel, y), x, out=out)


@gradient(batch_norm)
def batch_norm_vjp(cotangent, x, mean, var, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    r"""Return the cotangents of all arrays for a cotangent of ``batch_norm(x, mean, var, weight, bias)``.

    .. math::
        \bar x = \frac{\bar y w}{s}, \quad \bar\mu = -\frac{w}{s} \sum \bar y, \quad
        \overline{\sigma^2} = -\frac{w}{2 s^2} \sum \bar y \hat x, \quad
        \bar w = \sum \bar y \hat x, \quad \bar b = \sum \bar y

    with :math:`s = \sqrt{\sigma^2 + \epsilon}` and :math:`\hat x = (x - \mu) / s`; sums run over all axes but the
    channel axis.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, mean, var, weight, bias, axis, eps
        As in :func:`batch_norm`.

    Returns
    -------
    tuple
        ``(dx, dmean, dvar, dweight, dbias)``; None where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`batch_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the batch norm of Ioffe and Szegedy, 2015, at given moments; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [5.0]])
    >>> dx, dmean, dvar, *_ = refnorm.norm.batch_norm_vjp(np.ones((2, 1)), x, np.ones(1), 4 * np.ones(1), eps=0.0)
    >>> dx.tolist(), dmean.tolist(), dvar.tolist()
    ([[0.5], [0.5]], [-1.0], [-0.25])
    """
    xp, cotangent, x, mean, var, weight, bias = prepare(cotangent, x, mean, var, weight, bias, need=4)
    channel = channel_of(x, axis)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, channel, eps, weight, bias)
    g, planes = moved(xp, channel, 0, cotangent, x)
    require_both("", mean, var, planes.shape[:1])
    v, w = widen(xp, var, weight)
    s, w = xp.sqrt(v + eps), 1.0 if w is None else w
    if takes(kernels, g, planes, mean, var, weight):
        dx, (tilt, level) = run(kernels.batch_norm_vjp, g, planes, mean, var, weight, eps, **sums_of(planes))
    else:
        spare = roomy(x, s)
        g, rows, m, root, gain = as_rows(xp, *widen(xp, g, planes, mean), s, w / s)
        dx = xp.reshape(g * gain, planes.shape)
        tilt = xp.sum(total(xp, g * (rows - m) / root, roomy=spare), axis=-1)  # 0 where there are no samples
        level = xp.sum(total(xp, g, roomy=spare), axis=-1)
    dx = give_back(xp, *moved(xp, 0, channel, dx), x)
    dmean, dvar = like_weight(xp, -level * w / s, mean), like_weight(xp, -0.5 * tilt * w / s / s, var)
    return dx, dmean, dvar, like_weight(xp, tilt, weight), like_weight(xp, level, bias)


@law(batch_norm, normal(4, 3, 5), normal(3), positive(3))
def shift_free(f, x, mean, var):
    return f(x + 4, mean + 4, var, eps=0.5), f(x, mean, var, eps=0.5)


@law(batch_norm, normal(4, 3, 5), normal(3), positive(3))
def eps_adds_to_the_variance(f, x, mean, var):
    return f(x, mean, var, eps=0.5), f(x, mean, var + 0.5, eps=0.0)


@law(batch_norm, normal(4, 3, 5), normal(3), positive(3), normal(3), normal(3))
def affine_comes_last(f, x, mean, var, weight, bias):
    plain = f(x, mean, var, eps=0.5)
    return f(x, mean, var, weight, bias, eps=0.5), plain * weight[:, None] + bias[:, None]


@law(batch_norm, normal(4, 3, 5), normal(3), positive(3), normal(3), normal(3))
def undone_by_its_own_affine_part(f, x, mean, var, weight, bias):
    return f(x, mean, var, (var + 0.5) ** 0.5, mean, eps=0.5), x


@operator(
    paper=("ioffe2015batch", "frankle2020training"),
    kernel="batch_moments",
    cases=[
        case("planes", normal(4, 3, 5, 6)),
        case("channels last", normal(3, 5, 2, 4), axis=-1),
        case("channels first", normal(3, 5, 4), axis=0),
        case("table", normal(37, 5)),
        case("line", normal(4, 3, 11, mean=0.5, std=3.0)),
        case("volume", normal(2, 3, 3, 2, 4)),
        case("offset", normal(3, 4, 11, mean=1e4)),
        case("small", normal(4, 3, 8, mean=1e-3, std=1e-3)),
        case("long", normal(2, 3, 1030)),
    ],
    bench=case("planes", BENCH),
    rows=lambda x, rng: ([within(x)[None]], {}),
)
def batch_moments(x, /, *, axis=1):
    r"""Return the mean and the variance of every channel of `x`, and the number of elements they are of.

    .. math:: \mu_c = \frac{1}{m} \sum_{n,i} x_{nci}, \qquad
        \sigma^2_c = \frac{1}{m} \sum_{n,i} (x_{nci} - \mu_c)^2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, C, *spatial).
    axis : int
        The channel axis; moments are taken over all the others.

    Returns
    -------
    tuple
        ``(mean, var, count)``: two arrays of shape (C,) in the dtype, library and device of `x`, and :math:`m` as a
        Python int. The variance has the denominator m (biased); of one element it is 0. A NaN makes both NaN, an
        infinity the variance. A variance too large for the dtype is infinite.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `axis` is not one int.
    ValueError
        A channel has no elements, or `x` has no channel or no axis `axis`.

    Notes
    -----
    What is stored as the running variance differs: torch's is the unbiased one, Keras's and ONNX's the biased.
    ``update_running(..., correction=1, count=count)`` makes the one of the other.

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015 (not read again: confirmed against torch and Keras). Frankle,
    Schwab and Morcos, Training BatchNorm and Only BatchNorm, 2020.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.batch_moments(np.array([[1.0, 0.0], [3.0, 0.0]]))
    (array([2., 0.]), array([1., 0.]), 2)
    """
    xp, x = prepare(x)
    channel = channel_of(x, axis)
    require_along(x, channel)
    count = elements(x, channel)
    (planes,) = moved(xp, channel, 0, x)
    if takes(kernels, planes):
        both = run(kernels.batch_moments, planes, shape=(2, planes.shape[0]), units=planes.shape[0])
        mean, var = both[0, :], both[1, :]
    else:
        (rows,) = as_rows(xp, *widen(xp, planes))
        mean, var, _ = moments(xp, rows, roomy=roomy(x, rows))
    return give_back(xp, mean, x), give_back(xp, var, x), count


def moments(xp, rows, *, roomy):
    """Return mean and variance of every row, and the rows less their mean."""
    c = centered(xp, rows, roomy=roomy)
    return mean_of(xp, rows, roomy=roomy)[:, 0], mean_of(xp, c * c, roomy=roomy)[:, 0], c


@gradient(batch_moments)
def batch_moments_vjp(cotangent, x, /, *, axis=1):
    r"""Return the cotangent of `x` for cotangents of the mean and the variance of ``batch_moments(x)``.

    .. math:: \bar x_{nci} = \frac{1}{m} \bar\mu_c + \frac{2}{m} (x_{nci} - \mu_c) \, \overline{\sigma^2}_c

    Parameters
    ----------
    cotangent : tuple
        The cotangents of mean and variance, of shape (C,); either may be None.
    x, axis
        As in :func:`batch_moments`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`batch_moments`; also where `cotangent` is not a tuple of two, or one has not the shape (C,).

    References
    ----------
    The derivative of the moments of Ioffe and Szegedy, 2015; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [3.0]])
    >>> refnorm.norm.batch_moments_vjp((np.array([4.0]), np.array([1.0])), x).tolist()
    [[1.0], [3.0]]
    """
    xp, x, gmean, gvar = prepare(x, *given(cotangent, "mean var"))
    channel = channel_of(x, axis)
    require_along(x, channel)
    count = elements(x, channel)
    (planes,) = moved(xp, channel, 0, x)
    require_both("cotangent of ", gmean, gvar, planes.shape[:1])
    if takes(kernels, planes, gmean, gvar):
        dx = run(kernels.batch_moments_vjp, planes, gmean, gvar, units=planes.shape[0])
    else:
        rows, a, b = as_rows(xp, *widen(xp, planes, gmean, gvar))
        dx = xp.zeros_like(rows) + pulled(centered(xp, rows, roomy=roomy(x, rows)), count, a, b)
        dx = xp.reshape(dx, planes.shape)
    return give_back(xp, *moved(xp, 0, channel, dx), x)


def pulled(c, count, gmean, gvar):
    """Return what cotangents of the moments add to that of x, where c = x - mean."""
    dx = 0.0 if gmean is None else gmean / count
    return dx if gvar is None else dx + c * (2 / count) * gvar


@law(batch_moments, normal(4, 3, 5))
def variance_does_not_move_with_a_shift(f, x):
    return f(x + 4)[1], f(x)[1]


@law(batch_moments, normal(4, 3, 5))
def variance_scales_by_the_square(f, x):
    return f(8 * x)[1], 64 * f(x)[1]


@law(batch_moments, normal(4, 3, 5))
def raw_second_moment(f, x):
    mean, var, _ = f(x)
    return var + mean**2, (x * x).mean(axis=(0, 2))


@law(batch_moments, normal(4, 3, 5))
def weighs_every_element_the_same(f, x):
    """The moments of two stacked batches: a pooled mean, and the variance within and between (Chan)."""
    one, two, both = f(x[:1]), f(x[1:]), f(x)
    share = one[2] / both[2]
    mean = share * one[0] + (1 - share) * two[0]
    return both[1], share * (one[1] + (one[0] - mean) ** 2) + (1 - share) * (two[1] + (two[0] - mean) ** 2)


# ---- with the moments of the batch ----


@operator(
    paper=("ioffe2015batch", "frankle2020training"),
    kernel="batch_norm_train",
    cases=TRAIN_CASES,
    bench=case("planes", BENCH, normal(64), normal(64)),
    rows=lambda x, rng: ([within(x)[None], *rng.normal(size=(2, len(x)))], {"eps": 1e-30}),
)
def batch_norm_train(x, weight=None, bias=None, /, *, axis=1, eps=1e-5, out=None):
    r"""Normalize every channel of `x` by its own mean and variance over the batch, then scale and shift.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_c}{\sqrt{\sigma^2_c + \epsilon}} \, w_c + b_c

    with the moments of :func:`batch_moments`, which are returned too. A sample's answer depends on the others'.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, C, *spatial).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    axis : int
        The channel axis; moments are taken over all the others.
    eps : float
        Added to the variance, in units of x squared.
    out : array, optional
        Where to write the normalized data (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    tuple
        ``(y, mean, var)``: `y` has the shape, dtype, library and device of `x`; the moments have the shape (C,) and
        the dtype of `x`, and `var` has the denominator m (biased). A constant channel gives exactly the bias while
        eps > 0, and so does a channel of one element. A NaN or an infinity makes its whole channel NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is not one int.
    ValueError
        A channel has no elements, `weight` or `bias` has not the shape (C,), `x` has no axis `axis`, `eps` is
        negative, `out` overlaps.

    Notes
    -----
    One element a channel is no error here: its variance is 0. torch raises, Keras stores 0. The moments are rounded
    to the dtype of `x` for the caller only; `y` is computed from them unrounded. To keep running statistics, hand
    them to :func:`update_running`. See ``refnorm conventions batch_norm_train``.

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015 (not read again: the formula is confirmed against torch and Keras).
    Frankle, Schwab and Morcos, Training BatchNorm and Only BatchNorm, 2020.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> y, mean, var = refnorm.norm.batch_norm_train(np.array([[1.0, 10.0], [3.0, 26.0]]), eps=0.0)
    >>> y.tolist(), mean.tolist(), var.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 18.0], [1.0, 64.0])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    channel = channel_of(x, axis)
    require_along(x, channel, eps, weight, bias)
    elements(x, channel)
    check_out(out, x, weight, bias)
    planes, into = moved(xp, channel, 0, x, out)
    if takes(kernels, planes, weight, bias):
        y, (mean, var) = run(kernels.batch_norm_train, planes, weight, bias, eps, out=into, **sums_of(planes))
    else:
        rows, w, b = as_rows(xp, *widen(xp, planes, weight, bias))
        spare = roomy(x, rows)
        mean, var, c = moments(xp, rows, roomy=spare)
        y = xp.reshape(affine(c / root_mean_square(xp, c, eps, roomy=spare), w, b), planes.shape)
    y = give_back(xp, *moved(xp, 0, channel, y), x, out=out)
    return y, give_back(xp, mean, x), give_back(xp, var, x)


@gradient(batch_norm_train)
def batch_norm_train_vjp(cotangent, x, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    r"""Return the cotangents of `x`, `weight` and `bias` for cotangents of ``batch_norm_train(x, weight, bias)``.

    .. math::
        \bar x = \frac{1}{s} \Bigl( h - \frac{1}{m} \sum h - \hat x \, \frac{1}{m} \sum h \hat x \Bigr)
            + \frac{1}{m} \bar\mu + \frac{2}{m} (x - \mu) \, \overline{\sigma^2},
        \quad \bar w = \sum \bar y \hat x, \quad \bar b = \sum \bar y

    with :math:`h = \bar y w`, :math:`s = \sqrt{\sigma^2 + \epsilon}` and :math:`\hat x = (x - \mu) / s`; sums run
    over all axes but the channel axis.

    Parameters
    ----------
    cotangent : tuple
        The cotangents of `y`, of the shape of `x`, and of the mean and the variance, of shape (C,); each may be None.
    x, weight, bias, axis, eps
        As in :func:`batch_norm_train`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias)``; None where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`batch_norm_train`; also where `cotangent` is not a tuple of three, or one has the wrong shape.

    References
    ----------
    The derivative of the batch norm of Ioffe and Szegedy, 2015; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [3.0], [1.0], [3.0]])
    >>> g = np.array([[1.0], [0.0], [0.0], [0.0]])
    >>> refnorm.norm.batch_norm_train_vjp((g, None, None), x, eps=0.0)[0].tolist()
    [[0.5], [0.0], [-0.5], [0.0]]
    """
    xp, x, gy, gmean, gvar, weight, bias = prepare(x, *given(cotangent, "y mean var"), weight, bias)
    channel = channel_of(x, axis)
    require_along(x, channel, eps, weight, bias)
    count = elements(x, channel)
    gy = xp.zeros_like(x) if gy is None else gy
    require_same_shape("cotangent", gy, x)
    planes, g = moved(xp, channel, 0, x, gy)
    require_both("cotangent of ", gmean, gvar, planes.shape[:1])
    if takes(kernels, g, planes, weight, gmean, gvar):
        dx, (dw, db) = run(kernels.batch_norm_train_vjp, g, planes, weight, gmean, gvar, eps, **sums_of(planes))
    else:
        rows, g, w, a, b = as_rows(xp, *widen(xp, planes, g, weight, gmean, gvar))
        spare = roomy(x, rows)
        c = centered(xp, rows, roomy=spare)
        s = root_mean_square(xp, c, eps, roomy=spare)
        unit, h = c / s, affine(g, w, None)
        dx = (h - mean_of(xp, h, roomy=spare) - unit * mean_of(xp, h * unit, roomy=spare)) / s
        dx = xp.reshape(dx + pulled(c, count, a, b), planes.shape)
        dw, db = total(xp, g * unit, roomy=spare), total(xp, g, roomy=spare)
    dx = give_back(xp, *moved(xp, 0, channel, dx), x)
    return dx, like_weight(xp, dw, weight), like_weight(xp, db, bias)


@law(batch_norm_train, normal(4, 3, 5))
def shift_free_too(f, x):
    return f(x + 4, eps=0.5)[0], f(x, eps=0.5)[0]


@law(batch_norm_train, normal(4, 3, 5))
def scale_free(f, x):
    return f(8 * x, eps=0.0)[0], f(x, eps=0.0)[0]


@law(batch_norm_train, normal(4, 3, 5), normal(3), normal(3))
def the_affine_part_comes_last(f, x, weight, bias):
    return f(x, weight, bias, eps=0.5)[0], f(x, eps=0.5)[0] * weight[:, None] + bias[:, None]


@law(batch_norm_train, normal(4, 3, 5))
def is_batch_norm_at_the_moments_it_returns(f, x):
    y, mean, var = f(x, eps=0.5)
    return y, (x - mean[:, None]) / (var[:, None] + 0.5) ** 0.5
