"""Layer 6: which known mistake, or whose convention, gives the answers the candidate gave."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._registry import Operator
from .calls import Call
from .local import defaults
from .measure import bound, is_float, quiet, reference, seen, unit, widened
from .report import Layer
from .trial import Trial
from .values import failing
from .wire import dtype_of

__all__ = ["diagnosis_layer", "twin_answer"]

EXPLAINED = 0.01  # a hypothesis may leave this share of a deviation: eps as a float32, say
ROUNDING = ("cancellation", "narrow accumulator", "cast order")
SAMPLE = 16  # calls of each sort that a hypothesis is tried on before it is tried on all


@dataclass
class Match:
    """How often a hypothesis gives the candidate's answer, where that is wrong and where it is right."""

    name: str
    wrong: int
    of_wrong: int
    right: int
    of_right: int
    left_over: float = 0.0

    @property
    def rank(self) -> tuple:
        return self.wrong, self.right, -self.left_over

    @property
    def recognised(self) -> bool:
        """More than half of what is wrong, and nothing of what is right spoilt by it."""
        return 2 * self.wrong > self.of_wrong and self.right == self.of_right


def diagnosis_layer(candidate, operator: Operator, trials: list[Trial], grade: str) -> tuple[Layer, list[str]]:
    """Try every hypothesis on the calls that went wrong and on those that did not; name the ones that fit."""
    layer = Layer("diagnosis")
    answered = [t for t in trials if t.got is not None and t.call.size]
    wrong = [t for t in answered if failing(t, grade)]
    right = [t for t in answered if not failing(t, grade)]
    if not wrong:
        layer.skipped = "nothing to explain" if not any(failing(t, grade) for t in trials) else "no answers to compare"
        return layer, []
    layer.ran = len(wrong) + len(right)
    found, how = _fitting(hypotheses(candidate, operator), wrong, right, grade), "equals"
    if not found:
        found = _fitting(fixed(operator, wrong), wrong, right, grade)
    if not found:
        found, how = _alike(operator, wrong, right, grade), "errs where and as much as"
    for m in found:
        layer.find(f"{how} '{m.name}' on {m.wrong} of {m.of_wrong} calls that differ from the reference", "conforms")
    if not found:
        layer.find("no known mistake and no convention gives these answers", "conforms")
    return layer, [m.name for m in found]


def _fitting(guesses: dict, wrong: list[Trial], right: list[Trial], grade: str) -> list[Match]:
    """Return the hypotheses that fit, best first; those that fit in part only where none fits whole."""
    chance = random.Random(0)
    few = [chance.sample(trials, min(SAMPLE, len(trials))) for trials in (wrong, right)]
    found = []
    for name, answer in guesses.items():
        first = _match(name, answer, *few, grade)
        if first.wrong and first.right == first.of_right:
            found.append(_match(name, answer, wrong, right, grade))
    found = sorted((m for m in found if m.recognised), key=lambda m: m.rank, reverse=True)
    return [m for m in found if m.wrong == m.of_wrong] or found


def hypotheses(candidate, operator: Operator) -> dict[str, Callable[[Call], np.ndarray]]:
    """Return name -> what the candidate would answer: conventions, its own defaults, known mistakes."""
    operator.load_card()
    usual = defaults(operator.function)
    found: dict[str, Callable] = {}
    for options in operator.conventions.values():
        if any(usual.get(k) != v for k, v in options.items()):
            found[f"convention {_followers(operator, options)} ({_said(options)})"] = _with(options)
    own = {k: v for k, v in candidate.defaults.items() if k in usual and usual[k] != v}
    if own and own not in operator.conventions.values():
        found[f"its own defaults ({_said(own)})"] = _with(own)
    for mistake in operator.mistakes:
        found[mistake.name] = functools.partial(twin_answer, mistake.function)
    return found


def _followers(operator: Operator, options: dict) -> str:
    return ", ".join(name for name, theirs in operator.conventions.items() if theirs == options)


