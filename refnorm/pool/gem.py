"""(mean of max(x, eps)^p)^(1/p): one value for many, between their mean and their maximum."""

from __future__ import annotations

import math

from .._cases import case, normal, positive
from .._core.moments import sum_leading
from .._core.sums import mean
from .._lanes import load, row_blocks, run, scratch, takes
from .._registry import gradient, law, operator
from .._xp import check_out, device, give_back, prepare, require_along, require_shape, roomy, to_rows, widen

kernels = load(__name__)

FEW = 1e-10  # an exponent below it is as good as 0: its square is lost


def is_array(p) -> bool:
    """Return whether `p` is an array of exponents, and not a number or a tuple of numbers."""
    return not isinstance(p, int | float | tuple | list)


def require_exponents(p, x, eps) -> None:
    """Refuse exponents that are not finite or not one for each channel of means of rows `x`; refuse eps = 0."""
    if eps == 0:
        raise ValueError("eps must be above zero: 0 has no logarithm; 2.0**-1022 is as good as none")
    if is_array(p) or isinstance(p, tuple | list):
        shape = p.shape if is_array(p) else (len(p),)
        if x.ndim < 2 or shape != x.shape[-2:-1]:
            raise ValueError(f"p must have shape {tuple(x.shape[-2:-1])}, one exponent a channel, got {tuple(shape)}")
    for one in () if is_array(p) else p if isinstance(p, tuple | list) else (p,):
        if not isinstance(one, int | float):
            raise TypeError(f"p must hold real numbers, got {type(one).__name__}")
        if not math.isfinite(one):
            raise ValueError(f"p must be finite, got {one!r}")


def as_memory(p):
    """Return exponents as a kernel takes them: a number, an array, and a tuple as one."""
    if not isinstance(p, tuple | list):
        return p
    each = scratch((len(p),), "float64")
    each[:] = p
    return each


def as_exponents(xp, p, wide):
    """Return exponents in the dtype of `wide`, as an array that broadcasts over rows of it."""
    p = xp.astype(p, wide.dtype) if is_array(p) else xp.asarray(p, dtype=wide.dtype, device=device(wide))
    return p if p.ndim == 0 else xp.expand_dims(p, axis=-1)


def held(xp, x, eps):
    """Return max(x, eps). At x = eps the gradient of x is 0; NaN stays NaN."""
    eps = max(eps, float(xp.finfo(x.dtype).smallest_normal))  # below it has no logarithm in every library
    return xp.where(x <= eps, xp.full_like(x, eps), x)


def log_ratio(xp, a, b):
    """Return log(a / b), also where the quotient leaves the normal numbers."""
    r, info = a / b, xp.finfo(a.dtype)
    usual = (r >= info.smallest_normal) & (r <= info.max)
    return xp.where(usual, xp.log(xp.where(usual, r, xp.ones_like(r))), xp.log(a) - xp.log(b))


def drift(xp, logs, p, *, roomy):
    """Return the mean of expm1(p l) / p, kept; the mean of l where p is 0, with its slope in p."""
    few = xp.abs(p) < FEW
    some = xp.where(few, xp.ones_like(p), p)
    terms = xp.where(few, logs + p / 2 * logs * logs, xp.expm1(some * logs) / some)
    return mean(xp, terms, roomy=roomy)


def power_mean(xp, c, p, *, roomy):
    """Return the power means of rows of positive numbers.

    They are taken relative to the largest number, the smallest where p < 0, so that no power is above 1. With d the
    mean of (r^p - 1) / p, r = c / base, the mean is base (1 + p d)^(1/p) = base exp(log1p(p d) / p), and no error of a
    rounding is divided by p; only where 1 + p d nearly vanishes it is summed as it stands.
    """
    low, top = xp.min(c, axis=-1, keepdims=True), xp.max(c, axis=-1, keepdims=True)
    base = xp.where(p < -FEW, low, top)
    usual = xp.isfinite(base)
    safe = xp.where(usual, base, xp.ones_like(base))
    logs = log_ratio(xp, c, safe)
    d = drift(xp, logs, p, roomy=roomy)
    few = xp.abs(p) < FEW
    some = xp.where(few, xp.ones_like(p), p)
    near = p * d > -0.5
    log_mean = xp.where(
        near, xp.log1p(xp.where(near, p * d, xp.zeros_like(d))), xp.log(mean(xp, xp.exp(p * logs), roomy=roomy))
    )
    y = safe * xp.exp(xp.where(few, d - p / 2 * d * d, log_mean / some))
    if not roomy:  # one Newton step: the logarithms of c / y are small
        step = drift(xp, log_ratio(xp, c, y), p, roomy=roomy)
        y = y + y * xp.where(xp.isfinite(y), step, xp.zeros_like(step))
    return xp.where(usual, y, base)[..., 0]


