"""The pytest plugin, in pytest runs of their own."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import refnorm
from refnorm import pytest_plugin

pytest_plugins = ["pytester"]

HERE = Path(refnorm.__file__).parent.parent
# where this tree is installed pytest finds the plugin by itself, and must not be told twice
FOUND = any(point.value == "refnorm.pytest_plugin" for point in entry_points(group="pytest11"))
CANDIDATES = """
import numpy as np
import pytest

def shaped(x, w, axis):
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return w.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])

def right(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)

def wrong(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)

def demanding(x, weight=None, /, *, axis=-1, eps):
    return right(x, weight, axis=axis, eps=eps)

def declining(x, weight=None, /, *, axis=-1, eps=1e-6):
    if axis != -1:
        raise NotImplementedError("the last axis only")
    return right(x, weight, axis=axis, eps=eps)

fast = dict(dtypes=("float32",))
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Return a function that runs tests in a process of their own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("COLUMNS", "250")
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error")

    def ran(tests, *arguments):
        pytester.makepyfile(test_mine=CANDIDATES + tests)
        plugin = [] if FOUND else ["-p", "refnorm.pytest_plugin"]
        return pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", *arguments)

    return ran


def test_marked_tests_pass_and_fail_by_what_they_return(run):
    result = run(
        """
@pytest.mark.refnorm("rms_norm", **fast)
def test_right():
    return right

@pytest.mark.refnorm("rms_norm", seed=5, **fast)
def test_wrong():
    return wrong

@pytest.mark.refnorm("rms_norm", **fast)
@pytest.mark.parametrize("candidate", [right, wrong], ids=["a", "b"])
def test_each(candidate, tmp_path):
    assert tmp_path.is_dir()
    return candidate

@pytest.mark.refnorm("rms_norm", convention="torch", grade="B", budget=30, **fast)
def test_convention():
    return demanding

@pytest.mark.refnorm("rms_norm", partial=True, **fast)
class TestKernels:
    def test_method(self):
        return declining

@pytest.mark.refnorm("rms_norm", **fast)
def test_declines():
    return declining

@pytest.mark.refnorm("rms_norm", strict=True, **fast)
def test_strict():
    return right

@pytest.mark.refnorm("rms_norm", budget=0.0, **fast)
def test_out_of_time():
    return right

@pytest.mark.refnorm("rms_norm")
def test_skipped():
    pytest.skip("no device here")

def test_plain():
    assert True
""",
        "-v", "--junit-xml=out.xml", "--refnorm-html=pages",
    )  # fmt: skip
    said = re.findall(r"::(test_\w+(?:\[\w+\])?) (PASSED|FAILED|SKIPPED|ERROR)", result.stdout.str())
    assert dict(said) == {
        "test_right": "PASSED", "test_wrong": "FAILED", "test_each[a]": "PASSED", "test_each[b]": "FAILED",
        "test_convention": "PASSED", "test_method": "PASSED", "test_declines": "FAILED", "test_strict": "FAILED",
        "test_out_of_time": "FAILED", "test_skipped": "SKIPPED", "test_plain": "PASSED",
    }  # fmt: skip
    result.stdout.fnmatch_lines(
        [
            "test_mine:wrong as rms_norm: does not conform (grade F): recognised 'sum in place of mean', seed 5",
            "Smallest failing call: *",
            "*got *0x1.*",
            "from test_mine import wrong",
            "The same inputs again: --refnorm-seed=5",
            "FAILED test_mine.py::test_wrong - Failed: test_mine:wrong as rms_norm: does not*",
        ]
    )
    result.stdout.fnmatch_lines(["*too few cases ran*0 of * cases*"])
    assert "\x1b" not in result.stdout.str()
    pages = sorted(page.name for page in Path("pages").iterdir())
    assert len(pages) == 9, pages
    assert "Does not conform" in next(Path("pages").glob("*test_wrong*")).read_text("utf-8")
    told = {
        p.get("name"): p.get("value") for p in ET.parse("out.xml").findall(".//testcase[@name='test_wrong']//property")
    }
    assert told["refnorm_seed"] == "5"
    assert told["refnorm_verdict"] == "does not conform"


