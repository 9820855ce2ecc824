"""Statistics that are merged: against exact fractions, in any order and any chunks; files; libraries."""

import math
from fractions import Fraction

import libraries
import numpy as np
import pytest
from conftest import need

import refnorm
from refnorm.stats import Moments, Scatter, load

RNG = np.random.default_rng(0)
HARD = {
    "mean 1e6": RNG.normal(1e6, 1, (300, 3)),
    "mean 1e8": RNG.normal(1e8, 1, (300, 3)),
    "mean 1e8 in float32": RNG.normal(1e8, 1e3, (300, 3)).astype("float32"),
    "half": RNG.normal(100, 1, (300, 3)).astype("float16"),
    "sorted, far from its first row": np.sort(RNG.normal(0, 1e6, (300, 3)), axis=0),
    "an outlier first": np.r_[np.full((1, 3), 1e8), RNG.normal(0, 1, (299, 3))],
    "every size": RNG.normal(0, 1, (300, 3)) * 10.0 ** RNG.integers(-12, 12, (300, 3)),
    "last bits": 1 + RNG.integers(0, 4, (300, 3)) * 2.0**-52,
    "one feature follows another": RNG.normal(1e6, 1, (300, 1))
    + np.array([0.0, 1e-3, 5.0]) * RNG.normal(size=(300, 1)),
    "nothing varies": np.full((300, 3), 0.1),
    "two rows": np.array([[1e30, 1.0, 3.0], [1.0, 1e-30, 4.0]]),
    "one row": np.array([[1.0, 2.0, 1e9]]),
}


def fractions(x):
    """Return the mean and scatter matrix of rows, exactly."""
    columns = [[Fraction(float(v)) for v in column] for column in x.T]
    mean = [sum(c) / len(c) for c in columns]
    off = [[v - m for v in c] for c, m in zip(columns, mean, strict=True)]
    return mean, [[sum(map(Fraction.__mul__, a, b)) for b in off] for a in off]


def ulps(got, wanted, scale=None):
    """Return how far a number is from a fraction, in units in the last place of it, or of `scale`."""
    unit = math.ulp(float(wanted) if scale is None else scale)
    return float(abs(Fraction(float(got)) - wanted) / Fraction(unit))


def worst(found, mean, scatter, correction=0):
    """Return the largest error of a summary in ulp; a covariance counts in those of the two deviations' product."""
    n = found.count - correction
    errors = [ulps(got, m) for got, m in zip(found.mean, mean, strict=True)]
    errors += [ulps(got, scatter[i][i] / n) for i, got in enumerate(found.var)]
    if found.covariance is not None:
        sizes = [math.sqrt(scatter[i][i] / n) for i in range(len(mean))]
        errors += [
            ulps(found.covariance[i, j], scatter[i][j] / n, sizes[i] * sizes[j])
            for i in range(len(mean))
            for j in range(len(mean))
        ]
    return max(errors)


def trees(kind, x, rng):
    """Yield statistics of rows: at once, and of any rows in any chunks, merged in any order."""
    yield kind().update(x)
    for _ in range(3):
        cuts = np.sort(rng.integers(0, len(x) + 1, 5))
        parts = [kind().update(chunk) for chunk in np.split(x[rng.permutation(len(x))], cuts)]
        while len(parts) > 1:
            at = rng.integers(0, len(parts) - 1)
            parts[at : at + 2] = [parts[at].merge(parts[at + 1])]
        yield parts[0]


@pytest.mark.parametrize("kind", [Moments, Scatter])
@pytest.mark.parametrize("what", HARD)
def test_within_a_unit_of_the_truth_in_any_order(what, kind):
    x = HARD[what]
    truth = fractions(x)
    found = [part.finalize() for part in trees(kind, x, np.random.default_rng(1))]
    assert all(f.count == len(x) for f in found)
    assert max(worst(f, *truth) for f in found) <= 0.51
    for f in found[1:]:
        for a, b in zip(f[1:], found[0][1:], strict=True):
            assert a is b is None or np.all(abs(a - b) <= np.spacing(abs(b).max()))
    if len(x) > 1:
        assert worst(found_with(kind, x, 1), *truth, correction=1) <= 0.51


