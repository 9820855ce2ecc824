"""A linear map with a low-rank update beside its weight, or with few entries beside a low rank."""

from __future__ import annotations

import math

from .._cases import case, integers, normal
from .._core.moments import sum_leading
from .._core.products import inner
from .._core.segments import segment_sums
from .._registry import gradient, law, operator
from .._xp import device, give_back, like_weight, prepare, require_indices, require_shape, roomy, widen


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


def require_sparse(xp, x, a, b, values, ids, bias, scale) -> tuple:
    """Refuse what does not fit x (scale B A + S)^T; return the shape of the answer."""
    if a.ndim != 2 or b.ndim != 2 or 0 in a.shape or 0 in b.shape:
        raise ValueError(f"a and b must have 2 axes without a 0, got shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if x.ndim == 0 or x.shape[-1] != a.shape[1]:
        raise ValueError(f"x must end in the {a.shape[1]} inputs of a, got {tuple(x.shape)}")
    require_shape("b", b, (b.shape[0], a.shape[0]))
    if values.ndim != 1 or values.shape[0] == 0:
        raise ValueError(f"values must have shape (k,), k above 0, got {tuple(values.shape)}")
    require_indices(xp, "ids", ids, values.shape)
    require_shape("bias", bias, b.shape[:1])
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    return (*x.shape[:-1], b.shape[0])


def placed(xp, ids, outputs, inputs):
    """Return the row and the column of flat places of (outputs, inputs), the row `outputs` for what is outside."""
    ids = xp.astype(ids, xp.arange(1, device=device(ids)).dtype)
    inside = (ids >= 0) & (ids < outputs * inputs)
    ids = xp.where(inside, ids, xp.zeros_like(ids))
    return xp.where(inside, ids // inputs, xp.full_like(ids, outputs)), ids % inputs


@operator(
    paper=("han2024sltrain", "thangarasa2023sparse"),
    cases=[
        case("rows", normal(4, 6), normal(2, 6), normal(5, 2), normal(7), integers(7, high=30)),
        case(
            "bias",
            normal(2, 3, 4),
            normal(3, 4),
            normal(3, 3),
            normal(5),
            integers(5, low=-2, high=14),
            normal(3),
            scale=0.25,
        ),
        case(
            "offset", normal(3, 5, mean=20.0), normal(1, 5), normal(2, 1), normal(9), integers(9, high=10), scale=-2.0
        ),
        case("one row", normal(4), normal(2, 4), normal(3, 2), normal(3), integers(3, high=12)),
        case("no rows", normal(0, 4), normal(2, 4), normal(3, 2), normal(3), integers(3, high=12)),
    ],
    bench=case("rows", normal(64, 512), normal(8, 512), normal(512, 8), normal(4096), integers(4096, high=512 * 512)),
    rows=lambda x, rng: (
        [
            x,
            rng.normal(size=(2, x.shape[1])) / x.shape[1],
            rng.normal(size=(3, 2)),
            rng.normal(size=5) / 8,
            rng.integers(0, 3 * x.shape[1], 5),
        ],
        {"scale": 0.5},
    ),
)
def sparse_low_rank_linear(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    r"""Map rows of `x` by a low-rank weight and a few single entries beside it.

    .. math:: y = x \, (s B A + S)^T + c, \qquad S_{pq} = \sum_{k \,:\, \mathrm{ids}_k = p n + q} v_k

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    a, b : array
        The factors :math:`A`, of shape (r, n), and :math:`B`, of shape (outputs, r).
    values : array
        The entries :math:`v_k`, of shape (k,).
    ids : array of integers
        Their flat places, row by row in (outputs, n), of shape (k,). Equal ones add; one outside counts for nothing.
    bias : array, optional
        The shift :math:`c`, of shape (outputs,).
    scale : float
        The factor :math:`s` of the low-rank part: alpha / r in SLTrain, 1 in sparse doping.

    Returns
    -------
    array
        (..., outputs), in the dtype, library and device of `x`. The whole weight is never formed.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, the arrays are of two libraries, or `scale` is no
        number.
    ValueError
        A shape does not fit, a size is 0, or `scale` is not finite.

    Notes
    -----
    With a trained scaling SLTrain writes tanh(t) for s. Doping takes the rank so that entries and factors together are
    as many as the weight has: r (n + outputs) + k = n outputs.

    References
    ----------
    Han et al., SLTrain, 2024; Thangarasa et al., Sparse Iso-FLOP Transformations, 2023 (neither read again: as
    catalogued from their code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, a, b = np.array([1.0, 2.0]), np.array([[1.0, 1.0]]), np.array([[1.0], [0.0]])
    >>> refnorm.proj.sparse_low_rank_linear(x, a, b, np.array([5.0]), np.array([3]), scale=2.0)
    array([ 6., 10.])
    """
    xp, x, a, b, values, bias = prepare(x, a, b, values, bias, need=4)
    require_sparse(xp, x, a, b, values, ids, bias, scale)
    wide, down, up, v, c = widen(xp, x, a, b, values, bias)
    spare, outputs = roomy(x, wide), b.shape[0]
    row, column = placed(xp, ids, outputs, a.shape[1])
    rows = xp.reshape(wide, (-1, a.shape[1]))
    entries = xp.matrix_transpose(v * xp.take(rows, column, axis=-1))
    sums, _ = segment_sums(xp, entries, row, outputs, roomy=spare)
    low = inner(xp, inner(xp, rows, down, roomy=spare), up, roomy=spare)
    y = xp.reshape(scale * low + xp.matrix_transpose(sums), (*x.shape[:-1], outputs))
    return give_back(xp, y if c is None else y + c, x)


@gradient(sparse_low_rank_linear)
def sparse_low_rank_linear_vjp(cotangent, x, a, b, values, ids, bias=None, /, *, scale=1.0):
    r"""Return the cotangents of the inputs for a cotangent of ``sparse_low_rank_linear(x, ...)``.

    .. math::
        G = \bar y^T x, \quad \bar A = s B^T G, \quad \bar B = s G A^T, \quad \bar v_k = G_{\mathrm{ids}_k}, \quad
        \bar x = \bar y \, (s B A + S), \quad \bar c = \sum_{\text{rows}} \bar y

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, a, b, values, ids, bias, scale
        As in :func:`sparse_low_rank_linear`.

    Returns
    -------
    tuple
        ``(dx, da, db, dvalues, None, dbias)``; None for ids, and where there is no bias. G is never formed.

    Raises
    ------
    TypeError, ValueError
        As in :func:`sparse_low_rank_linear`; also where `cotangent` has not the shape of the output.

    References
    ----------
    Han et al., SLTrain, 2024 (not read again: the gradients are confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, a, b, g = np.array([1.0, 2.0]), np.array([[1.0, 1.0]]), np.array([[1.0], [0.0]]), np.array([1.0, 3.0])
    >>> refnorm.proj.sparse_low_rank_linear_vjp(g, x, a, b, np.array([5.0]), np.array([3]))[3]
    array([6.])
    """
    xp, cotangent, x, a, b, values, bias = prepare(cotangent, x, a, b, values, bias, need=5)
    require_shape("cotangent", cotangent, require_sparse(xp, x, a, b, values, ids, bias, scale))
    wide, g, down, up, v = widen(xp, x, cotangent, a, b, values)
    rows, g = xp.reshape(wide, (-1, a.shape[1])), xp.reshape(g, (-1, b.shape[0]))
    row, column = placed(xp, ids, b.shape[0], a.shape[1])
    beside = xp.concat([g, xp.zeros_like(g[:, :1])], axis=-1)  # what is outside meets a 0
    at = xp.take(beside, row, axis=-1)
    across, turned = scale * xp.matmul(g, up), xp.matrix_transpose(g)
    sums, _ = segment_sums(xp, xp.matrix_transpose(v * at), column, a.shape[1], roomy=roomy(x, wide))
    dx = xp.reshape(xp.matmul(across, down) + xp.matrix_transpose(sums), x.shape)
    da = xp.matmul(xp.matrix_transpose(across), rows)
    db = scale * xp.matmul(turned, xp.matmul(rows, xp.matrix_transpose(down)))
    parts = (da, db, sum_leading(xp, at * xp.take(rows, column, axis=-1)))
    given = (like_weight(xp, d, p) for d, p in zip(parts, (a, b, values), strict=True))
    return give_back(xp, dx, x), *given, None, like_weight(xp, sum_leading(xp, g), bias)


# ---- laws ----


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


@law(sparse_low_rank_linear, normal(4, 6), normal(2, 6), normal(5, 2), normal(7), integers(7, high=30))
def parts_add(f, x, a, b, values, ids):
    return f(x, a, b, values, ids, scale=0.5), x @ (0.5 * b @ a).T + f(x, a, b, values, ids, scale=0.0)


@law(sparse_low_rank_linear, normal(4, 6), normal(2, 6), normal(5, 2), normal(7), integers(7, high=30), normal(5))
def shift_is_added(f, x, a, b, values, ids, bias):
    return f(x, a, b, values, ids, bias), f(x, a, b, values, ids) + bias
