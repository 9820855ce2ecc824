"""Products of two projected vectors: bilinear forms of low rank, whole or in blocks."""

from __future__ import annotations

import operator as op

import numpy as np

from .._cases import case, normal
from .._core.norms import unit
from .._core.products import inner
from .._core.roots import signed_root
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, require_switch, roomy, widen

ACTIVATIONS = ("identity", "tanh", "relu")


def require_vectors(x, other) -> None:
    """Refuse what is no pair (..., c) and (..., d) of the same places."""
    if x.ndim < 1 or other.ndim < 1:
        raise ValueError(f"x and other must have an axis of features, got {tuple(x.shape)} and {tuple(other.shape)}")
    require_shape("other", other, x.shape[:-1] + other.shape[-1:])
    require_along(x, -1)
    require_along(other, -1)


def require_matrix(name, matrix, rows=None, columns=None) -> None:
    """Refuse what is no matrix with these rows and columns, as far as they are given."""
    given = matrix.shape if matrix.ndim == 2 else ("rows", "columns")
    require_shape(name, matrix, (given[0] if rows is None else rows, given[1] if columns is None else columns))


def projected(xp, x, matrix, bias, *, roomy):
    """Return x times a matrix, and a bias where there is one."""
    y = inner(xp, x, xp.matrix_transpose(matrix), roomy=roomy)
    return y if bias is None else y + bias


def activated(xp, z, activation):
    """Return z through the identity, tanh or max(z, 0)."""
    if activation == "tanh":
        return xp.tanh(z)
    return xp.where(z < 0, xp.zeros_like(z), z) if activation == "relu" else z


@operator(
    paper="winterbottom2020trying",
    cases=[
        case("MLB", normal(3, 4), normal(3, 5), normal(4, 6), normal(5, 6), normal(6, 2), activation="tanh"),
        case("MFB", normal(3, 4), normal(3, 5), normal(4, 6), normal(5, 6), window=3, signed_sqrt=True, l2=True),
        case("relu", normal(2, 3, 4), normal(2, 3, 4), normal(4, 6), normal(4, 6), window=2, activation="relu"),
        case("loud eps", normal(4), normal(3), normal(4, 4), normal(3, 4), normal(2, 3), window=2, l2=True, eps=50.0),
        case("signed root", normal(2, 4), normal(2, 3), normal(4, 4), normal(3, 4), normal(4, 3), signed_sqrt=True),
        case("no rows", normal(0, 4), normal(0, 5), normal(4, 6), normal(5, 6)),
    ],
    bench=case("questions", normal(512, 256), normal(512, 128), normal(256, 500), normal(128, 500), window=5),
    rows=lambda x, rng: (
        [x, rng.normal(size=(len(x), 3)), rng.normal(size=(x.shape[1], 4)) / x.shape[1], rng.normal(size=(3, 4))],
        {"window": 2},
    ),
)
def factorized_bilinear_pool(
    x, other, u, v, weight=None, /, *, window=1, activation="identity", signed_sqrt=False, l2=False, eps=1e-12
):
    r"""Fuse two vectors by the products of their projections, summed over windows of k.

    .. math:: z_j = \sum_{t < k} \sigma(x U)_{jk + t} \, \sigma(y V)_{jk + t}, \qquad
        z \to \mathrm{sign}(z) \sqrt{|z|}, \qquad z \to \frac{z}{\max(\lVert z \rVert_2, \epsilon)}, \qquad y = z W

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Vectors of shape (..., c).
    other : array
        Vectors of shape (..., d), of the same places.
    u, v : array
        The projections U and V, of shapes (c, k o) and (d, k o).
    weight : array, optional
        The map W at the end, of shape (o, outputs); none where left out.
    window : int
        The number k of products that are summed: the rank of each form.
    activation : {"identity", "tanh", "relu"}
        What the projections pass through.
    signed_sqrt : bool
        Whether to take signed roots of the sums.
    l2 : bool
        Whether to divide by their length, after the roots.
    eps : float
        The least length that is divided by.

    Returns
    -------
    array
        (..., outputs), or (..., o), in the dtype, library and device of `x`. A NaN makes its vector NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of another type.
    ValueError
        An array has another shape, `window` does not divide the columns of `u`, `activation` is another word, or
        `eps` is negative.

    Notes
    -----
    MLB is k = 1 with tanh and W; MFB is k > 1 with roots and length. A bias of U is a last row beside a 1 behind x.
    MFH is two calls: the second takes the columns of U each times a product of the first, which is not summed.

    References
    ----------
    Winterbottom et al., Trying Bilinear Pooling in Video-QA, 2020: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other, u = np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.eye(2)
    >>> refnorm.pool.factorized_bilinear_pool(x, other, u, u, window=2)
    array([13.])
    """
    xp, x, other, u, v, weight = prepare(x, other, u, v, weight, need=4)
    outputs = require_factors(x, other, u, v, window)
    require_switch("signed_sqrt", signed_sqrt)
    require_switch("l2", l2)
    require_along(x, -1, eps)
    if weight is not None:
        require_matrix("weight", weight, outputs)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be 'identity', 'tanh' or 'relu', got {activation!r}")
    wide, o, u, v, w = widen(xp, x, other, u, v, weight)
    spare = roomy(x, wide)
    pairs = (wide, u), (o, v)
    left, right = (activated(xp, inner(xp, a, xp.matrix_transpose(m), roomy=spare), activation) for a, m in pairs)
    z = xp.sum(xp.reshape(left * right, (*x.shape[:-1], outputs, window)), axis=-1)
    z = signed_root(xp, z) if signed_sqrt else z
    z = unit(xp, z, eps, roomy=spare) if l2 else z
    return give_back(xp, z if w is None else inner(xp, z, xp.matrix_transpose(w), roomy=spare), x)


