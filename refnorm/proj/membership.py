"""How much each of the nearest neighbours of a point belongs to it."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, uniform
from .._core.sums import mean, total
from .._registry import law, operator
from .._xp import device, dtype_name, give_back, prepare, require_along, roomy, widen


def neighbours(n, k):
    """Draw the distances of n points to themselves and to others, from near to far."""

    def make(rng, s):
        d = np.sort(rng.gamma(2.0, 1.0, s), axis=-1)
        d[..., :1] = 0
        return d

    return Draw((n, k), make, "distances")


def of_rows(x, rng):
    """Return the sizes of rows as distances, a quarter of which belong."""
    k = x.shape[1]
    return [np.sort(abs(x), axis=1) * (np.arange(k) > 0)], {"scale": 0.25 * k / max(math.log2(k), 1)}


# The root is bracketed by halving exponents of 2, and then met by Newton's steps: from the side of the wider kernel all
# of them stay on it, for what is summed is convex.
HALVINGS, STEPS = 20, 5
LEAST = 1e-3  # of the mean distance: umap-learn's MIN_K_DIST_SCALE
JOINED = 1e-5  # umap-learn's SMOOTH_K_TOLERANCE, below which nothing is put between two distances


def beyond(xp, d, connectivity):
    """Return how far beyond the last distance with a membership of 1 each is: that of so many that are not 0, or the
    farthest. What lies between two distances is taken off in two steps, and never rounded itself."""
    near = xp.sort(d, axis=-1)
    n, none = d.shape[-1], xp.sum(xp.astype(near <= 0, xp.arange(1, device=device(d)).dtype), axis=-1, keepdims=True)

    def positive(i):
        at = none + i
        return xp.take_along_axis(near, xp.where(at < n, at, xp.full_like(at, n - 1)), axis=-1)

    whole = math.floor(connectivity)
    part = connectivity - whole
    last = positive(whole - 1) if whole else xp.zeros_like(near[..., -1:])
    more = part * (positive(whole) - last) if not whole or part > JOINED else xp.zeros_like(last)
    enough = n - none >= math.ceil(connectivity)
    gaps = (d - xp.where(enough, last, near[..., -1:])) - xp.where(enough, more, xp.zeros_like(more))
    return xp.where(gaps < 0, xp.zeros_like(gaps), gaps)


def rate(xp, gaps, target, *, roomy):
    """Return s with sum exp(-gaps s) = target, where there is one; infinity, or nearly, where gaps of 0 are enough."""
    high = xp.full_like(gaps[..., :1], 126.0 if dtype_name(gaps) == "float32" else 1000.0)
    low = -high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = xp.sum(xp.exp(-gaps * 2**middle), axis=-1, keepdims=True) > target
        low, high = xp.where(over, middle, low), xp.where(over, high, middle)
    s = 2**low
    for _ in range(STEPS):
        e = xp.exp(-gaps * s)
        slope = total(xp, gaps * e, roomy=roomy)
        s = s + (total(xp, e, roomy=roomy) - target) / xp.where(slope == 0, xp.full_like(slope, math.inf), slope)
    return s


@operator(
    paper="mcinnes2018umap",
    cases=[
        case("neighbours", neighbours(4, 8)),
        case("two that are joined", neighbours(3, 9), connectivity=2.0),
        case("one and a half", neighbours(5, 7), connectivity=1.5),
        case("half of one", neighbours(3, 6), connectivity=0.5),
        case("more than there are", neighbours(2, 4), connectivity=8.0),
        case("wide", neighbours(3, 5), scale=3.0),
        case("narrow", neighbours(3, 6), scale=0.25),
        case("nobody", uniform(0, 4)),
    ],
    bench=case("neighbours", neighbours(4096, 15)),
    rows=of_rows,
)
def smooth_knn_membership(x, /, *, connectivity=1.0, scale=1.0):
    r"""Return how much each of the nearest neighbours of a point belongs to it: as much in all as the scale says.

    .. math:: p_{ij} = \exp \Bigl( - \frac{\max(0, d_{ij} - \rho_i)}{\max(\sigma_i, \bar d_i / 1000)} \Bigr), \qquad
        \sum_{j = 2}^{k} \exp \Bigl( - \frac{\max(0, d_{ij} - \rho_i)}{\sigma_i} \Bigr) = s \log_2 k

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The distances :math:`d`, 0 or more, of shape (..., k): of each point to itself, 0, and then to its neighbours
        from near to far.
    connectivity : float
        Of how many neighbours that are not 0 away the last has a membership of 1: its distance is :math:`\rho_i`, in
        between what lies between; 0 when all are 0 away.
    scale : float
        The factor :math:`s`: umap-learn's bandwidth.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`: the point itself has 1, in place of which a graph has 0. All are 1
        where the sum is less than the scale says however wide the kernel. A NaN or an infinity makes its row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is no number.
    ValueError
        `x` has no element along its last axis, or an option is not above 0 and finite.

    Notes
    -----
    umap-learn halves intervals at most 64 times, in float32, and stops when the sum is within 1e-5; here the root is
    exact to the last digits. Its mean over all points counts where rho is 0, which takes a connectivity of 0.

    References
    ----------
    McInnes, Healy and Melville, UMAP, 2018 (not read again). The formula is that of smooth_knn_dist, of which copies
    were read; its constants were read in umap-learn.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.smooth_knn_membership(np.array([0.0, 1.0, 2.0, 2.0])).round(4)
    array([1. , 1. , 0.5, 0.5])
    """
    xp, x = prepare(x)
    require_along(x, -1)
    for name, given in (("connectivity", connectivity), ("scale", scale)):
        if not 0 < given < math.inf:
            raise ValueError(f"{name} must be above 0 and finite, got {given!r}")
    (d,) = widen(xp, x)
    spare, k = roomy(x, d), x.shape[-1]
    d = d + xp.sum(0 * d, axis=-1, keepdims=True)  # NaN all along where one is not finite
    far = xp.max(d, axis=-1, keepdims=True)
    # scale is free: from 1 to 2, so that denormals do not lose digits on the way
    d = d / 2 ** xp.floor(xp.log2(xp.where(far == 0, xp.ones_like(far), far)))
    gaps = beyond(xp, d, connectivity)
    target, least = scale * math.log2(k), LEAST * mean(xp, d, roomy=spare)
    if target >= k - 1:
        return give_back(xp, 1 + 0 * gaps, x)
    s = rate(xp, gaps[..., 1:], target, roomy=spare)
    floor = xp.where(least > 0, least, xp.ones_like(least))
    return give_back(xp, xp.exp(-gaps * xp.where(s * least > 1, 1 / floor, s)), x)


# ---- laws ----


@law(smooth_knn_membership, neighbours(4, 8))
def sums_are_what_is_asked_for(f, d):
    return f(d, scale=0.75)[:, 1:].sum(axis=-1), 2.25 + 0 * d[:, 0]


@law(smooth_knn_membership, neighbours(4, 8))
def the_nearest_has_all(f, d):
    return f(d, connectivity=3.0)[:, :4], 1 + 0 * d[:, :4]
