"""Ask a candidate one call, and judge what came back against the reference."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import measure
from .calls import Call, mapped
from .measure import bound, quiet

__all__ = ["Judged", "Trial", "ask", "require_signature"]


@dataclass
class Trial:
    """What a candidate did with a call."""

    call: Call
    got: np.ndarray | None = None
    shapes: tuple | None = None
    error: str | None = None
    overwritten: bool = False
    declined: bool = False

    @cached_property
    def judged(self) -> Judged:
        return judge(self)


@dataclass
class Judged:
    """The grade of a trial; where it is not A, the worst element in yardsticks, in ulp, and where it is."""

    grade: str
    yardsticks: float = 0.0
    ulp: float = 0.0
    index: tuple = ()
    why: str = ""
    flushed: bool = False


def require_signature(candidate, operator) -> None:
    """Refuse what cannot be called as the operator is, before anything is run."""
    if not callable(candidate):
        raise TypeError(f"a candidate must be callable, got {type(candidate).__name__}")
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):  # compiled functions need not tell
        return
    for case in operator.cases:
        try:
            signature.bind(*case.draws, **case.options)
        except TypeError as error:
            wanted = inspect.signature(operator.function)
            wanted = wanted.replace(parameters=[p for p in wanted.parameters.values() if p.name != "out"])
            name = getattr(candidate, "__name__", type(candidate).__name__)
            raise TypeError(
                f"{name}{signature} cannot be called as {operator.name}{wanted}: case {case.label!r}, {error}"
            ) from None


def ask(candidate, call: Call) -> Trial:
    """Call the candidate with copies it may spoil; whatever it raises is an answer too."""
    arrays = call.handed()
    try:
        with quiet():
            answer = candidate(*arrays, **call.options)
            # a copy at once: the memory may be the input's, or be used again for the next answer
            got, shapes = np.array(measure.packed(answer)), measure.shapes(answer)
    except NotImplementedError as error:  # said aloud, and counted apart from crashes
        return Trial(call, error=f"does not offer this: {error}", declined=True)
    except (Exception, SystemExit) as error:  # a crash is a finding, not the end of the run
        text = str(error).strip().splitlines()
        return Trial(call, error=f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__)
    return Trial(call, got, shapes, overwritten=_bytes(arrays) != _bytes(call.arrays))


def _bytes(arrays) -> list:
    return mapped(lambda a: a.tobytes(), arrays)


def judge(trial: Trial) -> Judged:
    """Grade one answer. The reference is computed here, after the candidate has answered."""
    call, got = trial.call, trial.got
    worst = dict(grade="F", yardsticks=np.inf, ulp=np.inf)
    if trial.error is not None:
        return Judged(**worst, why=trial.error)
    shape, wanted = (got.shape, call.wanted.shape) if trial.shapes is None else (trial.shapes, call.shapes)
    if shape != wanted:
        return Judged(**worst, why=f"shape {shape}, wanted {wanted}")
    if got.dtype.kind != "f":
        return Judged(**worst, why=f"holds {got.dtype}, wanted {call.dtype}")
    if not got.size:
        return Judged("A")
    with quiet():
        return _graded(call, got.astype("float64"))


def _graded(call, got) -> Judged:
    error, flushed = errors(call.wanted, got, call.dtype)
    ulps = error / _ulp(call.wanted, call.dtype)
    ulp = float(ulps.max())
    if ulp <= 1:  # the condition need not be measured: one rounding is a yardstick at least
        sticks = np.where(error == 0, 0.0, error / measure.unit(call.wanted, call.dtype))
        return Judged("A", float(sticks.max()), ulp, _at(ulps), "", flushed)
    # where the reference is NaN or infinite so is its yardstick, and the error is 0 or infinite
    sticks = np.where((error == 0) | (error == np.inf), error, error / call.yardstick)
    worst, n = float(sticks.max()), call.reach
    if worst <= bound("C", n):
        return Judged("B" if worst <= bound("B", n) else "C", worst, ulp, _at(sticks), "", flushed)
    far = np.where(sticks > bound("C", n), error, 0.0)
    if far.max() <= 2 * call.baseline:
        return Judged("C", worst, ulp, _at(sticks), "", flushed)
    why = "" if worst < np.inf else "NaN or infinity in the wrong place"
    return Judged("F", worst, ulp, _at(np.where(far > 2 * call.baseline, sticks, 0.0)), why, flushed)


def _at(values) -> tuple:
    return tuple(int(i) for i in np.unravel_index(values.argmax(), values.shape))


def errors(wanted, got, dtype):
    """Return |got - wanted|, infinite where one is NaN or infinite and the other not, and whether denormals vanished.

    A number that the type holds only as a denormal may come back as 0: that is told, not counted.
    """
    rounded = wanted.astype(dtype).astype("float64")
    same = (rounded == got) | (np.isnan(rounded) & np.isnan(got))
    finite = np.isfinite(rounded) & np.isfinite(got)
    flushed = (got == 0) & (rounded != 0) & (np.abs(rounded) < float(np.finfo(dtype).smallest_normal))
    error = np.where(finite, np.abs(got - wanted), np.where(same, 0.0, np.inf))
    return np.where(flushed, 0.0, error), bool(flushed.any())


def _ulp(wanted, dtype):
    """Return one ulp at each finite wanted value."""
    near = np.where(np.isfinite(wanted), np.abs(wanted), 0.0).astype(dtype)
    return np.spacing(np.minimum(near, np.finfo(dtype).max / 2)).astype("float64")
