"""Layer 5: the candidate's gradients against the vector-Jacobian product of the reference, in the wider type.

Where an element of the gradient jumps with the smallest nudge of the input (a tie of a maximum, a kink), any of the
answers beside the jump is right.
"""

from __future__ import annotations

import inspect
import math

from .._registry import Operator
from .report import Layer
from .trial import Trial
from .values import failing, judged_layer

__all__ = ["gradients_layer", "part"]


def gradients_layer(candidate, operator: Operator, trials: list[Trial], grade: str) -> Layer:
    """Judge the gradients, and say which of them is wrong."""
    if operator.gradient is None:
        return Layer("gradients", skipped="the operator has none here")
    if not candidate.has_vjp:
        return Layer("gradients", skipped="the candidate offers none")
    layer = judged_layer("gradients", trials, grade)
    wrong = [t for t in trials if failing(t, grade) and t.error is None and t.judged.index]
    names = _inputs(operator)
    for name in dict.fromkeys(names[part(t)] for t in wrong if part(t) < len(names)):
        layer.find(f"the gradient of {name} is wrong", "fails", sum(names[part(t)] == name for t in wrong))
    return layer


def part(trial: Trial) -> int:
    """Return in which of several outputs the worst element is."""
    if not isinstance(trial.call.answer, tuple):
        return 0
    (place,) = trial.judged.index
    for k, shape in enumerate(trial.call.shapes):
        size = 0 if shape is None else math.prod(shape)
        if place < size:
            return k
        place -= size
    return len(trial.call.shapes)


def _inputs(operator: Operator) -> list[str]:
    parameters = inspect.signature(operator.function).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
