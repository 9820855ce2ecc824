"""Sums of products of all pairs, by ((sum x)^2 - sum x^2) / 2."""

from __future__ import annotations

import numpy as np

from .._cases import case, normal
from .._core.sums import two_sum
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, widen


def pair_sums(xp, x):
    """Return the sum of the products of all pairs along the last axis, kept, by a tree.

    Two halves have the pairs within each and the product of their sums. Taking the squares off the square of the sum
    would lose what one large member leaves of the others.
    """
    pairs, lost = xp.zeros_like(x), xp.zeros_like(x)
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        odd = [a[..., 2 * half :] for a in (x, lost, pairs)]
        left, right = x[..., :half], x[..., half : 2 * half]
        below, beside = lost[..., :half], lost[..., half : 2 * half]
        rest = left * beside + right * below
        pairs = pairs[..., :half] + pairs[..., half : 2 * half] + left * right
        pairs = pairs + xp.where(xp.isfinite(rest), rest, xp.zeros_like(rest))
        x, e = two_sum(xp, left, right)
        lost = below + beside + e
        x, lost, pairs = (xp.concat([a, b], axis=-1) for a, b in zip((x, lost, pairs), odd, strict=True))
    return pairs + (x - x)  # an infinity meets both signs: NaN, as in the paper's formula


@operator(
    paper=("lyu2023optimizing", "cheng2020differentiable"),
    cases=[
        case("fields", normal(3, 5, 4)),
        case("gates", normal(2, 6, 3), normal(2, 6)),
        case("a pair", normal(4, 2, 3), normal(4, 2, mean=1.0)),
        case("alone", normal(3, 1, 4)),
        case("offset", normal(2, 21, 3, mean=10.0)),
    ],
    bench=case("fields", normal(1024, 40, 32)),
    rows=lambda x, rng: ([x.T, rng.normal(size=x.shape[1]) / (x.shape[1] * max(1, np.abs(x).max()))], {}),
)
def factorization_machine_pool(x, gate=None, /):
    r"""Reduce embeddings of fields to the sum of the products of all their pairs.

    .. math:: y = \frac{1}{2} \left( \Big( \sum_i e_i \Big)^2 - \sum_i e_i^2 \right) = \sum_{i < j} e_i \odot e_j,
        \qquad e_i = g_i x_i

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The embeddings of m fields, of shape (..., m, d).
    gate : array, optional
        A gate g for each field, of shape (..., m); 1 when left out.

    Returns
    -------
    array
        (..., d), in the dtype, library and device of `x`, in units of x squared; 0 of one field. The logit of a
        factorization machine is its sum over d. A NaN or an infinity makes its feature NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `x` has fewer than two axes or is empty along the last two, or `gate` has another shape.

    References
    ----------
    Lyu et al., Optimizing Feature Set for Click-Through Rate Prediction, 2023: gates. Cheng et al., Differentiable
    Neural Input Search for Recommender Systems, 2020: the sum over d left out. As catalogued from their code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.factorization_machine_pool(np.array([[1.0], [2.0], [5.0]]))  # 1*2 + 1*5 + 2*5
    array([17.])
    """
    xp, x, gate = prepare(x, gate)
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., m, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    require_shape("gate", gate, x.shape[:-1])
    e, g = widen(xp, x, gate)
    e = e if g is None else e * g[..., None]
    return give_back(xp, pair_sums(xp, xp.matrix_transpose(e))[..., 0], x)


@law(factorization_machine_pool, normal(5, 3), normal(5))
def gates_are_factors(f, x, g):
    return f(x, g), f(x * g[:, None])


@law(factorization_machine_pool, normal(5, 3))
def units_are_squared(f, x):
    return f(4 * x), 16 * f(x)


@law(factorization_machine_pool, normal(5, 3), normal(1, 3))
def another_field_meets_them_all(f, x, one):
    return f(np.concatenate([x, one])), f(x) + one[0] * x.sum(axis=0)
