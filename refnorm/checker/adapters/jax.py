"""A JAX function, as it is or under ``jax.jit``; float64 is asked with x64 on for the call, everything else without."""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from ..load import load
from . import Adapted

__all__ = ["adapt"]


def adapt(where: str, operator, *, jit: bool = False) -> Adapted:
    """Load a function of JAX arrays; under `jit` its options are static."""
    import jax

    function = load(where)

    def prepared(arrays, options):
        said = functools.partial(function, **options)
        return (jax.jit(said) if jit else said), _arrays(arrays)

    @functools.wraps(function)
    def call(*arrays, **options):
        with _x64(arrays):
            said, given = prepared(arrays, options)
            return _numpy(said(*given))

    def vjp(cotangents, *arrays, **options):
        with _x64(arrays):
            said, given = prepared(arrays, options)
            kept = [i for i, a in enumerate(arrays) if a is not None and a.dtype.kind not in "iub"]

            def differentiable(*moved):
                full = list(given)
                for i, a in zip(kept, moved, strict=True):
                    full[i] = a
                answer = said(*full)
                return tuple(y for y in answer if not isinstance(y, int)) if isinstance(answer, tuple) else answer

            answer, back = jax.vjp(differentiable, *(given[i] for i in kept))
            given = tuple(map(np.asarray, cotangents)) if isinstance(answer, tuple) else np.asarray(cotangents)
            made = iter(back(given))
            return tuple(np.asarray(next(made)) if i in kept else None for i in range(len(arrays)))

    return Adapted(call, vjp)


def _x64(arrays):
    import jax

    return jax.enable_x64(True) if arrays[0].dtype == "float64" else contextlib.nullcontext()


def _arrays(arrays) -> list:
    import jax.numpy as jnp

    return [a if a is None else jnp.asarray(a) for a in arrays]


def _numpy(answer):
    if isinstance(answer, tuple | list):
        return tuple(part if isinstance(part, int) else np.asarray(part) for part in answer)
    return np.asarray(answer)
