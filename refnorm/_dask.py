"""The namespace of dask arrays: array-api-compat's, but where that would gather an axis in one chunk unasked.

Formulas run lazily on it, whatever the chunks. What needs a whole axis (sorting, LAPACK, joining axes) works block by
block where that axis is one chunk, and else refuses and says what to rechunk. Imported once somebody hands in dask.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import array_api_compat.numpy as blocks

try:
    import array_api_compat.dask.array as base
except ImportError:  # nobody can hand in dask; what reads every module still can read this one
    base = None

__all__ = ["argsort", "concat", "linalg", "reshape", "sort", "stack", "take_along_axis"]

WINGS = Path(__file__).parent


def __getattr__(name: str):
    return getattr(base, name)


def reshape(x, /, shape, *, copy=None):
    """Reshape without moving anything between chunks but along the first of the axes that become one."""
    del copy  # nothing is shared
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if -1 in shape and 0 not in x.shape:
        shape = tuple(math.prod(x.shape) // -math.prod(shape) if n == -1 else n for n in shape)
    if not any(n == 0 or n != n for n in x.shape):
        for first, *rest, parts in _groups(x.shape, shape):
            broken = [axis for axis in rest if x.numblocks[axis] > 1]
            inner = math.prod(x.shape[axis] for axis in rest)
            if x.numblocks[first] > 1 and any(n * inner % math.prod(parts[1:]) for n in x.chunks[first]):
                broken.append(first)
            if broken:
                raise ValueError(_refusal(x, broken))
    try:
        return base.reshape(x, shape)
    except NotImplementedError:  # axes are split and joined at once: first the one, then the other
        return base.reshape(base.reshape(x, _between(x.shape, shape)), shape)


def stack(arrays, /, *, axis=0):
    """Stack; an axis that a formula makes is one chunk."""
    y = base.stack(arrays, axis=axis)
    return y.rechunk({axis % y.ndim: -1})


def concat(arrays, /, *, axis=0):
    """Join; what is joined of whole axes is whole."""
    y = base.concat(arrays, axis=axis)
    return y.rechunk({axis % y.ndim: -1}) if all(a.numblocks[axis] == 1 for a in arrays) else y


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """Sort within blocks."""
    _whole(x, axis)
    return x.map_blocks(blocks.sort, axis=axis, descending=descending, stable=stable, dtype=x.dtype)


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """Order within blocks."""
    _whole(x, axis)
    return x.map_blocks(blocks.argsort, axis=axis, descending=descending, stable=stable, dtype=base.int64)


def take_along_axis(x, indices, /, *, axis=-1):
    """Take within blocks."""
    _whole(x, axis)
    _whole(indices, axis)
    function = lambda a, i: blocks.take_along_axis(*_aligned(a, i), axis=-1)
    axes = [(axis,)] * 3
    return base.apply_gufunc(function, "(n),(k)->(k)", x, indices, axes=axes, output_dtypes=x.dtype)


def _svd(x, /, *, full_matrices=True):
    if full_matrices:
        raise NotImplementedError("dask: singular vectors of the null space are not given")
    _whole(x, -1, -2)
    function = lambda a: tuple(blocks.linalg.svd(a, full_matrices=False))
    sizes = {"k": min(x.shape[-2:])}
    signature = "(m,n)->(m,k),(k),(k,n)"
    return base.apply_gufunc(function, signature, x, output_sizes=sizes, output_dtypes=[x.dtype] * 3)


def _qr(x, /, *, mode="reduced"):
    if mode != "reduced":
        raise NotImplementedError("dask: only the reduced decomposition is given")
    _whole(x, -1, -2)
    sizes = {"k": min(x.shape[-2:])}
    function = lambda a: tuple(blocks.linalg.qr(a))
    return base.apply_gufunc(function, "(m,n)->(m,k),(k,n)", x, output_sizes=sizes, output_dtypes=[x.dtype] * 2)


def _det(x, /):
    _whole(x, -1, -2)
    return base.apply_gufunc(blocks.linalg.det, "(m,n)->()", x, output_dtypes=x.dtype)


def _solve(a, b, /):
    _whole(a, -1, -2)
    _whole(b, -1, -2)
    return base.apply_gufunc(blocks.linalg.solve, "(m,m),(m,n)->(m,n)", a, b, output_dtypes=b.dtype)


linalg = SimpleNamespace(svd=_svd, qr=_qr, det=_det, solve=_solve)


# ---- what must be one chunk ----


def _groups(old, new):
    """Yield, for each run of axes that become others, the axes (those of size 1 left out), and the new sizes."""
    axes, sizes = [a for a, n in enumerate(old) if n != 1], [n for n in new if n != 1]
    while axes:
        run, parts = [axes.pop(0)], [sizes.pop(0)]
        while (held := math.prod(old[a] for a in run)) != (wanted := math.prod(parts)):
            if held < wanted:
                run.append(axes.pop(0))
            else:
                parts.append(sizes.pop(0))
        yield *run, parts


def _between(old, new):
    """Return the sizes of which both are made by joining: (6, 5) and (3, 10) of (3, 2, 5)."""
    old, new, sizes = list(old), list(new), []
    while old and new:
        n = math.gcd(old[0], new[0])
        if n != min(old[0], new[0]):  # nothing divides: all in one, which is one chunk by now
            return (math.prod(sizes) * math.prod(old),)
        sizes.append(n)
        old[0], new[0] = old[0] // n, new[0] // n
        old, new = old[old[0] == 1 :], new[new[0] == 1 :]
    return tuple(sizes)


def _whole(x, *axes) -> None:
    """Refuse an array of which an axis is in several chunks."""
    broken = [axis % x.ndim for axis in axes if x.numblocks[axis] > 1]
    if broken:
        raise ValueError(_refusal(x, broken))


def _refusal(x, axes) -> str:
    """Say which axes of which argument of the operator must be one chunk: those that are cut in the same way."""
    frame, called = sys._getframe(1), None
    while frame is not None:
        folder = Path(frame.f_code.co_filename).parent
        called = frame if folder.parent == WINGS and folder.name != "_core" else called
        frame = frame.f_back
    cuts = [x.chunks[axis] for axis in axes]
    if called is None:
        return f"an axis of size {', '.join(str(sum(cut)) for cut in cuts)} must be one chunk, got chunks {cuts}"
    code, known = called.f_code, called.f_locals
    arguments = dict(_named((given, known[given]) for given in code.co_varnames[: code.co_argcount]))
    alike = [name for name, chunks in arguments.items() if all(cut in chunks for cut in cuts)]
    if alike:
        name, chunks = alike[0], arguments[alike[0]]
        found = {_place(chunks, cut, (known.get("axis"), axis)) for cut, axis in zip(cuts, axes, strict=True)}
    else:  # the axis is made of others: of the last of an argument, as a rule
        broken = {name: [a for a, cut in enumerate(chunks) if len(cut) > 1] for name, chunks in arguments.items()}
        name = max(broken, key=lambda name: max(broken[name], default=-1))
        found = broken[name][-1:]
    which = f"{'axis' if len(found) == 1 else 'axes'} {', '.join(map(str, sorted(found)))}"
    got = ", ".join(str(arguments[name][axis]) for axis in sorted(found))
    wanted = ", ".join(f"{axis}: -1" for axis in sorted(found))
    return f"{code.co_name}: {name} must be one chunk along {which}, got {got}: hand in {name}.rechunk({{{wanted}}})"


def _named(arguments):
    """Yield the names and chunks of dask arrays among arguments, and in lists of them."""
    for name, given in arguments:
        if isinstance(given, tuple | list):
            yield from _named((f"{name}[{i}]", one) for i, one in enumerate(given))
        elif isinstance(given, base.Array):
            yield name, given.chunks


def _place(chunks, cut, likely) -> int:
    """Return the axis that is cut so: one of the likely, else the last."""
    cuts = dict(enumerate(chunks))
    found = [axis % len(chunks) for axis in likely if type(axis) is int and cuts.get(axis % len(chunks)) == cut]
    return found[0] if found else max(axis for axis, other in cuts.items() if other == cut)


def _aligned(a, b):
    """Return two blocks with equal axes before the last."""
    shape = blocks.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    return blocks.broadcast_to(a, (*shape, a.shape[-1])), blocks.broadcast_to(b, (*shape, b.shape[-1]))
