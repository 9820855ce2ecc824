"""The command line: exit codes, output, adapters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import refnorm
from refnorm.__main__ import main

CODE = """
import numpy as np

def shaped(x, w, axis):
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return w.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])

def right(x, weight=None, *, axis=-1, eps=1e-6):
    print("a candidate that talks")
    y = x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)

def wrong(x, weight=None, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of somebody's in the current directory."""
    (tmp_path / "mine_rms.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "mine_rms"
    sys.modules.pop("mine_rms", None)


def test_conforming_code_exits_0(mine, capsys):
    assert main(["check", "rms_norm", "--impl", f"{mine}:right", "--seed", "1"]) == 0
    assert "conforms" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "code"), [("right", 0), ("wrong", 1)])
def test_a_candidate_in_this_process_is_judged_as_in_one_of_its_own(mine, capsys, name, code):
    assert main(["check", "rms_norm", "--impl", f"{mine}:{name}", "--seed", "1", "--in-process"]) == code
    assert f"{mine}:{name}" in capsys.readouterr().out


def test_wrong_code_exits_1_and_is_named_with_a_snippet_that_runs(mine, capsys):
    assert main(["check", "rms_norm", "--impl", f"{mine}.py:wrong", "--seed", "1"]) == 1
    out = capsys.readouterr().out
    assert "recognised: sum in place of mean" in out
    assert "0x1." in out
    code = out[out.index("import numpy as np, refnorm") :]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert ran.stdout.startswith("got ")
    _, got, _, wanted = ran.stdout.split()
    assert got != wanted


def environment():
    here = str(Path(refnorm.__file__).parent.parent)
    return os.environ | {"PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nonsense", "expected pkg.mod:func"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("mine_rms:absent", "has no attribute 'absent'"),
        ("no/such/file.py:f", "there is no file"),
        ("mine_rms:CODE", "has no attribute"),
        ("mine_rms:np", "must be callable"),
        ("math:sqrt", "cannot be called as"),
    ],
)
def test_an_adapter_that_fails_exits_2_with_one_line(mine, capsys, where, said):
    assert main(["check", "rms_norm", "--impl", where]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_other_failures_of_the_tool_exit_2(mine, capsys):
    assert main(["check", "no_such_operator", "--impl", f"{mine}:right"]) == 2
    assert main(["check", "rms_norm", "--impl", f"{mine}:right", "--dtypes", "int8"]) == 2
    assert main(["show", "no_such_operator"]) == 2
    with pytest.raises(SystemExit) as stop:
        main(["check", "rms_norm"])
    assert stop.value.code == 2
    (Path.cwd() / "broken_rms.py").write_text("1 / 0")
    assert main(["check", "rms_norm", "--impl", "broken_rms.py:f"]) == 2


def test_too_few_cases_exit_3(mine, capsys):
    assert main(["check", "rms_norm", "--impl", f"{mine}:right", "--budget", "0"]) == 3
    assert "too few cases ran" in capsys.readouterr().out


def test_json_alone_goes_to_stdout(mine, capsys):
    assert main(["check", "rms_norm", "--impl", f"{mine}:right", "--json", "--seed", "3", "--dtypes", "float32"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["seed"], said["candidate"], said["dtypes"]) == (3, "mine_rms:right", ["float32"])
    assert main(["check", "rms_norm", "--impl", f"{mine}:wrong", "--json", "report.json"]) == 1
    assert json.loads(Path("report.json").read_text())["conforms"] is False


def test_strict_and_grade_reach_the_checker(mine, capsys):
    assert main(["check", "rms_norm", "--impl", f"{mine}:right", "--strict", "--seed", "1"]) == 1
    assert main(["check", "rms_norm", "--impl", f"{mine}:right", "--grade", "A", "--seed", "1"]) == 1


def test_the_book_can_be_read(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(refnorm.OPERATORS)
    assert all(row["name"] in shown and row["summary"].endswith(".") for row in rows)
    for name in refnorm.OPERATORS:
        assert main(["show", name]) == 0
        shown = capsys.readouterr().out
        assert main(["conventions", name]) == 0
        assert capsys.readouterr().out in shown
        op = refnorm.OPERATORS[name]
        assert all(thing in shown for thing in [*(c.label for c in op.cases), *(m.name for m in op.mistakes)])


def test_selftest_shows_score_and_margins(capsys):
    assert main(["selftest", "update_running", "--seed", "1"]) == 0
    assert "(100.0%)" in (shown := capsys.readouterr().out)
    assert "refnorm, native formula" in shown


def test_help_is_fast_and_names_the_exit_codes():
    code = "import sys; from refnorm.__main__ import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert "3 too few cases ran" in " ".join(ran.stdout.split())
    assert "'rich'" not in ran.stdout
    assert "'numpy'" not in ran.stdout


def test_the_module_runs_and_a_default_axis_of_none_is_refused():
    command = [sys.executable, "-m", "refnorm", "check", "softmax", "--impl", "scipy.special:softmax", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert ran.returncode == 1, ran.stderr
    assert json.loads(ran.stdout)["named"] == ["its own defaults (axis=None)"]
