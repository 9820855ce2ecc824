"""Run the kernels under watch: ``python tests/sanitize.py bounds|address [--only levels|fuzz|suite]``.

A copy of the tree in a folder of its own is built with ``REFNORM_BOUNDS=1`` or ``REFNORM_SANITIZE=address,undefined``,
at one CPU level, and put to every case of every kernel (levels.py), to random calls (fuzz_kernels.py) and to the tests
of the kernel lane. The first finding ends the process that makes it, and this one with 1. Linux and gcc; some minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BUILDS = {"bounds": {"REFNORM_BOUNDS": "1"}, "address": {"REFNORM_SANITIZE": "address,undefined"}}
LIBRARIES = {"bounds": (), "address": ("libasan.so", "libubsan.so", "libstdc++.so")}  # torch throws C++ exceptions
TESTS = ["test_operators.py", "test_hostile.py", "test_threads.py"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", choices=BUILDS)
    parser.add_argument("--only", choices=["levels", "fuzz", "suite"])
    parser.add_argument("--calls", default="2000", help="random calls to each family")
    parser.add_argument("--level", default="v3", help="the CPU level to build")
    parser.add_argument("--tree", help="a copy that was built before; left where it is")
    given = parser.parse_args()
    if given.tree:
        return watched(Path(given.tree), given)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "refnorm")
        subprocess.run(["git", "clone", "--quiet", HERE, tree], check=True)
        settings = {**os.environ, **BUILDS[given.build], "REFNORM_BUILD_LEVELS": given.level}
        settings["REFNORM_REQUIRE_KERNELS"] = "1"
        build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        subprocess.run(build, cwd=tree, env=settings, check=True)
        return watched(tree, given)


def watched(tree: Path, given) -> int:
    """Run what was asked for in a built tree; return the number of commands that failed."""
    settings = {
        **os.environ,
        "PYTHONPATH": f"{tree}:{tree / 'tests'}",
        "REFNORM_CPU": given.level,
        "LD_PRELOAD": ":".join(library(name) for name in LIBRARIES[given.build]),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:exitcode=99",  # Python keeps memory to its end
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
    }
    commands = {
        "levels": ["tests/levels.py", given.level],
        "fuzz": ["tests/fuzz_kernels.py", given.calls],
        "suite": ["-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{t}" for t in TESTS), "-k", CHOICE],
    }
    failed = 0
    for name, command in commands.items():
        if given.only in (None, name):
            done = subprocess.run([sys.executable, *command], cwd=tree, env=settings, check=False)
            print(f"{given.build}, {name}: {'clean' if done.returncode == 0 else f'ended with {done.returncode}'}")
            failed += done.returncode != 0
    return failed


CHOICE = "kernel and not torch and not jax and not memory"  # the frameworks' own code is not what is judged


def library(name: str) -> str:
    return subprocess.run(
        ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
