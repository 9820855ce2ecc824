"""Scores of the next token, filtered, contrasted and combined before one is drawn."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from .._cases import case, normal
from .._core.sums import total
from .._core.thresholds import running_sum
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_shape, roomy, widen
from .divergence import excess, outcomes
from .exponential import distribution

KINDS = ("against", "with")


def require_number(name, value, good=math.isfinite, wanted="finite") -> None:
    """Refuse what is no number, or not as wanted."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if not good(value):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")


def require_filters(tau, k, p) -> None:
    """Refuse a temperature that is not above zero, a k below 1, and a p that is no share."""
    require_number("tau", tau, lambda v: 0 < v < math.inf, "finite and above zero")
    if k is not None and (isinstance(k, bool) or not isinstance(k, int)):
        raise TypeError(f"k must be an int or None, got {k!r}")
    if k is not None and k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if p is not None:
        require_number("p", p, lambda v: 0 < v <= 1, "above 0 and at most 1")


def kept_by_share(xp, x, p, *, roomy):
    """Return which scores are of the fewest, from the largest on, whose shares reach p; none where there is a NaN."""
    order = xp.argsort(-x, axis=-1, stable=True)
    shares = distribution(xp, xp.take_along_axis(x, order, axis=-1), roomy=roomy)
    before = running_sum(xp, shares) - shares
    return xp.take_along_axis(before < p, xp.argsort(order, axis=-1, stable=True), axis=-1)


@operator(
    paper="zhang2024debiasing",
    cases=[
        case("temperature", normal(4, 8), tau=0.5),
        case("three best", normal(3, 9), k=3, tau=2.0),
        case("most of the mass", normal(3, 21, std=2.0), p=0.75),
        case("all three", normal(2, 3, 12, std=2.0), tau=1.5, k=7, p=0.5),
        case("no rows", normal(0, 4), k=2),
    ],
    bench=case("rows", normal(64, 32000, std=3.0), tau=0.7, k=50, p=0.9),
    rows=lambda x, rng: ([x], {"tau": 2.0, "k": 7}),
)
def top_k_top_p_filter(x, /, *, tau=1.0, k=None, p=None):
    r"""Divide scores by a temperature, and set all but the likeliest to -inf.

    .. math:: y_i = \frac{x_i}{\tau} \text{ where } x_i \ge x_{(k)} \text{ and }
        \sum_{j \text{ before } i} s_j < p, \quad -\infty \text{ elsewhere}, \qquad s = \mathrm{softmax}(x / \tau)

    over the scores that k has left, from the largest on.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of shape (..., V).
    tau : float
        The temperature, above zero, in units of x.
    k : int, optional
        How many stay, at least 1; all that equal the last of them stay too.
    p : float, optional
        The share that those who stay reach, above 0: the fewest that do. 1 lets all stay.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Of equal scores at the border of p the first stay. A row with a
        NaN, and with `p` one with +inf or all of -inf, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `tau` or `p` is no number, or `k` no int.
    ValueError
        The last axis is empty, `tau` is not finite and above zero, `k` is below 1, or `p` is not above 0 and at most 1.

    Notes
    -----
    The order, temperature, k, p, is that of transformers' warpers, whose ties at the border of p follow an unstable
    sort, as catalogued.

    References
    ----------
    Zhang et al., Debiasing Large Visual Language Models, 2024, use it (as catalogued from transformers).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.log(np.array([0.5, 0.25, 0.125, 0.125]))
    >>> np.exp(refnorm.prob.top_k_top_p_filter(x, p=0.625)).round(3)
    array([0.5 , 0.25, 0.  , 0.  ])
    """
    xp, x = prepare(x)
    require_along(x, -1)
    require_filters(tau, k, p)
    (wide,) = widen(xp, x)
    largest, out = xp.max(wide, axis=-1, keepdims=True), xp.full_like(wide, -math.inf)
    bad, cut = xp.isnan(largest), xp.isnan(wide)  # who has a NaN is all NaN in the end
    if k is not None and k < x.shape[-1]:
        cut = wide < xp.flip(xp.sort(wide, axis=-1), axis=-1)[..., k - 1 : k]
    if p is not None and p < 1:
        kept = kept_by_share(xp, xp.where(cut, out, (wide - largest) / tau), p, roomy=roomy(x, wide))
        bad, cut = bad | ~xp.any(kept, axis=-1, keepdims=True), cut | ~kept
    y = xp.where(bad, xp.full_like(out, math.nan), xp.where(cut, out, wide / tau))
    return give_back(xp, y, x)


