"""The kernel lane: which calls it takes, and how arrays get to a compiled loop and back."""

from __future__ import annotations

import importlib
import os
import sys
from math import prod

import numpy as np

from ._modes import MODES
from ._threads import SPLIT_BYTES, share
from ._xp import dtype_name, ndarray, plain

__all__ = ["LEVELS", "cpu_level", "indices", "load", "packed", "row_blocks", "run", "scratch", "sites", "takes"]

LEVELS = ("v4", "v3", "v2", "portable")  # x86-64 with AVX-512, AVX2, SSE4.2; any CPU. Best first.
empty_like = np.empty_like


# ---- which level ----


def _levels_of_cpu() -> tuple[str, ...]:
    try:
        from ._host import level
    except ImportError:  # nothing was compiled
        return ("portable",)
    return LEVELS[LEVELS.index(level()) :]


def _choose_levels() -> tuple[str, ...]:
    able = _levels_of_cpu()
    forced = os.environ.get("REFNORM_CPU")
    if not forced:
        return able
    if forced not in LEVELS:
        raise ValueError(f"REFNORM_CPU must be one of {', '.join(LEVELS)}, got {forced!r}")
    if forced not in able:
        raise ValueError(f"REFNORM_CPU={forced}: this CPU runs {', '.join(able)} only")
    return (forced,)


_levels = _choose_levels()


def cpu_level() -> str | None:
    """Return the CPU level of the kernels in use, or None where nothing is compiled."""
    kernels = load("refnorm.norm.rms")
    return kernels and kernels.__name__.split(".")[1].removeprefix("_")


def load(module: str):
    """Return the compiled neighbour of ``refnorm.<wing>.<idea>`` at the best level there is, else None."""
    _, wing, idea = module.split(".")
    for level in _levels:
        name = f"refnorm._{level}.{wing}._{idea}"
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(error.name or "?"):
                raise
    return None


# ---- which calls ----


def takes(kernels, *arrays) -> bool:
    """Return whether the kernel lane takes this call; under ``lane("kernel")`` raise where it does not."""
    if MODES.lane == "formula":
        return False
    if kernels is not None and type(arrays[0]) is ndarray and plain(*arrays):
        return True
    reason = _reason_against(kernels, [x for x in arrays if x is not None])
    if reason is None:
        return True
    if MODES.lane == "kernel":
        raise RuntimeError(f'lane("kernel"): no kernel takes this call: {reason}')
    return False


def _reason_against(kernels, arrays) -> str | None:
    if kernels is None:
        return "none is compiled here"
    for x in arrays:
        library = type(x).__module__.partition(".")[0]
        if type(x) is np.ndarray or type(x) is np.memmap:
            reason = _against_numpy(x)
        elif isinstance(x, getattr(sys.modules.get("torch"), "Tensor", ())):
            reason = _against_torch(x, sys.modules["torch"])
        elif library == "jaxlib":
            reason = _against_jax(x)
        else:
            reason = f"{library}.{type(x).__name__} is not plain CPU memory"
        # integers beside the data are indices, of whatever size, and booleans a mask
        beside = dtype_name(x).startswith(("int", "uint", "bool"))
        if reason is None and dtype_name(x) != dtype_name(arrays[0]) and not beside:
            reason = f"dtypes differ, {dtype_name(arrays[0])} and {dtype_name(x)}"
        if reason is not None:
            return reason
    return None


def _against_numpy(x) -> str | None:
    if not x.flags.aligned or not x.dtype.isnative:
        return "misaligned or byte-swapped memory"
    return None


def _against_torch(x, torch) -> str | None:
    """Anything but plain memory that nothing watches takes the formula: autograd, tracing, modes, subclasses."""
    if torch.compiler.is_compiling():
        return "torch is compiling"
    if type(x) is not torch.Tensor and type(x) is not torch.nn.Parameter:
        return f"{type(x).__name__} is a tensor subclass"
    if x.device.type != "cpu" or x.layout is not torch.strided:
        return f"the tensor is {x.layout} on {x.device}"
    if x.requires_grad and torch.is_grad_enabled():
        return "a gradient is wanted"
    if torch.autograd.forward_ad._current_level >= 0:
        return "a forward-mode level is open"
    c = torch._C
    if c._functorch.maybe_current_level() is not None or c._functorch.is_functorch_wrapped_tensor(x):
        return "a functorch transform is running"
    if c._len_torch_dispatch_stack() or c._len_torch_function_stack() or c._get_tracing_state() is not None:
        return "a torch mode or trace is active"
    if x.is_conj() or x.is_neg():
        return "the negative bit is set"
    if x.data_ptr() % x.element_size():
        return "misaligned memory"
    return None


def _against_jax(x) -> str | None:
    """Concrete arrays only come here: tracers belong to the module jax, not jaxlib."""
    jax = sys.modules["jax"]
    if x.is_deleted() or len(x.devices()) != 1 or next(iter(x.devices())).platform != "cpu":
        return "the array is not on one CPU"
    if dtype_name(x) == "float64" and not jax.config.jax_enable_x64:
        return "float64 without jax_enable_x64"
    return None


# ---- there and back ----


