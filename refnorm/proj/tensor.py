"""Products along the modes of a tensor, and tensors and convolutions written as few factors."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import Draw, case, normal
from .._core.products import inner
from .._core.sums import total
from .._core.triples import leading, require_rank
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_shape, roomy, widen


def cube(n):
    """Draw a core of as many elements along every axis."""
    return Draw((n, n, n), lambda rng, s: rng.normal(size=(s[1],) * 3), "cube")


def require_matrix(name, matrix, columns, columns_are) -> None:
    """Refuse what is no matrix of so many columns and a row at least."""
    if matrix.ndim != 2 or matrix.shape[1] != columns or 0 in matrix.shape:
        raise ValueError(f"{name} must have shape (n, {columns}), {columns_are}, got {tuple(matrix.shape)}")


def require_columns(weights, *, a, **others) -> None:
    """Refuse factors that have not as many columns as the first, and weights that are not one for each."""
    ranks = a.shape[-1] if a.ndim else 0
    for name, factor in {"a": a, **others}.items():
        if factor is not None:
            require_matrix(name, factor, ranks, "the columns of a")
    require_shape("weights", weights, (ranks,))


def along(xp, x, matrix, axis, *, roomy):
    """Return the products of a matrix with the vectors of `x` along one axis."""
    order = [a for a in range(x.ndim) if a != axis] + [axis]
    y = inner(xp, xp.permute_dims(x, tuple(order)), matrix, roomy=roomy)
    return xp.permute_dims(y, tuple(order.index(a) for a in range(x.ndim)))


@operator(
    paper="si2024flora",
    cases=[
        case("first axis", normal(4, 3, 5), normal(6, 4), axis=0),
        case("middle", normal(2, 7, 3), normal(2, 7), axis=1),
        case("last", normal(3, 5, mean=50.0), normal(1, 5), axis=-1),
        case("a vector", normal(6), normal(3, 6), axis=0),
        case("nothing", normal(0, 4), normal(3, 4), axis=1),
    ],
    bench=case("tensor", normal(64, 64, 64), normal(32, 64), axis=1),
    rows=lambda x, rng: ([x, rng.normal(size=(2, x.shape[1])) / x.shape[1]], {"axis": 1}),
)
def mode_product(x, weight, /, *, axis):
    r"""Multiply the vectors of a tensor along one axis by a matrix.

    .. math:: Y_{\dots j \dots} = \sum_i M_{ji} X_{\dots i \dots}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The tensor, of any shape with at least one axis.
    weight : array
        The matrix :math:`M`, of shape (m, n), n the size of that axis.
    axis : int
        The axis, or mode.

    Returns
    -------
    array
        The shape of `x` with m in place of n, in its dtype, library and device. A NaN spoils the vector it is in.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is no integer.
    ValueError
        `axis` does not exist, or `weight` has not the shape (m, n) or is empty.

    References
    ----------
    Si et al., FLoRA, 2024 (not read again: as catalogued, where tensorly's mode_dot confirmed it).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.mode_product(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, -1.0]]), axis=0)
    array([[-2., -2.]])
    """
    xp, x, weight = prepare(x, weight, need=2)
    if not -x.ndim <= op.index(axis) < x.ndim:
        raise ValueError(f"axis {axis} does not exist in an array of {x.ndim} axes")
    require_matrix("weight", weight, x.shape[axis], f"the size of axis {axis}")
    wide, m = widen(xp, x, weight)
    return give_back(xp, along(xp, wide, m, axis % x.ndim, roomy=roomy(x, wide)), x)


def require_ranks(x, rank) -> list[int]:
    """Refuse what is no tensor of two axes or more without a 0; return how many directions each keeps."""
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"x must have two axes or more without a 0, got shape {tuple(x.shape)}")
    if rank is not None and len(rank) != x.ndim:
        raise ValueError(f"rank must hold one number for each of {x.ndim} axes, got {rank!r}")
    most = [min(n, math.prod(x.shape) // n) for n in x.shape]
    return [require_rank(None if rank is None else rank[k], most[k]) for k in range(x.ndim)]


def unfolded(xp, x, axis):
    """Return the vectors along an axis as columns."""
    order = (axis, *(k for k in range(x.ndim) if k != axis))
    return xp.reshape(xp.permute_dims(x, order), (x.shape[axis], math.prod(x.shape) // x.shape[axis]))


@operator(
    paper=("si2024flora", "delathauwer2000multilinear"),
    cases=[
        case("three modes", normal(3, 4, 2), rank=(2, 3, 1)),
        case("all of it", normal(2, 3, 4)),
        case("matrix", normal(4, 3), rank=(2, 2)),
    ],
    bench=case("three modes", normal(16, 16, 16), rank=(2, 2, 2)),
    rows=lambda x, rng: ([x[:, :24].reshape(-1, 3, 4) / (1 + abs(x).max())], {"rank": (2, 2, 2)}),
)
def hosvd(x, /, *, rank=None):
    r"""Return a core and orthonormal factors of a tensor: its higher-order singular value decomposition.

    .. math:: U_k = \text{leading left singular vectors of } X_{(k)}, \qquad
        G = X \times_1 U_1^T \times_2 U_2^T \cdots, \qquad X \approx G \times_1 U_1 \times_2 U_2 \cdots

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The tensor, of two axes or more; :math:`X_{(k)}` has the vectors along axis k as columns.
    rank : tuple of int, optional
        How many vectors are kept for each axis, at most its size and that of all others together; all when left out.

    Returns
    -------
    tuple of arrays
        ``(core, u_1, u_2, ...)``, the core of shape `rank` and a factor (n_k, r_k) for each axis, in the dtype, library
        and device of `x`, as :func:`tucker_reconstruct` takes them for two and three axes. Columns come by falling
        singular value, signs as in :func:`truncated_svd` of the unfolded tensor. A NaN or an infinity makes all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `rank` no ints.
    ValueError
        `x` has fewer than two axes or a 0 among its sizes, or `rank` does not fit them.

    Notes
    -----
    Every factor is taken from the whole tensor. What is lost has at most the squared length of all singular values that
    are cut off, over all axes: at most as many times the least possible as there are axes. Iterating (HOOI, tensorly's
    default) comes nearer.

    References
    ----------
    De Lathauwer, De Moor and Vandewalle, A Multilinear Singular Value Decomposition, 2000; Si et al., FLoRA, 2024
    (neither read again: as catalogued, where tensorly's tucker with init="svd" and no iterations confirmed it).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> core, a, b = refnorm.proj.hosvd(np.array([[0.0, 3.0], [0.5, 0.0]]), rank=(1, 1))
    >>> core.tolist(), abs(a).tolist(), abs(b).tolist()
    ([[3.0]], [[1.0], [0.0]], [[0.0], [1.0]])
    """
    xp, x = prepare(x)
    ranks = require_ranks(x, rank)
    (wide,) = widen(xp, x)
    factors = [leading(xp, unfolded(xp, wide, k), r)[0] for k, r in enumerate(ranks)]
    core = wide
    for k, factor in enumerate(factors):
        core = along(xp, core, xp.matrix_transpose(factor), k, roomy=roomy(x, wide))
    bad = xp.any(~xp.isfinite(wide))
    core = xp.where(bad, xp.full_like(core, math.nan), core)
    return tuple(give_back(xp, part, x) for part in (core, *factors))


@operator(
    paper="si2024flora",
    cases=[
        case("matrix", normal(3, 2), normal(5, 3), normal(4, 2)),
        case("three modes", normal(2, 3, 2), normal(3, 2), normal(4, 3), normal(5, 2), scale=0.25),
        case("one rank", normal(1, 1), normal(4, 1, mean=10.0), normal(3, 1), scale=-2.0),
    ],
    bench=case("tensor", cube(8), normal(64, 8), normal(64, 8), normal(64, 8)),
    rows=lambda x, rng: (
        [x[:, :5], rng.normal(size=(3, len(x))), rng.normal(size=(4, min(5, x.shape[1])))],
        {"scale": 1 / 1024},
    ),
)
def tucker_reconstruct(core, a, b, c=None, /, *, scale=1.0):
    r"""Return the tensor of a small core and a factor for each mode.

    .. math:: Y = s \, G \times_1 A \times_2 B \times_3 C, \qquad
        Y_{ijk} = s \sum_{pqr} G_{pqr} A_{ip} B_{jq} C_{kr}

    Parameters
    ----------
    core : array of float16, bfloat16, float32 or float64
        The core :math:`G`, of shape (p, q), or (p, q, r) with a third factor.
    a, b, c : array
        The factors, of shapes (i, p), (j, q) and (k, r); without `c` Y is the matrix A G B^T.
    scale : float
        The factor :math:`s`.

    Returns
    -------
    array
        (i, j) or (i, j, k), in the dtype, library and device of `core`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `scale` is no number.
    ValueError
        `core` has not an axis for each factor, a factor does not fit, a size is 0, or `scale` is not finite.

    Notes
    -----
    FLoRA keeps factors in the order in, out, window and swaps the first two axes at the end; its core starts at 0.

    References
    ----------
    Si et al., FLoRA, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.tucker_reconstruct(np.array([[2.0]]), np.array([[1.0], [3.0]]), np.array([[5.0]]), scale=0.5)
    array([[ 5.],
           [15.]])
    """
    xp, core, a, b, c = prepare(core, a, b, c, need=3)
    modes = 2 if c is None else 3
    if core.ndim != modes or 0 in core.shape:
        raise ValueError(f"core must have {modes} axes, one a factor, and no 0, got shape {tuple(core.shape)}")
    for mode, (name, factor) in enumerate(zip("abc", (a, b, c)[:modes], strict=False)):
        require_matrix(name, factor, core.shape[mode], f"the size of axis {mode} of core")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    y, *factors = widen(xp, core, a, b, c)
    spare = roomy(core, y)
    for mode, factor in enumerate(factors[:modes]):
        y = along(xp, y, factor, mode, roomy=spare)
    return give_back(xp, scale * y, core)


@operator(
    paper="boukraichi2023priori",
    cases=[
        case("matrix", normal(5, 3), normal(4, 3)),
        case("three modes", normal(3, 2), normal(4, 2), normal(5, 2)),
        case("weights", normal(2, 4), normal(3, 4), normal(2, 4), normal(4)),
        case("weights of a matrix", normal(3, 5, mean=10.0), normal(2, 5), None, normal(5)),
    ],
    bench=case("tensor", normal(64, 8), normal(64, 8), normal(64, 8)),
    rows=lambda x, rng: ([x, rng.normal(size=(2, x.shape[1])) / x.shape[1]], {}),
)
def cp_reconstruct(a, b, c=None, weights=None, /):
    r"""Return the sum of the outer products of the columns of two or three factors.

    .. math:: Y_{ijk} = \sum_r w_r A_{ir} B_{jr} C_{kr}

    Parameters
    ----------
    a, b, c : array of float16, bfloat16, float32 or float64
        The factors, of shapes (i, r), (j, r) and (k, r); without `c` Y is the matrix A diag(w) B^T.
    weights : array, optional
        The weight :math:`w_r` of each column, of shape (r,); 1 when left out.

    Returns
    -------
    array
        (i, j) or (i, j, k), in the dtype, library and device of `a`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        A factor is no matrix, factors have not as many columns, or a size is 0.

    References
    ----------
    Boukraichi et al., A priori compression of convolutional neural networks, 2023 (not read again: as catalogued,
    where tensorly's cp_to_tensor confirmed it).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.cp_reconstruct(np.array([[1.0, 2.0]]), np.array([[3.0, 1.0], [0.0, 1.0]]))
    array([[5., 2.]])
    """
    xp, a, b, c, weights = prepare(a, b, c, weights, need=2)
    require_columns(weights, a=a, b=b, c=c)
    first, second, third, w = widen(xp, a, b, c, weights)
    spare = roomy(a, first)
    if w is not None:
        second = w * second
    if third is not None:
        first, second = first[:, None, :] * second[None, :, :], third
    return give_back(xp, inner(xp, first, second, roomy=spare), a)


def slid(xp, z, taps, axis, stride, padding, *, roomy):
    """Return what a tap for each channel, (k, r), makes of (n, r, *spatial) along one axis, with zeros around it."""
    shape = [*z.shape]
    shape[axis] = padding
    zeros = xp.zeros(tuple(shape), dtype=z.dtype, device=device(z))
    z = xp.concat([zeros, z, zeros], axis=axis)
    count = (z.shape[axis] - taps.shape[0]) // stride + 1
    seen = []
    for i in range(taps.shape[0]):
        place = (slice(None),) * axis + (slice(i, i + (count - 1) * stride + 1, stride),)
        seen.append(z[(*place, ...)] * xp.reshape(taps[i, :], (-1, 1, 1)))
    return total(xp, xp.stack(seen, axis=-1), roomy=roomy)[..., 0]


def require_factors(x, a, b, u, v, bias, stride, padding) -> None:
    """Refuse what is no convolution of images in factors."""
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (batch, channels, height, width), got {tuple(x.shape)}")
    require_columns(None, a=a, b=b, u=u, v=v)
    require_shape("b", b, (x.shape[1], a.shape[1]))
    require_shape("bias", bias, a.shape[:1])
    if op.index(stride) < 1 or op.index(padding) < 0:
        raise ValueError(f"stride must be 1 or more and padding 0 or more, got {stride} and {padding}")
    for size, taps in zip(x.shape[2:], (u, v), strict=True):
        if size + 2 * padding < taps.shape[0]:
            raise ValueError(f"a window of {taps.shape[0]} does not fit {size} elements with padding {padding}")


@operator(
    paper="boukraichi2023priori",
    cases=[
        case("images", normal(2, 3, 5, 4), normal(4, 2), normal(3, 2), normal(3, 2), normal(2, 2)),
        case(
            "padding", normal(1, 2, 4, 5), normal(3, 4), normal(2, 4), normal(3, 4), normal(3, 4), normal(3), padding=1
        ),
        case("stride", normal(2, 2, 6, 7), normal(2, 3), normal(2, 3), normal(3, 3), normal(1, 3), stride=2, padding=1),
        case("no images", normal(0, 2, 3, 3), normal(2, 2), normal(2, 2), normal(2, 2), normal(2, 2)),
    ],
    bench=case("images", normal(8, 16, 32, 32), normal(16, 8), normal(16, 8), normal(3, 8), normal(3, 8), padding=1),
    rows=lambda x, rng: (
        [x[:, :24].reshape(-1, 2, 3, 4), *(rng.normal(size=(n, 2)) / 4 for n in (2, 2, 2, 3))],
        {"padding": 1},
    ),
)
def cp_conv(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    r"""Convolve images by a kernel of few separable terms: channels, rows, columns and channels, one after the other.

    .. math:: W_{ocij} = \sum_r A_{or} B_{cr} U_{ir} V_{jr}, \qquad y = W * x + c

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Images, of shape (batch, channels, height, width).
    a, b, u, v : array
        The factors of outputs, inputs, rows and columns, of shapes (outputs, r), (channels, r), (window height, r)
        and (window width, r).
    bias : array, optional
        The shift :math:`c`, of shape (outputs,).
    stride : int
        The step of the window, along both axes.
    padding : int
        How many zeros go on each side of both axes.

    Returns
    -------
    array
        (batch, outputs, height, width), in the dtype, library and device of `x`. As in every framework windows are
        not turned round.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no integer.
    ValueError
        A shape does not fit, a size is 0, `stride` is below 1, `padding` negative, or the window does not fit.

    References
    ----------
    Boukraichi et al., A priori compression of convolutional neural networks, 2023 (as catalogued: the definition,
    confirmed against the convolution by the whole kernel).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, one = np.array([[[[1.0, 2.0, 4.0]]]]), np.array([[1.0]])
    >>> refnorm.proj.cp_conv(x, 3 * one, one, one, np.array([[1.0], [-1.0]]))
    array([[[[-3., -6.]]]])
    """
    xp, x, a, b, u, v, bias = prepare(x, a, b, u, v, bias, need=5)
    require_factors(x, a, b, u, v, bias, stride, padding)
    wide, out, into, rows, columns, shift = widen(xp, x, a, b, u, v, bias)
    spare = roomy(x, wide)
    z = along(xp, wide, xp.matrix_transpose(into), 1, roomy=spare)
    z = slid(xp, z, rows, 2, stride, padding, roomy=spare)
    z = slid(xp, z, columns, 3, stride, padding, roomy=spare)
    y = along(xp, z, out, 1, roomy=spare)
    return give_back(xp, y if shift is None else y + xp.reshape(shift, (-1, 1, 1)), x)


# ---- laws ----


@law(mode_product, normal(3, 3, 3), normal(3, 3), normal(3, 3))
def modes_commute(f, x, a, b):
    return f(f(x, a, axis=0), b, axis=2), f(f(x, b, axis=2), a, axis=0)


@law(mode_product, normal(3, 3, 3), normal(3, 3), normal(3, 3))
def matrices_of_one_mode_multiply(f, x, a, b):
    return f(f(x, a, axis=1), b, axis=1), f(x, b @ a, axis=1)


@law(tucker_reconstruct, normal(3, 2), normal(5, 3), normal(4, 2))
def of_a_matrix(f, core, a, b):
    return f(core, a, b, scale=0.5), 0.5 * a @ core @ b.T


@law(tucker_reconstruct, normal(2, 3, 2), normal(3, 2), normal(4, 3), normal(5, 2))
def last_mode_summed_up(f, core, a, b, c):
    return f(core, a, b, c).sum(axis=-1), f(core @ c.sum(axis=0), a, b)


@law(cp_reconstruct, normal(3, 2), normal(4, 2), normal(5, 2))
def factors_change_places(f, a, b, c):
    return f(a, b, c), np.transpose(f(c, a, b), (1, 2, 0))


@law(cp_reconstruct, normal(3, 2), normal(4, 2), normal(5, 2), normal(2))
def weights_belong_to_any_factor(f, a, b, c, w):
    return f(a, b, c, w), f(w * a, b, c)


@law(cp_conv, normal(2, 3, 5, 4), normal(4, 2), normal(3, 2), normal(3, 2), normal(2, 2))
def is_linear(f, x, a, b, u, v):
    return f(4 * x, a, b, u, v, padding=1), 4 * f(x, a, b, u, v, padding=1)


@law(cp_conv, normal(2, 3, 5, 4), normal(4, 2), normal(3, 2), normal(3, 2), normal(2, 2))
def height_and_width_change_places(f, x, a, b, u, v):
    return np.swapaxes(f(np.swapaxes(x, 2, 3), a, b, v, u, stride=2), 2, 3), f(x, a, b, u, v, stride=2)


@law(hosvd, normal(3, 4, 2))
def all_of_it_gives_the_tensor(f, x):
    core, a, b, c = f(x)
    return np.einsum("pqr,ip,jq,kr->ijk", core, a, b, c), x


@law(hosvd, normal(3, 4, 2))
def slices_of_the_core_are_at_right_angles(f, x):
    flat = f(x)[0].reshape(3, -1)
    return flat @ flat.T, np.eye(3, dtype=x.dtype) * (flat * flat).sum(axis=1)


@law(hosvd, normal(3, 4, 2))
def factors_are_orthonormal(f, x):
    _, a, b, _ = f(x, rank=(2, 2, 2))
    return np.stack([a.T @ a, b.T @ b]), np.stack([np.eye(2)] * 2).astype(x.dtype)
