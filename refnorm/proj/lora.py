"""A linear map with a low-rank update beside its weight."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.moments import sum_leading
from .._core.products import inner
from .._registry import gradient, law, operator
from .._xp import give_back, like_weight, prepare, require_shape, roomy, widen


def require_low_rank(x, weight, a, b, bias, scale) -> tuple:
    """Refuse what does not fit x W^T + scale (x A^T) B^T; return the shape of the answer."""
    if weight.ndim != 2 or a.ndim != 2:
        raise ValueError(f"weight and a must have 2 axes, got shapes {tuple(weight.shape)} and {tuple(a.shape)}")
    if x.ndim == 0 or x.shape[-1] != weight.shape[1] or 0 in weight.shape:
        raise ValueError(f"x must end in the {weight.shape[1]} inputs of weight, not 0, got {tuple(x.shape)}")
    require_shape("a", a, (a.shape[0], weight.shape[1]))
    require_shape("b", b, (weight.shape[0], a.shape[0]))
    require_shape("bias", bias, weight.shape[:1])
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    return (*x.shape[:-1], weight.shape[0])


@operator(
    paper=("hu2021lora", "ma2024visual", "xu2024pllava"),
    cases=[
        case("rows", normal(4, 8), normal(5, 8), normal(2, 8), normal(5, 2)),
        case("bias", normal(2, 3, 7), normal(4, 7), normal(3, 7), normal(4, 3), normal(4), scale=0.25),
        case("offset", normal(3, 9, mean=50.0), normal(2, 9), normal(1, 9), normal(2, 1), scale=-2.0),
        case("one row", normal(5), normal(3, 5), normal(2, 5), normal(3, 2), normal(3), scale=0.0),
        case("no rows", normal(0, 4), normal(3, 4), normal(2, 4), normal(3, 2), normal(3)),
    ],
    bench=case("rows", normal(512, 1024), normal(1024, 1024), normal(8, 1024), normal(1024, 8), scale=2.0),
    rows=lambda x, rng: (
        [x, *rng.normal(size=(2, 2, x.shape[1])) / x.shape[1], rng.normal(size=(2, 2))],
        {"scale": 0.5},
    ),
)
def lora_linear(x, weight, a, b, bias=None, /, *, scale=1.0):
    r"""Map rows of `x` by a weight and a low-rank update beside it.

    .. math:: y = x W^T + s \, (x A^T) B^T + c

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., inputs).
    weight : array
        The frozen :math:`W`, of shape (outputs, inputs).
    a, b : array
        The factors :math:`A`, of shape (r, inputs), and :math:`B`, of shape (outputs, r).
    bias : array, optional
        The shift :math:`c`, of shape (outputs,).
    scale : float
        The factor :math:`s` of the update: alpha / r in LoRA. 0 leaves the frozen map.

    Returns
    -------
    array
        (..., outputs), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `scale` is no number.
    ValueError
        A shape does not fit, a size of `weight` is 0, or `scale` is not finite.

    Notes
    -----
    It is the map by the merged weight W + s B A, which is never formed. loralib and peft write alpha / r for s; peft
    with rank-stabilized scaling alpha / sqrt(r). PLLaVA takes a smaller alpha at inference than in training.

    References
    ----------
    Hu et al., LoRA, 2021; Ma et al., Visual Perception by Large Language Model's Weights, 2024; Xu et al., PLLaVA,
    2024 (none read again: the formula is as catalogued from loralib).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, weight = np.array([1.0, 2.0]), np.array([[1.0, 1.0]])
    >>> refnorm.proj.lora_linear(x, weight, np.array([[0.0, 1.0]]), np.array([[10.0]]), scale=0.5)
    array([13.])
    """
    xp, x, weight, a, b, bias = prepare(x, weight, a, b, bias, need=4)
    require_low_rank(x, weight, a, b, bias, scale)
    wide, w, down, up, shift = widen(xp, x, weight, a, b, bias)
    spare = roomy(x, wide)
    low = inner(xp, inner(xp, wide, down, roomy=spare), up, roomy=spare)
    y = inner(xp, wide, w, roomy=spare) + scale * low
    return give_back(xp, y if shift is None else y + shift, x)


@gradient(lora_linear)
def lora_linear_vjp(cotangent, x, weight, a, b, bias=None, /, *, scale=1.0):
    r"""Return the cotangents of `x`, `weight`, `a`, `b` and `bias` for a cotangent of ``lora_linear(x, ...)``.

    .. math::
        \bar x = \bar y W + s \, \bar y B A, \quad \bar W = \bar y^T x, \quad \bar A = s \, (\bar y B)^T x, \quad
        \bar B = s \, \bar y^T (x A^T), \quad \bar c = \sum_{\text{rows}} \bar y

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, weight, a, b, bias, scale
        As in :func:`lora_linear`.

    Returns
    -------
    tuple
        ``(dx, dweight, da, db, dbias)``; None where there is no bias. With G the cotangent of the merged weight,
        da is s B^T G and db is s G A^T.

    Raises
    ------
    TypeError, ValueError
        As in :func:`lora_linear`; also where `cotangent` has not the shape of the output.

    References
    ----------
    Hu, Su, Kuo, Song and Liu, Computational Limits of Low-Rank Adaptation, 2024 (not read again: the gradients of the
    factors are confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, weight = np.array([1.0, 2.0]), np.array([[1.0, 1.0]])
    >>> a, b = np.array([[0.0, 1.0]]), np.array([[10.0]])
    >>> refnorm.proj.lora_linear_vjp(np.array([1.0]), x, weight, a, b, scale=0.5)[2:4]
    (array([[ 5., 10.]]), array([[1.]]))
    """
    xp, cotangent, x, weight, a, b, bias = prepare(cotangent, x, weight, a, b, bias, need=5)
    require_shape("cotangent", cotangent, require_low_rank(x, weight, a, b, bias, scale))
    wide, g, w, down, up = widen(xp, x, cotangent, weight, a, b)
    rows, g = xp.reshape(wide, (-1, wide.shape[-1])), xp.reshape(g, (-1, g.shape[-1]))
    across, turned = scale * xp.matmul(g, up), xp.matrix_transpose(g)
    dx = xp.reshape(xp.matmul(g, w) + xp.matmul(across, down), x.shape)
    dw, da = xp.matmul(turned, rows), xp.matmul(xp.matrix_transpose(across), rows)
    db = scale * xp.matmul(turned, xp.matmul(rows, xp.matrix_transpose(down)))
    parameters = zip((dw, da, db, sum_leading(xp, g)), (weight, a, b, bias), strict=True)
    return give_back(xp, dx, x), *(like_weight(xp, d, p) for d, p in parameters)


@law(lora_linear, normal(4, 7), normal(5, 7), normal(2, 7), normal(5, 2))
def merged_is_the_same(f, x, weight, a, b):
    return f(x, weight, a, b, scale=0.25), f(x, weight + 0.25 * b @ a, a, b, scale=0.0)


@law(lora_linear, normal(4, 7), normal(5, 7), normal(2, 7), normal(5, 2), normal(5))
def scale_is_linear(f, x, weight, a, b, bias):
    y = f(x, weight, a, b, bias, scale=0.0)
    return f(x, weight, a, b, bias, scale=3.0) - y, 3 * (f(x, weight, a, b, bias, scale=1.0) - y)


@law(lora_linear, normal(4, 7), normal(5, 7), normal(2, 7), normal(5, 2), normal(5))
def bias_is_added(f, x, weight, a, b, bias):
    return f(x, weight, a, b, bias, scale=0.5), f(x, weight, a, b, scale=0.5) + bias
