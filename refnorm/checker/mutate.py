"""Mistakes made by machine: an operator's formula with one small thing in its syntax tree changed.

Changed are the operator or its gradient and the helpers it reaches in its own module and in `refnorm._core`, and of
these only what computes: no refusals, no kernel branch, nothing that moves memory about.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, FunctionType

import numpy as np

from .._registry import Operator
from .changes import MARK, NARROW, STEP, Site, changes, named_call, sites

__all__ = ["Mutant", "Watch", "mutants", "rebuilt"]

HOME = Path(__file__).parents[2]  # where the package lies: files are shown from here
STEPS = 100  # the longest loop there is halves a row until one element is left


@dataclass(frozen=True)
class Mutant:
    """An operator, or its gradient, with one thing changed; `function` makes it anew."""

    operator: Operator = field(repr=False)
    gradient: bool
    home: FunctionType = field(repr=False)
    file: str
    line: int
    source: str
    what: str
    code: CodeType = field(repr=False)

    @property
    def root(self) -> Callable:
        return self.operator.gradient if self.gradient else self.operator.function

    @property
    def text(self) -> str:
        """Say what is changed and where, by the source line: line numbers do not last."""
        root, home = self.root.__name__, self.home.__name__
        return f"{root if root == home else f'{root} > {home}'}: {self.source}: {self.what}"

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def function(self, watch: Watch, names: dict | None = None) -> Callable:
        """Return the changed operator; `names` stand for other globals of the same name."""
        return rebuilt(self.root, {self.home: self.code}, watch.names | (names or {}))


@dataclass
class Watch:
    """What a running mutant tells, and what its arithmetic is narrowed to."""

    ran: bool = False
    steps: int = 0
    narrow: str = "float32"

    @property
    def names(self) -> dict:
        return {MARK: self._mark, NARROW: self._narrowed, STEP: self._step}

    def _mark(self, value):
        self.ran = True
        return value

    def _narrowed(self, value):
        self.ran = True
        if isinstance(value, tuple):
            return tuple(self._narrowed(part) for part in value)
        inexact = isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f"
        return value.astype(self.narrow).astype(value.dtype) if inexact else value

    def _step(self):
        self.steps += 1
        if self.steps > STEPS:
            raise RuntimeError("a loop that does not end")


# ---- functions with other globals ----


def rebuilt(root: Callable, codes: dict, names: dict, made: dict | None = None) -> Callable:
    """Return `root` with the code of some functions changed in it and in every helper that it calls."""
    made = {} if made is None else made
    if root in made:
        return made[root]
    space = dict(root.__globals__)
    made[root] = twin = FunctionType(codes.get(root, root.__code__), space, root.__name__, root.__defaults__)
    twin.__kwdefaults__ = root.__kwdefaults__
    for name, value in root.__globals__.items():
        if name in names:
            space[name] = names[name]
        elif _is_helper(value, root):
            space[name] = rebuilt(value, codes, names, made)
    space.update({name: names[name] for name in (MARK, NARROW, STEP) if name in names})
    return twin


def _is_helper(value, beside: Callable) -> bool:
    """Return whether `value` is a function of the same module or of a shared engine."""
    home = getattr(value, "__module__", None) or ""
    return isinstance(value, FunctionType) and (home == beside.__module__ or home.startswith("refnorm._core."))


def _reached(root: Callable) -> dict[FunctionType, ast.FunctionDef]:
    """Return the operator and the helpers that its formula calls, each with its syntax tree."""
    found, waiting = {}, [root]
    while waiting:
        function = waiting.pop()
        if function in found or function.__name__.startswith(("require_", "check_")):
            continue
        found[function] = tree = _trees(function.__module__)[function.__name__]
        own = {*function.__code__.co_varnames, *function.__code__.co_cellvars}  # may be called as a helper is
        names = {s.node.id for s in sites(tree) if isinstance(s.node, ast.Name)} - own
        values = [function.__globals__.get(name) for name in sorted(names, reverse=True)]
        waiting += [value for value in values if _is_helper(value, function)]
    return found


@functools.cache
def _trees(module: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module; every `while` in them counts its steps."""
    body = ast.parse(inspect.getsource(sys.modules[module])).body
    trees = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    for tree in trees.values():
        tree.decorator_list = []
        for node in ast.walk(tree):
            if isinstance(node, ast.While):
                node.body.insert(0, ast.copy_location(ast.Expr(named_call(STEP)), node.body[0]))
        ast.fix_missing_locations(tree)
    return trees


# ---- all of them ----


def mutants(operator: Operator) -> list[Mutant]:
    """Return every mutant of an operator's formula, and of its gradient's."""
    found = []
    for root in (operator.function, operator.gradient):
        for home, tree in _reached(root).items() if root else ():
            found += _of(operator, root is operator.gradient, home, tree)
    return found


def _of(operator: Operator, gradient: bool, home: FunctionType, tree: ast.FunctionDef) -> Iterator[Mutant]:
    """Yield the mutants in one function; the tree is changed in place, compiled, and put right again."""
    path = Path(inspect.getsourcefile(home))
    lines = path.read_text("utf-8").splitlines()
    shown = path.relative_to(HOME).as_posix() if path.is_relative_to(HOME) else path.name
    seen: dict[str, int] = {}
    for site in list(sites(tree)):
        old = site.node
        for how, new in changes(site) if isinstance(old, ast.expr) else ():
            what = f"{ast.unparse(old)} {how}" if how else f"{ast.unparse(old)} -> {ast.unparse(new)}"
            mutant = Mutant(operator, gradient, home, shown, old.lineno, lines[old.lineno - 1].strip(), what, None)
            seen[mutant.text] = times = seen.get(mutant.text, 0) + 1
            code = _compiled(site, old, new if how else named_call(MARK, new), tree, str(path))
            yield replace(mutant, what=what if times == 1 else f"{what} ({times})", code=code)


def _compiled(site: Site, old: ast.AST, new: ast.AST, tree: ast.FunctionDef, path: str) -> CodeType:
    site.put(ast.fix_missing_locations(ast.copy_location(new, old)))
    try:
        module = compile(ast.Module([tree], []), path, "exec", dont_inherit=True)
    finally:
        site.put(old)
    return next(c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == tree.name)
