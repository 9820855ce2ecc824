"""x over a power of the energy of the neighbouring channels: local response normalization."""

from __future__ import annotations

import operator as op

from .._cases import case, normal
from .._core.channels import as_rows, channel_of, moved
from .._core.sums import total
from .._core.windows import Window, slide, taps
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import check_out, give_back, prepare, require_same_shape, require_switch, roomy, widen
from .region import in_rows

kernels = load(__name__)

INFINITY = float("inf")
BLOCK = 256  # places of a sample that a kernel takes as one unit


def neighbourhood(channels, window, side, **numbers) -> Window:
    """Return the windows of the channels, one round each; refuse options that are none."""
    try:
        length = op.index(window)
    except TypeError:
        raise TypeError(f"window must be an int, the number of channels in it, got {window!r}") from None
    if channels == 0:
        raise ValueError("x must have at least one channel, got 0")
    if length < 1:
        raise ValueError(f"window must be at least 1, got {window!r}")
    if side not in ("before", "after"):
        raise ValueError(f"side must be 'before' or 'after', where an even window has one more, got {side!r}")
    for name, value in numbers.items():
        if not 0 <= value < INFINITY:
            raise ValueError(f"{name} must be finite and not below zero, got {value!r}")
    before = length // 2 if side == "before" else (length - 1) // 2
    return Window(channels, length, 1, 1, before, length - 1 - before, channels)


