"""Build the kernels: _ext/W/I.pyx becomes refnorm/_LEVEL/W/_I for each CPU level. One rule, no list.

Cython translates each source once; the C is compiled once per level, through a one-line file of its own so
that parallel compilers do not write one object. REFNORM_BUILD_LEVELS ("v4,portable"; empty: none) limits the
levels, REFNORM_REQUIRE_KERNELS=1 makes a failed compile an error: without it the formulas work alone.
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = {
    "v4": ["-march=x86-64-v4"],
    "v3": ["-march=x86-64-v3"],
    "v2": ["-march=x86-64-v2"],
    "portable": ["-DREFNORM_PORTABLE"],
}
# No -ffast-math and no -fassociative-math: compensated sums must stay what they are.
COMMON = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "freethreading_compatible": True,
}


def levels():
    able = ["v4", "v3", "v2", "portable"] if platform.machine() in ("x86_64", "AMD64") else ["portable"]
    if sys.platform == "win32":
        able = ["portable"]
    asked = os.environ.get("REFNORM_BUILD_LEVELS")
    return able if asked is None else [level for level in able if level in asked.split(",")]


def extensions():
    import numpy
    from Cython.Build import cythonize

    optional = not os.environ.get("REFNORM_REQUIRE_KERNELS")
    unix = sys.platform != "win32"
    common = {"include_dirs": ["_ext", numpy.get_include()], "optional": optional}
    sources = sorted(Path("_ext").glob("*/*.pyx"))
    translated = cythonize(
        [Extension("refnorm._cpu", ["_ext/cpu.pyx"])]
        + [Extension(f"refnorm._level.{p.parent.name}._{p.stem}", [str(p)]) for p in sources],
        include_path=["_ext"],
        compiler_directives=DIRECTIVES,
        build_dir="build/cython",
    )
    yield Extension("refnorm._cpu", translated[0].sources, extra_compile_args=COMMON if unix else [], **common)
    for source, extension in zip(sources, translated[1:], strict=True):
        wing, idea = source.parent.name, source.stem
        for level in levels():
            stub = Path("build/levels", level, wing, f"_{idea}.c")
            stub.parent.mkdir(parents=True, exist_ok=True)
            text = f'#include "{Path(extension.sources[0]).resolve().as_posix()}"\n'
            if not stub.exists() or stub.read_text() != text:
                stub.write_text(text)
            Path("refnorm", f"_{level}", wing).mkdir(parents=True, exist_ok=True)  # editable installs copy into it
            yield Extension(
                f"refnorm._{level}.{wing}._{idea}",
                [stub.as_posix()],
                depends=[extension.sources[0], *map(str, Path("_ext").glob("*.h"))],
                extra_compile_args=COMMON + FLAGS[level] if unix else ["/DREFNORM_PORTABLE", "/std:c11"],
                libraries=["m"] if unix else [],
                **common,
            )


class parallel_build_ext(build_ext):
    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


asked = os.environ.get("REFNORM_BUILD_LEVELS")
setup(ext_modules=[] if asked == "" else list(extensions()), cmdclass={"build_ext": parallel_build_ext})
