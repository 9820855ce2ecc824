"""(x - mean) / sqrt(var + eps) by moments of which a share is stored, and the rest those of the batch itself."""

from __future__ import annotations

from .._cases import case, normal, positive
from .._core.channels import affine, as_rows, channel_of, elements, moved
from .._core.moments import centered, root_mean_square
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, widen


def require_share(alpha) -> None:
    """Refuse what is no share."""
    try:
        good = 0 <= alpha <= 1
    except TypeError:
        raise TypeError(f"alpha must be a real number, got {type(alpha).__name__}") from None
    if not good:
        raise ValueError(f"alpha must be in 0..1, got {alpha!r}")


def inflation(count, correction) -> float:
    """Return what makes a biased variance of `count` elements one with the denominator count - correction."""
    if not count > correction:
        raise ValueError(f"correction must be below the {count} elements a channel, got {correction!r}")
    return count / (count - correction)


@operator(
    paper="you2021test",
    cases=[
        case("planes", normal(4, 3, 5, 6), normal(3), positive(3), alpha=0.75),
        case("affine", normal(3, 5, 7), normal(5), positive(5), normal(5), normal(5), alpha=0.25, eps=0.5),
        case("unbiased", normal(2, 4, 2), normal(4), positive(4), normal(4), alpha=0.5, correction=1, eps=0.1),
        case("channels last", normal(3, 2, 4), normal(4), positive(4), None, normal(4), axis=-1, eps=0.1),
        case("offset", normal(3, 4, 6, mean=1e4), normal(4, mean=1e4), positive(4), normal(4), normal(4), alpha=0.5),
        case("stored alone", normal(4, 3), normal(3), positive(3), alpha=1.0, eps=0.1),
        case("batch alone", normal(5, 3, mean=2.0), normal(3), positive(3), alpha=0.0, eps=0.1),
    ],
    bench=case("planes", normal(32, 64, 56, 56), normal(64), positive(64), normal(64), normal(64)),
    rows=lambda x, rng: (
        [x[None], x[:, 0], rng.uniform(50, 150, size=len(x)), *rng.normal(size=(2, len(x)))],
        {"alpha": 0.25},
    ),
)
def alpha_batch_norm(x, mean, var, weight=None, bias=None, /, *, axis=1, alpha=0.9, correction=0, eps=1e-5):
    r"""Normalize every channel of `x` by a mixture of stored moments and those of the batch, then scale and shift.

    .. math:: y_{nci} = \frac{x_{nci} - \mu_c}{\sqrt{\sigma^2_c + \epsilon}} \, w_c + b_c, \qquad
        \mu = \alpha \mu^s + (1 - \alpha) \mu^t, \quad \sigma^2 = \alpha \sigma^{2,s} + (1 - \alpha) \sigma^{2,t}

    for the moments s of the source, which are stored, and t of the target, which are those of `x`. The variance is that
    of no mixture of distributions: nothing is added for the distance of the means.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, C, *spatial).
    mean, var : array
        The stored moments, of shape (C,).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (C,).
    axis : int
        The channel axis.
    alpha : float
        The share of the stored moments, from 0 to 1.
    correction : float
        What is taken off the number m of elements a channel in the denominator of the variance of the batch.
    eps : float
        Added to the variance, in units of x squared.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A sample's answer depends on the others'. A NaN or an infinity
        makes its whole channel NaN, whatever `alpha` is. A channel with :math:`\alpha \sigma^{2,s} + \epsilon` below
        zero is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` is not one int, or `alpha` is
        no number.
    ValueError
        A parameter has not the shape (C,), a channel has no elements or no more than `correction`, `x` has no axis
        `axis`, `alpha` is not in 0..1, or `eps` is negative.

    Notes
    -----
    Code that others wrote has its alpha on the moments of the batch, and takes their variance from torch's running
    one: ``correction=1``. See ``refnorm conventions alpha_batch_norm``.

    References
    ----------
    You, Li and Zhao, Test-time Batch Statistics Calibration for Covariate Shift, 2021 (the text not read; the formula
    is as catalogued. Which of the two alpha weighs is not confirmed).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [3.0]])  # of mean 2 and variance 1
    >>> refnorm.norm.alpha_batch_norm(x, np.array([4.0]), np.array([7.0]), alpha=0.5, eps=0.0)
    array([[-1.],
           [ 0.]])
    """
    xp, x, mean, var, weight, bias = prepare(x, mean, var, weight, bias, need=3)
    channel = channel_of(x, axis)
    require_along(x, channel, eps, weight, bias)
    require_shape("mean", mean, (x.shape[channel],))
    require_shape("var", var, (x.shape[channel],))
    require_share(alpha)
    rest = (1 - alpha) * inflation(elements(x, channel), correction)
    (planes,) = moved(xp, channel, 0, x)
    rows, m, v, w, b = as_rows(xp, *widen(xp, planes, mean, var, weight, bias))
    spare = roomy(x, rows)
    c = centered(xp, rows, roomy=spare)
    s = xp.hypot(rest**0.5 * root_mean_square(xp, c, 0.0, roomy=spare), xp.sqrt(alpha * v + eps))
    # the distances to both means are mixed, not the means: they keep their digits
    y = affine((alpha * (rows - m) + (1 - alpha) * c) / s, w, b)
    return give_back(xp, *moved(xp, 0, channel, xp.reshape(y, planes.shape)), x)


@law(alpha_batch_norm, normal(4, 3, 5), normal(3), positive(3))
def all_of_the_stored(f, x, mean, var):
    return f(x, mean, var, alpha=1.0, eps=0.5), (x - mean[:, None]) / (var[:, None] + 0.5) ** 0.5


@law(alpha_batch_norm, normal(4, 3, 5), normal(3), positive(3))
def none_of_the_stored(f, x, mean, var):
    c = x - x.mean(axis=(0, 2), keepdims=True)
    wanted = c / (x.var(axis=(0, 2), keepdims=True) + 0.5) ** 0.5
    return f(x, mean, var, alpha=0.0, eps=0.5), wanted


@law(alpha_batch_norm, normal(4, 3, 5), normal(3), positive(3), normal(3), normal(3))
def source_and_target_alike(f, x, mean, var, weight, bias):
    own = x.mean(axis=(0, 2)), x.var(axis=(0, 2))
    one = f(x, *own, weight, bias, alpha=0.25, eps=0.5)
    return one, f(x, mean, var, weight, bias, alpha=0.0, eps=0.5)


@law(alpha_batch_norm, normal(4, 3, 5), normal(3), positive(3))
def shift_and_scale_free(f, x, mean, var):
    return f(4 * x + 8, 4 * mean + 8, 16 * var, alpha=0.5, eps=0.0), f(x, mean, var, alpha=0.5, eps=0.0)
