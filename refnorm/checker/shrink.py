"""The smallest call that still fails in the same way: shorter axes, fewer options, plainer numbers.

hypothesis makes calls out of the case that failed, over its sizes, options and recipes of values, never over single
elements; sizes that were equal stay equal, and what the operator itself refuses is not tried.
"""

from __future__ import annotations

import contextlib
import inspect
import random
import time
from dataclasses import dataclass, replace

import numpy as np

from .._cases import Case, Draw
from .calls import Call, gradient_of, of_case, recipes
from .trial import Trial, ask
from .values import failing

__all__ = ["shrink"]

TRIES = 400


@dataclass(frozen=True)
class Sketch:
    """A call as it is shrunk: what each size of the case became, the options left out, and whether values are plain."""

    sizes: tuple
    dropped: frozenset
    plain: bool


class _Spent(Exception):
    """The time for shrinking is over."""


def shrink(candidate, trial: Trial, grade: str, seed: int, seconds: float) -> Trial:
    """Return a trial of the smallest call found that fails as this one does; itself where none is, or no hypothesis."""
    try:
        from hypothesis import HealthCheck, Phase, find, settings, strategies
        from hypothesis.errors import HypothesisException
    except ImportError:
        return trial
    case = trial.call.case
    if case is None or not seconds > 0:
        return trial
    search = _Search(candidate, trial, grade, seed, time.monotonic() + seconds)
    sketches = strategies.builds(
        Sketch,
        strategies.tuples(*(strategies.integers(1, n) for n in _sizes(case))),
        strategies.sets(strategies.sampled_from(sorted(case.options))).map(search.dropped)
        if case.options else strategies.just(frozenset()),
        strategies.sampled_from([True, False]),
    )  # fmt: skip
    quick = settings(
        max_examples=TRIES, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    # nothing smaller fails, or there is no time to look further
    with contextlib.suppress(HypothesisException, _Spent):
        find(sketches, search.fails, settings=quick, random=random.Random(0))
    return search.best


class _Search:
    """What was asked so far, and the smallest call that failed."""

    def __init__(self, candidate, trial: Trial, grade: str, seed: int, ends: float):
        self.candidate, self.first, self.best = candidate, trial, trial
        self.grade, self.seed, self.ends = grade, seed, ends

    def dropped(self, kept: set) -> frozenset:
        """Return the options that are left out: few are kept where hypothesis draws a small set."""
        return frozenset(self.first.call.case.options) - kept

    def fails(self, sketch: Sketch) -> bool:
        if time.monotonic() > self.ends:
            raise _Spent
        call = _call(self.first.call, sketch, self.seed)
        if call is None or not call.size:
            return False
        trial = ask(self.candidate, call)
        if trial.declined or not failing(trial, self.grade) or _way(trial) != _way(self.first):
            return False
        if _weight(trial.call) <= _weight(self.best.call):
            self.best = trial
        return True


def _way(trial: Trial) -> tuple:
    """Return how a trial fails, roughly: by which error, by shape, by NaN or by its numbers."""
    return (trial.error or "").partition(":")[0], trial.judged.why.partition(" ")[0] if not trial.error else ""


def _weight(call: Call) -> tuple:
    """Return what is the more the larger a call is, and the harder to look at."""
    return call.size, len(call.options), len(np.unique(call.data))


def _sizes(case: Case) -> list[int]:
    """Return the lengths of axes that a case has, each once."""
    return sorted({n for draw in _draws(case.draws) for n in draw.shape if n > 1})


def _draws(draws):
    for draw in draws:
        if isinstance(draw, list | tuple):
            yield from _draws(draw)
        elif draw is not None:
            yield draw


def _call(call: Call, sketch: Sketch, seed: int) -> Call | None:
    """Return the call of a sketch; None where the operator refuses it."""
    became = dict(zip(_sizes(call.case), sketch.sizes, strict=True))
    parameters = inspect.signature(call.operator.function).parameters
    needed = {name for name, p in parameters.items() if p.default is p.empty}
    kept = {name: v for name, v in call.case.options.items() if name not in sketch.dropped or name in needed}

    def smaller(draw):
        if draw is None:
            return None
        if isinstance(draw, list):
            return [smaller(d) for d in draw]
        make = _halves(draw.make) if sketch.plain else draw.make
        return Draw(tuple(became.get(n, n) for n in draw.shape), make, draw.name)

    case = Case(call.case.label, tuple(smaller(d) for d in call.case.draws), kept)
    try:
        made = of_case(call.operator, case, seed, call.dtype, call.variant, recipes(call.dtype).get(call.variant))
        made = gradient_of(made, seed) if call.vjp else made
        made = replace(made, label=f"{made.label}, shrunk", case=call.case, strict_only=call.strict_only)
        made.answer  # noqa: B018 whether the operator takes it
    except (ValueError, TypeError, IndexError, ZeroDivisionError):
        return None
    return made


def _halves(make):
    """Return a draw of multiples of 1/2: numbers that can be worked out by hand."""

    def plain(rng, shape):
        values = make(rng, shape)
        return np.round(values * 2) / 2 if values.dtype.kind == "f" else values

    return plain
