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

    def honest_but(vjp):
        """Return a candidate whose answers are right, and whose gradients are not."""

        def candidate(x, *parameters, **options):
            return right(x, *parameters, **options)

        candidate.vjp = vjp
        return candidate

    def pulled(change):
        def vjp(cotangents, x, *parameters, **options):
            given = list(cotangents) if isinstance(cotangents, tuple) else cotangents
            exact = answer(operator, [given, x, *parameters], options, vjp=True)
            return changed(lambda d: change(d).astype(x.dtype), exact)

        return vjp

    gradients = {
        "a gradient of zeros": honest_but(pulled(np.zeros_like)),
        "twice the gradient": honest_but(pulled(lambda d: 2 * d)),
        "the gradient with its sign turned": honest_but(pulled(lambda d: -d)),
        "the gradient moved by one element": honest_but(pulled(lambda d: np.roll(d, 1))),
    }
    return (gradients if operator.gradient else {}) | {
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
