"""Outer products of two vectors, in full or sketched: sums over places of x y^T."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import Draw, case, integers, normal
from .._core.norms import length, unit
from .._core.products import inner_pairs
from .._core.roots import signed_root
from .._core.segments import gather, segment_sums
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import (
    device,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_indices,
    require_shape,
    require_switch,
    roomy,
    widen,
)


def flips(n):
    """Draw n signs."""
    return Draw((n,), lambda rng, s: rng.choice([-1.0, 1.0], s), "signs")


def require_places(x, other) -> None:
    """Refuse what is no pair (..., n, c) and (..., n, d)."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, c), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    features = other.shape[-1:] if other.ndim == x.ndim else x.shape[-1:]
    require_shape("other", other, x.shape[:-1] + features)
    require_along(other, -1)


def outer_rows(xp, x, other, share, *, roomy):
    """Return the outer products of two features added up over places and times `share`, as rows."""
    z = inner_pairs(xp, xp.matrix_transpose(x), xp.matrix_transpose(other), roomy=roomy)
    return xp.reshape(z, (*z.shape[:-2], z.shape[-2] * z.shape[-1])) * share


def require_choices(x, reduce, signed_sqrt, l2, eps) -> float:
    """Refuse options that are none; return what a sum over places is multiplied by."""
    require_switch("signed_sqrt", signed_sqrt)
    require_switch("l2", l2)
    require_along(x, -1, eps)
    if reduce not in ("mean", "sum"):
        raise ValueError(f"reduce must be 'mean' or 'sum', got {reduce!r}")
    return 1 / x.shape[-2] if reduce == "mean" else 1.0


@operator(
    paper="winterbottom2020trying",
    cases=[
        case("mean", normal(2, 5, 3), normal(2, 5, 4)),
        case("sum", normal(2, 4, 3), normal(2, 4, 2), reduce="sum"),
        case("signed root", normal(3, 5, 2), normal(3, 5, 3), signed_sqrt=True),
        case("of length one", normal(2, 5, 3), normal(2, 5, 3), l2=True),
        case("root, then length one", normal(3, 4, 3), normal(3, 4, 2), signed_sqrt=True, l2=True, reduce="sum"),
        case("loud eps", normal(2, 5, 2), normal(2, 5, 2), l2=True, eps=2.0),
        case("one place", normal(1, 4), normal(1, 3)),
        case("no samples", normal(0, 3, 2), normal(0, 3, 4)),
    ],
    bench=case("places", normal(48, 196, 64), normal(48, 196, 64)),
    rows=lambda x, rng: ([x.T, rng.normal(size=(x.shape[1], 2))], {}),
)
def bilinear_pool(x, other, /, *, reduce="mean", signed_sqrt=False, l2=False, eps=1e-12):
    r"""Reduce two maps of features to the outer product of both, over their places.

    .. math:: z = \mathrm{vec} \Big( \frac{1}{n} \sum_t x_t y_t^T \Big), \qquad
        z \to \mathrm{sign}(z) \sqrt{|z|}, \qquad z \to \frac{z}{\max(\lVert z \rVert_2, \epsilon)}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The features of n places, of shape (..., n, c); n = 1 for plain vectors.
    other : array
        The other features of the same places, of shape (..., n, d); `x` again for bilinear CNNs.
    reduce : {"mean", "sum"}
        What is taken over the places.
    signed_sqrt : bool
        Whether to take signed roots.
    l2 : bool
        Whether to divide by the length, after the roots.
    eps : float
        The least length that is divided by.

    Returns
    -------
    array
        (..., c d), row by row, in the dtype, library and device of `x`. A NaN makes the products of its feature NaN,
        with l2 all.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of another type.
    ValueError
        `x` has fewer than two axes or is empty along the last two, `other` has not its places, `reduce` is another
        word, or `eps` is negative.

    Notes
    -----
    Where features cannot be negative, a bilinear CNN takes sqrt(z + 1e-5) in place of the signed root. The derivative
    of the root at 0 counts as 0.

    References
    ----------
    Winterbottom et al., Trying Bilinear Pooling in Video-QA, 2020: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.bilinear_pool(np.array([[1.0, 2.0]]), np.array([[3.0, -8.0]]), signed_sqrt=True)
    array([ 1.73205081, -2.82842712,  2.44948974, -4.        ])
    """
    xp, x, other = prepare(x, other, need=2)
    require_places(x, other)
    share = require_choices(x, reduce, signed_sqrt, l2, eps)
    wide, o = widen(xp, x, other)
    spare = roomy(x, wide)
    z = outer_rows(xp, wide, o, share, roomy=spare)
    z = signed_root(xp, z) if signed_sqrt else z
    return give_back(xp, unit(xp, z, eps, roomy=spare) if l2 else z, x)


