"""Sketches of rows, and of their outer products: elements added up in a few buckets, with signs."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import Draw, case, integers, normal
from .._core.segments import segment_sums
from .._core.sums import total
from .._lanes import indices, load, packed, run, scratch, takes
from .._registry import law, operator
from .._threads import thread_count
from .._xp import (
    check_out,
    device,
    give_back,
    prepare,
    require_along,
    require_indices,
    require_shape,
    roomy,
    widen,
)  # fmt: skip

kernels = load(__name__)
NEAR = 1 << 19  # bytes of sums that stay in the cache next to a core


def random_signs(*shape):
    """Draw signs at random."""
    return Draw(shape, lambda rng, s: rng.choice([-1.0, 1.0], s), "signs")


def require_buckets(xp, x, ids, signs) -> None:
    """Refuse ids that are no integers, neither one nor several for each element, and signs of another shape."""
    each = getattr(ids, "shape", ())[1:]
    require_indices(xp, "ids", ids, (*x.shape[-1:], *each[:1]))
    if each == (0,):
        raise ValueError("ids must have at least one bucket for each element, got shape (n, 0)")
    require_shape("signs", signs, ids.shape)


def sketched(x, ids, signs, size, out):
    """Return sketches by the kernel, of rows taken together while their sums stay near; every lot has room for them."""
    wide = 2 if x.dtype.itemsize == 8 else 1
    together = kernels.TOGETHER if 8 * wide * kernels.TOGETHER * size <= NEAR else 1
    rows = math.prod(x.shape[:-1])
    lot = max(1, -(-rows // (together * thread_count()))) * together  # whole: the same rows together for any threads
    lots = -(-rows // lot)
    room = scratch((max(1, lots), max(2, wide * together) * (size + 1) + 8), "float64")
    at, ends, members, signs = indices(ids), None, None, packed(signs, 1).reshape(ids.shape)
    there = (at >= 0) & (at < size)
    if ids.ndim == 2:  # what is in no bucket is left out
        ends = np.concat([[0], np.cumsum(np.sum(there, axis=1))]).astype("intp")
        at, members, signs = at[there], np.flatnonzero(there) // ids.shape[1], signs[there]
    else:
        at = np.where(there, at, size)
    args = ends, members, at, signs, lot, together, room
    return run(kernels.count_sketch, x, *args, out=out, shape=(*x.shape[:-1], size), units=lots)


def bucketed(xp, x, ids, signs, size, *, roomy):
    """Return the sums of signed elements over buckets."""
    signed = x * signs if ids.ndim == 1 else x[..., None] * signs
    columns = xp.matrix_transpose(xp.reshape(signed, (-1, math.prod(ids.shape))))
    y, _ = segment_sums(xp, columns, xp.reshape(ids, (-1,)), size, roomy=roomy)
    return xp.reshape(xp.matrix_transpose(y), (*x.shape[:-1], size))


@operator(
    paper="charikar2002finding",
    kernel="count_sketch",
    cases=[
        case("rows", normal(4, 8), integers(8, high=5), random_signs(8), output_size=5),
        case("many rows", normal(19, 11), integers(11, low=-1, high=7), random_signs(11), output_size=6),
        case("blocks", normal(2, 3, 9), integers(9, high=4), random_signs(9), output_size=4),
        case("two buckets each", normal(9, 7), integers(7, 2, low=-1, high=5), random_signs(7, 2), output_size=4),
        case("offset", normal(3, 21, mean=1e3), integers(21, high=3), normal(21), output_size=3),
        case("one", normal(7), integers(7, high=9), random_signs(7), output_size=9),
        case("no rows", normal(0, 4), integers(4, high=2), random_signs(4), output_size=2),
    ],
    bench=case("rows", normal(256, 4096), integers(4096, high=512), random_signs(4096), output_size=512),
    rows=lambda x, rng: (
        [x, rng.integers(0, 7, x.shape[1]), rng.choice([-1.0, 1.0], x.shape[1]) / x.shape[1]],
        {"output_size": 7},
    ),
)
def count_sketch(x, ids, signs, /, *, output_size, out=None):
    r"""Add up the elements of rows of `x` in a few buckets, each with a sign.

    .. math:: y_j = \sum_{i \,:\, h_i = j} s_i x_i

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    ids : array of integers
        The bucket :math:`h_i` of each element, from 0 and below `output_size`, of shape (n,), or k of them for each,
        (n, k). Other numbers, negative ones too, belong to no bucket.
    signs : array
        The signs :math:`s_i`, of the shape of `ids`, +1 and -1 at random; or whatever number goes with the bucket.
    output_size : int
        The number of buckets.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        (..., output_size), in the dtype, library and device of `x`; 0 in an empty bucket.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, they are of two libraries, or `output_size` is no
        integer.
    ValueError
        A shape does not fit, `x` has no element along its last axis, `output_size` is below 1, or `out` overlaps.

    Notes
    -----
    With several buckets an element this is the product with a sparse matrix: a row of it has its columns in `ids`, -1
    behind the last of them, and its entries in `signs`. So rows are projected by a :func:`sparse_random_matrix`.

    Inner products of sketches are those of the rows on average. The sketch of an outer product is the circular
    convolution of the sketches of its factors.

    References
    ----------
    Charikar, Chen and Farach-Colton, Finding Frequent Items in Data Streams, 2002 (not read again: as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids, signs = np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), np.array([1.0, 1.0, -1.0])
    >>> refnorm.proj.count_sketch(x, ids, signs, output_size=3)
    array([-3.,  0.,  2.])
    """
    xp, x, signs = prepare(x, signs, need=2)
    require_along(x, -1)
    require_buckets(xp, x, ids, signs)
    if op.index(output_size) < 1:
        raise ValueError(f"output_size must be 1 or more, got {output_size!r}")
    shape = (*x.shape[:-1], output_size)
    check_out(out, x, ids, signs, shape=shape)
    if takes(kernels, x, signs, ids):
        y = sketched(x, ids, signs, op.index(output_size), out)
    else:
        wide, s = widen(xp, x, signs)
        y = bucketed(xp, wide, ids, s, output_size, roomy=roomy(x, wide))
    return give_back(xp, y, x, out=out)


def convolved(xp, x, other, *, roomy):
    """Return the circular convolution of rows, sum by sum: fast transforms lose what is small beside the rest."""
    n = x.shape[-1]
    place = xp.arange(n, device=device(x))
    turned = xp.take(other, xp.reshape((place[:, None] - place) % n, (-1,)), axis=-1)
    turned = xp.reshape(turned, (*other.shape[:-1], n, n))
    return total(xp, x[..., None, :] * turned, roomy=roomy)[..., 0]


def small_squares(x, rng):
    """Return few elements below 1, so that float16 holds the sums of their products."""
    x = x[:, :40] / abs(x[:, :40]).max()
    n = x.shape[1]
    return [x, rng.integers(0, 5, (2, n)), rng.choice([-1.0, 1.0], (2, n))], {"output_size": 5}


@operator(
    paper="pham2013fast",
    cases=[
        case("squares", normal(4, 8), integers(2, 8, high=5), random_signs(2, 8), output_size=5),
        case("cubes", normal(2, 3, 6), integers(3, 6, high=4), random_signs(3, 6), output_size=4),
        case("first powers", normal(3, 7), integers(1, 7, high=3), random_signs(1, 7), output_size=3),
        case("some nowhere", normal(3, 9), integers(2, 9, low=-1, high=8), normal(2, 9), output_size=7),
        case("offset", normal(2, 21, mean=10.0), integers(2, 21, high=3), random_signs(2, 21), output_size=3),
        case("one", normal(5), integers(2, 5, high=1), random_signs(2, 5), output_size=1),
        case("no rows", normal(0, 4), integers(2, 4, high=2), random_signs(2, 4), output_size=2),
    ],
    bench=case("rows", normal(64, 512), integers(2, 512, high=64), random_signs(2, 512), output_size=64),
    rows=small_squares,
)
def tensor_sketch(x, ids, signs, /, *, output_size):
    r"""Sketch all products of so many elements of rows of `x` as there are rows of buckets.

    .. math:: y = s^{(1)} * \dots * s^{(p)}, \qquad s^{(q)}_j = \sum_{i \,:\, h^{(q)}_i = j} \sigma^{(q)}_i x_i, \qquad
        (a * b)_k = \sum_j a_j \, b_{(k - j) \bmod D}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    ids : array of integers
        The buckets :math:`h^{(q)}` of the elements, a row for each factor: (p, n), from 0 and below `output_size`.
        Others belong to no bucket.
    signs : array
        The signs :math:`\sigma^{(q)}`, of the same shape.
    output_size : int
        The number :math:`D` of buckets.

    Returns
    -------
    array
        (..., output_size), in the dtype, library and device of `x`. Inner products of answers are <x, y>^p on average.
        A NaN makes its whole row NaN where p is above 1; an infinity makes infinities or NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, they are of two libraries, or `output_size` is no
        integer.
    ValueError
        A shape does not fit, a size is 0, or `output_size` is below 1.

    Notes
    -----
    The sketch of an outer product, of which element (i, j, ...) goes to the bucket h_i + h_j + ... mod D with the
    product of its signs. For the kernel (g <x, y> + c)^p scale x by sqrt(g) and put sqrt(c) behind it.

    References
    ----------
    Pham and Pagh, Fast and Scalable Polynomial Kernels via Explicit Feature Maps, 2013 (not read again: as scikit-learn
    has it, against which it is tested; that multiplies Fourier transforms).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids, signs = np.array([2.0, 5.0]), np.array([[0, 1], [1, 1]]), np.array([[1.0, 1.0], [1.0, -1.0]])
    >>> refnorm.proj.tensor_sketch(x, ids, signs, output_size=3)
    array([  0.,  -6., -15.])
    """
    xp, x, signs = prepare(x, signs, need=2)
    require_along(x, -1)
    require_indices(xp, "ids", ids, (*getattr(ids, "shape", ())[:1], *x.shape[-1:]))
    if ids.shape[0] == 0:
        raise ValueError("ids must have at least one row of buckets, got shape (0, n)")
    require_shape("signs", signs, ids.shape)
    size = op.index(output_size)
    if size < 1:
        raise ValueError(f"output_size must be 1 or more, got {output_size!r}")
    wide, s = widen(xp, x, signs)
    spare = roomy(x, wide)
    y = bucketed(xp, wide, ids[0, :], s[0, :], size, roomy=spare)
    for q in range(1, ids.shape[0]):
        y = convolved(xp, y, bucketed(xp, wide, ids[q, :], s[q, :], size, roomy=spare), roomy=spare)
    return give_back(xp, y, x)


# ---- laws ----


@law(count_sketch, normal(4, 7), integers(7, high=5), random_signs(7))
def signs_turn_the_sketch(f, x, ids, s):
    return f(x, ids, -s, output_size=5), -f(x, ids, s, output_size=5)


@law(count_sketch, normal(4, 7), integers(7, high=5), random_signs(7))
def nothing_is_lost(f, x, ids, s):
    return f(x, ids, s, output_size=5).sum(axis=-1), (x * s).sum(axis=-1)


POWERS = normal(4, 7), integers(2, 7, high=5), random_signs(2, 7)


@law(tensor_sketch, *POWERS)
def scales_as_a_product(f, x, ids, s):
    return f(4 * x, ids, s, output_size=5), 16 * f(x, ids, s, output_size=5)


@law(tensor_sketch, *POWERS)
def sums_multiply(f, x, ids, s):
    return f(x, ids, s, output_size=5).sum(axis=-1), (x * s[0]).sum(axis=-1) * (x * s[1]).sum(axis=-1)


@law(tensor_sketch, *POWERS)
def factors_may_change_places(f, x, ids, s):
    return f(x, ids[::-1], s[::-1], output_size=5), f(x, ids, s, output_size=5)


@law(tensor_sketch, *POWERS)
def a_shift_of_one_hash_turns_the_sketch(f, x, ids, s):
    shifted = np.stack([(ids[0] + 1) % 5, ids[1]])
    return f(x, shifted, s, output_size=5), np.roll(f(x, ids, s, output_size=5), 1, axis=-1)
