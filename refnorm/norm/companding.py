"""Odd, monotone compression of magnitudes: a power, a logarithm, the mu-law, an arctangent."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, normal
from .._registry import law, operator
from .._xp import check_out, give_back, prepare, widen
from .unit import powers

INFINITY = float("inf")


def require_above(name, value, least) -> None:
    """Refuse an option that is no finite number above `least`."""
    if not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    if not least < value < INFINITY:
        raise ValueError(f"{name} must be finite and above {least}, got {value!r}")


def size_of(xp, x):
    """Return |x|; its gradient at 0 is 1, so that what is made of it and signed again has its slope there."""
    return xp.where(x < 0, -x, x)


def signed(xp, size, x):
    """Return `size` with the sign of `x`, NaN where either is: torch's sign of NaN is 0."""
    return xp.where(x < 0, -size, size)


@operator(
    paper=("razavian2014cnn", "winterbottom2020trying"),
    cases=[
        case("root", normal(4, 8)),
        case("square", normal(3, 7), p=2.0),
        case("no whole power", normal(3, 5, 4), p=1.37),
        case("offset", normal(3, 9, mean=30.0), p=0.25),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 1024)),
)
def signed_power(x, /, *, p=0.5, out=None):
    r"""Raise magnitudes to a power, keeping signs.

    .. math:: y_i = \operatorname{sign}(x_i) \, |x_i|^p

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    p : float
        The power, above zero. Below 1 it compresses, above 1 it expands.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN stays NaN, an infinity itself. A power that is too large for
        the dtype becomes an infinity.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `p` is no number.
    ValueError
        `p` is not above zero or not finite, or `out` overlaps `x` in part.

    Notes
    -----
    At 0 the slope for p below 1 is infinite; the gradient of the formula there is 0, where the square root of the
    released bilinear pooling gives NaN. Rows of unit length come from
    ``lp_normalize(signed_power(x))``. See ``refnorm conventions signed_power``.

    References
    ----------
    Razavian et al., CNN Features off-the-shelf: an Astounding Baseline for Recognition, 2014 (power 2: formula as
    catalogued, not confirmed at its source). Winterbottom et al., Trying Bilinear Pooling in Video-QA, 2020 (power
    0.5: as catalogued from the fusions code it imports, sqrt(relu(x)) - sqrt(relu(-x))).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.signed_power(np.array([4.0, -9.0, 0.0]))
    array([ 2., -3.,  0.])
    """
    xp, x = prepare(x)
    require_above("p", p, 0)
    check_out(out, x)
    (wide,) = widen(xp, x)
    y = signed(xp, powers(xp, wide, p), wide)
    return give_back(xp, y, x, out=out)


@law(signed_power, normal(4, 8))
def powers_multiply(f, x):
    return f(f(x, p=0.5), p=3.0), f(x, p=1.5)


@law(signed_power, normal(4, 8))
def a_scale_comes_out_as_its_power(f, x):
    return f(-16 * x, p=0.5), -4 * f(x, p=0.5)


@operator(
    paper="lin2023detr",
    cases=[
        case("rows", normal(4, 8)),
        case("pixels", normal(3, 7, std=40.0), base=2.0),
        case("small", normal(3, 5, 4, std=1e-5), base=3.0),
        case("offset", normal(3, 9, mean=1e4), base=100.0),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 1024)),
)
def signed_log_compress(x, /, *, base=8.0, out=None):
    r"""Compress magnitudes by a logarithm, keeping signs.

    .. math:: y_i = \operatorname{sign}(x_i) \, \frac{\log_2(1 + |x_i|)}{\log_2 b}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape: distances in pixels in the paper.
    base : float
        The base :math:`b`, above 1: a magnitude of b - 1 becomes 1.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN stays NaN, an infinity itself.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `base` is no number.
    ValueError
        `base` is not above 1 or not finite, or `out` overlaps `x` in part.

    Notes
    -----
    Swin V2 and Plain-DETR write log2(abs(x) + 1) / log2(8), which loses every digit of an x below the dtype's
    resolution. Swin V2 multiplies relative positions by 8 first.

    References
    ----------
    Lin et al., DETR Doesn't Need Multi-Scale or Locality Design, 2023 (as catalogued from its code, relative
    position type abs_log8).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.signed_log_compress(np.array([7.0, -63.0, 0.0]))
    array([ 1., -2.,  0.])
    """
    xp, x = prepare(x)
    require_above("base", base, 1)
    check_out(out, x)
    (wide,) = widen(xp, x)
    size = size_of(xp, wide)
    small = xp.log1p(size) / math.log(base)  # 1 + |x| would round a small |x| away
    y = xp.where(size < 1, small, xp.log2(1 + size) / math.log2(base))
    return give_back(xp, signed(xp, y, wide), x, out=out)


@law(signed_log_compress, normal(4, 8))
def odd_in_any_base(f, x):
    return f(-x, base=5.0), -f(x, base=5.0)


@law(signed_log_compress, normal(4, 8))
def the_square_of_a_base_halves(f, x):
    return f(x, base=64.0), f(x, base=8.0) / 2


