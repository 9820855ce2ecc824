"""Instance normalization of series that can be undone: the mean and deviation are given back, and used again."""

from __future__ import annotations

from .._cases import case, normal, positive
from .._core.channels import affine, moved
from .._core.moments import root_mean_square
from .._core.sums import mean as mean_of
from .._registry import law, operator
from .._xp import check_out, give_back, prepare, require_along, require_shape, roomy, widen
from .group import by_channel, columns
from .points import from_mean


def require_series(x, weight, bias) -> None:
    """Refuse what is no batch of series with a last axis of variables, or has no time."""
    if x.ndim < 3:
        raise ValueError(f"x must have shape (B, T, V), or more axes between first and last, got {tuple(x.shape)}")
    if 0 in x.shape[1:]:
        raise ValueError(f"a series must have at least one element, got an array of shape {tuple(x.shape)}")
    require_shape("weight", weight, x.shape[-1:])
    require_shape("bias", bias, x.shape[-1:])


@operator(
    paper=("kim2022reversible", "wang2024mamba"),
    cases=[
        case("series", normal(3, 7, 4), eps=0.5),
        case("affine", normal(2, 5, 3), normal(3), normal(3), eps=0.1),
        case("weight alone, offset", normal(3, 11, 2, mean=1e4), normal(2)),
        case("bias alone, frames", normal(2, 3, 4, 5), None, normal(5), eps=0.3),
        case("no series", normal(0, 5, 3), normal(3), normal(3)),
    ],
    bench=case("series", normal(64, 96, 321), normal(321), normal(321)),
    rows=lambda x, rng: ([x[:, :, None], *rng.normal(size=(2, 1))], {}),
)
def reversible_instance_norm(x, weight=None, bias=None, /, *, eps=1e-5):
    r"""Normalize every series of every sample, and give the mean and the deviation back, so that it can be undone.

    .. math:: y_{btv} = \frac{x_{btv} - \mu_{bv}}{\sigma_{bv}} \, w_v + b_v, \qquad
        \mu_{bv} = \frac{1}{T} \sum_t x_{btv}, \quad
        \sigma_{bv} = \sqrt{\frac{1}{T} \sum_t (x_{btv} - \mu_{bv})^2 + \epsilon}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        B samples of T time steps of V variables: (B, T, V). Further axes between the first and the last count as time.
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (V,).
    eps : float
        Added to the variance, in units of x squared.

    Returns
    -------
    tuple
        ``(y, mean, std)``: the series of the shape of `x`, and the mean and deviation of shape (B, 1, V), which
        :func:`reversible_instance_denorm` takes; all of the dtype, library and device of `x`. A constant series gives
        exactly the bias while eps > 0. A NaN or an infinity makes its series NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `eps` is no number.
    ValueError
        `x` has fewer than three axes or an empty series, `weight` or `bias` has not the shape (V,), or `eps` is
        negative.

    Notes
    -----
    The variance is biased and eps lies under the root. RevIN holds mean and deviation fast in training (stops their
    gradients), S-D-Mamba the mean alone; here both carry gradients. In code that needs it, stop them:
    ``(x - stop(mean)) / stop(std)``.

    References
    ----------
    Kim et al., Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift,
    2022, and Wang et al., Is Mamba Effective for Time Series Forecasting?, 2024 (the code of the first was
    read; of the second as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[1.0], [3.0], [1.0], [3.0]]])
    >>> y, mean, std = refnorm.norm.reversible_instance_norm(x, eps=0.0)
    >>> y[0, :, 0], mean, std
    (array([-1.,  1., -1.,  1.]), array([[[2.]]]), array([[[1.]]]))
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    require_series(x, weight, bias)
    require_along(x, -1, eps)
    (series,) = moved(xp, x.ndim - 1, 1, x)
    wide, w, b = widen(xp, by_channel(xp, series, series.shape), *columns(xp, weight, bias))
    spare = roomy(x, wide)
    c = from_mean(xp, wide, roomy=spare)
    mean, std = mean_of(xp, wide, roomy=spare), root_mean_square(xp, c, eps, roomy=spare)
    (y,) = moved(xp, 1, x.ndim - 1, xp.reshape(affine(c / std, w, b), series.shape))
    kept = (x.shape[0], *(1 for _ in x.shape[1:-1]), x.shape[-1])
    return give_back(xp, y, x), *(give_back(xp, xp.reshape(s, kept), x) for s in (mean, std))


@law(reversible_instance_norm, normal(3, 7, 4))
def the_answer_is_shift_free(f, x):
    return f(x + 4, eps=0.5)[0], f(x, eps=0.5)[0]


@law(reversible_instance_norm, normal(3, 7, 4))
def it_can_be_undone(f, x):
    y, mean, std = f(x, eps=0.5)
    return y * std + mean, x


@law(reversible_instance_norm, normal(3, 7, 4))
def eps_is_in_units_of_the_variance(f, x):
    return f(4 * x, eps=8.0)[2], 4 * f(x, eps=0.5)[2]


@operator(
    paper=("kim2022reversible", "wang2024mamba"),
    cases=[
        case("forecast", normal(3, 7, 4), normal(3, 1, 4), positive(3, 1, 4)),
        case("affine", normal(2, 5, 3), normal(2, 1, 3), positive(2, 1, 3), positive(3), normal(3)),
        case("loud eps", normal(2, 5, 3), normal(2, 1, 3), positive(2, 1, 3), positive(3), normal(3), eps=0.5),
        case("bias alone", normal(2, 3, 4, 5), normal(2, 1, 1, 5, mean=1e4), positive(2, 1, 1, 5), None, normal(5)),
        case("weight alone", normal(3, 4, 2), normal(3, 1, 2), positive(3, 1, 2), positive(2), eps=1.0),
        case("no series", normal(0, 5, 3), normal(0, 1, 3), positive(0, 1, 3)),
    ],
    bench=case("forecast", normal(64, 96, 321), normal(64, 1, 321), positive(64, 1, 321), positive(321), normal(321)),
    rows=lambda x, rng: ([x[:, :, None], rng.normal(size=(len(x), 1, 1)), rng.uniform(0.25, 0.9, (len(x), 1, 1))], {}),
)
def reversible_instance_denorm(x, mean, std, weight=None, bias=None, /, *, eps=0.0, out=None):
    r"""Undo :func:`reversible_instance_norm`, for a forecast of any length.

    .. math:: y_{btv} = \frac{x_{btv} - b_v}{w_v + \epsilon} \, \sigma_{bv} + \mu_{bv}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The normalized series or its forecast, of any number of time steps: (B, S, V).
    mean, std : array
        What :func:`reversible_instance_norm` gave back, of shape (B, 1, V).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b` that were used, of shape (V,).
    eps : float
        Added to the weight, so that a weight of 0 does no harm.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples. NaN propagates; a weight of
        -eps gives infinities, or NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `eps` is no number.
    ValueError
        `x` has fewer than three axes or an empty series, `mean` or `std` has not the shape (B, 1, V), `weight` or
        `bias` not the shape (V,), `eps` is negative, or `out` overlaps.

    Notes
    -----
    RevIN's code adds the square of its eps, 1e-10, to the weight, and nothing where there is no weight: its round
    trip is out by 1e-10 / w. See ``refnorm conventions reversible_instance_denorm``.

    References
    ----------
    Kim et al., Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift,
    2022, and Wang et al., Is Mamba Effective for Time Series Forecasting?, 2024 (the code of the first was
    read; of the second as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> y, mean, std = np.array([[[-1.0], [0.5]]]), np.array([[[2.0]]]), np.array([[[4.0]]])
    >>> refnorm.norm.reversible_instance_denorm(y, mean, std)[0, :, 0]
    array([-2.,  4.])
    """
    xp, x, mean, std, weight, bias = prepare(x, mean, std, weight, bias, need=3)
    require_series(x, weight, bias)
    require_along(x, -1, eps)
    kept = (x.shape[0], *(1 for _ in x.shape[1:-1]), x.shape[-1])
    require_shape("mean", mean, kept)
    require_shape("std", std, kept)
    check_out(out, x, mean, std, weight, bias)
    wide, mu, sigma, w, b = widen(xp, x, mean, std, weight, bias)
    y = wide if b is None else wide - b
    y = y if w is None else y / (w + eps)
    return give_back(xp, y * sigma + mu, x, out=out)


@law(reversible_instance_denorm, normal(3, 7, 4), normal(3, 1, 4), positive(3, 1, 4))
def mean_and_deviation_return(f, x, mean, std):
    x = x - x.mean(axis=1, keepdims=True)
    y = f(x / (x * x).mean(axis=1, keepdims=True) ** 0.5, mean, std)
    y = y - mean
    return (y * y).mean(axis=1, keepdims=True), std * std


@law(reversible_instance_denorm, normal(3, 7, 4), normal(3, 1, 4), positive(3, 1, 4), positive(4), normal(4))
def the_affine_part_comes_off_first(f, x, mean, std, weight, bias):
    return f(x * (weight + 0.5) + bias, mean, std, weight, bias, eps=0.5), f(x, mean, std)
