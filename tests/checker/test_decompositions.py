"""How the checker judges decompositions: by the largest number, and of what is free only what is not."""

import numpy as np
import pytest

import refnorm
from refnorm.cards.matrices import svd
from refnorm.checker.calls import of_case
from refnorm.checker.measure import levelled, nudged
from refnorm.checker.trial import answered
from refnorm.checker.values import failing


def report(candidate, operator, **options):
    return refnorm.check(candidate, operator, seed=3, **options)


def shrunk(x, threshold, by=lambda s, t: np.maximum(s - t, 0)):
    u, s, vt = svd(x)
    return ((u * by(s, threshold)[..., None, :]) @ vt).astype(x.dtype)


def test_code_in_one_type_conforms_though_small_elements_have_few_digits():
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    x[2, 1] = 1e-7
    off = np.abs(shrunk(x, 0.0).astype("float64") - x)
    assert np.max(off / np.spacing(np.abs(x))) > 1000  # by their own digits
    found = report(lambda x, *, threshold=0.5: shrunk(x, threshold), "singular_value_threshold")
    assert found.conforms
    assert found.grade in "AB"


def test_a_loss_that_is_more_than_rounding_is_refused():
    """One part in ten thousand of the largest number of float32 is what half the type would lose."""

    def narrow(x, *, threshold=0.5):
        return shrunk(x.astype("float16").astype(x.dtype), threshold)

    assert not report(narrow, "singular_value_threshold").conforms


def test_refusing_what_is_not_finite_is_no_fault_and_any_other_refusal_is():
    def strict(x, *, threshold=0.5):
        if not np.isfinite(x).all():
            raise np.linalg.LinAlgError("SVD did not converge")
        return shrunk(x, threshold)

    def never(x, *, threshold=0.5):
        raise np.linalg.LinAlgError("SVD did not converge")

    assert report(strict, "singular_value_threshold").conforms
    assert not report(never, "singular_value_threshold").conforms


def test_an_answer_for_what_is_not_finite_is_refused():
    def swallows(x, *, threshold=0.5):
        return shrunk(np.nan_to_num(x, posinf=0, neginf=0), threshold)

    found = report(swallows, "singular_value_threshold")
    assert not found.conforms
    assert any("NaN" in finding.what for layer in found.layers for finding in layer.findings)


def triples(change):
    def candidate(x, *, rank=None):
        u, s, vt = svd(x)
        return tuple(part.astype(x.dtype) for part in change(u[..., :rank], s[..., :rank], vt.mT[..., :rank]))

    return candidate


def test_signs_are_free_as_long_as_they_are_of_a_pair():
    assert report(triples(lambda u, s, v: (-u, s, -v)), "truncated_svd").conforms
    assert not report(triples(lambda u, s, v: (-u, s, v)), "truncated_svd").conforms


@pytest.mark.parametrize(
    ("twin", "name"),
    [
        (lambda u, s, v: (u[..., ::-1], s[..., ::-1], v[..., ::-1]), "values ascending"),
        (lambda u, s, v: (u * s[..., None, :], s, v), "values in the left vectors"),
        (lambda u, s, v: (u, s * s, v), "eigenvalues of the Gram matrix"),
        (lambda u, s, v: tuple(np.where(np.arange(s.shape[-1]) == s.shape[-1] - 1, 0, a) for a in (u, s, v)),
         "one rank too few"),
    ],
)  # fmt: skip
def test_what_is_not_free_is_refused_and_named(twin, name):
    found = report(triples(twin), "truncated_svd")
    assert not found.conforms
    assert found.named[0] == name


def test_a_basis_that_is_not_orthonormal_is_refused_where_nothing_else_is_determined():
    """Of a matrix of one rank the other vectors are any, but they are orthonormal."""
    operator = refnorm.OPERATORS["truncated_svd"]
    call = of_case(operator, operator.cases[0], 0, "float32")
    call.arrays = [np.ones_like(call.arrays[0])]
    u, s, vt = svd(call.arrays[0])
    turned = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, -0.8, 0.6]], "float32")
    for basis, fails in ((u @ turned, False), (u * np.array([1, 1, 0.9], "float32"), True)):
        assert failing(answered(call, (basis.astype("float32"), s, vt.T)), "C") == fails


def test_the_largest_number_is_that_of_each_output():
    laid = np.array([1.0, -3.0, 2.0, np.nan, 0.5])
    assert levelled(laid, ((3,), (2,))).tolist() == [3, 3, 3, 0.5, 0.5]
    assert levelled(laid.reshape(5, 1), (5, 1)).tolist() == [[3]] * 5
    assert levelled(np.zeros(0), (0,)).tolist() == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_call_is_shaken_by_units_of_the_largest_number(whole):
    x = np.array([1024.0, 1.0, 0.0, np.inf], np.float32)
    (moved,) = nudged([x], np.random.default_rng(0), whole=whole)
    steps = np.abs(moved[:3] - x[:3])
    assert steps.tolist() == ([2.0**-13] * 3 if whole else [2.0**-13, 2.0**-23, steps[2]])
    assert moved[3] == np.inf
