"""Windows whose cells weigh differently: by the softmax of scores, by a mask, by how they are laid out."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal, simplex
from .._core.bins import bins, cells_by_bin, counts
from .._core.sums import total
from .._core.weighing import softmax_weights
from .._core.windows import around, cells, per_axis, window_sum, windows
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_shape, require_switch, roomy, widen


def shares_first(n, k, *sites):
    """Return a draw of k shares, 1 together, of every site, in front of the sites."""
    drawn = simplex(n, *sites, k)
    make = drawn.make

    def turned(rng, s):
        shares = make(rng, (s[0], *s[2:], s[1]))
        return shares.transpose(0, shares.ndim - 1, *range(1, shares.ndim - 1))

    return type(drawn)((n, k, *sites), turned, "simplex, axis 1")


@operator(
    paper="liu2024ppllava",
    cases=[
        case("plane", normal(2, 3, 5, 6), normal(2, 5, 6), window=2, tau=0.5),
        case("video", normal(2, 2, 4, 3, 5), normal(2, 4, 3, 5), window=(2, 3, 2), stride=(1, 2, 2), tau=2.0),
        case("line", normal(2, 3, 9), normal(2, 9, std=0.01), window=4, stride=2),
        case("one side", normal(2, 2, 6, 5), normal(2, 6, 5), window=3, stride=2, padding=((1, 0), (0, 2)), tau=1.0),
        case("ceil, one taken back", normal(2, 2, 4, 7), normal(2, 4, 7), window=2, stride=3, padding=1,
             ceil_mode=True, tau=1.0),
        case("offset", normal(2, 2, 8, mean=1e4), normal(2, 8), window=3, stride=1, tau=1.0),
        case("no images", normal(0, 3, 6), normal(0, 6), window=2),
    ],
    bench=case("video", normal(2, 64, 16, 24, 24), normal(2, 16, 24, 24), window=(2, 3, 3)),
    rows=lambda x, rng: ([x[:, None], rng.normal(size=x.shape)], {"window": 4, "stride": x.shape[1] // 9, "tau": 1.0}),
)  # fmt: skip
def weighted_window_pool(x, scores, /, *, window, stride=None, padding=0, ceil_mode=False, tau=0.01):
    r"""Take the mean of every window of `x`, weighed by the softmax of the scores of its cells.

    .. math:: y_o = \sum_{j \in \text{window } o} w_j x_j, \qquad
        w = \mathrm{softmax}_{j \in \text{window } o}(s_j / \tau)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), any number of spatial axes.
    scores : array
        The score s of each site, of shape (N, *spatial).
    window : int or tuple of int
        Cells in a window, for all or each spatial axis.
    stride : int or tuple of int, optional
        Cells from one window to the next; `window` when left out.
    padding, ceil_mode
        As in :func:`max_pool`. Padding has no weight.
    tau : float
        The temperature, above zero, in units of the scores.

    Returns
    -------
    array
        (N, C, *pooled), in the dtype, library and device of `x`. A NaN or an infinity makes its windows so, be its
        weight 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or an option is no number.
    ValueError
        No window fits, a window would see nothing but padding, `scores` has another shape,
        an option the wrong length, or `tau` is not above zero.

    Notes
    -----
    The released code makes a number of windows o of a size n by ``stride = n // o`` and ``window = n - (o - 1) *
    stride``; and its scores are the outcome of a softmax already.

    References
    ----------
    Liu et al., PPLLaVA: Varied Video Sequence Understanding With Prompt Guidance, 2024:
    weighted_adaptive_avg_pool3d_unfold of the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, s = np.array([[[1.0, 5.0, 2.0, 8.0]]]), np.array([[0.0, np.log(3.0), 1.0, 1.0]])
    >>> refnorm.pool.weighted_window_pool(x, s, window=2, tau=1.0)
    array([[[4., 5.]]])
    """
    xp, x, scores = prepare(x, scores, need=2)
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    require_shape("scores", scores, (x.shape[0], *x.shape[2:]))
    if not isinstance(tau, int | float):
        raise TypeError(f"tau must be a real number, got {type(tau).__name__}")
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be finite and above zero, got {tau!r}")
    wide, s = widen(xp, x, scores)
    spare = roomy(x, wide)
    weights = softmax_weights(xp, cells(xp, s[:, None, ...], axes, -math.inf) / tau, roomy=spare)
    return give_back(xp, total(xp, weights * cells(xp, wide, axes, 0.0), roomy=spare)[..., 0], x)


def taps_inside(axes) -> list[list[int]]:
    """Return, per axis, how many of the cells of each window lie inside."""
    return [
        [sum(0 <= o - w.before + j * w.dilation < w.size for j in range(w.length)) for o in range(w.outputs)]
        for w in axes
    ]


@operator(
    paper="guo2023robustifying",
    cases=[
        case("plane", normal(2, 3, 5, 6), shares_first(2, 3, 5, 6)),
        case("padding left out", normal(2, 2, 4, 5), shares_first(2, 4, 4, 5), count_include_pad=False),
        case("line", normal(2, 3, 9), normal(2, 2, 9)),
        case("offset", normal(2, 2, 8, mean=1e4), shares_first(2, 3, 8), count_include_pad=False),
        case("no images", normal(0, 3, 4, 4), shares_first(0, 2, 4, 4)),
    ],
    bench=case("tokens", normal(16, 64, 28, 28), shares_first(16, 4, 28, 28)),
    rows=lambda x, rng: ([x[:, None], rng.dirichlet(np.ones(3), (len(x), x.shape[1])).transpose(0, 2, 1)], {}),
)
def token_aware_avg_pool(x, weight, /, *, count_include_pad=True):
    r"""Mix each site of `x` with the means of its neighbourhoods of growing dilation, by weights of its own.

    .. math:: y_i = w_{0i} x_i + \sum_{k \ge 1} w_{ki} \, \frac{1}{n} \sum_{j \in \{-1, 0, 1\}^d} x_{i + k j}

    with zeros around, and n the 3^d cells of a window.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), d spatial axes.
    weight : array
        The weights w, of shape (N, K, *spatial): of the site itself, of the neighbourhood of dilation 1, of dilation 2
        and so on. A softmax over K makes them.
    count_include_pad : bool
        Whether n counts cells outside the map too.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity reaches the sites that see it, be their weight
        0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, they are of two libraries, or `count_include_pad` is no bool.
    ValueError
        `x` has no spatial axis or an empty one, or `weight` another shape.

    Notes
    -----
    The released code counts cells outside, PoolFormer's pool does not: ``refnorm conventions token_aware_avg_pool``.

    References
    ----------
    Guo, Stutz and Schiele, Robustifying Token Attention for Vision Transformers, 2023: DilatedAvgPooling of the
    released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, w = np.array([[[3.0, 6.0, 9.0]]]), np.array([[[0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]])
    >>> refnorm.pool.token_aware_avg_pool(x, w)  # neighbourhoods: 3, 6, 5
    array([[[3., 6., 5.]]])
    """
    xp, x, weight = prepare(x, weight, need=2)
    around(x.shape, 3)
    many = max([1, *weight.shape[1:2]])
    require_shape("weight", weight, (x.shape[0], many, *x.shape[2:]))
    require_switch("count_include_pad", count_include_pad)
    wide, w = widen(xp, x, weight)
    spare, terms = roomy(x, wide), [w[:, :1, ...] * wide]
    for k in range(1, many):
        axes = around(x.shape, 3, k)
        n = 3 ** len(axes) if count_include_pad else per_axis(xp, taps_inside(axes), wide.dtype, wide)
        terms.append(w[:, k : k + 1, ...] * (window_sum(xp, wide, axes, roomy=spare) / n))
    return give_back(xp, total(xp, xp.stack(terms, axis=-1), roomy=spare)[..., 0], x)


@operator(
    paper="li2024musc",
    cases=[
        case("patches", normal(2, 3, 4, 5)),
        case("fewer channels", normal(2, 4, 3, 5), window=5, output_size=3),
        case("more channels", normal(2, 2, 6), window=3, output_size=5),
        case("two windows", normal(1, 2, 5, 4), window=(3, 1)),
        case("offset", normal(1, 2, 8, mean=1e4), window=3, output_size=1),
        case("no images", normal(0, 3, 4, 4)),
    ],
    bench=case("patches", normal(2, 64, 37, 37)),
    rows=lambda x, rng: ([x[:, None]], {}),
)
def neighborhood_pool(x, /, *, window=3, output_size=None):
    r"""Take the mean of the neighbourhood of each site of `x`, its channels and cells laid end to end and binned.

    .. math:: y_{o i} = \frac{1}{b_o - a_o} \sum_{m = a_o}^{b_o - 1} v_{i m}, \qquad v_{i, c r + j} = x_{c, i + j},
        \quad a_o = \lfloor o C r / O \rfloor, \; b_o = \lceil (o + 1) C r / O \rceil

    with r cells in a window, in row-major order, and zeros around.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial).
    window : int or tuple of int
        Cells in a window, for all or each spatial axis: odd.
    output_size : int, optional
        The channels O of the answer; C when left out, which makes it the mean of each window.

    Returns
    -------
    array
        (N, O, *spatial), in the dtype, library and device of `x`. NaN and infinities propagate as in a sum.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is no integer.
    ValueError
        A spatial axis is empty, `window` is even, or `output_size` is below 1.

    Notes
    -----
    The released code normalizes before, over channels and sites together, without gain or shift; and does this for
    windows of 1, 3 and 5.

    References
    ----------
    Li et al., MuSc: Zero-Shot Industrial Anomaly Classification and Segmentation with Mutual Scoring of the Unlabeled
    Images, 2024: PatchMaker and MeanMapper of the released code, as catalogued.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.neighborhood_pool(np.array([[[3.0, 6.0, 9.0]]]))
    array([[[3., 6., 5.]]])
    """
    xp, x = prepare(x)
    axes = around(x.shape, window)
    try:
        channels = x.shape[1] if output_size is None else op.index(output_size)
    except TypeError:
        raise TypeError(f"output_size must be an int, got {output_size!r}") from None
    if channels < 1:
        raise ValueError(f"output_size must be at least 1, got {channels}")
    (wide,) = widen(xp, x)
    seen = cells(xp, wide, axes, 0.0)
    length = x.shape[1] * seen.shape[-1]
    seen = xp.permute_dims(seen, (0, *range(2, x.ndim), 1, x.ndim))
    edges = bins(length, channels)
    parts = cells_by_bin(xp, xp.reshape(seen, (math.prod(seen.shape[:-2]), length)), 1, edges)
    n = xp.asarray(counts([edges])[0], dtype=wide.dtype, device=device(wide))
    y = total(xp, parts, roomy=roomy(x, wide))[..., 0] / n
    y = xp.reshape(y, (x.shape[0], *x.shape[2:], channels))
    return give_back(xp, xp.permute_dims(y, (0, x.ndim - 1, *range(1, x.ndim - 1))), x)


@law(weighted_window_pool, normal(2, 3, 8), normal(2, 8))
def scores_have_no_zero(f, x, s):
    return f(x, s + 4, window=3, tau=0.5), f(x, s, window=3, tau=0.5)


@law(weighted_window_pool, normal(2, 3, 8), normal(2, 8))
def temperature_is_in_units_of_the_scores(f, x, s):
    return f(x, 4 * s, window=3, tau=2.0), f(x, s, window=3, tau=0.5)


@law(weighted_window_pool, normal(2, 3, 8), normal(2, 8))
def equal_scores_are_the_mean(f, x, s):
    return f(x, 0 * s, window=4), x.reshape(2, 3, 2, 4).mean(axis=3)


@law(token_aware_avg_pool, normal(2, 3, 8), normal(2, 3, 8))
def linear_in_the_weights(f, x, w):
    return f(x, 4 * w), 4 * f(x, w)


@law(token_aware_avg_pool, normal(2, 3, 8), normal(2, 3, 8))
def turns_with_the_sites(f, x, w):
    return f(x[..., ::-1], w[..., ::-1])[..., ::-1], f(x, w)


@law(token_aware_avg_pool, normal(2, 3, 8), normal(2, 1, 8))
def the_site_alone_is_scaled(f, x, w):
    return f(x, w), x * w


@law(neighborhood_pool, normal(2, 3, 4, 5))
def one_cell_is_identity(f, x):
    return f(x, window=1), x


@law(neighborhood_pool, normal(2, 3, 4, 5))
def bins_join_channels(f, x):
    return f(x, output_size=1), f(x).mean(axis=1, keepdims=True)
