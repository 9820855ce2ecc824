"""Beams that lean on one earlier token: how much, and what that costs the next token."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal, uniform
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, namespace, prepare, require_along, require_indices, require_shape, roomy, widen
from .exponential import below_maximum, beside_maximum


def require_window(x, window) -> int:
    """Refuse what are no attentions of the last tokens; return how many of these count."""
    if x.ndim < 3 or 0 in x.shape[-3:] or x.shape[-2] > x.shape[-1]:
        raise ValueError(f"x must have shape (..., H, R, T), none of them 0 and R at most T, got {tuple(x.shape)}")
    if window is None:
        return x.shape[-2]
    if isinstance(window, bool) or not isinstance(window, int):
        raise TypeError(f"window must be an int or None, got {window!r}")
    if not 1 <= window <= x.shape[-2]:
        raise ValueError(f"window must lie between 1 and the {x.shape[-2]} rows there are, got {window}")
    return window


def require_factor(name, value, least) -> None:
    """Refuse what is no finite number, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if not least <= value < math.inf:
        raise ValueError(f"{name} must be finite and not below {least:g}, got {value!r}")


@operator(
    paper="huang2023opera",
    cases=[
        case("rows", uniform(2, 4, 4)),
        case("loud scale", uniform(2, 3, 5, 9), scale=3.0),
        case("loud window", uniform(3, 6, 8), window=3, scale=8.0),
        case("one token", uniform(2, 1, 5), scale=2.0),
        case("no beams", uniform(0, 2, 3, 4)),
    ],
    bench=case("rows", uniform(5, 32, 64, 1024)),
    rows=lambda x, rng: ([abs(x)[None]], {"scale": 4.0}),
)
def over_trust_penalty(x, /, *, window=None, scale=50.0):
    r"""Return how much the last tokens lean on one of them: the largest product down a column of their attentions.

    .. math:: \phi = \max_c \prod_{i=c}^{t-1} \sigma w_{ic}, \qquad c \in \{t - k, \ldots, t - 1\}, \qquad
        w_{ij} = \frac{\max_h x_{hij}}{\sum_l \max_h x_{hil}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The attentions of the last R tokens to all T, not below zero, of shape (..., H, R, T).
    window : int, optional
        How many of the last tokens count, k, from 1 to R; all rows when left out.
    scale : float
        What weights are multiplied by, :math:`\sigma`, not below zero.

    Returns
    -------
    tuple
        ``(penalty, position)``: the penalty, (...,), in the dtype, library and device of `x`, and which of the T tokens
        it is that the others lean on, integers. Of equal columns the first counts. NaN, an infinity, and a row of zeros
        make the penalty NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `window` is no int, or `scale` no number.
    ValueError
        `x` has fewer than three axes, an empty one of the last three, or more rows than tokens, `window` is not from 1
        to R, or `scale` is negative or not finite.

    Notes
    -----
    The product of k weights of about 1 / 50 each is about 1. It overflows, and vanishes, where the dtype computed in
    does. The released code multiplies by 1e-7, keeps float16, and takes the whole of the answer for a window, as
    catalogued.

    References
    ----------
    Huang et al., OPERA: Alleviating Hallucination in Multi-Modal Large Language Models via Over-Trust Penalty and
    Retrospection-Allocation, 2023, section 3.2 (as catalogued from the paper and its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]])  # the last two of three tokens, one head
    >>> refnorm.prob.over_trust_penalty(x, scale=4.0)
    (array(4.), array(1))
    """
    xp, x = prepare(x)
    window = require_window(x, window)
    require_factor("scale", scale, 0)
    (wide,) = widen(xp, x)
    w = xp.max(wide, axis=-3)[..., -window:, :]
    w = w[..., -window:] / total(xp, w, roomy=roomy(x, wide)) * scale
    place = xp.arange(window, device=device(x))
    before = place[:, None] < place  # a token's own row is the first of its column
    columns = xp.prod(xp.where(before, xp.ones_like(w), w), axis=-2)
    position = xp.argmax(columns, axis=-1, keepdims=True) + (x.shape[-1] - window)
    return give_back(xp, xp.max(columns, axis=-1, keepdims=True)[..., 0], x), position[..., 0]


