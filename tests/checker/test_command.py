"""Programs that are run once a call: right ones, wrong ones, and those that crash, hang or leave things behind."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import refnorm
from refnorm.checker import adapters, find_operator
from refnorm.checker.adapters.command import DECLINES, LAYOUTS, adapt, gradient
from refnorm.checker.formats import SUFFIXES

EXAMPLES = Path(refnorm.__file__).parent.parent / "examples" / "command"
X = np.arange(6, dtype="float32").reshape(2, 3)
HELLO = '{"schema": "refnorm.tensors/1", "tensors": {"y0": {"dtype": "float32", "shape": [], "data": ["0x1p+0"]}}}'

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")


@pytest.fixture
def program(tmp_path):
    """A function that makes a command out of Python: `given` and `answer` are its two paths."""

    def program(code, operator="rms_norm", make=adapt, **more):
        path = tmp_path / "program.py"
        path.write_text(f"import os, signal, sys, time\ngiven, answer = sys.argv[-2:]\n{code}\n")
        return make(f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}", find_operator(operator), **more)

    return program


def formatted(code):
    """A program that reads and writes by the package's own functions."""
    return (
        f"sys.path[:0] = {sys.path!r}\nfrom refnorm.checker.formats import read, write\nx, words = read(given)\n{code}"
    )


# ---- what goes in and comes out ----


@pytest.mark.parametrize("format", [s[1:] for s in SUFFIXES])
def test_arrays_options_and_answers_cross(program, format):
    if format == "safetensors":
        pytest.importorskip("safetensors")
    told = formatted(
        "import json, numpy as np\n"
        "assert sorted(x) == ['x0', 'x2'] and words['operator'] == 'rms_norm', (x, words)\n"
        "assert json.loads(words['options']) == {'axis': [0, 1], 'eps': {'float': 'inf'}}, words\n"
        "write(answer, {'y0': x['x0'] * 2, 'y1': x['x2'], 'y2': np.array(4)})"
    )
    weight = np.ones(3, "float64")
    y = program(told, name=format).call(X, None, weight, axis=(0, 1), eps=np.inf)
    assert isinstance(y, tuple)
    np.testing.assert_array_equal(y[0], 2 * X, strict=True)
    np.testing.assert_array_equal(y[1], weight, strict=True)
    assert (y[2].shape, int(y[2])) == ((), 4)


def test_one_answer_is_an_array(program):
    y = program(formatted("write(answer, {'y0': x['x0']})")).call(X)
    np.testing.assert_array_equal(y, X, strict=True)


def test_half_types_cross(program):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in ("float16", ml_dtypes.bfloat16):
        y = program(formatted("write(answer, {'y0': x['x0']})"), name="npz").call(X.astype(dtype))
        assert y.dtype == dtype
        assert y.tobytes() == X.astype(dtype).tobytes()


def test_a_gradient_gets_cotangents_and_answers_for_every_floating_input(program):
    told = formatted(
        "assert words['operator'] == 'rms_norm_vjp' and sorted(x) == ['g0', 'g1', 'x0', 'x2', 'x3'], (x, words)\n"
        "write(answer, {'y0': x['g0'] * x['x0'], 'y2': x['g1']})"
    )
    vjp = program(told, make=gradient)
    got = vjp((X, X[0]), X, None, np.ones(3, "float32"), np.arange(3))
    assert [y is None for y in got] == [False, True, False, True]  # nothing for what is not there, or holds indices
    np.testing.assert_array_equal(got[0], X * X, strict=True)
    np.testing.assert_array_equal(got[2], X[0], strict=True)
    vjp = program(formatted("write(answer, {'y0': x['g0']})"), make=gradient)
    np.testing.assert_array_equal(vjp(X, X)[0], X, strict=True)
    with pytest.raises(ValueError, match="writes y0, expected y0, y2"):
        vjp(X, X, None, X[0])
    with pytest.raises(NotImplementedError, match="a list of arrays"):
        vjp(X, X, [X, X])


