"""How projections on sets are got wrong, and what codes call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.constraint import project_box_simplex, project_l0_ball, project_l2_ball, project_simplex
from ..rows import of_torch, rowwise

conventions(project_simplex, "paper", total=1.0)
conventions(project_simplex, "pot", "ot.utils.proj_simplex(v, z): along the first axis, of columns", axis=0)
conventions(project_simplex, "jaxopt", "projection_simplex(tree, value)", total=1.0)
conventions(project_simplex, "entmax", "sparsemax: total 1", total=1.0)
conventions(project_l2_ball, "paper", radius=1.0)
conventions(project_l2_ball, "torch", "renorm(p=2): every slice but of one axis, and norm + 1e-7 in the denominator")
conventions(project_l2_ball, "pyproximal", "EuclideanBall(center, radius)", radius=1.0)
conventions(project_l0_ball, "teddy", "k = P - ceil(sparsity P) over all parameters; ties as torch.topk has them")
conventions(project_l0_ball, "pyproximal", "L0Ball(radius): the radius is k")
conventions(project_box_simplex, "paper", "lower = min(least, size - 1), upper = size, then rounded to whole numbers")


# ---- the simplex ----


def falling(x):
    return np.flip(np.sort(x, axis=-1), axis=-1)


def by_sorting(x, total, *, extra=0):
    """Project by a sort, with `extra` more in the denominator than there should be."""
    x = x - np.max(x, axis=-1, keepdims=True)
    u, places = falling(x), np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    s = np.cumsum(u, axis=-1) - x.dtype.type(total)
    rho = np.sum(places * u > s, axis=-1, keepdims=True)
    theta = np.take_along_axis(s, np.maximum(rho, 1) - 1, axis=-1) / (rho + extra).astype(x.dtype)
    return np.maximum(x - theta, 0)


@mistake(project_simplex, "clipped and divided by the sum", kind="statistic")
@rowwise
def _(x, *, total=1.0):
    y = np.maximum(x, 0)
    return total * y / np.sum(y, axis=-1, keepdims=True)


@mistake(project_simplex, "threshold from all elements", kind="statistic")
@rowwise
def _(x, *, total=1.0):
    return np.maximum(x - (np.sum(x, axis=-1, keepdims=True) - total) / x.shape[-1], 0)


@mistake(project_simplex, "support counted one too many", kind="denominator")
@rowwise
def _(x, *, total=1.0):
    return by_sorting(x, total, extra=1)


@mistake(project_simplex, "total taken for 1", kind="place of a parameter")
@rowwise
def _(x, *, total=1.0):
    return by_sorting(x, 1.0)


@mistake(project_simplex, "left alone where the sum is less already", kind="set")
@rowwise
def _(x, *, total=1.0):
    y = np.maximum(x, 0)
    return np.where(np.sum(y, axis=-1, keepdims=True) <= total, y, by_sorting(x, total))


@mistake(project_simplex, "signs kept: the ball of l1", kind="set")
@rowwise
def _(x, *, total=1.0):
    return np.sign(x) * by_sorting(np.abs(x), total)


@mistake(project_simplex, "running sum in half", kind="narrow accumulator")
@rowwise
def _(x, *, total=1.0):
    return by_sorting((x - np.max(x, axis=-1, keepdims=True)).astype(np.float16), total).astype(x.dtype)


@mistake(project_simplex, "maximum not taken off in float32", kind="cancellation")
@rowwise
def _(x, *, total=1.0):
    x = x.astype(np.float32)
    u, places = falling(x), np.arange(1, x.shape[-1] + 1, dtype=np.float32)
    s = np.cumsum(u, axis=-1) - np.float32(total)
    rho = np.maximum(np.sum(places * u > s, axis=-1, keepdims=True), 1)
    return np.maximum(x - np.take_along_axis(s, rho - 1, axis=-1) / rho.astype(np.float32), 0)


@mistake(project_simplex, "tail of the row left out of the sum", kind="tail")
@rowwise
def _(x, *, total=1.0):
    n = x.shape[-1]
    head = x[..., : n - n % 4 or n]
    theta = np.max(head, axis=-1, keepdims=True) - np.max(by_sorting(head, total), axis=-1, keepdims=True)
    return np.maximum(x - theta, 0)


@mistake(project_simplex, "NaN taken for zero", kind="NaN")
@rowwise
def _(x, *, total=1.0):
    return by_sorting(np.where(np.isnan(x), 0.0, x), total)


@honest(project_simplex, "NumPy, by sorting", baseline=True)
@rowwise
def _(x, *, total=1.0):
    return by_sorting(x, total)


@honest(project_simplex, "torch, by sorting", needs="torch")
def _(x, /, *, axis=-1, total=1.0):
    import torch

    def project(t):
        rows = t.flatten(-len(axes))
        rows = rows - rows.amax(-1, keepdim=True)
        u = rows.sort(-1, descending=True).values
        s = u.cumsum(-1) - total
        rho = (u * torch.arange(1, u.shape[-1] + 1) > s).sum(-1, keepdim=True).clamp(min=1)
        return (rows - s.gather(-1, rho - 1) / rho).clamp(min=0).reshape(t.shape)

    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(project, x, axes=axes)


# ---- the ball of l2 ----


def lengths(x):
    return np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


@mistake(project_l2_ball, "inside stretched to the surface", kind="set")
@rowwise
def _(x, *, radius=1.0):
    return radius * x / lengths(x)


@mistake(project_l2_ball, "each element clipped", kind="set")
@rowwise
def _(x, *, radius=1.0):
    return np.clip(x, -radius, radius)


@mistake(project_l2_ball, "root mean square in place of the norm", kind="denominator")
@rowwise
def _(x, *, radius=1.0):
    return x * np.minimum(1, radius / np.sqrt(np.mean(x * x, axis=-1, keepdims=True)))


@mistake(project_l2_ball, "one norm for the whole array", kind="axis")
@rowwise
def _(x, *, radius=1.0):
    return x * np.minimum(1, radius / np.sqrt(np.sum(x * x)))


@mistake(project_l2_ball, "radius taken for 1", kind="place of a parameter")
@rowwise
def _(x, *, radius=1.0):
    return x * np.minimum(1, 1 / lengths(x))


@honest(project_l2_ball, "NumPy")
@rowwise
def _(x, *, radius=1.0):
    norm = lengths(x)
    inside = norm <= x.dtype.type(radius)
    return np.where(inside, x, x * (x.dtype.type(radius) / np.where(inside, x.dtype.type(1), norm)))


# ---- the ball of l0 ----


def kept(x, k, order):
    """Keep the first k of each row in this order."""
    rank = np.argsort(order, axis=-1, kind="stable")
    return np.where(rank < k, x, 0)


def by_size(x):
    return np.argsort(np.where(np.isnan(x), -np.inf, -np.abs(x)), axis=-1, kind="stable")


@mistake(project_l0_ball, "largest by sign", kind="statistic")
@rowwise
def _(x, *, k):
    return kept(x, k, np.argsort(-x, axis=-1, kind="stable"))


@mistake(project_l0_ball, "smallest kept", kind="statistic")
@rowwise
def _(x, *, k):
    return kept(x, k, np.argsort(np.abs(x), axis=-1, kind="stable"))


@mistake(project_l0_ball, "all that tie are kept", kind="ties")
@rowwise
def _(x, *, k):
    n = x.shape[-1]
    if not 0 < k < n:
        return x if k else 0 * x
    return np.where(np.abs(x) >= np.sort(np.abs(x), axis=-1)[..., n - k, None], x, 0)


@mistake(project_l0_ball, "the last of those that tie", kind="ties")
@rowwise
def _(x, *, k):
    return np.flip(kept(np.flip(x, -1), k, by_size(np.flip(x, -1))), -1)


@mistake(project_l0_ball, "k of the whole array", kind="axis")
@rowwise
def _(x, *, k):
    flat = x.reshape(1, -1)
    return kept(flat, k, by_size(flat)).reshape(x.shape)


@mistake(project_l0_ball, "NaN last", kind="NaN")
@rowwise
def _(x, *, k):
    return kept(x, k, np.argsort(-np.abs(x), axis=-1, kind="stable"))


@honest(project_l0_ball, "NumPy")
@rowwise
def _(x, *, k):
    return kept(x, k, by_size(x))


# ---- the box cut by a plane ----


@mistake(project_box_simplex, "clipped after a projection on the plane", kind="order of the steps")
def _(x, lower, upper, /, *, total=1.0):
    y = x + (total - np.sum(x, axis=-1, keepdims=True)) / x.shape[-1]
    return np.clip(y, lower, upper)


@mistake(project_box_simplex, "clipped, the rest spread evenly", kind="order of the steps")
def _(x, lower, upper, /, *, total=1.0):
    y = np.clip(x, lower, upper)
    return y + (total - np.sum(y, axis=-1, keepdims=True)) / x.shape[-1]


@mistake(project_box_simplex, "upper bounds left out", kind="set")
def _(x, lower, upper, /, *, total=1.0):
    return lower + by_sorting(x - lower, total - np.sum(lower))


@mistake(project_box_simplex, "lower bounds taken for zero", kind="set")
def _(x, lower, upper, /, *, total=1.0):
    return at_level(x, 0 * lower, upper, total)


@mistake(project_box_simplex, "total taken for 1", kind="place of a parameter")
def _(x, lower, upper, /, *, total=1.0):
    return at_level(x, lower, upper, 1.0)


def at_level(x, lower, upper, total):
    """Halve the interval of mu until it has no middle; the piece in which it ends is solved."""
    if not x.size:
        return x
    shift = np.max(x, axis=-1, keepdims=True)
    c = x - shift
    a = np.min(c - np.minimum(upper, 1e30), axis=-1, keepdims=True) - 1
    b = np.max(c - lower, axis=-1, keepdims=True) + 1
    for _ in range(200):
        mu = (a + b) / 2
        much = np.sum(np.clip(c - mu, lower, upper), axis=-1, keepdims=True) > total
        a, b = np.where(much, mu, a), np.where(much, b, mu)
    free = (c - mu > lower) & (c - mu < upper)
    fixed = np.sum(np.where(free, 0, np.clip(c - mu, lower, upper)), axis=-1, keepdims=True)
    count = np.sum(free, axis=-1, keepdims=True)
    exact = (np.sum(np.where(free, c, 0), axis=-1, keepdims=True) + fixed - x.dtype.type(total)) / np.maximum(count, 1)
    return np.clip(c - np.where(count > 0, exact, mu), lower, upper).astype(x.dtype)


@honest(project_box_simplex, "NumPy, the free ones and the fixed in turn", baseline=True)
def _(x, lower, upper, /, *, total=1.0):
    """Raise elements from the lower bounds, those nearest to the level first, in float64."""
    low, high = lower.astype(np.float64), upper.astype(np.float64)
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        y[place] = raised(x[place].astype(np.float64), low, high, total)
    return y.astype(x.dtype)


def raised(row, low, high, total):
    if not np.isfinite(row).all():
        return np.full_like(row, np.nan)
    y, left, rising = low.copy(), total - np.sum(low), []
    ends = sorted((b - v, i, b, v) for bounds in (low, high) for i, (v, b) in enumerate(zip(row, bounds, strict=True)))
    for (_, i, b, v), (_, _, b_next, v_next) in zip(ends, [*ends[1:], (0, 0, 0, -np.inf)], strict=True):
        rising = [j for j in rising if j != i] if i in rising else [*rising, i]
        step = min((v - v_next) - (b - b_next), left / len(rising)) if rising else 0.0
        if left <= 0:
            break
        y[rising] += step
        left -= step * len(rising)
    return y
