"""A subset summarised together with the set it is taken from."""

from __future__ import annotations

import numpy as np

from .._cases import case, normal, uniform
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, widen


def require_sets(x, other, member, reduce, join) -> None:
    """Refuse what is no pair of encodings of the same elements, and how likely each is a member."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    if join not in ("concat", "add"):
        raise ValueError(f"join must be 'concat' or 'add', got {join!r}")
    width = other.shape[-1:] if join == "concat" and other.ndim == x.ndim else x.shape[-1:]
    require_shape("other", other, x.shape[:-1] + width)
    require_shape("member", member, x.shape[:-1])
    if reduce not in ("sum", "mean"):
        raise ValueError(f"reduce must be 'sum' or 'mean', got {reduce!r}")


@operator(
    paper="xie2024enhancing",
    cases=[
        case("side by side", normal(2, 5, 3), normal(2, 5, 4), uniform(2, 5)),
        case("mean of the whole", normal(3, 6, 2), normal(3, 6, 2), uniform(3, 6), reduce="mean"),
        case("added", normal(2, 4, 3), normal(2, 4, 3), uniform(2, 4), join="add"),
        case("one set", normal(7, 2), normal(7, 2), uniform(7), reduce="mean", join="add"),
    ],
    bench=case("sets", normal(64, 200, 128), normal(64, 200, 128), uniform(64, 200)),
    rows=lambda x, rng: (
        [x.T, rng.normal(size=(x.shape[1], 2)), rng.random(x.shape[1]) / x.shape[1]],
        {"reduce": "mean"},
    ),
)
def subset_superset_pool(x, other, member, /, *, reduce="sum", join="concat"):
    r"""Summarise a subset, given by how likely each element is in it, together with the whole set.

    .. math:: y = \Big[ \sum_n m_n x_n, \; \sum_n v_n \Big]

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Encodings of n elements as members of the subset, of shape (..., n, d).
    other : array
        Encodings v of the same elements as members of the whole, of shape (..., n, e).
    member : array
        Indicators or probabilities m of being in the subset, of shape (..., n).
    reduce : {"sum", "mean"}
        What is taken of the whole set; of the subset it is the sum.
    join : {"concat", "add"}
        Whether both summaries stand side by side, or are added (where d = e).

    Returns
    -------
    array
        (..., d + e), or (..., d), in the dtype, library and device of `x`. A NaN makes its feature NaN, whether its
        element is a member or not.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        An array has another shape, `x` is empty along the last two axes, or an option is another word.

    References
    ----------
    Xie et al., Enhancing Neural Subset Selection: Integrating Background Information into Set Representations, 2024:
    formula as catalogued, not confirmed at its source (only the abstract is known).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, member = np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 0.0, 0.5])
    >>> refnorm.pool.subset_superset_pool(x, x, member)
    array([3., 7.])
    """
    xp, x, other, member = prepare(x, other, member, need=3)
    require_sets(x, other, member, reduce, join)
    wide, whole, m = widen(xp, x, other, member)
    spare = roomy(x, wide)
    part = total(xp, xp.matrix_transpose(wide) * m[..., None, :], roomy=spare)[..., 0]
    whole = total(xp, xp.matrix_transpose(whole), roomy=spare)[..., 0]
    whole = whole / x.shape[-2] if reduce == "mean" else whole
    return give_back(xp, part + whole if join == "add" else xp.concat([part, whole], axis=-1), x)


@law(subset_superset_pool, normal(5, 3), normal(5, 3), uniform(5))
def both_may_be_added_later(f, x, v, m):
    y = f(x, v, m)
    return f(x, v, m, join="add"), y[:3] + y[3:]


@law(subset_superset_pool, normal(5, 3), normal(5, 3), uniform(5))
def parts_of_the_subset_add(f, x, v, m):
    first = np.arange(5) < 2
    return f(x, v, m) + f(x, v, 0 * m), f(x, v, m * first) + f(x, v, m * ~first)


@law(subset_superset_pool, normal(5, 3), normal(5, 3), uniform(5))
def the_mean_is_the_sum_over_n(f, x, v, m):
    return f(x, v, m, reduce="mean")[3:] * 5, f(x, v, m)[3:]
