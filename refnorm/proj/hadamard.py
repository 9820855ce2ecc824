"""H x by butterflies, and Fastfood: a random projection H G P H S x that costs n log n."""

from __future__ import annotations

import operator as op
from math import prod

import numpy as np

from .._cases import Draw, case, integers, normal, permutation
from .._core.butterflies import scattered, transform
from .._core.moments import root_mean_square, sum_leading
from .._lanes import indices, load, run, scratch, takes
from .._registry import gradient, law, operator
from .._threads import thread_count
from .._xp import (
    check_out,
    give_back,
    like_weight,
    prepare,
    require_indices,
    require_same_shape,
    require_shape,
    roomy,
    to_rows,
    widen,
)  # fmt: skip

kernels = load(__name__)


def power_of_two_rows(x, rng):
    """Return as many columns as a power of two has, scaled so that float16 holds the answer."""
    n = 1 << (x.shape[1].bit_length() - 1)
    return [x[:, :n]], {"scale": 0.7 / n}


def whole_chain(x, rng):
    """Return rows and what mixes them: the next power of two, as many outputs as inputs; small, for float16."""
    n = 1 << (x.shape[1] - 1).bit_length()
    return [x, rng.choice([-0.25, 0.25], n), rng.permutation(n), rng.normal(size=n)], {"output_size": x.shape[1]}


# ---- refusals ----


def require_rows(x, axis, scale) -> None:
    """Refuse an axis that is not one of a power of two, and a scale that is no number."""
    try:
        axis, scale = op.index(axis), float(scale)
    except (TypeError, ValueError):
        raise TypeError(f"axis must be one int and scale a number, got {axis!r} and {scale!r}") from None
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} does not exist in an array of {x.ndim} axes")
    require_power_of_two(f"axis {axis}", x.shape[axis])


def require_power_of_two(what, n) -> None:
    """Refuse a size that halves do not bring down to one."""
    if n != n or n < 1 or int(n) & (int(n) - 1):
        raise ValueError(f"the size of {what} must be a power of two, got {n}")


def require_chain(xp, x, signs, permutation, gains, output_size) -> int:
    """Refuse arrays that do not fit together; return how many outputs are wanted."""
    if signs.ndim != 1:
        raise ValueError(f"signs must have one axis, got shape {tuple(signs.shape)}")
    n = signs.shape[0]
    require_power_of_two("signs", n)
    require_indices(xp, "permutation", permutation, (n,))
    require_shape("gains", gains, (n,))
    if x.ndim == 0 or not 1 <= x.shape[-1] <= n:
        raise ValueError(f"the last axis of x must have 1 to {n} elements, as signs has, got shape {tuple(x.shape)}")
    try:
        size = n if output_size is None else op.index(output_size)
    except TypeError:
        raise TypeError(f"output_size must be an int, got {output_size!r}") from None
    if not 1 <= size <= n:
        raise ValueError(f"output_size must be 1 to {n}, the size of signs, got {size}")
    return size


# ---- the way there ----


def padded(xp, x, signs):
    """Return `x` with zeros behind it, as long as `signs`."""
    missing = xp.zeros_like(signs[x.shape[-1] :])
    return xp.concat([x, xp.broadcast_to(missing, (*x.shape[:-1], missing.shape[0]))], axis=-1)


