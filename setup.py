"""Build the kernels: _ext/W/I.pyx becomes refnorm/_LEVEL/W/_I for each CPU level. One rule, no list.

Cython translates each source once; the C is compiled once per level, through a one-line file of its own so
that parallel compilers do not write one object. REFNORM_BUILD_LEVELS ("v4,portable"; empty: none) limits the
levels, REFNORM_REQUIRE_KERNELS=1 makes a failed compile an error: without it the formulas work alone.
REFNORM_BOUNDS=1 and REFNORM_SANITIZE=address,undefined build kernels that watch themselves (docs/reliability.md).
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# The two fast levels get -O3: softmax loses 2x without. The others get -O2, which compiles in two thirds of the time.
FLAGS = {
    "v4": ["-march=x86-64-v4", "-O3"],
    "v3": ["-march=x86-64-v3", "-O3"],
    "v2": ["-march=x86-64-v2", "-O2", "-ftree-vectorize"],
    "portable": ["-DREFNORM_PORTABLE", "-O2", "-ftree-vectorize"],
}
# No -ffast-math and no -fassociative-math: compensated sums must stay what they are.
COMMON = ["-g0", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
UNIX = sys.platform != "win32"
# -O1 and frames keep the reports readable; the kernels' own memory is all that a sanitizer of theirs can see.
SANITIZE = os.environ.get("REFNORM_SANITIZE", "")
WATCH = [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g1", "-O1"] if SANITIZE else []
BOUNDS = bool(os.environ.get("REFNORM_BOUNDS"))
DIRECTIVES = {
    "language_level": 3,
    "cdivision": not BOUNDS,
    "boundscheck": BOUNDS,
    "wraparound": False,
    "initializedcheck": BOUNDS,
    "freethreading_compatible": True,
}


def levels():
    able = ["v4", "v3", "v2", "portable"] if UNIX and platform.machine() == "x86_64" else ["portable"]
    asked = os.environ.get("REFNORM_BUILD_LEVELS")
    return able if asked is None else [level for level in able if level in asked.split(",")]


def kernels():
    """Yield one Extension for each kernel and level; their C does not exist before `build_ext` runs."""
    for source in sorted(Path("_ext").glob("*/*.pyx")):
        wing, idea = source.parent.name, source.stem
        for level in levels():
            yield Extension(
                f"refnorm._{level}.{wing}._{idea}",
                [f"build/levels/{level}/{wing}/_{idea}.c"],
                depends=[*map(str, Path("_ext").glob("*.h")), *map(str, Path("_ext").glob("*.px[di]")), str(source)],
                extra_compile_args=COMMON + FLAGS[level] + WATCH if UNIX else ["/DREFNORM_PORTABLE", "/std:c11"],
                extra_link_args=WATCH,
                libraries=["m"] if UNIX else [],
            )


class build_kernels(build_ext):
    """Translate every source once, then compile its C for each level, in parallel."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        import numpy
        from Cython.Build import cythonize

        translated = cythonize(
            [Extension("refnorm._host", ["_ext/host.pyx"])]
            + [Extension(f"refnorm._level.{p.parent.name}._{p.stem}", [str(p)]) for p in Path("_ext").glob("*/*.pyx")],
            include_path=["_ext"],
            compiler_directives=DIRECTIVES,
            build_dir="build/cython",
            nthreads=os.cpu_count() or 1,
        )
        c_files = {tuple(e.name.split(".")[-2:]): e.sources[0] for e in translated}
        for extension in self.extensions:
            *path, wing, idea = extension.name.split(".")
            extension.include_dirs += ["_ext", numpy.get_include()]
            extension.optional = not os.environ.get("REFNORM_REQUIRE_KERNELS")
            stub = Path(extension.sources[0])
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text(f'#include "{Path(c_files[wing, idea]).resolve().as_posix()}"\n')
            Path(*path, wing).mkdir(parents=True, exist_ok=True)  # editable installs copy into it
        super().build_extensions()


host = Extension("refnorm._host", ["build/levels/_host.c"], extra_compile_args=COMMON if UNIX else [])
setup(ext_modules=[host, *kernels()] if levels() else [], cmdclass={"build_ext": build_kernels})
