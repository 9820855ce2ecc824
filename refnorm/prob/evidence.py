"""Evidence for classes as a Dirichlet distribution: beliefs, what is left uncertain, and two opinions made one."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal, simplex, uniform
from .._core.special import digamma_lag, entropy_excess
from .._core.sums import sum_pair, total, two_product
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


def require_weight(name, value) -> None:
    """Refuse what is no finite number, or below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not below zero, got {value!r}")


def log_by(xp, x, e):
    """Return the logarithm of x, which is 1 + e, by the one of the two that has more digits."""
    return xp.where(e < -0.5, xp.log(x), xp.log1p(e))


def from_uniform(xp, a, *, roomy):
    """Return the divergence of Dirichlet distributions of a from the uniform one, in two parts.

    It is the entropies of gamma distributions with shapes a and S, and (K - 1) psi(S), all less what they are for
    evidence of none, and logarithms of a less that of S / K. So nothing of the size of log gamma(S) has to cancel.
    """
    k = a.shape[-1]
    s, gained = total(xp, a, roomy=roomy), total(xp, a - 1, roomy=roomy)
    none, mean = xp.full_like(s, k), log_by(xp, s / k, gained / k)
    parts = (log_by(xp, a, a - 1) - mean) / 2 + (entropy_excess(xp, a) - entropy_excess(xp, xp.ones_like(a)))
    beside = entropy_excess(xp, s) - entropy_excess(xp, none) - total(xp, parts, roomy=roomy)
    lead, lost = two_product(mean, xp.full_like(mean, (k - 1) / 2))
    return lead, lost + beside - (k - 1) * (digamma_lag(xp, s) - digamma_lag(xp, none))


def one_hot(*shape):
    """Draw one class for each row."""
    return Draw(shape, lambda rng, s: np.eye(s[-1])[rng.integers(0, s[-1], s[:-1])], "one_hot")


def evidence_of(*shape):
    """Draw concentrations of one and more."""
    return Draw(shape, lambda rng, s: 1 + rng.gamma(1.0, 3.0, s), "evidence_of")


def told_of(x, rng):
    """Return rows as evidence, and smoothed classes: beside 1, no evidence is certain to be left out."""
    classes = np.eye(x.shape[-1])[rng.integers(0, x.shape[-1], len(x))]
    return [1 + abs(x), 0.75 * classes + 0.25 / x.shape[-1]], {"beta": 0.5}


@operator(
    paper="huang2024crest",
    cases=[
        case("rows", evidence_of(4, 6), one_hot(4, 6)),
        case("soft targets", evidence_of(5, 4), simplex(5, 4), beta=0.5),
        case("loud beta", evidence_of(2, 3, 5), one_hot(2, 3, 5), beta=1.5),
        case("less than no evidence", uniform(3, 4, low=0.125, high=1.5), one_hot(3, 4), beta=0.5),
        case("no rows", evidence_of(0, 4), one_hot(0, 4)),
    ],
    bench=case("rows", evidence_of(8192, 256), one_hot(8192, 256), beta=0.5),
    rows=told_of,
)
def evidential_mse_loss(alpha, target, /, *, beta=0.0):
    r"""Return the mean squared error of a Dirichlet distribution's draws, and how far evidence misleads.

    .. math:: L = \sum_k \Bigl( (y_k - p_k)^2 + \frac{p_k (1 - p_k)}{S + 1} \Bigr) + \beta \,
        \mathrm{KL} \bigl( \mathrm{Dir}(\tilde\alpha) \,\|\, \mathrm{Dir}(1) \bigr), \qquad
        p = \frac{\alpha}{S}, \quad S = \sum_k \alpha_k, \quad \tilde\alpha = y + (1 - y) \alpha

    .. math:: \mathrm{KL} = \log \frac{\Gamma(\tilde S)}{\Gamma(K) \prod_k \Gamma(\tilde\alpha_k)}
        + \sum_k (\tilde\alpha_k - 1) (\psi(\tilde\alpha_k) - \psi(\tilde S))

    Parameters
    ----------
    alpha : array of float16, bfloat16, float32 or float64
        The concentrations, above zero, of shape (..., K): those that :func:`dirichlet_evidence` returns.
    target : array
        What is so, y, of the shape of `alpha`: 1 for one class and 0 for the others, or shares.
    beta : float
        The weight of the divergence, not below zero. It is raised from 0 to 1 in the course of training.

    Returns
    -------
    array
        The loss of each row, of shape (...,), in the dtype, library and device of `alpha`. A NaN or an infinity makes
        it NaN; so does a concentration below zero where there is a divergence, and one of zero makes it infinite.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `beta` is no number.
    ValueError
        The shapes differ, there are no classes, or `beta` is negative or not finite.

    Notes
    -----
    The first sum is the expectation of :math:`\|y - q\|^2` over :math:`q \sim \mathrm{Dir}(\alpha)`. TMC raises
    beta by ``min(1, step / annealing_step)``.

    References
    ----------
    Huang et al., CREST: Cross-modal Resonance through Evidential Deep Learning, 2024 (as catalogued from the code of
    TMC; CREST's own text is not confirmed).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.evidential_mse_loss(np.array([[3.0, 1.0]]), np.array([[1.0, 0.0]]))
    array([0.2])
    """
    xp, alpha, target = prepare(alpha, target, need=2)
    require_same_shape("target", target, alpha)
    require_along(alpha, -1)
    require_weight("beta", beta)
    a, y = widen(xp, alpha, target)
    spare = roomy(alpha, a)
    s, rest = sum_pair(xp, a)
    told, lost = two_product(y, s + 0 * y)
    off, beside = ((told - a) + (lost + y * rest)) / s, ((s - a) + rest) / s
    loss = total(xp, off * off + a / s * beside / (s + 1), roomy=spare)
    if beta:
        most, more = from_uniform(xp, y + (1 - y) * a, roomy=spare)
        loss = beta * most + (loss + beta * more)
    return give_back(xp, loss[..., 0], alpha)


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


@law(evidential_mse_loss, evidence_of(4, 6), one_hot(4, 6))
def classes_may_change_places(f, alpha, target):
    order = [3, 0, 5, 1, 4, 2]
    return f(alpha[..., order], target[..., order], beta=0.5), f(alpha, target, beta=0.5)


@law(evidential_mse_loss, evidence_of(4, 6), one_hot(4, 6))
def right_evidence_is_not_penalised(f, alpha, target):
    """What is told of the true class alone moves the squared error, not the divergence."""
    more = alpha + 2 * target
    return f(more, target, beta=2.0) - f(more, target), f(alpha, target, beta=2.0) - f(alpha, target)


@law(evidential_mse_loss, evidence_of(4, 6), simplex(4, 6))
def errors_are_squared(f, alpha, target):
    """An expectation over draws: the square of the target, what it shares with the mean, and a part that has none."""
    p, none = alpha / alpha.sum(axis=-1, keepdims=True), f(alpha, 0 * target)
    return f(alpha, target), none + (target**2 - 2 * target * p).sum(axis=-1)
