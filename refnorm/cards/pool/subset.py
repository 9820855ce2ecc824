"""How the summary of a subset and its superset is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.subset import subset_superset_pool

conventions(subset_superset_pool, "paper", "as catalogued", reduce="sum", join="concat")


def summed(x, other, m, *, reduce="sum", join="concat", whole=None, share=False, turn=False, hard=False):
    m = np.round(m) if hard else m
    part = np.sum(m[..., None] * x, axis=-2)
    part = part / np.sum(m, axis=-1)[..., None] if share else part
    rest = np.sum(other if whole is None else whole(m)[..., None] * other, axis=-2)
    rest = rest / x.shape[-2] if reduce == "mean" else rest
    both = (rest, part) if turn else (part, rest)
    return (part + rest if join == "add" else np.concatenate(both, axis=-1)).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(subset_superset_pool, name, kind=kind)
    def _(*arrays, **options):
        return summed(*arrays, **(options | wrong))


twin("the rest in place of the whole", "region", whole=lambda m: 1 - m)
twin("the whole weighed too", "region", whole=lambda m: m)
twin("mean of the subset", "denominator", share=True)
twin("sum of the whole in any case", "denominator", reduce="sum")
twin("mean of the whole in any case", "denominator", reduce="mean")
twin("the whole first", "order of steps", turn=True)
twin("members rounded", "cast order", hard=True)


@mistake(subset_superset_pool, "one encoding for both", kind="statistic")
def _(x, other, m, /, **options):
    return summed(x, x, m, **options)


@honest(subset_superset_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return summed(*arrays, **options)
