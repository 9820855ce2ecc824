"""Which calls the kernels take (a closed list: everything in doubt takes the formula), levels and switches."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import outputs

import refnorm
from refnorm import OPERATORS
from refnorm._lanes import LEVELS, cpu_level, load, takes
from refnorm._xp import dtype_name
from refnorm.norm import layer_norm, rms_norm

pytestmark = pytest.mark.skipif(load("refnorm.norm.rms") is None, reason="no kernels are compiled here")
X = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")


def taken(x, *rest):
    """Return whether the kernel lane takes the call; the formula's answer must be the same."""
    with refnorm.lane("formula"):
        wanted = rms_norm(x, *rest)
    if not takes(load("refnorm.norm.rms"), x, *rest):
        return False
    with refnorm.lane("kernel"):
        got = rms_norm(x, *rest)
    assert type(got) is type(wanted)
    assert got.dtype == wanted.dtype
    assert np.allclose(np.asarray(got, dtype="float32"), np.asarray(wanted, dtype="float32"))
    return True


# ---- the list ----


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numpy(dtype):
    assert taken(X.astype(dtype))
    assert taken(X.astype(dtype)[::-1, ::2])
    assert taken(np.broadcast_to(X.astype(dtype)[0], (3, 8)))


def test_numpy_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    assert taken(X.astype(ml_dtypes.bfloat16))


