"""Samples of discrete distributions by noise added to scores; the uniform numbers behind the noise are given."""

from __future__ import annotations

import math

from .._cases import case, normal, uniform
from .._core.logistic import sigmoids
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_switch, roomy, to_rows, widen
from .exponential import distribution


def require_temperature(tau) -> None:
    """Refuse what is no finite number above zero."""
    try:
        good = 0 < tau < math.inf
    except TypeError:
        raise TypeError(f"tau must be a real number, got {type(tau).__name__}") from None
    if not good:
        raise ValueError(f"tau must be finite and above zero, got {tau!r}")


def perturbed(xp, x, u):
    """Return x, less its largest along the last axis, plus the Gumbel noise of u."""
    return (x - xp.max(x, axis=-1, keepdims=True)) - xp.log(-xp.log(u))


def softened(xp, x, u, z, tau):
    """Return 1 / (1 + exp(-z)), z = (x + log u - log(1 - u)) / tau: by a power of the odds, which loses no digits.

    Far out, where powers and exponentials may be out of range, z itself says enough.
    """
    near = (xp.abs(x) < 40 * tau) & (xp.abs(z) < 40)
    v = xp.where(near, u, xp.full_like(u, 0.5))
    q = xp.exp(-xp.where(near, x, xp.zeros_like(x)) / tau) * ((1 - v) / v) ** (1 / tau)
    return xp.where(near, 1 / (1 + q), sigmoids(xp, z)[0])


@operator(
    paper="dong2019network",
    cases=[
        case("rows", normal(4, 8), uniform(4, 8)),
        case("loud tau", normal(3, 21, std=3.0), uniform(3, 21), tau=2.5),
        case("cold", normal(3, 5, 4), uniform(3, 5, 4), axis=1, tau=0.25),
        case("two axes", normal(2, 3, 5, mean=100.0), uniform(2, 3, 5), axis=(0, 2), tau=4.0),
        case("no rows", normal(0, 4), uniform(0, 4)),
    ],
    bench=case("rows", normal(8192, 1024), uniform(8192, 1024)),
    rows=lambda x, rng: ([x, rng.uniform(size=x.shape)], {"tau": 2.0}),
)
def gumbel_softmax(x, u, /, *, axis=-1, tau=1.0):
    r"""Draw a softened one-hot sample of the softmax of `x` along `axis`, by uniform numbers that are given.

    .. math:: y = \mathrm{softmax} \Bigl( \frac{x + g}{\tau} \Bigr), \qquad g_i = -\log(-\log u_i)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape: logarithms of probabilities, up to a constant.
    u : array
        Uniform numbers between 0 and 1, of the shape of `x`.
    axis : int or tuple of int
        The axis of the distribution; several count as one.
    tau : float
        The temperature, above zero: the lower, the nearer to a sample itself.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A score of -inf, and a `u` of 0, gives 0. A row with a NaN, or
        with a `u` of 1 or outside 0..1, is all NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `tau` is no number.
    ValueError
        The shapes differ, `axis` is empty or missing, or `tau` is not finite and above zero.

    Notes
    -----
    The place of the largest share has exactly the probabilities of the softmax of x, whatever tau is. Float16 has few
    numbers near 1: draw `u` in a type of more digits.

    References
    ----------
    Dong and Yang, Network Pruning via Transformable Architecture Search, 2019 (as catalogued from its released code,
    which takes log_softmax first: that changes nothing).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u = np.exp(-np.array([1.0, 1.0, 2.0]))  # of noise 0, 0, -log 2
    >>> refnorm.prob.gumbel_softmax(np.log(np.array([1.0, 2.0, 2.0])), u)
    array([0.25, 0.5 , 0.25])
    """
    xp, x, u = prepare(x, u, need=2)
    require_same_shape("u", u, x)
    require_along(x, axis)
    require_temperature(tau)
    rows, draws = widen(xp, *to_rows(xp, axis, x, u))
    y = distribution(xp, perturbed(xp, rows, draws) / tau, roomy=roomy(x, rows))
    return give_back(xp, y, x, axis)


