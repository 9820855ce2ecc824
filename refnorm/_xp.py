"""Namespaces, dtypes and refusals: what an operator asks of an array, whatever library made it.

No library is imported here that the caller has not already imported.
"""

from __future__ import annotations

import math
import operator
import sys

import numpy as np

from ._modes import MODES

__all__ = [
    "check_out",
    "device",
    "dtype_name",
    "give_back",
    "like_weight",
    "plain",
    "prepare",
    "require_along",
    "require_indices",
    "require_same_shape",
    "require_shape",
    "require_switch",
    "roomy",
    "to_rows",
    "widen",
]

ndarray = np.ndarray  # by one name instead of two: these questions are asked on every small call
INFINITY = float("inf")
FLOATS = ("float16", "bfloat16", "float32", "float64")
_FLOAT64_DEVICES = ("cpu", "cuda")

try:
    from ._host import clear, plain
except ImportError:  # nothing was compiled

    def clear(out, *arrays):
        """Return whether `out` can be written to without a further question: here, never."""
        return False

    def plain(*arrays):
        """Return whether all are exactly NumPy arrays of one native float type, aligned; None counts for nothing."""
        given = [x for x in arrays if x is not None]
        floats = [np.dtype(name) for name in ("float16", "float32", "float64")]
        return all(
            type(x) is np.ndarray and x.dtype in floats and x.dtype == given[0].dtype and x.flags.aligned for x in given
        )


def dtype_name(x) -> str:
    """Return the bare name of an array's dtype: ``"float32"`` for every library."""
    if isinstance(x, np.ndarray):
        return x.dtype.name  # str() would show the byte order
    return str(x.dtype).rpartition(".")[2]


def device(x):
    """Return the device an array lives on, as its library writes it; None where there is no such thing."""
    return getattr(x, "device", None)


# ---- what came in ----


def prepare(*arrays, need=1):
    """Return ``(namespace, *arrays)``; refuse what is not floating arrays of one library.

    The first `need` arrays must be there; None passes for the others.
    """
    short = type(arrays[0]) is ndarray and arrays[need - 1] is not None
    if short and (need < 3 or not any(x is None for x in arrays[1:need])) and plain(*arrays):
        return (np,) + arrays  # the short way; torch.compile traces its first question only
    return _prepare_any(arrays, need)


def _prepare_any(arrays, need):
    if any(x is None for x in arrays[:need]):
        raise TypeError(f"{_who(arrays, None)} must be an array, got None")
    given = [x for x in arrays if x is not None]
    xp = namespace(given[0], arrays)
    for x in given:
        if namespace(x, arrays) is not xp:
            raise TypeError(_mixed(arrays))
        if dtype_name(x) not in FLOATS:
            raise TypeError(
                f"{_who(arrays, x)} must hold real floating numbers ({', '.join(FLOATS)}), got {dtype_name(x)}"
            )
    if xp is np:  # a file in memory is memory: its view makes no arrays of a class of its own
        arrays = tuple(x.view(ndarray) if type(x) is np.memmap else x for x in arrays)
    return (xp, *arrays)


def namespace(x, arrays):
    if isinstance(x, getattr(sys.modules.get("torch"), "Tensor", ())):  # a stub in its place has no Tensor
        import array_api_compat.torch as xp

        return xp
    if isinstance(x, np.ndarray | np.generic):
        if isinstance(x, np.matrix | np.ma.MaskedArray):
            raise TypeError(f"{_who(arrays, x)} must be a plain array, got {type(x).__name__}")
        return np
    if isinstance(x, getattr(sys.modules.get("dask.array"), "Array", ())):
        from . import _dask as xp

        return xp
    try:
        from array_api_compat import array_namespace

        return array_namespace(x)
    except TypeError:
        raise TypeError(
            f"{_who(arrays, x)} must be an array (NumPy, CuPy, torch, JAX, dask, any array-API library), "
            f"got {type(x).__module__}.{type(x).__qualname__}"
        ) from None


def _mixed(arrays) -> str:
    libraries = [f"{_who(arrays, x)}: {type(x).__module__.partition('.')[0]}" for x in arrays if x is not None]
    return "arrays of one library expected, got " + ", ".join(libraries)


