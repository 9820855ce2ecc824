"""What is timed against what: the cases, our side of them, and the clock.

One process holds one family of rivals, since thread pools of two runtimes fight over the same cores. In it our call
and theirs take turns, so that a noisy neighbour disturbs both: only the ratio of medians means anything.
"""

import gc
import statistics
import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from refnorm import OPERATORS

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
FAMILIES = ("torch", "onnxruntime", "numba", "jax")
LEAST_TURNS = 9
LEAST_TIMED = 2e-4  # seconds: a shorter call is repeated within its turn


@dataclass(frozen=True)
class Case:
    """One call of an operator, of the sizes that people run."""

    label: str
    operator: str
    shape: tuple[int, ...]
    parameters: int = 0
    options: dict = field(default_factory=dict)
    vjp: bool = False
    channels_last: bool = False

    def arrays(self) -> list[np.ndarray]:
        """Return the arrays of the call: with `vjp` the cotangent first."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal(self.shape, dtype="float32")
        if self.channels_last:
            x = np.moveaxis(x.reshape(self.shape[0], *self.shape[2:], self.shape[1]), -1, 1)
        cotangent = [rng.standard_normal(self.shape, dtype="float32")] if self.vjp else []
        return [*cotangent, x, *(rng.standard_normal(self.shape[-1], dtype="float32") for _ in range(self.parameters))]


IMAGES = (32, 64, 112, 112)
MAX = {"window": 3, "stride": 2, "padding": 1}
CASES = (
    Case("layer_norm 4096x4096", "layer_norm", (4096, 4096), 2),
    Case("layer_norm 8192x768", "layer_norm", (8192, 768), 2),
    Case("layer_norm 1x768", "layer_norm", (1, 768), 2),
    Case("rms_norm 4096x4096", "rms_norm", (4096, 4096), 1),
    Case("softmax 8192x1024", "softmax", (8192, 1024)),
    Case("max_pool 3x3/2", "max_pool", IMAGES, options=MAX),
    Case("max_pool 3x3/2 channels last", "max_pool", IMAGES, options=MAX, channels_last=True),
    Case("avg_pool 2x2/2", "avg_pool", IMAGES, options={"window": 2}),
    Case("avg_pool 2x2/2 channels last", "avg_pool", IMAGES, options={"window": 2}, channels_last=True),
    Case("layer_norm_vjp 4096x4096", "layer_norm", (4096, 4096), 2, vjp=True),
    Case("softmax_vjp 8192x1024", "softmax", (8192, 1024), vjp=True),
)


def ours(case: Case, arrays):
    """Return our call. Forward calls write to memory they are given; gradients have no `out` and allocate."""
    operator = OPERATORS[case.operator]
    if case.vjp:
        return partial(operator.gradient, *arrays, **case.options)
    out = operator.function(*arrays, **case.options)
    return partial(operator.function, *arrays, **case.options, out=out)  # as quick to call as the rivals' closures


def require_agreement(label: str, got, wanted) -> None:
    """Refuse to time a call that computes something else. Loose: accuracy is measured elsewhere."""
    pairs = zip(got, wanted, strict=True) if isinstance(wanted, tuple) else [(got, wanted)]
    for a, b in pairs:
        a = np.asarray(a)
        if a.shape != b.shape or not np.max(np.abs(a - b)) <= 1e-3 * np.max(np.abs(b)):
            raise AssertionError(f"{label} does not compute what we compute")


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