def test_numpy_memmap(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with refnorm.lane("kernel"):
        assert np.array_equal(rms_norm(np.load(tmp_path / "x.npy", mmap_mode="r")), rms_norm(X))


def mapped(a, path):
    """Return an array as one in a file, which can be written."""
    if a is None or a.size == 0:
        return a
    there = np.memmap(path, dtype=a.dtype, mode="w+", shape=a.shape or (1,))
    there[...] = a
    return there.reshape(a.shape)


@pytest.mark.parametrize("name", list(OPERATORS))
def test_files_are_memory(name, tmp_path):
    """An array in a file gives the bits and the kind of one in memory, and takes an answer as one does."""
    operator = OPERATORS[name]
    case = operator.cases[0]
    arrays = case.arrays(7)
    inside = [mapped(a, tmp_path / str(i)) for i, a in enumerate(arrays)]
    wanted, got = (outputs(operator.function(*given, **case.options)) for given in (arrays, inside))
    for y, w in zip(got, wanted, strict=True):
        assert type(y) is type(w)
        assert np.array_equal(y, w, equal_nan=True)
    if "out" in inspect.signature(operator.function).parameters:
        for given in (arrays, inside):
            out = mapped(np.zeros_like(wanted[0]), tmp_path / "out")
            assert outputs(operator.function(*given, **case.options, out=out))[0] is out
            assert np.array_equal(out, wanted[0], equal_nan=True)


def test_out_in_a_file_is_refused_like_any(tmp_path):
    x = mapped(X, tmp_path / "x")
    assert rms_norm(x, out=x) is x
    assert np.array_equal(x, rms_norm(X))
    with pytest.raises(ValueError, match="out overlaps an input"):
        rms_norm(x[1:], out=x[:-1])
    with pytest.raises(ValueError, match="out must be writeable"):
        rms_norm(X, out=np.memmap(tmp_path / "x", dtype=X.dtype, mode="r", shape=X.shape))
    with pytest.raises(TypeError, match="out must be a ndarray like x, got MaskedArray"):
        rms_norm(X, out=np.ma.masked_array(X))


def test_numpy_in_doubt():
    assert not taken(X.astype(">f4"))
    raw = np.zeros(X.nbytes + 1, np.uint8)
    odd = raw[1:].view("f4").reshape(X.shape)
    odd[...] = X
    assert not taken(odd)
    assert not taken(X, np.ones(8))  # dtypes differ

    class Mine(np.ndarray):
        pass

    assert not taken(X.view(Mine))


def test_torch(torch):
    t = torch.from_numpy(X.copy())
    assert taken(t)
    assert taken(t.bfloat16().float())
    assert taken(t.T.contiguous().T)
    assert taken(torch.nn.Parameter(t, requires_grad=False))
    with torch.no_grad():
        assert taken(t.clone().requires_grad_())
    with torch.inference_mode():
        assert taken(t)
    with refnorm.lane("kernel"):
        assert rms_norm(t.bfloat16()).dtype is torch.bfloat16
        y = rms_norm(t[:, ::2])
        assert y.is_contiguous()


def test_torch_in_doubt(torch):
    t = torch.from_numpy(X.copy())
    c = torch.complex(t, t)
    assert not taken(c.conj().imag)  # the negative bit is set
    with pytest.raises(RuntimeError, match="a gradient is wanted"), refnorm.lane("kernel"):
        rms_norm(t.clone().requires_grad_())

    class Sub(torch.Tensor):
        pass

    with pytest.raises(RuntimeError, match="subclass"), refnorm.lane("kernel"):
        rms_norm(t.as_subclass(Sub))
    with pytest.raises(RuntimeError, match="meta"), refnorm.lane("kernel"):
        rms_norm(t.to("meta"))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(t, torch.ones_like(t))
        with pytest.raises(RuntimeError, match="forward-mode"), refnorm.lane("kernel"):
            rms_norm(dual)
        tangent = torch.autograd.forward_ad.unpack_dual(rms_norm(dual)).tangent
        assert tangent is not None
    with pytest.raises(RuntimeError, match="functorch"), refnorm.lane("kernel"):
        torch.func.vmap(rms_norm)(t)
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(RuntimeError, match="mode"), refnorm.lane("kernel"):
        rms_norm(t)
    with FakeTensorMode() as mode, pytest.raises(RuntimeError, match="subclass"), refnorm.lane("kernel"):
        rms_norm(mode.from_tensor(t))
    with torch.device("cpu"), pytest.raises(RuntimeError, match="mode"), refnorm.lane("kernel"):
        rms_norm(t)
    with pytest.raises(RuntimeError, match="mode or trace"), refnorm.lane("kernel"):
        torch.jit.trace(lambda v: rms_norm(v), (t,), check_trace=False)


def test_torch_compiled_takes_the_formula(torch):
    with refnorm.lane("kernel"), pytest.raises(Exception, match="compiling"):
        torch.compile(lambda v: rms_norm(v), fullgraph=True, backend="eager")(torch.from_numpy(X))


def test_compute_is_seen_under_torch_compile(torch):
    """The switch is a thread-local because dynamo cannot trace a context variable; it guards on its value."""
    torch._dynamo.reset()
    x = torch.from_numpy(np.random.default_rng(1).normal(1e4, 1, (64, 256)).astype("float32"))
    f = torch.compile(lambda v: layer_norm(v), fullgraph=True, backend="eager")
    wide = f(x)
    with refnorm.compute("native"):
        native = f(x)
    assert not torch.equal(wide, native)
    assert torch.equal(f(x), wide)


def test_jax(jax):
    x = jax.numpy.asarray(X)
    assert taken(x)
    assert taken(x.astype("bfloat16"))
    with refnorm.lane("kernel"):
        assert dtype_name(rms_norm(x)) == "float32"
        with pytest.raises(RuntimeError, match="no kernel takes"):
            jax.jit(rms_norm)(x)
        with pytest.raises(RuntimeError, match="no kernel takes"):
            jax.vmap(rms_norm)(x)
        with pytest.raises(RuntimeError, match="no kernel takes"):
            jax.grad(lambda v: rms_norm(v).sum())(x)


def test_jax_eager_is_exact_without_x64(jax):
    x = np.random.default_rng(2).normal(1e4, 1, (8, 256)).astype("float32")
    assert np.array_equal(layer_norm(jax.numpy.asarray(x)), layer_norm(x))


def test_strict_takes_the_formula():
    xp = pytest.importorskip("array_api_strict")
    assert not taken(xp.asarray(X))


# ---- switches ----


def test_lane_is_put_back_after_an_error():
    with pytest.raises(ZeroDivisionError), refnorm.lane("formula"):
        raise ZeroDivisionError
    assert taken(X)
    with pytest.raises(ValueError, match="lane must be one of auto, formula, kernel, got 'fast'"), refnorm.lane("fast"):
        pass
    with pytest.raises(ValueError, match="compute must be one of wide, native"), refnorm.compute("double"):
        pass


def test_lane_belongs_to_the_thread():
    from concurrent.futures import ThreadPoolExecutor

    strict = np.ones((2, 3), ">f4")
    with refnorm.lane("kernel"), ThreadPoolExecutor(1) as pool:
        pool.submit(rms_norm, strict).result()  # "auto" there
        with pytest.raises(RuntimeError, match="kernel"):
            rms_norm(strict)


def run(*command, **environment):
    """Run Python on a command in an environment of its own."""
    return subprocess.run(
        [sys.executable, *command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=600
    )


def test_environment():
    code = "import refnorm, numpy; refnorm.norm.rms_norm(numpy.ones((2, 3), '>f4'))"
    assert "no kernel takes this call" in run("-c", code, REFNORM_LANE="kernel").stderr
    assert run("-c", code, REFNORM_LANE="formula").returncode == 0
    assert "REFNORM_LANE must be one of" in run("-c", code, REFNORM_LANE="quick").stderr
    assert "REFNORM_CPU must be one of" in run("-c", code, REFNORM_CPU="v9").stderr
    code = "import refnorm, numpy; refnorm.norm.rms_norm(numpy.ones((3000, 3000)))"
    assert "REFNORM_NUM_THREADS must be a whole number" in run("-c", code, REFNORM_NUM_THREADS="many").stderr


# ---- levels ----


def test_the_best_level_is_used():
    assert cpu_level() in LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_right(level):
    done = run(str(Path(__file__).with_name("levels.py")), level, REFNORM_CPU=level)
    if "this CPU runs" in done.stderr:
        pytest.skip(f"this CPU has no {level}")
    if done.stdout.strip() == "absent":
        pytest.skip(f"level {level} is not built")
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def test_every_operator_refuses_to_fall_back_unseen():
    for name in (name for name in OPERATORS if OPERATORS[name].kernel):
        case = OPERATORS[name].cases[0]
        swapped = [a.astype(">f4") if a.dtype.kind == "f" else a for a in case.arrays(0)]
        with refnorm.lane("kernel"), pytest.raises(RuntimeError, match="no kernel takes this call"):
            OPERATORS[name].function(*swapped, **case.options)