def require_factors(x, other, u, v, window) -> int:
    """Refuse what is no pair of projections to windows; return how many windows there are."""
    require_vectors(x, other)
    require_matrix("u", u, x.shape[-1])
    require_matrix("v", v, other.shape[-1], u.shape[1])
    try:
        k = op.index(window)
    except TypeError:
        raise TypeError(f"window must be an int, got {window!r}") from None
    if k < 1 or u.shape[1] == 0 or u.shape[1] % k:
        raise ValueError(f"window must be at least 1 and divide the {u.shape[1]} columns of u, got {window}")
    return u.shape[1] // k


def require_blocks(x, other, a, b, u, v, weight, biases) -> tuple[int, int]:
    """Refuse what block_bilinear_fusion cannot take; return the size of a chunk and the rank."""
    require_vectors(x, other)
    if u.ndim != 3 or 0 in u.shape or u.shape[2] % u.shape[1]:
        raise ValueError(f"u must have shape (chunks, size, rank * size), got {tuple(u.shape)}")
    chunks, size, wide = u.shape
    require_matrix("a", a, x.shape[-1], chunks * size)
    require_matrix("b", b, other.shape[-1], chunks * size)
    require_shape("v", v, (chunks, size, wide))
    require_matrix("weight", weight, chunks * size)
    shapes = (chunks * size,), (chunks * size,), (chunks, wide), (chunks, wide), weight.shape[1:]
    for name, bias, shape in zip(("a_bias", "b_bias", "u_bias", "v_bias", "bias"), biases, shapes, strict=True):
        require_shape(name, bias, shape)
    return size, wide // size


def merged_chunk(xp, c, x, matrices, biases, size, *, roomy):
    """Return chunk c of a projected vector, merged to rank * size."""
    part = x[..., c * size : (c + 1) * size]
    return projected(xp, part, matrices[c, ...], None if biases is None else biases[c, ...], roomy=roomy)


BLOCKS = normal(4, 6), normal(5, 6), normal(3, 2, 4), normal(3, 2, 4), normal(6, 3)
BIASES = normal(6), normal(6), normal(3, 4), normal(3, 4), normal(3)


