"""How many times faster than a rival an operator is, at the size people run: above 1, ours is.

asv gives every benchmark a process of its own, so that no two runtimes' threads meet.
"""

import importlib
import importlib.util
import os

from rivals import CASES, medians, ours, require_agreement

from refnorm import OPERATORS

SECONDS = 2.0
FAMILIES = ("torch", "onnxruntime", "numba")


def case_of(name):
    """Return the first forward case of an operator."""
    return next((c for c in CASES if c.operator == name and not (c.vjp or c.channels_last)), None)


class Rivals:
    params = (list(OPERATORS), FAMILIES)
    param_names = ("operator", "rival")
    unit = "times faster"
    timeout = 300

    def setup(self, name, family):
        case = case_of(name)
        if case is None or importlib.util.find_spec(family) is None:
            raise NotImplementedError("no such case, or not installed")  # asv reads this as: skip
        os.environ["REFNORM_NUM_THREADS"] = "1"
        rival = importlib.import_module(f"rivals.with_{family}")
        rival.use_threads(1)
        arrays = case.arrays()
        calls = dict(rival.calls(case, arrays))
        if not calls:
            raise NotImplementedError("the rival has no such operator")
        self.calls = {"ours": ours(case, arrays), **calls}
        for what, call in calls.items():
            require_agreement(what, call(), self.calls["ours"]())

    def track_ratio(self, name, family):
        """Against the fastest of the rival's ways; one thread, calls in turn, outputs given where that can be."""
        median, _ = medians(self.calls, SECONDS)
        us = median.pop("ours")
        return round(min(median.values()) / us, 3)