@operator(
    paper=("woo2024ritual", "zhang2024debiasing"),
    cases=[
        case("rows", normal(4, 8), normal(4, 8)),
        case("loud alpha", normal(3, 9, std=3.0), normal(3, 9), alpha=2.5, beta=0.01),
        case("with", normal(2, 3, 7), normal(2, 3, 7), kind="with", alpha=3.0),
        case("nothing cut", normal(3, 6), normal(3, 6), beta=0.0, alpha=0.5),
        case("one left", normal(3, 6), normal(3, 6), beta=1),
        case("no rows", normal(0, 4), normal(0, 4)),
    ],
    bench=case("rows", normal(64, 32000), normal(64, 32000)),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape)], {"beta": 0.0, "alpha": 0.5}),
)
def contrastive_decoding_logits(x, other, /, *, alpha=1.0, beta=0.1, kind="against"):
    r"""Move scores away from those of a distorted input, or towards those of another view, among plausible tokens.

    .. math:: y_i = x_i + \alpha (x_i - o_i) \quad\text{or, of kind with,}\quad y_i = x_i + \alpha o_i, \qquad
        \text{where } x_i \ge \max_j x_j + \log \beta, \quad -\infty \text{ elsewhere}

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The scores x and o, of one shape (..., V).
    alpha : float
        The weight of the other scores.
    beta : float
        The least share of the largest probability that stays, from 0, all do, to 1, the largest does.
    kind : {"against", "with"}
        Whether the other scores are contrasted or added.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. What is cut is looked up in `x` as it is. NaN stays NaN, and where
        `x` has one nothing of its row is cut.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `alpha` or `beta` is no number.
    ValueError
        The shapes differ, the last axis is empty, `alpha` is not finite, `beta` is not in 0..1, or `kind` is another
        word.

    Notes
    -----
    Several distorted inputs give the mean of their scores. Temperature and filters come after it.

    References
    ----------
    Woo et al., RITUAL, 2024 (with, at an alpha of 3; against is its baseline, VCD), and Zhang et al., Debiasing Large
    Visual Language Models, 2024 (against) (as catalogued from the released codes).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, other = np.array([[2.0, 1.5, -2.0]]), np.array([[2.0, 0.5, 0.0]])
    >>> refnorm.prob.contrastive_decoding_logits(x, other)
    array([[ 2. ,  2.5, -inf]])
    """
    xp, x, other = prepare(x, other, need=2)
    require_same_shape("other", other, x)
    require_along(x, -1)
    require_number("alpha", alpha)
    require_number("beta", beta, lambda v: 0 <= v <= 1, "in 0..1")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    wide, o = widen(xp, x, other)
    y = wide + alpha * (wide - o if kind == "against" else o)
    below = wide - xp.max(wide, axis=-1, keepdims=True)  # a sum of the largest and log(beta) would be rounded
    cut = below < (math.log(beta) if beta else -math.inf)
    return give_back(xp, xp.where(cut, xp.full_like(y, -math.inf), y), x)


@operator(
    paper="fan2024giant",
    cases=[
        case("one expert", normal(4, 8), normal(1, 4, 8), normal(4, 8), normal(1)),
        case("three experts", normal(2, 5), normal(3, 2, 5), normal(2, 5), normal(3, std=2.0)),
        case("one row", normal(6), normal(2, 6), normal(6), normal(2)),
        case("no rows", normal(0, 4), normal(2, 0, 4), normal(0, 4), normal(2)),
    ],
    bench=case("rows", normal(2, 32000), normal(2, 2, 32000), normal(2, 32000), normal(2)),
    rows=lambda x, rng: ([x, rng.normal(size=(2, *x.shape)), rng.normal(size=x.shape), rng.normal(size=2)], {}),
)
def logit_arithmetic(x, new, old, alpha, /):
    r"""Add to the scores of a large model what small ones have learned: the differences of theirs.

    .. math:: y = x + \sum_t \alpha_t (n_t - o)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores of the large model, of any shape.
    new : array
        Those of T tuned small models, n, of shape (T, ...) over that of `x`.
    old : array
        Those of the small model before, o, of the shape of `x`.
    alpha : array
        The weight of each expert, of shape (T,).

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN and infinities propagate.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        The shapes do not fit.

    Notes
    -----
    Scores are taken as they are. With log_softmax of each the answer differs by a constant a row: its softmax is the
    same.

    References
    ----------
    Fan et al., On Giant's Shoulders: Effortless Weak to Strong by Dynamic Logits Fusion, 2024 (as catalogued from the
    text and the code of proxy tuning).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, new, old = np.array([1.0, 2.0]), np.array([[3.0, 3.0], [0.0, 1.0]]), np.array([1.0, 3.0])
    >>> refnorm.prob.logit_arithmetic(x, new, old, np.array([0.5, 1.0]))
    array([1., 0.])
    """
    xp, x, new, old, alpha = prepare(x, new, old, alpha, need=4)
    if alpha.ndim != 1:
        raise ValueError(f"alpha must have shape (T,), got {tuple(alpha.shape)}")
    require_shape("new", new, (alpha.shape[0], *x.shape))
    require_same_shape("old", old, x)
    wide, n, o, a = widen(xp, x, new, old, alpha)
    parts = [xp.expand_dims(wide, axis=-1)]
    parts += [xp.expand_dims(a[t] * (n[t, ...] - o), axis=-1) for t in range(alpha.shape[0])]
    return give_back(xp, total(xp, xp.concat(parts, axis=-1), roomy=roomy(x, wide))[..., 0], x)