def test_nothing_stays_behind_in_the_temporary_directory(program, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    program(formatted("write(answer, {'y0': x['x0']})")).call(X)
    assert list((tmp_path / "t").iterdir()) == []


def test_more_numbers_than_a_file_is_written_for_are_declined(program):
    with pytest.raises(NotImplementedError, match="too many for a file"):
        program("").call(np.broadcast_to(X[:1], (2**23, 3)))


def test_what_a_file_cannot_say_is_not_asked(program):
    assert set(program("").cannot) == set(LAYOUTS)
    assert program("").vjp is None


# ---- how a program may end ----


def raised(adapted, kind):
    with pytest.raises(kind) as caught:
        adapted.call(X)
    assert type(caught.value) is kind
    return str(caught.value)


def test_a_status_is_told_with_the_last_line(program):
    assert raised(program("sys.exit(3)"), RuntimeError) == "exits with status 3"
    said = "print('on stdout'); print('first\\nno such device', file=sys.stderr); sys.exit(3)"
    assert raised(program(said), RuntimeError) == "exits with status 3: no such device"
    assert raised(program("print('no such device'); sys.exit(3)"), RuntimeError).endswith("3: no such device")


def test_an_answer_before_a_bad_end_does_not_count(program):
    code = formatted("write(answer, {'y0': x['x0']}); sys.exit(1)")
    assert raised(program(code), RuntimeError) == "exits with status 1"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGFPE"])
def test_a_signal_is_named(program, name):
    code = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), signal.{name})"
    assert raised(program(code), RuntimeError) == f"is killed by {name}"


def test_a_program_may_decline(program):
    assert raised(program(f"sys.exit({DECLINES})"), NotImplementedError) == "exits with status 77"
    code = f"print('no weights', file=sys.stderr); sys.exit({DECLINES})"
    assert raised(program(code), NotImplementedError) == "no weights"


def test_no_answer_and_a_malformed_one_are_told(program):
    assert raised(program(""), RuntimeError) == "writes no answer"
    assert raised(program("open(answer, 'w').write('[')"), ValueError).startswith(
        "writes a malformed answer: Expecting"
    )
    assert "regular file" in raised(program("os.mkfifo(answer)"), ValueError)
    for name in ("y1", "y", "x0"):
        code = f"open(answer, 'w').write('''{HELLO}'''.replace('y0', '{name}'))"
        assert raised(program(code), ValueError) == f"writes {name}, expected y0, y1, ..."
    assert program(f"open(answer, 'w').write('''{HELLO}''')").call(X) == 1


def test_endless_output_is_not_kept(program):
    code = "for _ in range(2000): sys.stdout.write('a' * 9999); sys.stderr.write('b' * 9999)\n"
    code += "print('\\nthe end', file=sys.stderr); sys.exit(1)"
    assert raised(program(code), RuntimeError) == "exits with status 1: the end"


