"""
Check a kernel
==============

A layer norm written twice: in NumPy with the variance in one pass, and in C. ``refnorm check`` is the command;
:func:`refnorm.check` is the same from Python.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import refnorm

# %%
# The variance as E[x²] - E[x]² saves a pass over the data, and loses every digit where the data is far from zero.


def one_pass(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    if axis != -1:
        raise NotImplementedError("the last axis only")
    mean = x.mean(-1, keepdims=True)
    var = (x * x).mean(-1, keepdims=True) - mean * mean
    y = (x - mean) / np.sqrt(var + x.dtype.type(eps))
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


report = refnorm.check(one_pass, "layer_norm", seed=1, partial=True, dtypes=("float32",))
report.print()

# %%
# How many numbers are off by how much, on a scale of powers of two of an ulp:

errors = report.errors["float32"]
fig, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.bar(range(len(errors["counts"])), np.maximum(errors["counts"], 0.5))
every = range(2, len(errors["edges"]), 12)
ax.set_xticks(every, [f"{errors['edges'][i]:.0e}" for i in every])
ax.set(yscale="log", xlabel="error, ulp", ylabel="numbers")

# %%
# A kernel in C is a shared library with one function; everything it needs is in one header (:doc:`/c-abi`). This one
# is an example of the repository, and conforms.

source = next(p for p in (Path("../../examples/c/layer_norm.c"), Path("examples/c/layer_norm.c")) if p.exists())
compiler = shutil.which("cc") or shutil.which("gcc")
if compiler is None:
    print("no C compiler is installed here")
else:
    from refnorm.checker import Remote, Spec

    header = Path(refnorm.__file__).parent / "include"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "liblayer_norm.so")
        words = [compiler, "-std=c99", "-O2", "-fPIC", "-shared", f"-I{header}", "-o", library, source, "-lm"]
        subprocess.run(words, check=True)
        with Remote(Spec("layer_norm", str(library), kind="c")) as candidate:
            refnorm.check(candidate, "layer_norm", seed=1, dtypes=("float32",)).print()
