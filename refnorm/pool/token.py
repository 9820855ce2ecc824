"""One vector, or a shorter grid, from a sequence of tokens."""

from __future__ import annotations

import operator as op

import numpy as np

from .._cases import booleans, case, normal
from .._core.norms import unit
from .._core.regions import chosen_sites, require_mask
from .._core.sums import total
from .._registry import law, operator
from .._xp import _cast, device, give_back, prepare, require_along, roomy, widen


def require_tokens(xp, x, mask) -> None:
    """Refuse what is no sequence (..., n, d), and a mask that is not of its tokens."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    if mask is not None:
        require_mask(xp, mask, x.shape[:-1])


def positions(xp, x):
    """Return 0, 1, ... for the tokens of x."""
    return xp.arange(x.shape[-2], device=device(x))


@operator(
    paper="tang2024pooling",
    cases=[
        case("no mask", normal(2, 5, 3)),
        case("mask", normal(4, 6, 3), booleans(4, 6, chance=0.6)),
        case("more axes", normal(2, 3, 4, 2), booleans(2, 3, 4, chance=0.5)),
        case("one sequence", normal(5, 2), booleans(5, chance=0.4)),
    ],
    bench=case("tokens", normal(48, 512, 256), booleans(48, 512, chance=0.9)),
    rows=lambda x, rng: ([x.T, np.arange(x.shape[1]) < x.shape[1] - 3], {}),
)
def last_token_pool(x, mask=None, /):
    r"""Return the last token of a sequence that is there.

    .. math:: y = x_t, \qquad t = \max \{ s : m_s \}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        n tokens of d features, of shape (..., n, d).
    mask : array of booleans, optional
        The tokens that are there (True), of shape (..., n): all when left out. Padding may stand on either side.

    Returns
    -------
    array
        (..., d), exactly the token, in the dtype, library and device of `x`; the last one where none is there. What
        the other tokens hold, a NaN even, does not matter.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `mask` no booleans, or they are of two libraries.
    ValueError
        `x` has fewer than two axes or is empty along the last two, or `mask` has another shape.

    Notes
    -----
    Released code takes token sum(m) - 1, and the last one of every sequence if all masks end in 1. That is another
    token where a mask has gaps, and in a batch with padding on either side.

    References
    ----------
    Tang and Yang, Pooling And Attention: What Are Effective Designs For LLM-Based Embedding Models?, 2024: as
    catalogued from its code, but for gaps.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.last_token_pool(np.array([[1.0], [5.0], [9.0]]), np.array([True, True, False]))
    array([5.])
    """
    xp, x = prepare(x)
    require_tokens(xp, x, mask)
    last = x.shape[-2] - 1
    if mask is None:
        return x[..., last, :]
    place = positions(xp, x)
    there = xp.max(xp.where(mask, place, xp.full_like(place, -1)), axis=-1, keepdims=True)
    there = xp.where(there < 0, xp.full_like(there, last), there)
    return xp.take_along_axis(x, there[..., None], axis=-2)[..., 0, :]


@operator(
    paper="ivison2025large",
    cases=[
        case("no mask", normal(2, 5, 3)),
        case("mask", normal(4, 6, 3), booleans(4, 6, chance=0.6)),
        case("from the first", normal(4, 6, 3), booleans(4, 6, chance=0.7), kind="first"),
        case("offset", normal(3, 40, 2, mean=1e3), booleans(3, 40, chance=0.8)),
        case("one sequence", normal(5, 2), booleans(5, chance=0.7), kind="first"),
    ],
    bench=case("tokens", normal(48, 512, 256), booleans(48, 512, chance=0.9)),
    rows=lambda x, rng: ([x.T, rng.random(x.shape[1]) < 0.9], {}),
)
def position_weighted_mean_pool(x, mask=None, /, *, kind="sequence"):
    r"""Return the mean of tokens under weights that grow with their place.

    .. math:: y = \frac{\sum_t w_t x_t}{\sum_t w_t}, \qquad w_t = m_t \, (t + 1), \quad t = 0, \ldots, n - 1

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        n tokens of d features, of shape (..., n, d).
    mask : array of booleans, optional
        The tokens m that are there (True), of shape (..., n); all when left out.
    kind : {"sequence", "first"}
        Whether weights are 1, 2, ... from the start of the sequence, or from its first token that is there on:
        :math:`w_t = m_t \, (t - t_0 + 1)`, which padding on the left does not change.

    Returns
    -------
    array
        (..., d), in the dtype, library and device of `x`. What lies where the mask is False has no part in it, be it
        a NaN; where nothing is there, it is NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `mask` no booleans, or they are of two libraries.
    ValueError
        `x` has fewer than two axes or is empty along the last two, `mask` has another shape, or `kind` is another
        word.

    References
    ----------
    Ivison et al., Large-Scale Data Selection for Instruction Tuning, 2025: without a mask, as catalogued from its
    code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.position_weighted_mean_pool(np.array([[1.0], [4.0]]))
    array([3.])
    """
    xp, x = prepare(x)
    require_tokens(xp, x, mask)
    if kind not in ("sequence", "first"):
        raise ValueError(f"kind must be 'sequence' or 'first', got {kind!r}")
    (wide,) = widen(xp, x)
    place = _cast(xp, positions(xp, x), wide.dtype) + 1
    if mask is not None:
        wide = chosen_sites(xp, mask[..., None], wide)
        first = xp.min(xp.where(mask, place, xp.full_like(place, x.shape[-2])), axis=-1, keepdims=True)
        w = place - first + 1 if kind == "first" else place
        place = chosen_sites(xp, mask, xp.broadcast_to(w, mask.shape))
    features, place, spare = xp.matrix_transpose(wide), place[..., None, :], roomy(x, wide)
    y = total(xp, place * features, roomy=spare) / total(xp, place, roomy=spare)
    return give_back(xp, y[..., 0], x)


@operator(
    paper="zhu2023coarse",
    cases=[
        case("places", normal(2, 6, 3), k=2),
        case("all", normal(3, 4, 5), k=4),
        case("loud eps", normal(2, 5, 3), k=3, eps=2.0),
        case("one map", normal(7, 2), k=1),
    ],
    bench=case("places", normal(48, 196, 256), k=64),
    rows=lambda x, rng: ([x.T], {"k": 3}),
)
def top_descriptor_pool(x, /, *, k, eps=1e-12):
    r"""Return the descriptors of the k places with the highest attention, made units.

    .. math:: y_i = \frac{x_{n_i}}{\max(\lVert x_{n_i} \rVert_2, \epsilon)}, \qquad
        a_n = \sum_c |x_{nc}|, \quad a_{n_1} \ge a_{n_2} \ge \ldots \ge a_{n_k}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Descriptors of n places and c channels, of shape (..., n, c).
    k : int
        How many to keep, at most n.
    eps : float
        The least length that is divided by.

    Returns
    -------
    array
        (..., k, c), the highest attention first and the first of equals before the others, in the dtype, library and
        device of `x`. A place with a NaN counts as the highest, and is NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is no number.
    ValueError
        `x` has fewer than two axes or is empty along the last two, `k` is not from 1 to n, or `eps` is negative.

    Notes
    -----
    The released code keeps the places of one image and matches them with another's, both ways and by a test of
    ratios; pairs enter a loss only. Nothing is fused into its global descriptor.

    References
    ----------
    Zhu et al., Coarse-to-Fine: Learning Compact Discriminative Representation for Single-Stage Image Retrieval, 2023:
    as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.top_descriptor_pool(np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0]]), k=2)
    array([[0.6, 0.8],
           [0. , 1. ]])
    """
    xp, x = prepare(x)
    require_tokens(xp, x, None)
    require_along(x, -1, eps)
    try:
        k = op.index(k)
    except TypeError:
        raise TypeError(f"k must be an int, got {k!r}") from None
    if not 1 <= k <= x.shape[-2]:
        raise ValueError(f"k must be from 1 to the {x.shape[-2]} places, got {k}")
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    attention = total(xp, xp.abs(wide), roomy=spare)[..., 0]
    attention = xp.where(xp.isnan(attention), xp.full_like(attention, float("inf")), attention)
    best = xp.argsort(-attention, axis=-1, stable=True)[..., :k]
    return give_back(xp, unit(xp, xp.take_along_axis(wide, best[..., None], axis=-2), eps, roomy=spare), x)


# ---- laws ----


@law(last_token_pool, normal(3, 6, 2), booleans(3, 6))
def what_is_not_there_does_not_matter(f, x, mask):
    mask = mask | (np.arange(6) == 0)
    return f(np.where(mask[..., None], x, 7 * x + 1), mask), f(x, mask)


@law(last_token_pool, normal(3, 6, 2), booleans(3, 6))
def padding_may_stand_on_either_side(f, x, mask):
    mask = mask | (np.arange(6) == 2)
    return f(np.concatenate([0 * x, x], axis=1), np.concatenate([mask & False, mask], axis=1)), f(x, mask)


@law(position_weighted_mean_pool, normal(3, 6, 2), booleans(3, 6))
def padding_on_the_left_moves_no_weight_of_the_first(f, x, mask):
    mask = mask | (np.arange(6) == 2)
    more = np.concatenate([x[:, :2], x], axis=1), np.concatenate([mask[:, :2] & False, mask], axis=1)
    return f(*more, kind="first"), f(x, mask, kind="first")


@law(position_weighted_mean_pool, normal(6, 2))
def one_token_more(f, x):
    return f(x) * 21, f(x[:5]) * 15 + 6 * x[5]


@law(top_descriptor_pool, normal(6, 3))
def units_do_not_matter(f, x):
    return f(4 * x, k=3), f(x, k=3)


@law(top_descriptor_pool, normal(6, 3))
def places_may_come_in_any_order(f, x):
    return f(x[::-1], k=3), f(x, k=3)


@law(top_descriptor_pool, normal(6, 3))
def fewer_are_the_first_of_more(f, x):
    return f(x, k=2), f(x, k=5)[:2]