def alive(pid):
    """Return whether a process runs: one that is dead but not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(path, within=5.0):
    pid, until = int(path.read_text()), time.monotonic() + within
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


CHILD = "import subprocess\nchild = subprocess.Popen(['sleep', '60']{})\nopen({!r}, 'w').write(str(child.pid))\n"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_program_that_hangs_is_ended_with_its_children(program, tmp_path):
    pid = tmp_path / "pid"
    code = CHILD.format("", str(pid)) + "time.sleep(1000)"
    started = time.monotonic()
    assert raised(program(code, limit=2.0), TimeoutError) == "gives no answer within 2 s"
    assert time.monotonic() - started < 10
    assert gone(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_children_left_behind_are_ended(program, tmp_path):
    pid = tmp_path / "pid"
    program(CHILD.format("", str(pid)) + f"open(answer, 'w').write('''{HELLO}''')").call(X)
    assert gone(pid)


def test_a_child_that_flees_does_not_hold_the_call_up(program, tmp_path):
    pid = tmp_path / "pid"
    code = CHILD.format(", start_new_session=True", str(pid)) + f"open(answer, 'w').write('''{HELLO}''')"
    started = time.monotonic()
    try:
        assert program(code).call(X) == 1
        assert time.monotonic() - started < 8
    finally:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(pid.read_text()), signal.SIGKILL)


# ---- what cannot be run ----


def test_what_is_no_command_is_refused_before_anything_runs(tmp_path):
    op = find_operator("rms_norm")
    with pytest.raises(OSError, match=r"there is no program '\./absent'"):
        adapt("./absent --fast", op)
    (tmp_path / "text").write_text("not to be run")
    with pytest.raises(OSError, match="expected one that can be run"):
        adapt(str(tmp_path / "text"), op)
    with pytest.raises(ValueError, match="expected a command line"):
        adapt("  ", op)
    with pytest.raises(ValueError, match="No closing quotation"):
        adapt("'./mine", op)
    with pytest.raises(ValueError, match="expected a format of npz, safetensors, json, got 'xml'"):
        adapt("true", op, name="xml")


def test_no_shell_reads_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.sh").write_text('#!/bin/sh\necho "$1|$2|$3" >&2\nexit 1\n')
    (tmp_path / "echo.sh").chmod(0o755)
    adapted = adapt("./echo.sh '; touch ran;' $HOME *", find_operator("rms_norm"))
    assert raised(adapted, RuntimeError) == "exits with status 1: ; touch ran;|$HOME|*"
    assert not (tmp_path / "ran").exists()


# ---- the examples ----


def compiled(folder, change=("", "")):
    """Compile the C example, with some of its text changed."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if compiler is None or not EXAMPLES.is_dir():
        pytest.skip("no C compiler, or not a source tree")
    text = (EXAMPLES / "rms_norm.c").read_text()
    assert change[0] in text
    (folder / "rms_norm.c").write_text(text.replace(*change))
    flags = "-std=c99 -Wall -Wextra -Werror -O2 -ffp-contract=off -o rms_norm rms_norm.c -lm"
    subprocess.run([compiler, *flags.split()], cwd=folder, check=True)
    return adapt(str(folder / "rms_norm"), find_operator("rms_norm"))


def test_the_program_in_c_conforms(tmp_path):
    report = refnorm.check(compiled(tmp_path).call, "rms_norm", seed=1, partial=True, budget=50)
    assert report.conforms, report.as_dict()
    assert report.declined == 2 * sum("axis" in c.options for c in find_operator("rms_norm").cases)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("sqrt(sum / n + eps)", "(sqrt(sum / n) + eps)"), "eps outside the root"),
        ((": 1e-6", ": 1e-5"), "convention onnx, slicegpt (eps=1e-05)"),
    ],
)
def test_the_program_in_c_made_wrong_is_refused_and_named(tmp_path, change, name):
    adapted = compiled(tmp_path, change)
    report = refnorm.check(adapted.call, "rms_norm", seed=1, dtypes=("float32",), partial=True, budget=50)
    assert (report.exit_code, report.named[0]) == (1, name)


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="not a source tree")
def test_the_program_in_python_answers(tmp_path):
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(EXAMPLES / 'log_softmax.py'))}"
    adapted = adapt(command, find_operator("log_softmax"), name="npz", limit=60.0)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    for axis in (-1, 1, (1, 2)):
        y = adapted.call(x, axis=axis)
        assert y.dtype == x.dtype
        np.testing.assert_array_max_ulp(y, refnorm.prob.log_softmax(x, axis=axis), 1)
    with pytest.raises(NotImplementedError):
        adapted.call(x.astype(pytest.importorskip("ml_dtypes").bfloat16))


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="not a source tree")
def test_the_gradient_of_the_program_in_python_is_judged_and_a_wrong_one_refused(tmp_path):
    """Called through the adapters' own door, as the command line does it."""
    operator, x = find_operator("log_softmax"), np.random.default_rng(0).normal(size=(4, 5))
    text = (EXAMPLES / "log_softmax.py").read_text()
    found = []
    for name, change in (("right", ("", "")), ("wrong", ("np.exp(y) * np.sum", "np.sum"))):
        assert change[0] in text
        (tmp_path / f"{name}.py").write_text(text.replace(*change))
        command = f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / name))}.py"
        adapted = adapters.adapt(command, "command:npz", operator, command)
        (dx,) = adapted.vjp(np.cos(x), x, axis=0)
        found.append(np.max(np.abs(dx - operator.gradient(np.cos(x), x, axis=0))))
    assert found[0] < 1e-15 < 1e-3 < found[1]
