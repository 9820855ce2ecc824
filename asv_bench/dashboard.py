"""Measure this checkout in the running Python and publish the dashboard: ``python asv_bench/dashboard.py``.

Every operator of the registry on either lane: time, peak memory, gradient, largest error, and how many times faster
than torch, onnxruntime and numba. Results of earlier commits are kept, so the pages show how the figures move.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from rivals import NOFAULT

HERE = Path(__file__).parent
PAGES = HERE / ".asv" / "html" / "index.html"


def main(argv=None) -> int:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("benchmark", nargs="*", help="regular expressions, such as 'Rivals.*softmax'; all when left out")
    words.add_argument("--quick", action="store_true", help="each benchmark once: to see that all is well")
    arguments = words.parse_args(argv)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True)
    chosen = [word for one in arguments.benchmark for word in ("--bench", one)]
    here = ["--environment", "existing", "--set-commit-hash", head.stdout.strip(), "--show-stderr"]
    quick = ["--quick"] if arguments.quick else []
    for step in (["machine", "--yes"], ["run", *here, *quick, *chosen], ["publish"]):
        done = subprocess.run([sys.executable, "-m", "asv", *step], cwd=HERE, check=False, env=os.environ | NOFAULT)
        if done.returncode and step[0] != "run":  # a run with a failed benchmark still has the others to show
            return done.returncode
    print(f"the dashboard: {PAGES}")
    return 0 if PAGES.exists() else 1


if __name__ == "__main__":
    sys.exit(main())
