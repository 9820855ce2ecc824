"""What is timed against what: the cases, our side of them, and the clock.

One process holds one family of rivals, since thread pools of two runtimes fight over the same cores. In it our call
and theirs take turns, so that a noisy neighbour disturbs both: only the ratio of medians means anything.
"""

import gc
import inspect
import statistics
import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from refnorm import OPERATORS
from refnorm._cases import Draw, booleans, integers, normal, permutation, positive, uniform

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
FAMILIES = ("torch", "inductor", "onnxruntime", "numba", "jax", "numpy")
NOFAULT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(16 << 30)}  # freed heap is used again
LEAST_TURNS = 9
LEAST_TIMED = 2e-4  # seconds: a shorter call is repeated within its turn


@dataclass(frozen=True)
class Case:
    """One call of an operator, of the sizes that people run."""

    label: str
    operator: str
    draws: tuple[Draw, ...]
    options: dict = field(default_factory=dict)
    vjp: bool = False
    channels_last: bool = False
    dtype: str = "float32"

    def arrays(self) -> list[np.ndarray]:
        """Return the arrays of the call: with `vjp` the cotangent first."""
        rng = np.random.default_rng(0)
        draws = (self.draws[0], *self.draws) if self.vjp else self.draws
        arrays = [np.asarray(draw(rng)) for draw in draws]
        arrays = [a.astype(self.dtype) if a.dtype.kind == "f" else a for a in arrays]
        if self.channels_last:
            n, c, *spatial = arrays[0].shape
            arrays[0] = np.moveaxis(arrays[0].reshape(n, *spatial, c), -1, 1)
        return arrays


def signs(*shape: int) -> Draw:
    return Draw(shape, lambda rng, s: rng.choice([-1.0, 1.0], s), "signs")


def sparse_ids(n: int, size: int, density: float, most: int) -> Draw:
    """Draw the buckets of each element, as many of `size` as the density gives it; -1 behind them is none."""

    def draw(rng, s):
        ids = np.full(s, -1)
        for row, k in zip(ids, rng.binomial(size, density, s[0]), strict=True):
            row[: min(k, most)] = rng.choice(size, min(k, most), replace=False)
        return ids

    return Draw((n, most), draw, "buckets")


