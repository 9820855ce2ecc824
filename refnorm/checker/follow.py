"""An operator with somebody's defaults: what ``check(..., convention="torch")`` asks both sides."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from .._registry import Operator

__all__ = ["following", "with_defaults"]


def following(operator: Operator, options: dict) -> Operator:
    """Return an operator whose every case has `options` where the case leaves them out.

    Known mistakes and honest implementations get a case's options, so they follow too. Laws call as they like: the
    function they hold the candidate against has the same defaults, and the candidate is told them (`filled`).
    """
    if not options:
        return operator
    cases = [replace(case, options=options | case.options) for case in operator.cases]
    functions = {
        name: function and with_defaults(function, options)
        for name, function in (("function", operator.function), ("gradient", operator.gradient))
    }
    return replace(operator, cases=cases, **functions)


def with_defaults(function: Callable, options: dict) -> Callable:
    """Return a function that is called with `options` where the caller leaves them out."""

    if not options:
        return function

    @functools.wraps(function)
    def called(*arrays, **given):
        return function(*arrays, **(options | given))

    return called
