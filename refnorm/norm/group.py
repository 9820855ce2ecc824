"""(x - mean) / sqrt(var + eps), one mean and variance a sample and group of channels, or a sample and channel."""

from __future__ import annotations

import math
import operator as op

from .._cases import case, normal
from .._core.channels import affine, channel_of, moved
from .._core.moments import centered, root_mean_square
from .._core.sums import mean
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import check_out, give_back, like_weight, prepare, require_along, require_same_shape, roomy, widen

kernels = load(__name__)

BENCH = normal(32, 64, 56, 56)


def channel_beside(x, axis) -> int:
    """Return the channel axis counted from the front; refuse the sample axis, and moments of no element."""
    channel = channel_of(x, axis)
    if channel == 0:
        raise ValueError(f"axis must not be the sample axis 0, got {axis!r}")
    if 0 in x.shape[1:]:
        raise ValueError(f"a channel must have at least one element, got an array of shape {tuple(x.shape)}")
    return channel


def group_size(channels, groups) -> int:
    """Return the number of channels a group; refuse groups that do not divide the channels."""
    try:
        count = op.index(groups)
    except TypeError:
        raise TypeError(f"groups must be an int, got {groups!r}") from None
    if count < 1 or channels % count:
        raise ValueError(f"groups must divide the channels, got {groups} groups and {channels} channels")
    return channels // count