@gradient(gumbel_softmax)
def gumbel_softmax_vjp(cotangent, x, u, /, *, axis=-1, tau=1.0):
    r"""Return the cotangents of `x` and `u` for a cotangent of ``gumbel_softmax(x, u)``.

    .. math:: \bar x_i = \frac{y_i}{\tau} \Bigl( \bar y_i - \sum_j \bar y_j y_j \Bigr), \qquad
        \bar u_i = \frac{\bar x_i}{-u_i \log u_i}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, u, axis, tau
        As in :func:`gumbel_softmax`.

    Returns
    -------
    tuple
        The cotangents of `x` and `u`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`gumbel_softmax`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the Gumbel softmax used by Dong and Yang, 2019.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u = np.exp(-np.array([1.0, 1.0]))
    >>> dx, du = refnorm.prob.gumbel_softmax_vjp(np.array([1.0, 0.0]), np.zeros(2), u, tau=0.5)
    >>> dx, du.round(4)
    (array([ 0.5, -0.5]), array([ 1.3591, -1.3591]))
    """
    xp, cotangent, x, u = prepare(cotangent, x, u, need=3)
    require_same_shape("cotangent", cotangent, x)
    require_same_shape("u", u, x)
    require_along(x, axis)
    require_temperature(tau)
    rows, g = to_rows(xp, axis, x, cotangent)
    rows, g, draws = widen(xp, rows, g, to_rows(xp, axis, x, u)[1])
    spare = roomy(x, rows)
    y = distribution(xp, perturbed(xp, rows, draws) / tau, roomy=spare)
    dx = y / tau * (g - total(xp, g * y, roomy=spare))
    return give_back(xp, dx, x, axis), give_back(xp, -dx / (draws * xp.log(draws)), u, axis)


@operator(
    paper="xie2023data",
    cases=[
        case("rows", normal(4, 8), uniform(4, 8), k=3),
        case("more axes", normal(2, 3, 9, std=3.0), uniform(2, 3, 9), k=5),
        case("all", normal(3, 6), uniform(3, 6), k=6),
        case("none", normal(0, 4), uniform(0, 4), k=1),
    ],
    bench=case("rows", normal(1024, 1024), uniform(1024, 1024), k=64),
    rows=lambda x, rng: ([x, rng.uniform(size=x.shape)], {"k": 7}),
)
def gumbel_top_k(x, u, /, *, k):
    r"""Draw `k` places of the last axis without replacement, in proportion to exp(x), by uniform numbers given.

    .. math:: (p_1, \dots, p_k) = \text{the places of the } k \text{ largest of } s_i = x_i - \log(-\log u_i)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The logarithms of weights, of shape (..., n).
    u : array
        Uniform numbers between 0 and 1, of the shape of `x`.
    k : int
        How many are drawn, from 1 to n.

    Returns
    -------
    tuple
        ``(s, places)``, both (..., k), from the largest s on: the scores with their noise, in the dtype of `x`, and
        integers. Of equal ones the first come first; NaN come last.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `k` is no int.
    ValueError
        The shapes differ, or `k` is not from 1 to n.

    Notes
    -----
    The places are in the order of a draw one by one (Plackett and Luce). A weight of 0, -inf, is drawn last.

    References
    ----------
    Xie et al., Data Selection for Language Models via Importance Resampling, 2023 (as catalogued from its released
    code, which returns the set without an order, and cannot draw all).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u = np.exp(-np.array([1.0, 1.0, 4.0]))  # of noise 0, 0, -log 4
    >>> s, places = refnorm.prob.gumbel_top_k(np.log(np.array([1.0, 2.0, 8.0])), u, k=2)
    >>> s.round(4), places
    (array([0.6931, 0.6931]), array([1, 2]))
    """
    xp, x, u = prepare(x, u, need=2)
    require_same_shape("u", u, x)
    require_along(x, -1)
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k must be an int, got {k!r}")
    if not 1 <= k <= x.shape[-1]:
        raise ValueError(f"k must be from 1 to {x.shape[-1]}, got {k}")
    wide, draws = widen(xp, x, u)
    s = wide - xp.log(-xp.log(draws))
    places = xp.argsort(-s, axis=-1, stable=True)[..., :k]
    return give_back(xp, xp.take_along_axis(s, places, axis=-1), x), places


