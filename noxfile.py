"""What can be run, each in an environment of its own: ``nox -l`` lists it."""

import nox

nox.options.sessions = ["lint", "tests"]


@nox.session
def lint(session):
    """Style and mistakes that can be read off the source."""
    session.install("ruff==0.17.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def tests(session):
    """The suite."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def full(session):
    """The whole matrix of operators, libraries, dtypes and cases, with every peer: an hour and more."""
    session.install("-e", ".[test,peers]")
    session.run("pytest", "-n", "auto", "-m", "full", *session.posargs)


@nox.session
def docs(session):
    """The documentation, into site/."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "docs", "site")


@nox.session
def oldest(session):
    """The suite with the oldest dependencies that are promised."""
    session.install("numpy==2.0.*", "scipy==1.13.*", "array-api-compat==1.10", "rich==13.0.0")
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def types(session):
    """The types that the public surface shows."""
    session.install("mypy>=1.13", "numpy>=2")
    session.run("mypy")


@nox.session
def docstrings(session):
    """numpydoc's checks of every public docstring."""
    session.install("-e", ".[docs]")
    session.run("python", "tests/docstrings.py")


@nox.session(default=False)
@nox.parametrize("build", ["bounds", "address"])
def sanitize(session, build):
    """Kernels that watch themselves, put to every case and to random calls: docs/reliability.md. Linux and gcc."""
    session.install("-e", ".[test]")
    session.run("python", "tests/sanitize.py", build, *session.posargs)


@nox.session(default=False)
def fuzz(session):
    """Random calls to both lanes and broken files to every reader: nox -s fuzz -- 100000"""
    session.install("-e", ".[test]")
    session.run("python", "tests/fuzz_kernels.py", *(session.posargs or ["100000"]))
    session.run("python", "tests/fuzz_readers.py", *(session.posargs or ["100000"]))
