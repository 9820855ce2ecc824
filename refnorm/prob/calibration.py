"""Probabilities corrected for what is known of their prior, their average or their domain."""

from __future__ import annotations

from .._cases import case, simplex, uniform
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_shape, roomy, widen

KINDS = ("diagonal", "identity")


def shared(xp, p, *, roomy):
    """Return rows divided by their sums."""
    return p / total(xp, p, roomy=roomy)


def require_prior(x, prior) -> None:
    """Refuse a prior that is neither one row for all nor a row for each."""
    require_along(x, -1)
    if prior.ndim == 1:
        require_shape("prior", prior, tuple(x.shape[-1:]))
    else:
        require_same_shape("prior", prior, x)


@operator(
    paper="zhang2024debiasing",
    cases=[
        case("a prior for all", simplex(4, 6), simplex(6)),
        case("a prior for each", simplex(3, 5, 4), simplex(3, 5, 4)),
        case("no distributions", uniform(4, 7, high=3.0), uniform(7, low=0.5, high=9.0)),
        case("identity", simplex(4, 6), simplex(6), kind="identity"),
        case("no rows", simplex(0, 4), simplex(4)),
    ],
    bench=case("rows", simplex(8192, 256), simplex(256)),
    rows=lambda x, rng: ([abs(x), rng.uniform(0.5, 1.5, size=x.shape[1])], {}),
)
def affine_prior_calibration(x, prior, /, *, kind="diagonal"):
    r"""Correct the probabilities of answers by those that are given without any question.

    .. math:: y_i = \frac{p_i / \pi_i}{\sum_j p_j / \pi_j} \quad\text{or, of kind identity,}\quad
        y_i = \frac{p_i}{\sum_j p_j} - \frac{\pi_i}{\sum_j \pi_j}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The probabilities p, of shape (..., C), up to a factor a row.
    prior : array
        Those of empty, absent or noisy questions, :math:`\pi`, of shape (C,) or of that of `x`, up to a factor a row:
        several are added up.
    kind : {"diagonal", "identity"}
        Divide by the prior, or subtract it.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Of kind diagonal rows that sum to one; of kind identity rows that
        sum to zero, for an argmax or a softmax. NaN makes its row NaN. Where a prior of 0 is divided
        by there is NaN, and 0 beside it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `prior` has another shape, there are no classes, or `kind` is another word.

    Notes
    -----
    Of kind diagonal it is the softmax of log p - log pi. The released code, as catalogued, divides the identity kind by
    its sum, which is 0 but for rounding; one of its scripts adds 1e-4 to a prior of sum one.

    References
    ----------
    Zhang et al., Debiasing Large Visual Language Models, 2024 (as catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.affine_prior_calibration(np.array([[0.5, 0.25, 0.25]]), np.array([0.5, 0.25, 0.125]))
    array([[0.25, 0.25, 0.5 ]])
    """
    xp, x, prior = prepare(x, prior, need=2)
    require_prior(x, prior)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    p, q = widen(xp, x, prior)
    spare = roomy(x, p)
    if kind == "diagonal":
        y = shared(xp, p / q, roomy=spare)
    else:
        y = shared(xp, p, roomy=spare) - shared(xp, q, roomy=spare)
    return give_back(xp, y, x)


@operator(
    paper="zheng2023simmatchv2",
    cases=[
        case("batch", simplex(5, 6), simplex(6)),
        case("loud momentum", simplex(4, 3), uniform(3, low=0.5, high=2.0), momentum=0.25),
        case("no distributions", uniform(4, 7, high=3.0), uniform(7, low=0.5, high=9.0), momentum=0.5),
        case("one row", simplex(1, 4), simplex(4)),
    ],
    bench=case("batch", simplex(8192, 256), simplex(256)),
    rows=lambda x, rng: ([abs(x), rng.uniform(0.5, 1.5, size=x.shape[1])], {"momentum": 0.5}),
)
def distribution_alignment(x, mean, /, *, momentum=0.9):
    r"""Divide predictions by their running mean, so that no class is preferred, and move the mean on.

    .. math:: y_{ni} = \frac{p_{ni} / \mu_i}{\sum_j p_{nj} / \mu_j}, \qquad
        \mu' = m \mu + (1 - m) \frac{1}{N} \sum_n p_n

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The probabilities p of a batch, of shape (N, C).
    mean : array
        Their running mean :math:`\mu` before this batch, of shape (C,); 1 / C to begin with.
    momentum : float
        What stays of the mean, m, from 0 to 1.

    Returns
    -------
    tuple
        ``(y, mean)``: rows that sum to one, of the shape of `x`, and the new running mean, (C,), in the dtype, library
        and device of `x`. NaN makes its row and the mean of its class NaN; where a mean is 0 there is NaN, and 0
        beside it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `momentum` is no number.
    ValueError
        `x` is no matrix or empty, `mean` has not the shape (C,), or `momentum` is not in 0..1.

    References
    ----------
    Zheng et al., SimMatchV2: Semi-Supervised Learning with Graph Consistency, 2023 (as catalogued from its released
    code: the old mean divides, and raw predictions move it).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> y, mean = refnorm.prob.distribution_alignment(np.array([[0.75, 0.25]]), np.array([0.5, 0.5]), momentum=0.5)
    >>> y, mean
    (array([[0.75, 0.25]]), array([0.625, 0.375]))
    """
    xp, x, mean = prepare(x, mean, need=2)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (N, C), not empty, got {tuple(x.shape)}")
    require_shape("mean", mean, tuple(x.shape[1:]))
    if isinstance(momentum, bool) or not isinstance(momentum, int | float):
        raise TypeError(f"momentum must be a real number, got {momentum!r}")
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must be in 0..1, got {momentum!r}")
    p, old = widen(xp, x, mean)
    spare = roomy(x, p)
    batch = total(xp, xp.matrix_transpose(p), roomy=spare)[:, 0] / x.shape[0]
    new = momentum * old + (1 - momentum) * batch
    return give_back(xp, shared(xp, p / old, roomy=spare), x), give_back(xp, new, x)


