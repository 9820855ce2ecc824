"""Other people's operators, called as ours are: ``refnorm check group_norm --impl refnorm.peers.keras:group_norm``.

One module a framework, imported only when it is named; arrays are NumPy's on both sides. Nothing is mended on the way:
what a framework gets wrong stays wrong, and what it does not offer raises NotImplementedError (see ``--partial``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from .._registry import OPERATORS

__all__ = ["FRAMEWORKS", "KNOWN", "Peer", "absent", "peers"]

FRAMEWORKS = {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx"), "keras": ("keras", "jax")}
# Where a framework is known to be wrong: what the label of its smallest failing case ends with. tests/test_peers.py
# asks all of them, and tells when one is mended.
KNOWN: dict[tuple[str, str], str] = {
    ("torch", "lp_normalize"): "denormals",  # without eps their squares vanish, and the row is divided by 0
    ("torch", "weight_norm"): "denormals",  # their squares vanish, and the gain is divided by 0
    ("onnxruntime", "group_norm"): "mean 1e+04",  # NaN: the variance in one pass comes out below zero
    ("onnxruntime", "lp_normalize"): "all zeros",  # without eps 0 / 0 is 0
    ("onnxruntime", "max_pool"): "a NaN",  # is dropped
    ("keras", "adaptive_avg_pool"): "more bins than cells",  # NaN
    ("keras", "batch_norm_train"): "denormals",  # of the mean are taken for zero
    ("keras", "lp_normalize"): "no eps",  # divides by zero
    ("keras", "layer_norm"): "one column + mean 1e+04",  # not 0
}


@dataclass(frozen=True)
class Peer:
    """One operator of one framework."""

    framework: str
    operator: str
    function: Callable
    dtypes: tuple[str, ...]

    def judged(self, seed: int | None = None):
        """Return the report on this peer: every call is asked, however long it takes to compile."""
        from ..checker import check

        return check(
            self.function, self.operator, seed=seed, dtypes=self.dtypes, partial=True, budget=float("inf"), tall=False
        )

    def is_as_known(self, report) -> bool:
        """Return whether a report says of this peer what is known of it."""
        known = KNOWN.get((self.framework, self.operator))
        if known is None:
            return report.conforms
        return not report.conforms and report.worst.drawn.endswith(known)


def absent(framework: str) -> list[str]:
    """Return the modules that a framework needs and that are not installed."""
    return [module for module in FRAMEWORKS[framework] if find_spec(module) is None]


def peers(framework: str) -> Iterator[Peer]:
    """Yield the operators that a framework has, in the order of the book."""
    module = importlib.import_module(f"{__name__}.{framework}")
    for name in OPERATORS:
        function = getattr(module, name, None)
        if function is not None:
            yield Peer(framework, name, function, module.DTYPES)
