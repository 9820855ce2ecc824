"""How farthest points and pools over nearest neighbours are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.points import farthest_point_sample, knn_pool

conventions(farthest_point_sample, "fpsample", "fps_sampling with a start_idx", start=0)
conventions(farthest_point_sample, "torch_cluster", "fps with random_start=False", start=0)
conventions(knn_pool, "shapesplat", "as catalogued, not confirmed", reduce="max")
conventions(
    knn_pool,
    "hymamba",
    "as catalogued, not confirmed; its distances are scaled before",
    reduce="softmax",
    squared=False,
)


def farthest(x, *, k, start=0, join=np.minimum, first=None, power=2, pick=np.argmax, recent=False):
    y = np.empty((*x.shape[:-2], k), int)
    for batch in np.ndindex(x.shape[:-2]):
        cloud, least, place = x[batch].astype(np.float64), None, start if first is None else first
        for s in range(k):
            y[(*batch, s)] = place
            d = np.sum(np.abs(cloud - cloud[place]) ** power, axis=-1)
            least = d if least is None or recent else join(least, d)
            place = int(pick(least))
    return np.take_along_axis(x, y[..., None], axis=-2), y


def twin(name, kind, /, **wrong):
    @mistake(farthest_point_sample, name, kind=kind)
    def _(x, /, **options):
        return farthest(x, **(options | wrong))


twin("the first point in any case", "place of a parameter", first=0)
twin("farthest from the last point only", "statistic", recent=True)
twin("sum of the distances", "statistic", join=np.add)
twin("largest distance", "statistic", join=np.maximum)
twin("sums of magnitudes", "statistic", power=1)
twin("the last of equals", "tail", pick=lambda d: len(d) - 1 - np.argmax(d[::-1]))
twin("the nearest", "sign", pick=np.argmin)


@mistake(farthest_point_sample, "farthest from the middle", kind="statistic")
def _(x, /, *, k, start=0):
    d = np.sum((x - x.mean(axis=-2, keepdims=True)) ** 2, axis=-1)
    y = np.argsort(-d, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, y[..., None], axis=-2), y


@honest(farthest_point_sample, "NumPy", baseline=True)
def _(x, /, **options):
    return farthest(x, **options)


def pooled(x, p, q, *, k, reduce="max", tau=1.0, squared=True, far=False, times=False, everyone=False, sign=-1, half=1):
    d = np.sum((q[..., :, None, :] - p[..., None, :, :]) ** 2, axis=-1)
    order = np.argsort(-d if far else d, axis=-1, kind="stable")[..., : x.shape[-2] if everyone else k]
    flat = order.reshape(*order.shape[:-2], -1)
    members = np.take_along_axis(x, flat[..., None], axis=-2).reshape(*order.shape, x.shape[-1])
    d = np.take_along_axis(d, order, axis=-1)
    d = d if squared else np.sqrt(d)
    s = sign * (d * x.dtype.type(tau) if times else d / x.dtype.type(half * tau))
    w = np.exp(s - np.max(s, axis=-1, keepdims=True))
    w = w / np.sum(w, axis=-1, keepdims=True)
    if reduce == "softmax":
        return np.sum(w[..., None] * members, axis=-2).astype(x.dtype)
    return (np.max(members, axis=-2) if reduce == "max" else np.mean(members, axis=-2)).astype(x.dtype)


def pool_twin(name, kind, /, **wrong):
    @mistake(knn_pool, name, kind=kind)
    def _(*arrays, **options):
        return pooled(*arrays, **(options | wrong))


pool_twin("farthest members", "sign", far=True)
pool_twin("all members", "region", everyone=True)
pool_twin("times tau", "place of a parameter", times=True)
pool_twin("twice tau, as in a Gaussian", "denominator", half=2)
pool_twin("far members weigh more", "sign", sign=1)
pool_twin("squared distances in any case", "statistic", squared=True)
pool_twin("distances in any case", "statistic", squared=False)
pool_twin("mean in any case", "statistic", reduce="mean")


@mistake(knn_pool, "one neighbour less", kind="tail")
def _(*arrays, k, **options):
    return pooled(*arrays, k=max(1, k - 1), **options)


@honest(knn_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return pooled(*arrays, **options)
