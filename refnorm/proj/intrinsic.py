"""Weights that move in a random subspace, layer by layer by a step of its own."""

from __future__ import annotations

import numpy as np

from .._cases import Draw, case, normal
from .._registry import law, operator
from .._xp import give_back, prepare, require_shape, roomy, widen
from .hadamard import mixed, require_chain


def signs(*shape):
    return Draw(shape, lambda rng, s: rng.choice([-1.0, 1.0], s), "signs")


def orders(*shape):
    """Draw a permutation for each row."""
    return Draw(shape, lambda rng, s: rng.permuted(np.tile(np.arange(s[-1]), (*s[:-1], 1)), axis=-1), "permutations")


def chains(m, n):
    """Return draws of the signs, permutations and gains of m layers."""
    return signs(m, n), orders(m, n), normal(m, n)


def of_rows(x, rng):
    """Return rows as the weights of layers, and a free vector."""
    m, size = x.shape
    n = 1 << (size - 1).bit_length()
    chain = rng.choice([-1.0, 1.0], (m, n)), np.argsort(rng.random((m, n)), axis=-1), rng.normal(size=(m, n))
    return [rng.normal(size=min(size, 5) + m), x, *chain], {}


def require_layers(xp, x, origin, signs, permutation, gains) -> int:
    """Refuse arrays that do not fit together; return how many numbers all layers share."""
    if origin.ndim != 2 or 0 in origin.shape:
        raise ValueError(f"origin must have shape (layers, D), not empty, got {tuple(origin.shape)}")
    m = origin.shape[0]
    if x.ndim != 1 or x.shape[0] <= m:
        raise ValueError(f"x must have one axis of more than the {m} layers, got shape {tuple(x.shape)}")
    if signs.ndim != 2 or signs.shape[0] != m:
        raise ValueError(f"signs must have shape ({m}, n), got {tuple(signs.shape)}")
    require_shape("gains", gains, tuple(signs.shape))
    require_shape("permutation", permutation, tuple(signs.shape))
    shared = x.shape[0] - m
    require_chain(xp, x[:shared], signs[0, :], permutation[0, :], gains[0, :], origin.shape[1])
    return shared


@operator(
    paper="aghajanyan2020intrinsic",
    cases=[
        case("layers", normal(7), normal(3, 8), *chains(3, 8)),
        case("cut", normal(5), normal(2, 5), *chains(2, 8)),
        case("one layer", normal(9), normal(1, 16), *chains(1, 16)),
        case("far from zero", normal(6), normal(2, 4, mean=50.0), *chains(2, 4)),
    ],
    bench=case("one layer", normal(1025), normal(1, 4096), *chains(1, 4096)),
    rows=of_rows,
)
def structure_aware_subspace(x, origin, signs, permutation, gains, /):
    r"""Move the weights of each layer from where they were in a random direction of a few free numbers.

    .. math:: \theta_i = \theta^0_i + \lambda_i \, P_i \, v, \qquad x = (v, \lambda)

    with :func:`fastfood_project` for :math:`P_i`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The free numbers: v, which all layers share, and behind it a step :math:`\lambda_i` for each of m layers: shape
        (d + m,), d from 1 to n.
    origin : array
        The weights :math:`\theta^0` of m layers of D numbers, of shape (m, D).
    signs, gains : array
        What :func:`fastfood_project` takes, for each layer: shape (m, n), n a power of two and not below D.
    permutation : array of int
        The same, its indices each in 0 to n - 1.

    Returns
    -------
    array
        (m, D), in the dtype, library and device of `x`. A NaN in v makes everything NaN; one in what a layer has, that
        layer, or its number in `origin`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or `permutation` no integers, or the arrays are of two libraries.
    ValueError
        A shape does not fit, or n is not a power of two.

    Notes
    -----
    Layers of several sizes take a call for each size, all with the same v. With steps of 1 it is the plain random
    subspace. The code kept by others has a step for each tensor and one more, which no tensor uses.

    References
    ----------
    Aghajanyan, Zettlemoyer and Gupta, Intrinsic Dimensionality Explains the Effectiveness of Language Model
    Fine-Tuning, 2020, structure-aware intrinsic dimension (not read again: as catalogued from the code of others).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, at, ones = np.array([3.0, 0.5]), np.array([[10.0, 20.0]]), np.ones((1, 2))
    >>> refnorm.proj.structure_aware_subspace(x, at, ones * [1, -1], np.array([[1, 0]]), ones)
    array([[11.5, 20. ]])
    """
    xp, x, origin, signs, gains = prepare(x, origin, signs, gains, need=4)
    shared = require_layers(xp, x, origin, signs, permutation, gains)
    wide, start, s, g = widen(xp, x, origin, signs, gains)
    spare, size = roomy(x, wide), origin.shape[1]
    rows = []
    for i in range(origin.shape[0]):
        moved = mixed(xp, wide[:shared], s[i, :], permutation[i, :], g[i, :], size, roomy=spare)
        rows.append(start[i, :] + wide[shared + i] * moved)
    return give_back(xp, xp.stack(rows, axis=0), x)


# ---- laws ----


@law(structure_aware_subspace, normal(7), normal(3, 8), *chains(3, 8))
def steps_are_linear(f, x, origin, *chain):
    far = f(x * [1, 1, 1, 1, 2, 2, 2], origin, *chain)
    return far - origin, 2 * (f(x, origin, *chain) - origin)


@law(structure_aware_subspace, normal(7), normal(3, 8), *chains(3, 8))
def without_steps_nothing_moves(f, x, origin, *chain):
    return f(x * [1, 1, 1, 1, 0, 0, 0], origin, *chain), origin
