"""Layer 1: what every call owes whatever its numbers: shape, dtype, untouched inputs, any strides, any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .calls import Call
from .layouts import LAYOUTS, TALL, mapped, repeated
from .measure import bound, quiet
from .pace import Pace
from .report import Layer
from .trial import Trial, ask
from .wire import dtype_of

__all__ = ["alike", "contract_layer", "shape_and_dtype"]

MANY_ROWS = 65_537 + 2  # one more than a 16-bit grid has blocks, and not a multiple of anything
SOME = np.r_[0:3, 65_533:MANY_ROWS]


def contract_layer(candidate, trials: list[Trial], pace: Pace, strict: bool) -> Layer:
    """Judge the trials of the plain cases, then ask the same calls in other layouts, memory, sizes and company."""
    layer = shape_and_dtype(trials)
    if all(t.call.size for t in trials):
        layer.skip("empty arrays: the operator has no such case")
    # one case is enough for the rest, and the fullest of those that went well says most
    able = [t for t in trials if t.error is None and t.call.size and t.shapes == t.call.shapes]
    if not able:
        layer.skip("layouts, many rows, repeatability: no plain call went through")
        return layer
    _layouts(layer, candidate, able, pace)
    _repeatability(layer, candidate, _fullest(able), strict)
    _memory(layer, candidate, able, pace)
    # the fewest numbers a row, so that many rows stay cheap, but not so few that every row is the same
    able = [t for t in able if t.call.dtype == able[0].call.dtype and t.call.arrays[0][0].size > 4 and _rowwise(t.call)]
    if not able or pace.spent:
        if pace.spent:
            layer.cut(f"rows: {pace.spent}")
        else:
            layer.skip("rows: the answer of one depends on the others")
        return layer
    least = min(able, key=lambda t: t.call.arrays[0][0].size)
    _rows(layer, candidate, least, strict)
    _tall(layer, candidate, least, pace)
    return layer


def shape_and_dtype(trials: list[Trial]) -> Layer:
    """Judge what can be seen of answers apart from their numbers."""
    layer = Layer("contract", ran=len(trials))
    for t in (crashed := [t for t in trials if t.error]):
        layer.find(f"crashes, first at '{t.call.label}' in {t.call.dtype}: {t.error}", "fails", len(crashed))
        break
    went = [t for t in trials if t.error is None]
    bent = [t for t in went if t.shapes != t.call.shapes]
    cast = [t for t in went if t.got.dtype != dtype_of(t.call.dtype)]
    spoilt = [t for t in went if t.overwritten]
    if bent:
        t = bent[0]
        layer.find(f"shape {t.shapes} where {t.call.shapes} was wanted ('{t.call.label}')", "fails", len(bent))
    if cast:
        layer.find(f"returns {cast[0].got.dtype} for {cast[0].call.dtype}", "fails", len(cast))
    layer.find("overwrites its input", "fails", len(spoilt))
    for fault, where in _faults(went).items():
        layer.find(f"{fault} ('{where[0].call.label}' in {where[0].call.dtype})", "fails", len(where))
    return layer


def _faults(trials: list[Trial]) -> dict[str, list[Trial]]:
    """Group the faults that an adapter saw by what they are; the first is told in full."""
    first: dict[str, str] = {}
    groups: dict[str, list[Trial]] = {}
    for t in trials:
        for fault in t.faults:
            groups.setdefault(first.setdefault(fault.partition(":")[0], fault), []).append(t)
    return groups


def _fullest(trials: list[Trial]) -> Trial:
    return max(trials, key=lambda t: (len(t.call.arrays), t.call.arrays[0].ndim, t.call.dtype == trials[0].call.dtype))


def alike(call: Call, a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two answers to one call agree within grade B: a sum may run in another order."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.tobytes() == b.tobytes():
        return True  # the yardstick, eleven calls of the reference, need not be measured
    with quiet():
        far = np.abs(a.astype("float64") - b.astype("float64")) > bound("B", call.reach) * call.yardstick
        return not bool(np.any(far | (np.isnan(a) != np.isnan(b))))


# ---- other memory ----


def _layouts(layer: Layer, candidate, able: list[Trial], pace: Pace) -> None:
    names = [name for name in LAYOUTS if name not in ("as drawn", "strides of zero", "2^23 rows")]
    for name in names:
        if name in candidate.cannot:
            layer.skip(f"{name}: {candidate.cannot[name]}")
    for t in {id(t): t for t in (able[0], _fullest(able))}.values():
        asked = [(name, t, replace(t.call, layout=name)) for name in names]
        flat = replace(t.call, arrays=mapped(lambda a: np.array(repeated(a)) if a.ndim else a, t.call.arrays))
        asked.append(("strides of zero", None, replace(flat, layout="strides of zero")))
        for name, before, call in asked:
            if not pace.spent and name not in candidate.cannot:
                before = before or ask(candidate, flat)
                if before.error is None:
                    _layout(layer, name, before, ask(candidate, call))


def _layout(layer: Layer, name: str, before: Trial, after: Trial) -> None:
    if _declined(layer, name, after):
        return
    layer.ran += 1
    if after.error:
        layer.find(f"refuses {name}: {after.error}", "fails")
    elif after.overwritten and not before.overwritten:
        layer.find(f"overwrites its input given {name}", "fails")
    elif after.faults and not before.faults:
        layer.find(f"{after.faults[0]} (given {name})", "fails")
    elif not alike(after.call, before.got, after.got):
        layer.find(f"answers otherwise given {name}", "fails")


def _declined(layer: Layer, what: str, trial: Trial) -> bool:
    """Say what a candidate does not offer, and return whether it is this."""
    if trial.declined:
        layer.skip(f"{what}: the candidate {trial.error}")
    return trial.declined


def _repeatability(layer: Layer, candidate, first: Trial, strict: bool) -> None:
    again = ask(candidate, first.call)
    layer.ran += 1
    if again.error or again.got.tobytes() != first.got.tobytes():
        layer.find("two runs differ in their bits", "fails" if strict else "conforms")


def _memory(layer: Layer, candidate, able: list[Trial], pace: Pace) -> None:
    """Ask for other numbers in the same memory, and for the answer in memory that is handed over."""
    first = _fullest(able)
    if pace.spent:
        layer.cut(f"the same memory again: {pace.spent}")
        return
    layer.ran += 1
    data = first.call.arrays[0]
    other = replace(first.call, arrays=[np.flip(data).copy(), *first.call.arrays[1:]])
    fresh, again = ask(candidate, other), ask(candidate, other, "again", before=first.call.arrays)
    if fresh.error is None and not again.declined and (again.error or not alike(other, fresh.got, again.got)):
        layer.find("answers otherwise where the same memory holds other numbers than before", "fails")
    if not candidate.takes_out:
        layer.skip("out=: the candidate takes none")
        return
    for t in (t for t in able if t.call.dtype == first.call.dtype and not isinstance(t.call.answer, tuple)):
        layer.ran += 1
        into = ask(candidate, t.call, "out", shape=t.shapes, dtype=t.call.dtype)
        if _declined(layer, "out=", into):
            return
        trouble = [f"refuses out=: {into.error}"] if into.error else into.faults
        if not trouble and not alike(t.call, t.got, into.got):
            trouble = ["answers otherwise given out="]
        for what in trouble:
            layer.find(f"{what} ('{t.call.label}')", "fails")
        if trouble or pace.spent:
            return


# ---- other sizes ----


def _rowwise(call: Call) -> bool:
    """Return whether the reference itself gives every row the same answer when it comes alone.

    In float64, not in yardsticks, and of rows that differ: 1e4 and a little is one number in half precision. One row
    would not do: that of zeros is the same in any company.
    """
    x = call.arrays[0]
    if x.ndim < 2 or isinstance(call.answer, tuple) or call.wanted.shape[:1] != x.shape[:1]:
        return False
    spread = (x * np.random.default_rng(x.size).uniform(0.5, 2.0, x.shape)).astype(x.dtype)
    together, *alone = (replace(call, arrays=[a, *call.arrays[1:]]) for a in (spread, *np.split(spread, len(spread))))
    try:
        one_by_one = np.concatenate([row.wanted for row in alone])
        return np.allclose(one_by_one, together.wanted, rtol=1e-9, atol=0, equal_nan=True)
    except ValueError:  # the other arrays belong to all rows
        return False


def _rows(layer: Layer, candidate, first: Trial, strict: bool) -> None:
    """Ask the last row alone, and the same rows tiled far beyond 65,535."""
    call, x = first.call, first.call.arrays[0]
    alone = ask(candidate, replace(call, arrays=[x[-1:], *call.arrays[1:]]))
    layer.ran += 2
    if not _declined(layer, "one row alone", alone) and alone.error:
        layer.find(f"refuses one row alone: {alone.error}", "fails")
    elif not alone.error and alone.got.tobytes() != first.got[-1:].tobytes():
        layer.find("a row alone differs in its bits from that row in a batch", "fails" if strict else "conforms")
    # no two rows the same: rows that wrap round a 16-bit index would look right on tiles
    noise = np.random.default_rng(x.size).uniform(0.5, 2.0, (MANY_ROWS, *x.shape[1:]))
    many = (np.resize(x, noise.shape) * noise).astype(x.dtype)
    few = replace(call, arrays=[many[SOME], *call.arrays[1:]])
    small, large = ask(candidate, few), ask(candidate, replace(call, arrays=[many, *call.arrays[1:]]))
    if _declined(layer, f"{MANY_ROWS:,} rows", large):
        return
    if large.error:
        layer.find(f"crashes on {MANY_ROWS:,} rows: {large.error}", "fails")
    elif small.error is None and not (len(large.got) == MANY_ROWS and alike(few, large.got[SOME], small.got)):
        layer.find(f"answers otherwise in {MANY_ROWS:,} rows than in {len(SOME)} of them", "fails")


def _tall(layer: Layer, candidate, first: Trial, pace: Pace) -> None:
    """Ask 2^23 times the same row, where there is time: more than fit a 32-bit count of bytes."""
    if not pace.tall or pace.spent:
        layer.skip("2^23 rows: asked from --budget 60 on")
        return
    layer.ran += 1
    call, x = first.call, first.call.arrays[0]
    one = ask(candidate, replace(call, arrays=[x[:1], *call.arrays[1:]]))
    all_of_them = ask(candidate, replace(call, layout="2^23 rows"))
    if _declined(layer, f"{TALL:,} rows", all_of_them):
        return
    if all_of_them.error:
        layer.find(f"crashes on {TALL:,} rows: {all_of_them.error}", "fails")
    elif one.error is None and not _every_row(call, one.got, all_of_them.got):
        layer.find(f"answers otherwise in {TALL:,} rows than in one", "fails")


def _every_row(call: Call, one: np.ndarray, got: np.ndarray) -> bool:
    """Return whether every row of an answer is like the one that was asked alone."""
    if got.shape != (TALL, *one.shape[1:]):
        return False
    other = np.flatnonzero((got != one).reshape(TALL, -1).any(axis=1))[:1000]
    some = replace(call, arrays=[np.repeat(call.arrays[0][:1], len(other), axis=0), *call.arrays[1:]])
    return not len(other) or alike(some, np.repeat(one, len(other), axis=0), got[other])
