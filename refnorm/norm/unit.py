"""x / max(||x||_p, eps): rows of unit length in the p-norm."""

from __future__ import annotations

from .._cases import case, normal
from .._core.sums import total
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import check_out, give_back, prepare, require_along, require_same_shape, roomy, to_rows, widen

kernels = load(__name__)

INFINITY = float("inf")


def require_norm(p) -> None:
    """Refuse a `p` that names no norm."""
    if not isinstance(p, int | float):
        raise TypeError(f"p must be a number, got {type(p).__name__}")
    if not p > 0:
        raise ValueError(f"p must be above zero (inf for the largest magnitude), got {p!r}")


def magnitude(xp, x):
    """Return |x|; at 0 its gradient is 0 in every library, where JAX gives that of abs as 1."""
    return xp.where(x == 0, xp.zeros_like(x), xp.abs(x))


def scale_of(xp, x, p, eps, *, roomy):
    """Return what to divide rows by so that no power overflows or vanishes: eps or the largest magnitude, or 1."""
    if p == INFINITY or (roomy and p in (1, 2)):
        return xp.ones_like(x[..., :1])
    largest = xp.max(magnitude(xp, x), axis=-1, keepdims=True)
    largest = xp.where(largest < eps, xp.full_like(largest, eps), largest)
    return xp.where((largest > 0) & (largest < INFINITY), largest, xp.ones_like(largest))


def powers(xp, x, p):
    """Return |x|^p. Its gradient at 0 is 0, also for the p below 1 whose |x|^p is infinitely steep there."""
    if p == 2:
        return x * x
    size = magnitude(xp, x)
    if p == 1:
        return size
    zero = size == 0
    return xp.where(zero, xp.zeros_like(size), xp.where(zero, xp.ones_like(size), size) ** p)


def norm_of(xp, x, p, *, roomy):
    """Return the p-norm of scaled rows, kept; its gradient at a row of zeros is 0."""
    if p == INFINITY:
        return xp.max(magnitude(xp, x), axis=-1, keepdims=True)
    s = total(xp, powers(xp, x, p), roomy=roomy)
    if p == 1:
        return s
    none = s == 0  # no root has a gradient there
    s = xp.where(none, xp.ones_like(s), s)
    if p == 2:
        root = xp.sqrt(s)
    else:
        root = s ** (1 / p)
        lost = root * (s - root**p) / (p * s)  # one Newton step: 1 / p was rounded
        root = root + xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost))
    return xp.where(none, xp.zeros_like(root), root)


def unit_rows(xp, x, p, eps, *, roomy):
    """Return (u, scale, length, held): u = x / max(norm, eps), max(norm, eps) = scale * length, norm below eps."""
    if eps > 0:  # below the normal numbers it might count as 0
        eps = max(eps, float(xp.finfo(x.dtype).smallest_normal))
    scale = scale_of(xp, x, p, eps, roomy=roomy)
    norm = norm_of(xp, x / scale, p, roomy=roomy)
    floor = eps / scale
    held = norm < floor
    length = xp.where(held, floor, norm)
    return x / scale / length, scale, length, held


def slope(xp, u, p):
    """Return the gradient of the norm at rows u of unit norm: sign(u) |u|^(p - 1); 0 where u is 0."""
    if p == 2:
        return u
    size = xp.abs(u)
    zero = size == 0
    if p == INFINITY:  # the largest magnitudes share it
        top = xp.astype(size == xp.max(size, axis=-1, keepdims=True), u.dtype)
        steep = top / xp.sum(top, axis=-1, keepdims=True)
    else:
        steep = xp.where(zero, xp.ones_like(size), size) ** (p - 1)
    return xp.where(zero, xp.zeros_like(u), xp.where(u < 0, -steep, steep))


