"""Mean or maximum over sliding windows of (N, C, *spatial)."""

from __future__ import annotations

from .._cases import Draw, case, normal
from .._core.windows import divisors, per_axis, slide, spread, spread_to_first, window_sum, windows
from .._lanes import load, run, scratch, takes
from .._registry import gradient, law, operator
from .._xp import check_out, give_back, prepare, require_shape, roomy, widen

kernels = load(__name__)

MAX_CASES = [
    case("plane", normal(2, 3, 6, 7), window=2),
    case("overlap", normal(2, 3, 7, 8), window=3, stride=2, padding=1),
    case("two sizes", normal(1, 2, 8, 9), window=(3, 2), stride=(2, 3)),
    case("line", normal(2, 3, 11), window=3, stride=1),
    case("volume", normal(1, 2, 5, 6, 4), window=2, stride=(1, 2, 2)),
    case("ceil", normal(2, 3, 7, 6), window=3, stride=2, ceil_mode=True),
    case("ceil, padded", normal(1, 2, 8, 5), window=3, stride=2, padding=1, ceil_mode=True),
    case("ceil, one taken back", normal(1, 2, 4, 7), window=2, stride=3, padding=1, ceil_mode=True),
    case("one side", normal(1, 2, 6, 5), window=2, stride=2, padding=((0, 0), (0, 1))),
    case("below zero", normal(1, 2, 6, 6, mean=-50.0), window=3, stride=2, padding=1),
    case("no images", normal(0, 3, 6, 6), window=2),
]


def zero_in_the_corner(rng, shape):
    """Return numbers below zero, with 0 beside the padding: a cell of it that counted as 0 would be as large."""
    x = -rng.gamma(2.0, 1.0, shape)
    x[..., 0, 0] = 0.0
    return x


