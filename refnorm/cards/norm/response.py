"""How local response norm is got wrong, and what frameworks call it with."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.response import local_response_norm

conventions(
    local_response_norm, "paper", "section 3.3, not read again", window=5, alpha=1e-4, beta=0.75, k=2.0, average=False
)
conventions(local_response_norm, "torch", "size = window; matconvnet#339, MNN#192", alpha=1e-4, beta=0.75, k=1.0)
conventions(
    local_response_norm, "onnx", "size = window, bias = k; onnxruntime wants it odd", alpha=1e-4, k=1.0, side="after"
)
conventions(local_response_norm, "caffe", "ACROSS_CHANNELS, an odd local_size", window=5, alpha=1.0, beta=0.75, k=1.0)
conventions(
    local_response_norm,
    "tf",
    "window = 2 depth_radius + 1, bias = k; tf.nn.local_response_normalization",
    window=11,
    axis=-1,
    alpha=1.0,
    beta=0.5,
    k=1.0,
    average=False,
)


def reach(window, side):
    before = window // 2 if side == "before" else (window - 1) // 2
    return before, window - 1 - before


def window_sum(square, before, after):
    """Return the sums over windows of channels, the first axis, with zeros beyond them."""
    padded = np.concatenate(
        [np.zeros_like(square[:1].repeat(before, axis=0)), square, np.zeros_like(square[:1].repeat(after, axis=0))]
    )
    return sum(padded[j : j + len(square)] for j in range(before + after + 1))


def written(
    *,
    energy=lambda x: x * x,
    reach=reach,
    factor=lambda alpha, window, average: alpha / window if average else alpha,
    divide=lambda x, pool, beta: x / pool**beta,
    pool=lambda k, a, summed, window: k + a * summed,
    places=False,
):
    """The operator in plain NumPy, and where its options say so, a wrong twin."""

    def call(x, *, window, axis=1, alpha=1e-4, beta=0.75, k=1.0, average=True, side="before"):
        axis = (x.ndim - 1 if axis in (1, -x.ndim + 1) else 1) if places else axis
        first, number = np.moveaxis(x, axis, 0), x.dtype.type
        summed = window_sum(energy(first), *reach(window, side))
        y = divide(first, pool(number(k), number(factor(alpha, window, average)), summed, window), number(beta))
        return np.moveaxis(y, 0, axis)

    return call


def fewer(k, a, summed, window):
    """Divide by the channels that are there: as if the ends were not padded."""
    ones = np.ones_like(summed)
    return k + a * summed * window / window_sum(ones, *reach(window, "before"))


for name, kind, wrong in [
    ("alpha not divided by the window", "denominator", {"factor": lambda alpha, window, average: alpha}),
    ("alpha always divided by the window", "denominator", {"factor": lambda alpha, window, average: alpha / window}),
    ("window taken for a depth radius", "window", {"reach": lambda window, side: (window, window)}),
    ("an even window one farther on the wrong side", "window", {"reach": lambda n, side: reach(n, side)[::-1]}),
    ("only the channels before", "window", {"reach": lambda window, side: (window - 1, 0)}),
    ("the mean of the channels that are there", "border", {"pool": fewer}),
    ("magnitudes in place of squares", "statistic", {"energy": np.abs}),
    ("exponent left out", "exponent", {"divide": lambda x, pool, beta: x / pool}),
    ("multiplied in place of divided", "exponent", {"divide": lambda x, pool, beta: x * pool**beta}),
    ("k under alpha", "place of a parameter", {"pool": lambda k, a, summed, window: a * (k + summed)}),
    ("k beside the power", "place of a parameter", {"pool": lambda k, a, summed, window: a * summed + k * 0 + 1}),
    ("neighbours in space, not in channels", "axis", {"places": True}),
    ("squares rounded to half", "narrow accumulator", {"energy": lambda x: (x * x).astype(np.float16).astype(x.dtype)}),
    ("NaN taken for zero", "NaN", {"energy": lambda x: np.where(np.isnan(x), 0.0, x * x)}),
]:
    mistake(local_response_norm, name, kind=kind)(written(**wrong))


@mistake(local_response_norm, "channels beyond the number of samples left without energy", kind="axis")
def _(x, *, axis=1, k=1.0, beta=0.75, **options):  # as the reference of onnx 1.23.2
    y = written()(x, axis=axis, k=k, beta=beta, **options)
    samples = x.shape[0] if axis % x.ndim else x.shape[1]
    first, given = np.moveaxis(y, axis, 0), np.moveaxis(x, axis, 0)
    first[samples:] = given[samples:] / x.dtype.type(k) ** x.dtype.type(beta)
    return y


# ---- other people's right ones ----

honest(local_response_norm, "NumPy")(written())


@honest(local_response_norm, "torch", needs="torch")
def _(x, /, *, window, axis=1, alpha=1e-4, beta=0.75, k=1.0, average=True, side="before"):
    import torch

    second = np.moveaxis(x, axis, 1)
    flipped = second[:, ::-1] if side == "after" else second
    if not x.size:  # its average pooling wants a batch
        return x.copy()
    t = torch.from_numpy(flipped.reshape(*flipped.shape[:2], math.prod(flipped.shape[2:])).copy())
    y = torch.nn.functional.local_response_norm(t, window, alpha if average else alpha * window, beta, k).numpy()
    y = y[:, ::-1] if side == "after" else y
    return np.moveaxis(y.reshape(second.shape), 1, axis)
