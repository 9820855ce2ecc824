"""The rules of the house that a machine can read (shared by every operator there is and will be)."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import refnorm
from refnorm import OPERATORS
from refnorm._lanes import load
from refnorm._registry import WINGS, papers

ROOT = Path(refnorm.__file__).parent
TOP = ROOT.parent
MODULES = sorted(p for p in ROOT.rglob("*.py") if not any(part.startswith(("_v", "_portable")) for part in p.parts))
IDEAS = sorted({(OPERATORS[n].wing, OPERATORS[n].idea) for n in OPERATORS})
SOURCE = (TOP / "_ext").is_dir()
VOCABULARY = {
    "axis", "eps", "out", "window", "stride", "padding", "dilation", "ceil_mode", "count_include_pad", "keepdims",
    "correction", "count", "weighs", "rng", "p", "groups", "output_size", "momentum", "scale", "total", "radius",
    "k", "threshold", "alpha", "rtol", "norm", "clip", "norm_before_gate", "inverse", "compressed", "kind", "base",
    "mu", "a", "b", "low", "high", "weights", "kinds", "simplified", "per_sample", "eps_mode", "leak_bias",
    "segments", "reduce", "fill", "interleaved", "tau", "beta", "gallery_beta", "average", "side", "step", "warmup",
    "skip_outliers", "activation", "floor", "symmetric", "squared", "halved", "signed", "levels", "binning",
    "tokens", "samples", "aligned", "combine", "split", "widths", "signed_sqrt", "l2", "padding_id", "join",
    "min_length", "start", "ratio", "dtype", "hard", "iterations", "nu", "normalize", "relative", "density",
    "rescale", "growth", "degree", "transition", "standardize", "residual", "rank", "nested", "std", "proper",
    "connectivity",
}  # fmt: skip
ARRAYS = {
    "x", "weight", "bias", "cotangent", "mean", "var", "old", "new", "signs", "permutation", "gains", "lower",
    "upper", "basis", "origin", "directions", "a", "b", "gate", "gain", "shift", "rotation", "v", "alpha", "center",
    "other", "std", "log_scale", "opacity", "sh", "mask", "ids", "count", "u", "variances", "tilt", "tilts",
    "guide", "gain_weight", "shift_weight", "gain_bias", "shift_bias", "coordinates", "indices", "boxes",
    "gate_weight", "gate_bias", "confidence", "site_weight", "site_bias", "level_weight", "level_bias", "scores",
    "other_weight", "other_bias", "row_weight", "column_weight", "row_bias", "column_bias", "query", "first",
    "first_bias", "second", "second_bias", "third", "third_bias", "other_ids", "other_signs", "a_bias", "b_bias",
    "u_bias", "v_bias", "position", "offsets", "member", "left", "left_input", "right", "right_input", "last",
    "key_weight", "value_weight", "value", "edges", "labels", "bank", "atoms", "prior", "out_weight", "out_bias",
    "target", "core", "c", "weights", "s", "rest", "values", "direction", "gallery_bank", "penalty",
}  # fmt: skip


def floor(path: Path) -> int:
    """0: what is true of any array; 1: registry and engines; 2: wings and cards; 3: checker, peers, command line."""
    first = path.relative_to(ROOT).parts[0]
    if first in ("_core", "_registry.py"):
        return 1
    if first in (*WINGS, "cards", "stats.py"):
        return 2
    if first in ("checker", "onnx_backend", "peers", "_papers.py", "_stream.py", "__main__.py", "demo.py"):
        return 3
    if first == "__init__.py":
        return 0
    return 0


def imports(path: Path):
    """Yield the files of the package that a module imports at its top level."""
    package = ["refnorm", *path.relative_to(ROOT).parent.parts]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for name in node.names:
                for parts in (base[1:] + [name.name], base[1:]):
                    target = ROOT.joinpath(*parts)
                    if target.with_suffix(".py").exists():
                        yield target.with_suffix(".py")
                        break
                    if (target / "__init__.py").exists():
                        yield target / "__init__.py"
                        break


def climbing(path: Path) -> list[str]:
    return [t.relative_to(ROOT).as_posix() for t in imports(path) if floor(t) > floor(path)]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_only_go_down(path):
    assert not climbing(path)


def test_a_climbing_import_is_seen(tmp_path, monkeypatch):
    wrong = ROOT / "_core" / "wrong_twin.py"  # never written: only read through the patched method
    monkeypatch.setattr(Path, "read_text", lambda self: "from ..norm.rms import rms_norm\n")
    assert climbing(wrong) == ["norm/rms.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_is_one_idea(path):
    tree = ast.parse(path.read_text())
    documented = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.FunctionDef | ast.ClassDef)]
    lines = len(path.read_text().splitlines())
    for node in documented:
        if ast.get_docstring(node) is not None:
            lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    assert lines <= 300, f"{lines} lines without docstrings"
    assert ast.get_docstring(tree), "a module says what it holds"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_magic(path):
    """No eval, exec, pickle, globals(), metaclass; no framework imported at the top of a module."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "globals", "__import__"), node.lineno
        if isinstance(node, ast.ClassDef):
            assert not node.keywords, "no metaclass"
    top = {n.module or "" for n in ast.parse(text).body if isinstance(n, ast.ImportFrom) and not n.level}
    top |= {a.name for n in ast.parse(text).body if isinstance(n, ast.Import) for a in n.names}
    assert not {t.partition(".")[0] for t in top} & {"torch", "jax", "cupy", "dask", "pickle", "onnx", "onnxruntime"}


