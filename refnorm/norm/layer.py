"""(x - mean) / sqrt(var + eps): rows of zero mean and unit variance."""

from __future__ import annotations

from .._cases import case, normal
from .._core.moments import centered, root_mean_square, sum_leading
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
    paper=("ba2016layer", "jiang2023pre"),
    kernel="layer_norm",
    cases=[
        case("rows", normal(4, 8)),
        case("affine", normal(2, 3, 8), normal(8), normal(8)),
        case("loud eps", normal(4, 8), eps=0.5),
        case("affine, loud eps", normal(3, 37), normal(37), normal(37), eps=2.0),
        case("weight alone", normal(3, 12), normal(12), eps=0.1),
        case("bias alone", normal(3, 12), None, normal(12), eps=0.1),
        case("axis", normal(3, 5, 4), normal(5), normal(5), axis=1, eps=0.1),
        case("two axes", normal(2, 3, 5), normal(3, 5), normal(3, 5), axis=(1, 2), eps=0.1),
        case("offset", normal(3, 33, mean=1e4), normal(33), normal(33)),
        case("small rows", normal(5, 16, std=1e-3), normal(16), normal(16), eps=1e-4),
        case("one column", normal(4, 1), normal(1), normal(1), eps=0.25),
        case("long", normal(2, 1030), normal(1030), normal(1030)),
        case("no rows", normal(0, 4), normal(4), normal(4)),
    ],
    bench=case("rows", normal(4096, 1024), normal(1024), normal(1024)),
    rows=lambda x, rng: ([x, *rng.normal(size=(2, x.shape[1]))], {}),
)
def layer_norm(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5, out=None):
    r"""Normalize `x` to zero mean and unit variance along `axis`, then scale and shift.

    .. math:: y_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}} \, w_i + b_i, \qquad
        \mu = \frac{1}{n} \sum_j x_j, \quad \sigma^2 = \frac{1}{n} \sum_j (x_j - \mu)^2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape. `n` is its size along `axis`.
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of the shape of `axis`.
    axis : int or tuple of int
        The axis to normalize over; several count as one.
    eps : float
        Added to the variance, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A constant row gives exactly the bias while eps > 0.
        A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `weight` or `bias` has not the shape of `axis`, `axis` is empty or missing, `eps` is negative,
        `out` overlaps.

    Notes
    -----
    The variance has the denominator n (biased). torch and ONNX have eps 1e-5, Keras 1e-3, flax 1e-6, BERT
    1e-12. See ``refnorm conventions layer_norm``.

    References
    ----------
    Ba, Kiros and Hinton, Layer Normalization, 2016 (not read again: the formula, eps included, is confirmed
    against torch and the code of the next). Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.layer_norm(np.array([1.0, 3.0, 1.0, 3.0]), eps=0.0)
    array([-1.,  1., -1.,  1.])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    require_along(x, axis, eps, weight, bias)
    check_out(out, x, weight, bias)
    rows, into, w, b = to_rows(xp, axis, x, out, weight, bias)
    if takes(kernels, rows, w, b):
        y = run(kernels.layer_norm, rows, w, b, eps, out=into)
    else:
        wide, w, b = widen(xp, rows, w, b)
        spare = roomy(rows, wide)
        c = centered(xp, wide, roomy=spare)
        y = c / root_mean_square(xp, c, eps, roomy=spare)
        y = y if w is None else y * w
        y = y if b is None else y + b
    return give_back(xp, y, x, axis, out)


@gradient(layer_norm)
def layer_norm_vjp(cotangent, x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    r"""Return the cotangents of `x`, `weight` and `bias` for a cotangent of ``layer_norm(x, weight, bias)``.

    .. math::
        \bar x = \frac{1}{s} \Bigl( h - \frac{1}{n} \sum_j h_j - \hat x \, \frac{1}{n} \sum_j h_j \hat x_j \Bigr),
        \quad h = \bar y w, \quad \hat x = (x - \mu) / s, \quad s = \sqrt{\sigma^2 + \epsilon}, \quad
        \bar w = \sum_{\text{rows}} \bar y \hat x, \quad \bar b = \sum_{\text{rows}} \bar y

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, weight, bias, axis, eps
        As in :func:`layer_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight, dbias)``; None where the parameter is None.

    Raises
    ------
    TypeError, ValueError
        As in :func:`layer_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the layer norm of Ba, Kiros and Hinton, 2016; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([1.0, 3.0, 1.0, 3.0])
    >>> refnorm.norm.layer_norm_vjp(np.array([1.0, 0.0, 0.0, 0.0]), x, eps=0.0)[0]
    array([ 0.5,  0. , -0.5,  0. ])
    """
    xp, cotangent, x, weight, bias = prepare(cotangent, x, weight, bias, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis, eps, weight, bias)
    rows, g, w = to_rows(xp, axis, x, cotangent, weight)
    if takes(kernels, g, rows, w):
        block, blocks = row_blocks(rows)
        dx, (dw, db) = run(
            kernels.layer_norm_vjp, g, rows, w, eps, block, parts=(blocks, 2, rows.shape[-1]), units=blocks
        )
    else:
        wide, g, w = widen(xp, rows, g, w)
        spare = roomy(rows, wide)
        c = centered(xp, wide, roomy=spare)
        s = root_mean_square(xp, c, eps, roomy=spare)
        unit = c / s
        h = g if w is None else g * w
        dx = (h - mean(xp, h, roomy=spare) - unit * mean(xp, h * unit, roomy=spare)) / s
        dw, db = sum_leading(xp, g * unit), sum_leading(xp, g)
    return give_back(xp, dx, x, axis), like_weight(xp, dw, weight), like_weight(xp, db, bias)


@law(layer_norm, normal(4, 8))
def shift_free(f, x):
    return f(x + 4, eps=0.5), f(x, eps=0.5)


@law(layer_norm, normal(4, 8))
def scale_free(f, x):
    return f(8 * x, eps=0.0), f(x, eps=0.0)


@law(layer_norm, normal(4, 8), normal(8), normal(8))
def affine_comes_last(f, x, weight, bias):
    return f(x, weight, bias, eps=0.5), f(x, eps=0.5) * weight + bias


@law(layer_norm, normal(5, 16))
def eps_is_in_squared_units(f, x):
    return f(4 * x, eps=16 * 0.3), f(x, eps=0.3)


@law(layer_norm, normal(4, 8))
def order_free(f, x):
    return f(x[:, ::-1], eps=0.5), f(x, eps=0.5)[:, ::-1]