def found_with(kind, x, correction):
    return kind().update(x).finalize(correction=correction)


def plain(x, cuts):
    """A wrong twin: Chan's formula in one part of float64."""
    n, mean, squares = 0, 0.0, 0.0
    for chunk in np.split(x, cuts):
        m, k = chunk.mean(axis=0), len(chunk)
        apart = m - mean
        squares = squares + ((chunk - m) ** 2).sum(axis=0) + apart**2 * (n * k / (n + k))
        mean, n = mean + apart * (k / (n + k)), n + k
    return Moments.finalize(pretending(n, mean, squares))


def raw(x, cuts):
    """A wrong twin: raw second moments."""
    return Moments.finalize(pretending(len(x), x.mean(axis=0), (x * x).sum(axis=0) - len(x) * x.mean(axis=0) ** 2))


def pretending(n, mean, squares):
    state = Moments()
    state.count, state.mean, state.squares = n, (mean, 0 * mean), (squares, 0 * squares)
    return state


@pytest.mark.parametrize("twin", [plain, raw])
def test_less_is_refused(twin):
    x = HARD["mean 1e8"]
    assert worst(twin(x, range(7, 300, 7)), *fractions(x)) > 1


def test_pieces_and_lots(monkeypatch):
    """Many pieces and lots of one update give what one gives, and the truth."""
    x = RNG.normal(1e6, 1, (97, 3)).astype("float32")
    truth = fractions(x)
    monkeypatch.setattr("refnorm.stats.PIECE", 12)
    monkeypatch.setattr("refnorm.stats.PART", 64)
    assert worst(Scatter().update(x).finalize(), *truth) <= 0.51
    monkeypatch.setattr("refnorm.stats.PART", 1)  # a row at a time
    assert worst(Moments().update(x).finalize(), *truth) <= 0.51


@pytest.mark.parametrize("kind", [Moments, Scatter])
def test_what_is_not_finite_stays_in_its_feature(kind):
    x = RNG.normal(size=(50, 4))
    x[3, 1], x[7, 2], x[0, 3] = np.nan, np.inf, -np.inf
    found = kind().update(x[:20]).merge(kind().update(x[20:])).finalize()
    assert worst(found._replace(mean=found.mean[:1], var=found.var[:1], covariance=None), *fractions(x[:, :1])) <= 0.51
    assert np.isnan(found.mean[1:]).all()
    assert np.isnan(found.var[1:]).all()
    if kind is Scatter:
        assert np.isnan(found.covariance[1:]).all()
        assert np.isnan(found.covariance[:, 1:]).all()