def both_ways(xp, x, other, *, roomy):
    """Return the divergences of softmaxes, of the second from the first and of the first from the second."""
    p, q, d = outcomes(xp, "scores", x, other, roomy=roomy)
    return [total(xp, excess(xp, *given), roomy=roomy)[..., 0] for given in ((p, q, d), (q, p, -d))]


def require_experts(x, new, old, high, count) -> None:
    """Refuse scores that do not fit, an end of the search that is not above zero, and fewer than two weights."""
    require_along(x, -1)
    if new.ndim == 0 or new.shape[0] == 0:
        raise ValueError(f"new must have shape (T, {', '.join(map(str, x.shape))}), got {tuple(new.shape)}")
    require_shape("new", new, (new.shape[0], *x.shape))
    require_same_shape("old", old, x)
    require_number("high", high, lambda v: 0 < v < math.inf, "finite and above zero")
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count must be an int, got {count!r}")
    if count < 2:
        raise ValueError(f"count must be at least 2, got {count}")


def of_size_two(x, rng):
    """Return rows of scores that differ by a few units, two experts and a small model."""
    size = np.std(x)
    x = 2 * (x - np.mean(x)) / (size if size > 0 else 1.0)
    return [x, *(rng.normal(size=s) for s in ((1, *x.shape), x.shape))], {"count": 5}


@operator(
    paper="fan2024giant",
    cases=[
        case("one expert", normal(4, 8), normal(1, 4, 8), normal(4, 8), count=9),
        case("two experts, loud high", normal(2, 6), normal(2, 2, 6), normal(2, 6), high=3.0, count=5),
        case("loud count", normal(2, 3, 5), normal(1, 2, 3, 5, std=0.5), normal(2, 3, 5), high=1.0, count=3),
        case("no rows", normal(0, 4), normal(1, 0, 4), normal(0, 4), count=3),
    ],
    bench=case("rows", normal(2, 32000), normal(1, 2, 32000), normal(2, 32000)),
    rows=of_size_two,
)
def dynamic_fusion_weights(x, new, old, /, *, high=2.0, count=21):
    r"""Find the weights of experts with which a large model moves as far from itself as each expert from the small one.

    .. math:: \alpha = \arg\min \sum_t \bigl( D(\tilde P \| P) - D(Q_t \| Q) \bigr)^2
        + \bigl( D(P \| \tilde P) - D(Q \| Q_t) \bigr)^2, \qquad
        \tilde P = \mathrm{softmax} \Bigl( x + \sum_t \alpha_t (n_t - o) \Bigr)

    over all combinations of `count` weights from 0 to `high`; P, Q and :math:`Q_t` are the softmaxes of x, o and
    :math:`n_t`, and D is the Kullback-Leibler divergence.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores of the large model, of shape (..., V).
    new : array
        Those of T tuned small models, n, of shape (T, ..., V).
    old : array
        Those of the small model before, o, of the shape of `x`.
    high : float
        The largest weight that is tried, above zero.
    count : int
        How many weights are tried for each expert, at least 2.

    Returns
    -------
    array
        The weights, (..., T), in the dtype, library and device of `x`. Of combinations that do as well the first
        counts, with the last expert's weight rising fastest. A token at -inf in `x` has no part; a NaN, +inf, a row of
        -inf, and -inf in a small model make NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `high` is no number, or `count` no
        int.
    ValueError
        The shapes do not fit, there are no scores or no experts, `high` is not finite and above zero, or `count` is
        below 2.

    Notes
    -----
    :func:`logit_arithmetic` adds what experts have learned, with the weights of one row. `count` to the power of T
    combinations are tried; for several experts the paper also tries one at a time, which is this with one expert each.

    References
    ----------
    Fan et al., On Giant's Shoulders: Effortless Weak to Strong by Dynamic Logits Fusion, 2024, sections 3.2 and 3.3 (as
    catalogued from the text; its search is not released).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> small, tuned = np.array([0.0, 1.0, 2.0]), np.array([[1.0, 1.0, 0.0]])
    >>> refnorm.prob.dynamic_fusion_weights(small, tuned, small)  # large as the small one: all that it has learned
    array([1.])
    >>> refnorm.prob.dynamic_fusion_weights(5 * small, tuned, small)
    array([2.])
    """
    xp, x, new, old = prepare(x, new, old, need=3)
    require_experts(x, new, old, high, count)
    wide, n, o = widen(xp, x, new, old)
    spare = roomy(x, wide)
    wide, experts = wide - xp.max(wide, axis=-1, keepdims=True), range(new.shape[0])
    wanted = [both_ways(xp, n[t, ...], o, roomy=spare) for t in experts]
    best = xp.full_like(wide[..., 0], math.inf)
    alpha = [xp.full_like(best, math.nan) for _ in experts]
    for tried in product([high * i / (count - 1) for i in range(count)], repeat=len(experts)):
        moved = sum((a * (n[t, ...] - o) for t, a in enumerate(tried)), wide)
        there, back = both_ways(xp, moved, wide, roomy=spare)
        off = sum((there - f) ** 2 + (back - b) ** 2 for f, b in wanted)
        better = off < best
        best = xp.where(better, off, best)
        alpha = [xp.where(better, xp.full_like(best, a), v) for a, v in zip(tried, alpha, strict=True)]
    return give_back(xp, xp.stack(alpha, axis=-1), x)