DILATED = [
    case("nothing above zero", Draw((1, 2, 6, 7), zero_in_the_corner), window=3, stride=2, padding=1),
    case("dilated", normal(2, 2, 9, 10), window=3, stride=2, dilation=2, padding=1),
    case("two dilations", normal(1, 2, 9, 10), window=2, stride=1, dilation=(3, 2)),
]
AVG_CASES = [
    *MAX_CASES,
    case("padding left out", normal(2, 3, 7, 8), window=3, stride=2, padding=1, count_include_pad=False),
    case("ceil, left out", normal(1, 2, 8, 5), window=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    case("offset", normal(1, 2, 8, 8, mean=1e4), window=3, stride=1),
]
BENCH = normal(32, 64, 112, 112)


def lines(x, rng):
    """Return rows as lines to slide over; very long ones get few, long windows."""
    n = x.shape[1]
    return [x[:, None, :]], {"window": 1000, "stride": n // 3} if n > 10_000 else {"window": min(n, 9), "stride": 4}


def options(axes):
    """Return window, stride, dilation and padding of every axis, as the kernels take them."""
    columns = zip(*((w.length, w.stride, w.dilation, (w.before, w.after)) for w in axes), strict=True)
    return tuple(columns)


def pooled_shape(x, axes):
    """Return the shape of the answer."""
    return (*x.shape[:2], *(w.outputs for w in axes))


def planes(x):
    """Return the number of (image, channel) planes."""
    return x.shape[0] * x.shape[1]


@operator(
    paper=("lecun1989handwritten", "javan2023balanced"),
    kernel="avg_pool",
    cases=AVG_CASES,
    bench=case("plane", BENCH, window=2),
    rows=lines,
)
def avg_pool(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True, out=None):
    r"""Take the mean of every window sliding over the spatial axes of `x`.

    .. math:: y_o = \frac{1}{c_o} \sum_{j < k} x_{s o - p + j}

    along each spatial axis, where :math:`k` is the window, :math:`s` the stride, :math:`p` the padding before,
    cells outside are 0, and :math:`c_o` counts the cells of the window.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), any number of spatial axes. Channels-last memory is taken as a
        view: ``numpy.moveaxis(x, -1, 1)``.
    window : int or tuple of int
        Cells in a window, for all or each spatial axis.
    stride : int or tuple of int, optional
        Cells from one window to the next; `window` when left out.
    padding : int, tuple of int, or tuple of (before, after)
        Cells added around the data; smaller than the window. For SAME see :func:`same_padding`.
    ceil_mode : bool
        Round the number of windows up: the last may reach beyond the padding, but starts before it.
    count_include_pad : bool
        Whether :math:`c_o` counts padding. Cells that only `ceil_mode` added never count.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        (N, C, *pooled), in the dtype, library and device of `x`. NaN and infinities propagate as in a sum.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is not an integer.
    ValueError
        No window fits, a window would see nothing but padding, an option has the wrong length, or `out`
        overlaps `x`.

    Notes
    -----
    torch and Caffe count the padding, ONNX, TensorFlow and Keras do not: ``refnorm conventions avg_pool``.
    A mean over all positions, known as global average pooling, is ``mean`` over the spatial axes.

    References
    ----------
    LeCun et al., Handwritten Digit Recognition with a Back-Propagation Network, NIPS 1989 (not read again).
    Roshtkhari et al., Balanced Mixture of SuperNets for Learning the CNN Pooling Architecture,
    2023. The divisor at the border follows torch and ONNX.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> refnorm.pool.avg_pool(x, window=2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    xp, x = prepare(x)
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    shape = pooled_shape(x, axes)
    check_out(out, x, shape=shape)
    if takes(kernels, x):
        length, step, _, pad = options(axes)
        y = run(kernels.avg_pool, x, length, step, pad, count_include_pad, out=out, shape=shape, units=planes(x))
    else:
        (wide,) = widen(xp, x)
        total = window_sum(xp, wide, axes, roomy=roomy(x, wide))
        y = total / per_axis(xp, divisors(axes, count_include_pad), wide.dtype, wide)
    return give_back(xp, y, x, out=out)


@gradient(avg_pool)
def avg_pool_vjp(cotangent, x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    r"""Return the cotangent of `x` for a cotangent of ``avg_pool(x)``.

    .. math:: \bar x_i = \sum_{o \,:\, i \in \text{window } o} \bar y_o / c_o

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x : array
        The input of :func:`avg_pool`; only its shape counts.
    window, stride, padding, ceil_mode, count_include_pad
        As in :func:`avg_pool`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`avg_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The transpose of the mean of :func:`avg_pool`.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.avg_pool_vjp(np.array([[[2.0, 4.0]]]), np.zeros((1, 1, 4)), window=2)
    array([[[1., 1., 2., 2.]]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    require_shape("cotangent", cotangent, pooled_shape(x, axes))
    if takes(kernels, cotangent, x):
        length, step, _, pad = options(axes)
        dx = run(kernels.avg_pool_vjp, cotangent, length, step, pad, count_include_pad, shape=x.shape, units=planes(x))
    else:
        (g,) = widen(xp, cotangent)
        dx = spread(xp, g / per_axis(xp, divisors(axes, count_include_pad), g.dtype, g), axes)
    return give_back(xp, dx, x)


@operator(
    paper=("weng1992cresceptron", "javan2023balanced"),
    kernel="max_pool",
    cases=[*MAX_CASES, *DILATED],
    bench=case("overlap", BENCH, window=3, stride=2, padding=1),
    rows=lines,
)
def max_pool(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, out=None):
    r"""Take the maximum of every window sliding over the spatial axes of `x`.

    .. math:: y_o = \max_{j < k} x_{s o - p + d j}

    along each spatial axis, where :math:`k` is the window, :math:`s` the stride, :math:`p` the padding before
    and :math:`d` the dilation. Padding never wins.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), any number of spatial axes. Channels-last memory is taken as a
        view: ``numpy.moveaxis(x, -1, 1)``.
    window : int or tuple of int
        Cells in a window, for all or each spatial axis.
    stride : int or tuple of int, optional
        Cells from one window to the next; `window` when left out.
    padding : int, tuple of int, or tuple of (before, after)
        Cells added around the data; fewer than a window reaches over. For SAME see :func:`same_padding`.
    dilation : int or tuple of int
        Distance between the cells of a window.
    ceil_mode : bool
        Round the number of windows up: the last may reach beyond the padding, but starts before it.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        (N, C, *pooled), in the dtype, library and device of `x`. A NaN makes every window that sees it NaN;
        a window of -inf gives -inf.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is not an integer.
    ValueError
        No window fits, a window would see nothing but padding, an option has the wrong length, or `out`
        overlaps `x`.

    Notes
    -----
    torch and JAX keep NaN as here; some runtimes drop it: ``refnorm conventions max_pool``.

    References
    ----------
    Weng, Ahuja and Huang, Cresceptron: a self-organizing neural network which grows adaptively, IJCNN 1992
    (not read again: the windows are confirmed against torch and onnxruntime).
    Roshtkhari et al., Balanced Mixture of SuperNets for Learning the CNN Pooling Architecture, 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> refnorm.pool.max_pool(x, window=2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    xp, x = prepare(x)
    axes = windows(x.shape, window, stride, padding, dilation, ceil_mode)
    shape = pooled_shape(x, axes)
    check_out(out, x, shape=shape)
    if takes(kernels, x):
        y = run(kernels.max_pool, x, *options(axes), out=out, shape=shape, units=planes(x))
    else:
        (wide,) = widen(xp, x)
        y = slide(xp, wide, axes, -float("inf"), xp.maximum)
    return give_back(xp, y, x, out=out)


@gradient(max_pool)
def max_pool_vjp(cotangent, x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    r"""Return the cotangent of `x` for a cotangent of ``max_pool(x)``.

    .. math:: \bar x_i = \sum_{o \,:\, i = i^*_o} \bar y_o

    where :math:`i^*_o` is the first maximal cell of window o in row-major order; the first NaN, if there is
    one. torch and JAX choose the first cell too.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, window, stride, padding, dilation, ceil_mode
        As in :func:`max_pool`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`max_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    One subgradient of the maximum of :func:`max_pool`, chosen as stated.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.max_pool_vjp(np.array([[[2.0, 4.0]]]), np.array([[[1.0, 9.0, 5.0, 5.0]]]), window=2)
    array([[[0., 2., 4., 0.]]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    axes = windows(x.shape, window, stride, padding, dilation, ceil_mode)
    require_shape("cotangent", cotangent, pooled_shape(x, axes))
    if takes(kernels, cotangent, x):
        winners = scratch(cotangent.shape, "int32")
        dx = run(kernels.max_pool_vjp, cotangent, x, *options(axes), winners, shape=x.shape, units=planes(x))
    else:
        wide, g = widen(xp, x, cotangent)
        y = slide(xp, wide, axes, -float("inf"), xp.maximum)
        dx = spread_to_first(xp, g, wide, y, axes)
    return give_back(xp, dx, x)


@law(avg_pool, normal(2, 3, 6, 8))
def shift_comes_through(f, x):
    return f(x + 4, window=2), f(x, window=2) + 4


@law(avg_pool, normal(2, 3, 6, 8))
def linear(f, x):
    return f(4 * x, window=3, stride=2, padding=1), 4 * f(x, window=3, stride=2, padding=1)


@law(avg_pool, normal(2, 3, 8, 8))
def composes(f, x):
    return f(f(x, window=2), window=2), f(x, window=4)


@law(avg_pool, normal(2, 3, 6, 8))
def one_cell_is_identity(f, x):
    return f(x, window=1), x


@law(max_pool, normal(2, 3, 6, 8))
def shift_comes_through_maxima(f, x):
    return f(x + 4, window=2), f(x, window=2) + 4


@law(max_pool, normal(2, 3, 8, 8))
def composes_maxima(f, x):
    return f(f(x, window=2), window=2), f(x, window=4)


@law(max_pool, normal(2, 3, 6, 8))
def orders_commute(f, x):
    return f(x**3, window=2, padding=1), f(x, window=2, padding=1) ** 3


@law(max_pool, normal(2, 3, 6, 8))
def padding_never_wins(f, x):
    return f(x - 100, window=3, stride=1, padding=1), f(x, window=3, stride=1, padding=1) - 100