def candidates(*shape):
    """Draw different tokens of eight for each row."""
    return Draw(shape, lambda rng, s: np.argsort(rng.random((*s[:-1], 8)), axis=-1)[..., : s[-1]], "candidates")


def best_two(x, rng):
    """Return rows as scores, their first and last as candidates, and penalties."""
    return [x, np.tile([0, x.shape[-1] - 1], (len(x), 1)), rng.uniform(0, 2, (len(x), 2))], {"alpha": 0.5}


@operator(
    paper="huang2023opera",
    cases=[
        case("rows", normal(4, 8), candidates(4, 3), uniform(4, 3, high=2.0)),
        case("loud alpha", normal(2, 3, 8), candidates(2, 3, 5), uniform(2, 3, 5, high=2.0), alpha=2.5),
        case("one row", normal(8, std=3.0), candidates(2), uniform(2), alpha=-0.5),
        case("all", normal(3, 8), candidates(3, 8), uniform(3, 8)),
        case("no rows", normal(0, 8), candidates(0, 2), uniform(0, 2)),
    ],
    bench=case("rows", normal(64, 32000), candidates(64, 5), uniform(64, 5)),
    rows=best_two,
)
def penalized_beam_logits(x, indices, penalty, /, *, alpha=1.0):
    r"""Take a penalty off the scores of candidates, and return the logarithms of their shares; the others have none.

    .. math:: y_{c_j} = x_{c_j} - \alpha \phi_j - \log \sum_l e^{x_{c_l} - \alpha \phi_l}, \qquad
        y_i = -\infty \text{ elsewhere}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores of the next token, of shape (..., V).
    indices : array of integers
        The candidates c of each row, (..., C), different ones from 0 to V - 1: the C of largest scores.
    penalty : array
        The penalty :math:`\phi` of each, (..., C): what :func:`over_trust_penalty` says with the candidate appended.
    alpha : float
        The weight of the penalty, finite.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A candidate that is no token makes its row's candidates NaN, and so
        does a NaN, +inf, and -inf for all.

    Raises
    ------
    TypeError
        `x` or `penalty` does not hold floating numbers, `indices` no integers, they are of two libraries, or `alpha` is
        no number.
    ValueError
        The shapes do not fit, there are no tokens or no candidates, or `alpha` is not finite.

    Notes
    -----
    The released code gives the others -999 before the logarithm of shares, as catalogued. There are five candidates.

    References
    ----------
    Huang et al., OPERA: Alleviating Hallucination in Multi-Modal Large Language Models via Over-Trust Penalty and
    Retrospection-Allocation, 2023, section 3.2 (as catalogued from the paper and its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, chosen = np.log(np.array([[0.5, 0.25, 0.25]])), np.array([[0, 2]])
    >>> np.exp(refnorm.prob.penalized_beam_logits(x, chosen, np.log(np.array([[2.0, 1.0]])))).round(3)
    array([[0.5, 0. , 0.5]])
    """
    xp, x, penalty = prepare(x, penalty, need=2)
    require_along(x, -1)
    require_shape("penalty", penalty, (*x.shape[:-1], *penalty.shape[-1:]))
    require_along(penalty, -1)
    require_indices(xp, "indices", indices, tuple(penalty.shape))
    require_factor("alpha", alpha, -1e300)
    wide, phi = widen(xp, x, penalty)
    there = xp.expand_dims(indices, axis=-1) == xp.arange(x.shape[-1], device=device(x))
    scores = xp.sum(xp.where(there, xp.expand_dims(wide, axis=-2), xp.zeros_like(wide[..., None, :])), axis=-1)
    scores = xp.where(xp.any(there, axis=-1), scores - alpha * phi, xp.full_like(scores, math.nan))
    spare = roomy(x, wide)
    z, _ = below_maximum(xp, scores, roomy=spare)
    z = z - xp.log1p(beside_maximum(xp, scores, xp.exp(z), roomy=spare))
    y = xp.where(there, xp.expand_dims(z, axis=-1), xp.full_like(wide[..., None, :], -math.inf))
    return give_back(xp, xp.max(y, axis=-2), x)


