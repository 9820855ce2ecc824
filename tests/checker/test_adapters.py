"""Adapters asked with real frameworks: right code conforms with its gradients, wrong code does not."""

import subprocess
import sys

import numpy as np
import pytest

from refnorm.checker import Remote, Spec, check, find_operator
from refnorm.checker.adapters import adapt, kind_of

TORCH = """
import torch

def shaped(x, p, axis):
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return p.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])

def layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    c = x - x.mean(axis, keepdim=True)
    y = c / torch.sqrt((c * c).mean(axis, keepdim=True) + eps)
    y = y if weight is None else y * shaped(x, weight, axis)
    return y if bias is None else y + shaped(x, bias, axis)

def stopped(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    c = x - x.mean(axis, keepdim=True)
    y = c / torch.sqrt((c * c).mean(axis, keepdim=True) + eps).detach()
    y = y if weight is None else y * shaped(x, weight, axis)
    return y if bias is None else y + shaped(x, bias, axis)

class Norm(torch.nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight

made = Norm(8)
"""
JAX = """
import jax
import jax.numpy as jnp

def softmax(x, *, axis=-1):
    e = jnp.exp(x - jax.lax.stop_gradient(x.max(axis, keepdims=True)))
    return e / e.sum(axis, keepdims=True)

def wrong(x, *, axis=-1):
    return softmax(x, axis=-1)
"""
STANDARD = """
def softmax(x, *, axis=-1):
    xp = x.__array_namespace__()
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return e / xp.sum(e, axis=axis, keepdims=True)
"""


@pytest.fixture
def write(tmp_path):
    def write(code):
        path = tmp_path / f"module{abs(hash(code))}.py"
        path.write_text(code)
        return str(path)

    return write


def judge(operator, where, kind, **more):
    with Remote(Spec(operator, where, kind), limit=60.0) as candidate:
        return check(candidate, operator, seed=4, **{"dtypes": ("float32",), "budget": 59.0} | more)


def layer(report, name):
    (one,) = [one for one in report.layers if one.name == name]
    return one


def test_kinds_are_known_by_the_name():
    named = {
        "a/model.onnx": "onnx", "model.onnx?eps=1e-3": "onnx", "node:Softmax": "onnx", "lib.so": "c", "lib.so:f": "c",
        "lib.dylib": "c", "mine.py:f": "numpy", "pkg.so_mod:f": "numpy",
    }  # fmt: skip
    assert {where: kind_of(where) for where in named} == named
    assert kind_of("mine.py:f", "xp:array_api_strict") == "xp:array_api_strict"
    with pytest.raises(ValueError, match="expected one of numpy, torch"):
        kind_of("mine.py:f", "fortran")


def test_a_torch_function_conforms_with_its_gradients(write):
    pytest.importorskip("torch")
    report = judge("layer_norm", write(TORCH) + ":layer_norm", "torch")
    assert report.conforms, report.worst
    assert (layer(report, "gradients").ran, layer(report, "gradients").verdict) == (24, "conforms")
    assert "torch has none" in layer(report, "contract").skipped
    assert report.versions["torch"]


def test_a_gradient_that_is_stopped_is_found_though_the_values_are_right(write):
    pytest.importorskip("torch")
    report = judge("layer_norm", write(TORCH) + ":stopped", "torch")
    assert (layer(report, "values").verdict, layer(report, "gradients").verdict) == ("conforms", "fails")
    assert any("the gradient of x is wrong" in f.what for f in layer(report, "gradients").findings)
    assert not any("weight" in f.what for f in layer(report, "gradients").findings)
    assert report.worst.label.startswith("gradient of")


@pytest.mark.parametrize(
    ("operator", "where"), [("layer_norm", "LayerNorm"), ("softmax", "Softmax"), ("rms_norm", "RMSNorm")]
)
def test_torchs_own_modules_conform(operator, where):
    pytest.importorskip("torch")
    report = judge(operator, f"torch.nn:{where}", "torch", partial=True)
    assert report.conforms, (report.worst, [f.what for one in report.layers for f in one.findings])
    assert report.declined == 0 or where == "Softmax"


