"""The nearest point of a set: the simplex, a box cut by a plane, the balls of l2 and l0."""

from __future__ import annotations

import math
from operator import index

import numpy as np

from .._cases import Draw, case, normal, positive, uniform
from .._core.norms import length
from .._core.sums import total as sum_last
from .._core.thresholds import below_threshold, boxed
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    roomy,
    to_rows,
    widen,
)  # fmt: skip

kernels = load(__name__)


def require_size(name: str, value, *, least=0.0, zero=True) -> None:
    """Refuse the size of a set that is no finite number, or below `least`, or zero where that leaves no set."""
    try:
        good = least <= value and abs(value) < math.inf and (zero or value != 0)
    except TypeError:
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}") from None
    if not good:
        raise ValueError(f"{name} must be finite and {'not below' if zero else 'above'} zero, got {value!r}")


@operator(
    paper=("duchi2008efficient", "chen2023optimistic"),
    kernel="project_simplex",
    cases=[
        case("rows", normal(4, 8)),
        case("total", normal(3, 37), total=2.5),
        case("all stay", normal(3, 21, std=0.01), total=3.0),
        case("axis", normal(3, 5, 4), axis=1, total=0.5),
        case("two axes", normal(2, 3, 5), axis=(1, 2)),
        case("offset", normal(3, 21, mean=1e4)),
        case("one column", normal(4, 1), total=0.75),
        case("long", normal(2, 5000, std=1e-3)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 4096)),
)
def project_simplex(x, /, *, axis=-1, total=1.0, out=None):
    r"""Project `x` along `axis` on the nearest point of the simplex.

    .. math:: y_i = \max(x_i - \theta, 0), \qquad \theta \text{ such that } \sum_i y_i = z

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    axis : int or tuple of int
        The axis that shall sum to `total`; several count as one.
    total : float
        The sum :math:`z`, above zero: the simplex is all y >= 0 of that sum.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. -inf beside a finite number gives 0. A row of -inf, and a row
        with a NaN or +inf, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `total` is no number.
    ValueError
        `axis` is empty or missing, `total` is not finite and above zero, or `out` overlaps `x` in part.

    Notes
    -----
    With total 1 this is the sparsemax of Martins and Astudillo. The formula sorts; the kernel takes Newton's steps
    on the piecewise linear equation of :math:`\theta`, which end after finitely many.

    References
    ----------
    Chen, Zhang, Tu, Zhao and Zhang, Optimistic Online Mirror Descent, 2023, use it; the algorithm by sorting is that
    of Duchi, Shalev-Shwartz, Singer and Chandra, ICML 2008, figure 1 (neither read again: the formula is as
    catalogued from the codes of POT and entmax).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.project_simplex(np.array([1.0, 0.5, -2.0]))
    array([0.75, 0.25, 0.  ])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    require_size("total", total, zero=False)
    check_out(out, x)
    rows, into = to_rows(xp, axis, x, out)
    if takes(kernels, rows):
        y = run(kernels.project_simplex, rows, total, out=into)
    else:
        (wide,) = widen(xp, rows)
        y = below_threshold(xp, wide, total, roomy=roomy(rows, wide))
        y = xp.where(y <= 0, xp.zeros_like(y), y)
    return give_back(xp, y, x, axis, out)


@gradient(project_simplex)
def project_simplex_vjp(cotangent, x, /, *, axis=-1, total=1.0):
    r"""Return the cotangent of `x` for a cotangent of ``project_simplex(x)``.

    .. math:: \bar x_i = \Bigl( \bar y_i - \frac{1}{|S|} \sum_{j \in S} \bar y_j \Bigr) [i \in S], \qquad
        S = \{ i : y_i > 0 \}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis, total
        As in :func:`project_simplex`.

    Returns
    -------
    array
        The cotangent of `x`. On the border of the support, where y is exactly 0 from both sides, an element counts
        as outside.

    Raises
    ------
    TypeError, ValueError
        As in :func:`project_simplex`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the projection, as Martins and Astudillo, From Softmax to Sparsemax, 2016, have it for total 1
    (not read again).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.project_simplex_vjp(np.array([1.0, 0.0, 5.0]), np.array([1.0, 0.5, -2.0]))
    array([ 0.5, -0.5,  0. ])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    require_size("total", total, zero=False)
    rows, g = to_rows(xp, axis, x, cotangent)
    if takes(kernels, g, rows):
        dx = run(kernels.project_simplex_vjp, g, rows, total)
    else:
        wide, g = widen(xp, rows, g)
        spare = roomy(rows, wide)
        y = below_threshold(xp, wide, total, roomy=spare)
        outside, none = y <= 0, xp.zeros_like(y)
        inside = xp.astype(~outside, y.dtype)
        mean = sum_last(xp, xp.where(outside, none, g), roomy=spare) / sum_last(xp, inside, roomy=True)
        dx = xp.where(outside, none, g - mean + (y - y))  # y - y: a NaN of x is one of the answer
    return give_back(xp, dx, x, axis)


