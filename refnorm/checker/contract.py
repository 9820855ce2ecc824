"""Layer 1: what every call owes whatever its numbers: shape, dtype, untouched inputs, any strides, any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .calls import Call, mapped
from .measure import bound, quiet
from .pace import Pace
from .report import Layer
from .trial import Trial, ask

__all__ = ["contract_layer"]

MANY_ROWS = 65_537 + 2  # one more than a 16-bit grid has blocks, and not a multiple of anything
SOME = np.r_[0:3, 65_533:MANY_ROWS]


def negative(a):
    return np.flip(np.flip(a).copy())


def transposed(a):
    return a.T.copy().T


def gaps(a):
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def displaced(a):
    line = np.zeros(a.size + 1, a.dtype)
    line[1:] = a.reshape(-1)
    return line[1:].reshape(a.shape)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def repeated(a):
    """Return `a` with stride 0 along its first axis."""
    return np.broadcast_to(a[:1], a.shape)


LAYOUTS = {
    "negative strides": negative,
    "transposed memory": transposed,
    "strides with gaps": gaps,
    "memory that starts off a boundary": displaced,
    "read-only arrays": read_only,
}


def contract_layer(candidate, trials: list[Trial], pace: Pace, strict: bool) -> Layer:
    """Judge the trials of the plain cases, then ask the same calls in other layouts, sizes and company."""
    layer = Layer("contract", ran=len(trials))
    _shape_and_dtype(layer, trials)
    # one case is enough for the rest, and the fullest of those that went well says most
    able = [t for t in trials if t.error is None and t.call.size and t.shapes == t.call.shapes]
    if not able:
        layer.skipped = "layouts, many rows, repeatability: no plain call went through"
        return layer
    _layouts(layer, candidate, able, pace)
    _repeatability(layer, candidate, _fullest(able), strict)
    # the fewest numbers a row, so that many rows stay cheap, but not so few that every row is the same
    able = [t for t in able if t.call.dtype == able[0].call.dtype and _rowwise(t.call) and t.call.arrays[0][0].size > 4]
    if not able or pace.spent:
        layer.skipped = "rows: out of time" if pace.spent else "rows: one row's answer depends on the others"
        return layer
    _rows(layer, candidate, min(able, key=lambda t: t.call.arrays[0][0].size), strict)
    return layer


def _shape_and_dtype(layer: Layer, trials: list[Trial]) -> None:
    for t in (crashed := [t for t in trials if t.error]):
        layer.find(f"crashes, first at '{t.call.label}' in {t.call.dtype}: {t.error}", "fails", len(crashed))
        break
    went = [t for t in trials if t.error is None]
    bent = [t for t in went if t.shapes != t.call.shapes]
    cast = [t for t in went if t.got.dtype != t.call.dtype]
    spoilt = [t for t in went if t.overwritten]
    if bent:
        t = bent[0]
        layer.find(f"shape {t.shapes} where {t.call.shapes} was wanted ('{t.call.label}')", "fails", len(bent))
    if cast:
        layer.find(f"returns {cast[0].got.dtype} for {cast[0].call.dtype}", "fails", len(cast))
    layer.find("overwrites its input", "fails", len(spoilt))
    if all(t.call.size for t in trials):
        layer.skipped = "empty arrays: the operator has no such case"


def _fullest(trials: list[Trial]) -> Trial:
    return max(trials, key=lambda t: (len(t.call.arrays), t.call.arrays[0].ndim, t.call.dtype == trials[0].call.dtype))


def alike(call: Call, a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two answers to one call agree within grade B: a sum may run in another order."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    with quiet():
        far = np.abs(a.astype("float64") - b) > bound("B", call.reach) * call.yardstick
        return not bool(np.any(far | (np.isnan(a) != np.isnan(b))))


def _layouts(layer: Layer, candidate, able: list[Trial], pace: Pace) -> None:
    for t in {id(t): t for t in (able[0], _fullest(able))}.values():
        asked = [(name, t, replace(t.call, layout=layout)) for name, layout in LAYOUTS.items()]
        flat = replace(t.call, arrays=mapped(lambda a: np.array(repeated(a)), t.call.arrays))
        asked.append(("strides of zero", ask(candidate, flat), replace(flat, layout=repeated)))
        for name, before, call in asked:
            if before.error is None and not pace.spent:
                _layout(layer, name, before, ask(candidate, call))


def _layout(layer: Layer, name: str, before: Trial, after: Trial) -> None:
    layer.ran += 1
    if after.error:
        layer.find(f"refuses {name}: {after.error}", "fails")
    elif after.overwritten and not before.overwritten:
        layer.find(f"overwrites its input given {name}", "fails")
    elif not alike(after.call, before.got, after.got):
        layer.find(f"answers otherwise given {name}", "fails")


def _repeatability(layer: Layer, candidate, first: Trial, strict: bool) -> None:
    again = ask(candidate, first.call)
    layer.ran += 1
    if again.error or again.got.tobytes() != first.got.tobytes():
        layer.find("two runs differ in their bits", "fails" if strict else "conforms")


def _rowwise(call: Call) -> bool:
    """Return whether the reference itself gives the last row the same answer when it comes alone."""
    x, wanted = call.arrays[0], call.wanted
    if x.ndim < 2 or isinstance(call.answer, tuple) or wanted.shape[:1] != x.shape[:1]:
        return False
    alone = replace(call, arrays=[x[-1:], *call.arrays[1:]])
    try:
        return alike(alone, wanted[-1:], alone.wanted)
    except ValueError:  # the other arrays belong to all rows
        return False


def _rows(layer: Layer, candidate, first: Trial, strict: bool) -> None:
    """Ask the last row alone, and the same rows tiled far beyond 65,535."""
    call, x = first.call, first.call.arrays[0]
    alone = ask(candidate, replace(call, arrays=[x[-1:], *call.arrays[1:]]))
    layer.ran += 2
    if alone.error:
        layer.find(f"refuses one row alone: {alone.error}", "fails")
    elif alone.got.tobytes() != first.got[-1:].tobytes():
        layer.find("a row alone differs in its bits from that row in a batch", "fails" if strict else "conforms")
    # no two rows the same: rows that wrap round a 16-bit index would look right on tiles
    noise = np.random.default_rng(x.size).uniform(0.5, 2.0, (MANY_ROWS, *x.shape[1:]))
    many = (np.resize(x, noise.shape) * noise).astype(x.dtype)
    few = replace(call, arrays=[many[SOME], *call.arrays[1:]])
    small, large = ask(candidate, few), ask(candidate, replace(call, arrays=[many, *call.arrays[1:]]))
    if large.error:
        layer.find(f"crashes on {MANY_ROWS:,} rows: {large.error}", "fails")
    elif small.error is None and not (len(large.got) == MANY_ROWS and alike(few, large.got[SOME], small.got)):
        layer.find(f"answers otherwise in {MANY_ROWS:,} rows than in {len(SOME)} of them", "fails")