def _said(options: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _with(filled: dict, forced: dict | None = None):
    """Return the reference with options filled in where a call leaves them out, or forced upon it."""

    def answer(call: Call) -> np.ndarray:
        given = filled | call.options | (forced or {})
        if given.get("axis", -1) is None:  # how NumPy and SciPy say all axes together
            given["axis"] = tuple(range(call.arrays[0].ndim))
        with quiet():  # an answer may be beyond the type
            return reference(call.operator, call.arrays, given).astype(dtype_of(call.dtype))

    return answer


# ---- an option that is not listened to ----


def fixed(operator: Operator, wrong: list[Trial]) -> dict[str, Callable[[Call], np.ndarray]]:
    """Return the hypotheses that an option has one value whatever is asked: a known one, or the best fit."""
    usual = defaults(operator.function)
    told = [*operator.conventions.values(), *(c.options for c in operator.cases), usual]
    found = {}
    for name in (n for n, v in usual.items() if v is not None or n == "stride"):
        values = list(dict.fromkeys(options[name] for options in told if _hashable(options.get(name))))
        if isinstance(usual[name], float):
            fit = _fit(name, wrong)
            values += [] if fit is None else [fit]
        found |= {f"always {_said({name: value})}": _with({}, {name: value}) for value in values}
    return found


def _hashable(value) -> bool:
    return value is not None and not isinstance(value, list | dict)


def _fit(name: str, wrong: list[Trial]) -> float | None:
    """Return the value of an option that comes nearest to the answers, among positive numbers."""
    from scipy.optimize import minimize_scalar

    few = sorted((t for t in wrong if t.error is None and np.isfinite(t.got).all()), key=lambda t: t.call.size)[:4]

    def apart(power: float) -> float:
        answer = _with({}, {name: 10.0**power})
        return sum(min(1.0, gap(t, answer(t.call))) for t in few)

    if not few:
        return None
    try:
        start = min(np.arange(-14.0, 3.0, 0.5), key=apart)
        best = minimize_scalar(apart, bounds=(start - 0.5, start + 0.5), method="bounded", options={"xatol": 1e-9})
    except (TypeError, ValueError):  # the operator takes no such value
        return None
    return float(f"{10.0**best.x:.6g}") if best.fun < EXPLAINED * len(few) else None


def twin_answer(twin, call: Call) -> np.ndarray:
    """Return a wrong twin's answer: it computes in float64, and the answer is rounded to the tested type."""
    with quiet():
        return seen(call.operator, twin(*widened(call.arrays), **call.options)).astype(dtype_of(call.dtype))


def _match(name: str, answer, wrong: list[Trial], right: list[Trial], grade: str) -> Match:
    gaps = [gap(t, guessed(name, answer, t.call)) for t in wrong]
    explained = [g for g in gaps if g <= EXPLAINED]
    # where the candidate is right within its grade, a hypothesis need only be right too
    kept = sum(not failing(Trial(t.call, guessed(name, answer, t.call)), grade) for t in right)
    return Match(name, len(explained), len(wrong), kept, len(right), sum(explained))


def guessed(name: str, answer: Callable[[Call], np.ndarray], call: Call) -> np.ndarray:
    """Return what a hypothesis answers; nothing, of no shape, where it cannot."""
    if name not in call.guesses:
        try:
            call.guesses[name] = answer(call)
        except Exception:  # a twin that cannot answer explains nothing
            call.guesses[name] = np.empty((0,) * (call.wanted.ndim + 1), dtype_of(call.dtype))
    return call.guesses[name]


def gap(trial: Trial, guess: np.ndarray) -> float:
    """Return the share of the candidate's deviation from the reference that a hypothesis leaves unexplained.

    Nought where candidate and hypothesis agree up to the rounding that the call's condition allows; infinite
    where one has a NaN, an infinity or a shape that the other has not.
    """
    call, got = trial.call, trial.got
    if guess.shape != got.shape or not is_float(got):
        return np.inf
    with quiet():
        got, guess = got.astype("float64"), guess.astype("float64")
        same = (got == guess) | (np.isnan(got) & np.isnan(guess))
        apart = np.where(same, 0.0, np.abs(got - guess))
        # a hypothesis may have another shape than the reference, and then only its own rounding
        like = call.wanted.shape == got.shape
        yardstick = unit(guess, call.dtype) + (np.nan_to_num(call.yardstick, posinf=0.0) if like else 0.0)
        if np.all(same | (apart <= bound("B", call.reach) * yardstick) & np.isfinite(got) & np.isfinite(guess)):
            return float(np.max(apart / yardstick, where=~same, initial=0.0)) * 1e-9  # orders equals, the nearest first
        deviation = np.abs(got - call.wanted) if like else np.abs(got)
        whole = np.max(deviation, where=np.isfinite(deviation), initial=0.0)
        return float(np.nan_to_num(apart.max() / whole, nan=np.inf))


# ---- mistakes of rounding: no two implementations have the same digits wrong ----


def _alike(operator: Operator, wrong: list[Trial], right: list[Trial], grade: str) -> list[Match]:
    """Return the mistakes of rounding that fail on the same calls by about as much, best first.

    Only in float32, since twins narrow to one type whatever they are given.
    """
    found = []
    wrong, right = ([t for t in trials if t.call.dtype == "float32"] for trials in (wrong, right))
    for mistake in operator.mistakes:
        if wrong and mistake.kind in ROUNDING:
            answer = functools.partial(twin_answer, mistake.function)
            twin = functools.partial(guessed, mistake.name, answer)
            guesses = [Trial(t.call, twin(t.call)) for t in wrong]
            fails = sum(failing(guess, grade) and _as_much(t, guess) for t, guess in zip(wrong, guesses, strict=True))
            passes = sum(not failing(Trial(t.call, twin(t.call)), grade) for t in right)
            found.append(Match(mistake.name, fails, len(wrong), passes, len(right)))
    found = [m for m in found if m.wrong > 0.8 * m.of_wrong and m.right > 0.8 * m.of_right]
    return sorted(found, key=lambda m: m.rank, reverse=True)


def _as_much(a: Trial, b: Trial) -> bool:
    """Return whether two answers are off by the same number of yardsticks within a factor of ten."""
    low, high = sorted((a.judged.yardsticks, b.judged.yardsticks))
    # a variance that cancels to below zero is NaN by chance
    return low == high or high < 10 * low or (high == np.inf and low > 100)
