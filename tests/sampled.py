"""What is asked of some operators, and of all with ``pytest -m full``.

The operators of a module share its engine, and what takes seconds each (compilers, the checker turned on itself) would
take an hour for all of them. The numbers themselves are asked of every operator.
"""

import pytest

from refnorm import OPERATORS

__all__ = ["a_few_of_each_wing", "one_of_each_module"]


def one_of_each_module(names=None):
    """Return the parameters of a test over `names`, all operators when left out: one a module as it is, the first that
    has a kernel if any has, and the others marked `full`."""
    return _others_full(names, lambda operator: (operator.wing, operator.idea))


def a_few_of_each_wing(names=None):
    """Return the same parameters with one a module that has a kernel as it is, and of each wing one without."""
    return _others_full(names, lambda operator: (operator.wing, operator.kernel and operator.idea))


def _others_full(names, kin):
    names = list(OPERATORS if names is None else names)
    chosen = {}
    for name in sorted(names, key=lambda name: OPERATORS[name].kernel is None):  # the order stays among equals
        chosen.setdefault(kin(OPERATORS[name]), name)
    return [name if name in chosen.values() else pytest.param(name, marks=pytest.mark.full) for name in names]
