"""Vectors of mean zero stored without their last entry, and their RMS norm."""

from __future__ import annotations

from .._cases import case, normal
from .._core.channels import moved
from .._core.moments import root_mean_square
from .._core.sums import total
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    prepare,
    require_along,
    require_same_shape,
    require_switch,
    roomy,
    to_rows,
    widen,
)

kernels = load(__name__)


def completed(xp, x, *, roomy):
    """Return rows with minus their sum at the end, and by what they are made smaller where it would overflow: eps is
    nothing there."""
    scale = xp.ones_like(x[..., :1])
    if not roomy:
        most = xp.max(xp.abs(x), axis=-1, keepdims=True)
        beyond = 2.0 * x.shape[-1]
        near = ~xp.isfinite(most * beyond) & xp.isfinite(most)
        scale = xp.where(near, xp.full_like(most, beyond), scale)
        x = x / scale
    return xp.concat([x, -total(xp, x, roomy=roomy)], axis=-1), scale


@operator(
    paper="jiang2023pre",
    kernel="crms_norm",
    cases=[
        case("rows", normal(4, 8)),
        case("loud eps", normal(2, 3, 9), eps=0.5),
        case("axis", normal(3, 5, 4), axis=1, eps=0.1),
        case("two axes", normal(2, 3, 5), axis=(1, 2), eps=0.1),
        case("offset", normal(3, 33, mean=30.0), eps=2.0),
        case("small rows", normal(5, 16, std=1e-3), eps=1e-4),
        case("one column", normal(4, 1), eps=0.25),
        case("long", normal(2, 1030)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 4096)),
)
def crms_norm(x, /, *, axis=-1, eps=1e-5, out=None):
    r"""Scale vectors of mean zero, stored without their last entry, to unit root mean square of the whole.

    .. math:: y_i = \frac{x_i}{\sqrt{q + \epsilon}}, \qquad
        q = \frac{1}{n + 1} \Bigl( \sum_j x_j^2 + \bigl( \sum_j x_j \bigr)^2 \Bigr)

    This is :func:`rms_norm` of the vector of n + 1 entries, of which the last is minus the sum of the others, without
    that last entry.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape. `n` is its size along `axis`.
    axis : int or tuple of int
        The axis to normalize over; several count as one.
    eps : float
        Added to the mean square over n + 1 entries, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A row of zeros gives zeros while eps > 0, else NaN.
        A NaN makes its row NaN, and so do two infinities of opposite sign; an infinity else makes itself NaN and the
        rest of its row 0.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing, `eps` is negative, `out` overlaps.

    Notes
    -----
    There is no weight: it is folded into the map that follows, by :func:`fold_layer_norm`, as the paper does. The
    authors' modules compute in float32 and inherit the eps of torch's LayerNorm, 1e-5.

    References
    ----------
    Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023 (not read again; confirmed at ``crms_norm`` of the
    released code, ZixuanJiang/pre-rmsnorm-transformer).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.crms_norm(np.array([3.0, 1.0, 0.0]), eps=0.0).round(3)  # of (3, 1, 0, -4)
    array([1.177, 0.392, 0.   ])
    """
    xp, x = prepare(x)
    require_along(x, axis, eps)
    check_out(out, x)
    rows, into = to_rows(xp, axis, x, out)
    if takes(kernels, rows):
        y = run(kernels.crms_norm, rows, eps, out=into)
    else:
        (wide,) = widen(xp, rows)
        spare = roomy(rows, wide)
        whole, _ = completed(xp, wide, roomy=spare)
        y = whole[..., :-1] / root_mean_square(xp, whole, eps, roomy=spare)
    return give_back(xp, y, x, axis, out)