@gradient(bilinear_pool)
def bilinear_pool_vjp(cotangent, x, other, /, *, reduce="mean", signed_sqrt=False, l2=False, eps=1e-12):
    r"""Return the cotangents of both maps for a cotangent of ``bilinear_pool(x, other)``.

    .. math:: \bar x_t = \bar Z y_t, \qquad \bar y_t = \bar Z^T x_t

    with :math:`\bar Z` over n for the mean, and pulled back through length and root before.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, other, reduce, signed_sqrt, l2, eps
        As in :func:`bilinear_pool`.

    Returns
    -------
    tuple
        ``(dx, dother)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`bilinear_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`bilinear_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other = np.array([[1.0, 2.0]]), np.array([[3.0]])
    >>> refnorm.pool.bilinear_pool_vjp(np.array([1.0, 10.0]), x, other)
    (array([[ 3., 30.]]), array([[21.]]))
    """
    xp, cotangent, x, other = prepare(cotangent, x, other, need=3)
    require_places(x, other)
    share = require_choices(x, reduce, signed_sqrt, l2, eps)
    require_shape("cotangent", cotangent, (*x.shape[:-2], x.shape[-1] * other.shape[-1]))
    wide, o, g = widen(xp, x, other, cotangent)
    spare = roomy(x, wide)
    z = outer_rows(xp, wide, o, share, roomy=spare)
    y = signed_root(xp, z) if signed_sqrt else z
    if l2:
        size = length(xp, y, roomy=spare)
        held = size < eps
        size = xp.where(held, xp.full_like(size, eps), size)
        y = y / size
        g = (g - xp.where(held, xp.zeros_like(y), y * total(xp, g * y, roomy=spare))) / size
    if signed_sqrt:
        g = xp.where(z == 0, xp.zeros_like(g), g / (2 * xp.sqrt(xp.where(z == 0, xp.ones_like(z), xp.abs(z)))))
    g = xp.reshape(g * share, (*x.shape[:-2], x.shape[-1], other.shape[-1]))
    return give_back(xp, xp.matmul(o, xp.matrix_transpose(g)), x), give_back(xp, xp.matmul(wide, g), other)


def require_sketch(xp, x, other, ids, other_ids, first, second, output_size) -> int:
    """Refuse what compact_bilinear_pool cannot take; return the number of buckets."""
    require_places(x, other)
    try:
        size = op.index(output_size)
    except TypeError:
        raise TypeError(f"output_size must be an int, got {output_size!r}") from None
    if size < 1:
        raise ValueError(f"output_size must be at least 1, got {size}")
    require_indices(xp, "ids", ids, x.shape[-1:])
    require_indices(xp, "other_ids", other_ids, other.shape[-1:])
    require_shape("signs", first, x.shape[-1:])
    require_shape("other_signs", second, other.shape[-1:])
    return size


def buckets(xp, ids, other_ids, size):
    """Return the bucket of each pair of features, (c d,), in the library's own integers."""
    whole = xp.arange(1, device=device(ids)).dtype
    pairs = xp.astype(ids, whole)[:, None] + xp.astype(other_ids, whole)[None, :]
    return xp.reshape(xp.remainder(pairs, size), (-1,))


