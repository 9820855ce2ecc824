"""[(alpha - 1) x - tau]_+ ^ (1 / (alpha - 1)): distributions between softmax and the projection on the simplex."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.sums import total, two_sum
from .._core.thresholds import below_threshold, running_sum
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_along, require_same_shape, roomy, to_rows, widen

kernels = load(__name__)
projections = load("refnorm.proj.constraint")  # whose kernel is that of alpha 2

HALVINGS, STEPS = 50, 2
KERNELS = (1.5, 2)


def require_order(alpha) -> None:
    """Refuse what is no finite number above one."""
    try:
        good = 1 < alpha < math.inf
    except TypeError:
        raise TypeError(f"alpha must be a real number, got {type(alpha).__name__}") from None
    if not good:
        raise ValueError(f"alpha must be finite and above one, got {alpha!r}")


def powers(xp, c, tau, power):
    """Return w = c - tau where that is above 0, else 1; w^power, 0 elsewhere; and what rounding took from w."""
    w, lost = two_sum(xp, c, -tau)
    inside = w > 0
    w = xp.where(inside, w, xp.ones_like(w))
    return w, xp.where(inside, w**power, xp.zeros_like(w)), xp.where(inside, lost, xp.zeros_like(w))


def sorted_level(xp, c):
    """Return the tau of alpha = 1.5: with the k largest inside it solves a quadratic equation, and one k fits."""
    u = xp.flip(xp.sort(c, axis=-1), axis=-1)
    n = xp.arange(1, c.shape[-1] + 1, dtype=c.dtype, device=device(c))
    mean = running_sum(xp, u) / n
    spread = running_sum(xp, u * u) - n * mean * mean
    rest = (1 - spread) / n
    taus = mean - xp.sqrt(xp.where(rest > 0, rest, xp.zeros_like(rest)))
    return xp.max(xp.where(taus <= u, taus, -xp.ones_like(taus)), axis=-1, keepdims=True)


def halved_level(xp, c, power):
    """Return tau by halving the interval between all of one on the largest and equal shares for all."""
    low = xp.zeros_like(c[..., :1]) - 1
    width = 1 - c.shape[-1] ** (-1 / power)
    for _ in range(HALVINGS):
        width = width / 2
        w = c - (low + width)
        w = xp.where(w > 0, w, xp.zeros_like(w))
        low = xp.where(xp.sum(w**power, axis=-1, keepdims=True) >= 1, low + width, low)
    return low


def sparse_shares(xp, x, alpha, *, roomy):
    """Return the entmax of wide rows, alpha not 2: Newton's steps make the sum one, and carry the derivative."""
    power = 1 / (alpha - 1)
    c = (alpha - 1) * (x - xp.max(x, axis=-1, keepdims=True))
    tau = sorted_level(xp, c) if alpha == 1.5 else halved_level(xp, c, power)
    for _ in range(STEPS):
        w, p, lost = powers(xp, c, tau, power)
        slope = power / w  # of the logarithm: it makes what rounding took from w larger
        off = (total(xp, p + p * (slope * lost), roomy=roomy) - 1) / xp.sum(p * slope, axis=-1, keepdims=True)
        tau = tau + off
    return p + p * (slope * (lost - off))