@operator(
    paper="chen2023optimistic",
    cases=[
        case("rows", normal(4, 8)),
        case("radius", normal(3, 37), radius=2.5),
        case("inside and outside", normal(9, 5), radius=2.2),
        case("axis", normal(3, 5, 4, mean=2.0), axis=1, radius=0.5),
        case("two axes", normal(2, 3, 5), axis=(1, 2)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(4096, 1024)),
)
def project_l2_ball(x, /, *, axis=-1, radius=1.0):
    r"""Project `x` along `axis` on the nearest point of the ball of l2.

    .. math:: y = x \, \min \Bigl( 1, \frac{r}{\lVert x \rVert_2} \Bigr)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    axis : int or tuple of int
        The axis that is one vector; several count as one.
    radius : float
        The radius :math:`r` of the ball about 0, not below zero, in units of x.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A vector inside the ball, or on its surface, comes back as it
        is. A NaN makes its whole vector NaN; an infinity becomes NaN and what is beside it 0.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `radius` is no number.
    ValueError
        `axis` is empty or missing, or `radius` is negative or not finite.

    Notes
    -----
    It is the gradient clipping by norm of one array. torch.renorm divides by the norm + 1e-7.

    References
    ----------
    Chen, Zhang, Tu, Zhao and Zhang, Optimistic Online Mirror Descent, 2023 (not read again: the formula is as
    catalogued from pyproximal and torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.project_l2_ball(np.array([[3.0, 4.0], [0.5, 0.0]]), radius=2.5)
    array([[1.5, 2. ],
           [0.5, 0. ]])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    require_size("radius", radius)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    size = length(xp, wide, roomy=roomy(rows, wide))
    inside = size <= radius
    y = xp.where(inside, wide, wide * (radius / xp.where(inside, xp.ones_like(size), size)))
    return give_back(xp, y, x, axis)


@gradient(project_l2_ball)
def project_l2_ball_vjp(cotangent, x, /, *, axis=-1, radius=1.0):
    r"""Return the cotangent of `x` for a cotangent of ``project_l2_ball(x)``.

    .. math:: \bar x = \bar y \text{ inside}, \qquad
        \bar x = \frac{r}{\lVert x \rVert} \Bigl( \bar y - \hat x \sum_j \hat x_j \bar y_j \Bigr) \text{ outside},
        \quad \hat x = x / \lVert x \rVert

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, axis, radius
        As in :func:`project_l2_ball`.

    Returns
    -------
    array
        The cotangent of `x`. A vector on the surface counts as inside.

    Raises
    ------
    TypeError, ValueError
        As in :func:`project_l2_ball`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the projection used by Chen et al., 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.project_l2_ball_vjp(np.array([1.0, 0.0]), np.array([0.0, 4.0]))
    array([0.25, 0.  ])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis)
    require_size("radius", radius)
    rows, g = to_rows(xp, axis, x, cotangent)
    wide, g = widen(xp, rows, g)
    spare = roomy(rows, wide)
    size = length(xp, wide, roomy=spare)
    inside = size <= radius
    size = xp.where(inside, xp.ones_like(size), size)
    unit = wide / size
    dx = xp.where(inside, g, (radius / size) * (g - unit * sum_last(xp, unit * g, roomy=spare)))
    return give_back(xp, dx, x, axis)


