"""`refnorm demo`: told in full on NumPy, SciPy and rich alone, and honest about what did not come out."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from refnorm import demo
from refnorm._lanes import cpu_level

PEERS = ("torch", "jax", "onnxruntime", "onnx", "sklearn", "numba", "cupy", "dask")
ALONE = f"""
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *more):
        return None if name.partition(".")[0] in {PEERS!r} else self.finder.find_spec(name, *more)

sys.meta_path = [Hiding(finder) for finder in sys.meta_path]
from refnorm import demo
sys.exit(demo.run())
"""


@pytest.fixture(scope="module")
def alone():
    """The demo in a process that has no framework."""
    return subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_alone(alone):
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert "everything came out as expected" in alone.stdout
    assert "scipy.special" in alone.stdout


def test_wrong_code_is_named(alone):
    for function, name, mistake in demo.WRONG:
        line = next(line for line in alone.stdout.splitlines() if name.__name__ in line)
        assert function in line
        assert "does not conform" in line
        assert mistake in line


def test_what_was_skipped_is_said(alone):
    said = alone.stdout.partition("Not run")[2]
    assert "the operators of torch: not installed: torch" in said
    assert "onnxruntime and onnx" in said
    assert "sklearn" in said
    assert "torch in the table of error and time" in said
    assert ("no kernels are compiled" in said) == (cpu_level() is None)


def test_progress_is_plain_lines_on_stderr(alone):
    assert "judging: softmax of scipy.special" in alone.stderr
    assert "\x1b" not in alone.stderr + alone.stdout
    assert "judging:" not in alone.stdout


def test_what_to_try_next_can_be_tried(alone):
    from refnorm.__main__ import parser

    for command in demo.NEXT:
        words = command.partition("   ")[0].split()
        assert parser().parse_args(words[1:]).run
        assert command in alone.stdout


def told(part):
    """Return the story after one part of it, and what it printed."""
    console = Console(file=io.StringIO(), width=200)
    story = demo.Story(console, seed=0)
    console.print(part(story))
    return story, console.file.getvalue()


def test_a_right_twin_among_the_wrong_is_a_surprise(monkeypatch):
    """The demo of a blind checker must not look like one of a good one."""
    import refnorm

    right = ("rms_norm", refnorm.norm.rms_norm, "eps outside the root")
    monkeypatch.setattr(demo, "WRONG", (right,))
    story, _ = told(demo.wrong_implementations)
    assert story.surprises[0] == "rms_norm was passed"


def test_a_mistake_under_another_name_is_a_surprise(monkeypatch):
    operator, function, _ = demo.WRONG[0]
    monkeypatch.setattr(demo, "WRONG", ((operator, function, "sum in place of mean"),))
    story, _ = told(demo.wrong_implementations)
    assert len(story.surprises) == 1


def test_a_known_difference_that_is_gone_is_a_surprise(monkeypatch):
    import refnorm

    gone = demo.Candidate("log_softmax", "scipy.special", refnorm.prob.log_softmax, ("an infinity",))
    monkeypatch.setattr(demo, "candidates", lambda story: [gone])
    story, _ = told(demo.real_implementations)
    assert len(story.surprises) == 1


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
def test_lanes_that_differ_are_a_surprise(monkeypatch):
    answers = demo._answers
    monkeypatch.setattr(
        demo, "_answers", lambda op, seed, name: answers(op, seed, name) * (1 + 1e-6 * (name == "kernel"))
    )
    story, _ = told(demo.lanes)
    assert any(what.startswith("layer_norm: the lanes differ") for what in story.surprises)