def run(kernel, x, *args, out=None, shape=None, parts=None, units=None):
    """Call a kernel over all its units and return its output in the library, dtype and layout of `x`.

    `args` are arrays, None and plain numbers. The output has the shape of `x`, or `shape`; `units` counts
    the rows of `x` where it is not said. With `parts`, a shape, the kernel also fills a float64 array whose
    sum over its first axis is returned too: ``(y, total)``.
    """
    if x.nbytes < SPLIT_BYTES and parts is None and shape is None and plain(x):
        # most calls of all: nothing but the kernel
        y = empty_like(x) if out is None else out
        units = x.size // (x.shape[-1] or 1) if units is None else units
        if units:
            kernel(0, units, x, *args, y)
        return y
    memory, y = _memory(x), _memory(out)
    args = tuple(_memory(a) if hasattr(a, "shape") else a for a in args)
    if y is None:
        y = _empty(memory, memory.shape if shape is None else shape)
    if units is None:
        units = prod(memory.shape[:-1])
    outs = (y,) if parts is None else (y, np.zeros(parts))
    if not units:
        pass  # a kernel looks at its first unit before it counts them
    elif max(memory.nbytes, y.nbytes) < SPLIT_BYTES:
        kernel(0, units, memory, *args, *outs)
    else:
        share(kernel, units, memory, *args, *outs)
    y = _wrap(y, x) if out is None else out
    return y if parts is None else (y, _wrap(outs[1].sum(axis=0), x))


def indices(x, n: int | None = None):
    """Return an accepted integer array as intp memory for a kernel; refuse what is not in 0..n - 1, which it trusts.

    Without `n` the kernel looks for itself.
    """
    x = _memory(x)
    if n is not None and x.size and (x.min() < 0 or x.max() >= n):
        raise IndexError(f"indices must be in 0..{n - 1}, got {x.min()} to {x.max()}")
    return np.ascontiguousarray(x, dtype=np.intp)


def sites(mask):
    """Return an accepted mask (samples, sites) as bytes of -1 and 0, and for each sample where its first true and its
    first false site is and how many are true."""
    mask = np.ascontiguousarray(_memory(mask))
    table = np.stack([mask.argmax(axis=1), mask.argmin(axis=1), np.count_nonzero(mask, axis=1)], axis=1)
    return np.negative(mask.view(np.int8)), table.astype(np.intp)


def scratch(shape, dtype):
    """Return memory that a kernel may use as it likes: kernels themselves never allocate."""
    return np.empty(shape, dtype=dtype)


def packed(matrix, rows: int):
    """Return an accepted matrix in float64 with `rows` rows of a column side by side, column after column; zeros behind
    the last row. A vector counts as one column."""
    x = _memory(matrix)
    if x.dtype == np.uint16:  # bfloat16 is the upper half of a float32
        x = np.left_shift(x, 16, dtype=np.uint32).view(np.float32)
    n = x.shape[0]
    room = np.zeros((-(-n // rows) * rows, x[:1].size))
    room[:n] = x.reshape(n, -1)
    return np.ascontiguousarray(room.reshape(-1, rows, room.shape[1]).transpose(0, 2, 1))


def row_blocks(rows) -> tuple[int, int]:
    """Return (rows a block, blocks): the fixed shares in which sums over rows are taken, threads or not."""
    n = prod(rows.shape[:-1])
    block = max(1, -(-n // 64))
    return block, -(-n // block)


def _empty(x, shape):
    """Return new memory laid out like `x`; on a cache line where it is large, as streaming stores need it."""
    nbytes = x.dtype.itemsize * prod(shape)
    if nbytes < SPLIT_BYTES:
        return empty_like(x, shape=shape)
    block = np.empty(nbytes + 64, dtype=np.uint8)
    start = -block.ctypes.data % 64
    return _in_order(block[start : block.size - 64 + start].view(x.dtype), x, shape)


def _in_order(flat, x, shape):
    """Shape flat memory as `shape` with its axes in the memory order of `x`, where it has the same axes."""
    if len(shape) != x.ndim:
        return flat.reshape(shape)
    order = sorted(range(x.ndim), key=lambda a: -abs(x.strides[a]))
    back = [order.index(a) for a in range(x.ndim)]
    return flat.reshape([shape[a] for a in order]).transpose(back)


def _memory(x):
    """Return the memory of an accepted array as a NumPy view; bfloat16 as uint16."""
    if x is None:
        return None
    if isinstance(x, np.ndarray):
        view = x if type(x) is np.ndarray else x.view(np.ndarray)
    elif type(x).__module__.startswith("torch"):
        torch = sys.modules["torch"]
        x = x.detach()
        view = (x.view(torch.uint16) if x.dtype is torch.bfloat16 else x).numpy()
    else:
        view = np.asarray(x)
    # a dtype takes 2 us to say its name, and its kind at once
    return view.view(np.uint16) if view.dtype.kind == "V" and view.dtype.name == "bfloat16" else view


def _wrap(y, like):
    """Return kernel output as an array of the library of `like`; uint16 stands for its bfloat16."""
    half = y.dtype == np.uint16
    if type(like).__module__.startswith("torch"):
        tensor = sys.modules["torch"].from_numpy(y)
        return tensor.view(like.dtype) if half else tensor
    y = y.view(like.dtype) if half else y
    return y if isinstance(like, np.ndarray) else sys.modules["jax"].numpy.asarray(y)
