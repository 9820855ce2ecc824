"""Which libraries are here, and a line at the end that counts by name what was skipped for want of one."""

import collections

import libraries
import pytest


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


def pytest_terminal_summary(terminalreporter):
    reasons = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")
