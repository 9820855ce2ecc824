"""Softmax without exponentials: 1 + x above zero and 1 / (1 - x) below; and where softmax itself has collapsed."""

from __future__ import annotations

import math

from .._cases import case, integers, normal
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import (
    device,
    give_back,
    prepare,
    require_along,
    require_indices,
    require_same_shape,
    require_shape,
    roomy,
    to_rows,
    widen,
)  # fmt: skip

CASES = [
    case("rows", normal(4, 8)),
    case("loud", normal(3, 37, std=8.0)),
    case("one above all", normal(4, 5, mean=-40.0, std=80.0)),
    case("axis", normal(3, 5, 4, std=3.0), axis=1),
    case("two axes", normal(2, 3, 5, std=3.0), axis=(0, 2)),
    case("no rows", normal(0, 4)),
]
SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
REDUCTIONS = ("mean", "sum", "none")


def grown(xp, x):
    """Return s(x), and 1 + |x| whose logarithm is that of s(x) but for its sign; the slope of |x| at 0 counts as 1."""
    size = 1 + xp.where(x < 0, -x, x)
    return xp.where(x < 0, 1 / size, size), size


def is_first_largest(xp, x):
    """Return where the first largest number of each row stands."""
    return xp.arange(x.shape[-1], device=device(x)) == xp.argmax(x, axis=-1, keepdims=True)


def shares(xp, x, *, roomy):
    """Return the stablemax of wide rows."""
    s, _ = grown(xp, x)
    return s / total(xp, s, roomy=roomy)


def log_shares(xp, x, *, roomy):
    """Return the logarithm of the stablemax of wide rows, that of a share near 1 too."""
    s, size = grown(xp, x)
    ratio = s / xp.max(s, axis=-1, keepdims=True)
    usual = ratio > xp.finfo(x.dtype).smallest_normal  # else it is out of range where its logarithm is not
    t = xp.where(x < 0, -xp.log(size), xp.log(size))
    log = xp.where(usual, xp.log(xp.where(usual, ratio, xp.ones_like(ratio))), t - xp.max(t, axis=-1, keepdims=True))
    others = xp.where(is_first_largest(xp, x), xp.zeros_like(ratio), ratio)
    return log - xp.log1p(total(xp, others, roomy=roomy))