@operator(
    paper="lv2021pareto",
    cases=[
        case("rows", simplex(4, 6), uniform(4, 6, low=0.5, high=1.5)),
        case("more axes", simplex(3, 5, 4), uniform(3, 5, 4, low=0.5, high=1.5)),
        case("no distributions", uniform(4, 7, high=3.0), uniform(4, 7, low=0.5, high=3.0)),
        case("no rows", simplex(0, 4), uniform(0, 4)),
    ],
    bench=case("rows", simplex(8192, 256), uniform(8192, 256)),
    rows=lambda x, rng: ([abs(x), rng.uniform(0.5, 1.5, size=x.shape)], {}),
)
def bayes_refined_prediction(x, other, /):
    r"""Refine the probabilities of classes by those of the target domain, given each class: Bayes' theorem.

    .. math:: y_k = \frac{p(k) \, d_k}{\sum_l p(l) \, d_l}, \qquad d_k = p(\text{target} \mid x, k)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The probabilities p of the classes, of shape (..., C), up to a factor a row.
    other : array
        What the discriminator of each class gives the target domain, d, of the shape of `x`, up to a factor a row.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`: rows that sum to one. NaN makes its row NaN, and so do products
        that are all 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        The shapes differ, or there are no classes.

    Notes
    -----
    The released code, as catalogued, returns the numerator, and a softmax of it follows.

    References
    ----------
    Lv et al., Pareto Domain Adaptation, 2021, equation (3) (as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.bayes_refined_prediction(np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.5, 1.0]]))
    array([[0.25, 0.25, 0.5 ]])
    """
    xp, x, other = prepare(x, other, need=2)
    require_same_shape("other", other, x)
    require_along(x, -1)
    p, d = widen(xp, x, other)
    return give_back(xp, shared(xp, p * d, roomy=roomy(x, p)), x)


# ---- laws ----


@law(affine_prior_calibration, simplex(4, 6))
def without_news_all_are_alike(f, x):
    return f(x, x), 0 * x + 1 / 6


@law(affine_prior_calibration, simplex(4, 6), simplex(6))
def units_cancel(f, x, prior):
    return f(4 * x, 2 * prior), f(x, prior)


@law(affine_prior_calibration, simplex(4, 6), simplex(6))
def differences_sum_to_zero(f, x, prior):
    total = f(x, prior, kind="identity").sum(axis=-1)
    return total, 0 * total


@law(distribution_alignment, simplex(5, 6), simplex(6))
def an_even_mean_changes_nothing(f, x, mean):
    return f(x, 0 * mean + 0.5)[0], x / x.sum(axis=-1, keepdims=True)


@law(distribution_alignment, simplex(5, 6), simplex(6))
def all_momentum_keeps_the_mean(f, x, mean):
    return f(x, mean, momentum=1.0)[1], mean


@law(distribution_alignment, simplex(5, 6), simplex(6))
def the_mean_moves_half_way(f, x, mean):
    return f(x, mean, momentum=0.5)[1], (mean + x.mean(axis=0)) / 2


@law(bayes_refined_prediction, simplex(4, 6), uniform(4, 6))
def factors_change_places(f, x, other):
    return f(x, other), f(other, x)


@law(bayes_refined_prediction, simplex(4, 6))
def an_even_domain_changes_nothing(f, x):
    return f(x, 0 * x + 0.25), x / x.sum(axis=-1, keepdims=True)