def curve(xp, t):
    """Return (t e^t - expm1(t)) / t^2, 1/2 at 0: the second order of a mean in its exponent."""
    near = xp.abs(t) < 0.5
    small, large = xp.where(near, t, xp.zeros_like(t)), xp.where(near, xp.ones_like(t), t)
    series = xp.zeros_like(t)
    for k in range(13, -1, -1):
        series = series * small + 1 / (math.factorial(k) * (k + 2))
    return xp.where(near, series, (large * xp.exp(large) - xp.expm1(large)) / large / large)


def slope_in_p(xp, gy, logs, p, *, roomy):
    """Return the cotangent of exponents; `logs` are those of c / y and `gy` is the cotangent times y."""
    return sum_leading(xp, (gy * mean(xp, logs * logs * curve(xp, p * logs), roomy=roomy))[..., 0])


@operator(
    paper=("radenovic2018fine", "ko2022group", "shao2023global", "mohwald2023dark"),
    kernel="gem_pool",
    cases=[
        case("planes", normal(2, 3, 5, 6), axis=(2, 3)),
        case("tokens", normal(2, 7, 5), axis=1),
        case("loud eps", normal(2, 3, 4, 4), axis=(2, 3), eps=0.5),
        case("mean", normal(2, 3, 37), axis=-1, p=1, eps=0.1),
        case("square", positive(2, 4, 9), axis=2, p=2),
        case("no whole power", normal(2, 3, 33), axis=2, p=2.37),
        case("high power", normal(2, 3, 10), axis=2, p=6.5, eps=0.2),
        case("half power", positive(2, 5, 11), axis=2, p=0.5),
        case("geometric", positive(3, 4, 12), axis=2, p=0),
        case("nearly geometric", positive(3, 4, 12), axis=2, p=1e-5),
        case("harmonic", positive(3, 4, 12), axis=2, p=-1.0),
        case("below zero", positive(2, 6, 3), axis=1, p=-2.5, eps=0.3),
        case("one a channel", normal(2, 3, 4, 5), axis=(2, 3), p=(0.5, 3.0, -1.5), eps=0.1),
        case("one a token's channel", normal(2, 9, 4), axis=1, p=(1.0, 4.6, 1e-4, -3.0), eps=0.2),
        case("channels last", normal(2, 4, 5, 7), axis=(1, 2), p=4.6, eps=1e-2),
        case("first axis", normal(6, 4), axis=0, eps=0.1),
        case("all but the last", normal(3, 5, 4), axis=(0, 1), eps=0.1),
        case("offset", normal(2, 3, 40, mean=1e4), axis=2),
        case("long", normal(2, 2, 1030), axis=2, p=3),
        case("no images", normal(0, 3, 4, 4), axis=(2, 3)),
    ],
    bench=case("planes", normal(32, 512, 28, 28), axis=(2, 3)),
    rows=lambda x, rng: ([x], {"axis": -1, "p": 2.37}),
)
def gem_pool(x, /, *, p=3.0, axis, eps=1e-6, out=None):
    r"""Reduce `x` along `axis` to its generalized mean.

    .. math:: y = \Bigl( \frac{1}{n} \sum_{j} \max(x_j, \epsilon)^p \Bigr)^{1/p}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape; `n` counts the elements reduced. Channels-last memory is taken as a view.
    p : float, array or tuple of float
        The exponent, any finite number: 1 is the mean, large p approaches the maximum, -1 is the harmonic mean,
        and 0 stands for the limit, the geometric mean. An array of the library of `x` of shape (C,), or a tuple,
        holds one exponent a channel, C being the size of the last axis of the *answer*. One a group of channels
        is ``xp.repeat(p, C // groups)``.
    axis : int or tuple of int
        The axes to reduce: (2, 3) for planes (N, C, H, W), 1 for tokens (B, N, C). They are gone from the answer.
    eps : float
        The least that is raised, in units of x; above zero.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        The shape of `x` without `axis`, in its dtype, library and device. A NaN makes its mean NaN, also one in
        an array `p`. An infinity makes its mean infinite while p >= 0; it adds nothing where p < 0.

    Raises
    ------
    TypeError
        `x` or an array `p` does not hold floating numbers, or they are of two libraries, or `p` is no number.
    ValueError
        `p` is not finite or has not one exponent a channel, `axis` is empty or missing, `eps` is not above zero,
        `out` overlaps.

    Notes
    -----
    The formula of the papers has no eps: it comes with the code, which raises to the power after max(x, eps).
    An eps below the smallest normal number counts as that: ``eps=2.0**-1022`` stands for none. torch's
    LPPool is the sum of signed powers: another operator. See ``refnorm conventions gem_pool``.

    References
    ----------
    Radenović, Tolias and Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, 2018 (not read again:
    the formula is confirmed against cirtorch). Ko et al., Group Generalized Mean Pooling for Vision Transformer,
    2022. Shao et al., Global Features are All You Need for Image Retrieval and Reranking, 2023. Mohwald, Jenicek
    and Chum, Dark Side Augmentation: Generating Diverse Night Examples for Metric Learning, 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
    >>> refnorm.pool.gem_pool(x, axis=1, p=0)
    array([2., 3.])
    >>> refnorm.pool.gem_pool(x, axis=1, p=np.repeat(np.array([1.0]), 2)).round(3)  # one group of two channels
    array([2.333, 3.   ])
    """
    xp, x, each = prepare(x, p if is_array(p) else None)
    require_along(x, axis, eps)
    (rows,) = to_rows(xp, axis, x, None)[:1]
    require_exponents(p, rows, eps)
    check_out(out, x, each, shape=rows.shape[:-1])
    if takes(kernels, rows) and (each is None or takes(kernels, each)):
        shape = rows.shape[:-1]
        y = run(kernels.gem_pool, rows, as_memory(p), eps, out=out, shape=shape, units=math.prod(shape))
    else:
        (wide,) = widen(xp, rows)
        y = power_mean(xp, held(xp, wide, eps), as_exponents(xp, p, wide), roomy=roomy(rows, wide))
    return give_back(xp, y, x, out=out)