def retrospection_trigger(position, /, *, threshold=15):
    r"""Say whether beams keep leaning on one earlier token, so that decoding should go back to it.

    .. math:: s = \operatorname{mode}_i c_i, \qquad N = \#\{ i : c_i = s \}, \qquad N \ge r

    Parameters
    ----------
    position : array of integers
        Which token c each of the last L tokens leaned on, of shape (..., L): what :func:`over_trust_penalty` gives.
    threshold : int
        How many of them must agree, r.

    Returns
    -------
    tuple
        ``(back, mode, count)`` of shape (...,): whether to go back, booleans; the token that most lean on, the earliest
        of several, in the dtype of `position`; and how many do.

    Raises
    ------
    TypeError
        `position` does not hold integers, or `threshold` is no int.
    ValueError
        `position` has no last axis, or an empty one, or `threshold` is below 1.

    Notes
    -----
    What goes on from there is the caller's: the next token is taken from the other candidates, positions that one goes
    back to never decrease, and after five times at s it is s - 1. The released code, as catalogued, wants more than r
    in every beam, over the whole answer, and a position of at least 10.

    References
    ----------
    Huang et al., OPERA: Alleviating Hallucination in Multi-Modal Large Language Models via Over-Trust Penalty and
    Retrospection-Allocation, 2023, section 3.3 (as catalogued from the paper and its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.retrospection_trigger(np.array([[7, 3, 7, 9, 7]]), threshold=3)
    (array([ True]), array([7]), array([3]))
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int):
        raise TypeError(f"threshold must be an int, got {threshold!r}")
    if threshold < 1:
        raise ValueError(f"threshold must be at least 1, got {threshold}")
    xp = namespace(position, (position,))
    require_indices(xp, "position", position, tuple(position.shape))
    require_along(position, -1)
    same = position[..., :, None] == position[..., None, :]
    counts = xp.sum(xp.astype(same, xp.arange(1, device=device(position)).dtype), axis=-1)
    count = xp.max(counts, axis=-1)
    late = xp.full_like(position, xp.iinfo(position.dtype).max)
    return count >= threshold, xp.min(xp.where(counts == count[..., None], position, late), axis=-1), count


# ---- laws ----


@law(over_trust_penalty, uniform(3, 5, 7))
def heads_have_no_order(f, x):
    return f(x[::-1])[0], f(x)[0]


@law(over_trust_penalty, uniform(2, 4, 6))
def rows_have_no_size(f, x):
    return f(x * [[1.0], [2.0], [0.5], [4.0]], scale=4.0)[0], f(x, scale=4.0)[0]


@law(over_trust_penalty, uniform(2, 5, 5))
def equal_weights_lean_on_the_first(f, x):
    """All weights are 1/5: of five factors 8/5 the first column has all."""
    return f(0 * x + 1, scale=8.0)[0], 0 * x[0, 0, 0] + 1.6**5


@law(penalized_beam_logits, normal(4, 8), candidates(4, 3), uniform(4, 3))
def shares_sum_to_one(f, x, indices, penalty):
    shares = np.exp(f(x, indices, penalty)).sum(axis=-1)
    return shares, 0 * shares + 1


@law(penalized_beam_logits, normal(4, 8), candidates(4, 3), uniform(4, 3))
def one_penalty_for_all_is_none(f, x, indices, penalty):
    more = np.exp(f(x, indices, penalty + penalty[:, :1]))
    return more, np.exp(f(x, indices, penalty))
