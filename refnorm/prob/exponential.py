"""exp(x) / sum exp(x), its logarithm, and that of the sum."""

from __future__ import annotations

from .._cases import case, normal
from .._core.sums import sum_pair, total, two_sum
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    device,
    give_back,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    roomy,
    to_rows,
    widen,
)  # fmt: skip

kernels = load(__name__)

CASES = [
    case("rows", normal(4, 8)),
    case("one axis", normal(9)),
    case("loud", normal(3, 37, std=8.0)),
    case("offset", normal(3, 21, mean=300.0)),
    case("far apart", normal(3, 21, std=60.0)),
    case("axis", normal(3, 5, 4, std=3.0), axis=1),
    case("first axis", normal(7, 5, std=3.0), axis=0),
    case("two axes", normal(2, 3, 5, std=3.0), axis=(1, 2)),
    case("one column", normal(4, 1)),
    case("long", normal(2, 5000)),
    case("no rows", normal(0, 4)),
]


def below_maximum(xp, x, *, roomy):
    """Return (z, lost): x - max along the last axis, so that no exponential overflows, and the rounding of it.

    The maximum cancels in the answer, but not the rounding of x - max, where the dtype has no digits to spare.
    """
    largest = xp.max(x, axis=-1, keepdims=True)
    return (x - largest, 0.0) if roomy else two_sum(xp, x, -largest)


def beside_maximum(xp, x, e, *, roomy):
    """Return the sum of e = exp(x - max) along the last axis without the first largest, whose exponential is 1."""
    largest = xp.arange(x.shape[-1], device=device(x)) == xp.argmax(x, axis=-1, keepdims=True)
    return total(xp, xp.where(largest, e - 1, e), roomy=roomy)  # 0 at the maximum, and NaN still NaN


def distribution(xp, x, *, roomy):
    """Return the softmax of wide rows."""
    z, lost = below_maximum(xp, x, roomy=roomy)
    e = xp.exp(z)
    if roomy:
        return e / xp.sum(e, axis=-1, keepdims=True)
    s, rest = sum_pair(xp, e)
    rest = rest + xp.sum(e * lost, axis=-1, keepdims=True)
    y = e / s
    return y + y * (lost - rest / s)


@operator(
    paper="bridle1989training",
    kernel="softmax",
    cases=CASES,
    bench=case("rows", normal(8192, 1024)),
)
def softmax(x, /, *, axis=-1, out=None):
    r"""Turn scores into a distribution along `axis`.

    .. math:: y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis that sums to one; several count as one.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. -inf beside a finite score gives 0. A row of -inf, and
        a row with a NaN or +inf, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing, or `out` overlaps `x` in part.

    Notes
    -----
    The row's maximum is taken off first, which changes nothing and keeps every exponential at most 1. ONNX
    before opset 13 flattened all axes from 1 on: ``axis=tuple(range(1, x.ndim))``. Temperature scaling, which
    calibrates a classifier (Guo et al., 2017), is ``softmax(x / temperature)``.

    References
    ----------
    Bridle, Training Stochastic Model Recognition Algorithms as Networks, NIPS 1989 (not read again: the formula
    is confirmed against SciPy, torch and JAX).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.softmax(np.log(np.array([1.0, 2.0, 1.0]))).round(3)
    array([0.25, 0.5 , 0.25])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    check_out(out, x)
    rows, into = to_rows(xp, axis, x, out)
    if takes(kernels, rows):
        y = run(kernels.softmax, rows, out=into)
    else:
        (wide,) = widen(xp, rows)
        y = distribution(xp, wide, roomy=roomy(rows, wide))
    return give_back(xp, y, x, axis, out)


@gradient(softmax)
def softmax_vjp(cotangent, x, /, *, axis=-1):
    r"""Return the cotangent of `x` for a cotangent of ``softmax(x)``.

    .. math:: \bar x_i = y_i \Bigl( \bar y_i - \sum_j \bar y_j y_j \Bigr), \qquad y = \mathrm{softmax}(x)

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis
        As in :func:`softmax`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`softmax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of Bridle's softmax, NIPS 1989.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.softmax_vjp(np.array([1.0, 0.0]), np.zeros(2))
    array([ 0.25, -0.25])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    rows, g = to_rows(xp, axis, x, cotangent)
    if takes(kernels, g, rows):
        dx = run(kernels.softmax_vjp, g, rows)
    else:
        wide, g = widen(xp, rows, g)
        spare = roomy(rows, wide)
        y = distribution(xp, wide, roomy=spare)
        dx = y * (g - total(xp, g * y, roomy=spare))
    return give_back(xp, dx, x, axis)


@operator(
    paper="bridle1989training",
    kernel="log_softmax",
    cases=CASES,
    bench=case("rows", normal(8192, 1024)),
)
def log_softmax(x, /, *, axis=-1, out=None):
    r"""Return the logarithm of the softmax along `axis`, accurate also where a probability is nearly 1.

    .. math:: y_i = x_i - \log \sum_j e^{x_j}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis whose exponentials sum to one; several count as one.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. -inf beside a finite score stays -inf. A row of -inf,
        and a row with a NaN or +inf, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing, or `out` overlaps `x` in part.

    Notes
    -----
    The largest exponential is exactly 1 and is left out of the sum that goes to log1p: without that the
    answer of a dominating score, about -1e-12, would keep four digits.

    References
    ----------
    The logarithm of Bridle's softmax, NIPS 1989.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.log_softmax(np.array([0.0, -50.0]))
    array([-1.92874985e-22, -5.00000000e+01])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    check_out(out, x)
    rows, into = to_rows(xp, axis, x, out)
    if takes(kernels, rows):
        y = run(kernels.log_softmax, rows, out=into)
    else:
        (wide,) = widen(xp, rows)
        spare = roomy(rows, wide)
        z, _ = below_maximum(xp, wide, roomy=spare)
        y = z - xp.log1p(beside_maximum(xp, wide, xp.exp(z), roomy=spare))
    return give_back(xp, y, x, axis, out)


@gradient(log_softmax)
def log_softmax_vjp(cotangent, x, /, *, axis=-1):
    r"""Return the cotangent of `x` for a cotangent of ``log_softmax(x)``.

    .. math:: \bar x_i = \bar y_i - \mathrm{softmax}(x)_i \sum_j \bar y_j

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis
        As in :func:`log_softmax`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`log_softmax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the logarithm of Bridle's softmax, NIPS 1989.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.log_softmax_vjp(np.array([1.0, 0.0]), np.zeros(2))
    array([ 0.5, -0.5])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    rows, g = to_rows(xp, axis, x, cotangent)
    if takes(kernels, g, rows):
        dx = run(kernels.log_softmax_vjp, g, rows)
    else:
        wide, g = widen(xp, rows, g)
        spare = roomy(rows, wide)
        dx = g - distribution(xp, wide, roomy=spare) * total(xp, g, roomy=spare)
    return give_back(xp, dx, x, axis)


