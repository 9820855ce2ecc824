"""Numbers, and masses at places, as distributions over equal steps from one number to another."""

from __future__ import annotations

import math
from operator import index

import numpy as np

from .._cases import case, normal, simplex
from .._core.special import erf_near_zero, erfcx_pair
from .._core.sums import quotient_pair, sum_pair, total, two_product, two_sum
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_along, require_same_shape, require_shape, roomy, widen


def require_support(low, high, count) -> None:
    """Refuse what is no range, and fewer than two atoms."""
    for name, value in (("low", low), ("high", high)):
        if not isinstance(value, int | float):
            raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"low and high must be finite and low below high, got {low!r} and {high!r}")
    try:
        count = index(count)
    except TypeError:
        raise TypeError(f"count must be an int, got {count!r}") from None
    if count < 2:
        raise ValueError(f"count must be at least 2, got {count}")


def hats(xp, x, low, high, count):
    """Return the share that each atom has in each x, along a new last axis: the nearer of its neighbours' distances."""
    step = (high - low) / (count - 1)
    y = xp.expand_dims(xp.clip(x, low, high), axis=-1)
    place = xp.arange(count, dtype=x.dtype, device=device(x))
    near = xp.minimum(y - (low + (place - 1) * step), (low + (place + 1) * step) - y)
    return xp.where(near < 0, xp.zeros_like(near), near) / step


def of_range(x, rng):
    """Return rows as numbers of which most lie between -4 and 4."""
    size = np.std(x)
    return [x / (size if size > 0 else 1.0)], {"low": -4.0, "high": 4.0, "count": 9}


@operator(
    paper="farebrother2024stop",
    cases=[
        case("numbers", normal(7), low=-2.0, high=2.0, count=9),
        case("more axes", normal(3, 4, std=3.0), low=-8.0, high=0.0, count=5),
        case("two atoms", normal(2, 5), low=0.0, high=0.25, count=2),
        case("none", normal(0), low=0.0, high=1.0, count=3),
    ],
    bench=case("numbers", normal(65536, std=4.0), low=-8.0, high=8.0, count=65),
    rows=of_range,
)
def two_hot_project(x, /, *, low, high, count):
    r"""Write each number as shares of the two nearest of `count` atoms from `low` to `high`, with the number as mean.

    .. math:: p_i = \max \Bigl( 1 - \frac{|y - c_i|}{d}, 0 \Bigr), \qquad y = \min(\max(x, c_0), c_{n-1}), \quad
        c_i = l + i d, \quad d = \frac{h - l}{n - 1}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The numbers, of any shape.
    low, high : float
        The first atom l and the last h, in units of x.
    count : int
        The number of atoms n, at least 2.

    Returns
    -------
    array
        The shares, (..., count), in the dtype, library and device of `x`. What is outside goes to the last atom on its
        side, infinities too. NaN makes its row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `low` or `high` is no number, or `count` is no int.
    ValueError
        `low` is not below `high`, one is not finite, or `count` is below 2.

    Notes
    -----
    The mean of a row is ``p @ linspace(low, high, count)``, the number again where it lies inside. rlax divides by
    d + 1e-5, as catalogued, and is off by that.

    References
    ----------
    Farebrother et al., Stop Regressing: Training Value Functions via Classification for Scalable Deep RL, 2024 (as
    catalogued from rlax).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.two_hot_project(np.array([0.75, 9.0]), low=0.0, high=2.0, count=3)
    array([[0.25, 0.75, 0.  ],
           [0.  , 0.  , 1.  ]])
    """
    xp, x = prepare(x)
    require_support(low, high, count)
    (wide,) = widen(xp, x)
    return give_back(xp, hats(xp, wide, low, high, count), x)


