"""A moving average of a statistic: momentum times the one, the rest of the other."""

from __future__ import annotations

from .._cases import case, normal, positive
from .._registry import gradient, law, operator
from .._xp import give_back, prepare, require_same_shape, widen


def shares(momentum, weighs, count, correction) -> tuple[float, float]:
    """Return the factors of the old and of the new statistic."""
    if weighs not in ("new", "old"):
        raise ValueError(f"weighs must be 'new' or 'old', the statistic that momentum multiplies, got {weighs!r}")
    try:
        good = 0 <= momentum <= 1
    except TypeError:
        raise TypeError(f"momentum must be a real number, got {type(momentum).__name__}") from None
    if not good:
        raise ValueError(f"momentum must be in 0..1, got {momentum!r}")
    if correction != 0 and (count is None or not count > correction):
        raise ValueError(
            f"correction={correction} needs a count greater than it, from batch_moments; got count={count}"
        )
    unbiased = count / (count - correction) if correction else 1.0
    old, new = (1 - momentum, momentum) if weighs == "new" else (momentum, 1 - momentum)
    return old, new * unbiased


@operator(
    paper=("ioffe2015batch", "frankle2020training"),
    cases=[
        case("new", normal(5), normal(5), momentum=0.3),
        case("new, unbiased", normal(5), positive(5), momentum=0.25, count=3, correction=1),
        case("old", normal(5), normal(5), momentum=0.9, weighs="old"),
        case("old, unbiased", positive(7), positive(7), momentum=0.75, weighs="old", count=4, correction=1.5),
        case("table", normal(3, 4), normal(3, 4), momentum=0.1),
        case("all new", normal(5), normal(5), momentum=1.0, count=2, correction=1),
        case("offset", normal(8, mean=1e4), normal(8, mean=1e4), momentum=0.1),
        case("none", normal(0), normal(0), momentum=0.1),
    ],
    bench=case("mean and variance", normal(2, 1024), normal(2, 1024), momentum=0.1),
    rows=lambda x, rng: ([x, x + rng.normal(size=x.shape)], {"momentum": 0.25, "count": 9, "correction": 1}),
)
def update_running(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    r"""Move a running statistic towards a new one.

    .. math:: r' = (1 - \rho) \, r + \rho \, \frac{m}{m - q} \, s
        \quad\text{or}\quad r' = \rho \, r + (1 - \rho) \, \frac{m}{m - q} \, s

    for the old statistic :math:`r` and the new :math:`s`, where the momentum :math:`\rho` weighs the new or the old,
    :math:`m` is the count and :math:`q` the correction.

    Parameters
    ----------
    old, new : array of float16, bfloat16, float32 or float64
        The statistics, of one shape: as a rule (C,).
    momentum : float
        From 0 to 1. There is no default: frameworks mean opposite things by it.
    weighs : {"new", "old"}
        Which of the two `momentum` multiplies: the new in torch; the old in Keras, ONNX and flax.
    count : int, optional
        The number of elements `new` was taken of, as :func:`batch_moments` returns it.
    correction : float
        What is taken off the count in the denominator of a variance: 1 makes a biased one unbiased, as torch stores
        it. Leave it at 0 for a mean.

    Returns
    -------
    array
        The shape, dtype, library and device of `old`. NaN and infinities propagate; 0 times an infinity is NaN.

    Raises
    ------
    TypeError
        The arrays do not hold floating numbers or are of two libraries, or `momentum` is no number.
    ValueError
        The shapes differ, `momentum` is not in 0..1, `weighs` is another word, or `count` is not above `correction`.

    Notes
    -----
    torch: momentum 0.1 on the new, correction 1 for the variance. Keras: 0.99 on the old, ONNX: 0.9 on the old, both
    without correction. See ``refnorm conventions update_running``.

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015 (not read again: from memory, it averages the batch variances with
    the factor m / (m - 1); moving averages are what frameworks do, confirmed against torch, ONNX and Keras).
    Frankle, Schwab and Morcos, Training BatchNorm and Only BatchNorm, 2020.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> old, new = np.array([1.0]), np.array([4.0])
    >>> refnorm.norm.update_running(old, new, momentum=0.25, count=4, correction=1).round(3)
    array([2.083])
    >>> refnorm.norm.update_running(old, new, momentum=0.25, weighs="old")
    array([3.25])
    """
    xp, old, new = prepare(old, new, need=2)
    require_same_shape("new", new, old)
    keep, take = shares(momentum, weighs, count, correction)
    before, now = widen(xp, old, new)
    return give_back(xp, keep * before + take * now, old)


@gradient(update_running)
def update_running_vjp(cotangent, old, new, /, *, momentum, weighs="new", count=None, correction=0):
    r"""Return the cotangents of `old` and `new` for a cotangent of ``update_running(old, new)``.

    .. math:: \bar r = (1 - \rho) \, \bar r', \quad \bar s = \rho \, \frac{m}{m - q} \, \bar r'

    where `momentum` weighs the new; the other way round where it weighs the old.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `old`.
    old, new, momentum, weighs, count, correction
        As in :func:`update_running`.

    Returns
    -------
    tuple
        ``(dold, dnew)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`update_running`; also where `cotangent` has not the shape of `old`.

    References
    ----------
    The derivative of :func:`update_running`, which is linear.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.update_running_vjp(np.array([4.0]), np.ones(1), np.ones(1), momentum=0.25)
    (array([3.]), array([1.]))
    """
    xp, cotangent, old, new = prepare(cotangent, old, new, need=3)
    require_same_shape("new", new, old)
    require_same_shape("cotangent", cotangent, old)
    keep, take = shares(momentum, weighs, count, correction)
    (g,) = widen(xp, cotangent)
    return give_back(xp, keep * g, old), give_back(xp, take * g, new)


@law(update_running, normal(5))
def what_does_not_change_stays(f, old):
    return f(old, old, momentum=0.25), old


@law(update_running, normal(5), normal(5))
def one_weight_or_the_other(f, old, new):
    return f(old, new, momentum=0.25), f(old, new, momentum=0.75, weighs="old")


@law(update_running, normal(5), positive(5))
def correction_is_a_factor(f, old, new):
    return f(old, new, momentum=0.25, count=5, correction=1), f(old, 1.25 * new, momentum=0.25)


@law(update_running, normal(5), normal(5))
def old_and_new_change_places(f, old, new):
    return f(old, new, momentum=0.25), f(new, old, momentum=0.75)