@operator(
    paper="winterbottom2020trying",
    cases=[
        case("chunk by chunk", normal(2, 4), normal(2, 5), *BLOCKS, *BIASES),
        case("as a whole", normal(2, 4), normal(2, 5), *BLOCKS, *BIASES, kind="whole"),
        case("bare", normal(2, 4), normal(2, 5), *BLOCKS, kind="bare"),
        case("loud eps", normal(4), normal(5), *BLOCKS, None, None, normal(3, 4), eps=3.0),
    ],
    bench=case(
        "questions", normal(512, 256), normal(512, 128), normal(256, 160), normal(128, 160), normal(8, 20, 80),
        normal(8, 20, 80), normal(160, 100),
    ),
    rows=lambda x, rng: (
        [x, rng.normal(size=(len(x), 3)), rng.normal(size=(x.shape[1], 4)) / x.shape[1], rng.normal(size=(3, 4)),
         rng.normal(size=(2, 2, 4)), rng.normal(size=(2, 2, 4)), rng.normal(size=(4, 2))],
        {},
    ),
)  # fmt: skip
def block_bilinear_fusion(
    x, other, a, b, u, v, weight, a_bias=None, b_bias=None, u_bias=None, v_bias=None, bias=None, /, *,
    kind="chunks", eps=1e-12,
):  # fmt: skip
    r"""Fuse two vectors by a bilinear form of low rank in each chunk of their projections.

    .. math:: z_c = \sum_{r} (x_c U_c)_r \odot (y_c V_c)_r, \qquad
        z_c \to \frac{\sqrt[\pm]{z_c}}{\max(\lVert \sqrt[\pm]{z_c} \rVert_2, \epsilon)}, \qquad y = [z_1, z_2, \ldots] W

    where :math:`x_c` is chunk c of x A, :math:`y_c` of y B, each with its bias, and the root keeps signs.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Vectors of shape (..., c).
    other : array
        Vectors of shape (..., d), of the same places.
    a, b : array
        The projections A and B, of shapes (c, chunks size) and (d, chunks size).
    u, v : array
        What merges each chunk, of shape (chunks, size, rank size), the products of one rank side by side.
    weight : array
        The map W at the end, of shape (chunks size, outputs).
    a_bias, b_bias, u_bias, v_bias, bias : array, optional
        The biases of A, B, U, V and W: of shapes (chunks size,) twice, (chunks, rank size) twice and (outputs,).
    kind : {"chunks", "whole", "bare"}
        Whether roots and lengths are taken of each chunk, of all together, or not at all.
    eps : float
        The least length that is divided by.

    Returns
    -------
    array
        (..., outputs), in the dtype, library and device of `x`. A NaN makes its vector NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `eps` is no number.
    ValueError
        An array has another shape, `kind` is another word, or `eps` is negative.

    Notes
    -----
    MUTAN is one chunk, bare. All chunks are of one size; the released code lets the last one be shorter.

    References
    ----------
    Winterbottom et al., Trying Bilinear Pooling in Video-QA, 2020: BLOCK, as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other, eye, ones = np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.eye(2), np.ones((2, 1, 1))
    >>> refnorm.pool.block_bilinear_fusion(x, other, eye, eye, ones, 2 * ones, eye, kind="bare")
    array([ 6., 20.])
    """
    arrays = (x, other, a, b, u, v, weight, a_bias, b_bias, u_bias, v_bias, bias)
    xp, x, other, a, b, u, v, weight, *biases = prepare(*arrays, need=7)
    size, rank = require_blocks(x, other, a, b, u, v, weight, biases)
    require_along(x, -1, eps)
    if kind not in ("chunks", "whole", "bare"):
        raise ValueError(f"kind must be 'chunks', 'whole' or 'bare', got {kind!r}")
    wide, o, a, b, u, v, w, p, q, s, t, r = widen(xp, x, other, a, b, u, v, weight, *biases)
    spare, z = roomy(x, wide), []
    x0, y0 = projected(xp, wide, a, p, roomy=spare), projected(xp, o, b, q, roomy=spare)
    for c in range(u.shape[0]):
        m = merged_chunk(xp, c, x0, u, s, size, roomy=spare) * merged_chunk(xp, c, y0, v, t, size, roomy=spare)
        m = xp.sum(xp.reshape(m, (*x.shape[:-1], rank, size)), axis=-2)
        z.append(unit(xp, signed_root(xp, m), eps, roomy=spare) if kind == "chunks" else m)
    z = xp.concat(z, axis=-1)
    z = unit(xp, signed_root(xp, z), eps, roomy=spare) if kind == "whole" else z
    return give_back(xp, projected(xp, z, w, r, roomy=spare), x)


# ---- laws ----


@law(factorized_bilinear_pool, normal(4), normal(5), normal(4, 6), normal(5, 6))
def it_is_a_bilinear_form(f, x, y, u, v):
    forms = [sum(np.outer(u[:, t], v[:, t]) for t in (2 * j, 2 * j + 1)) for j in range(3)]
    return f(x, y, u, v, window=2), np.array([x @ form @ y for form in forms])


@law(factorized_bilinear_pool, normal(4), normal(5), normal(4, 6), normal(5, 6))
def either_may_come_first(f, x, y, u, v):
    return f(y, x, v, u, window=3, l2=True, signed_sqrt=True), f(x, y, u, v, window=3, l2=True, signed_sqrt=True)


@law(factorized_bilinear_pool, normal(3, 4), normal(3, 5), normal(4, 6), normal(5, 6), normal(2, 3))
def the_last_map_comes_last(f, x, y, u, v, w):
    return f(x, y, u, v, w, window=3, l2=True), f(x, y, u, v, window=3, l2=True) @ w


@law(block_bilinear_fusion, normal(2, 4), normal(2, 5), *BLOCKS)
def units_do_not_matter_to_lengths(f, x, y, *maps):
    return f(4 * x, 2 * y, *maps), f(x, y, *maps)


@law(block_bilinear_fusion, normal(2, 4), normal(2, 5), *BLOCKS)
def bare_it_is_linear_in_each(f, x, y, *maps):
    return f(4 * x, 2 * y, *maps, kind="bare"), 8 * f(x, y, *maps, kind="bare")


@law(block_bilinear_fusion, normal(2, 4), normal(2, 5), *BLOCKS)
def chunks_change_places(f, x, y, a, b, u, v, w):
    turn = np.array([4, 5, 2, 3, 0, 1])
    return f(x, y, a[:, turn], b[:, turn], u[::-1], v[::-1], w[turn]), f(x, y, a, b, u, v, w)
