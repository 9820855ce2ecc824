"""Reports on a terminal: what is said, how to see it again, and nobody's control characters."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import judged
import pytest

import refnorm
from refnorm.checker.harmless import harmless
from refnorm.checker.show import again, brief, shares, snippet, text

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufffe\uffff]")


@pytest.mark.parametrize("which", judged.CANDIDATES)
def test_text_is_plain_and_short(which):
    said = text(judged.report(which))
    assert not UNSEEN.search(said)
    assert len(said) < 20_000
    assert judged.report(which).verdict in said
    one = brief(judged.report(which))
    assert "\n" not in one
    assert judged.report(which).verdict in one or which == "hostile"


def test_a_hostile_candidate_is_told_as_it_is_but_does_nothing():
    said = text(judged.report("hostile"))
    assert "\\x1b[31m" in said
    assert "<script>alert(1)</script>" in said
    assert "characters left out" in said


def test_harmless_keeps_what_is_harmless():
    for kept in ("plain", "two\nlines\tand a tab", "é 漢 ½ 🙂", ""):
        assert harmless(kept) == kept
    assert harmless("\x9b\u2066\ufeff\U0001ffff") == "\\x9b\\u2066\\ufeff\\U0001ffff"
    assert UNSEEN.search("\x1b")
    assert len(harmless("a" * 10**7)) < 500


def test_errors_are_told_in_words():
    errors = {"edges": [0.0, 0.5, 1.0, 2.0], "counts": [50, 40, 5, 4], "nonfinite": 1, "unanswered": 2}
    assert shares(errors) == [
        "100 numbers", "90.0% within 0.5 ulp", "95.0% within 1 ulp", "the furthest up to 2 ulp",
        "1 NaN or infinite in the wrong place", "2 calls without numbers to compare",
    ]  # fmt: skip
    assert shares({"edges": [0.0, 0.5, 1.0], "counts": [0, 0, 0], "nonfinite": 0, "unanswered": 0}) == ["0 numbers"]
    assert "within 1 ulp" in text(judged.report("right"))


def test_the_command_asks_the_same_again():
    report = judged.report("following")
    assert shlex.split(again(report)) == [
        "refnorm", "check", "rms_norm", "--impl", "judged:right", "--seed", "1", "--dtypes", "float32", "--grade", "C",
        "--convention", "torch",
    ]  # fmt: skip
    assert again(judged.report("strictly right")).endswith("--strict")
    assert shlex.split(again(replace(report, candidate="a b/c'd.py:f")))[4] == "a b/c'd.py:f"
    for unnamed in ("__main__:f", "m:f.<locals>.g", "m:<lambda>", "m; rm -rf ~:f", "a\x1b.py:f"):
        assert again(replace(report, candidate=unnamed)) == ""


def test_the_snippet_follows_the_convention_and_runs():
    def stubborn(x, weight=None, /, *, axis=-1, eps=1e-6):
        return judged.right(x, weight, axis=axis, eps=0.7 if eps == 0.5 else eps)

    report = refnorm.check(stubborn, "rms_norm", seed=1, dtypes=("float32",), convention="keras")
    report.candidate = "judged:wrong"  # one that can be imported
    code = snippet(report)
    assert 'options = refnorm.convention("keras", "rms_norm") | options' in code
    here = Path(refnorm.__file__).parent.parent
    path = os.pathsep.join([str(here), str(here / "tests")])
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=True
    )
    assert ran.stdout.startswith("got ")


def test_a_snippet_holds_no_code_of_a_name():
    report = replace(judged.report("wrong"), candidate='m"; import os; ":f')
    assert "candidate = ...  # your function" in snippet(report)
    report = replace(judged.report("wrong"), candidate='a"b.py:f')
    assert 'load("a\\"b.py:f")' in snippet(report)
