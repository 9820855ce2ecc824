"""Layer 5: which known mistake, or whose convention, gives the answers the candidate gave."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._registry import Operator
from .calls import Call
from .measure import bound, quiet, reference, unit, widened
from .report import Layer
from .trial import Trial
from .values import failing

__all__ = ["diagnosis_layer", "twin_answer"]

SAMPLE = 16  # calls of each sort that a hypothesis is tried on before it is tried on all


@dataclass
class Match:
    """How often a hypothesis gives the candidate's answer, where that is wrong and where it is right."""

    name: str
    wrong: int
    of_wrong: int
    right: int
    of_right: int
    bits: int

    @property
    def rank(self) -> tuple:
        return self.wrong, self.right, self.bits

    @property
    def recognised(self) -> bool:
        """More than half of what is wrong, and nothing of what is right spoilt by it."""
        return 2 * self.wrong > self.of_wrong and self.right == self.of_right

    def __str__(self) -> str:
        whole = "equals" if self.wrong == self.of_wrong else "equals in part"
        return f"{whole} '{self.name}' on {self.wrong} of {self.of_wrong} calls that differ from the reference"


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
    found = _fitting(hypotheses(candidate, operator), wrong, right)
    for match in found:
        layer.find(str(match), "conforms", match.wrong)
    if not found:
        layer.find("no known mistake and no convention gives these answers", "conforms")
    return layer, [m.name for m in found]


def _fitting(guesses: dict, wrong: list[Trial], right: list[Trial]) -> list[Match]:
    """Return the hypotheses that fit, best first; those that fit in part only where none fits whole."""
    chance = random.Random(0)
    few = [chance.sample(trials, min(SAMPLE, len(trials))) for trials in (wrong, right)]
    found = []
    for name, answer in guesses.items():
        first = _match(name, answer, *few)
        if first.wrong and first.right == first.of_right:
            found.append(_match(name, answer, wrong, right))
    found = sorted((m for m in found if m.recognised), key=lambda m: m.rank, reverse=True)
    return [m for m in found if m.wrong == m.of_wrong] or found


def hypotheses(candidate, operator: Operator) -> dict[str, Callable[[Call], np.ndarray]]:
    """Return name -> what the candidate would answer: conventions, its own defaults, known mistakes."""
    operator.load_card()
    usual = _defaults(operator.function)
    found: dict[str, Callable] = {}
    for options in operator.conventions.values():
        if any(usual[k] != v for k, v in options.items()):
            found[f"convention {_followers(operator, options)} ({_said(options)})"] = _with(options)
    own = {k: v for k, v in _defaults(candidate).items() if k in usual and usual[k] != v}
    if own and own not in operator.conventions.values():
        found[f"its own defaults ({_said(own)})"] = _with(own)
    for mistake in operator.mistakes:
        found[mistake.name] = lambda call, twin=mistake.function: twin_answer(twin, call)
    return found


def _followers(operator: Operator, options: dict) -> str:
    return ", ".join(name for name, theirs in operator.conventions.items() if theirs == options)


def _said(options: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _with(options: dict):
    return lambda call: reference(call.operator, call.arrays, options | call.options).astype(call.dtype)


def _defaults(function) -> dict:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "out"}


def twin_answer(twin, call: Call) -> np.ndarray:
    """Return a wrong twin's answer: it computes in float64, and the answer is rounded to the tested type."""
    with quiet():
        return np.asarray(twin(*widened(call.arrays), **call.options)).astype(call.dtype)


def _match(name: str, answer, wrong: list[Trial], right: list[Trial]) -> Match:
    match = Match(name, 0, len(wrong), 0, len(right), 0)
    for trials, bad in ((wrong, True), (right, False)):
        for t in trials:
            try:
                guess = answer(t.call)
            except Exception:  # a twin that cannot answer explains nothing
                continue
            if agree(t, guess):
                match.wrong, match.right = match.wrong + bad, match.right + (not bad)
                match.bits += np.array_equal(guess, t.got, equal_nan=True)
    return match


def agree(trial: Trial, guess: np.ndarray) -> bool:
    """Return whether a guess is the candidate's answer up to the rounding that the call's condition allows."""
    call, got = trial.call, trial.got
    if guess.shape != got.shape or got.dtype.kind != "f":
        return False
    with quiet():
        got, guess = got.astype("float64"), guess.astype("float64")
        same = (got == guess) | (np.isnan(got) & np.isnan(guess))
        # a twin's answer may have another shape or size than the wanted one, and then only its own rounding
        condition = call.yardstick if call.yardstick.shape == guess.shape else 0.0
        allowed = bound("B", call.reach) * (np.nan_to_num(condition, posinf=0.0) + unit(guess, call.dtype))
        near = np.isfinite(got) & np.isfinite(guess) & (np.abs(got - guess) <= allowed)
        return bool(np.all(same | near))
