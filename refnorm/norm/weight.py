"""W = g V / ||V||: a weight by its length and its direction, and the lengths of class weights."""

from __future__ import annotations

import math
import operator as op

from .._cases import case, normal
from .._core.channels import as_rows, moved
from .._core.norms import length
from .._core.sums import total
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    roomy,
    widen,
)
from .unit import norm_of, scale_of

kernels = load(__name__)


def kept_first(xp, axis, *arrays):
    """Return views with the kept `axis` first; where none is kept, an axis of length 1 stands for it."""
    if axis is None:
        return tuple([a if a is None else xp.expand_dims(a, axis=0) for a in arrays])
    return moved(xp, axis, 0, *arrays)


def put_back(xp, y, axis):
    """Return what `kept_first` made with its first axis where it came from."""
    return y[0, ...] if axis is None else moved(xp, 0, axis, y)[0]


def kept_axis(x, gains, axis, eps):
    """Return the kept axis counted from the front, or None; refuse lengths of no element and gains of another shape."""
    try:
        kept = None if axis is None else op.index(axis)
    except TypeError:
        raise TypeError(f"axis must be one int, the axis that is kept, or None, got {axis!r}") from None
    others = tuple(a for a in range(x.ndim) if kept is None or a not in (kept, kept + x.ndim))
    if kept is not None and len(others) == x.ndim:
        raise ValueError(f"axis {kept} does not exist in an array of {x.ndim} axes")
    require_along(x, others or 0, eps)
    require_shape("gains", gains, () if kept is None else (x.shape[kept],))
    return None if kept is None else kept % x.ndim


def flat(xp, gains):
    """Return gains as one axis, also those of shape ()."""
    return gains if gains is None or gains.ndim == 1 else xp.reshape(gains, (-1,))


def direction(xp, x, eps, *, roomy):
    """Return (u, d, scale, size) of rows: u = x / (||x|| + eps), d = x / ||x||, ||x|| + eps = scale * size."""
    scale = scale_of(xp, x, 2, eps, roomy=roomy)
    scaled = x / scale
    norm = norm_of(xp, scaled, 2, roomy=roomy)
    size = norm + eps / scale
    return scaled / size, scaled / xp.where(norm == 0, xp.ones_like(norm), norm), scale, size


@operator(
    paper=("salimans2016weight", "huang2024gradient"),
    kernel="weight_norm",
    cases=[
        case("rows", normal(4, 8)),
        case("gains", normal(3, 2, 5), normal(3)),
        case("loud eps", normal(4, 8), normal(4), eps=2.5),
        case("columns", normal(3, 5, 4), normal(5), axis=1, eps=0.25),
        case("channels last", normal(2, 3, 4, 5), normal(5), axis=-1),
        case("whole", normal(3, 7), axis=None, eps=0.5),
        case("vector", normal(6), normal(6), axis=0, eps=0.5),
        case("small rows", normal(5, 16, std=1e-3), normal(5), eps=4e-3),
        case("offset", normal(3, 33, mean=30.0), normal(3), eps=40.0),
        case("long", normal(2, 1030), normal(2)),
        case("no rows", normal(0, 4), normal(0)),
    ],
    bench=case("rows", normal(4096, 4096), normal(4096)),
    rows=lambda x, rng: ([x, rng.normal(size=len(x))], {}),
)
def weight_norm(x, gains=None, /, *, axis=0, eps=0.0, out=None):
    r"""Give every slice of the weight `x` along `axis` a length of its own, and keep its direction.

    .. math:: y_k = g_k \frac{x_k}{\|x_k\|_2 + \epsilon}

    where k counts along `axis` and the norm runs over all other axes.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The direction, V in the paper: a weight of any shape.
    gains : array, optional
        The lengths :math:`g`, of shape (n,) for an `axis` of size n, of shape () where `axis` is None. Left out, they
        are 1, and the answer is the direction part of `x`.
    axis : int or None
        The axis that is *kept*: one length for each of its entries. None takes the whole array as one slice.
    eps : float
        Added to the norm, in units of x.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`, empty where `axis` is. A slice of zeros gives zeros while eps > 0,
        else NaN, as in torch. A NaN makes its slice NaN; an infinity makes itself NaN and the rest of its slice 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is no int and not None.
    ValueError
        `gains` has not the shape of `axis`, a slice is empty, `axis` does not exist, `eps` is negative, `out`
        overlaps.

    Notes
    -----
    `axis` is what torch calls `dim`, but for -1: there `dim=-1` and `dim=None` both mean the whole array, here -1 is
    the last axis. torch's gains have axes of length 1 beside; here they are flat. A slice of one element becomes its
    sign times the gain. The released code of the second paper adds eps 1e-12 to the norm, the paper of the first has
    none. See ``refnorm conventions weight_norm``.

    References
    ----------
    Salimans and Kingma, Weight Normalization, 2016, equation 2 (not read again: the formula is confirmed against
    torch). Huang et al., Gradient Weight-normalized Low-rank Projection for Efficient LLM Training, 2024 (as
    catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> v = np.array([[3.0, 4.0], [0.0, 2.0]])
    >>> refnorm.norm.weight_norm(v, np.array([10.0, 1.0]))
    array([[6., 8.],
           [0., 1.]])
    """
    xp, x, gains = prepare(x, gains)
    kept = kept_axis(x, gains, axis, eps)
    check_out(out, x, gains)
    planes, into, g = *kept_first(xp, kept, x, out), flat(xp, gains)
    if takes(kernels, planes, g):
        y = run(kernels.weight_norm, planes, g, eps, out=into, units=planes.shape[0])
    else:
        rows, g = as_rows(xp, *widen(xp, planes, g))
        u, *_ = direction(xp, rows, eps, roomy=roomy(x, rows))
        y = xp.reshape(u if g is None else u * g, planes.shape)
    return give_back(xp, put_back(xp, y, kept), x, out=out)