def by_group(xp, x, size):
    """Return (N, C, ...) as one row a sample and group of `size` channels."""
    return xp.reshape(x, (x.shape[0], x.shape[1] // size, size * math.prod(x.shape[2:])))


def by_channel(xp, x, shape):
    """Return data of the `shape` (N, C, *spatial) as one row a sample and channel."""
    return xp.reshape(x, (*shape[:2], math.prod(shape[2:])))


def columns(xp, *parameters):
    """Return parameters of shape (C,) as (C, 1)."""
    return tuple(p if p is None else xp.reshape(p, (-1, 1)) for p in parameters)


# ---- over groups ----


@operator(
    paper=("wu2018group", "yu2021metaformer", "xu2024ela"),
    kernel="group_norm",
    cases=[
        case("planes", normal(4, 6, 5, 3), groups=2),
        case("affine", normal(4, 6, 5, 2), normal(6), normal(6), groups=3, eps=0.1),
        case("loud eps", normal(3, 4, 5), groups=2, eps=0.5),
        case("affine, loud eps", normal(3, 10, 7), normal(10), normal(10), groups=5, eps=2.0),
        case("weight alone", normal(3, 6, 3), normal(6), groups=2, eps=0.1),
        case("bias alone", normal(3, 6, 3), None, normal(6), groups=3, eps=0.1),
        case("channels last", normal(3, 5, 2, 6), normal(6), normal(6), groups=2, axis=-1, eps=0.1),
        case("channels between", normal(3, 5, 6, 2), normal(6), normal(6), groups=3, axis=2, eps=0.1),
        case("square", normal(3, 4, 4), normal(4), normal(4), groups=2, eps=0.1),
        case("table", normal(5, 12), normal(12), normal(12), groups=3, eps=0.1),
        case("volume", normal(2, 4, 3, 2, 3), normal(4), normal(4), groups=2, eps=0.1),
        case("one group", normal(3, 5, 4), normal(5), normal(5), groups=1, eps=0.1),
        case("a group a channel", normal(3, 5, 7), normal(5), normal(5), groups=5, eps=0.1),
        case("offset", normal(3, 6, 11, mean=1e4), normal(6), normal(6), groups=2),
        case("small", normal(3, 6, 8, std=1e-3), normal(6), normal(6), groups=2, eps=1e-4),
        case("long", normal(2, 4, 1030), normal(4), normal(4), groups=2),
        case("no samples", normal(0, 6, 4), normal(6), normal(6), groups=2),
    ],
    bench=case("planes", BENCH, normal(64), normal(64), groups=32),
    rows=lambda x, rng: ([x, *rng.normal(size=(2, x.shape[1]))], {"groups": 1}),
)
def group_norm(x, weight=None, bias=None, /, *, groups, axis=1, eps=1e-5, out=None):
    r"""Normalize every group of channels of every sample to mean 0 and variance 1, then scale and shift.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_{ng}}{\sqrt{\sigma^2_{ng} + \epsilon}} \, w_c + b_c, \qquad
        g = \lfloor c \, G / C \rfloor

    where :math:`\mu_{ng}` and :math:`\sigma^2_{ng}` are the mean and the variance over the C/G channels of group g,
    which lie side by side, and over all positions.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    groups : int
        The number of groups :math:`G`, which divides C. 1 takes a sample as one group; C is :func:`instance_norm`.
    axis : int
        The channel axis, not 0. -1 for channels-last data, which is taken as it lies.
    eps : float
        Added to the variance, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples. A constant group gives
        exactly the bias while eps > 0. A NaN or an infinity makes its whole group NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` or `groups` is no int.
    ValueError
        `groups` does not divide C, `axis` is 0 or missing, a group has no elements, `weight` or `bias` has not the
        shape (C,), `eps` is negative, `out` overlaps.

    Notes
    -----
    The variance has the denominator n (biased). ONNX has one weight and bias a channel from opset 21 on; opset 18
    had one a group, which is ``weight = xp.repeat(weight, C // groups)`` here, and `bias` alike. The moments are
    never taken in half precision, as some kernels did. See ``refnorm conventions group_norm``.

    References
    ----------
    Wu and He, Group Normalization, 2018 (not read again: the formula is confirmed against torch and ONNX). Yu et al.,
    MetaFormer Is Actually What You Need for Vision, 2021, with one group. Xu and Wan, ELA: Efficient Local
    Attention for Deep Convolutional Neural Networks, 2024.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.group_norm(np.array([[1.0, 3.0, 10.0, 26.0]]), groups=2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    channel = channel_beside(x, axis)
    require_along(x, channel, eps, weight, bias)
    size = group_size(x.shape[channel], groups)
    check_out(out, x, weight, bias)
    planes, into = moved(xp, channel, 1, x, out)
    shape = planes.shape
    if takes(kernels, planes, weight, bias):
        units = shape[0] * groups
        y = run(kernels.group_norm, planes, weight, bias, groups, eps, out=into, units=units)
    else:
        wide, w, b = widen(xp, planes, *columns(xp, weight, bias))
        spare = roomy(x, wide)
        c = centered(xp, by_group(xp, wide, size), roomy=spare)
        y = by_channel(xp, c / root_mean_square(xp, c, eps, roomy=spare), shape)
        y = xp.reshape(affine(y, w, b), shape)
    return give_back(xp, *moved(xp, 1, channel, y), x, out=out)


@gradient(group_norm)
def group_norm_vjp(cotangent, x, weight=None, bias=None, /, *, groups, axis=1, eps=1e-5):
    r"""Return the cotangents of `x`, `weight` and `bias` for a cotangent of ``group_norm(x, weight, bias)``.

    .. math::
        \bar x = \frac{1}{s} \Bigl( h - \frac{1}{n} \sum h - \hat x \, \frac{1}{n} \sum h \hat x \Bigr),
        \quad h = \bar y w, \quad \hat x = (x - \mu) / s, \quad s = \sqrt{\sigma^2 + \epsilon}, \quad
        \bar w_c = \sum_{n, i} \bar y \hat x, \quad \bar b_c = \sum_{n, i} \bar y

    where the sums without limits run over the group of a sample.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, weight, bias, groups, axis, eps
        As in :func:`group_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias)``; None where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`group_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the group norm of Wu and He, 2018; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g = np.array([[1.0, 3.0, 1.0, 3.0]]), np.array([[1.0, 0.0, 0.0, 0.0]])
    >>> refnorm.norm.group_norm_vjp(g, x, groups=1, eps=0.0)[0]
    array([[ 0.5,  0. , -0.5,  0. ]])
    """
    xp, cotangent, x, weight, bias = prepare(cotangent, x, weight, bias, need=2)
    channel = channel_beside(x, axis)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, channel, eps, weight, bias)
    size = group_size(x.shape[channel], groups)
    g, planes = moved(xp, channel, 1, cotangent, x)
    shape = planes.shape
    if takes(kernels, g, planes, weight):
        sums = dict(parts=(shape[0], 2, shape[1]), units=shape[0] * groups)
        dx, (dw, db) = run(kernels.group_norm_vjp, g, planes, weight, groups, eps, **sums)
    else:
        g, wide, w = widen(xp, g, planes, *columns(xp, weight))
        spare = roomy(x, wide)
        c = centered(xp, by_group(xp, wide, size), roomy=spare)
        s = root_mean_square(xp, c, eps, roomy=spare)
        unit, g = c / s, by_channel(xp, g, shape)
        h = by_group(xp, affine(g, w, None), size)
        dx = xp.reshape((h - mean(xp, h, roomy=spare) - unit * mean(xp, h * unit, roomy=spare)) / s, shape)
        dw, db = xp.sum(g * by_channel(xp, unit, shape), axis=(0, 2)), xp.sum(g, axis=(0, 2))
    return give_back(xp, *moved(xp, 1, channel, dx), x), like_weight(xp, dw, weight), like_weight(xp, db, bias)


@law(group_norm, normal(3, 6, 5))
def shift_free(f, x):
    return f(x + 4, groups=2, eps=0.5), f(x, groups=2, eps=0.5)


@law(group_norm, normal(3, 6, 5))
def scale_free(f, x):
    return f(8 * x, groups=2, eps=0.0), f(x, groups=2, eps=0.0)


@law(group_norm, normal(3, 6, 5), normal(6), normal(6))
def affine_comes_last(f, x, weight, bias):
    plain = f(x, groups=3, eps=0.5)
    return f(x, weight, bias, groups=3, eps=0.5), plain * weight[:, None] + bias[:, None]


@law(group_norm, normal(3, 6, 5))
def a_group_stands_alone(f, x):
    return f(x, groups=2, eps=0.5)[:, 3:], f(x[:, 3:], groups=1, eps=0.5)


@law(group_norm, normal(3, 6, 5))
def groups_are_neighbours(f, x):
    one = x.reshape(3, 2, 15)
    one = (one - one.mean(axis=2, keepdims=True)) / (one.var(axis=2, keepdims=True) + 0.5) ** 0.5
    return f(x, groups=2, eps=0.5), one.reshape(x.shape)


# ---- over one channel ----


@operator(
    paper=("ulyanov2016instance", "zhou2019learning"),
    kernel="instance_norm",
    cases=[
        case("planes", normal(4, 3, 5, 6)),
        case("affine", normal(4, 3, 5, 2), normal(3), normal(3), eps=0.1),
        case("loud eps", normal(3, 4, 5), eps=0.5),
        case("affine, loud eps", normal(3, 7, 11), normal(7), normal(7), eps=2.0),
        case("weight alone", normal(3, 6, 5), normal(6), eps=0.1),
        case("bias alone", normal(3, 6, 5), None, normal(6), eps=0.1),
        case("channels last", normal(3, 5, 2, 4), normal(4), normal(4), axis=-1, eps=0.1),
        case("channels between", normal(3, 5, 6, 2), normal(6), normal(6), axis=2, eps=0.1),
        case("square", normal(3, 4, 4), normal(4), normal(4), eps=0.1),
        case("volume", normal(2, 4, 3, 2, 3), normal(4), normal(4), eps=0.1),
        case("offset", normal(3, 5, 11, mean=1e4), normal(5), normal(5)),
        case("small", normal(3, 5, 8, std=1e-3), normal(5), normal(5), eps=1e-4),
        case("long", normal(2, 3, 1030), normal(3), normal(3)),
        case("no samples", normal(0, 6, 4), normal(6), normal(6)),
    ],
    bench=case("planes", BENCH, normal(64), normal(64)),
    rows=lambda x, rng: ([x[None], *rng.normal(size=(2, len(x)))], {}),
)
def instance_norm(x, weight=None, bias=None, /, *, axis=1, eps=1e-5, out=None):
    r"""Normalize every channel of every sample to mean 0 and variance 1, then scale and shift.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_{nc}}{\sqrt{\sigma^2_{nc} + \epsilon}} \, w_c + b_c, \qquad
        \mu_{nc} = \frac{1}{m} \sum_i x_{nci}, \quad \sigma^2_{nc} = \frac{1}{m} \sum_i (x_{nci} - \mu_{nc})^2

    where i runs over the m positions.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    axis : int
        The channel axis, not 0. -1 for channels-last data, which is taken as it lies.
    eps : float
        Added to the variance, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples. A constant channel gives
        exactly the bias while eps > 0, and so does one of a single position. A NaN or an infinity makes its whole
        channel of its sample NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is not one int.
    ValueError
        `axis` is 0 or missing, a channel has no elements, `weight` or `bias` has not the shape (C,), `eps` is
        negative, `out` overlaps.

    Notes
    -----
    The variance has the denominator m (biased). torch refuses a single position, here it gives the bias. Running
    statistics, which torch can keep, are batch norm's affair. See ``refnorm conventions instance_norm``.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, Instance Normalization, 2016 (not read again: the formula is confirmed against
    torch and ONNX). Zhou et al., Learning Generalisable Omni-Scale Representations for Person Re-Identification,
    2019.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.instance_norm(np.array([[[1.0, 3.0], [10.0, 26.0]]]), eps=0.0)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    channel = channel_beside(x, axis)
    require_along(x, channel, eps, weight, bias)
    check_out(out, x, weight, bias)
    planes, into = moved(xp, channel, 1, x, out)
    shape = planes.shape
    if takes(kernels, planes, weight, bias):
        units = shape[0] * shape[1]
        y = run(kernels.instance_norm, planes, weight, bias, eps, out=into, units=units)
    else:
        wide, w, b = widen(xp, planes, *columns(xp, weight, bias))
        spare = roomy(x, wide)
        c = centered(xp, by_channel(xp, wide, shape), roomy=spare)
        y = xp.reshape(affine(c / root_mean_square(xp, c, eps, roomy=spare), w, b), shape)
    return give_back(xp, *moved(xp, 1, channel, y), x, out=out)


