"""Evidence and opinions by hand, at their edges, refusals, and the rule as it is written with a conflict."""

import numpy as np
import pytest

from refnorm.prob import dempster_combine, dirichlet_evidence, evidential_mse_loss

NAN, INF = float("nan"), float("inf")


def test_evidence_by_hand():
    alpha, belief, prob, doubt = dirichlet_evidence(np.array([[5.0, -1.0, 0.0]]), activation="relu")
    assert (alpha.tolist(), belief.tolist()) == ([[6, 1, 1]], [[0.625, 0, 0]])
    assert (prob.tolist(), doubt.tolist()) == ([[0.75, 0.125, 0.125]], [[0.375]])
    alpha, belief, _, doubt = dirichlet_evidence(np.array([0.0, 0.0]))
    assert np.allclose(alpha, 1 + np.log(2), rtol=1e-15)
    assert np.allclose(2 * belief[0] + doubt, 1, rtol=1e-15)
    alpha, *_ = dirichlet_evidence(np.array([0.0, 90.0, -90.0]), activation="exp", clip=2.0)
    assert np.allclose(alpha, [2, 1 + np.exp(2), 1 + np.exp(-2)], rtol=1e-15)


def test_small_evidence_keeps_its_digits():
    _, belief, _, _ = dirichlet_evidence(np.array([-100.0, -INF]))
    assert np.allclose(belief, [np.exp(-100.0) / 2, 0], rtol=1e-14, atol=0)


def test_evidence_without_an_end():
    with np.errstate(invalid="ignore"):
        alpha, belief, _, doubt = dirichlet_evidence(np.array([INF, 0.0]))
        _, other, _, also = dirichlet_evidence(np.array([NAN, 0.0]), activation="relu")
    assert np.array_equal(belief, [NAN, 0], equal_nan=True)
    assert (alpha[0], doubt[0]) == (INF, 0)
    assert np.isnan([*other, *also]).all()


def test_rule_by_hand():
    b, u = np.array([[0.5, 0.0]]), np.array([[0.5]])
    belief, doubt = dempster_combine(b, u, b, u)
    assert (belief.tolist(), doubt.tolist()) == ([[0.75, 0.0]], [[0.25]])
    belief, doubt = dempster_combine(b, u, b[:, ::-1], u)  # a conflict of one quarter
    assert np.allclose([*belief[0], *doubt[0]], 1 / 3, rtol=1e-15)
    belief, doubt = dempster_combine(np.array([1.0, 0.0]), np.zeros(1), np.array([0.5, 0.25]), np.array([0.25]))
    assert (belief.tolist(), doubt.tolist()) == ([1, 0], [0])


def test_rule_with_a_conflict():
    """As TMC writes it, for opinions that sum to one: everything over one less the conflict."""
    whole = np.random.default_rng(0).dirichlet(np.ones(6), (2, 7))
    (b, c), (u, v) = whole[..., :5], whole[..., 5:]
    conflict = b.sum(axis=-1) * c.sum(axis=-1) - (b * c).sum(axis=-1)
    rest = 1 - conflict[:, None]
    belief, doubt = dempster_combine(b, u, c, v)
    assert np.allclose(belief, (b * c + b * v + c * u) / rest, rtol=1e-12)
    assert np.allclose(doubt, u * v / rest, rtol=1e-12)


def test_loss_by_hand():
    a, y = np.array([[3.0, 1.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    # p = 3/4 and 1/4: 2/16 and 2 * 3/16/5; p = 1/2: 2/4 and 2/4/3
    assert np.allclose(evidential_mse_loss(a, y), [0.2, 2 / 3], rtol=1e-15)
    # the true class goes: nothing is left that misleads
    assert np.array_equal(evidential_mse_loss(a, y, beta=1.0), evidential_mse_loss(a, y))
    # Dir(1, 3) has density 3 (1 - q)^2: its mean logarithm is log 3 - 2/3
    wrong = evidential_mse_loss(a, y[:, ::-1], beta=2.0) - evidential_mse_loss(a, y[:, ::-1])
    assert np.allclose(wrong, [2 * (np.log(3) - 2 / 3), 0], rtol=1e-15)


def test_divergence_of_torch():
    torch = pytest.importorskip("torch")
    a, y = 1 + np.random.default_rng(0).gamma(1.0, 4.0, (9, 7)), np.eye(7)[[0, 1, 2, 3, 4, 5, 6, 0, 1]]
    of = torch.distributions.Dirichlet
    kept = torch.from_numpy(y + (1 - y) * a)
    wanted = torch.distributions.kl_divergence(of(kept), of(torch.ones(7, dtype=torch.float64))).numpy()
    assert np.allclose(evidential_mse_loss(a, y, beta=1.0) - evidential_mse_loss(a, y), wanted, rtol=1e-12)


def test_loss_is_an_expectation():
    a, y = np.array([2.0, 1.5, 4.0]), np.array([0.0, 0.0, 1.0])
    drawn = np.random.default_rng(0).dirichlet(a, 200_000)
    assert abs(((y - drawn) ** 2).sum(axis=-1).mean() - evidential_mse_loss(a, y)) < 2e-3


def test_loss_of_much_evidence():
    a, y = np.array([1e20, 1.0]), np.array([1.0, 0.0])
    assert np.allclose(evidential_mse_loss(a, y), 4e-40, rtol=1e-14, atol=0)
    # 2 of (1 - p)^2, 2 of p (1 - p) / (S + 1), each 1e-40
    with np.errstate(divide="ignore", invalid="ignore"):
        assert evidential_mse_loss(np.array([1.0, 0.0]), y, beta=1.0) == INF
        assert np.isnan(evidential_mse_loss(np.array([1.0, -0.25]), y, beta=1.0))


def test_refusals():
    x, u = np.ones((2, 3)), np.ones((2, 1))
    for call, error, said in [
        (lambda: dirichlet_evidence(x, activation="tanh"), ValueError, "activation must be one of softplus"),
        (lambda: dirichlet_evidence(x, clip=0.0), ValueError, "clip must be finite and above zero"),
        (lambda: dirichlet_evidence(x, clip="1"), TypeError, "clip must be a real number"),
        (lambda: dirichlet_evidence(x[:, :0]), ValueError, "must not be empty"),
        (lambda: dempster_combine(x, u, x[:1], u), ValueError, "other must have shape"),
        (lambda: dempster_combine(x, u[:, 0], x, u), ValueError, r"u must have shape \(2, 1\)"),
        (lambda: dempster_combine(x, u, x, u[:1]), ValueError, r"v must have shape \(2, 1\)"),
        (lambda: dempster_combine(x, u, x, None), TypeError, "v must be an array"),
        (lambda: evidential_mse_loss(x, x[:1]), ValueError, "target must have shape"),
        (lambda: evidential_mse_loss(x[:, :0], x[:, :0]), ValueError, "must not be empty"),
        (lambda: evidential_mse_loss(x, x, beta=-1.0), ValueError, "beta must be finite and not below zero"),
        (lambda: evidential_mse_loss(x, x, beta="1"), TypeError, "beta must be a real number"),
    ]:
        with pytest.raises(error, match=said):
            call()