@pytest.mark.parametrize("library", ["numpy", "strict", "torch", "jax", "dask"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_rows_of_any_library(library, dtype):
    need(library)
    if library in ("strict", "dask") and dtype in ("float16", "bfloat16"):
        pytest.skip("has no half types")
    lib = libraries.library(library)
    with lib.opened():
        x = RNG.normal(3, 1, (40, 3)).astype(libraries.DTYPES[dtype])
        found = Moments().update(lib.take(x)).finalize()
        assert worst(found, *fractions(x.astype("float64"))) <= 0.51


# ---- parameters of operators ----


def test_standardises_and_whitens():
    x = RNG.normal(size=(500, 6)) @ RNG.normal(size=(6, 6)) + 100
    state = Scatter().update(x)
    found = state.finalize()
    y = refnorm.norm.batch_norm(x, found.mean, found.var, axis=-1, eps=0.0)
    again = Moments().update(y).finalize()
    assert np.allclose(again.mean, 0, atol=1e-13)
    assert np.allclose(again.var, 1, rtol=1e-13)
    for whiten, rank in ((refnorm.proj.pca_whiten, 3), (refnorm.proj.zca_whiten, 6)):
        z = whiten(x, *state.axes(rank=rank))
        assert np.allclose(Scatter().update(z).finalize(correction=1).covariance, np.eye(rank), atol=1e-11)
    for ours, theirs in zip(state.axes(rank=3), refnorm.proj.pca_basis(x, rank=3), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-10)


def test_is_what_merge_moments_gives():
    parts = [RNG.normal(size=(n, 4)) for n in (5, 9)]
    found = [Moments().update(p).finalize() for p in parts]
    counts = np.array([5, 9])
    mean, var, *_ = refnorm.norm.merge_moments(
        np.stack([f.mean for f in found]), np.stack([f.var for f in found]), counts
    )
    whole = Moments().update(parts[0]).merge(Moments().update(parts[1])).finalize()
    assert np.allclose(whole.mean, mean, rtol=1e-14)
    assert np.allclose(whole.var, var, rtol=1e-14)


# ---- files ----


@pytest.mark.parametrize("kind", [Moments, Scatter])
def test_saved_and_loaded_it_goes_on_without_loss(kind, tmp_path):
    x = HARD["mean 1e8"]
    state = kind().update(x[:100])
    state.save(tmp_path / "state")
    for again in (load(tmp_path / "state"), kind.load(tmp_path / "state")):
        assert type(again) is kind
        assert worst(again.update(x[100:]).finalize(), *fractions(x)) <= 0.51


def test_other_files_are_refused(tmp_path):
    state = Moments().update(HARD["one row"])
    state.save(tmp_path / "good")
    with pytest.raises(ValueError, match="holds moments, wanted scatter"):
        Scatter.load(tmp_path / "good")
    with np.load(tmp_path / "good") as file:
        good = dict(file)
    wrong = {
        "no mean": {k: v for k, v in good.items() if k != "mean"},
        "another format": good | {"format": np.int64(2)},
        "another kind": good | {"kind": np.array("medians")},
        "no rows": good | {"count": np.int64(0)},
        "another shape": good | {"mean": good["mean"][:, :2]},
        "a count of two": good | {"count": np.array([1, 2])},
        "another dtype": good | {"squares": good["squares"].astype("float32")},
        "objects": good | {"mean": np.array([[1, None], [2, "x"]], dtype=object)},
    }
    for what, members in wrong.items():
        np.savez(tmp_path / "wrong.npz", **members)
        with pytest.raises(ValueError, match="no statistics of refnorm") as caught:
            load(tmp_path / "wrong.npz")
        assert "\n" not in str(caught.value), what
    for text in (b"", b"PK\x03\x04", b"not a zip file"):
        (tmp_path / "text").write_bytes(text)
        with pytest.raises(ValueError, match="no statistics of refnorm"):
            load(tmp_path / "text")
    bomb = np.zeros((2, 2**20))
    np.savez_compressed(tmp_path / "bomb.npz", **good | {"mean": bomb, "squares": bomb})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refnorm.stats.MOST", 2**20)
        with pytest.raises(ValueError, match="more than"):
            load(tmp_path / "bomb.npz")


# ---- refusals ----


def test_refusals():
    with pytest.raises(ValueError, match=r"rows must have shape \(n, features\)"):
        Moments().update(np.zeros(3))
    with pytest.raises(TypeError, match="update: rows must hold real floating numbers"):
        Moments().update(np.zeros((3, 2), dtype=int))
    state = Moments().update(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="2 features like those before, got 3"):
        state.update(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="2 features like those before, got 1"):
        state.merge(Moments().update(np.zeros((3, 1))))
    with pytest.raises(TypeError, match="Moments merges with its own kind, got Scatter"):
        state.merge(Scatter())
    for correction in (3, -1, np.nan):
        with pytest.raises(ValueError, match="correction must be"):
            state.finalize(correction=correction)
    with pytest.raises(ValueError, match="below the number of rows, 0"):
        Moments().finalize()
    with pytest.raises(ValueError, match="no rows were seen"):
        Moments().save("nowhere")
    assert state.merge(Moments()).count == Moments().merge(state).count == 3
    assert state.update(np.zeros((0, 2))).count == 3