@gradient(crms_norm)
def crms_norm_vjp(cotangent, x, /, *, axis=-1, eps=1e-5):
    r"""Return the cotangent of `x` for a cotangent of ``crms_norm(x)``.

    .. math::
        \bar x_j = \frac{1}{r} \Bigl( \bar y_j - \frac{x_j + s}{r} \, \frac{1}{n + 1} \sum_i \bar y_i \, \frac{x_i}{r}
        \Bigr), \quad s = \sum_i x_i, \quad r = \sqrt{q + \epsilon}

    with q as in :func:`crms_norm`. The missing entry, -s, has no cotangent of its own.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis, eps
        As in :func:`crms_norm`.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`crms_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the definition of Jiang et al., 2023; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([3.0, 1.0, 0.0])  # of (3, 1, 0, -4), whose root is 3
    >>> refnorm.norm.crms_norm_vjp(np.array([1.0, 0.0, 0.0]), x, eps=2.5).round(3)
    array([ 0.139, -0.139, -0.111])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis, eps)
    rows, g = to_rows(xp, axis, x, cotangent)
    if takes(kernels, g, rows):
        dx = run(kernels.crms_norm_vjp, g, rows, eps)
    else:
        wide, g = widen(xp, rows, g)
        spare = roomy(rows, wide)
        whole, scale = completed(xp, wide, roomy=spare)
        r = root_mean_square(xp, whole, eps, roomy=spare)
        unit = whole / r
        tilt = total(xp, g * unit[..., :-1], roomy=spare) / whole.shape[-1]
        dx = (g - (unit[..., :-1] - unit[..., -1:]) * tilt) / r / scale
    return give_back(xp, dx, x, axis)


@law(crms_norm, normal(4, 8))
def the_rms_norm_of_the_whole(f, x):
    whole = x - x.mean(axis=1, keepdims=True)
    return f(whole[:, :-1], eps=0.5), (whole / ((whole**2).mean(axis=1, keepdims=True) + 0.5) ** 0.5)[:, :-1]


@law(crms_norm, normal(4, 8))
def scale_free_compressed(f, x):
    return f(7 * x, eps=0.0), f(x, eps=0.0)


@law(crms_norm, normal(4, 8))
def any_entry_may_be_the_missing_one(f, x):
    """The first entry changes places with the missing one; the others stay what they were."""
    other = x * 1.0
    other[:, 0] = -x.sum(axis=1)
    return f(other, eps=0.5)[:, 1:], f(x, eps=0.5)[:, 1:]


@law(crms_norm, normal(5, 16))
def eps_in_squared_units(f, x):
    return f(4 * x, eps=16 * 0.3), f(x, eps=0.3)


@operator(
    paper="jiang2023pre",
    cases=[
        case("rows", normal(4, 8)),
        case("back", normal(4, 7), inverse=True),
        case("axis", normal(3, 5, 4), axis=1),
        case("axis, back", normal(3, 5, 4), axis=0, inverse=True),
        case("offset, back", normal(3, 33, mean=100.0), inverse=True),
        case("no rows", normal(0, 4), inverse=True),
    ],
    bench=case("back", normal(4096, 1024), inverse=True),
    rows=lambda x, rng: ([x / x.shape[1]], {"inverse": True}),  # sums of half types have little room
)
def compress_zero_mean(x, /, *, axis=-1, inverse=False):
    r"""Leave out the last entry of vectors of mean zero, or put it back.

    .. math:: (x_1, \dots, x_{d-1}, x_d) \mapsto (x_1, \dots, x_{d-1}), \qquad
        (x_1, \dots, x_{d-1}) \mapsto \Bigl( x_1, \dots, x_{d-1}, -\sum_{j<d} x_j \Bigr)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    axis : int
        The axis along which the mean is zero. That it is zero is not looked at.
    inverse : bool
        Put the last entry back.

    Returns
    -------
    array
        `x` with one entry less along `axis`, or one more; its dtype, library and device. A NaN or an infinity reaches
        the entry that is put back.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `axis` is no int, or `inverse` is no bool.
    ValueError
        `axis` is missing or empty, or holds one entry alone, of which nothing would be left.

    References
    ----------
    Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023 (not read again; formula as catalogued, which names
    the example of the released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.compress_zero_mean(np.array([3.0, 1.0, -4.0]))
    array([3., 1.])
    >>> refnorm.norm.compress_zero_mean(np.array([3.0, 1.0]), inverse=True)
    array([ 3.,  1., -4.])
    """
    xp, x = prepare(x)
    require_switch("inverse", inverse)
    require_along(x, axis)
    if isinstance(axis, tuple | list):
        raise TypeError(f"axis must be one int, got {axis!r}")
    if x.shape[axis] == 1 and not inverse:
        raise ValueError(f"axis {axis} must hold at least two entries, got an array of shape {tuple(x.shape)}")
    place = axis % x.ndim
    (rows,) = moved(xp, place, x.ndim - 1, x)
    if inverse:
        (wide,) = widen(xp, rows)
        last = give_back(xp, -total(xp, wide, roomy=roomy(rows, wide)), x)
        rows = xp.concat([rows, last], axis=-1)
    else:
        rows = rows[..., :-1]
    return moved(xp, x.ndim - 1, place, rows)[0]


@law(compress_zero_mean, normal(4, 8))
def there_and_back(f, x):
    return f(f(x, inverse=True)), x


@law(compress_zero_mean, normal(4, 8))
def the_mean_is_zero(f, x):
    return f(x, inverse=True).sum(axis=1), 0 * x[:, 0]


@law(compress_zero_mean, normal(3, 5))
def linear(f, x):
    return f(2 * x + 1, inverse=True), 2 * f(x, inverse=True) + f(0 * x + 1, inverse=True)
