"""Softmax over a bank of queries in place of the gallery: hubs, near to every query, lose their advantage."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.moments import sum_leading
from .._core.sums import sum_pair, two_product, two_sum
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_same_shape, roomy, widen


def require_bank(name, x, bank) -> None:
    """Refuse a bank that has no row, or not the columns of `x`."""
    if x.ndim < 1 or x.shape[-1] == 0:
        raise ValueError(f"x must have a last axis that is not empty, got shape {tuple(x.shape)}")
    if bank.ndim != 2 or bank.shape[0] == 0 or bank.shape[1] != x.shape[-1]:
        raise ValueError(f"{name} must have shape (B, {x.shape[-1]}), B at least 1, got {tuple(bank.shape)}")


def require_sharpness(name, value) -> None:
    """Refuse what is no finite number, or below zero."""
    try:
        good = 0 <= value < math.inf
    except TypeError:
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}") from None
    if not good:
        raise ValueError(f"{name} must be finite and not below zero, got {value!r}")


def require_hubs(k) -> None:
    """Refuse what is no count of members."""
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k must be an int, got {k!r}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")


def quotient(xp, x, banks, betas, *, roomy):
    """Return the product of inverted softmaxes of wide arrays, each exp(beta (x - m)) / sum exp(beta (bank - m)).

    m is the bank's largest number in each column. What rounding takes from exponents, sums and
    their product goes to the divisor; where it is 1 or above the exponent is too far out for it to matter.
    """
    exponent, more, below = xp.zeros_like(x), xp.zeros_like(x), xp.ones_like(x)
    for bank, beta in zip(banks, betas, strict=True):
        columns = xp.matrix_transpose(bank)
        largest = xp.max(columns, axis=-1, keepdims=True)
        e = xp.exp(beta * (columns - largest))
        s, rest = (xp.sum(e, axis=-1, keepdims=True), 0 * largest) if roomy else sum_pair(xp, e)
        d, lost = two_sum(xp, x, -largest[:, 0])
        scaled, of_scale = two_product(d, xp.full_like(d, beta))
        exponent, rounded = two_sum(xp, exponent, scaled)
        below, of_product = two_product(below, s[:, 0])
        more = more + rounded + of_scale + beta * lost - (rest / s)[:, 0] - of_product / below
    more = xp.where(xp.abs(more) < 1, more, xp.zeros_like(more))
    return xp.exp(exponent) / (below + below * xp.expm1(-more))


def in_bank(x, rng):
    """Return rows of which each is in the bank too: no answer is above 1."""
    return [x, x[::-1]], {"beta": 2.0}


@operator(
    paper="wang2023balance",
    cases=[
        case("rows", normal(4, 8, std=0.1), normal(5, 8, std=0.1)),
        case("loud beta", normal(3, 6), normal(7, 6), beta=1.5),
        case("one query", normal(9), normal(3, 9), beta=0.5),
        case("more axes", normal(2, 3, 4), normal(2, 4), beta=2.0),
        case("no rows", normal(0, 4), normal(3, 4)),
    ],
    bench=case("rows", normal(1024, 1024), normal(1024, 1024), beta=2.0),
    rows=in_bank,
)
def inverted_softmax(x, bank, /, *, beta=20.0):
    r"""Divide the exponential of each similarity by the sum of those that a bank of queries has to the same column.

    .. math:: y_{qg} = \frac{e^{\beta s_{qg}}}{\sum_b e^{\beta S_{bg}}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The similarities s of queries and the G members of a gallery, of shape (..., G).
    bank : array
        The similarities S of the bank's queries and the same members, of shape (B, G), B at least 1.
    beta : float
        The sharpness, not below zero, in units of 1 / x.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. It overflows where a query is far nearer than all of the bank. A
        NaN in the bank, and a column of it that is all -inf or has a +inf, makes the column NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `beta` is no number.
    ValueError
        `bank` has no row or not the columns of `x`, `x` has none, or `beta` is negative or not finite.

    Notes
    -----
    With the queries themselves for a bank it is a softmax down the columns. The released code, as catalogued, takes
    the exponentials as they are, which overflow in float64 from beta s = 709 on.

    References
    ----------
    Wang et al., Balance Act: Mitigating Hubness in Cross-Modal Retrieval with Query and Gallery Banks, 2023 (as
    catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> bank = np.log(np.array([[1.0, 2.0], [3.0, 2.0]]))
    >>> refnorm.prob.inverted_softmax(np.log(np.array([[1.0, 1.0]])), bank, beta=1.0)
    array([[0.25, 0.25]])
    """
    xp, x, bank = prepare(x, bank, need=2)
    require_bank("bank", x, bank)
    require_sharpness("beta", beta)
    wide, others = widen(xp, x, bank)
    return give_back(xp, quotient(xp, wide, [others], [beta], roomy=roomy(x, wide)), x)


@gradient(inverted_softmax)
def inverted_softmax_vjp(cotangent, x, bank, /, *, beta=20.0):
    r"""Return the cotangents of `x` and `bank` for a cotangent of ``inverted_softmax(x, bank)``.

    .. math:: \bar s_{qg} = \beta y_{qg} \bar y_{qg}, \qquad
        \bar S_{bg} = -\beta P_{bg} \sum_q y_{qg} \bar y_{qg}, \qquad P_{bg} = \frac{e^{\beta S_{bg}}}
        {\sum_c e^{\beta S_{cg}}}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, bank, beta
        As in :func:`inverted_softmax`.

    Returns
    -------
    tuple
        The cotangents of `x` and `bank`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`inverted_softmax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the inverted softmax used by Wang et al., 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> dx, dbank = refnorm.prob.inverted_softmax_vjp(np.array([[4.0]]), np.zeros((1, 1)), np.zeros((2, 1)), beta=1.0)
    >>> dx.tolist(), dbank.tolist()
    ([[2.0]], [[-1.0], [-1.0]])
    """
    xp, cotangent, x, bank = prepare(cotangent, x, bank, need=3)
    require_same_shape("cotangent", cotangent, x)
    require_bank("bank", x, bank)
    require_sharpness("beta", beta)
    wide, others, g = widen(xp, x, bank, cotangent)
    spare = roomy(x, wide)
    pulled = beta * g * quotient(xp, wide, [others], [beta], roomy=spare)
    shares = quotient(xp, others, [others], [beta], roomy=spare)
    return give_back(xp, pulled, x), give_back(xp, -shares * sum_leading(xp, pulled), bank)


@operator(
    paper="wang2023balance",
    cases=[
        case("rows", normal(4, 8, std=0.1), normal(5, 8, std=0.1), normal(3, 8, std=0.1)),
        case("loud beta", normal(3, 6), normal(7, 6), normal(2, 6), beta=1.5),
        case("loud beta of the gallery", normal(3, 6), normal(2, 6), normal(7, 6), beta=0.25, gallery_beta=1.5),
        case("more axes", normal(2, 3, 4), normal(2, 4), normal(4, 4), beta=2.0, gallery_beta=1.0),
        case("no rows", normal(0, 4), normal(3, 4), normal(2, 4)),
    ],
    bench=case("rows", normal(1024, 1024), normal(1024, 1024), normal(1024, 1024), beta=2.0),
    rows=lambda x, rng: ([x, x[::-1], x[::-1]], {"beta": 2.0, "gallery_beta": 1.0}),
)
def dual_inverted_softmax(x, bank, gallery_bank, /, *, beta=1 / 1.99, gallery_beta=3.0):
    r"""Multiply the inverted softmaxes over a bank of queries and over one of members of the gallery.

    .. math:: y_{qg} = \frac{e^{\beta s_{qg}}}{\sum_b e^{\beta S_{bg}}} \cdot
        \frac{e^{\gamma s_{qg}}}{\sum_b e^{\gamma T_{bg}}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The similarities s of queries and the G members of a gallery, of shape (..., G).
    bank : array
        The similarities S of the bank's queries and the same members, of shape (B, G), B at least 1.
    gallery_bank : array
        The similarities T of a bank's members and the same members, of shape (B', G), B' at least 1.
    beta, gallery_beta : float
        The sharpness with each bank, :math:`\beta` and :math:`\gamma`, not below zero, in units of 1 / x.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. It overflows where a query is far nearer than all of the banks. A
        NaN in a bank, and a column of it that is all -inf or has a +inf, makes the column NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or a sharpness is no number.
    ValueError
        A bank has no row or not the columns of `x`, `x` has none, or a sharpness is negative or not finite.

    Notes
    -----
    The exponents are added before one exponential, so that no factor overflows where the product does not. The
    released code, as catalogued, takes `gallery_bank` for `x` in both factors.

    References
    ----------
    Wang et al., Balance Act: Mitigating Hubness in Cross-Modal Retrieval with Query and Gallery Banks, 2023 (as
    catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> bank = np.log(np.array([[1.0, 2.0], [3.0, 2.0]]))
    >>> refnorm.prob.dual_inverted_softmax(np.log(np.array([[1.0, 2.0]])), bank, bank[:1], beta=1.0, gallery_beta=1.0)
    array([[0.25, 0.5 ]])
    """
    xp, x, bank, gallery_bank = prepare(x, bank, gallery_bank, need=3)
    require_bank("bank", x, bank)
    require_bank("gallery_bank", x, gallery_bank)
    require_sharpness("beta", beta)
    require_sharpness("gallery_beta", gallery_beta)
    wide, queries, members = widen(xp, x, bank, gallery_bank)
    y = quotient(xp, wide, [queries, members], [beta, gallery_beta], roomy=roomy(x, wide))
    return give_back(xp, y, x)


@operator(
    paper="wang2023balance",
    cases=[
        case("all are hubs", normal(3, 4), normal(2, 4), beta=2.0, k=9),
        case("all of many", normal(4, 6), normal(5, 6), k=6, beta=1.5),
        case("rows", normal(6, 8), normal(3, 8), beta=2.0),
        case("loud beta, two each", normal(7, 9), normal(2, 9), beta=1.5, k=2),
        case("more axes", normal(2, 5, 6), normal(2, 6), beta=0.5),
        case("no rows", normal(0, 4), normal(3, 4)),
    ],
    bench=case("rows", normal(1024, 1024), normal(64, 1024), beta=2.0),
    rows=lambda x, rng: ([x, x[::-1]], {"beta": 2.0}),
)
def dynamic_inverted_softmax(x, bank, /, *, beta=20.0, k=1):
    r"""Take the inverted softmax of those queries only whose nearest member is a hub of the bank.

    .. math:: y_{qg} = \begin{cases} e^{\beta s_{qg}} / \sum_b e^{\beta S_{bg}} & \arg\max_h s_{qh} \in A \\
        s_{qg} & \text{otherwise} \end{cases}, \qquad A = \bigcup_b \text{the } k \text{ largest of } S_b

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The similarities s of queries and the G members of a gallery, of shape (..., G).
    bank : array
        The similarities S of the bank's queries and the same members, of shape (B, G), B at least 1.
    beta : float
        The sharpness, not below zero, in units of 1 / x.
    k : int
        How many members each query of the bank makes a hub, at least 1.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. The rows of other queries come back as they are, no exponentials:
        compare within a row only. Of equal similarities the first counts as the largest; a NaN of the bank is no hub,
        one of `x` counts as the largest.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `beta` is no number or `k` no int.
    ValueError
        `bank` has no row or not the columns of `x`, `x` has none, `beta` is negative or not finite, or `k` is below 1.

    References
    ----------
    Wang et al., Balance Act: Mitigating Hubness in Cross-Modal Retrieval with Query and Gallery Banks, 2023; the rule
    is that of QB-Norm (as catalogued from both released codes).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, bank = np.array([[0.0, -1.0], [-1.0, 0.0]]), np.array([[0.0, -2.0], [0.0, -2.0]])  # the hub is member 0
    >>> refnorm.prob.dynamic_inverted_softmax(x, bank, beta=1.0).round(3)
    array([[ 0.5  ,  1.359],
           [-1.   ,  0.   ]])
    """
    xp, x, bank = prepare(x, bank, need=2)
    require_bank("bank", x, bank)
    require_sharpness("beta", beta)
    require_hubs(k)
    wide, others = widen(xp, x, bank)
    y = quotient(xp, wide, [others], [beta], roomy=roomy(x, wide))
    rank = xp.argsort(xp.argsort(-others, axis=-1, stable=True), axis=-1, stable=True)
    hub = xp.any((rank < k) & ~xp.isnan(others), axis=0)
    nearest = xp.arange(x.shape[-1], device=device(x)) == xp.argmax(wide, axis=-1, keepdims=True)
    return give_back(xp, xp.where(xp.any(nearest & hub, axis=-1, keepdims=True), y, wide), x)


# ---- laws ----


@law(inverted_softmax, normal(4, 8))
def columns_sum_to_one(f, x):
    total = f(x, x, beta=2.0).sum(axis=0)
    return total, total * 0 + 1


@law(inverted_softmax, normal(4, 8), normal(3, 8))
def one_shift_for_both(f, x, bank):
    shift = x[:1]
    return f(x + shift, bank + shift, beta=2.0), f(x, bank, beta=2.0)


@law(inverted_softmax, normal(4, 8), normal(3, 8))
def beta_is_in_units_of_x(f, x, bank):
    return f(4 * x, 4 * bank, beta=0.5), f(x, bank, beta=2.0)


@law(inverted_softmax, normal(4, 8), normal(3, 8))
def banks_add(f, x, bank):
    """The reciprocals for two parts of a bank add up to that for the whole."""
    return 1 / f(x, bank, beta=0.5), 1 / f(x, bank[:1], beta=0.5) + 1 / f(x, bank[1:], beta=0.5)


@law(dual_inverted_softmax, normal(4, 8), normal(3, 8), normal(2, 8))
def the_banks_are_alike(f, x, bank, other):
    return f(x, bank, other, beta=0.5, gallery_beta=1.5), f(x, other, bank, beta=1.5, gallery_beta=0.5)


@law(dual_inverted_softmax, normal(4, 8), normal(3, 8), normal(2, 8))
def one_shift_for_all(f, x, bank, other):
    how, shift = {"beta": 2.0, "gallery_beta": 1.0}, x[:1]
    return f(x + shift, bank + shift, other + shift, **how), f(x, bank, other, **how)


@law(dynamic_inverted_softmax, normal(6, 8), normal(3, 8))
def where_all_are_hubs_banks_add(f, x, bank):
    how = {"beta": 0.5, "k": 8}
    return 1 / f(x, bank, **how), 1 / f(x, bank[:1], **how) + 1 / f(x, bank[1:], **how)


@law(dynamic_inverted_softmax, normal(6, 8))
def with_itself_columns_sum_to_one(f, x):
    total = f(x, x, beta=2.0).sum(axis=0)
    return total, total * 0 + 1