@operator(
    paper="winterbottom2020trying",
    cases=[
        case(
            "odd size", normal(2, 3, 4), normal(2, 3, 5), integers(4, high=7), integers(5, high=7), flips(4), flips(5),
            output_size=7,
        ),
        case(
            "vectors", normal(3, 1, 6), normal(3, 1, 6), integers(6, high=8), integers(6, high=8), flips(6), flips(6),
            output_size=8,
        ),
        case(
            "few buckets", normal(5, 4), normal(5, 3), integers(4, high=2), integers(3, high=2), flips(4), flips(3),
            output_size=2,
        ),
    ],
    bench=case(
        "places", normal(48, 196, 64), normal(48, 196, 64), integers(64, high=1000), integers(64, high=1000), flips(64),
        flips(64), output_size=1000,
    ),
    rows=lambda x, rng: (
        [x.T, rng.normal(size=(x.shape[1], 2)) / x.shape[1], rng.integers(0, 5, len(x)), rng.integers(0, 5, 2),
         rng.choice([-1.0, 1.0], len(x)), rng.choice([-1.0, 1.0], 2)],
        {"output_size": 5},
    ),
)  # fmt: skip
def compact_bilinear_pool(x, other, ids, other_ids, signs, other_signs, /, *, output_size):
    r"""Reduce two maps of features to a count sketch of their outer products, added up over places.

    .. math:: \phi_k = \sum_t \sum_{i, j \,:\, h_i + h'_j \equiv k} s_i s'_j \, x_{ti} \, y_{tj}
        = \sum_t \Big( F^{-1} (F \psi(x_t) \odot F \psi'(y_t)) \Big)_k, \qquad
        \psi_k(x) = \sum_{i \,:\, h_i = k} s_i x_i

    modulo the number of buckets: the circular convolution of two sketches is the sketch of the outer product.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The features of n places, of shape (..., n, c).
    other : array
        The other features of the same places, of shape (..., n, d).
    ids, other_ids : array of integers
        The buckets h and h' of features, from 0 to output_size - 1, of shapes (c,) and (d,).
    signs, other_signs : array
        Their signs s and s', 1 or -1, of shapes (c,) and (d,).
    output_size : int
        The number of buckets.

    Returns
    -------
    array
        (..., output_size), in the dtype, library and device of `x`. A NaN makes every bucket NaN that its feature
        goes to.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, ids no integers, the arrays are of two libraries, or `output_size`
        is no int.
    ValueError
        An array has another shape, `x` or `other` is empty along the last two axes, or `output_size` is below 1.

    Notes
    -----
    No Fourier transform is taken: products of pairs, which lose nothing, go to their buckets. The released code leaves
    the sum over places to its caller. In mean, the inner product of two sketches is that of the outer products.

    References
    ----------
    Winterbottom et al., Trying Bilinear Pooling in Video-QA, 2020: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other, h, s = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]]), np.array([0, 1]), np.array([1.0, -1.0])
    >>> refnorm.pool.compact_bilinear_pool(x, other, h, h, s, s, output_size=3)
    array([  3., -11.,  10.])
    """
    xp, x, other, signs, other_signs = prepare(x, other, signs, other_signs, need=4)
    size = require_sketch(xp, x, other, ids, other_ids, signs, other_signs, output_size)
    wide, o, s, t = widen(xp, x, other, signs, other_signs)
    spare = roomy(x, wide)
    z = outer_rows(xp, wide * s, o * t, 1.0, roomy=spare)
    pairs = xp.matrix_transpose(xp.reshape(z, (math.prod(z.shape[:-1]), z.shape[-1])))
    y, _ = segment_sums(xp, pairs, buckets(xp, ids, other_ids, size), size, roomy=spare)
    return give_back(xp, xp.reshape(xp.matrix_transpose(y), (*x.shape[:-2], size)), x)


