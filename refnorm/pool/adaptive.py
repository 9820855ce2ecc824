"""Mean over a given number of bins of (N, C, *spatial), however large the data is."""

from __future__ import annotations

import operator as op

from .._cases import case, normal
from .._core.bins import bin_sums, bins, counts
from .._core.windows import per_axis
from .._lanes import load, run, takes
from .._registry import gradient, law, operator
from .._xp import check_out, give_back, prepare, require_shape, roomy, widen

kernels = load(__name__)

CASES = [
    case("bins overlap", normal(2, 3, 7, 8), output_size=(3, 5)),
    case("even", normal(2, 3, 12, 8), output_size=4),
    case("global", normal(2, 3, 5, 7), output_size=1),
    case("more bins than cells", normal(2, 2, 3, 5), output_size=(7, 12)),
    case("every cell twice", normal(2, 2, 3, 4), output_size=(6, 8)),
    case("one axis kept", normal(1, 3, 6, 9), output_size=(None, 2)),
    case("line", normal(2, 3, 37), output_size=5),
    case("volume", normal(1, 2, 5, 6, 4), output_size=(2, 4, 3)),
    case("offset", normal(1, 2, 10, 11, mean=1e4), output_size=3),
    case("no images", normal(0, 3, 6, 6), output_size=2),
]


def sizes_asked(shape, output_size) -> tuple[int, ...]:
    """Return the number of bins along each spatial axis; refuse what is none."""
    if len(shape) < 3:
        raise ValueError(f"x must have shape (N, C, *spatial) with at least one spatial axis, got {tuple(shape)}")
    spatial = tuple(shape[2:])
    if 0 in spatial:
        raise ValueError(f"spatial axes must not be empty, got shape {tuple(shape)}")
    try:
        given = output_size if isinstance(output_size, tuple | list) else (op.index(output_size),) * len(spatial)
        sizes = tuple(n if o is None else op.index(o) for n, o in zip(spatial, given, strict=False))
    except TypeError:
        raise TypeError(f"output_size must be an int or a tuple of ints and None, got {output_size!r}") from None
    if len(given) != len(spatial):
        raise ValueError(f"output_size must have one entry for each of the {len(spatial)} axes, got {output_size!r}")
    if any(o < 1 for o in sizes):
        raise ValueError(f"output_size must be at least 1, got {output_size!r}")
    return sizes


def bins_along(spatial, sizes):
    """Return where the bins along each axis start and stop."""
    return [bins(n, o) for n, o in zip(spatial, sizes, strict=True)]


def planes(x):
    """Return the number of (image, channel) planes."""
    return x.shape[0] * x.shape[1]


@operator(
    paper=(
        "dong2019network",
        "mukhopadhyay2023diffusion",
        "xu2024pllava",
        "liu2022transkd",
        "huang2024hires",
    ),
    kernel="adaptive_avg_pool",
    cases=CASES,
    bench=case("plane", normal(32, 64, 112, 112), output_size=7),
    rows=lambda x, rng: ([x[:, None, :]], {"output_size": 7}),
)
def adaptive_avg_pool(x, /, *, output_size, out=None):
    r"""Take the mean of each of a given number of bins along the spatial axes of `x`.

    .. math:: y_i = \frac{1}{b_i - a_i} \sum_{j = a_i}^{b_i - 1} x_j, \qquad
        a_i = \lfloor i n / o \rfloor, \quad b_i = \lceil (i + 1) n / o \rceil

    along each spatial axis, where :math:`n` is its size and :math:`o` the number of bins.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (N, C, *spatial), any number of spatial axes. Channels-last memory is taken as a
        view: ``numpy.moveaxis(x, -1, 1)``.
    output_size : int or tuple of int and None
        Bins along all or each spatial axis; None keeps the size of an axis. Bins overlap by a cell where `o`
        does not divide `n`; with more bins than cells, cells are repeated.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        (N, C, *output_size), in the dtype, library and device of `x`. NaN and infinities propagate as in a sum.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `output_size` is no integer.
    ValueError
        A spatial axis is empty, `output_size` is below 1 or has the wrong length, or `out` overlaps `x`.

    Notes
    -----
    ``output_size=1`` is global average pooling. Over channels (the channel-wise interpolation of Dong and Yang), put
    them among the spatial axes: ``adaptive_avg_pool(x[:, None], output_size=(channels, None, None))``.
    torch and Keras choose these bins; floor to floor and ``numpy.array_split``, which leave no cell in two bins, are
    met elsewhere: ``refnorm conventions adaptive_avg_pool``.

    References
    ----------
    Dong and Yang, Network Pruning via Transformable Architecture Search, NeurIPS 2019: over the channels.
    Liu et al., TransKD: Transformer Knowledge Distillation for Efficient Semantic Segmentation, 2022.
    Mukhopadhyay et al., Diffusion Models Beat GANs on Image Classification, 2023.
    Xu et al., PLLaVA: Parameter-free LLaVA Extension from Images to Videos, 2024: over time, height and width.
    Huang et al., HiRes-LLaVA, 2024. The papers were not read again; the bins are torch's, tested against it.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[1.0, 2.0, 6.0, 7.0, 9.0]]])
    >>> refnorm.pool.adaptive_avg_pool(x, output_size=2)
    array([[[3.        , 7.33333333]]])
    """
    xp, x = prepare(x)
    sizes = sizes_asked(x.shape, output_size)
    shape = (*x.shape[:2], *sizes)
    check_out(out, x, shape=shape)
    if takes(kernels, x):
        y = run(kernels.adaptive_avg_pool, x, out=out, shape=shape, units=planes(x))
    else:
        (wide,) = widen(xp, x)
        edges = bins_along(x.shape[2:], sizes)
        y = bin_sums(xp, wide, edges, roomy=roomy(x, wide)) / per_axis(xp, counts(edges), wide.dtype, wide)
    return give_back(xp, y, x, out=out)


@gradient(adaptive_avg_pool)
def adaptive_avg_pool_vjp(cotangent, x, /, *, output_size):
    r"""Return the cotangent of `x` for a cotangent of ``adaptive_avg_pool(x)``.

    .. math:: \bar x_j = \sum_{i \,:\, a_i \le j < b_i} \frac{\bar y_i}{b_i - a_i}

    Cell j of n lies in the bins :math:`\lfloor j o / n \rfloor \ldots \lceil (j + 1) o / n \rceil - 1`: the rule of
    the bins with cells and bins changed round.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x : array
        The input of :func:`adaptive_avg_pool`; only its shape counts.
    output_size
        As in :func:`adaptive_avg_pool`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`adaptive_avg_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The transpose of the mean of :func:`adaptive_avg_pool`.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.adaptive_avg_pool_vjp(np.array([[[2.0, 4.0]]]), np.zeros((1, 1, 3)), output_size=2)
    array([[[1., 3., 2.]]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    sizes = sizes_asked(x.shape, output_size)
    require_shape("cotangent", cotangent, (*x.shape[:2], *sizes))
    if takes(kernels, cotangent, x):
        dx = run(kernels.adaptive_avg_pool_vjp, cotangent, shape=x.shape, units=planes(x))
    else:
        (g,) = widen(xp, cotangent)
        share = g / per_axis(xp, counts(bins_along(x.shape[2:], sizes)), g.dtype, g)
        dx = bin_sums(xp, share, bins_along(sizes, x.shape[2:]), roomy=roomy(x, g))
    return give_back(xp, dx, x)


@law(adaptive_avg_pool, normal(2, 3, 7, 8))
def shift_comes_through(f, x):
    return f(x + 4, output_size=(3, 5)), f(x, output_size=(3, 5)) + 4


@law(adaptive_avg_pool, normal(2, 3, 7, 8))
def linear(f, x):
    return f(4 * x, output_size=3), 4 * f(x, output_size=3)


@law(adaptive_avg_pool, normal(2, 3, 5, 6))
def its_own_size_is_identity(f, x):
    return f(x, output_size=(5, 6)), x


@law(adaptive_avg_pool, normal(2, 3, 12, 8))
def even_bins_compose(f, x):
    return f(f(x, output_size=4), output_size=2), f(x, output_size=2)


@law(adaptive_avg_pool, normal(2, 3, 7, 8))
def turns_with_the_data(f, x):
    return f(x[..., ::-1], output_size=(2, 3)), f(x, output_size=(2, 3))[..., ::-1]


@law(adaptive_avg_pool, normal(2, 3, 7, 8))
def axes_one_after_the_other(f, x):
    return f(f(x, output_size=(3, None)), output_size=(None, 5)), f(x, output_size=(3, 5))