@operator(
    paper="blanchard2021accurately",
    cases=CASES,
    bench=case("rows", normal(8192, 1024)),
)
def log_sum_exp(x, /, *, axis=-1):
    r"""Return the logarithm of the sum of exponentials along `axis`: a smooth maximum.

    .. math:: y = \log \sum_j e^{x_j}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    axis : int or tuple of int
        The axis that is summed; several count as one.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. From the maximum to log n above it. A row of -inf gives -inf,
        a +inf gives +inf, a NaN gives NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing.

    Notes
    -----
    The maximum is taken off and added again, and its own exponential, 1, is left out of the sum that goes to log1p: the
    logarithm of a sum near 1 keeps its digits.

    References
    ----------
    Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, 2021 (not read again: the
    formula is confirmed against SciPy and torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.log_sum_exp(np.log(np.array([[1.0, 2.0, 5.0], [0.25, 0.5, 0.25]]))).round(4)
    array([2.0794, 0.    ])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    largest = xp.max(wide, axis=-1, keepdims=True)
    finite = xp.isfinite(largest)
    e = xp.exp(wide - xp.where(finite, largest, xp.zeros_like(largest)))
    rest = beside_maximum(xp, wide, e, roomy=roomy(rows, wide))
    y = largest + xp.where(finite, xp.log1p(rest), xp.zeros_like(rest))
    return give_back(xp, y[..., 0], x)


@gradient(log_sum_exp)
def log_sum_exp_vjp(cotangent, x, /, *, axis=-1):
    r"""Return the cotangent of `x` for a cotangent of ``log_sum_exp(x)``.

    .. math:: \bar x_i = \bar y \, \mathrm{softmax}(x)_i

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x` without `axis`.
    x, axis
        As in :func:`log_sum_exp`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`log_sum_exp`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of the log-sum-exp of Blanchard et al., 2021.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.log_sum_exp_vjp(np.array([4.0]), np.log(np.array([[1.0, 2.0, 1.0]])))
    array([[1., 2., 1.]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    require_shape("cotangent", cotangent, tuple(rows.shape[:-1]))
    wide, g = widen(xp, rows, cotangent)
    dx = g[..., None] * distribution(xp, wide, roomy=roomy(rows, wide))
    return give_back(xp, dx, x, axis)


@law(softmax, normal(4, 8, std=3.0))
def sums_to_one(f, x):
    y = f(x)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 1


@law(softmax, normal(4, 8, std=3.0))
def shift_free(f, x):
    return f(x + 4), f(x)


@law(softmax, normal(4, 8, std=3.0))
def order_free(f, x):
    return f(x[:, ::-1]), f(x)[:, ::-1]


@law(log_softmax, normal(4, 8, std=3.0))
def shift_free_logarithm(f, x):
    return f(x + 4), f(x)


@law(log_softmax, normal(4, 8, std=3.0))
def differences_stay(f, x):
    y = f(x)
    return y[:, 1:] - y[:, :1], x[:, 1:] - x[:, :1]


@law(log_sum_exp, normal(4, 8, std=3.0))
def a_shift_shifts(f, x):
    return f(x + 4), f(x) + 4


@law(log_sum_exp, normal(4, 8, std=3.0))
def of_twice_as_many(f, x):
    return f(x[:, [*range(8), *range(8)]]), f(x) + 0.6931471805599453


@law(log_sum_exp, normal(4, 8, std=3.0))
def of_two_parts(f, x):
    parts = f(x.reshape(4, 2, 4))
    return f(parts), f(x)
