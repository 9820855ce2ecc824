"""Entropy of a distribution, and distances between two."""

from __future__ import annotations

from .._cases import case, normal, simplex
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, roomy, to_rows, widen


def above_one(xp, z, e, *, roomy):
    """Return the sum of exp(z) less 1, for rows z whose largest is 0: one 0 is left out, not taken off again."""
    top = z == 0
    others = total(xp, xp.where(top, xp.zeros_like(e), e), roomy=roomy)
    return others + (xp.sum(xp.astype(top, e.dtype), axis=-1, keepdims=True) - 1)


@operator(
    paper="yang2023adamerging",
    cases=[
        case("rows", normal(4, 8)),
        case("loud", normal(3, 37, std=8.0)),
        case("nearly one-hot, offset", normal(5, 7, std=60.0, mean=100.0)),
        case("axis", normal(3, 5, 4, std=3.0), axis=1),
        case("two axes", normal(2, 3, 5), axis=(0, 2)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(8192, 1024)),
)
def softmax_entropy(x, /, *, axis=-1):
    r"""Return the entropy of the softmax of `x` along `axis`, in nats.

    .. math:: H = -\sum_i p_i \log p_i, \qquad p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis of the distribution; several count as one.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. From 0, where one score is far above the others, to log n,
        where all are the same. -inf beside a finite score counts for nothing. A row of -inf, and a row with a NaN or
        +inf, gives NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing.

    Notes
    -----
    With z = x - max x the entropy is log(sum e^z) - sum(z e^z) / sum e^z: no term is negative, so nothing cancels, and
    an entropy of 1e-20 keeps its digits. AdaMerging takes the mean over a batch.

    References
    ----------
    Yang et al., AdaMerging: Adaptive Model Merging for Multi-Task Learning, 2023 (as catalogued from its released
    code; confirmed against SciPy).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.softmax_entropy(np.log(np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 1.0]]))).round(4)
    array([1.0397, 1.0986])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    spare = roomy(rows, wide)
    z = wide - xp.max(wide, axis=-1, keepdims=True)
    e = xp.exp(z)
    rest = above_one(xp, z, e, roomy=spare)
    falls = xp.where(e == 0, xp.zeros_like(e), e * z)  # 0 times -inf
    h = xp.log1p(rest) - total(xp, falls, roomy=spare) / (1 + rest)
    return give_back(xp, h[..., 0], x)


@law(softmax_entropy, normal(4, 8))
def a_shift_changes_nothing(f, x):
    return f(x + 4), f(x)


@law(softmax_entropy, normal(4, 8))
def split_in_two_adds_a_bit(f, x):
    return f(x[:, [*range(8), *range(8)]]), f(x) + 0.6931471805599453


@operator(
    paper="ge2023provable",
    cases=[
        case("rows", simplex(4, 8), simplex(4, 8)),
        case("long", simplex(3, 37), simplex(3, 37)),
        case("axis", simplex(3, 5, 4), simplex(3, 5, 4), axis=1),
        case("no distributions", normal(2, 3, 5, mean=30.0), normal(2, 3, 5), axis=(0, 2)),
        case("no rows", normal(0, 4), normal(0, 4)),
    ],
    bench=case("rows", simplex(8192, 1024), simplex(8192, 1024)),
    rows=lambda x, rng: ([x / x.shape[1], rng.normal(size=x.shape) / x.shape[1]], {}),
)
def total_variation_distance(x, other, /, *, axis=-1):
    r"""Return half the sum of absolute differences of two distributions along `axis`.

    .. math:: d = \frac{1}{2} \sum_i |p_i - q_i|

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The probabilities :math:`p` and :math:`q`, of one shape. That they are such is not checked.
    axis : int or tuple of int
        The axis of the distributions; several count as one.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. From 0 to 1 for distributions. NaN and infinities propagate.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        The shapes differ, or `axis` is empty or missing.

    References
    ----------
    Ge et al., On the Provable Advantage of Unsupervised Pretraining, 2023 (not read: the standard definition, which
    is the largest difference of the probabilities of one event).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.total_variation_distance(np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.25, 0.5]]))
    array([0.25])
    """
    xp, x, other = prepare(x, other, need=2)
    require_same_shape("other", other, x)
    require_along(x, axis)
    p, q = widen(xp, *to_rows(xp, axis, x, other))
    d = total(xp, xp.abs(p - q), roomy=roomy(x, p)) / 2
    return give_back(xp, d[..., 0], x)


@law(total_variation_distance, simplex(4, 8), simplex(4, 8))
def either_way(f, x, other):
    return f(x, other), f(other, x)


@law(total_variation_distance, simplex(4, 8), simplex(4, 8))
def what_is_shared_is_the_rest(f, x, other):
    return f(x, other), 1 - (x * (x < other) + other * (other <= x)).sum(axis=-1)


@law(total_variation_distance, simplex(4, 8), simplex(4, 8))
def mixing_brings_nearer(f, x, other):
    return f(0.75 * x + 0.25 * other, other), 0.75 * f(x, other)
