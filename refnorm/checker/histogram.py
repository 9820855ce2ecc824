"""How far off every answer of a check was: one record a call, and elements counted by their error in ulp.

Both are read off trials that have been judged. The reference is not asked again: where a call was of grade A its
yardsticks were never measured, and its bounds are None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .measure import bound, is_float, quiet
from .report import number
from .trial import Trial, errors, ulp_of
from .values import failing, spared
from .wire import dtype_of

__all__ = ["EDGES", "CaseResult", "histogram", "results"]

# 0, half an ulp (as well rounded as can be), one, and on by doubling; the last bin holds whatever lies beyond.
EDGES = np.r_[0.0, 2.0 ** np.arange(-1, 65)]


@dataclass
class CaseResult:
    """One call as it was judged, and its worst element; `fails` is whether it counts against the candidate."""

    label: str
    dtype: str
    kind: str
    grade: str
    ulp: float
    yardsticks: float
    bound_b: float | None
    bound_c: float | None
    shape: tuple
    options: dict
    index: tuple
    got_hex: str | None
    wanted_hex: str | None
    why: str
    fails: bool = False

    @property
    def rank(self) -> tuple:
        """What calls are sorted by, the worst last; what is told only comes before what counts."""
        return self.fails, self.fails or self.grade != "F", self.grade, self.yardsticks, self.ulp

    def as_dict(self) -> dict:
        return number(vars(self))


def results(answers: Mapping[str, Iterable[Trial]], grade: str, strict: bool = False) -> list[CaseResult]:
    """Return one record for each judged trial; `answers` has them by their kind: plain, hard, special."""
    return [_result(t, kind, grade, strict) for kind, trials in answers.items() for t in trials]


def _result(trial: Trial, kind: str, grade: str, strict: bool) -> CaseResult:
    call, judged = trial.call, trial.judged
    measured = judged.grade != "A" and comparable(trial)
    limits = [bound(g, call.reach) for g in "BC"] if measured else [None, None]
    fails = failing(trial, grade) and (strict or not spared(trial))
    said = CaseResult(
        call.label, call.dtype, kind, judged.grade, judged.ulp, judged.yardsticks, *limits, call.data.shape,
        call.options, judged.index, None, None, judged.why, fails,
    )  # fmt: skip
    if comparable(trial) and trial.got.size:
        with quiet():
            said.got_hex = float(trial.got[judged.index]).hex()
            said.wanted_hex = float(call.wanted[judged.index].astype(dtype_of(call.dtype))).hex()
    return said


def comparable(trial: Trial) -> bool:
    """Return whether there are numbers to hold against the reference, element by element."""
    got, wanted = trial.got, trial.call.wanted
    fits = trial.shapes in (None, trial.call.shapes)  # of a decomposition what is judged may be shaped like the input
    return trial.error is None and got is not None and fits and got.shape == wanted.shape and is_float(got)


def histogram(trials: Iterable[Trial]) -> dict[str, dict]:
    """Count output elements by their error in ulp: dtype -> ``{"edges", "counts", "nonfinite", "unanswered"}``.

    ``counts[0]`` elements have no error at all, and ``counts[i]`` one above ``edges[i - 1]`` and up to ``edges[i]``;
    edges end with the last bin that is not empty. `nonfinite` counts NaN and infinity where the reference is finite
    or the other way round, `unanswered` the calls with nothing to compare. Data on which squares overflow is left out.
    """
    ulps: dict[str, list] = {}
    missing: dict[str, int] = {}
    for t in trials:
        if t.call.strict_only:
            continue
        ulps.setdefault(t.call.dtype, [])
        if comparable(t):
            ulps[t.call.dtype].append(_errors_in_ulp(t).reshape(-1))
        else:
            missing[t.call.dtype] = missing.get(t.call.dtype, 0) + 1
    return {d: _counted(np.concatenate([[], *found])) | {"unanswered": missing.get(d, 0)} for d, found in ulps.items()}


def _errors_in_ulp(trial: Trial) -> np.ndarray:
    call, dtype = trial.call, dtype_of(trial.call.dtype)
    with quiet():
        error, _ = errors(call.wanted, trial.got.astype("float64"), dtype)
        # a finite error of more than float64 has in ulp is finite still
        ulps = np.minimum(error / ulp_of(call.wanted, dtype), EDGES[-1])
        return np.where(np.isfinite(error), ulps, np.inf)


def _counted(ulps: np.ndarray) -> dict:
    finite = np.isfinite(ulps)
    counts = np.bincount(np.searchsorted(EDGES, ulps[finite]), minlength=3)
    return {
        "edges": EDGES[: len(counts)].tolist(), "counts": counts.tolist(), "nonfinite": int((~finite).sum()),
    }  # fmt: skip