@operator(
    paper=("razavian2014cnn", "liu2016ssd", "zhuang2024starbucks"),
    kernel="lp_normalize",
    cases=[
        case("rows", normal(4, 8)),
        case("cube", normal(3, 37), p=3.0),
        case("loud eps", normal(4, 8), eps=2.5),
        case("sum of magnitudes", normal(4, 9), p=1, eps=6.0),
        case("largest magnitude", normal(4, 9), p=INFINITY, eps=1.5),
        case("root", normal(3, 12), p=0.5),
        case("no whole power", normal(3, 21), p=2.37, eps=3.0),
        case("high power", normal(3, 10), p=8.5),
        case("axis", normal(3, 5, 4), axis=1, eps=2.0),
        case("two axes", normal(2, 3, 5), axis=(1, 2), p=1.5),
        case("channels last", normal(2, 3, 4, 5), axis=1, p=1, eps=3.0),
        case("small rows", normal(5, 16, std=1e-3), eps=4e-3),
        case("no eps", normal(4, 6), eps=0.0),
        case("one column", normal(4, 1), eps=0.25),
        case("offset", normal(3, 33, mean=30.0), p=4),
        case("long", normal(2, 1030)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(8192, 1024)),
)
def lp_normalize(x, /, *, p=2.0, axis=-1, eps=1e-12, out=None):
    r"""Scale `x` to unit length along `axis`, in the p-norm.

    .. math:: y_i = \frac{x_i}{\max(\|x\|_p, \epsilon)}, \qquad \|x\|_p = \Bigl( \sum_j |x_j|^p \Bigr)^{1/p}, \quad
        \|x\|_\infty = \max_j |x_j|

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    p : float
        The order of the norm, above zero; ``float("inf")`` is the largest magnitude. Below 1 it is no norm,
        but scales all the same.
    axis : int or tuple of int
        The axis to normalize over; several count as one.
    eps : float
        The least that is divided by, in units of x.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A row of zeros gives zeros while eps > 0, else NaN.
        A NaN makes its row NaN; an infinity makes itself NaN and the rest of its row 0.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `p` or `eps` is no number.
    ValueError
        `p` is not above zero, `axis` is empty or missing, `eps` is negative, `out` overlaps.

    Notes
    -----
    torch takes the larger of norm and eps, as here. TensorFlow and optax take the larger of the *squared* norm
    and their epsilon: here the root of it, 1e-6 for 1e-12. Keras bounds 1 / norm by 1 / eps, which is the same
    as here. ONNX and scikit-learn leave a row of zeros as it is: that is ``eps=2.0**-1022``, the smallest
    normal number, and it works in every dtype because no float16, bfloat16 or float32 but 0 is below it (a
    smaller positive eps counts as it; the native formula takes float32's own, 2**-126). SSD's released code
    adds eps to the norm, which ``refnorm check`` names a mistake; its gain for each channel is a product
    afterwards. Matryoshka embeddings are normalized after the cut: ``lp_normalize(x[..., :dim])``.
    float64 rows lose about 1 / p units below p = 1. See ``refnorm conventions lp_normalize``.

    References
    ----------
    Razavian et al., CNN Features off-the-shelf: an Astounding Baseline for Recognition, 2014. Liu et al., SSD:
    Single Shot MultiBox Detector, 2016. Zhuang et al., Starbucks: Improved Training for 2D Matryoshka Embeddings,
    2024. (None read again: the formula is confirmed against torch and scikit-learn.)

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.lp_normalize(np.array([3.0, -4.0, 0.0]))
    array([ 0.6, -0.8,  0. ])
    >>> refnorm.norm.lp_normalize(np.array([3.0, -1.0, 0.0]), p=1)
    array([ 0.75, -0.25,  0.  ])
    """
    xp, x = prepare(x)
    require_norm(p)
    require_along(x, axis, eps)
    check_out(out, x)
    rows, into = to_rows(xp, axis, x, out)
    if takes(kernels, rows):
        y = run(kernels.lp_normalize, rows, p, eps, out=into)
    else:
        (wide,) = widen(xp, rows)
        y, *_ = unit_rows(xp, wide, p, eps, roomy=roomy(rows, wide))
    return give_back(xp, y, x, axis, out)


@gradient(lp_normalize)
def lp_normalize_vjp(cotangent, x, /, *, p=2.0, axis=-1, eps=1e-12):
    r"""Return the cotangent of `x` for a cotangent of ``lp_normalize(x)``.

    .. math::
        \bar x = \frac{1}{n} \Bigl( \bar y - d \sum_j \bar y_j u_j \Bigr), \quad n = \|x\|_p, \quad u = x / n, \quad
        d_i = \operatorname{sign}(u_i) |u_i|^{p-1}

    where the norm is not below eps; below, it counts as a constant: :math:`\bar x = \bar y / \epsilon`.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, p, axis, eps
        As in :func:`lp_normalize`.

    Returns
    -------
    array
        The cotangent of `x`. :math:`d` is 0 where x is 0, for every p; at p = inf the largest magnitudes share it
        equally.

    Raises
    ------
    TypeError, ValueError
        As in :func:`lp_normalize`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of :func:`lp_normalize`; at its kinks what torch and JAX make of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> dx = refnorm.norm.lp_normalize_vjp(np.array([1.0, 0.0]), np.array([3.0, 4.0]))
    >>> dx.round(3)  # no part along x: the answer is free of the scale of x
    array([ 0.128, -0.096])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_norm(p)
    require_along(x, axis, eps)
    rows, g = to_rows(xp, axis, x, cotangent)
    if takes(kernels, g, rows):
        dx = run(kernels.lp_normalize_vjp, g, rows, p, eps)
    else:
        wide, g = widen(xp, rows, g)
        spare = roomy(rows, wide)
        u, scale, length, held = unit_rows(xp, wide, p, eps, roomy=spare)
        d = xp.where(held, xp.zeros_like(u), slope(xp, u, p))
        dx = (g - d * total(xp, g * u, roomy=spare)) / length / scale
    return give_back(xp, dx, x, axis)


@law(lp_normalize, normal(4, 8))
def scale_free(f, x):
    return f(8 * x, eps=0.0), f(x, eps=0.0)


@law(lp_normalize, normal(4, 8))
def twice_is_once(f, x):
    return f(f(x, p=1.5), p=1.5), f(x, p=1.5)


@law(lp_normalize, normal(5, 16))
def eps_is_in_units_of_x(f, x):
    return f(4 * x, eps=4 * 3.0), f(x, eps=3.0)


@law(lp_normalize, normal(4, 8))
def order_free(f, x):
    return f(x[:, ::-1], p=1, eps=0.5), f(x, p=1, eps=0.5)[:, ::-1]


@law(lp_normalize, normal(4, 8))
def powers_are_norms_of_powers(f, x):
    return f(abs(x) ** 2, p=2) ** 0.5, f(abs(x), p=4)