def test_torchs_group_norm_takes_a_variance_in_one_pass_where_channels_come_last():
    pytest.importorskip("torch")
    report = judge("group_norm", "torch.nn:GroupNorm", "torch")
    assert report.exit_code == 1
    assert report.worst.label.startswith("channels last + mean 1e+04")
    assert report.named[:1] == ["one-pass variance"]
    wrong = {case.label.partition(" + ")[0] for case in report.cases if case.fails and case.kind != "gradients"}
    assert wrong == {"channels last"}


@pytest.mark.parametrize("where", ["Norm", "made"])
def test_a_module_and_its_class_get_weights_and_options_by_name(write, where):
    pytest.importorskip("torch")
    report = judge("rms_norm", write(TORCH) + f":{where}", "torch")
    assert report.conforms, (report.worst, [f.what for one in report.layers for f in one.findings])
    assert report.ran == report.floor
    assert layer(report, "gradients").verdict in ("conforms", "warning")


def test_a_module_without_what_is_asked_declines(write):
    pytest.importorskip("torch")
    adapted = adapt("torch.nn:Softmax", "torch", find_operator("layer_norm"))
    with pytest.raises(NotImplementedError, match="Softmax takes no eps"):
        adapted.call(np.ones((2, 3), "float32"), eps=0.5)
    adapted = adapt("torch.nn:Softmax", "torch", find_operator("rms_norm"))
    with pytest.raises(NotImplementedError, match="has no weight"):
        adapted.call(np.ones((2, 3), "float32"), np.ones(3, "float32"))


def test_half_types_cross_to_torch(write):
    pytest.importorskip("torch")
    report = judge("layer_norm", "torch.nn:LayerNorm", "torch", dtypes=("bfloat16",))
    assert layer(report, "contract").verdict == "conforms"
    assert report.ran == report.floor


@pytest.mark.parametrize("kind", ["jax", "jit"])
def test_a_jax_function_conforms_with_its_gradients(write, kind):
    pytest.importorskip("jax")
    report = judge("softmax", write(JAX) + ":softmax", kind, budget=120.0)
    assert report.conforms, (report.worst, [f.what for one in report.layers for f in one.findings])
    assert layer(report, "gradients").verdict in ("conforms", "warning")


def test_jax_answers_in_float64_and_a_wrong_axis_is_named(write):
    pytest.importorskip("jax")
    adapted = adapt(write(JAX) + ":softmax", "jax", find_operator("softmax"))
    x = np.array([[0.0, 1e-12]])
    assert adapted.call(x).dtype == "float64"
    assert adapted.call(x)[0, 0] < 0.5
    report = judge("softmax", write(JAX) + ":wrong", "jit", budget=120.0)
    assert report.exit_code == 1
    assert "axis" in report.named[0]


def test_a_function_of_a_strict_namespace_conforms(write):
    pytest.importorskip("array_api_strict")
    report = judge("softmax", write(STANDARD) + ":softmax", "xp:array_api_strict")
    assert report.conforms, (report.worst, [f.what for one in report.layers for f in one.findings])
    with pytest.raises(ValueError, match="expected the name of a namespace"):
        adapt(write(STANDARD) + ":softmax", "xp:", find_operator("softmax"))


GRADIENTS = """
import numpy as np

def softmax(x, *, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)

def back(g, x, *, axis=-1):
    y = softmax(x, axis=axis)
    return (y * (g - (g * y).sum(axis, keepdims=True)),)

def wrong(g, x, *, axis=-1):
    return (softmax(x, axis=axis) * g,)
"""


@pytest.mark.parametrize(("name", "verdicts"), [("back", ("conforms", "warning")), ("wrong", ("fails",))])
def test_a_gradient_may_be_named_apart(write, name, verdicts):
    path = write(GRADIENTS)
    with Remote(Spec("softmax", f"{path}:softmax", "numpy", f"{path}:{name}")) as candidate:
        report = check(candidate, "softmax", seed=4, dtypes=("float32",))
    assert layer(report, "gradients").verdict in verdicts


def test_frameworks_are_imported_only_where_they_are_asked_for():
    code = (
        "import sys; from refnorm.checker import adapters; "
        "print(sorted({'torch', 'jax', 'onnx', 'cupy', 'hypothesis', 'jinja2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
