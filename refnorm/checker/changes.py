"""What may be changed in the syntax tree of a formula: the places that compute, and what may stand there instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MARK", "NARROW", "STEP", "Site", "changes", "named_call", "sites"]

MARK, NARROW, STEP = "_mutant_runs", "_mutant_narrows", "_mutant_steps"
SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
LEFT_ALONE = (*SWAPS, ast.Pow)  # operators that may lose their right side
RIGHT_ALONE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr)
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
EXTREMES = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "argmax": "argmin"}
PLUMBING = ("strict", "dtype", "device", "need")  # keywords that say nothing of numbers
MOVES = ("to_rows", "moved", "as_rows", "columns", "widen", "roomy", "finfo", "options", "windows", "given")


# ---- what computes ----


@dataclass(frozen=True)
class Site:
    """A place in a syntax tree: what is there may be changed for something else."""

    parent: ast.AST
    name: str
    index: int | None

    @property
    def node(self) -> ast.AST:
        value = getattr(self.parent, self.name)
        return value if self.index is None else value[self.index]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node


def sites(parent: ast.AST) -> Iterator[Site]:
    """Yield every place of the formula under a node, outermost first."""
    for name, value in ast.iter_fields(parent):
        if name in ("args", "returns", "decorator_list") and isinstance(parent, ast.FunctionDef):
            continue
        if name in ("test", "body") and isinstance(parent, ast.If) and (_refuses(parent) or _asks_kernel(parent.test)):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST) and not _aside(node):
                yield Site(parent, name, index)
                yield from sites(node)


def _aside(node: ast.AST) -> bool:
    """Return whether a node computes nothing: documentation, refusals, the reading of options, plumbing."""
    match node:
        case ast.Expr(value=ast.Constant() | ast.Call(func=ast.Name())) | ast.Raise() | ast.Try():
            return True
        case ast.keyword(arg=name):
            return name in PLUMBING
        case ast.Call(func=ast.Name(id=name)):
            return name == "prepare"
        case ast.For(body=body):
            return all(_aside(n) or (isinstance(n, ast.If) and _refuses(n) and not n.orelse) for n in body)
    return False


def _refuses(node: ast.If) -> bool:
    return isinstance(node.body[-1], ast.Raise)


def _asks_kernel(test: ast.AST) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "takes" for n in ast.walk(test))


# ---- what may be changed for what ----


def named_call(name: str, *arguments) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def changes(site: Site) -> Iterator[tuple[str, ast.AST]]:
    """Yield (what is done, what stands there instead) for one place."""
    node = site.node
    match node:
        case ast.BinOp(left, op, right):
            yield from _of_arithmetic(node, left, op, right)
        case ast.Compare(left, [op], [right]):
            for other in COMPARISONS.get(type(op), ()):
                yield "", ast.Compare(left, [other()], [right])
        case ast.BoolOp(op, values):
            yield "", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.USub(), ast.Constant(int(n))):
            yield from (("", _number(m)) for m in (1 - n, -1 - n))
        case ast.UnaryOp(_, operand):
            yield "", operand
        case ast.IfExp(test, body, orelse):
            yield "", ast.IfExp(test, orelse, body)
        case ast.Constant(value=bool(flag)):
            yield "", ast.Constant(not flag)
        case ast.Constant(value=int(n)) if not _negated(site):
            yield from (("", _number(m)) for m in (n + 1, n - 1))
        case ast.Constant(value=float(number)) if not _negated(site):
            yield "", ast.Constant(number + 1)
        case ast.Call():
            yield from _of_call(node)
    if isinstance(site.parent, ast.If | ast.While) and site.name == "test":
        yield "", ast.UnaryOp(ast.Not(), node)
    if _is_intermediate(site):
        yield "narrowed", named_call(NARROW, node)


def _of_arithmetic(node, left, op, right) -> Iterator[tuple[str, ast.AST]]:
    if type(op) in SWAPS:
        yield "", ast.BinOp(left, SWAPS[type(op)](), right)
    if isinstance(op, LEFT_ALONE):
        yield "", left
    if isinstance(op, RIGHT_ALONE):
        yield "", right
    elif isinstance(op, ast.Sub):
        yield "", ast.UnaryOp(ast.USub(), right)


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    match node.func:
        case ast.Attribute(value, attr) if attr in EXTREMES:
            yield "", ast.Call(ast.Attribute(value, EXTREMES[attr], ast.Load()), node.args, node.keywords)
        case ast.Name(id=name) if name in EXTREMES:
            yield "", ast.Call(ast.Name(EXTREMES[name], ast.Load()), node.args, node.keywords)
        case ast.Attribute(attr="where"):
            first, *two = node.args
            yield "", ast.Call(node.func, [first, *reversed(two)], node.keywords)
        case ast.Name():
            least = len(node.args) - 2  # a helper of two arrays, behind the namespace or alone
            if least in (0, 1) and all(isinstance(a, ast.Name) and a.id == "xp" for a in node.args[:least]):
                yield "", ast.Call(node.func, [*node.args[:least], *reversed(node.args[least:])], node.keywords)


def _number(n: int) -> ast.AST:
    return ast.Constant(n) if n >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-n))


def _negated(site: Site) -> bool:
    """Return whether a number is the one of a minus sign before it, which is changed as a whole."""
    minus = isinstance(site.parent, ast.UnaryOp) and isinstance(site.parent.op, ast.USub)
    return minus and type(site.node.value) is int


def _is_intermediate(site: Site) -> bool:
    """Return whether a number is computed here and given a name, or returned."""
    named = isinstance(site.parent, ast.Assign | ast.Return) and site.name == "value"
    match site.node:
        case ast.BinOp():
            return named or isinstance(site.parent, ast.Tuple)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return named and name not in MOVES
    return False