@operator(
    paper=("cai2021arm", "peters2019sparse"),
    kernel="entmax",
    cases=[
        case("rows", normal(4, 8)),
        case("alpha 5/4", normal(3, 21), alpha=1.25),
        case("sparsemax", normal(3, 37), alpha=2.0),
        case("alpha 9/4", normal(5, 6), alpha=2.25),
        case("no power of two", normal(3, 9), alpha=1.7),
        case("axis", normal(3, 5, 4, std=2.0), axis=1),
        case("two axes", normal(2, 3, 5, mean=1e4), axis=(0, 2)),
        case("all stay", normal(3, 21, std=0.01)),
        case("one column", normal(4, 1)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 1024)),
)
def entmax(x, /, *, axis=-1, alpha=1.5):
    r"""Turn scores into a distribution along `axis` that gives low scores no share at all.

    .. math:: y_i = \max \bigl( (\alpha - 1) x_i - \tau, 0 \bigr)^{1 / (\alpha - 1)}, \qquad
        \tau \text{ such that } \sum_i y_i = 1

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis that sums to one; several count as one.
    alpha : float
        The order, above one: towards 1 it is the softmax, at 2 the sparsemax, the larger the sparser.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. -inf beside a finite score gives 0. A row of -inf, and a row with a
        NaN or +inf, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `alpha` is no number.
    ValueError
        `axis` is empty or missing, or `alpha` is not finite and above one.

    Notes
    -----
    The level is found by sorting for alpha 1.5 and 2, by 50 halvings for others; Newton's steps then take it to the
    last digit. 1.5 and 2 have kernels, which need no sort. With alpha 2 it is :func:`project_simplex` with a total of
    1, the sparsemax of Martins and Astudillo: there is no third name for it. The entmax package stops after its
    halvings and divides by the sum.

    References
    ----------
    Cai et al., ARM-Net: Adaptive Relation Modeling Network for Structured Data, 2021; the operator is that of Peters,
    Niculae and Martins, Sparse Sequence-to-Sequence Models, 2019 (as catalogued from the codes of both).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.entmax(np.array([2.0, 0.8, -2.0])).round(4)
    array([0.8842, 0.1158, 0.    ])
    >>> refnorm.prob.entmax(np.array([1.0, 0.5, -2.0]), alpha=2.0)
    array([0.75, 0.25, 0.  ])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    require_order(alpha)
    rows, _ = to_rows(xp, axis, x, None)
    if alpha in KERNELS and takes(kernels, rows):
        y = run(projections.project_simplex, rows, 1.0) if alpha == 2 else run(kernels.entmax, rows)
        return give_back(xp, y, x, axis)
    (wide,) = widen(xp, rows)
    spare = roomy(rows, wide)
    if alpha == 2:
        y = below_threshold(xp, wide, 1.0, roomy=spare)
        y = xp.where(y <= 0, xp.zeros_like(y), y)
    else:
        y = sparse_shares(xp, wide, alpha, roomy=spare)
    return give_back(xp, y, x, axis)


@gradient(entmax)
def entmax_vjp(cotangent, x, /, *, axis=-1, alpha=1.5):
    r"""Return the cotangent of `x` for a cotangent of ``entmax(x)``.

    .. math:: \bar x_i = s_i \Bigl( \bar y_i - \frac{\sum_j s_j \bar y_j}{\sum_j s_j} \Bigr), \qquad
        s_i = y_i^{2 - \alpha} \text{ where } y_i > 0, \quad 0 \text{ elsewhere}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis, alpha
        As in :func:`entmax`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`entmax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the entmax of Peters et al., 2019, used by Cai et al., 2021.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.entmax_vjp(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.5, -2.0]), alpha=2.0)
    array([ 0.5, -0.5,  0. ])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    require_order(alpha)
    rows, g = to_rows(xp, axis, x, cotangent)
    if alpha in KERNELS and takes(kernels, g, rows):
        dx = run(projections.project_simplex_vjp, g, rows, 1.0) if alpha == 2 else run(kernels.entmax_vjp, g, rows)
        return give_back(xp, dx, x, axis)
    wide, g = widen(xp, rows, g)
    spare = roomy(x, wide)
    y = below_threshold(xp, wide, 1.0, roomy=spare) if alpha == 2 else sparse_shares(xp, wide, alpha, roomy=spare)
    inside = y > 0
    s = xp.where(inside, xp.where(inside, y, xp.ones_like(y)) ** (2 - alpha), 0 * y)  # NaN stays NaN
    dx = s * (g - total(xp, s * g, roomy=spare) / total(xp, s, roomy=spare))
    return give_back(xp, dx, x, axis)


# ---- laws ----


@law(entmax, normal(4, 8))
def sums_to_one(f, x):
    y = f(x, alpha=1.25)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 1


@law(entmax, normal(4, 8))
def shift_free(f, x):
    return f(x + 4, alpha=1.25), f(x, alpha=1.25)


@law(entmax, normal(4, 8))
def order_free(f, x):
    return f(x[:, ::-1], alpha=3.0), f(x, alpha=3.0)[:, ::-1]


@law(entmax, normal(4, 8, std=0.25))
def differences_of_powers(f, x):
    """Where all have a share, the square roots of shares are half as far apart as the scores."""
    x = 0.125 * x
    y = f(x) ** 0.5
    return y[:, 1:] - y[:, :1], (x[:, 1:] - x[:, :1]) / 2