def lots(x, most, lines, size):
    """Return (rows a lot, lots, room): the units of a kernel, and for each of them lines of doubles to work in."""
    rows = prod(x.shape[:-1])
    lot = max(1, -(-rows // most))
    return lot, -(-rows // lot), scratch((max(1, -(-rows // lot)), lines * max(size, 64) + 272), "float64")


# ---- operators ----


@operator(
    paper="aghajanyan2020intrinsic",
    kernel="walsh_hadamard_transform",
    cases=[
        case("rows", normal(4, 8)),
        case("loud scale", normal(2, 3, 16), scale=-0.375),
        case("axis", normal(4, 8, 3), axis=1, scale=0.3),
        case("first axis", normal(16, 5), axis=0),
        case("one element", normal(3, 1), scale=3.0),
        case("two elements", normal(5, 2)),
        case("offset", normal(3, 32, mean=1e3), scale=0.2),
        case("a tile", normal(3, 64), scale=0.125),
        case("longer than a tile", normal(3, 256)),
        case("a block and more", normal(2, 2048), scale=1 / 2048),
        case("columns", normal(128, 19), axis=0, scale=2.0),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 4096)),
    rows=power_of_two_rows,
)
def walsh_hadamard_transform(x, /, *, axis=-1, scale=1.0, out=None):
    r"""Multiply `x` along `axis` by the Hadamard matrix, in natural (Sylvester) order.

    .. math:: y = c \, H_n x, \qquad H_1 = (1), \quad
        H_{2n} = \begin{pmatrix} H_n & H_n \\ H_n & -H_n \end{pmatrix}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape; its size n along `axis` is a power of two. Nothing is padded.
    axis : int
        The axis to transform.
    scale : float
        The factor :math:`c`: with ``n**-0.5`` the transform is orthonormal and its own inverse, with ``1 / n`` it
        is the inverse of the plain one.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN makes its whole row NaN; an infinity makes it infinite.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `axis` is not one int, or `scale` no number.
    ValueError
        The size along `axis` is not a power of two, `axis` is missing, or `out` overlaps.

    Notes
    -----
    The rows of H in order of sign changes (sequency, Walsh) or bit-reversed (dyadic, Paley) are permutations of this
    natural order. Some codes scale by ``n**-0.5`` unasked: ``refnorm conventions walsh_hadamard_transform``.

    References
    ----------
    Aghajanyan, Zettlemoyer and Gupta, Intrinsic Dimensionality Explains the Effectiveness of Language Model
    Fine-Tuning, 2020 (not read again: the transform is confirmed against SciPy's Hadamard matrices).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.walsh_hadamard_transform(np.array([1.0, 2.0, 3.0, 5.0]))
    array([11., -3., -5.,  1.])
    """
    xp, x = prepare(x)
    require_rows(x, axis, scale)
    check_out(out, x)
    rows, into = to_rows(xp, axis, x, out)
    if takes(kernels, rows):
        lot, units, room = lots(rows, thread_count(), 10, rows.shape[-1])
        y = run(kernels.walsh_hadamard_transform, rows, scale, lot, room, out=into, units=units)
    else:
        (wide,) = widen(xp, rows)
        y = transform(xp, wide, scale, roomy=roomy(rows, wide))
    return give_back(xp, y, x, axis, out)


@gradient(walsh_hadamard_transform)
def walsh_hadamard_transform_vjp(cotangent, x, /, *, axis=-1, scale=1.0):
    r"""Return the cotangent of `x` for a cotangent of ``walsh_hadamard_transform(x)``: the same transform of it.

    .. math:: \bar x = c \, H_n \bar y

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x : array
        The input of :func:`walsh_hadamard_transform`; only its shape and dtype count.
    axis, scale
        As in :func:`walsh_hadamard_transform`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`walsh_hadamard_transform`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    H is symmetric, so the transpose of the transform of Aghajanyan et al., 2020, is the transform.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.walsh_hadamard_transform_vjp(np.array([0.0, 2.0]), np.zeros(2), scale=0.5)
    array([ 1., -1.])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_rows(x, axis, scale)
    rows, like = to_rows(xp, axis, cotangent, x)
    if takes(kernels, rows, like):
        lot, units, room = lots(rows, thread_count(), 10, rows.shape[-1])
        dx = run(kernels.walsh_hadamard_transform_vjp, rows, scale, lot, room, units=units)
    else:
        (wide,) = widen(xp, rows)
        dx = transform(xp, wide, scale, roomy=roomy(rows, wide))
    return give_back(xp, dx, x, axis)


def chain(d, n):
    """Return draws of x, random signs, a permutation and gains."""
    signs = Draw((n,), lambda rng, s: rng.choice([-1.0, 1.0], s), "signs")
    return normal(3, d), signs, permutation(n), normal(n)


@operator(
    paper=("aghajanyan2020intrinsic", "li2018measuring", "le2013fastfood"),
    kernel="fastfood_project",
    cases=[
        case("square", *chain(8, 8)),
        case("padded and cut", *chain(5, 16), output_size=11),
        case("one input", *chain(1, 8), output_size=3),
        case("one output", *chain(7, 8), output_size=1),
        case("gains far from one", normal(2, 3, 6), normal(8), permutation(8), normal(8, mean=40.0, std=9.0)),
        case("any signs", normal(4, 16), normal(16, mean=3.0), permutation(16), normal(16), output_size=16),
        case("repeated indices", normal(4, 16), normal(16), integers(16, high=16), normal(16), output_size=9),
        case("offset", normal(3, 60, mean=50.0), *chain(64, 64)[1:], output_size=50),
        case("longer than a tile", *chain(100, 128), output_size=128),
        case("long", *chain(1000, 2048), output_size=1500),
        case("one vector", normal(12), *chain(16, 16)[1:]),
        case("no rows", normal(0, 4), *chain(4, 8)[1:]),
    ],
    bench=case("rows", normal(4096, 4096), *chain(4096, 4096)[1:]),
    rows=whole_chain,
)
def fastfood_project(x, signs, permutation, gains, /, *, output_size=None, out=None):
    r"""Project `x` along its last axis by Fastfood's product of Hadamard, diagonal and permutation matrices.

    .. math:: y = \frac{(H G \Pi H B \, x)_{1..D}}{\sqrt{n \sum_k g_k^2} \; \sqrt{D / n}}, \qquad
        B = \mathrm{diag}(b), \quad (\Pi u)_k = u_{p_k}, \quad G = \mathrm{diag}(g)

    with H the unscaled Hadamard matrix of :func:`walsh_hadamard_transform`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., d) with d up to n; zeros are put behind it.
    signs : array
        The diagonal :math:`b`, usually of random signs: shape (n,), n a power of two.
    permutation : array of int
        The indices :math:`p`, each in 0 to n - 1, shape (n,): a gather. Repeated ones are taken as they are.
    gains : array
        The diagonal :math:`g`, usually standard normal: shape (n,).
    output_size : int, optional
        The number D of outputs kept, 1 to n; n when left out.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`; `x` itself where the shapes agree.

    Returns
    -------
    array
        (..., D), in the dtype, library and device of `x`. Over random signs and gains the mean squared norm of y is
        that of x. A NaN makes its whole row NaN; so do gains that are all zero, in every row.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or `permutation` no integers, or the arrays are of two libraries.
    ValueError
        n is not a power of two, a shape or `output_size` does not fit n, or `out` overlaps.
    IndexError
        The kernel met an index that is not in 0 to n - 1. The formulas leave that to their library.

    Notes
    -----
    Gains of any size are divided by their root mean square, so their scale does not matter. Le et al. have a further
    diagonal S of row lengths and the bandwidth sigma instead. The code that accompanies Aghajanyan et al. as others
    have kept it gives 1/n of the true gradient.

    References
    ----------
    Aghajanyan, Zettlemoyer and Gupta, Intrinsic Dimensionality Explains the Effectiveness of Language Model
    Fine-Tuning, 2020; Li, Farkhoor, Liu and Yosinski, Measuring the Intrinsic Dimension of Objective Landscapes,
    2018; Le, Sarlos and Smola, Fastfood, 2013 (none read again: the formula is confirmed against the code of the
    first two).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, signs, gains = np.array([3.0]), np.array([1.0, -1.0]), np.array([1.0, 1.0])
    >>> refnorm.proj.fastfood_project(x, signs, np.array([1, 0]), gains)
    array([3., 0.])
    """
    xp, x, signs, gains = prepare(x, signs, gains, need=3)
    size = require_chain(xp, x, signs, permutation, gains, output_size)
    n, shape = signs.shape[0], (*x.shape[:-1], size)
    check_out(out, x, signs, permutation, gains, shape=None if shape == x.shape else shape)
    if takes(kernels, x, signs, permutation, gains):
        lot, units, room = lots(x, thread_count(), 6, n)
        at = indices(permutation, n)
        y = run(kernels.fastfood_project, x, signs, at, gains, lot, room, out=out, shape=shape, units=units)
    else:
        wide, s, g = widen(xp, x, signs, gains)
        y = mixed(xp, wide, s, permutation, g, size, roomy=roomy(x, wide))
    return give_back(xp, y, x, out=out)


def mixed(xp, x, signs, permutation, gains, size, *, roomy):
    """Return the whole chain; gains over their root mean square, in two steps of n^-1/2, so that nothing overflows."""
    gains = gains / root_mean_square(xp, gains, 0.0, roomy=roomy)
    w = transform(xp, padded(xp, x, signs) * signs, signs.shape[0] ** -0.5, roomy=roomy)
    return transform(xp, xp.take(w, permutation, axis=-1) * gains, size**-0.5, roomy=roomy)[..., :size]


@gradient(fastfood_project)
def fastfood_project_vjp(cotangent, x, signs, permutation, gains, /, *, output_size=None):
    r"""Return the cotangents of `x`, `signs` and `gains` for a cotangent of ``fastfood_project(x, ...)``.

    .. math:: u = H \bar y / \sqrt{n D}, \quad \hat g = g / r, \quad r = \sqrt{\tfrac1n \sum_k g_k^2}, \qquad
        t = H \Pi^T (\hat g u), \quad \bar x = (b \, t)_{1..d}, \quad \bar b = \sum_{\text{rows}} x t, \quad
        \bar g = \frac1r \Bigl( q - \hat g \, \frac1n \sum_k \hat g_k q_k \Bigr), \quad
        q = \sum_{\text{rows}} u \, \Pi H B x

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, signs, permutation, gains, output_size
        As in :func:`fastfood_project`.

    Returns
    -------
    tuple
        ``(dx, dsigns, None, dgains)``: indices have no cotangent.

    Raises
    ------
    TypeError, ValueError, IndexError
        As in :func:`fastfood_project`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of the projection of Aghajanyan et al., 2020; H is symmetric, and so the same transform goes back.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, signs, gains = np.array([3.0]), np.array([1.0, -1.0]), np.array([1.0, 1.0])
    >>> dx, dsigns, _, dgains = refnorm.proj.fastfood_project_vjp(
    ...     np.array([1.0, 0.0]), x, signs, np.array([1, 0]), gains)
    >>> dx, dsigns, dgains
    (array([1.]), array([3., 0.]), array([0., 0.]))
    """
    xp, cotangent, x, signs, gains = prepare(cotangent, x, signs, gains, need=4)
    size = require_chain(xp, x, signs, permutation, gains, output_size)
    n, d = signs.shape[0], x.shape[-1]
    require_shape("cotangent", cotangent, (*x.shape[:-1], size))
    (g,) = widen(xp, gains)
    root = root_mean_square(xp, g, 0.0, roomy=roomy(gains, g))
    g = g / root
    if takes(kernels, x, cotangent, signs, permutation, gains):
        lot, units, room = lots(x, max(1, min(64, 2**22 // n)), 6, n)
        args = cotangent, x, signs, indices(permutation, n), gains, lot, room
        dx, (q, dsigns) = run(kernels.fastfood_project_vjp, *args, shape=x.shape, parts=(units, 2, n), units=units)
    else:
        wide, u, s = widen(xp, x, cotangent, signs)
        spare, v = roomy(x, wide), padded(xp, wide, s)
        w = transform(xp, v * s, n**-0.5, roomy=spare)
        u = transform(xp, padded(xp, u, s), size**-0.5, roomy=spare)
        t = transform(xp, scattered(xp, u * g, permutation), n**-0.5, roomy=spare)
        dx, dsigns, q = (s * t)[..., :d], sum_leading(xp, v * t), sum_leading(xp, u * xp.take(w, permutation, axis=-1))
    dgains = (q - g * xp.mean(g * q)) / root
    return give_back(xp, dx, x), like_weight(xp, dsigns, signs), None, like_weight(xp, dgains, gains)


# ---- laws ----


@law(walsh_hadamard_transform, normal(4, 8))
def twice_is_n(f, x):
    return f(f(x)), 8 * x


@law(walsh_hadamard_transform, normal(4, 16))
def parseval(f, x):
    return (f(x, scale=0.25) ** 2).sum(axis=-1), (x**2).sum(axis=-1)


@law(walsh_hadamard_transform, normal(3, 16))
def halves_make_the_whole(f, x):
    a, b = x[:, :8], x[:, 8:]
    return f(x), np.concatenate([f(a + b), f(a - b)], axis=-1)


@law(walsh_hadamard_transform, normal(4, 8))
def scale_is_a_factor(f, x):
    return f(x, scale=0.75), 0.75 * f(x)


@law(walsh_hadamard_transform, normal(8, 4))
def axes_commute(f, x):
    return f(f(x, axis=0), axis=1), f(f(x, axis=1), axis=0)


CHAIN = chain(6, 8)


@law(fastfood_project, *CHAIN)
def linear_in_x(f, x, b, p, g):
    return f(4 * x[::-1], b, p, g), 4 * f(x, b, p, g)[::-1]


@law(fastfood_project, *CHAIN)
def gains_have_no_scale(f, x, b, p, g):
    return f(x, b, p, 3 * g, output_size=5), f(x, b, p, g, output_size=5)


@law(fastfood_project, *CHAIN)
def outputs_are_cut(f, x, b, p, g):
    return f(x, b, p, g, output_size=2), 2 * f(x, b, p, g, output_size=8)[:, :2]


@law(fastfood_project, *CHAIN)
def zeros_are_padded(f, x, b, p, g):
    return f(np.concatenate([x, 0 * x[:, :2]], axis=-1), b, p, g), f(x, b, p, g)


@law(fastfood_project, *CHAIN)
def signs_belong_to_x(f, x, b, p, g):
    return f(x * b[:6], b, p, g), f(x, b * b, p, g)


@law(fastfood_project, *CHAIN)
def equal_gains_keep_the_norm(f, x, b, p, g):
    y = f(x, np.sign(b), p, 0 * g + 3)
    return (y**2).sum(axis=-1), (x**2).sum(axis=-1)