@pytest.mark.parametrize(("wing", "idea"), IDEAS)
def test_same_path_everywhere(wing, idea):
    assert (ROOT / "cards" / wing / f"{idea}.py").exists()
    if SOURCE:
        assert (TOP / "tests" / wing / f"test_{idea}.py").exists()
        if any(OPERATORS[n].kernel for n in OPERATORS if (OPERATORS[n].wing, OPERATORS[n].idea) == (wing, idea)):
            assert (TOP / "_ext" / wing / f"{idea}.pyx").exists()
    assert sum((OPERATORS[n].wing, OPERATORS[n].idea) == (wing, idea) for n in OPERATORS) <= 6


@pytest.mark.skipif(not SOURCE, reason="not a source tree")
def test_every_kernel_source_has_a_formula():
    for source in (TOP / "_ext").glob("*/*.pyx"):
        assert (ROOT / source.parent.name / f"{source.stem}.py").exists(), source


# ---- operators ----


def functions(operator):
    return [operator.function, *([operator.gradient] if operator.gradient else [])]


@pytest.mark.parametrize("name", list(OPERATORS))
def test_signature(name):
    for f in functions(OPERATORS[name]):
        for parameter in inspect.signature(f).parameters.values():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                assert parameter.name in ARRAYS, parameter
            else:
                assert parameter.kind is parameter.KEYWORD_ONLY, parameter
                assert parameter.name in VOCABULARY, parameter


@pytest.mark.parametrize("name", list(OPERATORS))
def test_operator_is_the_exported_function(name):
    operator = OPERATORS[name]
    wing = importlib.import_module(f"refnorm.{operator.wing}")
    assert getattr(wing, name) is operator.function
    assert name in wing.__all__
    if operator.gradient:
        assert operator.gradient.__name__ == f"{name}_vjp"
        assert getattr(wing, f"{name}_vjp") is operator.gradient


@pytest.mark.parametrize("name", list(OPERATORS))
def test_body_is_a_page_of_a_textbook(name):
    for f in functions(OPERATORS[name]):
        (node,) = ast.parse(inspect.getsource(f)).body
        body = node.body[1:]
        assert body[-1].end_lineno - body[0].lineno + 1 <= 25, f.__name__


@pytest.mark.parametrize("name", list(OPERATORS))
def test_docstring(name):
    for f in functions(OPERATORS[name]):
        doc = inspect.getdoc(f)
        assert re.match(r"[A-Z][a-z]+ [^\n]+\.\n", doc), "an imperative sentence first"
        for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
            assert f"\n{section}\n---" in doc, f"{f.__name__}: no section {section}"
        assert ".. math::" in doc
        assert ">>> " in doc
        for parameter in inspect.signature(f).parameters:
            assert re.search(rf"^(\w+, )*{parameter}(, \w+)* ?(:|$)", doc, re.M), (
                f"{f.__name__}: {parameter} undocumented"
            )


