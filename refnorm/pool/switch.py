"""One cell chosen in every window: drawn by chance, or found before and put back where it was."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, integers, normal, positive, uniform
from .._core.segments import first_of_each
from .._core.sums import total
from .._core.windows import cells, windows
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_indices, require_shape, roomy, widen
from .adaptive import planes, sizes_asked
from .window import lines, pooled_shape


@operator(
    paper="zeiler2011adaptive",
    cases=[
        case("plane", normal(2, 3, 3, 4), integers(2, 3, 3, 4, high=48), output_size=(6, 8)),
        case("line, some beyond", normal(2, 2, 5), integers(2, 2, 5, low=-1, high=9), output_size=8),
        case("met twice", normal(2, 2, 4, 3), integers(2, 2, 4, 3, high=6), output_size=(2, 3)),
        case("no images", normal(0, 3, 2), integers(0, 3, 2, high=4), output_size=4),
    ],
    bench=case("plane", normal(32, 64, 56, 56), integers(32, 64, 56, 56, high=112 * 112), output_size=112),
    rows=lambda x, rng: (
        [x[:, None, :], rng.integers(0, 2 * x.shape[1], (len(x), 1, x.shape[1]))],
        {"output_size": 2 * x.shape[1]},
    ),
)
def max_unpool(x, indices, /, *, output_size):
    r"""Put each element of `x` back at the cell of a larger map that an index names; zeros elsewhere.

    .. math:: y_j = \begin{cases} x_i & i = \min \{ i' : \mathrm{indices}_{i'} = j \} \\ 0 & \text{no such } i'
        \end{cases}

    in every plane by itself, with i and j counted in row-major order.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The maxima, of shape (N, C, *pooled).
    indices : array of integers
        Where in its plane each was found, of the shape of `x`: h W + w for a map (H, W). What is outside the map (-1,
        for none) is left out.
    output_size : int or tuple of int
        The spatial sizes of the answer.

    Returns
    -------
    array
        (N, C, *output_size), in the dtype, library and device of `x`.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `indices` no integers, they are of two libraries, or `output_size` is no
        integer.
    ValueError
        `indices` has another shape, or `output_size` the wrong length or a size below 1.

    Notes
    -----
    Windows that overlap find a maximum twice: the element is the same. Where indices of different elements are equal,
    the first is taken; torch leaves that open. ONNX counts indices through all planes: take them modulo the size of
    one. See ``refnorm conventions max_unpool``.

    References
    ----------
    Zeiler, Taylor and Fergus, Adaptive Deconvolutional Networks for Mid and High Level Feature Learning, 2011 (not read
    again: the formula is confirmed against torch and onnxruntime).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.max_unpool(np.array([[[7.0, 5.0]]]), np.array([[[1, 2]]]), output_size=4)
    array([[[0., 7., 5., 0.]]])
    """
    xp, x = prepare(x)
    require_indices(xp, "indices", indices, x.shape)
    sizes = sizes_asked(x.shape, output_size)
    count, cells_each = planes(x), math.prod(sizes)
    index = xp.reshape(indices, (count, -1) if count else (0, 1))
    inside = (index >= 0) & (index < cells_each)
    first = xp.arange(count, device=device(x))[:, None] * cells_each
    cell = xp.where(inside, first + xp.astype(index, first.dtype), xp.full_like(first, -1))
    y = first_of_each(xp, xp.reshape(x, (-1,)), xp.reshape(cell, (-1,)), count * cells_each)
    return give_back(xp, xp.reshape(y, (*x.shape[:2], *sizes)), x)


def drawn(xp, a, mark):
    """Return the cell of each window in which the running sum passes `mark`: the last above zero if none does."""
    before, y = xp.zeros_like(mark), xp.zeros_like(mark)
    for cell in range(a.shape[-1]):
        share = a[..., cell]
        y = xp.where((share > 0) & (before <= mark), share, y)
        before = before + share
    return y


@operator(
    paper="zeiler2013stochastic",
    cases=[
        case("plane", normal(2, 3, 6, 8, mean=0.5), uniform(2, 3, 3, 4), window=2),
        case("overlap", positive(2, 2, 7, 8), uniform(2, 2, 4, 4), window=3, stride=2, padding=1),
        case("line", normal(2, 3, 11), uniform(2, 3, 4), window=4, stride=3, padding=((1, 1),)),
        case("mean", normal(2, 3, 6, 8, mean=1.0), None, window=(3, 2), stride=(1, 2)),
        case("mean, ceil", normal(1, 2, 4, 7, mean=1.0), None, window=2, stride=3, padding=1, ceil_mode=True),
        case("no images", normal(0, 3, 6), uniform(0, 3, 3), window=2),
    ],
    bench=case("plane", normal(8, 64, 56, 56), uniform(8, 64, 28, 28), window=2),
    rows=lambda x, rng: ([x[:, None, :], None], lines(x, rng)[1]),
)
def stochastic_pool(x, u=None, /, *, window, stride=None, padding=0, ceil_mode=False):
    r"""Draw one cell of every window, with a chance that is its share of the sum; or take the mean by those chances.

    .. math:: y = a_i, \quad i = \min \Bigl\{ i : \sum_{j \le i} p_j > u \Bigr\}, \qquad
        p_j = \frac{a_j}{\sum_k a_k}, \quad a = \max(x, 0)

    over the cells of a window in row-major order, and :math:`y = \sum_j p_j a_j` where no `u` is given.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial); what is below zero counts as zero, as behind a rectifier.
    u : array, optional
        A uniform number from [0, 1) for every window, of the shape of the answer: the draw. None for the mean, which
        the paper takes in testing.
    window, stride, padding, ceil_mode
        As in :func:`max_pool`. Padding is zero and is never drawn.

    Returns
    -------
    array
        (N, C, *pooled), in the dtype, library and device of `x`. A window without anything above zero gives 0; the sum
        of a window is its answer where that is NaN or infinite.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or an option is no integer.
    ValueError
        `u` has another shape, no window fits, a window would see nothing but padding, or an option has the wrong
        length.

    References
    ----------
    Zeiler and Fergus, Stochastic Pooling for Regularization of Deep Convolutional Neural Networks, 2013, equations 4
    to 6 as remembered: not read again.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[1.0, 3.0, 2.0, 0.0]]])
    >>> refnorm.pool.stochastic_pool(x, np.array([[[0.5, 0.5]]]), window=2)  # 3 has the upper three quarters
    array([[[3., 2.]]])
    >>> refnorm.pool.stochastic_pool(x, window=2)
    array([[[2.5, 2. ]]])
    """
    xp, x, u = prepare(x, u)
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    require_shape("u", u, pooled_shape(x, axes))
    wide, u = widen(xp, x, u)
    a = cells(xp, xp.where(wide < 0, xp.zeros_like(wide), wide), axes, 0.0)
    spare = roomy(x, wide)
    s = total(xp, a, roomy=spare)
    if u is None:
        y = total(xp, a * (a / xp.where(s == 0, xp.ones_like(s), s)), roomy=spare)[..., 0]
    else:
        y = drawn(xp, a, u * s[..., 0])
    s = s[..., 0]
    return give_back(xp, xp.where(xp.isfinite(s), y, s), x)


@law(max_unpool, normal(2, 3, 5))
def lands_where_it_is_sent(f, x):
    indices = (x > 9) + x.shape[-1] - 1 - np.arange(x.shape[-1])
    return f(x, indices, output_size=x.shape[-1]), x[..., ::-1]


@law(max_unpool, normal(2, 3, 4), integers(2, 3, 4, high=9))
def the_first_wins(f, x, indices):
    twice = np.concatenate([x, 7 * x], axis=-1)
    return f(twice, np.concatenate([indices, indices], axis=-1), output_size=9), f(x, indices, output_size=9)


@law(max_unpool, normal(2, 3, 4), integers(2, 3, 4, high=9))
def linear_put_back(f, x, indices):
    return f(-4 * x, indices, output_size=9), -4 * f(x, indices, output_size=9)


@law(stochastic_pool, positive(2, 3, 8), uniform(2, 3, 4))
def a_draw_has_no_unit(f, x, u):
    return f(8 * x, u, window=2), 8 * f(x, u, window=2)


@law(stochastic_pool, positive(2, 3, 8), uniform(2, 3, 4))
def the_other_end_is_the_other_cell(f, x, u):
    return f(x[..., ::-1], 1 - u[..., ::-1], window=2)[..., ::-1], f(x, u, window=2)


@law(stochastic_pool, positive(2, 3, 8))
def the_mean_is_over_all_draws(f, x):
    middle = (np.arange(64) + 0.5) / 64
    even = np.round(64 * x[..., 1:2] / (x[..., :1] + x[..., 1:2] + x.max()))  # whole shares of 64
    pair = np.concatenate([even, 64 - even], axis=-1)
    each = [f(pair, u + 0 * even, window=2) for u in middle]
    return sum(each) / 64, f(pair, window=2)
