"""Every operator on every lane, read from the registry: no list of operators is kept here.

An operator without a bench case fails the import, so that none goes unmeasured unseen.
"""

import sys
from pathlib import Path

from refnorm import OPERATORS

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the long double oracles
sys.path.insert(0, str(Path(__file__).parents[1]))  # the rivals

LANES = ("formula", "kernel")


def require_bench_cases(operators) -> None:
    """Refuse operators that nobody could time."""
    missing = [name for name, operator in operators.items() if operator.bench is None]
    if missing:
        raise ImportError(f"no bench case: {', '.join(missing)}; every operator needs one to be measured")


require_bench_cases(OPERATORS)
