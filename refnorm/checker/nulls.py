"""Implementations that compute nothing: a checker that lets one pass has looked at nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._registry import Operator
from .measure import answer, changed

__all__ = ["nulls"]


def nulls(operator: Operator) -> dict[str, Callable]:
    """Return name -> candidate. They know the right shape and dtype, so that only their numbers are wrong."""

    def right(x, *parameters, **options):
        return changed(lambda y: y.astype(x.dtype), answer(operator, [x, *parameters], options))

    rng = np.random.default_rng()

    def noise(*arrays, **options):
        return changed(lambda y: rng.normal(size=y.shape).astype(y.dtype), right(*arrays, **options))

    def filled(fill):
        return lambda x, *arrays, **options: changed(lambda y: np.full_like(y, fill(x)), right(x, *arrays, **options))

    return {
        "zeros": filled(lambda x: 0),
        "NaN everywhere": filled(lambda x: np.nan),
        "the mean": filled(lambda x: x.mean() if x.size else 0),
        "a copy of the input": lambda x, *_, **__: x.copy(),
        "the input itself": lambda x, *_, **__: x,
        "the first answer, kept": kept(right),
        "random numbers": noise,
        "nothing": lambda *_, **__: None,
    }


def kept(function: Callable) -> Callable:
    """Return a candidate that answers calls of one shape and one set of options with the first answer it gave."""
    answers: dict = {}

    def candidate(x, *parameters, **options):
        key = str((x.shape, x.dtype, options))
        if key not in answers:
            answers[key] = function(x, *parameters, **options)
        return answers[key]

    return candidate