@operator(paper="prieto2025grokking", cases=CASES, bench=case("rows", normal(8192, 1024)))
def stablemax(x, /, *, axis=-1):
    r"""Turn scores into a distribution along `axis` that falls off like a power, not like an exponential.

    .. math:: y_i = \frac{s(x_i)}{\sum_j s(x_j)}, \qquad s(x) = x + 1 \text{ for } x \ge 0, \quad
        \frac{1}{1 - x} \text{ below}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis that sums to one; several count as one.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. -inf beside a finite score gives 0. A +inf gives NaN, and 0 beside
        it; a row of -inf, and a row with a NaN, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing.

    Notes
    -----
    It is the softmax of sign(x) log(1 + |x|), and not free of shifts. The released code adds 1e-30 to 1 - x, which
    changes no float32 or float64.

    References
    ----------
    Prieto et al., Grokking at the Edge of Numerical Stability, 2025 (as catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.stablemax(np.array([1.0, 0.0, -1.0, -1.0]))
    array([0.5  , 0.25 , 0.125, 0.125])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    return give_back(xp, shares(xp, wide, roomy=roomy(rows, wide)), x, axis)


@gradient(stablemax)
def stablemax_vjp(cotangent, x, /, *, axis=-1):
    r"""Return the cotangent of `x` for a cotangent of ``stablemax(x)``.

    .. math:: \bar x_i = \frac{y_i}{1 + |x_i|} \Bigl( \bar y_i - \sum_j \bar y_j y_j \Bigr)

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis
        As in :func:`stablemax`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`stablemax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the stablemax of Prieto et al., 2025.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.stablemax_vjp(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    array([ 0.125, -0.125])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    wide, g = widen(xp, *to_rows(xp, axis, x, cotangent))
    spare = roomy(x, wide)
    y = shares(xp, wide, roomy=spare)
    dx = y * (g - total(xp, g * y, roomy=spare)) / (1 + xp.abs(wide))
    return give_back(xp, dx, x, axis)


@operator(paper="prieto2025grokking", cases=CASES, bench=case("rows", normal(8192, 1024)))
def log_stablemax(x, /, *, axis=-1):
    r"""Return the logarithm of the stablemax along `axis`, accurate also where a share is nearly 1.

    .. math:: y_i = \log s(x_i) - \log \sum_j s(x_j), \qquad \log s(x) = \mathrm{sign}(x) \log(1 + |x|)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis whose exponentials sum to one; several count as one.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. -inf beside a finite score stays -inf. A +inf gives NaN, and -inf
        beside it; a row of -inf, and a row with a NaN, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing.

    Notes
    -----
    The released code takes the logarithm of the quotient, which vanishes in float32. Here the largest share is left out
    of the sum that goes to log1p, as in :func:`log_softmax`.

    References
    ----------
    Prieto et al., Grokking at the Edge of Numerical Stability, 2025 (as catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.log_stablemax(np.array([1.0, 0.0, -1.0, -1.0])).round(4)
    array([-0.6931, -1.3863, -2.0794, -2.0794])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    return give_back(xp, log_shares(xp, wide, roomy=roomy(rows, wide)), x, axis)


@gradient(log_stablemax)
def log_stablemax_vjp(cotangent, x, /, *, axis=-1):
    r"""Return the cotangent of `x` for a cotangent of ``log_stablemax(x)``.

    .. math:: \bar x_i = \frac{1}{1 + |x_i|} \Bigl( \bar y_i - \mathrm{stablemax}(x)_i \sum_j \bar y_j \Bigr)

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis
        As in :func:`log_stablemax`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`log_stablemax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the logarithm of the stablemax of Prieto et al., 2025.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.log_stablemax_vjp(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    array([ 0.25, -0.25])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    wide, g = widen(xp, *to_rows(xp, axis, x, cotangent))
    spare = roomy(x, wide)
    dx = (g - shares(xp, wide, roomy=spare) * total(xp, g, roomy=spare)) / (1 + xp.abs(wide))
    return give_back(xp, dx, x, axis)


def require_labelled(xp, x, labels, reduce="none") -> None:
    """Refuse what are not rows of scores with a label each, and a `reduce` that is unknown or has nothing to reduce."""
    require_along(x, -1)
    require_indices(xp, "labels", labels, tuple(x.shape[:-1]))
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be 'mean', 'sum' or 'none', got {reduce!r}")
    if reduce != "none" and 0 in x.shape:
        raise ValueError(f"x must have at least one row to take the {reduce} of, got shape {tuple(x.shape)}")


def told(xp, x, labels):
    """Return where the label of each row stands; NaN all along a row whose label is no class, else 0."""
    there = xp.arange(x.shape[-1], device=device(x)) == xp.expand_dims(labels, axis=-1)
    zero = xp.zeros_like(x)
    return there, xp.where(xp.any(there, axis=-1, keepdims=True), zero, zero + float("nan"))


@operator(
    paper="prieto2025grokking",
    cases=[
        case("rows", normal(4, 8), integers(4, high=8)),
        case("each row", normal(3, 7, 5, std=8.0), integers(3, 7, high=5), reduce="none"),
        case("sum", normal(3, 37, std=3.0), integers(3, high=37), reduce="sum"),
        case("no rows", normal(0, 4), integers(0, high=4), reduce="none"),
    ],
    bench=case("rows", normal(8192, 1024), integers(8192, high=1024)),
    rows=lambda x, rng: ([x, rng.integers(0, x.shape[1], len(x))], {"reduce": "none"}),
)
def stablemax_cross_entropy(x, labels, /, *, reduce="mean"):
    r"""Return the cross-entropy of the stablemax of the last axis: minus the logarithm of the label's share.

    .. math:: l = -\log \frac{s(x_{c})}{\sum_j s(x_j)} \quad\text{for the label } c

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of shape (..., C).
    labels : array of integers
        The class of each row, from 0 to C - 1, of shape (...,).
    reduce : {"mean", "sum", "none"}
        What becomes of the losses of the rows.

    Returns
    -------
    array
        One number, of shape (), or one a row; the dtype, library and device of `x`. Never below 0. A label that is no
        class gives NaN, and so does a NaN in its row.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers or `labels` no integers, or they are of two libraries.
    ValueError
        `labels` has another shape, there are no classes, `reduce` is another word, or no rows are to be reduced.

    References
    ----------
    Prieto et al., Grokking at the Edge of Numerical Stability, 2025 (as catalogued from its released code, which
    computes and answers in float64).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 0.0, -1.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    >>> refnorm.prob.stablemax_cross_entropy(x, np.array([0, 2]), reduce="none").round(4)
    array([0.6931, 1.3863])
    """
    xp, x = prepare(x)
    require_labelled(xp, x, labels, reduce)
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    there, bad = told(xp, wide, labels)
    log = log_shares(xp, wide, roomy=spare)
    losses = xp.sum(xp.where(there, -log, xp.zeros_like(log)), axis=-1) + bad[..., 0]
    if reduce != "none":
        whole = total(xp, xp.reshape(losses, (-1,)), roomy=spare)
        losses = xp.reshape(whole / math.prod(x.shape[:-1]) if reduce == "mean" else whole, ())
    return give_back(xp, losses, x)


@gradient(stablemax_cross_entropy)
def stablemax_cross_entropy_vjp(cotangent, x, labels, /, *, reduce="mean"):
    r"""Return the cotangent of `x` for a cotangent of ``stablemax_cross_entropy(x, labels)``.

    .. math:: \bar x_i = \bar l \, \frac{\mathrm{stablemax}(x)_i - [i = c]}{1 + |x_i|}

    divided by the number of rows for the mean.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, labels, reduce
        As in :func:`stablemax_cross_entropy`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`stablemax_cross_entropy`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of the loss of Prieto et al., 2025.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.stablemax_cross_entropy_vjp(np.array(1.0), np.array([[1.0, 1.0]]), np.array([0]))
    array([[-0.25,  0.25]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_labelled(xp, x, labels, reduce)
    require_shape("cotangent", cotangent, tuple(x.shape[:-1]) if reduce == "none" else ())
    wide, g = widen(xp, x, cotangent)
    there, bad = told(xp, wide, labels)
    g = g / math.prod(x.shape[:-1]) if reduce == "mean" else g
    dx = (shares(xp, wide, roomy=roomy(x, wide)) - xp.astype(there, wide.dtype)) / (1 + xp.abs(wide))
    return give_back(xp, xp.expand_dims(g, axis=-1) * dx + bad, x)


@operator(
    paper="prieto2025grokking",
    cases=[
        case("rows", normal(40, 8, std=12.0), integers(40, high=2), dtype="float32"),
        case("half", normal(40, 2, std=12.0), integers(40, high=2), dtype="float16"),
        case("bfloat16", normal(5, 9, 3, std=8.0), integers(5, 9, high=3), dtype="bfloat16"),
        case("float64", normal(40, 3, std=60.0), integers(40, high=3), dtype="float64"),
        case("no rows", normal(0, 4), integers(0, high=4), dtype="float32"),
    ],
    bench=case("rows", normal(8192, 1024), integers(8192, high=1024), dtype="float32"),
    rows=lambda x, rng: ([x, rng.integers(0, x.shape[1], len(x))], {"dtype": "float32"}),
)
def softmax_collapse_mask(x, labels, /, *, dtype):
    r"""Return which rows have a softmax that is exactly 1 at the label in a type: their loss teaches nothing more.

    .. math:: r = \sum_{j \ne t} e^{x_j - x_t}, \qquad m = \Bigl[ r \le \frac{\epsilon}{2} \text{ and } c = t \Bigr]

    for the label c, the place t of the largest score and the distance :math:`\epsilon` from 1 to the next number of
    the type.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of shape (..., C).
    labels : array of integers
        The class of each row, from 0 to C - 1, of shape (...,).
    dtype : {"float16", "bfloat16", "float32", "float64"}
        The type in which the sum of exponentials is taken to be.

    Returns
    -------
    tuple
        ``(mask, rest)``, one a row: booleans m, and r in the dtype of `x`, what the other scores have beside the
        largest. The mask is False for a label that is no class, and where the largest score is not finite. A NaN, and
        a row of -inf, makes r NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers or `labels` no integers, or they are of two libraries.
    ValueError
        `labels` has another shape, there are no classes, or `dtype` is another word.

    Notes
    -----
    The paper asks whether the sum, taken in the type, equals the label's exponential; that depends on the order of
    summation, this does not: others that are together at most half an ulp of 1 are absorbed. The released code, as
    catalogued, does not look at the label. From a distance of about 7.6, 16.6 or 36.7 between two scores on, the
    softmax of float16, float32, float64 is 1.

    References
    ----------
    Prieto et al., Grokking at the Edge of Numerical Stability, 2025 (as catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[20.0, 0.0], [20.0, 0.0], [9.0, 0.0]])
    >>> refnorm.prob.softmax_collapse_mask(x, np.array([0, 1, 0]), dtype="float32")
    (array([ True, False, False]), array([2.06115362e-09, 2.06115362e-09, 1.23409804e-04]))
    """
    xp, x = prepare(x)
    require_labelled(xp, x, labels)
    if dtype not in SPACING:
        raise ValueError(f"dtype must be one of {', '.join(SPACING)}, got {dtype!r}")
    (wide,) = widen(xp, x)
    largest = xp.max(wide, axis=-1, keepdims=True)
    top = is_first_largest(xp, wide)
    e = xp.exp(wide - largest)
    rest = total(xp, xp.where(top, e * 0, e), roomy=roomy(x, wide))
    there, _ = told(xp, wide, labels)
    mask = xp.any((rest <= SPACING[dtype] / 2) & there & top, axis=-1)
    return mask, give_back(xp, rest[..., 0], x)


# ---- laws ----


@law(stablemax, normal(4, 8, std=3.0))
def sums_to_one(f, x):
    y = f(x)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 1


@law(stablemax, normal(4, 8, std=3.0))
def softmax_of_signed_logarithms(f, x):
    """exp(sign(x) log(1 + |x|)) is a power."""
    s = (1 + abs(x)) ** ((x > 0) * 2.0 - 1)
    return f(x), s / s.sum(axis=-1, keepdims=True)


@law(stablemax, normal(4, 8, std=3.0))
def order_free(f, x):
    return f(x[:, ::-1]), f(x)[:, ::-1]


@law(log_stablemax, normal(4, 8, std=3.0))
def exponentials_sum_to_one(f, x):
    total = (2.718281828459045 ** f(x)).sum(axis=-1)
    return total, total * 0 + 1


@law(log_stablemax, normal(4, 8, std=3.0))
def twice_as_many_have_half(f, x):
    return f(x[:, [*range(8), *range(8)]])[:, :8], f(x) - 0.6931471805599453


@law(stablemax_cross_entropy, normal(4, 8, std=3.0), integers(4, high=8))
def mean_of_each(f, x, labels):
    return f(x, labels), f(x, labels, reduce="none").mean()


@law(stablemax_cross_entropy, normal(4, 8, std=3.0), integers(4, high=8))
def shares_of_all_labels(f, x, labels):
    """The exponentials of minus the losses of all labels sum to one."""
    total = sum(2.718281828459045 ** -f(x, labels * 0 + c, reduce="none") for c in range(8))
    return total, total * 0 + 1


@law(softmax_collapse_mask, normal(40, 3, std=20.0), integers(40, high=3))
def shift_free(f, x, labels):
    x = x.round()  # of whole numbers differences are exact
    return f(x + 4, labels, dtype="float32"), f(x, labels, dtype="float32")


@law(softmax_collapse_mask, normal(40, 3, std=20.0), integers(40, high=3))
def at_most_one_label(f, x, labels):
    """What collapses for one label does so for the largest only."""
    any_label = sum(1.0 * f(x, labels * 0 + c, dtype="float16")[0] for c in range(3))
    return any_label, 1.0 * f(x, x.argmax(axis=-1), dtype="float16")[0]


@law(softmax_collapse_mask, normal(40, 2, std=3.0), integers(40, high=2))
def of_two_scores_the_distance_says_all(f, x, labels):
    return f(x, labels, dtype="float32")[1], 2.718281828459045 ** -abs(x[:, 0] - x[:, 1])
