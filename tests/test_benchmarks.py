"""The benchmarks: every operator is measured, without a list that could forget one."""

import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest

from refnorm import OPERATORS
from refnorm._cases import Case, normal
from refnorm._lanes import cpu_level

BENCH = Path(__file__).parents[1] / "asv_bench"
pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="not a source tree")


@pytest.fixture
def operators(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("benchmarks.operators")


def classes(module):
    return [module.Forward, module.Gradient, module.Accuracy]


def test_every_operator_is_measured(operators):
    for one in classes(operators):
        names, lanes = one.params
        assert list(names) == list(OPERATORS)
        assert list(lanes) == ["formula", "kernel"]


def test_every_kind_of_measure_is_there(operators):
    found = {name.partition("_")[0] for one in classes(operators) for name in dir(one) if re.match("[a-z]+_", name)}
    assert {"time", "peakmem", "track"} <= found


def test_an_operator_without_a_bench_case_fails_the_import(operators):
    package = importlib.import_module("benchmarks")
    with pytest.raises(ImportError, match="no bench case: softmax"):
        package.require_bench_cases({**OPERATORS, "softmax": replace(OPERATORS["softmax"], bench=None)})


LANED = [
    (name, lane) for name in OPERATORS for lane in (("formula", "kernel") if OPERATORS[name].kernel else ("formula",))
]


@pytest.mark.parametrize(("name", "lane"), LANED)
def test_accuracy_runs(operators, monkeypatch, name, lane):
    """One tiny run: bench cases cut to a few rows."""
    if lane == "kernel" and cpu_level() is None:
        pytest.skip("no kernels are compiled here")
    monkeypatch.setattr(operators, "ELEMENTS", 1 << 12)
    accuracy = operators.Accuracy()
    shortened(monkeypatch, operators)
    accuracy.setup(name, lane)
    allowed = 1.5
    if oracles.decomposes(name):  # what is judged may be a product, in which the roundings of an answer add up
        allowed = max(np.max(most) for most in oracles.promised(name, accuracy.arrays, accuracy.options, "float32"))
    assert 0 <= accuracy.track_max_ulp(name, lane) <= allowed


@pytest.mark.parametrize("name", list(OPERATORS))
def test_forward_and_gradient_run(operators, monkeypatch, name):
    shortened(monkeypatch, operators)
    for one in (operators.Forward(), *([operators.Gradient()] if OPERATORS[name].gradient else [])):
        one.setup(name, "formula")
        for measure in dir(one):
            if re.match("(time|peakmem)_", measure):
                getattr(one, measure)(name, "formula")


def shortened(monkeypatch, operators):
    """Let bench cases draw two rows or images in place of thousands, and two of what comes once a row."""
    drawn = Case.arrays

    def few(case, seed=0, dtype="float32"):
        operator = next(op for op in OPERATORS.values() if op.bench is case)
        first, *parameters = case.draws
        shorter = lambda draw: replace(draw, shape=(2, *draw.shape[1:]))
        for same in (0, len(first.shape), 1):  # axes by which a parameter is known as one that comes once a row
            alike = [shorter(d) if same and d and d.shape[:same] == first.shape[:same] else d for d in parameters]
            arrays = drawn(replace(case, draws=(shorter(first), *alike)), seed, dtype)
            with contextlib.suppress(ValueError):
                operator.function(*arrays, **case.options)
                return arrays
        raise ValueError(f"the bench case of {operator.name} cannot be shortened")

    monkeypatch.setattr(Case, "arrays", few)


# ---- peers ----


@pytest.fixture
def rivals(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("rivals")


def test_a_rival_that_computes_something_else_is_not_timed(rivals):
    y = np.ones((2, 3), np.float32)
    rivals.require_agreement("same", y, y)
    for wrong in (2 * y, y * np.nan, y[:1]):
        with pytest.raises(AssertionError, match="does not compute"):
            rivals.require_agreement("wrong", wrong, y)


def test_medians_tell_slow_from_quick(rivals):
    a = np.ones(1000)
    median, turns = rivals.medians({"quick": lambda: a.sum(), "slow": lambda: [a.sum() for _ in range(50)]}, 0.0)
    assert turns >= rivals.LEAST_TURNS
    assert median["slow"] > 5 * median["quick"]


def test_ratios_to_rivals_run(operators, rivals, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "set_grad_enabled", lambda on: None)  # other tests want gradients
    ratios = importlib.import_module("benchmarks.ratios")
    small = replace(ratios.case_of("rms_norm"), draws=(normal(64, 64), normal(64)))
    monkeypatch.setattr(ratios, "case_of", lambda name: small)
    monkeypatch.setattr(ratios, "SECONDS", 0.0)
    monkeypatch.setenv("REFNORM_NUM_THREADS", "1")
    bench = ratios.Rivals()
    bench.setup("rms_norm", "torch")
    assert bench.track_ratio("rms_norm", "torch") > 0


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
def test_peers_give_ratios():
    pytest.importorskip("torch")
    command = [
        sys.executable,
        BENCH / "peers.py",
        "1x768",
        "--family",
        "torch",
        "--threads",
        "1",
        "--seconds",
        "0",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["schema"] == "refnorm.peers/1"
    assert told["records"]
    for record in told["records"]:
        assert record["ratio"] == pytest.approx(record["theirs_us"] / record["ours_us"], rel=0.01)