def _who(arrays, x) -> str:
    """Name the argument of the calling operator that holds `x`. Read only on the way to an error."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__:
        frame = frame.f_back
    code = frame.f_code
    for name in code.co_varnames[: code.co_argcount]:
        given = frame.f_locals[name]
        if given is x:
            return f"{code.co_name}: {name}"
        if isinstance(given, tuple | list) and any(one is x for one in given):
            return f"{code.co_name}: {name}[{next(i for i, one in enumerate(given) if one is x)}]"
    return f"{code.co_name}: {code.co_varnames[next(i for i, a in enumerate(arrays) if a is x)]}"


# ---- the computing dtype ----


def widen(xp, *arrays):
    """Return the arrays in the dtype to compute in: float64 under ``compute("wide")`` where there is one.

    Under ``compute("native")``, and where library or device has no float64, half types go to float32 and
    float32 stays. One float64 array makes all float64.
    """
    given = [x for x in arrays if x is not None]
    wide = any(dtype_name(x) == "float64" for x in given)
    if not wide and MODES.compute == "wide":
        wide = _has_float64(xp, given[0])
    dtype = xp.float64 if wide else xp.float32
    return tuple(x if x is None else _cast(xp, x, dtype) for x in arrays)


def _has_float64(xp, x) -> bool:
    if xp is np:
        return True
    if getattr(device(x), "type", None) in _FLOAT64_DEVICES:  # torch: asking its namespace costs 20 us
        return True
    return "float64" in xp.__array_namespace_info__().dtypes()


def _cast(xp, x, dtype):
    if x.dtype == dtype:
        return x
    return x.astype(dtype) if xp is np else xp.astype(x, dtype)


def roomy(x, computed) -> bool:
    """Return whether squares of any `x` fit the wider dtype of `computed`, so that nothing need be scaled."""
    narrow, wide = dtype_name(x), dtype_name(computed)
    return narrow != wide and (wide == "float64" or narrow == "float16")


# ---- axes ----


def _axes(ndim: int, axis) -> tuple[int, ...]:
    given = axis if isinstance(axis, tuple | list) else (axis,)
    try:
        axes = tuple(operator.index(a) for a in given)
    except TypeError:
        raise TypeError(f"axis must be an int or a tuple of ints, got {axis!r}") from None
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} does not exist in an array of {ndim} axes")
    axes = tuple(a % ndim for a in axes)
    if not axes or len(set(axes)) != len(axes):
        raise ValueError(f"axis must name each axis once, got {axis!r}")
    return axes


def _shape_along(x, axis) -> tuple:
    """Return the sizes of `x` along `axis`, an int or a tuple of them."""
    return tuple(x.shape[a] for a in _axes(x.ndim, axis))


def _last(xp, x, axis):
    """Return `x` with `axis` at the end, several axes flattened to one; `x` itself when it is there already."""
    if x is None:
        return None
    axes = _axes(x.ndim, axis)
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    if kept + axes != tuple(range(x.ndim)):
        x = x.transpose(kept + axes) if xp is np else xp.permute_dims(x, kept + axes)
    if len(axes) > 1:
        x = xp.reshape(x, x.shape[: len(kept)] + (math.prod(x.shape[len(kept) :]),))
    return x


def to_rows(xp, axis, x, beside, *parameters):
    """Return `x` and an array of its shape with `axis` last, and the parameters of that axis as one axis."""
    if axis == -1:
        return (x, beside) + parameters
    flat = (p if p is None or p.ndim == 1 else xp.reshape(p, (-1,)) for p in parameters)
    return (_last(xp, x, axis), _last(xp, beside, axis), *flat)


def like_weight(xp, total, weight):
    """Return the cotangent of a parameter in its shape and dtype; None where there is no parameter."""
    return None if weight is None else _cast(xp, xp.reshape(total, weight.shape), weight.dtype)


def give_back(xp, y, x, axis=-1, out=None):
    """Return rows `y` as an array of the layout and dtype of `x`: the inverse of `to_rows` and of `widen`."""
    if y.dtype is not x.dtype:
        y = _cast(xp, y, x.dtype)
    if axis != -1:
        axes = _axes(x.ndim, axis)
        kept = tuple(a for a in range(x.ndim) if a not in axes)
        order = kept + axes
        if len(axes) > 1:
            y = xp.reshape(y, tuple(x.shape[a] for a in order))
        if order != tuple(range(x.ndim)):
            y = xp.permute_dims(y, tuple(order.index(a) for a in range(x.ndim)))
    if out is None or y is out:
        return y
    if xp is not np or not np.may_share_memory(y, out):  # a kernel wrote through a view of `out`
        out[...] = y
    return out


# ---- refusals ----


def require_shape(name: str, x, shape) -> None:
    """Refuse an array whose shape is not `shape`. Sizes dask does not know yet (NaN) pass; so does None."""
    if x is None or x.shape == shape:
        return
    if len(x.shape) != len(shape) or any(a != b for a, b in zip(x.shape, shape, strict=True) if a == a and b == b):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {tuple(x.shape)}")


def require_indices(xp, name: str, x, shape) -> None:
    """Refuse what is no integer array of the library `xp` and of this shape. Values are not looked at."""
    if x is None or namespace(x, (x,)) is not xp:
        raise TypeError(f"{name} must be an integer array of the library of x, got {type(x).__name__}")
    if not dtype_name(x).startswith(("int", "uint")):
        raise TypeError(f"{name} must hold integers, got {dtype_name(x)}")
    require_shape(name, x, shape)


def require_same_shape(name: str, x, other) -> None:
    """Refuse an array that has not the shape of another."""
    require_shape(name, x, tuple(other.shape))


def require_switch(name, value) -> None:
    """Refuse what is neither True nor False."""
    if value is not True and value is not False:
        raise TypeError(f"{name} must be True or False, got {value!r}")


def require_along(x, axis, eps=0.0, weight=None, bias=None) -> None:
    """Refuse an empty `axis`, parameters that have not the shape of it, and an `eps` that is negative or no number."""
    sizes = x.shape[-1:] if axis == -1 and x.ndim else _shape_along(x, axis)
    if 0 in sizes:
        raise ValueError(f"axis {axis} must not be empty, got an array of shape {tuple(x.shape)}")
    if weight is not None and weight.shape != sizes:
        require_shape("weight", weight, sizes)
    if bias is not None and bias.shape != sizes:
        require_shape("bias", bias, sizes)
    try:
        good = 0 <= eps < INFINITY
    except TypeError:
        raise TypeError(f"eps must be a real number, got {type(eps).__name__}") from None
    if not good:
        raise ValueError(f"eps must be finite and not below zero, got {eps!r}")


def check_out(out, x, *others, shape=None) -> None:
    """Refuse an `out` that cannot take the answer. `out` may be `x` itself; any other overlap is refused."""
    if out is None:
        return
    wanted = x.shape if shape is None else shape
    if type(x) is ndarray and clear(out, x, *others) and out.shape == wanted:
        return
    _check_kind(out, x)
    require_shape("out", out, wanted)
    if type(x) is ndarray:
        _check_memory(out, x, others, inplace=shape is None)


def _check_kind(out, x) -> None:
    if type(x) is not np.ndarray and type(x).__module__.partition(".")[0] != "cupy":
        raise TypeError(f"out= works on NumPy and CuPy arrays, got x of type {type(x).__module__}.{type(x).__name__}")
    if type(out) is not type(x) and not (type(x) is ndarray and type(out) is np.memmap):
        raise TypeError(f"out must be a {type(x).__name__} like x, got {type(out).__name__}")
    if out.dtype != x.dtype:
        raise TypeError(f"out must have the dtype of x, {x.dtype}, got {out.dtype}")


def _check_memory(out, x, others, inplace) -> None:
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if out.size and 0 in out.strides and any(s == 0 and n > 1 for s, n in zip(out.strides, out.shape, strict=True)):
        raise ValueError("out must not repeat memory, got a broadcast array")
    for a in (x, *others):
        if a is None or (inplace and a is x is out) or not np.may_share_memory(out, a):
            continue
        if not (inplace and a is x and out.__array_interface__ == x.__array_interface__):
            raise ValueError(f"out overlaps an input: it must be {'x itself or ' if inplace else ''}memory of its own")
