"""Evidence for classes as a Dirichlet distribution: beliefs, what is left uncertain, and two opinions made one."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_shape, roomy, widen

ACTIVATIONS = ("softplus", "relu", "exp")


@operator(
    paper="huang2024crest",
    cases=[
        case("rows", normal(4, 6, std=2.0)),
        case("relu", normal(3, 5, 4, std=3.0), activation="relu"),
        case("loud clip", normal(3, 7, std=3.0), activation="exp", clip=1.5),
        case("exponentials", normal(3, 9, std=2.0), activation="exp"),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(8192, 256)),
)
def dirichlet_evidence(x, /, *, activation="softplus", clip=10.0):
    r"""Turn scores into a Dirichlet distribution over the classes of the last axis, beliefs and an uncertainty.

    .. math:: e = a(x), \qquad \alpha = e + 1, \qquad S = \sum_k \alpha_k, \qquad b = \frac{e}{S}, \qquad
        p = \frac{\alpha}{S}, \qquad u = \frac{K}{S}

    with log(1 + exp x), max(x, 0) or exp(min(max(x, -c), c)) for a.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of shape (..., K).
    activation : {"softplus", "relu", "exp"}
        What makes them evidence, e.
    clip : float
        Where the scores of an exponential end on either side, c, above zero.

    Returns
    -------
    tuple
        ``(alpha, belief, prob, uncertainty)``, the first three of the shape of `x`, the last (..., 1), in its dtype,
        library and device. Beliefs and uncertainty sum to one. -inf is no evidence; +inf makes beliefs NaN where it is
        and 0 beside it, unless it is clipped. A NaN makes its row NaN, but for the other alpha.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `clip` is no number.
    ValueError
        The last axis is empty, `activation` is another word, or `clip` is not finite and above zero.

    References
    ----------
    Huang et al., CREST: Cross-modal Resonance through Evidential Deep Learning, 2024 (as catalogued from the code of
    TMC, softplus; which activation CREST itself takes is not confirmed).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.dirichlet_evidence(np.array([[5.0, -1.0, 0.0]]), activation="relu")
    (array([[6., 1., 1.]]), array([[0.625, 0.   , 0.   ]]), array([[0.75 , 0.125, 0.125]]), array([[0.375]]))
    """
    xp, x = prepare(x)
    require_along(x, -1)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    if isinstance(clip, bool) or not isinstance(clip, int | float):
        raise TypeError(f"clip must be a real number, got {clip!r}")
    if not 0 < clip < math.inf:
        raise ValueError(f"clip must be finite and above zero, got {clip!r}")
    (wide,) = widen(xp, x)
    if activation == "exp":
        e = xp.exp(xp.clip(wide, -clip, clip))
    else:
        e = xp.where(wide < 0, xp.zeros_like(wide), wide)
        e = e + xp.log1p(xp.exp(-xp.abs(wide))) if activation == "softplus" else e
    whole = total(xp, e, roomy=roomy(x, wide)) + x.shape[-1]
    answers = e + 1, e / whole, (e + 1) / whole, x.shape[-1] / whole
    return tuple(give_back(xp, y, x) for y in answers)


def opinions(*shape):
    """Draw beliefs that leave some uncertainty."""
    return Draw(shape, lambda rng, s: rng.dirichlet(np.ones(s[-1]), s[:-1]) * 0.75, "opinions")


def doubts(*shape):
    """Draw uncertainties."""
    return Draw(shape, lambda rng, s: rng.uniform(0.1, 0.5, s), "doubts")


def of_rows(x, rng):
    """Return beliefs in proportion to the sizes of rows, and others."""
    b = abs(x) / np.max(abs(x))
    return [b, rng.uniform(0.1, 1, (len(x), 1)), rng.uniform(0.1, 1, x.shape), rng.uniform(0.1, 1, (len(x), 1))], {}


@operator(
    paper="huang2024crest",
    cases=[
        case("rows", opinions(4, 6), doubts(4, 1), opinions(4, 6), doubts(4, 1)),
        case("more axes", opinions(2, 3, 4), doubts(2, 3, 1), opinions(2, 3, 4), doubts(2, 3, 1)),
        case("one row", opinions(5), doubts(1), opinions(5), doubts(1)),
        case("no rows", opinions(0, 4), doubts(0, 1), opinions(0, 4), doubts(0, 1)),
    ],
    bench=case("rows", opinions(8192, 256), doubts(8192, 1), opinions(8192, 256), doubts(8192, 1)),
    rows=of_rows,
)
def dempster_combine(x, u, other, v, /):
    r"""Make one opinion of two by Dempster's rule: what they agree on, over all that is no conflict.

    .. math:: b_k = \frac{b^1_k b^2_k + b^1_k v + b^2_k u}{1 - C}, \qquad w = \frac{u v}{1 - C}, \qquad
        1 - C = u v + \sum_k (b^1_k b^2_k + b^1_k v + b^2_k u)

    where :math:`C = \sum_{i \ne j} b^1_i b^2_j` is the conflict of opinions that sum to one.

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The beliefs :math:`b^1` and :math:`b^2`, not below zero, of one shape (..., K).
    u, v : array
        What each leaves uncertain, of shape (..., 1).

    Returns
    -------
    tuple
        ``(belief, uncertainty)``, of the shapes of `x` and `u`, in the dtype, library and device of `x`. Together they
        sum to one. NaN makes its row NaN, and so does a conflict about everything.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        The shapes do not fit, or there are no classes.

    Notes
    -----
    Any order and any grouping of several opinions give the same; one of no belief and uncertainty 1 changes nothing.
    The divisor is taken as the sum of what is divided: 1 - C, without a difference of numbers near 1, and opinions that
    do not quite sum to one are brought to it. The fused Dirichlet distribution has S = K / u and alpha = b S + 1.

    References
    ----------
    Huang et al., CREST: Cross-modal Resonance through Evidential Deep Learning, 2024 (as catalogued from the code of
    TMC, where the rule comes from).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> b, u = np.array([[0.5, 0.0]]), np.array([[0.5]])
    >>> refnorm.prob.dempster_combine(b, u, b[:, ::-1], u)
    (array([[0.33333333, 0.33333333]]), array([[0.33333333]]))
    """
    xp, x, u, other, v = prepare(x, u, other, v, need=4)
    require_same_shape("other", other, x)
    require_along(x, -1)
    for name, doubt in (("u", u), ("v", v)):
        require_shape(name, doubt, (*x.shape[:-1], 1))
    b, s, c, t = widen(xp, x, u, other, v)
    agreed = b * c + (b * t + c * s)
    both = xp.concat([agreed, s * t], axis=-1)
    rest = total(xp, both, roomy=roomy(x, b))
    return give_back(xp, agreed / rest, x), give_back(xp, s * t / rest, x)


# ---- laws ----


@law(dirichlet_evidence, normal(4, 6, std=2.0))
def beliefs_and_doubt_sum_to_one(f, x):
    _, belief, _, doubt = f(x)
    whole = belief.sum(axis=-1, keepdims=True) + doubt
    return whole, 0 * whole + 1


@law(dirichlet_evidence, normal(4, 6, std=2.0))
def a_class_has_its_part_of_the_doubt(f, x):
    _, belief, prob, doubt = f(x, activation="relu")
    return prob, belief + doubt / 6


@law(dempster_combine, opinions(4, 6), doubts(4, 1), opinions(4, 6), doubts(4, 1))
def either_may_be_first(f, x, u, other, v):
    return f(x, u, other, v)[0], f(other, v, x, u)[0]


@law(dempster_combine, opinions(4, 6), doubts(4, 1), opinions(4, 6), doubts(4, 1))
def in_any_grouping(f, x, u, other, v):
    return f(*f(x, u, other, v), x, v)[0], f(x, u, *f(other, v, x, v))[0]


@law(dempster_combine, opinions(4, 6), doubts(4, 1))
def who_believes_nothing_changes_nothing(f, x, u):
    whole = x.sum(axis=-1, keepdims=True) + u
    return f(x, u, 0 * x, 0 * u + 1)[1], u / whole
