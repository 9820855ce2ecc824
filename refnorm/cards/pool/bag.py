"""How bags of rows are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.bag import embedding_bag

conventions(embedding_bag, "torch", "torch.nn.functional.embedding_bag; padding_id is its padding_idx", reduce="mean")
conventions(embedding_bag, "onnx", "a Gather and a ReduceSum for each bag: what torch exports", reduce="sum")


def bagged(
    x, ids, offsets, weight=None, *, reduce="mean", padding_id=None, count=False, share=0, last=0, start=0.0,
    squared=False,
):  # fmt: skip
    y = np.zeros((len(offsets), x.shape[1]), x.dtype)
    for b, first in enumerate(offsets):
        end = offsets[b + 1] if b + 1 < len(offsets) else len(ids)
        places = np.arange(first, max(first, end - last))
        places = places if padding_id is None else places[ids[places] != padding_id]
        rows = x[ids[places]] * (1 if weight is None else weight[places, None] ** (2 if squared else 1))
        if len(rows):
            n = x.dtype.type(max(1, (end - first if count else len(rows)) - share))
            y[b] = np.max(rows, axis=0) if reduce == "max" else np.sum(rows, axis=0) / (n if reduce == "mean" else 1)
            y[b] = np.maximum(y[b], start) if reduce == "max" and start is not None else y[b]
    return y


def twin(name, kind, /, **wrong):
    @mistake(embedding_bag, name, kind=kind)
    def _(*arrays, **options):
        return bagged(*arrays, **({"start": None} | options | wrong))


twin("sum in place of mean", "denominator", reduce="sum")
twin("padding counted", "denominator", count=True)
twin("padding not left out", "region", padding_id=None)
twin("n - 1 in place of n", "denominator", share=1)
twin("last of each bag left out", "tail", last=1)
twin("maximum starts at 0", "sign", start=0.0)
twin("weights squared", "place of a parameter", squared=True)


@mistake(embedding_bag, "weights left out", kind="place of a parameter")
def _(x, ids, offsets, weight=None, /, **options):
    return bagged(x, ids, offsets, start=None, **options)


@mistake(embedding_bag, "empty bags hold the row they begin with", kind="region")  # np.add.reduceat
def _(x, ids, offsets, weight=None, /, *, reduce="mean", padding_id=None):
    y = bagged(x, ids, offsets, weight, reduce=reduce, padding_id=padding_id, start=None)
    ends = np.append(offsets[1:], len(ids))
    for b, (first, end) in enumerate(zip(offsets, ends, strict=True)):
        if first == end and first < len(ids):
            y[b] = x[ids[first]]
    return y


@honest(embedding_bag, "NumPy", baseline=True)
def _(*arrays, **options):
    return bagged(*arrays, start=None, **options)