def blocks(rows) -> int:
    """Return the number of units that kernels take (samples, channels, places) in."""
    return rows.shape[0] * -(-rows.shape[2] // BLOCK)


def as_lines(xp, *planes):
    """Return (1, 1, C, places), as the windows of pools slide over it."""
    return tuple(rows[None, None, :, :] for rows in as_rows(xp, *planes))


def scale_of(xp, around, k):
    """Return what to divide neighbours by, so that no square overflows or vanishes: the largest, or 1 if it is usual.

    k counts as a square, so that neighbours far below its root are not scaled up until k overflows.
    """
    info, largest = xp.finfo(around.dtype), xp.max(xp.abs(around), axis=-1)
    largest = xp.where(largest > k**0.5, largest, xp.full_like(largest, k**0.5))
    usual = (largest > info.smallest_normal**0.25) & (largest < info.max**0.25) | (largest == 0)
    return xp.where(usual | ~xp.isfinite(largest), xp.ones_like(largest), largest)


def pooled(xp, x, w, alpha, k, *, roomy):
    """Return (pool, s): the sum k + alpha sum x^2 round every channel, in units of s^2."""
    if roomy:
        return k + alpha * slide(xp, x * x, [w], 0.0, xp.add), 1.0
    around = xp.stack(list(taps(xp, x, 2, w, 0.0)), axis=-1)
    s = scale_of(xp, around, k)
    energy = total(xp, (around / s[..., None]) ** 2, roomy=False)[..., 0]
    return k / s / s + alpha * energy, s


@operator(
    paper="krizhevsky2012imagenet",
    kernel="local_response_norm",
    cases=[
        case("planes", normal(2, 7, 4, 3), window=5, alpha=0.5),
        case("loud", normal(3, 6, 5), window=3, alpha=2.0, beta=0.5, k=0.25),
        case("sum, not mean", normal(2, 7, 4), window=5, alpha=0.3, beta=1.5, k=2.0, average=False),
        case("even window", normal(2, 6, 5), window=4, alpha=1.0),
        case("even window, other side", normal(2, 6, 5), window=4, alpha=1.0, side="after"),
        case("channels last", normal(2, 3, 4, 9), window=5, alpha=0.5, axis=-1),
        case("wider than the channels", normal(3, 4, 5), window=11, alpha=1.0),
        case("itself alone", normal(3, 4, 5), window=1, alpha=1.0, k=0.25),
        case("table", normal(9, 8, mean=30.0), window=3, alpha=1e-4),
        case("long", normal(1, 1030, 2), window=5, alpha=1.0),
        case("no samples", normal(0, 4, 3), window=3, alpha=1.0),
    ],
    bench=case("planes", normal(32, 64, 56, 56), window=5, alpha=1.0),
    rows=lambda x, rng: ([x[None]], {"window": 3, "alpha": 0.5}),
)
def local_response_norm(
    x, /, *, window, axis=1, alpha=1e-4, beta=0.75, k=1.0, average=True, side="before", out=None
):  # fmt: skip
    r"""Divide every channel of `x` by a power of the energy of the channels round it, at its place.

    .. math:: y_c = x_c \Bigl( k + \frac{\alpha}{n} \sum_{j \in W(c)} x_j^2 \Bigr)^{-\beta}

    where W(c) are the n channels round c, fewer at the ends: what would lie beyond counts as 0. With `average` False
    alpha stands undivided.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a channel axis of size C and at least one axis beside it: (N, C, *spatial).
    window : int
        The number n of channels in a window, the one in the middle counted: 2 r + 1 for a depth radius r.
    axis : int
        The channel axis.
    alpha : float
        The factor of the energy.
    beta : float
        The exponent.
    k : float
        What the energy is added to, in units of x squared.
    average : bool
        Whether alpha multiplies the mean of the squares or their sum. The mean divides by n at the ends too.
    side : {"before", "after"}
        Where a window of even n reaches one channel farther: towards channel 0, or away from it.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`, empty where `x` is. Signs are kept. A NaN makes the channels
        whose window holds it NaN; an infinity makes itself NaN and them 0. With k 0 a window of zeros gives NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `axis` or `window` is not one int, an option is no number, or `average` no
        bool.
    ValueError
        `x` has no channels or no axis `axis`, `window` is below 1, `alpha`, `beta` or `k` is negative, `side` is
        another word, or `out` overlaps.

    Notes
    -----
    The paper has k 2, n 5, alpha 1e-4 and takes the sum, as TensorFlow does with its depth radius. torch, Caffe and
    ONNX divide alpha by n. An even n reaches one farther towards channel 0 in torch, away from it in ONNX; ONNX Runtime
    and Caffe want n odd. onnx's own reference (1.23.2) takes no energy of the channels beyond the number of samples.
    See ``refnorm conventions local_response_norm``.

    References
    ----------
    Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012, section
    3.3 (not read again: the formula is confirmed against torch and ONNX).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[3.0, 4.0, 0.0, 2.0]])
    >>> refnorm.norm.local_response_norm(x, window=3, alpha=3.0, beta=0.5, k=0.0)
    array([[0.6, 0.8, 0. , 1. ]])
    """
    xp, x = prepare(x)
    channel = channel_of(x, axis)
    w = neighbourhood(x.shape[channel], window, side, alpha=alpha, beta=beta, k=k)
    require_switch("average", average)
    check_out(out, x)
    a = alpha / w.length if average else alpha
    if takes(kernels, x):
        planes, into = moved(xp, channel, 1, x, out)
        rows, into = in_rows(xp, planes, None if out is None or xp.may_share_memory(out, x) else into)
        y = run(kernels.local_response_norm, rows, w.before, w.after, a, beta, k, out=into, units=blocks(rows))
        y = moved(xp, 1, channel, xp.reshape(y, planes.shape))
    else:
        (planes,) = moved(xp, channel, 0, x)
        (lines,) = as_lines(xp, *widen(xp, planes))
        pool, s = pooled(xp, lines, w, a, k, roomy=roomy(x, lines))
        y = lines / s * s ** (1 - 2 * beta) / pool**beta
        y = moved(xp, 0, channel, xp.reshape(y, planes.shape))
    return give_back(xp, *y, x, out=out)


@gradient(local_response_norm)
def local_response_norm_vjp(
    cotangent, x, /, *, window, axis=1, alpha=1e-4, beta=0.75, k=1.0, average=True, side="before"
):  # fmt: skip
    r"""Return the cotangent of `x` for a cotangent of ``local_response_norm(x)``.

    .. math:: \bar x_j = \bar y_j P_j^{-\beta} - 2 \beta a \, x_j \sum_{c : j \in W(c)} \bar y_c x_c P_c^{-\beta - 1},
        \qquad P_c = k + a \sum_{j \in W(c)} x_j^2

    with a the factor of the sum: :math:`\alpha / n`, or :math:`\alpha` where `average` is False.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, window, axis, alpha, beta, k, average, side
        As in :func:`local_response_norm`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`local_response_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the norm of Krizhevsky, Sutskever and Hinton, 2012; confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g = np.array([[3.0, 4.0]]), np.array([[1.0, 0.0]])
    >>> how = dict(window=3, alpha=3.0, beta=0.5, k=0.0)
    >>> refnorm.norm.local_response_norm_vjp(g, x, **how)  # of 3 / 5: no part along x
    array([[ 0.128, -0.096]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    channel = channel_of(x, axis)
    w = neighbourhood(x.shape[channel], window, side, alpha=alpha, beta=beta, k=k)
    require_switch("average", average)
    require_same_shape("cotangent", cotangent, x)
    a = alpha / w.length if average else alpha
    if takes(kernels, cotangent, x):
        planes, g = moved(xp, channel, 1, x, cotangent)
        rows, g = in_rows(xp, planes, g)
        how = (w.before, w.after, a, beta, k)
        dx = run(kernels.local_response_norm_vjp, g, rows, *how, units=blocks(rows))
        dx = moved(xp, 1, channel, xp.reshape(dx, planes.shape))
    else:
        g, planes = moved(xp, channel, 0, cotangent, x)
        g, lines = as_lines(xp, *widen(xp, g, planes))
        pool, s = pooled(xp, lines, w, a, k, roomy=roomy(x, lines))
        gain = s ** (-2 * beta) / pool**beta
        seen = [w._replace(before=w.after, after=w.before)]  # from where a channel is seen
        tilt = slide(xp, g * (lines / s) * gain / pool / s, seen, 0.0, xp.add)
        dx = moved(xp, 0, channel, xp.reshape(g * gain - 2 * beta * a * lines * tilt, planes.shape))
    return give_back(xp, *dx, x)


@law(local_response_norm, normal(2, 6, 5))
def the_energy_is_a_sum_of_squares(f, x):
    p = f(x, window=3, alpha=1.0, beta=1.0, k=0.5, average=False)[:, 2]
    return p * (0.5 + x[:, 1] ** 2 + x[:, 2] ** 2 + x[:, 3] ** 2), x[:, 2]


@law(local_response_norm, normal(2, 6, 5))
def the_average_divides_by_the_window_at_the_ends_too(f, x):
    how = dict(window=5, beta=0.5, k=2.0)
    return f(x, alpha=5.0, **how), f(x, alpha=1.0, average=False, **how)


@law(local_response_norm, normal(2, 6, 5))
def scale_is_shared_with_k(f, x):
    return f(4 * x, window=3, alpha=1.0, beta=0.5, k=16 * 0.5), f(x, window=3, alpha=1.0, beta=0.5, k=0.5)


@law(local_response_norm, normal(2, 6, 5))
def the_sides_are_mirrored(f, x):
    how = dict(window=4, alpha=1.0)
    return f(x, side="after", **how), f(x[:, ::-1], **how)[:, ::-1]


@law(local_response_norm, normal(2, 6, 5))
def exponents_multiply_factors(f, x):
    half, whole = (f(x, window=3, alpha=1.0, beta=b) for b in (0.5, 1.0))
    return half * half, x * whole