@operator(
    paper="tang2023concrete",
    cases=[
        case("elements", normal(4, 8), uniform(4, 8)),
        case("loud tau", normal(3, 21, std=3.0), uniform(3, 21), tau=2.5),
        case("loud eps", normal(3, 5, 4), uniform(3, 5, 4), eps=0.25, tau=1.0),
        case("hard", normal(3, 7), uniform(3, 7), hard=True),
        case("none", normal(0, 4), uniform(0, 4)),
    ],
    bench=case("table", normal(1024, 1024), uniform(1024, 1024)),
    rows=lambda x, rng: ([x, rng.uniform(size=x.shape)], {"tau": 2.0}),
)
def binary_concrete(x, u, /, *, tau=0.5, eps=0.0, hard=False):
    r"""Draw softened coins of the chances sigmoid(x), by uniform numbers that are given.

    .. math:: y = \frac{1}{1 + e^{-z}}, \qquad z = \frac{x + \log u - \log(1 - u)}{\tau}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape: the log-odds of heads.
    u : array
        Uniform numbers between 0 and 1, of the shape of `x`.
    tau : float
        The temperature, above zero: the lower, the nearer to 0 and 1.
    eps : float
        `u` is kept within eps and 1 - eps; not below zero, and below one half.
    hard : bool
        Return 1 where z is above 0 and 0 elsewhere.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN stays NaN, hard too, and so does a `u` outside 0..1 where `eps`
        is 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `tau` or `eps` is no number, or
        `hard` is no bool.
    ValueError
        The shapes differ, `tau` is not finite and above zero, or `eps` is not from 0 to one half.

    Notes
    -----
    y is above one half with the chance sigmoid(x), whatever tau is. torch's RelaxedBernoulli has the eps of the type.

    References
    ----------
    Tang et al., Concrete Subspace Learning based Interference Elimination for Multi-task Model Fusion, 2023 (as
    catalogued from its released code, which draws hard masks at a temperature of 0.001).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.binary_concrete(np.array([0.0, 0.0]), np.array([0.5, 0.75]), tau=1.0)
    array([0.5 , 0.75])
    """
    xp, x, u = prepare(x, u, need=2)
    require_same_shape("u", u, x)
    require_temperature(tau)
    require_switch("hard", hard)
    if not isinstance(eps, int | float):
        raise TypeError(f"eps must be a real number, got {type(eps).__name__}")
    if not 0 <= eps < 0.5:
        raise ValueError(f"eps must be from 0 to one half, got {eps!r}")
    wide, draws = widen(xp, x, u)
    draws = xp.clip(draws, eps, 1 - eps) if eps else draws
    z = (wide + xp.log(draws) - xp.log1p(-draws)) / tau
    y = xp.where(xp.isnan(z), z, xp.astype(z > 0, z.dtype)) if hard else softened(xp, wide, draws, z, tau)
    return give_back(xp, y, x)


# ---- laws ----


@law(gumbel_softmax, normal(4, 8), uniform(4, 8))
def shift_free(f, x, u):
    return f(x + 4, u, tau=2.0), f(x, u, tau=2.0)


@law(gumbel_softmax, normal(4, 8), uniform(4, 8))
def temperature_is_a_power(f, x, u):
    y = f(x, u, tau=1.0) ** 0.5
    return f(x, u, tau=2.0), y / y.sum(axis=-1, keepdims=True)


@law(gumbel_softmax, normal(4, 8), uniform(4, 8))
def noise_divides_by_logarithms(f, x, u):
    y = f(x, 0 * u + 0.5) * f(0 * x, u)
    return f(x, u), y / y.sum(axis=-1, keepdims=True)


@law(gumbel_top_k, normal(4, 8), uniform(4, 8))
def fewer_are_the_first(f, x, u):
    return f(x, u, k=2), tuple(part[:, :2] for part in f(x, u, k=5))


@law(gumbel_top_k, normal(4, 8), uniform(4, 8))
def a_shift_shifts(f, x, u):
    s, _ = f(x, u, k=3)
    return f(x + 4, u, k=3)[0], s + 4


@law(binary_concrete, normal(4, 8), uniform(4, 8))
def heads_and_tails(f, x, u):
    return f(x, u, tau=2.0), 1 - f(-x, 1 - u, tau=2.0)


@law(binary_concrete, normal(4, 8), uniform(4, 8))
def odds_multiply(f, x, u):
    y = f(x, u, tau=2.0)
    return (y / (1 - y)) ** 2, 2.718281828459045**x * u / (1 - u)
