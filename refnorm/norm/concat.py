"""Features of two kinds, each scaled to unit length and weighted, side by side."""

from __future__ import annotations

from .._cases import case, normal
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, to_rows, widen
from .unit import INFINITY, unit_rows


def require_pair(weights) -> None:
    """Refuse what is not two finite numbers."""
    if not isinstance(weights, tuple | list) or not all(isinstance(w, int | float) for w in weights):
        raise TypeError(f"weights must be two numbers, got {weights!r}")
    if len(weights) != 2 or not all(-INFINITY < w < INFINITY for w in weights):
        raise ValueError(f"weights must be two finite numbers, got {weights!r}")


@operator(
    paper="zhang2023tale",
    cases=[
        case("features", normal(4, 8), normal(4, 5)),
        case("weights", normal(3, 7), normal(3, 7), weights=(1.0, 3.0)),
        case("loud eps", normal(3, 5), normal(3, 9), eps=2.5, weights=(0.25, -2.0)),
        case("channels of an image", normal(2, 3, 4), normal(2, 6, 4), axis=1),
        case("offset", normal(3, 9, mean=1e4), normal(3, 4), weights=(0.75, 0.25)),
        case("no rows", normal(0, 4), normal(0, 3)),
    ],
    bench=case("features", normal(4096, 1280), normal(4096, 768)),
    rows=lambda x, rng: ([x, rng.normal(size=(len(x), 5))], {}),
)
def normalized_concat(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    r"""Scale two kinds of features to unit length each, weigh them, and put them side by side.

    .. math:: y = \Bigl[ w_1 \frac{x}{\max(\|x\|_2, \epsilon)}, \; w_2 \frac{z}{\max(\|z\|_2, \epsilon)} \Bigr]

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The features :math:`x` and :math:`z`: of one shape but for the size along `axis`.
    weights : tuple of float
        The factors :math:`w_1` and :math:`w_2`: alpha and 1 - alpha in the paper.
    axis : int
        The axis of the features, along which they are put side by side.
    eps : float
        The least that is divided by, in units of the features.

    Returns
    -------
    array
        The dtype, library and device of `x`, and its shape but for the sum of both sizes along `axis`. Its products
        are cosines: :math:`w_1^2 \cos_1 + w_2^2 \cos_2`. Special values do in either part as in :func:`lp_normalize`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` is no int, or `weights` are
        no numbers.
    ValueError
        The shapes differ beside `axis`, `axis` is empty or missing, `weights` are not two finite numbers, or `eps` is
        negative.

    Notes
    -----
    The released code has weights 1 and 1, twice the vector of alpha 0.5, and no eps; it normalizes only for its
    distances l1, l2 and plus_norm. See ``refnorm conventions normalized_concat``.

    References
    ----------
    Zhang et al., A Tale of Two Features: Stable Diffusion Complements DINO for Zero-Shot Semantic Correspondence,
    2023 (as catalogued from its released code, compute_pck).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.normalized_concat(np.array([3.0, -4.0]), np.array([2.0]))
    array([ 0.3, -0.4,  0.5])
    """
    xp, x, other = prepare(x, other, need=2)
    require_pair(weights)
    if not isinstance(axis, int):
        raise TypeError(f"axis must be one int, got {axis!r}")
    require_along(x, axis, eps)
    require_along(other, axis, eps)
    beside = list(other.shape)
    beside[axis] = x.shape[axis]
    require_shape("other, but for its axis,", x, tuple(beside))
    rows, others = to_rows(xp, axis, x, other)
    parts = zip(weights, (rows, others), widen(xp, rows, others), strict=True)
    y = [w * unit_rows(xp, wide, 2.0, eps, roomy=roomy(given, wide))[0] for w, given, wide in parts]
    return give_back(xp, xp.concat(y, axis=-1), x, axis)


@law(normalized_concat, normal(4, 8), normal(4, 5))
def lengths_are_the_weights(f, x, other):
    y = f(x, other, weights=(3.0, 4.0))
    return (y * y).sum(axis=-1), 25 + 0 * x[:, 0]


@law(normalized_concat, normal(4, 8), normal(4, 5))
def products_are_cosines(f, x, other):
    y, wide = f(x, other, weights=(2.0, 0.0)), (x * x).sum(axis=-1) ** 0.5
    return (y[0] * y[1]).sum(), 4 * (x[0] * x[1]).sum() / wide[0] / wide[1]


@law(normalized_concat, normal(4, 8), normal(4, 5))
def parts_change_places(f, x, other):
    y = f(other, x, weights=(3.0, 1.0), eps=0.5)
    return f(x, other, weights=(1.0, 3.0), eps=0.5), y[:, [*range(5, 13), *range(5)]]