@operator(
    paper="farebrother2024stop",
    cases=[
        case("rows", simplex(4, 6), normal(4, 6), low=-2.0, high=2.0, count=9),
        case("fewer atoms", simplex(2, 3, 12), normal(2, 3, 12, std=3.0), low=-4.0, high=4.0, count=5),
        case("one row", simplex(5), normal(5), low=0.0, high=1.0, count=3),
        case("no rows", simplex(0, 4), normal(0, 4), low=0.0, high=1.0, count=3),
    ],
    bench=case("rows", simplex(1024, 51), normal(1024, 51), low=-2.0, high=2.0, count=51),
    rows=lambda x, rng: ([abs(x) / np.sum(abs(x)), rng.normal(size=x.shape)], {"low": -2.0, "high": 2.0, "count": 5}),
)
def categorical_project(x, atoms, /, *, low, high, count):
    r"""Move masses at any places to `count` atoms from `low` to `high`, each to the two nearest, keeping means.

    .. math:: m_i = \sum_j p_j \max \Bigl( 1 - \frac{|y_j - c_i|}{d}, 0 \Bigr), \qquad
        y_j = \min(\max(z_j, c_0), c_{n-1}), \quad c_i = l + i d, \quad d = \frac{h - l}{n - 1}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The masses p, of shape (..., m).
    atoms : array
        Where they are, z, of the shape of `x`.
    low, high : float
        The first atom l and the last h, in units of `atoms`.
    count : int
        The number of atoms n, at least 2.

    Returns
    -------
    array
        The masses at the atoms, (..., count), in the dtype, library and device of `x`; their sum is that of `x`. What
        is outside goes to the last atom on its side. NaN and an infinite mass make their row NaN, or infinite at the
        atoms beside it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `low` or `high` is no number, or
        `count` is no int.
    ValueError
        The shapes differ, the last axis is empty, `low` is not below `high`, one is not finite, or `count` is below 2.

    Notes
    -----
    The update of C51: ``atoms = reward[:, None] + discount[:, None] * linspace(low, high, count)``.

    References
    ----------
    Farebrother et al., Stop Regressing: Training Value Functions via Classification for Scalable Deep RL, 2024 (as
    catalogued from rlax and dopamine, which agree).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> p, z = np.array([[0.5, 0.5]]), np.array([[0.5, 1.25]])
    >>> refnorm.prob.categorical_project(p, z, low=0.0, high=2.0, count=3)
    array([[0.25 , 0.625, 0.125]])
    """
    xp, x, atoms = prepare(x, atoms, need=2)
    require_same_shape("atoms", atoms, x)
    require_along(x, -1)
    require_support(low, high, count)
    wide, places = widen(xp, x, atoms)
    shares = xp.matrix_transpose(hats(xp, places, low, high, count))
    m = total(xp, xp.expand_dims(wide, axis=-2) * shares, roomy=roomy(x, wide))
    return give_back(xp, m[..., 0], x)


NODES, WEIGHTS = (v.tolist() for v in np.polynomial.legendre.leggauss(10))  # of Gauss and Legendre, from -1 to 1
ROOT_REST = -9.667293313452913e-17  # of the root of 2


def require_std(std, low, high, count) -> None:
    """Refuse what is no width, and one that bins or the range are nothing beside."""
    if isinstance(std, bool) or not isinstance(std, int | float):
        raise TypeError(f"std must be a real number, got {std!r}")
    if not 0 < std < math.inf:
        raise ValueError(f"std must be finite and above zero, got {std!r}")
    if not 1e-9 <= (high - low) / count / std <= 1e9:
        raise ValueError(f"std must lie within a factor of 1e9 of the width of a bin, got {std!r}")


def distances(xp, x, low, high, count, std):
    """Return how far right of each x the edges lie along a new last axis, in units of std and in two parts.

    Far outside, where all of the mass is in one bin, numbers are taken for nearer ones.
    """
    unit = 2.0 ** -math.frexp(std)[1]  # no square overflows
    low, high, std = low * unit, high * unit, std * unit
    reach = 800 * std * std / (high - low) * count
    y = xp.expand_dims(xp.clip(x * unit, low - reach, high + reach), axis=-1)
    place = xp.arange(count + 1, dtype=x.dtype, device=device(x))
    span = high - low
    along, of_product = two_product(place, xp.full_like(place, span))
    lost = of_product + place * math.fsum((high, -low, -span))
    along, rest = quotient_pair(along, lost, xp.full_like(place, count), 0.0)
    start, first = two_sum(xp, -y, xp.full_like(y, low))
    d, lost = two_sum(xp, along, start)
    d, lost = two_sum(xp, d, lost + (first + rest))
    return quotient_pair(d, lost, xp.full_like(d, std), 0.0)


def bells(xp, d, rest):
    """Return |d| / sqrt(2), exp(m^2 / 2) times exp(-d^2 / 2), and times erfc(|d| / sqrt(2)), each in two parts.

    m says how far the number is off the range: so nothing vanishes outside of it. e^32 more keeps all that counts
    there above the denormal numbers.
    """
    size, more = xp.abs(d), xp.where(d < 0, -rest, rest)
    below, above = d[..., :1] > 0, d[..., -1:] < 0
    off = lambda v: xp.where(below, v[..., :1], xp.where(above, v[..., -1:], 0 * v[..., :1]))
    difference, of_difference = two_sum(xp, size, -off(size))
    both, of_sum = two_sum(xp, size, off(size))
    square, lost = two_product(difference, both)
    lost = lost + both * (of_difference + more - off(more)) + difference * (of_sum + more + off(more))
    square, of_lift = two_sum(xp, square, xp.where(below | above, -64.0 + 0 * square, 0 * square))
    e, lost = xp.exp(-square / 2), (lost + of_lift) / 2
    a, of_a = quotient_pair(size, more, xp.full_like(size, math.sqrt(2)), ROOT_REST)
    y, of_y = erfcx_pair(xp, a, of_a)
    tail, of_tail = two_product(e, y)
    return (a, of_a), (e, -e * lost), (tail, of_tail + e * (of_y - y * lost))


