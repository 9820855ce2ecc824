"""Both sides with a framework's defaults: check(..., convention=)."""

import numpy as np
import pytest

import refnorm
from refnorm.checker.follow import following, with_defaults


def layer(x, weight=None, bias=None, /, *, axis=-1, eps):
    """Honest, and with no eps of its own."""
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    c = x - np.mean(x, axis=axis, keepdims=True)
    y = c / np.sqrt(np.mean(c * c, axis=axis, keepdims=True) + x.dtype.type(eps))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def test_options_are_filled_in_where_a_case_leaves_them_out():
    operator = refnorm.OPERATORS["layer_norm"]
    theirs = following(operator, {"eps": 0.25})
    for before, after in zip(operator.cases, theirs.cases, strict=True):
        assert after.options == {"eps": 0.25} | before.options
        assert (after.label, after.draws) == (before.label, before.draws)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(theirs.function(x), operator.function(x, eps=0.25))
    np.testing.assert_array_equal(theirs.function(x, eps=0.5), operator.function(x, eps=0.5))
    assert (theirs.name, theirs.wing) == (operator.name, operator.wing)
    assert operator.cases[0].options == {}, "the book itself stays as it was"


@pytest.mark.parametrize("framework", ["keras", "torch", "bert"])
def test_a_candidate_is_asked_with_the_values_of_a_framework(framework):
    asked = []

    def candidate(*arrays, eps, **options):
        asked.append(eps)
        return layer(*arrays, eps=eps, **options)

    report = refnorm.check(candidate, "layer_norm", seed=1, dtypes=("float32",), convention=framework)
    assert report.conforms
    assert report.convention == framework
    assert report.as_dict()["convention"] == framework
    assert refnorm.convention(framework, "layer_norm")["eps"] in asked
    with pytest.raises(TypeError, match="missing a required argument: 'eps'"):
        refnorm.check(layer, "layer_norm", seed=1)


def test_a_candidate_that_keeps_to_its_own_value_is_refused():
    def stubborn(*arrays, eps=1e-5, **options):
        return layer(*arrays, eps=1e-5 if eps == 1e-3 else eps, **options)

    report = refnorm.check(stubborn, "layer_norm", seed=1, dtypes=("float32",), convention="keras")
    assert not report.conforms
    assert {case.options["eps"] for case in report.cases if case.fails} == {1e-3}
    assert refnorm.check(stubborn, "layer_norm", seed=1, dtypes=("float32",), convention="torch").conforms


def test_known_mistakes_are_recognised_under_a_convention():
    twin = next(m for m in refnorm.OPERATORS["layer_norm"].load_card().mistakes if m.name == "eps outside the root")
    found = refnorm.check(
        lambda x, *parameters, **options: twin.function(x, *parameters, **options).astype(x.dtype),
        "layer_norm", seed=1, dtypes=("float32",), convention="keras",
    )  # fmt: skip
    assert found.named[0] == "eps outside the root"


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="layer_norm has no convention 'theano'; it has paper, torch"):
        refnorm.check(layer, "layer_norm", convention="theano")


def test_with_defaults_keeps_the_name():
    assert with_defaults(layer, {"eps": 1.0}).__name__ == "layer"
