"""Candidates in a process of their own: what kills or stalls it is a finding, and the checker goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import refnorm
from refnorm.checker import Remote, Spec, check, local
from refnorm.checker.answer import Request
from refnorm.checker.remote import Unloadable

CODE = '''
import ctypes, os, sys, time
import numpy as np

def shaped(x, w, axis):
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return w.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])

def right(x, weight=None, *, axis=-1, eps=1e-6):
    print("a candidate that talks")
    y = x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)

def on_a_weight(harm):
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        if weight is not None:
            harm()
        return right(x, axis=axis, eps=eps)
    return candidate

def later():
    """Leave a child behind that would live on."""
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("child", "w") as file:
        file.write(str(child.pid))
    time.sleep(600)

crash = on_a_weight(lambda: ctypes.string_at(0))
leave = on_a_weight(lambda: os._exit(7))
hang = on_a_weight(lambda: time.sleep(600))
spin = on_a_weight(lambda: [None for _ in iter(int, 1)])
flood = on_a_weight(lambda: np.ones(2**36))
parent = on_a_weight(later)
silent = on_a_weight(lambda: os.close(int(os.listdir("/proc/self/fd")[-2])))
objects = on_a_weight(lambda: None)
objects_too = lambda x, weight=None, *, axis=-1, eps=1e-6: [object()]
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine_remote.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return lambda name: Spec("rms_norm", f"mine_remote.py:{name}")


def finding(report, layer="contract"):
    (layer,) = [one for one in report.layers if one.name == layer]
    return " | ".join(f.what for f in layer.findings)


def test_right_code_conforms_and_gives_the_same_report_as_in_this_process(mine):
    with Remote(mine("right")) as candidate:
        there = check(candidate, "rms_norm", seed=3, dtypes=("float32",))
    scope = {}
    exec(compile(CODE, "mine", "exec"), scope)
    here = check(scope["right"], "rms_norm", seed=3, dtypes=("float32",))
    assert there.verdict == here.verdict == "conforms"
    for a, b in zip(there.layers, here.layers, strict=True):
        assert (a.name, a.verdict, a.ran, a.grade, a.yardsticks) == (b.name, b.verdict, b.ran, b.grade, b.yardsticks)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crash", "kills its process: SIGSEGV"),
        ("leave", "ends its process with exit status 7"),
        ("hang", "hangs: no answer within 1 s"),
        ("spin", "hangs: no answer within 1 s"),
        ("flood", "MemoryError"),
    ],
)
def test_what_ends_the_process_is_a_finding_and_the_other_calls_are_asked(mine, name, said):
    started = time.monotonic()
    with Remote(mine(name), limit=1.0) as candidate:
        report = check(candidate, "rms_norm", seed=3, dtypes=("float32",))
    assert report.exit_code == 1
    assert said in finding(report)
    assert report.ran >= 4
    assert time.monotonic() - started < 60


def test_nothing_that_it_started_lives_on(mine):
    with Remote(mine("parent"), limit=1.0) as candidate:
        reply = candidate.send(Request("call", [np.ones((2, 3), "float32"), np.ones(3, "float32")], {}))
    assert "hangs" in reply.error
    child = int(Path("child").read_text())
    for _ in range(50):
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("a child of the candidate was left behind")


def test_after_some_deaths_no_more_is_asked(mine):
    with Remote(mine("crash")) as candidate:
        call = Request("call", [np.ones((2, 3), "float32"), np.ones(3, "float32")], {})
        while not candidate.gone:
            assert "SIGSEGV" in candidate.send(call).error
    assert candidate.gone == "its process died 4 times"


def test_what_is_no_array_is_an_error(mine):
    with Remote(mine("objects_too")) as candidate:
        assert "no array of numbers" in candidate.send(Request("call", [np.ones(3, "float32")], {})).error


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("mine_remote.py:absent", "has no attribute 'absent'"),
        ("nowhere.py:f", "there is no file"),
        ("mine_remote.py:CODE", "has no attribute"),
        ("math:sqrt", "cannot be called as rms_norm"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_line(mine, where, said):
    with pytest.raises(Unloadable, match=said) as raised:
        Remote(Spec("rms_norm", where))
    assert "\n" not in str(raised.value)


def test_a_module_that_ends_the_process_is_told(mine, tmp_path):
    (tmp_path / "deadly.py").write_text("import os; os._exit(5)")
    with pytest.raises(Unloadable, match="ends its process with exit status 5"):
        Remote(Spec("rms_norm", "deadly.py:f"))


def test_a_file_of_the_current_folder_does_not_hide_a_module_of_the_checker(mine, tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('this is not the json of Python')")
    with Remote(mine("right")) as candidate:
        assert candidate.send(Request("call", [np.ones(3, "float32")], {})).error is None


def test_a_hanging_candidate_does_not_hang_the_command(mine):
    started = time.monotonic()
    here = os.environ | {"PYTHONPATH": str(Path(refnorm.__file__).parents[1])}
    command = [sys.executable, "-m", "refnorm", "check", "rms_norm", "--impl", "mine_remote.py:spin", "--limit", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
    assert ran.returncode == 1, ran.stderr
    assert "hangs: no answer within 2 s" in ran.stdout
    assert time.monotonic() - started < 90


# ---- the requests, in this process ----


def test_the_same_memory_is_asked_again_with_other_numbers():
    kept = {}

    def by_address(x):
        return kept.setdefault(x.ctypes.data, x.sum())

    first, second = np.ones(4), np.full(4, 5.0)
    for function, wanted in ((by_address, 4.0), (np.sum, 20.0)):
        assert local(function).send(Request("again", [second], {}, before=[first])).answer == wanted


def test_an_answer_goes_into_memory_between_guards():
    def wrong(x, out=None):
        out[:-1] = 2 * x[:-1]
        return out

    def right(x, out=None):
        return np.multiply(x, 2, out=out)

    request = Request("out", [np.arange(4.0)], {}, shape=(4,), dtype="float64")
    reply = local(right).send(request)
    assert (reply.faults, list(reply.answer)) == ([], [0, 2, 4, 6])
    assert "leaves cells of the output unwritten" in local(wrong).send(request).faults[0]
    assert "does not return" in local(lambda x, out=None: x).send(request).faults[-1]