def narrow(xp, near, heights, h):
    """Return the integral of a bell over a distance h from `near` on, in two parts, by the formula of Gauss."""
    inside, rest = 0 * near, 0 * near
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        s = h * (1 + node) / 2
        inside, lost = two_sum(xp, inside, weight * xp.exp(-s * (near + s / 2)))
        rest = rest + lost
    y, lost = two_product(heights[0], inside)
    factor = h / math.sqrt(2 * math.pi)
    mass, more = two_product(y, xp.full_like(y, factor))
    return mass, more + factor * (lost + heights[0] * rest + heights[1] * inside)


def bin_masses(xp, x, low, high, count, std):
    """Return twice the mass of a bell round each x in every bin, to a factor for each x, and the heights at edges.

    It is a difference of tails on the side where they are small, and a sum of two sides where the number lies in the
    bin. A bin that is so narrow that tails cancel is integrated.
    """
    d, rest = distances(xp, x, low, high, count, std)
    (a, of_a), heights, (tails, of_tails) = bells(xp, d, rest)
    near, left = a < 0.7, d < 0
    sides = erf_near_zero(xp.where(near, a, 0 * a)) + 2 / math.sqrt(math.pi) * heights[0] * of_a
    sides = xp.where(near, sides, 1 - tails)
    masses, more = two_sum(xp, tails[..., 1:], -tails[..., :-1])
    more = more + of_tails[..., 1:] - of_tails[..., :-1]
    turned = masses < 0
    masses, more = xp.where(turned, -masses, masses), xp.where(turned, -more, more)
    h = (high - low) / count / std
    if h < 1:
        nearer = lambda v: xp.where(left[..., :-1], v[..., 1:], v[..., :-1])
        near = nearer(xp.abs(d))
        inside, of_inside = narrow(xp, near, [nearer(v) for v in heights], h)
        flat = near * h < 2
        masses, more = xp.where(flat, inside, masses), xp.where(flat, of_inside, more)
    beside = left[..., 1:] == left[..., :-1]
    masses = xp.where(beside, masses, sides[..., 1:] + sides[..., :-1])
    return masses, xp.where(beside, more, 0 * more), heights[0]


@operator(
    paper="farebrother2024stop",
    cases=[
        case("numbers", normal(7), low=-2.0, high=2.0, count=9, std=0.375),
        case("more axes, outside", normal(3, 4, std=3.0), low=-4.0, high=1.0, count=5, std=0.75),
        case("narrow bins", normal(8), low=-2.0, high=2.0, count=16, std=1.5),
        case("two bins", normal(2, 5), low=0.0, high=0.25, count=2, std=0.125),
        case("none", normal(0), low=0.0, high=1.0, count=3, std=0.25),
    ],
    bench=case("numbers", normal(65536, std=4.0), low=-8.0, high=8.0, count=64, std=0.1875),
    rows=lambda x, rng: ([of_range(x, rng)[0][0]], {"low": -4.0, "high": 4.0, "count": 8, "std": 0.75}),
)
def hl_gauss_project(x, /, *, low, high, count, std):
    r"""Write each number as the masses that a normal distribution round it has in `count` bins from `low` to `high`.

    .. math:: p_i = \frac{\Phi((z_{i+1} - x) / \sigma) - \Phi((z_i - x) / \sigma)}
        {\Phi((z_n - x) / \sigma) - \Phi((z_0 - x) / \sigma)}, \qquad z_i = l + i \, \frac{h - l}{n}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The numbers, of any shape.
    low, high : float
        The first edge l and the last h, in units of x.
    count : int
        The number of bins n, at least 2.
    std : float
        The standard deviation :math:`\sigma`, in units of x; 3/4 of the width of a bin is usual.

    Returns
    -------
    array
        The masses, (..., count), in the dtype, library and device of `x`. Numbers outside are not clipped: far away all
        goes to the last bin on their side, as it does for infinities. NaN makes its row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `low`, `high` or `std` is no number, or `count` is no int.
    ValueError
        `low` is not below `high`, one is not finite, `count` is below 2, or `std` is not above zero or farther than a
        factor of 1e9 from the width of a bin.

    Notes
    -----
    The mean of the centres, ``p @ (low + (arange(count) + 0.5) * (high - low) / count)``, is the number again to some
    millionths of a bin where it lies some std inside. The centres lie half a bin inside the range, the atoms of
    :func:`two_hot_project` on its ends. No digit is lost to differences of numbers near 1, and no divisor vanishes:
    hl-gauss-pytorch takes 1e-10 for a smaller one, as catalogued.

    References
    ----------
    Farebrother et al., Stop Regressing: Training Value Functions via Classification for Scalable Deep RL, 2024, the
    listing in its appendix (as catalogued from copies of it).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.hl_gauss_project(np.array([0.0, 0.5]), low=-1.5, high=1.5, count=3, std=0.75).round(3)
    array([[0.241, 0.519, 0.241],
           [0.097, 0.452, 0.452]])
    """
    xp, x = prepare(x)
    require_support(low, high, count)
    require_std(std, low, high, count)
    (wide,) = widen(xp, x)
    masses, rest, _ = bin_masses(xp, wide, low, high, count, std)
    whole, more = sum_pair(xp, masses)
    p, lost = quotient_pair(masses, rest, whole, more + xp.sum(rest, axis=-1, keepdims=True))
    return give_back(xp, p + lost, x)