@pytest.mark.parametrize("name", list(OPERATORS))
def test_papers_are_known(name):
    assert OPERATORS[name].papers
    for key in OPERATORS[name].papers:
        paper = papers()[key]
        assert paper["title"]
        assert paper["authors"]
        assert str(paper["year"]) in key
        assert str(paper["year"]) in OPERATORS[name].function.__doc__, f"{key} is not cited in the docstring"


@pytest.mark.parametrize("name", list(OPERATORS))
def test_kernel_is_there(name):
    operator = OPERATORS[name]
    kernels = load(operator.function.__module__)
    if operator.kernel is None:
        assert not hasattr(kernels, name)
        return
    if kernels is None:
        pytest.skip("no kernels are compiled here")
    assert hasattr(kernels, operator.kernel)
    assert operator.gradient is None or hasattr(kernels, f"{operator.kernel}_vjp")


@pytest.mark.parametrize("name", list(OPERATORS))
def test_every_option_has_a_case_that_moves_it(name):
    """A case sets each option away from its default (for eps far away: loud)."""
    operator = OPERATORS[name]
    for parameter in inspect.signature(operator.function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "out":
            values = [c.options[parameter.name] for c in operator.cases if parameter.name in c.options]
            assert any(v != parameter.default for v in values), parameter.name
            if parameter.name == "eps":
                assert max(values) >= 0.1
        elif parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is None:
            place = list(inspect.signature(operator.function).parameters).index(parameter.name)
            assert any(len(c.draws) > place and c.draws[place] is not None for c in operator.cases), parameter.name


@pytest.mark.parametrize("name", list(OPERATORS))
def test_card(name):
    operator = OPERATORS[name].load_card()
    kinds = {m.kind for m in operator.mistakes}
    assert len(operator.mistakes) >= (8 if operator.kernel else 1)
    assert len(kinds) >= (4 if operator.kernel else 1)
    assert len({m.name for m in operator.mistakes}) == len(operator.mistakes)
    assert operator.conventions
    options = set(inspect.signature(operator.function).parameters)
    for values in operator.conventions.values():
        assert set(values) <= options
    assert operator.honest, "the checker needs one right implementation that it must not fail"
    assert operator.laws
    assert operator.bench


def test_labels_are_unique():
    for name in OPERATORS:
        labels = [c.label for c in OPERATORS[name].cases]
        assert len(set(labels)) == len(labels)


def test_the_decorator_stays_small():
    from refnorm._registry import operator

    assert len(inspect.signature(operator).parameters) <= 7


def test_signatures_of_the_foundation_stay():
    """These may gain keyword-only options, but never lose, rename or re-default one."""
    promised = {
        "layer_norm": "(x, weight=None, bias=None, /, *, axis=-1, eps=1e-05, out=None)",
        "rms_norm": "(x, weight=None, /, *, axis=-1, eps=1e-06, out=None)",
        "softmax": "(x, /, *, axis=-1, out=None)",
        "log_softmax": "(x, /, *, axis=-1, out=None)",
        "avg_pool": "(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True, out=None)",
        "max_pool": "(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, out=None)",
    }
    for name, signature in promised.items():
        wanted = signature.strip("()").split(", ")
        given = str(inspect.signature(OPERATORS[name].function)).strip("()").split(", ")
        assert [g for g in given if g in wanted] == wanted
        assert given[: wanted.index("*") + 1] == wanted[: wanted.index("*") + 1]


def test_import_is_quick():
    """A wing and its first operator in 50 ms above NumPy, refnorm itself in 20: processor time, the best of three."""
    import subprocess
    import sys

    code = (
        "from time import process_time as t; import numpy; a = t(); import refnorm; b = t(); "
        "import refnorm.{0} as wing; getattr(wing, wing.__all__[0]); print(b - a, t() - b)"
    )
    for wing in WINGS:
        runs = [
            subprocess.run(
                [sys.executable, "-c", code.format(wing)], capture_output=True, text=True, check=True
            ).stdout.split()
            for _ in range(3)
        ]
        assert min(float(r[0]) for r in runs) <= 0.020
        assert min(float(r[1]) for r in runs) <= 0.050