@operator(
    paper=("cakaj2023weight", "itu1988pulse"),
    cases=[
        case("rows", normal(4, 8)),
        case("other mu", normal(3, 7), mu=0.75),
        case("expand", normal(3, 5, 4), inverse=True),
        case("expand, other mu", normal(3, 7), inverse=True, mu=3.0),
        case("small", normal(3, 9, std=1e-5), mu=40.0),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 1024)),
)
def mu_law_compress(x, /, *, mu=255.0, inverse=False, out=None):
    r"""Compress magnitudes by the mu-law of telephony, keeping signs, or expand them again.

    .. math:: y_i = \operatorname{sign}(x_i) \, \frac{\log(1 + \mu |x_i|)}{\log(1 + \mu)}, \qquad
        x_i = \operatorname{sign}(y_i) \, \frac{(1 + \mu)^{|y_i|} - 1}{\mu}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The signal, of any shape: from -1 to 1 as a rule, which is mapped onto itself. Beyond, the formula goes on.
    mu : float
        How much is compressed, above zero.
    inverse : bool
        Expand what was compressed.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN stays NaN, an infinity itself.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `mu` is no number, or `inverse` is no bool.
    ValueError
        `mu` is not above zero or not finite, or `out` overlaps `x` in part.

    Notes
    -----
    torchaudio's mu_law_encoding takes mu one less than its number of channels and then quantizes
    to floor((y + 1) / 2 * mu + 0.5); librosa's mu_compress with quantize=False does not. See
    ``refnorm conventions mu_law_compress``.

    References
    ----------
    Cakaj, Mehnert and Yang, Weight Compander, 2023 (which is compared with it; not read again). ITU-T
    Recommendation G.711, Pulse code modulation of voice frequencies, 1988 (not read again: the formula is confirmed
    against librosa).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.mu_law_compress(np.array([1.0, -1.0, 0.2, 0.0]), mu=15.0)
    array([ 1. , -1. ,  0.5,  0. ])
    """
    xp, x = prepare(x)
    require_above("mu", mu, 0)
    if not isinstance(inverse, bool):
        raise TypeError(f"inverse must be True or False, got {inverse!r}")
    check_out(out, x)
    (wide,) = widen(xp, x)
    size, top = size_of(xp, wide), math.log1p(mu)
    size = xp.expm1(size * top) / mu if inverse else xp.log1p(mu * size) / top
    return give_back(xp, signed(xp, size, wide), x, out=out)


@law(mu_law_compress, normal(4, 8))
def there_and_back(f, x):
    return f(f(x, mu=7.0), mu=7.0, inverse=True), x


@law(mu_law_compress, normal(4, 8))
def odd_for_any_mu(f, x):
    return f(-x, mu=0.5), -f(x, mu=0.5)


@operator(
    paper="cakaj2023weight",
    cases=[
        case("rows", normal(4, 8), a=2.0, b=0.5),
        case("wide", normal(3, 7), a=0.75, b=3.0),
        case("offset", normal(3, 5, 4, mean=30.0), a=1.5, b=1.0),
        case("no rows", normal(0, 4), a=1.0, b=1.0),
    ],
    bench=case("rows", normal(4096, 1024), a=1.5, b=1.0),
    rows=lambda x, rng: ([x], {"a": 1.3, "b": 0.7}),
)
def weight_compander(x, /, *, a, b, out=None):
    r"""Bound weights and push small ones away from zero, by an arctangent.

    .. math:: y_i = a \arctan(x_i / b)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The weights that are learned, of any shape.
    a, b : float
        Above zero: the answer stays within :math:`a \pi / 2`, its slope at 0 is a / b, and weights are pushed away
        from zero where that is above 1. There is no default: the paper tunes or learns them.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN stays NaN; an infinity gives :math:`\pm a \pi / 2`.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `a` or `b` is no number.
    ValueError
        `a` or `b` is not above zero or not finite, or `out` overlaps `x` in part.

    References
    ----------
    Cakaj, Mehnert and Yang, Weight Compander: A Simple Weight Reparameterization for Regularization, 2023 (formula
    as catalogued, not confirmed at its source: the abstract fixes a bounded nonlinearity of each weight that forces
    it away from zero).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.weight_compander(np.array([0.5, -0.5, 0.0]), a=4 / np.pi, b=0.5)
    array([ 1., -1.,  0.])
    """
    xp, x = prepare(x)
    require_above("a", a, 0)
    require_above("b", b, 0)
    check_out(out, x)
    (wide,) = widen(xp, x)
    return give_back(xp, a * xp.atan(wide / b), x, out=out)


@law(weight_compander, normal(4, 8))
def odd_and_scaled_in_both(f, x):
    return f(-3 * x, a=6.0, b=1.5), -3 * f(x, a=2.0, b=0.5)


@law(weight_compander, normal(4, 8))
def reciprocals_make_a_right_angle(f, x):
    return f(x, a=3.0, b=0.5) + f(0.25 / x, a=3.0, b=0.5), np.sign(x) * (1.5 * np.pi)
