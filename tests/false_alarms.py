"""Hunt false alarms: ``python tests/false_alarms.py [seeds] [first] [operator ...]`` judges all honest code.

Each seed draws other inputs for every operator; NumPy's, torch's, SciPy's, scikit-learn's, onnxruntime's and JAX's
right implementations (the `honest` of the cards) and refnorm's own lanes are judged on them, gradients with them. One
that does not conform is printed with what is said against it, and the exit status is 1.
"""

from __future__ import annotations

import sys
import time

from refnorm import OPERATORS
from refnorm.checker import find_operator
from refnorm.checker.run import plan
from refnorm.checker.selftest import DTYPES, _honest


def main(seeds: int = 20, first: int = 0, *names: str) -> int:
    judged = alarms = 0
    started = time.monotonic()
    for name in names or OPERATORS:
        for seed in range(first, first + seeds):
            for line in _honest(plan(find_operator(name), seed, DTYPES)):
                judged += 1
                if not line.ok:
                    alarms += 1
                    print(f"{name}, seed {seed}: {line.name}: {line.said}", flush=True)
        print(f"{name}: {judged} judged, {alarms} alarms, {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(f"{judged} judgements of honest implementations, {alarms} false alarms")
    return alarms > 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3]), *sys.argv[3:]))
