"""x / sqrt(mean x^2 + eps): rows of unit root mean square."""

from __future__ import annotations

from .._cases import case, normal
from .._core.moments import root_mean_square, sum_leading
from .._core.sums import mean
from .._lanes import load, row_blocks, run, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    roomy,
    to_rows,
    widen,
)  # fmt: skip

kernels = load(__name__)


@operator(
    paper=("zhang2019root", "jiang2023pre"),
    kernel="rms_norm",
    cases=[
        case("rows", normal(4, 8)),
        case("weight", normal(2, 3, 8), normal(8)),
        case("loud eps", normal(4, 8), eps=0.5),
        case("weight, loud eps", normal(3, 37), normal(37), eps=2.0),
        case("axis", normal(3, 5, 4), normal(5), axis=1, eps=0.1),
        case("two axes", normal(2, 3, 5), normal(3, 5), axis=(1, 2), eps=0.1),
        case("offset", normal(3, 33, mean=30.0), normal(33)),
        case("small rows", normal(5, 16, std=1e-3), normal(16), eps=1e-4),
        case("one column", normal(4, 1), normal(1), eps=0.25),
        case("long", normal(2, 1030), normal(1030)),
        case("no rows", normal(0, 4), normal(4)),
    ],
    bench=case("rows", normal(4096, 1024), normal(1024)),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape[1])], {}),
)
def rms_norm(x, weight=None, /, *, axis=-1, eps=1e-6, out=None):
    r"""Scale `x` to unit root mean square along `axis`.

    .. math:: y_i = \frac{x_i}{\sqrt{\frac{1}{n} \sum_j x_j^2 + \epsilon}} \, w_i

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape. `n` is its size along `axis`.
    weight : array, optional
        The gain :math:`w`, of the shape of `axis`.
    axis : int or tuple of int
        The axis to normalize over; several count as one.
    eps : float
        Added to the mean square, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A row of zeros gives zeros while eps > 0, else NaN.
        A NaN makes its row NaN; an infinity makes itself NaN and the rest of its row 0.

    Raises
    ------
    TypeError
        `x` or `weight` does not hold floating numbers, or they are of two libraries.
    ValueError
        `weight` has not the shape of `axis`, `axis` is empty or missing, `eps` is negative, `out` overlaps.

    Notes
    -----
    torch takes ``eps=None`` as the machine epsilon of the computing type (2**-23 even for bfloat16); ONNX's
    RMSNormalization has 1e-5. Llama's code rounds to half precision before the weight, torch after it: here
    there is one rounding, at the end. See ``refnorm conventions rms_norm``.

    References
    ----------
    Zhang and Sennrich, Root Mean Square Layer Normalization, 2019: the definition has no eps. Their TensorFlow
    code adds 1e-8 inside the root, as here; their torch code adds it outside, which ``refnorm check`` names a
    mistake. Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.rms_norm(np.array([3.0, 4.0, 0.0, 0.0]), eps=0.0)
    array([1.2, 1.6, 0. , 0. ])
    """
    xp, x, weight = prepare(x, weight)
    require_along(x, axis, eps, weight)
    check_out(out, x, weight)
    rows, into, w = to_rows(xp, axis, x, out, weight)
    if takes(kernels, rows, w):
        y = run(kernels.rms_norm, rows, w, eps, out=into)
    else:
        wide, w = widen(xp, rows, w)
        spare = roomy(rows, wide)
        y = wide / root_mean_square(xp, wide, eps, roomy=spare)
        y = y if w is None else y * w
    return give_back(xp, y, x, axis, out)


@gradient(rms_norm)
def rms_norm_vjp(cotangent, x, weight=None, /, *, axis=-1, eps=1e-6):
    r"""Return the cotangents of `x` and `weight` for a cotangent of ``rms_norm(x, weight)``.

    .. math::
        \bar x = \frac{1}{r} \Bigl( \bar y w - \hat x \, \frac{1}{n} \sum_j \bar y_j w_j \hat x_j \Bigr), \quad
        \bar w = \sum_{\text{rows}} \bar y \hat x, \quad \hat x = x / r, \quad
        r = \sqrt{\tfrac{1}{n} \sum_j x_j^2 + \epsilon}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, weight, axis, eps
        As in :func:`rms_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight)``; `dweight` is None where there is no weight.

    Raises
    ------
    TypeError, ValueError
        As in :func:`rms_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the definition of Zhang and Sennrich, 2019.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> dx, _ = refnorm.norm.rms_norm_vjp(np.array([1.0, 0.0]), np.array([3.0, 4.0]), eps=0.0)
    >>> dx.round(3)  # no part along x: the answer is free of the scale of x
    array([ 0.181, -0.136])
    """
    xp, cotangent, x, weight = prepare(cotangent, x, weight, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis, eps, weight)
    rows, g, w = to_rows(xp, axis, x, cotangent, weight)
    if takes(kernels, g, rows, w):
        block, blocks = row_blocks(rows)
        dx, dw = run(kernels.rms_norm_vjp, g, rows, w, eps, block, parts=(blocks, rows.shape[-1]), units=blocks)
    else:
        wide, g, w = widen(xp, rows, g, w)
        spare = roomy(rows, wide)
        r = root_mean_square(xp, wide, eps, roomy=spare)
        unit = wide / r
        gw = g if w is None else g * w
        dx = (gw - unit * mean(xp, gw * unit, roomy=spare)) / r
        dw = sum_leading(xp, g * unit)
    return give_back(xp, dx, x, axis), like_weight(xp, dw, weight)


@law(rms_norm, normal(4, 8))
def scale_free(f, x):
    return f(7 * x, eps=0.0), f(x, eps=0.0)


@law(rms_norm, normal(4, 8), normal(8))
def weight_is_a_product(f, x, weight):
    return f(x, weight, eps=0.5), f(x, eps=0.5) * weight


@law(rms_norm, normal(4, 8))
def order_free(f, x):
    return f(x[:, ::-1], eps=0.5), f(x, eps=0.5)[:, ::-1]


@law(rms_norm, normal(5, 16))
def eps_is_in_squared_units(f, x):
    return f(4 * x, eps=16 * 0.3), f(x, eps=0.3)
