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
