"""The pytest plugin: judge what a marked test returns, or what a test hands to the fixture `refnorm_check`.

    @pytest.mark.refnorm("layer_norm", convention="torch")
    def test_layer_norm():
        return mykernels.layer_norm

pytest loads this module in every run, so that it imports nothing but pytest until something is judged.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

OPTIONS = ("vjp", "convention", "dtypes", "grade", "seed", "strict", "partial", "budget", "tall")
MARKER = f"refnorm(operator, *, {', '.join(OPTIONS)}): judge the callable that the test returns, as refnorm.check does"
JUDGED = pytest.StashKey[bool]()


def pytest_addoption(parser):
    group = parser.getgroup("refnorm", "implementations judged by refnorm")
    group.addoption(
        "--refnorm-seed", type=int, metavar="N", help="draw inputs from this seed where a test names none (else fresh)"
    )
    group.addoption("--refnorm-html", metavar="FOLDER", help="write a page on every judged callable there")


def pytest_configure(config):
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def refnorm_check(request):
    """Judge a callable: ``refnorm_check(candidate, operator, **options)``, with the options of `refnorm.check`.

    Returns the report of one that conforms; fails the test with the printed report of one that does not.
    """
    return functools.partial(_judge, request.node)


# ---- the marker ----


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Refuse a marker that asks for what there is not: an error of the test, before it runs."""
    marker = item.get_closest_marker("refnorm")
    if marker is None:
        return
    if trouble := _trouble(marker):
        pytest.fail(f"@pytest.mark.refnorm: {trouble}", pytrace=False)


def _trouble(marker) -> str:
    """Return what a marker asks for that there is not, or nothing."""
    if len(marker.args) != 1:
        return f"takes one operator, got {len(marker.args)}; {MARKER}"
    if unknown := [name for name in marker.kwargs if name not in OPTIONS]:
        return f"has no option {unknown[0]!r}; {MARKER}"
    from . import convention
    from .checker import find_operator

    try:
        operator = find_operator(marker.args[0])
        if marker.kwargs.get("convention") is not None:
            convention(marker.kwargs["convention"], operator.name)
    except ValueError as error:
        return str(error)
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Keep what a marked test returns, and judge it."""
    marker = pyfuncitem.get_closest_marker("refnorm")
    if marker is None:
        return (yield)
    returned = []
    function = pyfuncitem.obj

    @functools.wraps(function)
    def keep(**fixtures):
        returned.append(function(**fixtures))  # and gives nothing on: pytest wants tests that return None

    pyfuncitem.obj = keep
    try:
        outcome = yield
    finally:
        pyfuncitem.obj = function
    for candidate in returned:
        if not callable(candidate):
            pytest.fail(
                f"a test marked refnorm returns the callable to judge; this one returned {type(candidate).__name__}",
                pytrace=False,
            )
        pyfuncitem.stash[JUDGED] = True
        _judge(pyfuncitem, candidate, *marker.args, **marker.kwargs)
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a marked item that hides what it returns, as a method of a unittest.TestCase does: it would pass unseen."""
    outcome = yield
    if item.get_closest_marker("refnorm") is not None and not item.stash.get(JUDGED, False):
        pytest.fail("nothing was judged: only a plain test function can be marked refnorm", pytrace=False)
    return outcome


# ---- judging ----


def _judge(item, candidate, operator, **options):
    __tracebackhide__ = True
    from .checker import check
    from .checker.show import brief, text

    if options.get("seed") is None:
        options["seed"] = item.config.getoption("refnorm_seed")
    report = check(candidate, operator, **options)
    for name in ("operator", "seed", "grade", "verdict"):  # pytest's own --junit-xml writes them
        item.user_properties.append((f"refnorm_{name}", getattr(report, name)))
    if folder := item.config.getoption("refnorm_html"):
        _write(Path(folder), item, report)
    if not report.conforms:
        same = f"The same inputs again: --refnorm-seed={report.seed}"
        pytest.fail(f"{brief(report)}\n\n{text(report)}\n{same}", pytrace=False)
    return report


def _write(folder: Path, item, report) -> None:
    from .checker.html import html

    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "-", item.nodeid)[-150:].strip("-.")
    (folder / f"{name}-{report.operator}-{report.seed}.html").write_text(html(report), encoding="utf-8")