@gradient(instance_norm)
def instance_norm_vjp(cotangent, x, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    r"""Return the cotangents of `x`, `weight` and `bias` for a cotangent of ``instance_norm(x, weight, bias)``.

    .. math::
        \bar x = \frac{1}{s} \Bigl( h - \frac{1}{m} \sum_i h - \hat x \, \frac{1}{m} \sum_i h \hat x \Bigr),
        \quad h = \bar y w, \quad \hat x = (x - \mu) / s, \quad s = \sqrt{\sigma^2 + \epsilon}, \quad
        \bar w_c = \sum_{n, i} \bar y \hat x, \quad \bar b_c = \sum_{n, i} \bar y

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, weight, bias, axis, eps
        As in :func:`instance_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias)``; None where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`instance_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the instance norm of Ulyanov, Vedaldi and Lempitsky, 2016; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g = np.array([[[1.0, 3.0, 1.0, 3.0]]]), np.array([[[1.0, 0.0, 0.0, 0.0]]])
    >>> refnorm.norm.instance_norm_vjp(g, x, eps=0.0)[0]
    array([[[ 0.5,  0. , -0.5,  0. ]]])
    """
    xp, cotangent, x, weight, bias = prepare(cotangent, x, weight, bias, need=2)
    channel = channel_beside(x, axis)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, channel, eps, weight, bias)
    g, planes = moved(xp, channel, 1, cotangent, x)
    shape = planes.shape
    if takes(kernels, g, planes, weight):
        sums = dict(parts=(shape[0], 2, shape[1]), units=shape[0] * shape[1])
        dx, (dw, db) = run(kernels.instance_norm_vjp, g, planes, weight, eps, **sums)
    else:
        g, wide, w = widen(xp, by_channel(xp, g, shape), by_channel(xp, planes, shape), *columns(xp, weight))
        spare = roomy(x, wide)
        c = centered(xp, wide, roomy=spare)
        s = root_mean_square(xp, c, eps, roomy=spare)
        unit, h = c / s, affine(g, w, None)
        dx = xp.reshape((h - mean(xp, h, roomy=spare) - unit * mean(xp, h * unit, roomy=spare)) / s, shape)
        dw, db = xp.sum(g * unit, axis=(0, 2)), xp.sum(g, axis=(0, 2))
    return give_back(xp, *moved(xp, 1, channel, dx), x), like_weight(xp, dw, weight), like_weight(xp, db, bias)


@law(instance_norm, normal(3, 6, 5))
def shift_free_too(f, x):
    return f(x + 4, eps=0.5), f(x, eps=0.5)


@law(instance_norm, normal(3, 6, 5))
def scale_free_too(f, x):
    return f(8 * x, eps=0.0), f(x, eps=0.0)


@law(instance_norm, normal(3, 6, 5), normal(6), normal(6))
def the_affine_part_comes_last(f, x, weight, bias):
    return f(x, weight, bias, eps=0.5), f(x, eps=0.5) * weight[:, None] + bias[:, None]


@law(instance_norm, normal(3, 6, 5))
def every_channel_stands_alone(f, x):
    return f(x, eps=0.5)[:, 3:4], f(x[:, 3:4], eps=0.5)


@law(instance_norm, normal(3, 6, 5))
def eps_is_in_squared_units(f, x):
    return f(4 * x, eps=16 * 0.3), f(x, eps=0.3)
