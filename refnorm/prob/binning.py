"""Numbers, and masses at places, as distributions over equal steps from one number to another."""

from __future__ import annotations

import math
from operator import index

import numpy as np

from .._cases import case, normal, simplex
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_same_shape, roomy, widen


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