def levels(*shape):
    """Draw few different magnitudes, so that there are ties."""
    return Draw(shape, lambda rng, s: 0.5 * rng.integers(-3, 4, s), "levels")


@operator(
    paper=("seo2024teddy", "beznosikov2021distributed"),
    cases=[
        case("rows", normal(4, 8), k=3),
        case("ties", levels(5, 9), k=4),
        case("axis", normal(3, 5, 4, mean=2.0), axis=1, k=2),
        case("all axes", normal(2, 3, 5), axis=(0, 1, 2), k=7),
        case("no rows", normal(0, 4), k=1),
    ],
    bench=case("rows", normal(4096, 1024), k=64),
    rows=lambda x, rng: ([x], {"k": 1 + x.shape[1] // 3}),
)
def project_l0_ball(x, /, *, k, axis=-1):
    r"""Project `x` along `axis` on the nearest point with at most `k` elements that are not zero.

    .. math:: y_i = x_i \, [i \in T], \qquad T = \text{the } k \text{ largest of } |x_j|

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    k : int
        How many elements may stay, not below zero; where it is the size of `axis` or more, all stay.
    axis : int or tuple of int
        The axis that is one vector; several count as one, and all of them are the whole array.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Of equal magnitudes the first stay. A NaN counts as infinitely
        large, and so stays before any number.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `k` is no int.
    ValueError
        `axis` is empty or missing, or `k` is negative.

    Notes
    -----
    Also called hard thresholding, top-k compression and magnitude pruning: there a share s of P parameters is zeroed,
    which is k = P - ceil(s P) over all of them together. Ties are broken by index; torch.topk promises no order.

    References
    ----------
    Seo et al., TEDDY, 2024, and Beznosikov et al., Distributed Methods with Compressed Communication, 2021 (neither
    read again: as catalogued from the code of the first and pyproximal).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.project_l0_ball(np.array([3.0, -1.0, 1.0, -4.0]), k=3)
    array([ 3., -1.,  0., -4.])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    require_size("k", index(k))
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    far = xp.full_like(wide, -math.inf)
    order = xp.argsort(xp.where(xp.isnan(wide), far, -xp.abs(wide)), axis=-1, stable=True)
    rank = xp.argsort(order, axis=-1, stable=True)
    return give_back(xp, xp.where(rank < k, wide, xp.zeros_like(wide)), x, axis)


def in_box(x, rng):
    """Return rows with bounds of their own size."""
    size = np.mean(np.abs(x))
    low, high = size * rng.uniform(-1, 0, x.shape[1]), size * rng.uniform(0.5, 1, x.shape[1])
    return [x, low, high], {"total": float(size)}


@operator(
    paper="abbas2024effective",
    cases=[
        case("rows", normal(4, 8), uniform(8, low=-1.0, high=0.0), positive(8), total=1.5),
        case(
            "tight", normal(3, 21, std=3.0), uniform(21, low=-1.0, high=0.0), uniform(21, low=0.1, high=0.5), total=2.0
        ),
        case("below zero", normal(3, 9), uniform(9, low=-2.0, high=-1.0), uniform(9, high=0.2), total=-4.0),
        case("offset", normal(3, 12, mean=1e3), uniform(12, high=0.1), positive(12)),
        case("no rows", normal(0, 4), uniform(4, low=-1.0, high=0.0), positive(4)),
    ],
    bench=case("rows", normal(1024, 256), uniform(256, high=0.001), positive(256), total=9.0),
    rows=in_box,
)
def project_box_simplex(x, lower, upper, /, *, total=1.0):
    r"""Project rows on the nearest point of a box at which they sum to `total`.

    .. math:: y_i = \min(\max(x_i - \mu, l_i), u_i), \qquad \mu \text{ such that } \sum_i y_i = z

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    lower, upper : array
        The bounds :math:`l \le u` of each element, of shape (n,). `upper` may be infinite.
    total : float
        The sum :math:`z`, from the sum of `lower` to that of `upper`.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Where `total` is less than the bounds allow, a row lies on the
        lower bounds; where it is more, on the upper. A row with a NaN or an infinity is all NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `total` is no number.
    ValueError
        `lower` or `upper` has not the shape (n,), n is 0, or `total` is not finite.

    Notes
    -----
    With bounds 0 and infinity this is :func:`project_simplex`. The sum falls with :math:`\mu`, in straight pieces
    between the values :math:`x_i - l_i` and :math:`x_i - u_i`: those are sorted and the right piece is solved. The
    released code solves the quadratic programme by OSQP to its default tolerance and rounds to whole numbers.

    References
    ----------
    Abbas et al., Effective Pruning of Web-Scale Data Based on Complexity of Concept Clusters, 2024 (not read again:
    the problem is as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.project_box_simplex(np.array([3.0, 1.0, 0.0]), np.zeros(3), np.full(3, 0.75))
    array([0.75, 0.25, 0.  ])
    """
    xp, x, lower, upper = prepare(x, lower, upper, need=3)
    require_along(x, -1)
    require_shape("lower", lower, x.shape[-1:])
    require_shape("upper", upper, x.shape[-1:])
    require_size("total", total, least=-math.inf)
    wide, low, high = widen(xp, x, lower, upper)
    spare = roomy(x, wide)
    # no element can take more than all that is left above the lower bounds: an infinite bound becomes finite
    high = xp.minimum(high, low + xp.maximum(total - sum_last(xp, low, roomy=spare), 0 * low))
    y = boxed(xp, wide, low, high, total, roomy=spare)
    # an infinity has no place on the plane
    y = xp.where(xp.isfinite(xp.sum(wide, axis=-1, keepdims=True)), y, xp.full_like(y, math.nan))
    return give_back(xp, y, x)


# ---- laws ----


@law(project_simplex, normal(4, 9))
def sums_to_total(f, x):
    y = f(x, total=2.5)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 2.5


@law(project_simplex, normal(4, 9))
def shift_free(f, x):
    return f(x + 4), f(x)


@law(project_simplex, normal(4, 9))
def order_free(f, x):
    return f(x[:, ::-1]), f(x)[:, ::-1]


@law(project_simplex, normal(4, 9))
def total_is_in_units_of_x(f, x):
    return f(4 * x, total=2.0), 4 * f(x, total=0.5)


@law(project_simplex, normal(4, 9))
def stays_once_there(f, x):
    return f(f(x)), f(x)


@law(project_l2_ball, normal(4, 9))
def reaches_the_surface(f, x):
    y = f(x, radius=0.25)
    return (y**2).sum(axis=-1), (y**2).sum(axis=-1) * 0 + 0.0625


@law(project_l2_ball, normal(4, 9))
def inside_it_stays(f, x):
    return f(x, radius=20.0), x


@law(project_l2_ball, normal(4, 9))
def radius_is_in_units_of_x(f, x):
    return f(4 * x, radius=6.0), 4 * f(x, radius=1.5)


@law(project_l2_ball, normal(4, 9))
def is_odd(f, x):
    return f(-x, radius=1.5), -f(x, radius=1.5)


@law(project_l0_ball, normal(4, 9))
def signs_stay(f, x):
    return f(-x, k=4), -f(x, k=4)


@law(project_l0_ball, normal(4, 9))
def fewer_of_fewer(f, x):
    return f(f(x, k=6), k=3), f(x, k=3)


@law(project_l0_ball, normal(4, 9))
def all_of_all(f, x):
    return f(x, k=9), x


@law(project_box_simplex, normal(4, 9), uniform(9, low=-1.0, high=0.0), positive(9))
def box_sums_to_total(f, x, low, high):
    y = f(x, low, high, total=1.5)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 1.5


@law(project_box_simplex, normal(4, 9), uniform(9, low=-1.0, high=0.0), positive(9))
def mirrored(f, x, low, high):
    return f(-x, -high, -low, total=-1.5), -f(x, low, high, total=1.5)


@law(project_box_simplex, normal(4, 9), uniform(9, low=-1.0, high=0.0), positive(9))
def shift_of_the_data_is_free(f, x, low, high):
    return f(x + 4, low, high, total=0.5), f(x, low, high, total=0.5)
