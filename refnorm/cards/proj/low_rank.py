"""How leading singular triples are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake, survivor
from ...proj.low_rank import energy_rank, greedy_rank_allocation, low_rank_gradient_step, truncated_svd
from ..matrices import finite, svd

conventions(truncated_svd, "scipy", "linalg.svd gives v^T, and signs as they come")
conventions(truncated_svd, "scikit-learn", "PCA takes the same signs: the largest loading positive")
conventions(truncated_svd, "PELA", "two factors, u sqrt(s) and v sqrt(s)")
conventions(low_rank_gradient_step, "paper", "onto a convex set first, where there is one")
conventions(energy_rank, "SVFit", "singular values, 99 percent", ratio=0.99, p=1)
conventions(energy_rank, "explained variance", "of squares, as PCA(0.9) of scikit-learn counts", ratio=0.9, p=2)
conventions(greedy_rank_allocation, "MatryoshkaKV", "one round; `interval` and `update_num` of the code")
decomposition(low_rank_gradient_step)


@decomposition(truncated_svd)
def _(u, s, v):
    """Signs are free, and bases where values tie."""
    return s, (u * s[..., None, :]) @ v.mT, u.mT @ u, v.mT @ v


def triples(x, rank=None, kept=None):
    u, s, vt = svd(x)
    r = s.shape[-1] if rank is None else rank
    kept = slice(r) if kept is None else kept(r)
    return u[..., kept], s[..., kept], vt.mT[..., kept]


@mistake(truncated_svd, "signs turned in u alone", kind="sign")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return np.abs(u[..., :1, :]) / np.where(u[..., :1, :] == 0, 1, u[..., :1, :]) * u, s, v


@mistake(truncated_svd, "values ascending", kind="order")
def _(x, /, *, rank=None):
    return tuple(part[..., ::-1] for part in triples(x, rank))


@mistake(truncated_svd, "smallest values kept", kind="set")
def _(x, /, *, rank=None):
    return triples(x, rank, kept=lambda r: slice(-r, None))


@mistake(truncated_svd, "eigenvalues of the Gram matrix", kind="statistic")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return u, s * s, v


@mistake(truncated_svd, "values in the left vectors", kind="place of a parameter")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return u * s[..., None, :], s, v


@mistake(truncated_svd, "one rank too few", kind="set")
def _(x, /, *, rank=None):
    parts = triples(x, rank)
    return tuple(np.where(np.arange(parts[1].shape[-1]) == parts[1].shape[-1] - 1, 0, part) for part in parts)


@mistake(truncated_svd, "columns centred first, as of PCA", kind="centering")
def _(x, /, *, rank=None):
    return triples(x - x.mean(axis=-2, keepdims=True), rank)


@honest(truncated_svd, "NumPy", baseline=True)
def _(x, /, *, rank=None):
    return tuple(part.astype(x.dtype) for part in triples(x, rank))


@honest(truncated_svd, "NumPy, signs as they come turned")
def _(x, /, *, rank=None):
    u, s, v = triples(x, rank)
    return tuple(part.astype(x.dtype) for part in (-u, s, -v))


@honest(truncated_svd, "torch.linalg.svd", needs="torch")
def _(x, /, *, rank=None):
    import torch

    narrow, good = finite(x)
    u, s, vt = (part.numpy() for part in torch.linalg.svd(torch.from_numpy(narrow), full_matrices=False))
    parts = ((u, good), (s, good[..., 0]), (vt.mT, good))
    return tuple(np.where(known, part, np.nan)[..., :rank].astype(x.dtype) for part, known in parts)


def stepped(x, kept):
    u, s, vt = svd(x)
    return (u * (s * kept(np.arange(s.shape[-1])))[..., None, :]) @ vt


@mistake(low_rank_gradient_step, "along the gradient", kind="sign")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x + step * direction, lambda i: i < (rank or len(i)))


@mistake(low_rank_gradient_step, "cut before the step", kind="order of the steps")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x, lambda i: i < (rank or len(i))) - step * direction


@mistake(low_rank_gradient_step, "only the gradient cut", kind="order of the steps")
def _(x, direction, /, *, step=1.0, rank=None):
    return x - step * stepped(direction, lambda i: i < (rank or len(i)))


@mistake(low_rank_gradient_step, "never cut", kind="set")
def _(x, direction, /, *, step=1.0, rank=None):
    return x - step * direction


@mistake(low_rank_gradient_step, "smallest values kept", kind="set")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x - step * direction, lambda i: i >= len(i) - (rank or len(i)))


@mistake(low_rank_gradient_step, "step of 1 whatever is asked", kind="place of a parameter")
def _(x, direction, /, *, step=1.0, rank=None):
    return stepped(x - direction, lambda i: i < (rank or len(i)))


@honest(low_rank_gradient_step, "NumPy", baseline=True)
def _(x, direction, /, *, step=1.0, rank=None):
    narrow = finite(x)[0].dtype.type
    moved = x.astype(narrow) - narrow(step) * direction.astype(narrow)
    return stepped(moved, lambda i: i < (rank or len(i))).astype(x.dtype)


def counted(x, ratio, p, sort=True, one=1, of=1):
    """Return ranks and shares in float64, by the sums from the largest down."""
    powers = np.abs(x.astype(np.float64)) ** p
    powers = np.sort(powers, axis=-1)[..., ::-1] if sort else powers
    sums = np.cumsum(powers, axis=-1)
    r = np.minimum(one + np.sum(sums < ratio * sums[..., -1:], axis=-1), x.shape[-1])
    return r / of, (np.take_along_axis(sums, np.maximum(r, 1)[..., None] - 1, axis=-1) / sums[..., -1:])[..., 0]


@mistake(energy_rank, "numbers as they come", kind="order")
def _(x, /, *, ratio=0.99, p=1):
    return counted(x, ratio, p, sort=False)


@mistake(energy_rank, "one too few", kind="set")
def _(x, /, *, ratio=0.99, p=1):
    return counted(x, ratio, p, one=0)


@mistake(energy_rank, "squares whatever is asked", kind="place of a parameter")
def _(x, /, *, ratio=0.99, p=1):
    return counted(x, ratio, 2)


@mistake(energy_rank, "sums whatever is asked", kind="place of a parameter")
def _(x, /, *, ratio=0.99, p=1):
    return counted(x, ratio, 1)


@mistake(energy_rank, "beyond a share of the largest", kind="statistic")
def _(x, /, *, ratio=0.99, p=1):
    powers = np.abs(x) ** p
    kept = powers >= (1 - ratio) * np.max(powers, axis=-1, keepdims=True)
    return np.sum(kept, axis=-1), np.sum(powers * kept, axis=-1) / np.sum(powers, axis=-1)


@mistake(energy_rank, "as a share of dimensions", kind="denominator")
def _(x, /, *, ratio=0.99, p=1):
    return counted(x, ratio, p, of=x.shape[-1])


@honest(energy_rank, "NumPy", baseline=True)
def _(x, /, *, ratio=0.99, p=1):
    """What is left out is summed from the smallest up: from the largest down small numbers are lost."""
    with np.errstate(all="ignore"):
        size = np.abs(x.astype(np.float64))
        largest = np.max(size, axis=-1, keepdims=True)
        powers = np.sort((size / np.where((largest == 0) | ~np.isfinite(largest), 1, largest)) ** p, axis=-1)
        whole = np.sum(powers, axis=-1, keepdims=True)
        kept = ~(np.cumsum(powers, axis=-1) <= (1 - ratio) * whole) | np.isnan(whole)
        kept[..., -1] = True
        held = np.sum(powers * kept, axis=-1, keepdims=True)
        share = np.where(whole == 0, 1, held / whole)
    return np.sum(kept, axis=-1), share[..., 0].astype(x.dtype)


def allocated(x, old, step, count, key=lambda x: x, floor=None, counts=False, rest=False):
    """Return the ranks after a round, head by head, as the release loops, and their mean."""
    y, left = old.reshape(-1).copy(), count
    for h in np.argsort(key(x.reshape(-1).astype(np.float64)), kind="stable"):
        if left and y[h] > (step if floor is None else floor):
            y[h] -= step
            left -= 1
        elif counts and left:
            left -= 1
    return y.reshape(old.shape), np.mean(old if rest else y).astype(x.dtype)


@mistake(greedy_rank_allocation, "largest errors first", kind="order")
def _(x, old, /, *, step, count):
    return allocated(x, old, step, count, key=lambda x: -x)


@mistake(greedy_rank_allocation, "ranks at the floor use up the count", kind="set")
def _(x, old, /, *, step, count):
    return allocated(x, old, step, count, counts=True)


@mistake(greedy_rank_allocation, "down to 0", kind="set")
def _(x, old, /, *, step, count):
    return allocated(x, old, step, count, floor=step - 1)


@mistake(greedy_rank_allocation, "one by one", kind="place of a parameter")
def _(x, old, /, *, step, count):
    y = old - (allocated(x, old, step, count)[0] != old)
    return y, np.mean(y).astype(x.dtype)


@mistake(greedy_rank_allocation, "mean of the old ranks", kind="statistic")
def _(x, old, /, *, step, count):
    return allocated(x, old, step, count, rest=True)


@mistake(greedy_rank_allocation, "every row of heads on its own", kind="axis")
def _(x, old, /, *, step, count):
    rows = zip(x.reshape(-1, x.shape[-1]), old.reshape(-1, x.shape[-1]), strict=True)
    y = np.stack([allocated(a, b, step, count)[0] for a, b in rows]).reshape(old.shape)
    return y, np.mean(y).astype(x.dtype)


@honest(greedy_rank_allocation, "NumPy", baseline=True)
def _(x, old, /, *, step, count):
    return allocated(x, old, step, count)


survivor(
    greedy_rank_allocation,
    "greedy_rank_allocation: order = xp.argsort(xp.reshape(x, (-1,)), axis=0, stable=True): True -> False",
    "equal errors part when they are shaken, and either order is within yardsticks; its tests ask for the first",
)