@gradient(weight_norm)
def weight_norm_vjp(cotangent, x, gains=None, /, *, axis=0, eps=0.0):
    r"""Return the cotangents of `x` and `gains` for a cotangent of ``weight_norm(x, gains)``.

    .. math::
        \bar x_k = \frac{g_k}{n_k} \Bigl( \bar y_k - \frac{x_k}{\|x_k\|} \, \bar g_k \Bigr), \quad
        \bar g_k = \Bigl\langle \bar y_k, \frac{x_k}{n_k} \Bigr\rangle, \quad n_k = \|x_k\| + \epsilon

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, gains, axis, eps
        As in :func:`weight_norm`.

    Returns
    -------
    tuple
        ``(dx, dgains)``; None where there are no gains. The norm counts as a constant at a slice of zeros.

    Raises
    ------
    TypeError, ValueError
        As in :func:`weight_norm`; also where `cotangent` has not the shape of `x`.

    Notes
    -----
    The released code of Huang et al. drops the factor :math:`g_k`, and its other optimizer the projection.

    References
    ----------
    Salimans and Kingma, Weight Normalization, 2016, equation 3 (not read again); confirmed against torch's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> dx, dg = refnorm.norm.weight_norm_vjp(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([2.0]))
    >>> dx.round(3), dg  # no part of dx along x
    (array([[ 0.256, -0.192]]), array([0.6]))
    """
    xp, cotangent, x, gains = prepare(cotangent, x, gains, need=2)
    require_same_shape("cotangent", cotangent, x)
    kept = kept_axis(x, gains, axis, eps)
    c, planes, g = *kept_first(xp, kept, cotangent, x), flat(xp, gains)
    if takes(kernels, c, planes, g):
        n = planes.shape[0]
        dx, (dg, _) = run(kernels.weight_norm_vjp, c, planes, g, eps, parts=(1, 2, n), units=n)
    else:
        c, rows, g = as_rows(xp, *widen(xp, c, planes, g))
        spare = roomy(x, rows)
        u, d, scale, size = direction(xp, rows, eps, roomy=spare)
        dg = total(xp, c * u, roomy=spare)
        dx = (c - d * dg) / size / scale
        dx = xp.reshape(dx if g is None else dx * g, planes.shape)
    return give_back(xp, put_back(xp, dx, kept), x), like_weight(xp, dg, gains)


@law(weight_norm, normal(4, 8), normal(4))
def scale_free(f, x, gains):
    return f(8 * x, gains), f(x, gains)


@law(weight_norm, normal(4, 8), normal(4))
def gains_are_lengths(f, x, gains):
    return (f(x, gains) ** 2).sum(axis=1) ** 0.5, abs(gains)


@law(weight_norm, normal(3, 4, 5), normal(5))
def the_last_axis_is_one_like_another(f, x, gains):
    return f(x, gains, axis=-1, eps=0.5), f(x.transpose(2, 0, 1), gains, eps=0.5).transpose(1, 2, 0)


