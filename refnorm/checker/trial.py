"""Ask a candidate one call, and judge what came back against the reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from . import measure
from .answer import Request
from .calls import Call
from .layouts import mapped
from .measure import bound, is_float, limits, quiet
from .place import place_in
from .wire import dtype_of
from .zones import unwritten

__all__ = ["Failed", "Judged", "Trial", "answered", "ask", "calling", "errors", "judge", "ulp_of"]


@dataclass
class Trial:
    """What a candidate did with a call."""

    call: Call
    got: np.ndarray | None = None
    shapes: tuple | None = None
    error: str | None = None
    overwritten: bool = False
    declined: bool = False
    faults: list[str] = field(default_factory=list)

    @cached_property
    def judged(self) -> Judged:
        return judge(self)


@dataclass
class Judged:
    """The grade of a trial; where it is not A, the worst element in yardsticks, in ulp, and where it is.

    `place` says of an F where all the wrong elements lie.
    """

    grade: str
    yardsticks: float = 0.0
    ulp: float = 0.0
    index: tuple = ()
    why: str = ""
    flushed: bool = False
    place: str = ""


def ask(candidate, call: Call, kind: str = "", **more) -> Trial:
    """Put a call to a candidate, as a `kind` of request."""
    kind = kind or ("vjp" if call.vjp else "call")
    reply = candidate.send(Request(kind, call.arrays, call.options, call.layout, **more))
    if reply.error is not None:
        return Trial(call, error=reply.error, declined=reply.declined or _has_no_answer(call))
    answer = measure.trimmed(reply.answer) if call.vjp else reply.answer
    return answered(call, answer, overwritten=reply.overwritten, faults=reply.faults)


def _has_no_answer(call: Call) -> bool:
    """Return whether a call asks to decompose what is not finite: to refuse that is as good as to answer NaN."""
    return measure.decomposes(call.operator) and not np.isfinite(call.data.astype("float64")).all()


def answered(call: Call, answer, **more) -> Trial:
    """Return the trial of an answer: what is judged of it, where it has the shapes that the judge can take."""
    shapes, whole = measure.shapes(answer), not call.vjp and measure.decomposes(call.operator)
    fits = whole and shapes == call.shapes and is_float(measure.packed(answer))
    return Trial(call, measure.seen(call.operator, answer) if fits else measure.packed(answer), shapes, **more)


class Failed(Exception):
    """A candidate gave an error for an answer."""


def calling(candidate):
    """Return a candidate as a plain function."""

    def function(*arrays, **options):
        reply = candidate.send(Request("call", mapped(np.array, arrays), candidate.filled | options))
        if reply.declined:
            raise NotImplementedError(reply.error)
        if reply.error is not None:
            raise Failed(reply.error)
        return reply.answer

    return function


def judge(trial: Trial) -> Judged:
    """Grade one answer. The reference is computed here, after the candidate has answered."""
    call, got = trial.call, trial.got
    worst = dict(grade="F", yardsticks=np.inf, ulp=np.inf)
    if trial.error is not None:
        return Judged(**worst, why=trial.error)
    shape, wanted = (got.shape, call.wanted.shape) if trial.shapes is None else (trial.shapes, call.shapes)
    if shape != wanted:
        return Judged(**worst, why=f"shape {shape}, wanted {wanted}")
    if not is_float(got):
        return Judged(**worst, why=f"holds {got.dtype}, wanted {call.dtype}")
    if not got.size:
        return Judged("A")
    with quiet():
        wide, missed = got.astype("float64"), unwritten(got)
        judged = _graded(call, wide, missed)
        again = judged.grade == "F" and call.second_look is not None
        return _graded(call, wide, missed, "second_look") if again else judged


def _graded(call, got, missed, look="condition") -> Judged:
    dtype = dtype_of(call.dtype)
    error, flushed = errors(call.wanted, got, dtype)
    ulps = error / ulp_of(call.wanted, dtype)
    ulp = float(ulps.max())
    if ulp <= 1:  # the condition need not be measured: one rounding is a yardstick at least
        sticks = np.where(error == 0, 0.0, error / measure.unit(call.wanted, dtype))
        return Judged("A", float(sticks.max()), ulp, _at(ulps), "", flushed)
    condition = getattr(call, look)  # measured where it is needed
    # where the reference is NaN or infinite so is its yardstick, and the error is 0 or infinite
    for moved in condition.moved if condition.jumps.any() else ():
        error = np.where(condition.jumps, np.minimum(error, errors(moved, got, dtype)[0]), error)
    sticks = np.where((error == 0) | (error == np.inf), error, error / condition.yardstick)
    worst, n = float(sticks.max()), call.reach
    if worst <= bound("C", n):
        return Judged("B" if worst <= bound("B", n) else "C", worst, ulp, _at(sticks), "", flushed)
    far = np.where(sticks > bound("C", n), error, 0.0)
    if far.max() <= 2 * call.baseline:
        return Judged("C", worst, ulp, _at(sticks), "", flushed)
    bad = far > 2 * call.baseline
    # cells that were never written are told apart, and would hide what the others have in common
    told = bad & ~missed if np.any(bad & ~missed) else bad
    worst = float(sticks[told].max())
    why = "cells left unwritten" if np.all(missed[told]) else ""
    why = why or ("" if worst < np.inf else "NaN or infinity in the wrong place")
    return Judged("F", worst, ulp, _at(np.where(told, sticks, 0.0)), why, flushed, place_in(told, call.judged_shapes))


def _at(values) -> tuple:
    return tuple(int(i) for i in np.unravel_index(values.argmax(), values.shape))


def errors(wanted, got, dtype):
    """Return |got - wanted|, infinite where one is NaN or infinite and the other not, and whether denormals vanished.

    A number that the type holds only as a denormal may come back as 0: that is told, not counted.
    """
    rounded = wanted.astype(dtype).astype("float64")
    same = (rounded == got) | (np.isnan(rounded) & np.isnan(got))
    finite = np.isfinite(rounded) & np.isfinite(got)
    flushed = (got == 0) & (rounded != 0) & (np.abs(rounded) < float(limits(dtype).smallest_normal))
    error = np.where(finite, np.abs(got - wanted), np.where(same, 0.0, np.inf))
    return np.where(flushed, 0.0, error), bool(flushed.any())


def ulp_of(wanted, dtype):
    """Return one ulp at each finite wanted value."""
    near = np.where(np.isfinite(wanted), np.abs(wanted), 0.0).astype(dtype)
    return np.spacing(np.minimum(near, limits(dtype).max / 2).astype(dtype)).astype("float64")