@gradient(gem_pool)
def gem_pool_vjp(cotangent, x, /, *, p=3.0, axis, eps=1e-6):
    r"""Return the cotangent of `x`, and of `p` where it is an array, for a cotangent of ``gem_pool(x)``.

    .. math::
        \bar x_j = \frac{\bar y}{n} \Bigl( \frac{x_j}{y} \Bigr)^{p-1} [x_j > \epsilon], \qquad
        \bar p = \sum \bar y \, y \, \frac{1}{n} \sum_j \frac{t_j e^{t_j} - e^{t_j} + 1}{p^2}, \quad
        t_j = p \log \frac{\max(x_j, \epsilon)}{y}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, p, axis, eps
        As in :func:`gem_pool`.

    Returns
    -------
    array, or tuple of two arrays
        The cotangent of `x`; ``(dx, dp)`` where `p` is an array. An x at exactly eps gets 0. At p = 0 the cotangent
        of `p` is the limit, half the variance of the logarithms times y.

    Raises
    ------
    TypeError, ValueError
        As in :func:`gem_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`gem_pool`, confirmed against torch's and JAX's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.gem_pool_vjp(np.array([6.0]), np.array([[1.0, 2.0, 0.0]]), axis=1, p=1)
    array([[2., 2., 0.]])
    """
    xp, cotangent, x, each = prepare(cotangent, x, p if is_array(p) else None, need=2)
    require_along(x, axis, eps)
    (rows,) = to_rows(xp, axis, x, None)[:1]
    require_exponents(p, rows, eps)
    require_shape("cotangent", cotangent, rows.shape[:-1])
    if takes(kernels, rows, cotangent) and (each is None or takes(kernels, each)):
        block, blocks = row_blocks(cotangent)
        parts = None if each is None else (blocks, cotangent.shape[-1])
        dx = run(kernels.gem_pool_vjp, rows, cotangent, as_memory(p), eps, block, parts=parts, units=blocks)
        dx, dp = (dx, None) if each is None else dx
    else:
        wide, g = widen(xp, rows, cotangent)
        power, c, spare = as_exponents(xp, p, wide), held(xp, wide, eps), roomy(rows, wide)
        y = xp.expand_dims(power_mean(xp, c, power, roomy=spare), axis=-1)
        logs, g = log_ratio(xp, c, y), xp.expand_dims(g, axis=-1)
        steep = g / wide.shape[-1] * xp.exp((power - 1) * logs)
        dx = xp.where(wide <= eps, xp.zeros_like(wide), steep)
        dp = None if each is None else slope_in_p(xp, g * y, logs, power, roomy=spare)
    dx = give_back(xp, dx, x, axis)
    return dx if each is None else (dx, xp.astype(dp, each.dtype))


@law(gem_pool, positive(4, 9))
def scale_comes_through(f, x):
    return f(8 * x, axis=1), 8 * f(x, axis=1)


@law(gem_pool, positive(4, 9))
def one_is_the_mean(f, x):
    return f(x, axis=1, p=1), x.sum(axis=1) / x.shape[1]


@law(gem_pool, positive(4, 9))
def the_negative_exponent_is_that_of_the_inverse(f, x):
    return f(1 / x, axis=1, p=2.5), 1 / f(x, axis=1, p=-2.5)


@law(gem_pool, positive(4, 9))
def powers_multiply(f, x):
    return f(x**2, axis=1, p=1.5), f(x, axis=1, p=3.0) ** 2


@law(gem_pool, positive(4, 6, 5))
def order_free(f, x):
    return f(x[:, ::-1], axis=1, p=0.5), f(x, axis=1, p=0.5)


@law(gem_pool, positive(4, 8))
def a_constant_is_its_own_mean(f, x):
    return f(x[:, :1] + 0 * x, axis=1, p=-0.3), x[:, 0]