@law(weight_norm, normal(4, 8), normal(4))
def eps_is_in_units_of_x(f, x, gains):
    return f(4 * x, gains, eps=4 * 3.0), f(x, gains, eps=3.0)


@law(weight_norm, normal(4, 8))
def none_keeps_no_axis(f, x):
    return f(x, axis=None, eps=0.5), f(x.reshape(1, -1), eps=0.5).reshape(x.shape)


# ---- class weights ----


@operator(
    paper="xiao2024fedloge",
    cases=[
        case("unit rows", normal(5, 8)),
        case("global", normal(4, 7), scale=1.7),
        case("half the exponent", normal(4, 7), tau=0.5, scale=3.0),
        case("other lengths", normal(5, 8), normal(5, 8), scale=-0.5),
        case("personal", normal(5, 8), normal(5, 3), tau=0.0),
        case("small", normal(3, 16, std=1e-2), normal(3, 16), tau=0.5),
        case("no classes", normal(0, 4), normal(0, 4)),
    ],
    bench=case("head", normal(1000, 2048), normal(1000, 2048)),
    rows=lambda x, rng: ([x, rng.normal(size=(len(x), 3))], {"tau": 0.5, "scale": 1.7}),
)
def class_norm_realign(x, other=None, /, *, tau=1.0, scale=1.0):
    r"""Take the lengths out of the weights of classes, and give them those of other weights if asked.

    .. math:: y_k = s \, \frac{x_k}{\|x_k\|_2^\tau} \quad\text{or}\quad
        y_k = s \, \frac{x_k}{\|x_k\|_2^\tau} \, \|o_k\|_2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The weights of K classes, a row each: (K, n).
    other : array, optional
        The weights :math:`o` whose lengths the answer takes over: (K, any).
    tau : float
        How much of the length to take out: 1 leaves rows of unit length, 0 leaves `x`.
    scale : float
        The factor :math:`s`.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no classes. A row of zeros gives NaN while
        tau > 0. A NaN makes its row NaN; an infinity makes itself NaN and the rest of its row 0 where tau is above 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        `x` or `other` is no matrix of K rows that are not empty, or an option is not finite.

    Notes
    -----
    The released code calibrates the global head with tau 1 and scale 1.7, without an eps, and leaves the bias as it
    is. For a client it multiplies the global rows by the lengths of the client's head without taking out their own
    (tau 0): the division is commented out there. With tau between 0 and 1 this is the tau-normalized classifier. Where
    all lengths are equal and no bias stands beside, no class decision changes. See ``refnorm conventions
    class_norm_realign``.

    References
    ----------
    Xiao et al., FedLoGe: Joint Local and Generic Federated Learning under Long-tailed Data, 2024 (the text not read
    again; update_baseline.py and realignment.py of the released code, as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[3.0, 4.0], [0.0, 2.0]])
    >>> refnorm.norm.class_norm_realign(x, scale=1.7)
    array([[1.02, 1.36],
           [0.  , 1.7 ]])
    >>> refnorm.norm.class_norm_realign(x, np.array([[10.0], [1.0]]))
    array([[6., 8.],
           [0., 1.]])
    """
    xp, x, other = prepare(x, other)
    for name, rows in (("x", x), ("other", other)):
        if rows is not None and (rows.ndim != 2 or rows.shape[1] == 0 or rows.shape[0] != x.shape[0]):
            raise ValueError(f"{name} must have a row that is not empty for each class, got {tuple(rows.shape)}")
    for name, value in (("tau", tau), ("scale", scale)):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}")
    wide, o = widen(xp, x, other)
    spare = roomy(x, wide)
    y = scale * (wide / length(xp, wide, roomy=spare) ** tau)
    return give_back(xp, y if o is None else y * length(xp, o, roomy=spare), x)


@law(class_norm_realign, normal(4, 8), normal(4, 5))
def lengths_are_those_of_the_other(f, x, other):
    return (f(x, other) ** 2).sum(axis=1), (other * other).sum(axis=1)


@law(class_norm_realign, normal(4, 8))
def its_own_lengths_change_nothing(f, x):
    return f(x, x), x


@law(class_norm_realign, normal(4, 8))
def scale_leaves_by_the_exponent(f, x):
    return f(4 * x, tau=0.5), 2 * f(x, tau=0.5)


@law(class_norm_realign, normal(4, 8), normal(4, 8))
def exponent_none_is_a_product(f, x, other):
    return f(x, other, tau=0.0, scale=2.0), 2 * x * (other * other).sum(axis=1, keepdims=True) ** 0.5
