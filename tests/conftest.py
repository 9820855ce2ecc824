"""Which libraries are here, and a line at the end that counts by name what was skipped for want of one."""

import collections
import os

import libraries
import pytest

from refnorm._lanes import load


def need(name: str) -> None:
    """Skip the test where a framework is not installed."""
    if not libraries.present(name):
        pytest.skip(f"{name} is not installed")


@pytest.fixture(params=["numpy", "strict", "torch", "jax"])
def lib(request):
    need(request.param)
    return libraries.library(request.param)


@pytest.fixture
def torch():
    need("torch")
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    need("jax")
    return pytest.importorskip("jax")


def pytest_configure(config):
    """Workers share the cores: one thread each for BLAS and OpenMP, whose own would only wait for one another."""
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Without a compiler there are formulas only: what asks for the kernel lane is skipped, and counted."""
    if load("refnorm.norm.rms") is not None:
        return
    skip = pytest.mark.skip(reason="no kernels are compiled here")
    for item in items:
        if getattr(item, "callspec", None) and item.callspec.params.get("lane") == "kernel":
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter):
    reasons = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")
