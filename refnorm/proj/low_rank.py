"""The nearest matrix of a rank: leading singular triples, and how many of them."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, integers, normal, positive
from .._core.norms import power_scale
from .._core.sums import total
from .._core.thresholds import running_sum
from .._core.triples import leading, require_matrices, require_rank
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_indices, require_same_shape, roomy, widen


@operator(
    paper=("eckart1936approximation", "guo2023pela", "sun2024svfit"),
    cases=[
        case("all", normal(4, 3)),
        case("wide", normal(4, 6), rank=2),
        case("tall", normal(6, 3), rank=3),
        case("stack", normal(2, 3, 5), rank=1),
        case("no matrices", normal(0, 3, 4), rank=2),
    ],
    bench=case("wide", normal(128, 256), rank=2),
    rows=lambda x, rng: ([x[:6] / (1 + abs(x).max())], {}),  # values of many large rows have no place in float16
)
def truncated_svd(x, /, *, rank=None):
    r"""Return the leading singular triples of matrices: the nearest matrix of their rank, in factors.

    .. math:: X \approx U \, \mathrm{diag}(s) \, V^T, \qquad U^T U = V^T V = I, \qquad s_1 \ge s_2 \ge \dots \ge 0

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Matrices, of shape (..., m, n).
    rank : int, optional
        How many triples, r, of 1 to min(m, n); all when left out. It is never found by a tolerance.

    Returns
    -------
    tuple of arrays
        ``(u, s, v)``, of shapes (..., m, r), (..., r) and (..., n, r), in the dtype, library and device of `x`, as
        :func:`svd_linear` takes them. The first of the largest entries of each column of v is positive. A NaN or an
        infinity makes its whole matrix NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `rank` is no int.
    ValueError
        `x` is no matrix or an empty one, or `rank` is out of its range.

    Notes
    -----
    What is left, x - u diag(s) v^T, has the squared length of the singular values that are cut off, and no matrix of
    rank r leaves less. Both factors of a factorised layer are u sqrt(s) and v sqrt(s), of as many numbers as x at
    rank m n / (m + n). Columns of equal singular values may be turned among themselves, and those of values that
    vanish are any that are orthonormal to the rest.

    References
    ----------
    Eckart and Young, The Approximation of One Matrix by Another of Lower Rank, 1936; Guo et al., PELA, 2023; Sun et
    al., SVFit, 2024 (none read again: as catalogued; confirmed against SciPy and torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u, s, v = refnorm.proj.truncated_svd(np.array([[0.0, -3.0], [2.0, 0.0]]), rank=1)
    >>> u.tolist(), s.tolist(), v.tolist()
    ([[-1.0], [0.0]], [3.0], [[0.0], [1.0]])
    """
    xp, x = prepare(x)
    require_matrices("x", x)
    r = require_rank(rank, min(x.shape[-2:]))
    (wide,) = widen(xp, x)
    return tuple(give_back(xp, part, x) for part in leading(xp, wide, r))


@operator(
    paper="lee2022supervised",
    cases=[
        case("wide", normal(4, 6), normal(4, 6), rank=2, step=0.5),
        case("tall", normal(6, 3), normal(6, 3), rank=1),
        case("stack", normal(2, 3, 5), normal(2, 3, 5), rank=2, step=2.0),
        case("full rank", normal(4, 3), normal(4, 3)),
        case("no matrices", normal(0, 3, 4), normal(0, 3, 4), rank=2),
    ],
    bench=case("wide", normal(128, 256), normal(128, 256), rank=2),
    rows=lambda x, rng: ([x[:6], rng.normal(size=x[:6].shape)], {"rank": 1, "step": 0.5}),
)
def low_rank_gradient_step(x, direction, /, *, step=1.0, rank=None):
    r"""Step against a gradient, and back to the nearest matrix of a rank.

    .. math:: Y = P_r(X - \eta G), \qquad P_r(U \, \mathrm{diag}(s) \, V^T) = \sum_{i \le r} s_i u_i v_i^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Matrices, of shape (..., m, n).
    direction : array
        The gradient :math:`G`, of the shape of `x`.
    step : float
        The length of the step, :math:`\eta`, in units of x over those of the gradient.
    rank : int, optional
        The rank r of the answer, of 1 to min(m, n); all when left out, and then nothing is cut off.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its whole matrix NaN. Where two
        singular values tie at the cut, either answer is as near.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `rank` is no int.
    ValueError
        `x` is no matrix or an empty one, a shape does not fit, `rank` is out of its range, or `step` is not finite.

    References
    ----------
    Lee, Lyu and Yao, Supervised Dictionary Learning with Auxiliary Covariates, 2022 (not read again: as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g = np.array([[0.0, 3.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> refnorm.proj.low_rank_gradient_step(x, g, rank=1, step=0.5).tolist()
    [[0.0, 2.5], [0.0, 0.0]]
    """
    xp, x, direction = prepare(x, direction, need=2)
    require_matrices("x", x)
    require_same_shape("direction", direction, x)
    if not math.isfinite(step):
        raise ValueError(f"step must be finite, got {step!r}")
    r = require_rank(rank, min(x.shape[-2:]))
    wide, g = widen(xp, x, direction)
    u, s, v = leading(xp, wide - step * g, r)
    return give_back(xp, xp.matmul(u * s[..., None, :], xp.matrix_transpose(v)), x)


@operator(
    paper=("sun2024svfit", "chen2024mixture"),
    cases=[
        case("values", positive(9), ratio=0.9),
        case("signed, in no order", normal(6, 11), ratio=0.7),
        case("squares", normal(2, 4, 7), p=2, ratio=0.8),
        case("all of it", normal(3, 5), ratio=1.0),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(1024, 1024)),
    rows=lambda x, rng: ([x], {"p": 2, "ratio": 0.8}),
)
def energy_rank(x, /, *, ratio=0.99, p=1):
    r"""Count how many of the largest numbers hold a share of the sum of all, and say what share they hold.

    .. math:: r = \min \{ k \ge 1 : q_k \ge \rho \}, \qquad
        q_k = \sum_{i \le k} |x_{(i)}|^p \Big/ \sum_i |x_i|^p, \qquad |x_{(1)}| \ge |x_{(2)}| \ge \dots

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Singular values, or activations of tokens, in any order: of shape (..., n).
    ratio : float
        The share :math:`\rho` that is to be held, above 0, at most 1.
    p : float
        The power :math:`p`, above 0: 1 sums singular values, 2 what they explain of squares.

    Returns
    -------
    tuple of arrays
        (r, q_r), of shape (...), in the library and on the device of `x`: integers from 1 to n, and shares in the dtype
        of `x`. Zeros are held by one of them. A NaN asks for all n, an infinity for itself; the share of either is NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is no number.
    ValueError
        The last axis is empty, or an option is out of its range.

    Notes
    -----
    Asked the other way round: the numbers left out may hold :math:`1 - \rho` at most. That sum starts with the smallest
    and keeps their digits, so that a ratio of 1 leaves out zeros and nothing else.

    References
    ----------
    Sun et al., SVFit, 2024; Chen et al., Mixture of Hidden-Dimensions Transformer, 2024 (as catalogued, where neither
    text says which power is meant).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> rank, held = refnorm.proj.energy_rank(np.array([[1.0, 8.0, 0.5, 0.5], [1.0, 1.0, 1.0, 1.0]]), ratio=0.7)
    >>> rank.tolist(), held.tolist()
    ([1, 3], [0.8, 0.75])
    """
    xp, x = prepare(x)
    require_along(x, -1)
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be above 0 and at most 1, got {ratio!r}")
    if not 0 < p < math.inf:
        raise ValueError(f"p must be finite and above 0, got {p!r}")
    (wide,) = widen(xp, x)
    powers = xp.sort((xp.abs(wide) / power_scale(xp, wide, p)) ** p, axis=-1)
    whole = total(xp, powers, roomy=roomy(x, wide))
    spared = (running_sum(xp, powers) <= (1 - ratio) * whole) & ~xp.isnan(powers[..., -1:])
    spared = xp.concat([spared[..., :-1], spared[..., -1:] & False], axis=-1)  # one stays in any case
    held = total(xp, xp.where(spared, xp.zeros_like(powers), powers), roomy=roomy(x, wide))
    share = xp.where(whole == 0, xp.ones_like(whole), held) / xp.where(whole == 0, xp.ones_like(whole), whole)
    return xp.sum(xp.astype(~spared, xp.int32), axis=-1, keepdims=True)[..., 0], give_back(xp, share[..., 0], x)


def require_ranks(xp, x, old, step, count) -> None:
    """Refuse what are no ranks, one for each error, and a step or a number of them below 1."""
    require_indices(xp, "old", old, x.shape)
    if 0 in x.shape:
        raise ValueError(f"x must not be empty, got shape {tuple(x.shape)}")
    for name, value in (("step", step), ("count", count)):
        if op.index(value) < 1:
            raise ValueError(f"{name} must be 1 or more, got {value!r}")


@operator(
    paper="lin2024matryoshkakv",
    cases=[
        case("heads", positive(8), integers(8, low=1, high=5), step=1, count=3),
        case("layers of heads", positive(3, 4), integers(3, 4, low=2, high=9), step=2, count=4),
        case("fewer above the floor than asked for", normal(6), integers(6, low=3, high=6), step=4, count=5),
    ],
    bench=case("layers of heads", positive(64, 64), integers(64, 64, low=1, high=128), step=4, count=64),
    rows=lambda x, rng: ([x, rng.integers(1, 4, x.shape)], {"step": 1, "count": 7}),
)
def greedy_rank_allocation(x, old, /, *, step, count):
    r"""Lower the ranks whose loss costs least, by one step each, and say what rank that makes in the mean.

    .. math:: r'_h = \begin{cases} r_h - s & h \text{ among the } c \text{ smallest } x_h \text{ with } r_h > s \\
        r_h & \text{otherwise} \end{cases}, \qquad \bar r = \tfrac1H \sum_h r'_h

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        For each rank the error when it alone is lowered by a step, of any shape.
    old : array of integers
        The ranks :math:`r`, of the shape of `x`.
    step : int
        By how much a rank is lowered, :math:`s`, 1 or more; none falls below it.
    count : int
        How many ranks are lowered, :math:`c`, 1 or more; all that can be where they are fewer.

    Returns
    -------
    tuple of arrays
        The new ranks, in the shape and dtype of `old`, and their mean, one number in the dtype of `x`. Of equal errors
        the first comes first, a NaN last.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `old` no integers, the arrays are of two libraries, or an option is no int.
    ValueError
        The shapes differ, `x` is empty, or an option is below 1.

    Notes
    -----
    One round: measure the errors again with the new ranks before the next, until the mean fits the budget.
    Ranks of keys and of values compete in one call. The release lowers whatever is not equal to the step, which is the
    same for multiples of it.

    References
    ----------
    Lin et al., MatryoshkaKV, 2024 (its released cal_adaptive_rate.py was read).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> errors, ranks = np.array([0.3, 0.1, 0.2, 0.05]), np.array([8, 8, 8, 4])
    >>> lowered, mean = refnorm.proj.greedy_rank_allocation(errors, ranks, step=4, count=2)
    >>> lowered.tolist(), float(mean)
    ([8, 4, 4, 4], 5.0)
    """
    xp, x = prepare(x)
    require_ranks(xp, x, old, step, count)
    (wide,) = widen(xp, x)
    ranks = xp.reshape(old, (-1,))
    order = xp.argsort(xp.reshape(x, (-1,)), axis=0, stable=True)
    free = xp.astype(xp.take(ranks, order, axis=0) > step, old.dtype)
    lowered = xp.where(running_sum(xp, free) <= count, step * free, xp.zeros_like(free))
    ranks = ranks - xp.take(lowered, xp.argsort(order, axis=0), axis=0)
    mean = xp.sum(xp.astype(ranks, wide.dtype), axis=-1, keepdims=True) / ranks.shape[0]  # whole numbers add exactly
    return xp.reshape(ranks, old.shape), give_back(xp, xp.reshape(mean, ()), x)


# ---- laws ----


def product(u, s, v):
    return (u * s) @ v.T


@law(truncated_svd, normal(4, 6))
def all_triples_give_the_matrix(f, x):
    return product(*f(x)), x


@law(truncated_svd, normal(6, 4))
def columns_are_orthonormal(f, x):
    u, s, v = f(x, rank=3)
    return np.stack([u.T @ u, v.T @ v]), np.stack([np.eye(3)] * 2).astype(x.dtype) + 0 * s


@law(truncated_svd, normal(5, 4))
def values_cut_off_are_what_is_left(f, x):
    (u, s, v), (_, every, _) = f(x, rank=2), f(x)
    return ((x - product(u, s, v)) ** 2).sum(), (every[2:] ** 2).sum()


@law(low_rank_gradient_step, normal(4, 6), normal(4, 6))
def steps_are_in_units_of_x(f, x, g):
    return f(4 * x, g, rank=2, step=2.0), 4 * f(x, g, rank=2, step=0.5)


@law(low_rank_gradient_step, normal(4, 3), normal(4, 3))
def nothing_is_cut_off_at_full_rank(f, x, g):
    return f(x, g, step=0.5), x - 0.5 * g


@law(low_rank_gradient_step, normal(4, 6), normal(4, 6))
def cut_once_is_cut(f, x, g):
    y = f(x, g, rank=2)
    return f(y, 0 * g, rank=2), y


@law(energy_rank, normal(5, 8))
def scale_is_free(f, x):
    return np.stack(f(4 * x, ratio=0.75)), np.stack(f(x, ratio=0.75))


@law(energy_rank, normal(5, 8))
def order_and_signs_are_free(f, x):
    return np.stack(f(-x[:, ::-1], ratio=0.6, p=2)), np.stack(f(x, ratio=0.6, p=2))


@law(energy_rank, normal(5, 8))
def zeros_hold_nothing(f, x):
    return f(np.concatenate([x, 0 * x], axis=-1), ratio=1.0)[0], 8 + 0 * f(x)[0]


@law(greedy_rank_allocation, positive(8), integers(8, low=1, high=5))
def one_more_is_one_step_more(f, x, old):
    more = f(x, old, step=1, count=3)[0] - f(x, old, step=1, count=2)[0]
    return np.sort(more), np.sort(-np.eye(8, dtype=int)[0]) * (np.count_nonzero(old > 1) > 2)


@law(greedy_rank_allocation, positive(8), integers(8, low=1, high=5))
def order_of_heads_is_free(f, x, old):
    return f(x[::-1], old[::-1], step=1, count=3)[0], f(x, old, step=1, count=3)[0][::-1]
