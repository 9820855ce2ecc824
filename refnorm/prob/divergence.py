"""Entropy of a distribution, and distances between two."""

from __future__ import annotations

from .._cases import case, normal, simplex, uniform
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_switch, roomy, to_rows, widen


def above_one(xp, z, e, *, roomy):
    """Return the sum of exp(z) less 1, for rows z whose largest is 0: one 0 is left out, not taken off again."""
    top = z == 0
    others = total(xp, xp.where(top, xp.zeros_like(e), e), roomy=roomy)
    return others + (xp.sum(xp.astype(top, e.dtype), axis=-1, keepdims=True) - 1)


@operator(
    paper="yang2023adamerging",
    cases=[
        case("rows", normal(4, 8)),
        case("loud", normal(3, 37, std=8.0)),
        case("nearly one-hot, offset", normal(5, 7, std=12.0, mean=30.0)),
        case("axis", normal(3, 5, 4, std=3.0), axis=1),
        case("two axes", normal(2, 3, 5), axis=(0, 2)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(8192, 1024)),
)
def softmax_entropy(x, /, *, axis=-1):
    r"""Return the entropy of the softmax of `x` along `axis`, in nats.

    .. math:: H = -\sum_i p_i \log p_i, \qquad p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape.
    axis : int or tuple of int
        The axis of the distribution; several count as one.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. From 0, where one score is far above the others, to log n,
        where all are the same. -inf beside a finite score counts for nothing. A row of -inf, and a row with a NaN or
        +inf, gives NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing.

    Notes
    -----
    With z = x - max x the entropy is log(sum e^z) - sum(z e^z) / sum e^z: no term is negative, so nothing cancels, and
    an entropy of 1e-20 keeps its digits. AdaMerging takes the mean over a batch.

    References
    ----------
    Yang et al., AdaMerging: Adaptive Model Merging for Multi-Task Learning, 2023 (as catalogued from its released
    code; confirmed against SciPy).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.softmax_entropy(np.log(np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 1.0]]))).round(4)
    array([1.0397, 1.0986])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    spare = roomy(rows, wide)
    z = wide - xp.max(wide, axis=-1, keepdims=True)
    e = xp.exp(z)
    rest = above_one(xp, z, e, roomy=spare)
    falls = xp.where(e == 0, xp.zeros_like(e), e * z)  # 0 times -inf
    h = xp.log1p(rest) - total(xp, falls, roomy=spare) / (1 + rest)
    return give_back(xp, h[..., 0], x)


@law(softmax_entropy, normal(4, 8))
def a_shift_changes_nothing(f, x):
    return f(x + 4), f(x)


@law(softmax_entropy, normal(4, 8))
def split_in_two_adds_a_bit(f, x):
    return f(x[:, [*range(8), *range(8)]]), f(x) + 0.6931471805599453


@operator(
    paper="ge2023provable",
    cases=[
        case("rows", simplex(4, 8), simplex(4, 8)),
        case("long", simplex(3, 37), simplex(3, 37)),
        case("axis", simplex(3, 5, 4), simplex(3, 5, 4), axis=1),
        case("no distributions", normal(2, 3, 5, mean=30.0), normal(2, 3, 5), axis=(0, 2)),
        case("no rows", normal(0, 4), normal(0, 4)),
    ],
    bench=case("rows", simplex(8192, 1024), simplex(8192, 1024)),
    rows=lambda x, rng: ([x / x.shape[1], rng.normal(size=x.shape) / x.shape[1]], {}),
)
def total_variation_distance(x, other, /, *, axis=-1):
    r"""Return half the sum of absolute differences of two distributions along `axis`.

    .. math:: d = \frac{1}{2} \sum_i |p_i - q_i|

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The probabilities :math:`p` and :math:`q`, of one shape. That they are such is not checked.
    axis : int or tuple of int
        The axis of the distributions; several count as one.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. From 0 to 1 for distributions. NaN and infinities propagate.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        The shapes differ, or `axis` is empty or missing.

    References
    ----------
    Ge et al., On the Provable Advantage of Unsupervised Pretraining, 2023 (not read: the standard definition, which
    is the largest difference of the probabilities of one event).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.total_variation_distance(np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.25, 0.5]]))
    array([0.25])
    """
    xp, x, other = prepare(x, other, need=2)
    require_same_shape("other", other, x)
    require_along(x, axis)
    p, q = widen(xp, *to_rows(xp, axis, x, other))
    d = total(xp, xp.abs(p - q), roomy=roomy(x, p)) / 2
    return give_back(xp, d[..., 0], x)


@law(total_variation_distance, simplex(4, 8), simplex(4, 8))
def either_way(f, x, other):
    return f(x, other), f(other, x)


@law(total_variation_distance, simplex(4, 8), simplex(4, 8))
def what_is_shared_is_the_rest(f, x, other):
    return f(x, other), 1 - (x * (x < other) + other * (other <= x)).sum(axis=-1)


@law(total_variation_distance, simplex(4, 8), simplex(4, 8))
def mixing_brings_nearer(f, x, other):
    return f(0.75 * x + 0.25 * other, other), 0.75 * f(x, other)


# ---- Kullback-Leibler ----

INFINITY = float("inf")
KINDS = ("probabilities", "scores", "bernoulli")


def require_pair(x, other, axis) -> None:
    """Refuse what are not two sets of distributions of one shape."""
    require_same_shape("other", other, x)
    require_along(x, axis)


def softmax_parts(xp, x, *, roomy):
    """Return the softmax of rows, the distances to the largest score, and the sum of their exponentials."""
    z = x - xp.max(x, axis=-1, keepdims=True)
    e = xp.exp(z)
    norm = 1 + above_one(xp, z, e, roomy=roomy)
    return e / norm, z, norm


def log_ratio(xp, p, q):
    """Return log(p / q) without a division by 0: where p is 0, minus infinity, where q is, infinity, where both 0."""
    one, bound = xp.ones_like(p), xp.full_like(p, INFINITY)
    a, b = xp.where(p == 0, one, p), xp.where(q == 0, one, q)
    ratio = a / b
    usual = (ratio > 0) & (ratio < INFINITY)  # else it is out of range where its logarithm is not
    d = xp.where(usual, xp.log(xp.where(usual, ratio, one)), xp.log(a) - xp.log(b))
    d = xp.where(q == 0, bound, xp.where(p == 0, -bound, d))
    return xp.where((p == 0) & (q == 0), xp.zeros_like(p), d)


def outcomes(xp, kind, x, other, *, roomy):
    """Return the probabilities of all outcomes, p and q, and log(p / q).

    That of scores is taken of differences, of which that of two logarithms, shared by all outcomes, is one logarithm.
    """
    if kind == "scores":
        (p, z, norm), (q, w, other_norm) = (softmax_parts(xp, a, roomy=roomy) for a in (x, other))
        none, impossible = xp.zeros_like(p), (z == -INFINITY) & (w == -INFINITY)
        d = z - xp.where(impossible, none, w) - xp.log(norm / other_norm)
        return p, q, xp.where(impossible, none, d)
    if kind == "bernoulli":
        x, other = (xp.concat([a, 1 - a], axis=-1) for a in (x, other))
    return x, other, log_ratio(xp, x, other)


def excess(xp, p, q, d):
    """Return p d + q - p for d = log(p / q): never below 0, and all together the sum of p d, as p and q add up to 1.

    Where d is small, d + exp(-d) - 1 is its series, d^2 / 2 (1 - d / 3 (1 - d / 4 ...)), which loses no digits.
    """
    small = xp.clip(d, -1.0, 1.0)
    series = xp.ones_like(d)
    for k in range(20, 2, -1):
        series = 1 - series * small / k
    near = p * (small * small / 2 * series)
    far = p * xp.where(p == 0, xp.zeros_like(d), d) + (q - p)
    return xp.where(xp.abs(d) < 1, near, far)


@operator(
    paper=("sherborne2023tram", "deb2023contextual", "fan2024giant"),
    cases=[
        case("probabilities", simplex(4, 8), simplex(4, 8)),
        case("scores", normal(4, 8), normal(4, 8), kind="scores"),
        case("far scores, offset", normal(5, 7, std=30.0, mean=100.0), normal(5, 7, std=30.0), kind="scores"),
        case("scores, both ways", normal(3, 5, 4, std=3.0), normal(3, 5, 4), kind="scores", axis=1, symmetric=True),
        case("near scores", normal(3, 6, std=1e-3), normal(3, 6, std=1e-3), kind="scores"),
        case("coins", uniform(4, 7), uniform(4, 7), kind="bernoulli"),
        case("coins, both ways", uniform(2, 3, 5), uniform(2, 3, 5), kind="bernoulli", axis=(0, 2), symmetric=True),
        case("probabilities, both ways", simplex(3, 37), simplex(3, 37), symmetric=True),
        case("no rows", normal(0, 4), normal(0, 4), kind="scores"),
    ],
    bench=case("scores", normal(8192, 1024), normal(8192, 1024), kind="scores"),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape)], {"kind": "scores"}),
)
def kl_divergence(x, other, /, *, axis=-1, kind="probabilities", symmetric=False):
    r"""Return the Kullback-Leibler divergence of the distributions `other` from those of `x` along `axis`, in nats.

    .. math:: d = \sum_i p_i \log \frac{p_i}{q_i} \quad\text{or, symmetric,}\quad
        d = \sum_i (p_i - q_i) \log \frac{p_i}{q_i}

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The distributions p and q, of one shape.
    axis : int or tuple of int
        The axis of the distributions; several count as one.
    kind : {"probabilities", "scores", "bernoulli"}
        What the arrays hold: probabilities (that they are such is not checked); scores, of which p and q are the
        softmax; or chances of independent coins, whose divergences, of (p, 1 - p) from (q, 1 - q), add up.
    symmetric : bool
        Add the divergence of `x` from `other`.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. 0 log 0 counts as 0; where q is 0 and p is not, the answer is
        infinite. Of scores and coins it is never below 0; of probabilities it is as far below as their sums are apart.
        -inf beside a finite score is a probability of 0; a row of -inf, and a row with a NaN or +inf, gives NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `symmetric` is no bool.
    ValueError
        The shapes differ, `axis` is empty or missing, or `kind` is another word.

    Notes
    -----
    torch's ``kl_div`` takes the arguments the other way round, and logarithms of q. Of scores the terms are taken as
    p log(p / q) + q - p, none of which is below 0, so that the divergence of neighbours keeps its digits. TRAM's text
    has one direction and the mean over a batch; its code, as catalogued, may add both and divides by B^2 K for B rows
    of K classes. See ``refnorm conventions kl_divergence``.

    References
    ----------
    Sherborne et al., TRAM: Bridging Trust Regions and Sharpness Aware Minimization, 2023. Deb et al., Contextual
    Bandits with Online Neural Regression, 2023. Fan et al., On Giant's Shoulders: Effortless Weak to Strong by Dynamic
    Logits Fusion, 2024 (none read: as catalogued; the standard definition, confirmed against SciPy and torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    >>> refnorm.prob.kl_divergence(p, q).round(4), refnorm.prob.kl_divergence(q, p)
    (array([0.3466]), array([inf]))
    >>> refnorm.prob.kl_divergence(np.array([[0.5]]), np.array([[0.75]]), kind="bernoulli").round(4)
    array([0.1438])
    """
    xp, x, other = prepare(x, other, need=2)
    require_pair(x, other, axis)
    require_switch("symmetric", symmetric)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    rows, others = widen(xp, *to_rows(xp, axis, x, other))
    spare = roomy(x, rows)
    p, q, d = outcomes(xp, kind, rows, others, roomy=spare)
    if symmetric:
        terms = xp.where(xp.abs(d) < 1, q * xp.expm1(xp.clip(d, -1.0, 1.0)), p - q) * d
    elif kind == "probabilities":
        terms = p * xp.where(p == 0, xp.zeros_like(d), d)
    else:
        terms = excess(xp, p, q, d)
    return give_back(xp, total(xp, terms, roomy=spare)[..., 0], x)


@law(kl_divergence, normal(4, 8), normal(4, 8))
def scores_know_no_shift(f, x, other):
    return f(x + 4, other - 2, kind="scores"), f(x, other, kind="scores")


@law(kl_divergence, simplex(4, 8), simplex(4, 8))
def both_ways_is_the_sum_of_both(f, x, other):
    return f(x, other, symmetric=True), f(x, other) + f(other, x)


@law(kl_divergence, normal(4, 8), normal(4, 8))
def both_ways_of_scores_too(f, x, other):
    both = f(x, other, kind="scores") + f(other, x, kind="scores")
    return f(x, other, kind="scores", symmetric=True), both


@law(kl_divergence, normal(6, 2), normal(6, 2))
def a_coin_is_a_pair_of_scores(f, x, other):
    """The chance of heads is the logistic function of the difference of two scores."""
    heads = [1 / (1 + 2.718281828459045 ** (a[:, 1:] - a[:, :1])) for a in (x, other)]
    return f(*heads, kind="bernoulli"), f(x, other, kind="scores")


@law(kl_divergence, simplex(4, 8), simplex(4, 8))
def outcomes_split_in_halves_say_no_more(f, x, other):
    twice = [*range(8), *range(8)]
    return f(x[:, twice] / 2, other[:, twice] / 2), f(x, other)


# ---- Hellinger ----


@operator(
    paper="ge2023provable",
    cases=[
        case("rows", simplex(4, 8), simplex(4, 8)),
        case("squared", simplex(3, 37), simplex(3, 37), squared=True),
        case("without the half", simplex(3, 5, 4), simplex(3, 5, 4), axis=1, halved=False),
        case("squared, without the half", simplex(2, 3, 5), simplex(2, 3, 5), axis=(0, 2), squared=True, halved=False),
        case("no rows", simplex(0, 4), simplex(0, 4)),
    ],
    bench=case("rows", simplex(8192, 1024), simplex(8192, 1024)),
    rows=lambda x, rng: ([abs(x), abs(x).max() * rng.uniform(size=x.shape)], {}),
)
def hellinger_distance(x, other, /, *, axis=-1, squared=False, halved=True):
    r"""Return the Hellinger distance of two distributions along `axis`.

    .. math:: d = \sqrt{ \frac{1}{2} \sum_i \bigl( \sqrt{p_i} - \sqrt{q_i} \bigr)^2 }

    whose square is :math:`1 - \sum_i \sqrt{p_i q_i}` for distributions.

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The probabilities p and q, of one shape. That they are such is not checked.
    axis : int or tuple of int
        The axis of the distributions; several count as one.
    squared : bool
        Leave the outer root out.
    halved : bool
        Whether there is a half, so that the largest distance is 1.

    Returns
    -------
    array
        `x` without `axis`: its dtype, library and device. From 0 to 1 for distributions. NaN propagates; what is below
        zero is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `squared` or `halved` is no bool.
    ValueError
        The shapes differ, or `axis` is empty or missing.

    Notes
    -----
    With the half, :math:`d^2 \le t \le d \sqrt{2 - d^2}` for the total variation distance t.

    References
    ----------
    Ge et al., On the Provable Advantage of Unsupervised Pretraining, 2023 (not read: the standard definition. Whether
    its square carries the half is not confirmed).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> p, q = np.array([[0.25, 0.75, 0.0]]), np.array([[0.25, 0.0, 0.75]])
    >>> refnorm.prob.hellinger_distance(p, q, squared=True)
    array([0.75])
    """
    xp, x, other = prepare(x, other, need=2)
    require_pair(x, other, axis)
    require_switch("squared", squared)
    require_switch("halved", halved)
    p, q = widen(xp, *to_rows(xp, axis, x, other))
    square = total(xp, (xp.sqrt(p) - xp.sqrt(q)) ** 2, roomy=roomy(x, p))
    square = square / 2 if halved else square
    return give_back(xp, (square if squared else xp.sqrt(square))[..., 0], x)


@law(hellinger_distance, simplex(4, 8), simplex(4, 8))
def one_less_the_overlap(f, x, other):
    one = (x.sum(axis=1) + other.sum(axis=1)) / 2
    return f(x, other, squared=True), one - ((x * other) ** 0.5).sum(axis=1)


@law(hellinger_distance, simplex(4, 8), simplex(4, 8))
def of_squares_it_is_a_euclidean_distance(f, x, other):
    return f(x * x, other * other, halved=False), ((x - other) ** 2).sum(axis=1) ** 0.5


@law(hellinger_distance, simplex(4, 8), simplex(4, 8))
def either_way_round(f, x, other):
    return f(x, other), f(other, x)


@law(hellinger_distance, simplex(4, 8), simplex(4, 8))
def the_half_is_a_factor(f, x, other):
    return f(x, other, squared=True, halved=False), 2 * f(x, other) ** 2
