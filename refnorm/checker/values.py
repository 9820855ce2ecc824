"""Layers 2 and 3: answers against the reference, on the operator's cases, hard data and special values."""

from __future__ import annotations

from dataclasses import replace

from .layouts import mapped
from .report import Layer
from .trial import Trial, judge

__all__ = ["failing", "judged_layer", "spared", "special_layer", "values_layer"]


def failing(trial: Trial, grade: str) -> bool:
    """Return whether the answer is of a lower grade than the one asked for."""
    return trial.judged.grade > grade


def spared(trial: Trial) -> bool:
    """Return whether a failing answer is told but fails under ``--strict`` only."""
    return (trial.call.strict_only and not trial.error) or _takes_denormals_for_zero(trial)


def values_layer(trials: list[Trial], grade: str, strict: bool) -> Layer:
    """Judge the plain cases and the same on hard data."""
    layer = judged_layer("values", trials, grade)
    _flushed(layer, trials, strict)
    return layer


def special_layer(trials: list[Trial], grade: str, strict: bool) -> Layer:
    """Judge NaN, infinities, zeros, denormals, equal rows and offsets; overflow of squares only tells."""
    bad = [t for t in trials if failing(t, grade)]
    overflown = [t for t in bad if t.call.strict_only and not t.error]
    vanished = [t for t in bad if not t.call.strict_only and _takes_denormals_for_zero(t)]
    forgiven = {id(t) for t in overflown + vanished}
    layer = judged_layer("special values", [t for t in trials if id(t) not in forgiven], grade)
    layer.ran = len(trials)
    beyond = "squares overflow: wrong where x is beyond the root of the largest number"
    layer.find(beyond, _told(strict), len(overflown))
    layer.find("denormal inputs taken for zero", _told(strict), len(vanished))
    _flushed(layer, trials, strict)
    return layer


def _told(strict: bool) -> str:
    return "fails" if strict else "conforms"


def judged_layer(name: str, trials: list[Trial], grade: str) -> Layer:
    judged = [t.judged for t in trials]
    layer = Layer(name, ran=len(trials))
    layer.grade = max((j.grade for j in judged), default="")
    layer.yardsticks = max((j.yardsticks for j in judged), default=0.0)
    layer.ulp = max((j.ulp for j in judged), default=0.0)
    for why, group in _by_reason([t for t in trials if failing(t, grade)]).items():
        layer.find(why, "fails", len(group))
    weak = sum(j.grade == "C" for j in judged)
    if grade == "C":
        layer.find("grade C: digits are lost that the data would allow", "warning", weak)
    return layer


def _by_reason(trials: list[Trial]) -> dict[str, list[Trial]]:
    """Group failing answers by what is wrong, with the first one named."""
    groups: dict[str, list[Trial]] = {}
    for t in trials:
        kind = "crashes" if t.error else t.judged.why if t.judged.why else "wrong values"
        groups.setdefault(kind.partition(",")[0], []).append(t)
    return {f"{kind}, first at {_place(group[0])}": group for kind, group in groups.items()}


def _place(trial: Trial) -> str:
    said = f"'{trial.call.label}' in {trial.call.dtype}"
    detail = trial.error or trial.judged.place
    return f"{said}: {detail}" if detail else said


def _flushed(layer: Layer, trials: list[Trial], strict: bool) -> None:
    layer.find("denormals flushed to zero", _told(strict), sum(t.judged.flushed for t in trials))


def _takes_denormals_for_zero(trial: Trial) -> bool:
    """Return whether the answer is right for the same call with its denormals put to zero."""
    call = trial.call
    if trial.error or not call.label.endswith("denormals"):
        return False
    zeroed = replace(call, arrays=[call.arrays[0] * 0, *mapped(lambda a: a, call.arrays[1:])])
    return judge(replace(trial, call=zeroed)).grade < "F"