IMAGES = normal(32, 64, 112, 112)
PLANES = normal(32, 64, 56, 56)
CHANNELS = (normal(64), normal(64))
SQUARE = normal(4096, 4096)
MEMBERS = normal(10**6, 64)
MAX = {"window": 3, "stride": 2, "padding": 1}
CASES = (
    Case("layer_norm 4096x4096", "layer_norm", (SQUARE, normal(4096), normal(4096))),
    Case("layer_norm 8192x768", "layer_norm", (normal(8192, 768), normal(768), normal(768))),
    Case("layer_norm 1x768", "layer_norm", (normal(1, 768), normal(768), normal(768))),
    Case("rms_norm 4096x4096", "rms_norm", (SQUARE, normal(4096))),
    Case("batch_norm_train 32x64x56x56", "batch_norm_train", (PLANES, *CHANNELS)),
    Case("instance_norm 32x64x56x56", "instance_norm", (PLANES, *CHANNELS)),
    Case("group_norm 32x64x56x56 by 32", "group_norm", (PLANES, *CHANNELS), {"groups": 32}),
    Case("evonorm s0 32x64x56x56 by 32", "evonorm", (PLANES, normal(64), *CHANNELS), {"kind": "s0", "groups": 32}),
    Case("evonorm b0 32x64x56x56", "evonorm", (PLANES, normal(64), *CHANNELS), {"kind": "b0"}),
    Case(
        "region_norm 8x64x128x128", "region_norm",
        (normal(8, 64, 128, 128), booleans(8, 1, 128, 128), normal(2, 64), normal(2, 64)),
    ),
    Case(
        "generalized_divisive_norm 8x64x64x64", "generalized_divisive_norm",
        (normal(8, 64, 64, 64), uniform(64, 64), positive(64)),
    ),
    Case("gated_rms_norm 4096x4096", "gated_rms_norm", (SQUARE, SQUARE, normal(4096))),
    Case("crms_norm 4096x4096", "crms_norm", (SQUARE,)),
    Case("weight_norm 4096x4096", "weight_norm", (SQUARE, normal(4096))),
    Case("lp_normalize 8192x1024", "lp_normalize", (normal(8192, 1024),)),
    Case("entmax 4096x1024", "entmax", (normal(4096, 1024),)),
    Case("sparsemax 4096x1024", "entmax", (normal(4096, 1024),), {"alpha": 2.0}),
    Case("sinkhorn 1024x1024", "sinkhorn", (normal(1024, 1024),), {"iterations": 100}),
    Case("sinkhorn 1024x1024 float64", "sinkhorn", (normal(1024, 1024),), {"iterations": 100}, dtype="float64"),
    Case("project_simplex 4096x4096", "project_simplex", (SQUARE,)),
    Case("softmax 8192x1024", "softmax", (normal(8192, 1024),)),
    Case("max_pool 3x3/2", "max_pool", (IMAGES,), MAX),
    Case("max_pool 3x3/2 channels last", "max_pool", (IMAGES,), MAX, channels_last=True),
    Case("avg_pool 2x2/2", "avg_pool", (IMAGES,), {"window": 2}),
    Case("avg_pool 2x2/2 channels last", "avg_pool", (IMAGES,), {"window": 2}, channels_last=True),
    Case("adaptive_avg_pool 7x7", "adaptive_avg_pool", (IMAGES,), {"output_size": 7}),
    Case("spatial_pyramid_pool 1 2 4", "spatial_pyramid_pool", (normal(32, 256, 28, 28),), {"levels": (1, 2, 4)}),
    Case("gem_pool p=3", "gem_pool", (normal(32, 512, 28, 28),), {"p": 3.0, "axis": (2, 3)}),
    Case("gem_pool p=2.37", "gem_pool", (normal(32, 512, 28, 28),), {"p": 2.37, "axis": (2, 3)}),
    Case("segment_pool to 1000", "segment_pool", (MEMBERS, integers(10**6, high=1000)), {"segments": 1000}),
    Case("segment_pool to 30000", "segment_pool", (MEMBERS, integers(10**6, high=30000)), {"segments": 30000}),
    Case("walsh_hadamard 4096x4096", "walsh_hadamard_transform", (SQUARE,)),
    Case("fastfood 4096x4096", "fastfood_project", (SQUARE, signs(4096), permutation(4096), normal(4096))),
    Case(
        "count_sketch 4096x4096 to 256", "count_sketch", (SQUARE, integers(4096, high=256), signs(4096)),
        {"output_size": 256},
    ),
    Case(
        "very sparse 4096x4096 to 256", "count_sketch",
        (SQUARE, sparse_ids(4096, 256, 1 / 64, 12), signs(4096, 12)), {"output_size": 256},
    ),
    Case("layer_norm_vjp 4096x4096", "layer_norm", (SQUARE, normal(4096), normal(4096)), vjp=True),
    Case("softmax_vjp 8192x1024", "softmax", (normal(8192, 1024),), vjp=True),
)  # fmt: skip


def ours(case: Case, arrays):
    """Return our call. It writes to memory it is given; gradients and what has no `out` allocate."""
    operator = OPERATORS[case.operator]
    if case.vjp:
        return partial(operator.gradient, *arrays, **case.options)
    answer = operator.function(*arrays, **case.options)
    out = answer[0] if isinstance(answer, tuple) else answer
    if "out" not in inspect.signature(operator.function).parameters:
        return partial(operator.function, *arrays, **case.options)
    return partial(operator.function, *arrays, **case.options, out=out)  # as quick to call as the rivals' closures


def require_agreement(label: str, got, wanted) -> None:
    """Refuse to time a call that computes something else. Loose: accuracy is measured elsewhere.

    A rival may give fewer outputs than we do.
    """
    pairs = zip(got, wanted, strict=False) if isinstance(got, tuple) else [(got, _first(wanted))]
    for a, b in pairs:
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or not np.max(np.abs(a - b)) <= 1e-3 * np.max(np.abs(b)):
            raise AssertionError(f"{label} does not compute what we compute")


def _first(answer):
    return answer[0] if isinstance(answer, tuple) else answer


def medians(calls: dict, seconds: float, clock=time.perf_counter) -> tuple[dict[str, float], int]:
    """Time the calls in turn; return the median seconds of each and how many turns there were."""
    repeats = {name: _repeats(call, clock) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, turns, end = list(calls), 0, time.perf_counter() + seconds
    gc.disable()
    while turns < LEAST_TURNS or time.perf_counter() < end:
        for name in order:
            times[name].append(_timed(calls[name], repeats[name], clock))
        order.reverse()  # else the same one always finds its neighbour's leavings in the cache
        turns += 1
    gc.enable()
    return {name: statistics.median(t) for name, t in times.items()}, turns


def _repeats(call, clock) -> int:
    call()
    return max(1, int(LEAST_TIMED / max(_timed(call, 1, clock), 1e-9)))


def _timed(call, repeats: int, clock) -> float:
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats
