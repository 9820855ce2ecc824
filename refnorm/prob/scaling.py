"""Matrices scaled by rows and columns in turn until both sum to what they shall: entropic transport."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from .._cases import case, normal
from .._core.channels import given
from .._core.sums import half, halved, sum_pair, total, two_sum
from .._lanes import load, run, scratch, takes
from .._registry import gradient, law, operator
from .._threads import thread_count
from .._xp import dtype_name, give_back, prepare, require_same_shape, require_shape, roomy, widen

kernels = load(__name__)


def require_scaling(x, tau, iterations) -> None:
    """Refuse what is no matrix, a temperature that is not above zero, and fewer than one iteration."""
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"x must hold matrices that are not empty, shape (..., R, C), got {tuple(x.shape)}")
    try:
        good = 0 < tau < math.inf
    except TypeError:
        raise TypeError(f"tau must be a real number, got {type(tau).__name__}") from None
    if not good:
        raise ValueError(f"tau must be finite and above zero, got {tau!r}")
    if isinstance(iterations, bool) or not isinstance(iterations, int):
        raise TypeError(f"iterations must be an int, got {iterations!r}")
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations}")


def split(x, d):
    """Return x / d, d being half as long as a double, in two parts of which the first is half as long too."""
    q = halved(x / d)
    return q, (x - q * d) / d


def softened(xp, k, factor, share=(1.0, 0.0), *, roomy):
    """Return share times the softmax along the last axis of k + log factor, and the factor that makes its sums 1.

    A factor e^h / d (1 + c) is (h, d, c). Neither its logarithm nor the exponent k + h is ever rounded: half an ulp of
    an exponent of size 30 would cost the plan fifteen units. d is half as long as a double: so are products exact.
    """
    h, d, c = factor
    z, lost = two_sum(xp, k[0], h)
    largest = xp.max(z - xp.log(d), axis=-1, keepdims=True)  # a shift and no more: its own rounding does not matter
    z, more = two_sum(xp, z, -largest)
    low = lost + more + k[1]
    low = c + xp.where(xp.abs(low) < 1, low, xp.zeros_like(low))  # where it is more, x has no digits for its exponent
    e = xp.exp(z)
    q, rest_q = split(e, d)
    s, rest = (xp.sum(q, axis=-1, keepdims=True), 0 * largest) if roomy else sum_pair(xp, q)
    rest = rest + xp.sum(rest_q + e / d * low, axis=-1, keepdims=True)
    divisor = halved(s)
    rest = ((s - divisor) + rest) / divisor
    c = -rest / (1 + rest)
    by = low + c + low * c
    by = by + share[1] + by * share[1]  # the factor that is left is 1 + by
    y, rest_y = split(q, divisor)
    y, rest_y = y * share[0], (rest_y + rest_q / divisor) * share[0]
    return y + (rest_y + (y + rest_y) * by), (-largest, divisor, c)


def turned(xp, parts):
    """Return a matrix of logarithms transposed, or a factor of rows as one of columns, and back."""
    return tuple(xp.matrix_transpose(part) for part in parts)


def logarithms(xp, k):
    """Return k - max of each row, which the first scaling undoes, in two parts: next to 1e38 no factor keeps digits."""
    return two_sum(xp, k, -xp.max(k, axis=-1, keepdims=True))


def share_of(rows, columns):
    """Return rows / columns in two parts, the second relative to the first."""
    share = half(rows / columns)
    return share, float(Fraction(rows, columns) / Fraction(share) - 1)


def scalings(xp, k, iterations, share=(1.0, 0.0), *, roomy):
    """Return the plan, whose columns sum to a share, and each iteration's factors: of columns before it, of rows in it.

    The share is a factor of all columns and does not matter before the end.
    """
    none = xp.zeros_like(k[0][..., :1, :])
    across, pairs = (none, none + 1, none), []
    for _ in range(iterations):
        _, down = softened(xp, k, across, roomy=roomy)
        pairs.append((across, down))
        columns, across = softened(xp, turned(xp, k), turned(xp, down), share, roomy=roomy)
        across = turned(xp, across)
    return xp.matrix_transpose(columns), pairs


def rooms(x, iterations, packed=0):
    """Return scratch for each share of the matrices: K in whole tiles, factors of that many iterations, packed ones."""
    *stack, rows, columns = x.shape
    high, wide = -(-rows // 8) * 8, -(-columns // 8) * 8
    size = (
        (2 if dtype_name(x) == "float64" else 1) * high * wide
        + high * (3 + 2 * iterations)
        + wide * (9 + 2 * iterations)
        + packed * wide
    )
    return scratch((max(1, min(math.prod(stack), thread_count())), size), "float64")


def scaled_by_kernel(x, tau, iterations, above, below):
    """Return the plan, whose columns sum to above / below, and what its rows sum to; None where factors ran away."""
    *stack, rows, _ = x.shape
    room = rooms(x, 1)
    parts = (1, math.prod(stack), rows + 1)
    plan, sums = run(kernels.sinkhorn, x, tau, above, below, iterations, room, parts=parts, units=len(room))
    return None if bool((sums[:, -1] > 0).any()) else (plan, sums[:, :-1].reshape(x.shape[:-1]))


def pulled_by_kernel(x, g, of_sums, tau, iterations):
    """Return the cotangent of x; None where factors ran away."""
    *stack, rows, columns = x.shape
    room = rooms(x, iterations, 2 * iterations + 8)
    given = (g, of_sums, tau, rows, columns, iterations, room)
    dx, lost = run(kernels.sinkhorn_vjp, x, *given, parts=(1, math.prod(stack)), units=len(room))
    return None if bool((lost > 0).any()) else dx


def totals(xp, x, *, roomy):
    """Return the sums of columns, kept."""
    return xp.matrix_transpose(total(xp, xp.matrix_transpose(x), roomy=roomy))


def of_size_one(x, rng):
    """Return a matrix of entries within one of zero."""
    size = np.max(np.abs(x))
    return [x / (size if size > 0 else 1.0)], {"tau": 0.5, "iterations": 2}


@operator(
    paper=("ding2023unsupervised", "javan2023balanced"),
    kernel="sinkhorn",
    cases=[
        case("square", normal(6, 6, std=0.2), iterations=3),
        case("loud tau", normal(4, 7), tau=1.5, iterations=2),
        case("more axes", normal(2, 3, 5, 4), tau=0.5, iterations=1),
        case("converged", normal(3, 5, std=0.1), tau=2.0, iterations=5),
        case("none", normal(0, 3, 3), iterations=2),
    ],
    bench=case("square", normal(512, 512), iterations=10),
    rows=of_size_one,
)
def sinkhorn(x, /, *, tau=0.1, iterations=50):
    r"""Scale the rows and columns of exp(x / tau) so that rows sum to one and columns share alike.

    .. math:: P = \mathrm{diag}(e^f) \, e^{x / \tau} \, \mathrm{diag}(e^g), \qquad
        f \leftarrow -\log \sum_j e^{x_{ij} / \tau + g_j}, \quad
        g \leftarrow \log \frac{R}{C} - \log \sum_i e^{x_{ij} / \tau + f_i}

    from g = 0 on. Of all matrices with such sums the limit has the largest :math:`\langle x, P \rangle` less tau times
    :math:`\sum P \log P`; that of a square matrix is doubly stochastic.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of shape (..., R, C): minus the costs of a transport.
    tau : float
        The weight of the entropy, above zero, in units of x. Towards 0 a square plan becomes a permutation, and needs
        ever more iterations.
    iterations : int
        How often rows and columns are scaled, at least 1. Columns come last: they sum to R / C to rounding.

    Returns
    -------
    tuple
        ``(plan, sums)`` in the dtype, library and device of `x`: (..., R, C), and (..., R), what each row sums to. How
        far the sums are off 1 says whether there were iterations enough. A score of -inf is a pair that is forbidden.
        NaN, +inf and lines that are all -inf make NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `tau` is no number, or `iterations` no int.
    ValueError
        `x` holds no matrices or empty ones, `tau` is not finite and above zero, or `iterations` is below 1.

    Notes
    -----
    All is done on logarithms, so that no tau is too small for exponentials; the kernel works with factors, which is
    the same after maxima are taken off, and leaves a call to the logarithms when a factor leaves 1e-100 to 1e100. POT's
    ``ot.sinkhorn`` has sums 1 / R and 1 / C: its plan is this one, divided by R, for costs of -x and ``reg=tau``.

    References
    ----------
    Ding et al., Unsupervised Manifold Linearizing and Clustering, 2023: the doubly stochastic one, and Javan et al.,
    Balanced Mixture of SuperNets, 2023: K rows over M columns, its T being 1 / tau (both as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> plan, sums = refnorm.prob.sinkhorn(np.log(np.array([[1.0, 1.0], [3.0, 1.0]])), tau=1.0, iterations=1)
    >>> plan.round(4).tolist(), sums.round(4).tolist()
    ([[0.4, 0.6667], [0.6, 0.3333]], [1.0667, 0.9333])
    """
    xp, x = prepare(x)
    require_scaling(x, tau, iterations)
    if takes(kernels, x) and (found := scaled_by_kernel(x, tau, iterations, *x.shape[-2:])):
        return tuple(give_back(xp, y, x) for y in found)
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    plan, _ = scalings(xp, logarithms(xp, wide / tau), iterations, share_of(*x.shape[-2:]), roomy=spare)
    return give_back(xp, plan, x), give_back(xp, total(xp, plan, roomy=spare)[..., 0], x)


@gradient(sinkhorn)
def sinkhorn_vjp(cotangent, x, /, *, tau=0.1, iterations=50):
    r"""Return the cotangent of `x` for cotangents of ``sinkhorn(x)``, through every iteration.

    .. math:: \bar x = \frac{1}{\tau} \Bigl( P \bar P - \sum_t \bigl( A_t \, \mathrm{diag}(\bar g_t)
        + \mathrm{diag}(\bar f_t) B_t \bigr) \Bigr), \qquad \bar f_t = -A_t \bar g_t, \quad
        \bar g_{t-1} = -B_t^T \bar f_t

    where columns of :math:`A_t` are the softmax that :math:`g_t` is made of and rows of :math:`B_t` that of
    :math:`f_t`; the sums of :math:`P \bar P` start both.

    Parameters
    ----------
    cotangent : tuple of arrays
        The cotangents of the plan and of the sums, of their shapes; None where there is none.
    x, tau, iterations
        As in :func:`sinkhorn`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`sinkhorn`; also where a cotangent has not the shape of its output.

    References
    ----------
    The derivative of the iterations used by Ding et al., 2023, and Javan et al., 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> g = np.array([[1.0, 0.0], [0.0, 0.0]])
    >>> refnorm.prob.sinkhorn_vjp((g, None), np.zeros((2, 2)), tau=1.0, iterations=1)
    array([[ 0.125, -0.125],
           [-0.125,  0.125]])
    """
    gplan, gsums = given(cotangent, "plan sums")
    xp, x, gplan, gsums = prepare(x, gplan, gsums)
    require_scaling(x, tau, iterations)
    if gplan is not None:
        require_same_shape("cotangent of the plan", gplan, x)
    if gsums is not None:
        require_shape("cotangent of the sums", gsums, tuple(x.shape[:-1]))
    arrays = x, gplan, gsums
    if takes(kernels, *arrays) and (dx := pulled_by_kernel(*arrays, tau, iterations)) is not None:
        return give_back(xp, dx, x)
    gplan = xp.zeros_like(x) if gplan is None else gplan
    gsums = xp.zeros_like(x[..., 0]) if gsums is None else gsums
    wide, g, of_sums = widen(xp, x, gplan, gsums)
    dx = pulled(xp, wide / tau, g + of_sums[..., None], iterations, roomy=roomy(x, wide)) / tau
    return give_back(xp, dx, x)


def pulled(xp, k, g, iterations, *, roomy):
    """Return the cotangent of the logarithms k that the iterations scale, for one of the plan."""
    k = logarithms(xp, k)
    plan, pairs = scalings(xp, k, iterations, share_of(*g.shape[-2:]), roomy=roomy)
    dk = plan * g
    of_down, of_across = total(xp, dk, roomy=roomy), totals(xp, dk, roomy=roomy)
    for across, down in reversed(pairs):
        columns, _ = softened(xp, turned(xp, k), turned(xp, down), roomy=roomy)
        step = -of_across * xp.matrix_transpose(columns)
        rows, _ = softened(xp, k, across, roomy=roomy)
        turn = -(of_down + total(xp, step, roomy=roomy)) * rows
        of_across, of_down = totals(xp, turn, roomy=roomy), 0 * of_down
        dk = dk + step + turn
    return dk


@operator(
    paper=("goyal2022vision", "fini2023improved", "wang2022multi", "venkataramanan2025franca"),
    kernel="sinkhorn",
    cases=[
        case("rows", normal(6, 4, std=0.1)),
        case("loud tau", normal(4, 7), tau=1.5, iterations=2),
        case("more axes", normal(2, 3, 5), tau=0.5, iterations=1),
        case("converged", normal(5, 3, std=0.1), tau=2.0, iterations=5),
        case("none", normal(0, 3, 3), iterations=2),
    ],
    bench=case("rows", normal(1024, 512)),
    rows=of_size_one,
)
def sinkhorn_assignment(x, /, *, tau=0.05, iterations=3):
    r"""Assign samples to prototypes in shares that sum to one for each sample and are equally many for each prototype.

    .. math:: Q = \mathrm{diag}(e^f) \, e^{x / \tau} \, \mathrm{diag}(e^g), \qquad
        g \leftarrow \log \frac{B}{K} - \log \sum_b e^{x_{bk} / \tau + f_b}, \quad
        f \leftarrow -\log \sum_k e^{x_{bk} / \tau + g_k}

    from f = 0 on.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores of B samples and K prototypes, of shape (..., B, K).
    tau : float
        The temperature, above zero, in units of x.
    iterations : int
        How often prototypes and samples are scaled, at least 1. Samples come last: they sum to one to rounding.

    Returns
    -------
    tuple
        ``(shares, sums)`` in the dtype, library and device of `x`: (..., B, K), and (..., K), what each prototype has,
        in units of B / K. How far the sums are off 1 says whether there were iterations enough: the three that
        everyone takes seldom are. NaN, +inf and lines that are all -inf make NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `tau` is no number, or `iterations` no int.
    ValueError
        `x` holds no matrices or empty ones, `tau` is not finite and above zero, or `iterations` is below 1.

    Notes
    -----
    All is done on logarithms. Released codes take exponentials, some without a maximum taken off, as catalogued: above
    x / tau = 88 float32 overflows there.

    References
    ----------
    Goyal et al., Vision Models Are More Robust And Fair, 2022; Fini et al., Improved baselines for vision-language
    pre-training, 2023; Wang et al., Multi-Granularity Cross-modal Alignment, 2022; Venkataramanan et al., Franca, 2025
    (as catalogued from the codes of all, which agree).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.log(np.array([[1.0, 1.0], [3.0, 1.0]]))
    >>> shares, sums = refnorm.prob.sinkhorn_assignment(x, tau=1.0, iterations=1)
    >>> shares.round(4).tolist(), sums.round(4).tolist()
    ([[0.3333, 0.6667], [0.6, 0.4]], [0.9333, 1.0667])
    """
    xp, x = prepare(x)
    require_scaling(x, tau, iterations)
    if takes(kernels, x) and (found := scaled_by_kernel(xp.matrix_transpose(x), tau, iterations, 1, 1)):
        plan, sums = found
    else:
        (wide,) = widen(xp, x)
        spare = roomy(x, wide)
        k = logarithms(xp, xp.matrix_transpose(wide) / tau)
        plan, _ = scalings(xp, k, iterations, roomy=spare)
        sums = total(xp, plan, roomy=spare)[..., 0]
    sums = sums * (x.shape[-1] / x.shape[-2])
    return give_back(xp, xp.matrix_transpose(plan), x), give_back(xp, sums, x)


# ---- laws ----


@law(sinkhorn, normal(5, 5, std=0.2))
def columns_share_alike(f, x):
    columns = f(x, iterations=2)[0].sum(axis=0)
    return columns, columns * 0 + 1


@law(sinkhorn, normal(4, 6))
def scores_of_lines_are_free(f, x):
    """Once it has converged: what is added to a whole row or column goes into the factors."""
    return f(x + x[:1] + x[:, :1], tau=2.0, iterations=60)[0], f(x, tau=2.0, iterations=60)[0]


@law(sinkhorn, normal(4, 6))
def tau_is_in_units_of_x(f, x):
    return f(4 * x, tau=2.0, iterations=2)[0], f(x, tau=0.5, iterations=2)[0]


@law(sinkhorn_assignment, normal(6, 4, std=0.2))
def samples_are_assigned_whole(f, x):
    rows = f(x, tau=0.5)[0].sum(axis=1)
    return rows, rows * 0 + 1


@law(sinkhorn_assignment, normal(6, 4))
def scores_of_a_prototype_are_free(f, x):
    return f(x + x[:1], tau=2.0, iterations=2)[0], f(x, tau=2.0, iterations=2)[0]