@gradient(compact_bilinear_pool)
def compact_bilinear_pool_vjp(cotangent, x, other, ids, other_ids, signs, other_signs, /, *, output_size):
    r"""Return the cotangents of both maps and of their signs, None for ids.

    .. math:: \bar x_{ti} = s_i \sum_j s'_j \, y_{tj} \, \bar\phi_{h_i + h'_j}, \qquad
        \bar s_i = \sum_{t, j} s'_j \, x_{ti} \, y_{tj} \, \bar\phi_{h_i + h'_j}

    and likewise for the other map.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, other, ids, other_ids, signs, other_signs, output_size
        As in :func:`compact_bilinear_pool`.

    Returns
    -------
    tuple
        ``(dx, dother, None, None, dsigns, dother_signs)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`compact_bilinear_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`compact_bilinear_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other, h, s = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]]), np.array([0, 1]), np.array([1.0, -1.0])
    >>> refnorm.pool.compact_bilinear_pool_vjp(np.array([1.0, 0.0, 0.0]), x, other, h, h, s, s, output_size=3)[0]
    array([[ 3., -0.]])
    """
    xp, cotangent, x, other, signs, other_signs = prepare(cotangent, x, other, signs, other_signs, need=5)
    size = require_sketch(xp, x, other, ids, other_ids, signs, other_signs, output_size)
    require_shape("cotangent", cotangent, (*x.shape[:-2], size))
    wide, o, s, t, g = widen(xp, x, other, signs, other_signs, cotangent)
    batch, c, d = math.prod(x.shape[:-2]), x.shape[-1], other.shape[-1]
    g = gather(xp, xp.matrix_transpose(xp.reshape(g, (batch, size))), buckets(xp, ids, other_ids, size), size)
    g = xp.reshape(xp.matrix_transpose(g), (*x.shape[:-2], c, d))
    dx, do = xp.matmul(o * t, xp.matrix_transpose(g)), xp.matmul(wide * s, g)
    ds, dt = (xp.sum(xp.reshape(a * b, (-1, n)), axis=0) for a, b, n in ((dx, wide, c), (do, o, d)))
    dx, do = give_back(xp, dx * s, x), give_back(xp, do * t, other)
    return dx, do, None, None, like_weight(xp, ds, signs), like_weight(xp, dt, other_signs)


# ---- laws ----


@law(bilinear_pool, normal(5, 3), normal(5, 2), normal(3, 3))
def maps_act_on_their_side(f, x, o, w):
    return f(x @ w, o).reshape(3, 2), w.T @ f(x, o).reshape(3, 2)


@law(bilinear_pool, normal(5, 3), normal(5, 2))
def the_other_way_round_it_is_transposed(f, x, o):
    y = f(o, x, signed_sqrt=True, l2=True).reshape(2, 3)
    return y.T, f(x, o, signed_sqrt=True, l2=True).reshape(3, 2)


@law(bilinear_pool, normal(5, 3), normal(5, 2))
def length_is_one(f, x, o):
    return (f(4 * x, o, l2=True, reduce="sum") ** 2).sum(), np.ones(())


@law(compact_bilinear_pool, normal(4, 3), normal(4, 5), flips(3), flips(5))
def buckets_of_their_own_keep_all(f, x, o, s, t):
    y = f(x, o, 5 * np.arange(3), np.arange(5), s, t, output_size=15)
    return y.reshape(3, 5), (x * s).T @ (o * t)


@law(compact_bilinear_pool, normal(4, 3), normal(4, 5), flips(3), flips(5))
def a_shift_of_one_hash_turns_the_sketch(f, x, o, s, t):
    h, k = np.array([0, 3, 4]), np.array([1, 1, 5, 2, 0])
    return f(x, o, (h + 2) % 6, k, s, t, output_size=6), np.roll(f(x, o, h, k, s, t, output_size=6), 2)


@law(compact_bilinear_pool, normal(4, 3), normal(4, 5), flips(3), flips(5))
def places_add(f, x, o, s, t):
    h, k = np.array([0, 3, 4]), np.array([1, 1, 5, 2, 0])
    one, two = (f(x[i:j], o[i:j], h, k, s, t, output_size=6) for i, j in ((0, 1), (1, 4)))
    return one + two, f(x, o, h, k, s, t, output_size=6)
