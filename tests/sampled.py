"""What is asked of one operator in each module, and of all with ``pytest -m full``.

The operators of a module share its engine, and what takes seconds each (compilers, the checker turned on itself) would
take an hour for all of them. The numbers themselves are asked of every operator.
"""

import pytest

from refnorm import OPERATORS

__all__ = ["one_of_each_module"]


def one_of_each_module(names=None):
    """Return the parameters of a test over `names`, all operators when left out: the first of a module as it is, the
    others marked `full`."""
    first = {}
    for name in OPERATORS if names is None else names:
        operator = OPERATORS[name]
        first.setdefault((operator.wing, operator.idea), name)
    chosen = set(first.values())
    return [
        name if name in chosen else pytest.param(name, marks=pytest.mark.full)
        for name in (OPERATORS if names is None else names)
    ]
