"""The array libraries the tests run on: how to get NumPy values in and out of each."""

import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import ml_dtypes
import numpy as np

DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
MODULES = {"numpy": "numpy", "strict": "array_api_strict", "torch": "torch", "jax": "jax", "dask": "dask.array"}


def present(library: str) -> bool:
    return importlib.util.find_spec(MODULES[library].partition(".")[0]) is not None


@dataclass
class Library:
    name: str
    take: Callable  # NumPy array -> array of this library
    give: Callable  # array of this library -> NumPy array
    kind: type
    opened: Callable = nullcontext  # what to have open round a call

    def arrays(self, values):
        return [None if v is None else self.take(v) for v in values]


def library(name: str) -> Library:
    if name == "numpy":
        return Library(name, lambda v: v, lambda y: y, np.ndarray)
    if name == "strict":
        import array_api_strict as xp

        return Library(name, xp.asarray, np.asarray, type(xp.asarray(0.0)))
    if name == "torch":
        import torch

        def take(v):
            v = np.array(v)
            if v.dtype == DTYPES["bfloat16"]:
                return torch.from_numpy(v.view(np.uint16)).view(torch.bfloat16)
            return torch.from_numpy(v)

        def give(y):
            y = y.detach()
            if y.dtype == torch.bfloat16:
                return y.view(torch.uint16).numpy().view(DTYPES["bfloat16"])
            return y.numpy()

        return Library(name, take, give, torch.Tensor)
    if name == "jax":
        import jax

        return Library(name, jax.numpy.asarray, np.asarray, jax.Array, lambda: jax.enable_x64(True))
    if name == "dask":
        import dask.array as da

        return Library(name, lambda v: da.from_array(v, chunks=-1), lambda y: y.compute(), da.Array)
    raise ValueError(f"no library {name}")