@gradient(hl_gauss_project)
def hl_gauss_project_vjp(cotangent, x, /, *, low, high, count, std):
    r"""Return the cotangent of `x` for a cotangent of ``hl_gauss_project(x)``.

    .. math:: \bar x = \frac{1}{\sigma} \sum_i (\bar p_i - \langle p, \bar p \rangle)
        \frac{\varphi((z_i - x) / \sigma) - \varphi((z_{i+1} - x) / \sigma)}
        {\Phi((z_n - x) / \sigma) - \Phi((z_0 - x) / \sigma)}

    Parameters
    ----------
    cotangent : array
        The cotangent of the masses, (..., count).
    x, low, high, count, std
        As in :func:`hl_gauss_project`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`hl_gauss_project`; also where `cotangent` has not the shape of the masses.

    References
    ----------
    The derivative of the projection used by Farebrother et al., 2024.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> g = np.array([[-1.0, 0.0, 1.0]])  # of the mean of -1, 0 and 1
    >>> refnorm.prob.hl_gauss_project_vjp(g, np.zeros(1), low=-1.5, high=1.5, count=3, std=0.75).round(3)
    array([0.742])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_support(low, high, count)
    require_std(std, low, high, count)
    require_shape("cotangent", cotangent, (*x.shape, count))
    wide, g = widen(xp, x, cotangent)
    masses, _, heights = bin_masses(xp, wide, low, high, count, std)
    whole = total(xp, masses, roomy=roomy(x, wide))
    mean = total(xp, masses / whole * g, roomy=roomy(x, wide))
    slopes = (heights[..., :-1] - heights[..., 1:]) / whole * (math.sqrt(2 / math.pi) / std)
    return give_back(xp, total(xp, (g - mean) * slopes, roomy=roomy(x, wide))[..., 0], x)


# ---- laws ----


@law(two_hot_project, normal(9))
def mean_is_the_number(f, x):
    atoms = [-4.0, -2.0, 0.0, 2.0, 4.0]
    return (f(x, low=-4.0, high=4.0, count=5) * atoms).sum(axis=-1), x.clip(-4, 4)


@law(two_hot_project, normal(9, std=3.0))
def shares_sum_to_one(f, x):
    total = f(x, low=-4.0, high=4.0, count=9).sum(axis=-1)
    return total, total * 0 + 1


@law(categorical_project, simplex(4, 6), normal(4, 6))
def mass_is_kept(f, x, atoms):
    return f(x, atoms, low=-1.0, high=1.0, count=5).sum(axis=-1), x.sum(axis=-1)


@law(categorical_project, simplex(4, 6), normal(4, 6))
def mean_is_kept(f, x, atoms):
    m = f(x, atoms.clip(-4, 4), low=-4.0, high=4.0, count=5)
    return (m * [-4.0, -2.0, 0.0, 2.0, 4.0]).sum(axis=-1), (x * atoms.clip(-4, 4)).sum(axis=-1)


@law(hl_gauss_project, normal(9, std=3.0))
def masses_sum_to_one(f, x):
    total = f(x, low=-4.0, high=4.0, count=9, std=0.5).sum(axis=-1)
    return total, total * 0 + 1


@law(hl_gauss_project, normal(9))
def is_alike_on_both_sides(f, x):
    how = {"low": -2.0, "high": 2.0, "count": 8, "std": 0.75}
    return f(-x, **how), f(x, **how)[..., ::-1]


@law(hl_gauss_project, normal(9))
def bins_may_be_joined(f, x):
    fine, how = f(x, low=-2.0, high=2.0, count=8, std=1.5), {"low": -2.0, "high": 2.0, "count": 4, "std": 1.5}
    return fine[..., ::2] + fine[..., 1::2], f(x, **how)
