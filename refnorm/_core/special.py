"""Functions that the array standard lacks: the error function and its complement, psi, a gamma distribution's entropy.

Each is smooth on a half-line once what it grows or falls like is taken off, and is summed there as a Chebyshev series
in t = 1 - 2c / (x + c), which goes from -1 at 0 to 1 at infinity, as Shepherd and Laframboise (Mathematics of
Computation 36, 1981) have it for the error function's complement. tests/test_special.py computes every coefficient
once more. Nothing but arithmetic, exp and log is used, so that all libraries give the same.
"""

import math

from .sums import quotient_pair, two_product, two_sum

__all__ = ["digamma_lag", "entropy_excess", "erf", "erf_near_zero", "erfc", "erfcx_pair"]

FAR = 30.0  # exp(-FAR^2) is 0 in float64
HALF_LINE, FROM_ONE = 3.5, 1.5  # c, of functions on x >= 0 and, by x - 1, on x >= 1
# (1 + 2x) exp(x^2) erfc(x)
ERFCX = (
    1.177632731636124, -0.001630177283414629, -0.08733682573463146, 0.05800974837029327, -0.024340115396182225,
    0.007529483715635749, -0.0017438817577112521, 0.00028269829816555584, -2.31849116112635e-05,
    -2.111766698133041e-06, 8.765760156892822e-07, -6.105702635086118e-08, -1.7116664716341917e-08,
    3.391360268611259e-09, 2.54661619366046e-10, -1.2482784079516295e-10, -2.2122757753433792e-12,
    4.4272603638230294e-12, -3.367266128031013e-14, -1.6519256000923578e-13, 1.9024103044538835e-15,
    6.601187937172832e-15, 2.880282449409004e-17, -2.7791709635743296e-16,
)  # fmt: skip
# the entropy less log(2 pi e x) / 2
ENTROPY = (
    -0.1778571591349688, 0.20536174606532184, -0.031162010765029818, 0.004062906840277246, -0.00044542186485398556,
    4.41075481782389e-05, -4.627129549189588e-06, 5.012664608899632e-07, -4.7114650743471565e-08,
    4.840406325349684e-09, -5.882971945326372e-10, 4.06844124465723e-11, -5.039690639033082e-12, 9.93155034389241e-13,
    5.623951377502004e-14, 1.5449624603962538e-14, -2.9115487742610298e-15, -1.1825566408488256e-15,
    -2.7776838333768303e-16, -1.9703900814583843e-17,
)  # fmt: skip
# x (log x - psi(x))
DIGAMMA = (
    0.5357241652792778, -0.03852471801860661, 0.0028862262685386358, -8.244025926441677e-05, -2.635791662698791e-06,
    -6.846595026886911e-07, 7.597231692354273e-08, 1.0688155808325726e-08, 7.732198502157887e-10,
    -1.9676880917332312e-10, -5.168022187755795e-11, -5.1466723195450206e-12, 6.907413281872459e-13,
    3.654412180798972e-13, 6.819809259276046e-14, 2.4727403742700066e-15, -2.621181484525231e-15,
    -9.559308550542959e-16, -1.6837102803420083e-16,
)  # fmt: skip


def chebyshev(t, coefficients):
    """Return the sum of c_k T_k(t) in two parts, the first, which is large, and the rest, by Clenshaw's recurrence."""
    first, *others = coefficients
    b, before = 0 * t, 0 * t
    for c in reversed(others):
        b, before = 2 * t * b - before + c, b
    return first, t * b - before


def from_one(x, coefficients):
    """Return a series in x - 1."""
    return sum(chebyshev(1 - 2 * FROM_ONE / (x - 1 + FROM_ONE), coefficients))


# ---- the error function ----


def erfcx_pair(xp, x, rest=0.0):
    """Return exp(x^2) erfc(x) of x + rest, not below zero, in two parts: what rounding takes from t counts too."""
    one, c = xp.ones_like(x), xp.full_like(x, HALF_LINE)
    below, lost = two_sum(xp, 2 * x, one)
    q, of_q = quotient_pair(2 * c, 0.0, *two_sum(xp, x, c))
    t, of_t = two_sum(xp, one, -q)
    first, others = chebyshev(t, ERFCX)
    whole = first + others
    y, of_y = quotient_pair(whole, (first - whole) + others, below, lost)
    slope = 2 * x * y - 2 / math.sqrt(math.pi)
    return y, of_y + slope * rest + (slope + 2 * y / below) * (of_t - of_q) * (x + HALF_LINE) ** 2 / (2 * HALF_LINE)


def erf_near_zero(x):
    """Return erf(x) by its Taylor series, for x from -1 to 1."""
    square, y = x * x, 0 * x
    for k in range(18, -1, -1):
        y = y * square + (-1) ** k / (math.factorial(k) * (2 * k + 1))
    return 2 / math.sqrt(math.pi) * x * y


def tail(xp, size):
    """Return erfc of what is not below zero; what rounding took from the exponent goes to the other factor."""
    size = xp.where(size > FAR, xp.full_like(size, FAR), size)
    square, lost = two_product(size, size)
    y, rest = erfcx_pair(xp, size)
    return xp.exp(-square) * (y + (rest - y * lost))


def erf(xp, x):
    """Return the error function."""
    size = xp.abs(x)
    return xp.where(size < 1, erf_near_zero(xp.where(size < 1, x, xp.zeros_like(x))), xp.sign(x) * (1 - tail(xp, size)))


def erfc(xp, x):
    """Return the error function's complement."""
    size = xp.abs(x)
    far = tail(xp, size)
    near = 1 - erf_near_zero(xp.where(size < 0.5, x, xp.zeros_like(x)))
    return xp.where(size < 0.5, near, xp.where(x < 0, 2 - far, far))


# ---- the gamma function's kin, for x above zero: what is left of them once their logarithms are taken off ----


def digamma_lag(xp, x):
    """Return log x - psi(x), psi being the derivative of log gamma(x)."""
    low = x < 1
    a = xp.where(low, x + 1, x)
    y = from_one(a, DIGAMMA) / a
    return xp.where(low, y + 1 / x - xp.log1p(1 / x), y)


def entropy_excess(xp, x):
    """Return by how much x + log gamma(x) + (1 - x) psi(x), the entropy of a gamma distribution, is above that of a
    normal distribution of its variance, log(2 pi e x) / 2; NaN below zero."""
    low = x < 1
    a = xp.where(low, x + 1, x)
    y = from_one(a, ENTROPY)
    y = xp.where(low, y - from_one(a, DIGAMMA) / a + 1.5 * xp.log1p(1 / x) - 1 / x, y)
    return xp.where(x > 0, y, xp.where(x == 0, xp.full_like(y, -math.inf), xp.full_like(y, math.nan)))
