"""A linear map with a low-rank update, given or generated, beside its weight, or with few entries beside a low rank."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, integers, normal, uniform
from .._core.moments import centered, root_mean_square, sum_leading
from .._core.products import inner
from .._core.segments import segment_sums
from .._registry import gradient, law, operator
from .._xp import (
    device,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_indices,
    require_shape,
    roomy,
    widen,
)  # fmt: skip


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


@operator(
    paper="han2024sltrain",
    cases=[
        case("a quarter", uniform(4, 6), density=0.25),
        case("rounded down", uniform(5, 7), density=0.4),
        case("all", uniform(2, 3), density=1.0),
        case("none", uniform(2, 3), density=0.125),
        case("no columns", uniform(4, 0), density=0.5),
    ],
    bench=case("matrix", uniform(512, 512), density=0.03),
    rows=lambda x, rng: ([rng.uniform(size=x.shape)], {"density": 0.1}),
)
def random_sparse_support(x, /, *, density):
    r"""Draw the places of a sparse matrix: as many as its density says, all sets of them alike.

    .. math:: \text{the places of the } \lfloor p \, m n \rfloor \text{ largest of } x, \text{ from the first on}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Uniform random numbers, of shape (m, n): a row an output, a column an input.
    density : float
        The share :math:`p` of places that are drawn, above 0 and at most 1.

    Returns
    -------
    tuple
        ``(numbers, places)``: the numbers that are taken, in the dtype, library and device of `x`, and their flat
        places, row by row and rising, the ids of :func:`sparse_low_rank_linear`. Of equal numbers the first are taken;
        a NaN is taken last.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `density` is no number.
    ValueError
        `x` has not two axes, or `density` is not in 0..1 or 0.

    Notes
    -----
    The number is int(p m n), multiplied in this order in float64. float16 numbers are often equal,
    and then the draw is no longer uniform. Values start uniform within 1 / sqrt(n) of 0 in SLTrain.

    References
    ----------
    Han et al., SLTrain, 2024 (not read again: as catalogued from its code, which takes the first of a permutation and
    sorts them).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.random_sparse_support(np.array([[0.3, 0.9], [0.1, 0.4]]), density=0.5)
    (array([0.9, 0.4]), array([1, 3]))
    """
    xp, x = prepare(x)
    if x.ndim != 2:
        raise ValueError(f"x must have shape (m, n), got {tuple(x.shape)}")
    if not 0 < density <= 1:
        raise ValueError(f"density must be in 0..1 and above 0, got {density!r}")
    flat = xp.reshape(x, (-1,))
    order = xp.argsort(-widen(xp, flat)[0], stable=True)
    places = xp.sort(order[: int(density * op.index(x.shape[0]) * op.index(x.shape[1]))])
    return xp.take(flat, places), places


@operator(
    paper="ma2024visual",
    cases=[
        case("queries", normal(3, 6), normal(8, 6), normal(5, 2)),
        case("bias", normal(2, 2, 4, mean=3.0), normal(9, 4), normal(2, 3), normal(9), scale=-0.5),
        case("loud eps", normal(2, 7), normal(6, 7), normal(3, 1), eps=2.0),
        case("one query", normal(5), normal(4, 5), normal(3, 2), normal(4), scale=4.0),
        case("no queries", normal(0, 4), normal(2, 4), normal(3, 1)),
    ],
    bench=case("queries", normal(32, 512), normal(64 * 64, 512), normal(512, 64)),
    rows=lambda x, rng: (
        [x, rng.normal(size=(4, x.shape[1])) / x.shape[1] ** 0.5, rng.normal(size=(3, 2))], {"scale": 0.5}),
)  # fmt: skip
def generated_low_rank_delta(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    r"""Return updates of a weight whose first factor is generated from `x`, and whose second is given.

    .. math:: A = \mathrm{reshape} \Bigl( W \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + c, \; (h, r) \Bigr), \qquad
        \Delta = s \, A B^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        What queries found in an image, of shape (..., d).
    weight : array
        The map :math:`W` to factors, of shape (h r, d). Gain and shift of the norm before it are multiplied into it.
    b : array
        The second factor :math:`B`, of shape (outputs, r).
    bias : array, optional
        The shift :math:`c`, of shape (h r,).
    scale : float
        The factor :math:`s`: alpha / r.
    eps : float
        What is added to the variance of rows of x.

    Returns
    -------
    array
        (..., h, outputs), in the dtype, library and device of `x`: one adds x' Delta to what a weight makes of rows x'
        of h inputs. Of rank r at most. A NaN or an infinity makes the whole update of its query NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        A shape does not fit, an axis is empty, `scale` is not finite, or `eps` is negative.

    Notes
    -----
    Released B starts at 0, and so the first update does. It is the generated factor that meets the inputs; in LoRA's
    words it is A^T here and B there.

    References
    ----------
    Ma et al., Visual Perception by Large Language Model's Weights, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, weight, b = np.array([1.0, 3.0]), np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([[10.0]])
    >>> refnorm.proj.generated_low_rank_delta(x, weight, b, eps=0.0)
    array([[ 20.],
           [-10.]])
    """
    xp, x, weight, b, bias = prepare(x, weight, b, bias, need=3)
    require_along(x, -1, eps)
    if b.ndim != 2 or 0 in b.shape:
        raise ValueError(f"b must have shape (outputs, r) without a 0, got {tuple(b.shape)}")
    r = b.shape[1]
    if weight.ndim != 2 or weight.shape[1] != x.shape[-1] or weight.shape[0] % r or weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (h {r}, {x.shape[-1]}), got {tuple(weight.shape)}")
    require_shape("bias", bias, weight.shape[:1])
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    wide, w, up, c = widen(xp, x, weight, b, bias)
    spare = roomy(x, wide)
    f = centered(xp, wide, roomy=spare)
    f = inner(xp, f / root_mean_square(xp, f, eps, roomy=spare), w, roomy=spare)
    f = xp.reshape(f if c is None else f + c, (*x.shape[:-1], weight.shape[0] // r, r))
    return give_back(xp, scale * inner(xp, f, up, roomy=spare), x)


# ---- laws ----


@law(random_sparse_support, uniform(4, 6))
def order_alone_counts(f, u):
    numbers, places = f(u / 4, density=0.5)
    return 4 * numbers + places, sum(f(u, density=0.5))


@law(random_sparse_support, uniform(4, 6))
def what_is_large_and_what_is_small_are_all(f, u):
    (few, here), (many, there) = f(u, density=0.25), f(1 - u, density=0.75)
    return np.stack([few.sum() + 18 - many.sum(), here.sum() + there.sum()]), np.stack([u.sum(), 276])


@law(generated_low_rank_delta, normal(3, 6), normal(8, 6), normal(5, 2))
def shift_and_scale_of_queries_are_free(f, x, w, b):
    return f(4 * x + 2, w, b, eps=0.0), f(x, w, b, eps=0.0)


@law(generated_low_rank_delta, normal(3, 6), normal(8, 6), normal(5, 2), normal(8))
def second_factor_is_linear(f, x, w, b, c):
    return f(x, w, 4 * b, c, scale=0.5), f(x, w, b, c, scale=2.0)


@law(generated_low_rank_delta, normal(3, 6), normal(8, 6), normal(5, 2), normal(8))
def shift_makes_an_update_of_its_own(f, x, w, b, c):
    return f(x, w, b, c) - f(x, w, b), c.reshape(4, 2) @ b.T + 0 * f(x, w, b)


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