def test_a_test_that_judges_nothing_does_not_pass(run):
    result = run(
        """
import unittest

@pytest.mark.refnorm("rms_norm")
def test_returns_nothing():
    right

@pytest.mark.refnorm("rms_norm")
def test_returns_a_name():
    return "right"

@pytest.mark.refnorm("rms")
def test_unknown():
    return right

@pytest.mark.refnorm("rms_norm", tolerance=1)
def test_option():
    return right

@pytest.mark.refnorm
def test_bare():
    return right

@pytest.mark.refnorm("rms_norm", convention="theano")
def test_theano():
    return right

@pytest.mark.refnorm("rms_norm")
def test_signature():
    return lambda x: x

class Old(unittest.TestCase):
    @pytest.mark.refnorm("rms_norm")
    def test_old(self):
        pass
""",
        "-rfE",
    )  # fmt: skip
    result.assert_outcomes(failed=4, errors=4)
    result.stdout.fnmatch_lines_random(
        [
            "FAILED *::test_returns_nothing - *returns the callable to judge; this one returned NoneType",
            "FAILED *::test_returns_a_name - *this one returned str",
            "ERROR *::test_unknown - *no operator is called 'rms'*",
            "ERROR *::test_option - *no option 'tolerance'*",
            "ERROR *::test_bare - *takes one operator, got 0; refnorm(operator, *",
            "ERROR *::test_theano - *rms_norm has no convention 'theano'*",
            "FAILED *::test_signature - *cannot be called as rms_norm*",
            "FAILED *::test_old - *nothing was judged*",
        ]
    )


def test_the_fixture_judges_what_it_is_given(run):
    result = run(
        """
def test_right(refnorm_check):
    report = refnorm_check(right, "rms_norm", **fast)
    assert report.conforms and report.seed == 77
    assert refnorm_check(right, "rms_norm", seed=3, **fast).seed == 3

def test_wrong(refnorm_check):
    refnorm_check(wrong, "rms_norm", **fast)

def test_named_in_advance(refnorm_check):
    with pytest.raises(pytest.fail.Exception, match="sum in place of mean"):
        refnorm_check(wrong, "rms_norm", **fast)
""",
        "--refnorm-seed=77",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*recognised 'sum in place of mean', seed 77"])


TWO = """
@pytest.mark.refnorm("rms_norm", **fast)
def test_marked():
    return wrong

def test_plain():
    pass
"""


def test_marked_tests_are_selected_and_draw_afresh(run):
    seeds = set()
    for _ in range(2):
        result = run(TWO, "-m", "refnorm")
        result.assert_outcomes(failed=1, deselected=1)
        seeds.add(re.search(r"again: --refnorm-seed=(\d+)", result.stdout.str())[1])
    assert len(seeds) == 2
    run(TWO, "--markers").stdout.fnmatch_lines(["@pytest.mark.refnorm(operator, *, convention, dtypes, *"])


def test_workers_judge_too(run):
    pytest.importorskip("xdist")
    result = run(TWO, "-n", "2", "-p", "xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*recognised 'sum in place of mean', seed *"])


def test_loading_the_plugin_imports_nothing():
    code = (
        "import sys, pytest; before = set(sys.modules); import refnorm.pytest_plugin; print(*set(sys.modules) - before)"
    )
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert set(ran.stdout.split()) <= {
        "refnorm",
        "refnorm._modes",
        "refnorm.pytest_plugin",
        "contextvars",
        "_contextvars",
    }


def test_the_marker_takes_the_options_of_check():
    import inspect

    assert set(pytest_plugin.OPTIONS) == set(inspect.signature(refnorm.check).parameters) - {
        "candidate", "operator", "progress",
    }  # fmt: skip