# ---- laws ----


@law(top_k_top_p_filter, normal(4, 9))
def one_is_the_largest(f, x):
    """A k of 1 and a p of nothing leave the same one."""
    return 2.718281828459045 ** f(x, k=1), 2.718281828459045 ** f(x, p=1e-9)


@law(top_k_top_p_filter, normal(4, 9, std=2.0))
def a_shift_moves_what_stays(f, x):
    return 2.0 ** f(x + 4, p=0.5, k=6), 2.0 ** (f(x, p=0.5, k=6) + 4)


@law(top_k_top_p_filter, normal(4, 9))
def tau_is_in_units_of_x(f, x):
    return 2.0 ** f(4 * x, tau=2.0, k=4), 2.0 ** f(x, tau=0.5, k=4)


@law(contrastive_decoding_logits, normal(4, 9))
def what_is_alike_stays(f, x):
    return 2.0 ** f(x, x, beta=0.5), 2.0 ** f(x, 0 * x, kind="with", beta=0.5)


@law(contrastive_decoding_logits, normal(4, 9), normal(4, 9))
def with_is_against_the_opposite(f, x, other):
    return f(x, other, beta=0.0, kind="with", alpha=2.0), f(0 * x, -other, beta=0.0, alpha=2.0) + x


@law(logit_arithmetic, normal(4, 8), normal(2, 4, 8), normal(4, 8), normal(2))
def experts_come_one_by_one(f, x, new, old, alpha):
    return f(x, new, old, alpha), f(f(x, new[:1], old, alpha[:1]), new[1:], old, alpha[1:])


@law(logit_arithmetic, normal(4, 8), normal(1, 4, 8), normal(4, 8))
def large_as_the_small_one_becomes_the_tuned(f, x, new, old):
    return f(old, new, old, 0 * x[0, :1] + 1), new[0]


@law(dynamic_fusion_weights, normal(4, 8), normal(1, 4, 8))
def large_as_the_small_one_takes_all(f, old, new):
    return f(old, new, old, count=9), np.ones((4, 1))


@law(dynamic_fusion_weights, normal(4, 8), normal(1, 4, 8), normal(4, 8))
def tokens_have_no_order(f, x, new, old):
    return f(x[..., ::-1], new[..., ::-1], old[..., ::-1], count=9), f(x, new, old, count=9)


@law(dynamic_fusion_weights, normal(4, 8), normal(2, 4, 8), normal(4, 8))
def experts_in_another_order(f, x, new, old):
    return f(x, new[::-1], old, count=5), f(x, new, old, count=5)[..., ::-1]
