"""What is asked of one operator in each module, and of all with ``pytest -m full``.

The operators of a module share its engine, and what takes seconds each (compilers, the checker turned on itself) would
take an hour for all of them. The numbers themselves are asked of every operator.
"""

import pytest

from refnorm import OPERATORS

__all__ = ["one_of_each_module"]


def one_of_each_module(names=None):
    """Return the parameters of a test over `names`, all operators when left out: one a module as it is, the first that
    has a kernel if any has, and the others marked `full`."""
    names = list(OPERATORS if names is None else names)
    chosen = {}
    for name in sorted(names, key=lambda name: OPERATORS[name].kernel is None):  # the order stays among equals
        chosen.setdefault((OPERATORS[name].wing, OPERATORS[name].idea), name)
    return [name if name in chosen.values() else pytest.param(name, marks=pytest.mark.full) for name in names]
