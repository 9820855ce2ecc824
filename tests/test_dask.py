"""dask: every operator works lazily on any chunks, or refuses with the chunks it needs; the answer is NumPy's."""

import re
import sys

import numpy as np
import pytest
from oracles import outputs

import refnorm
from refnorm import OPERATORS

da = pytest.importorskip("dask.array", reason="dask is not installed")
dask = pytest.importorskip("dask")

ROWS = "layer_norm rms_norm softmax log_sum_exp lp_normalize min_max_normalize group_norm batch_norm entmax"
MORE_ROWS = "project_simplex soft_rank gated_rms_norm batch_moments kl_divergence"
WINDOWS = "max_pool avg_pool lp_pool adaptive_avg_pool softmax_pool strip_gem_pool local_response_norm covariance_pool"
MATRICES = "random_subspace_project count_sketch pca_whiten pca_basis walsh_hadamard_transform sparse_random_matrix"
OTHERS = "segment_pool truncated_svd positive_random_features orthogonal_parametrization"
SOME = set(" ".join([ROWS, MORE_ROWS, WINDOWS, MATRICES, OTHERS]).split())
HINT = re.compile(r"hand in (\w+?)(?:\[(\d+)\])?\.rechunk\(\{(.*)\}\)$")


def odd(n):
    """Return odd chunks of an axis: one, three, and the rest."""
    return tuple(c for c in (min(n, 1), min(max(n - 1, 0), 3), max(n - 4, 0)) if c) or (n,)


def halves(n):
    return (n - n // 2, n // 2) if n > 1 else (n,)


def chunked(a, cut):
    if a is None:
        return None
    if isinstance(a, tuple | list):
        return [chunked(one, cut) for one in a]
    return da.from_array(a, chunks=tuple(cut(n) for n in a.shape))


def rechunked(operator, arrays, said):
    """Do what a refusal says."""
    names = operator.function.__code__.co_varnames
    name, inside, wanted = HINT.search(said).groups()
    place = names.index(name)
    axes = [int(part.partition(":")[0]) for part in wanted.split(", ")]
    if inside:
        inner = rechunk(arrays[place][int(inside)], axes, said)
        new = [*arrays[place][: int(inside)], inner, *arrays[place][int(inside) + 1 :]]
    else:
        new = rechunk(arrays[place], axes, said)
    return [*arrays[:place], new, *arrays[place + 1 :]]


def rechunk(x, axes, said):
    assert axes
    assert all(x.numblocks[axis] > 1 for axis in axes), said
    return x.rechunk(dict.fromkeys(axes, -1))


def lazily(operator, case, cut, dtype):
    """Return the lazy outputs of a call, after rechunking as refusals say."""
    arrays = [chunked(a, cut) for a in case.arrays(7, dtype)]
    for _ in range(12):
        try:
            return outputs(operator.function(*arrays, **case.options))
        except ValueError as error:
            arrays = rechunked(operator, arrays, str(error))
    raise AssertionError("refused whatever was rechunked")


@pytest.fixture
def merges(monkeypatch):
    """Record what makes chunks larger, but for axes that a formula has made itself."""
    seen, usual = [], da.Array.rechunk

    def rechunk(self, *args, **options):
        y = usual(self, *args, **options)
        made = {"stack", "concat", "rechunk"} & {sys._getframe(1).f_code.co_name}
        if any(max(a) > max(b) for a, b in zip(y.chunks, self.chunks, strict=True)) and self.size and not made:
            seen.append((self.chunks, y.chunks))
        return y

    monkeypatch.setattr(da.Array, "rechunk", rechunk)
    return seen


def near(y, w, units=1):
    """Return whether an answer is NumPy's to a unit in the last place; in float64, of the largest number of it."""
    y, w = np.asarray(y), np.asarray(w)
    if y.dtype != w.dtype or y.shape != w.shape:
        return False
    if w.dtype.kind != "f":
        return np.array_equal(y, w)
    allowed = units * np.spacing(
        np.abs(w) if w.dtype != np.float64 else np.abs(w).max(initial=0.0, where=np.isfinite(w))
    )
    with np.errstate(invalid="ignore"):
        return bool(np.all((y == w) | (np.abs(y - w) <= allowed) | (np.isnan(y) & np.isnan(w))))


def held(name, cut, dtype):
    """Return lazy outputs and NumPy's of the first case of an operator."""
    operator = OPERATORS[name]
    case = operator.cases[0]
    got = lazily(operator, case, cut, dtype)
    with refnorm.lane("formula"):
        return got, outputs(operator.function(*case.arrays(7, dtype), **case.options))


CHECKED = [pytest.param(n, marks=() if n in SOME else pytest.mark.full) for n in OPERATORS]


@pytest.mark.parametrize("cut", [odd, halves])
@pytest.mark.parametrize("name", CHECKED)
def test_any_chunks_give_the_answer_or_a_refusal_that_helps(name, cut, merges):
    got, wanted = held(name, cut, np.float32 if cut is odd else np.float64)
    assert not merges, "chunks were merged unasked"
    lazy = [isinstance(y, da.Array) for y in got]
    assert lazy == [isinstance(w, np.ndarray | np.generic) for w in wanted], "something was computed"
    units = 1 if OPERATORS[name].load_card().judged is None else 8  # what LAPACK is handed differs in the last bit
    for y, w in zip(dask.compute(*got, scheduler="sync"), wanted, strict=True):
        assert near(y, w, units)


@pytest.mark.parametrize("name", ["layer_norm", "softmax", "rms_norm", "lp_normalize", "max_pool", "avg_pool"])
def test_rows_and_windows_take_any_chunks(name):
    case = OPERATORS[name].cases[0]
    assert isinstance(OPERATORS[name].function(*[chunked(a, odd) for a in case.arrays(7)], **case.options), da.Array)


def test_what_it_says():
    x = da.ones((6, 8), chunks=(3, 4))
    said = r"entmax: x must be one chunk along axis {0}, got \({1}\): hand in x.rechunk\(\{{{0}: -1\}}\)"
    with pytest.raises(ValueError, match=said.format(1, "4, 4")):
        refnorm.prob.entmax(x)
    with pytest.raises(ValueError, match=said.format(0, "3, 3")):
        refnorm.prob.entmax(x, axis=0)
    with pytest.raises(ValueError, match=said.format(0, "4, 4")):  # cut in the same way along both axes
        refnorm.prob.entmax(da.ones((8, 8), chunks=4), axis=0)
    with pytest.raises(TypeError, match="arrays of one library expected"):
        refnorm.norm.rms_norm(x, np.ones(8))


def test_a_gradient():
    x, g = np.random.default_rng(0).normal(size=(2, 6, 8))
    got = refnorm.norm.layer_norm_vjp(chunked(g, odd), chunked(x, odd))[0]
    with refnorm.lane("formula"):
        assert near(got.compute(scheduler="sync"), refnorm.norm.layer_norm_vjp(g, x)[0])


def test_wrong_twins_are_refused(merges):
    """What array-api-compat does is seen: it merges; so are an answer one and a half units off, and another dtype."""
    import array_api_compat.dask.array as base

    x = da.ones((6, 8), chunks=(3, 4))
    base.sort(x)
    base.reshape(x, (48,))
    assert len(merges) >= 2
    w = np.ones(3, "float32")
    assert near(w + np.spacing(w), w)
    assert not near(w + 2 * np.spacing(w), w)
    assert not near(w.astype("float64"), w)


@pytest.mark.parametrize(
    ("old", "new", "cut"),
    [((4, 6), (24,), (2, 6)), ((4, 6), (2, 12), (2, 3)), ((6, 5), (3, 10), (2, 5)), ((6, 4), (4, 6), (6, 4)),
     ((24,), (4, 6), (12,)), ((2, 1, 6), (2, 6, 1), (1, 1, 3)), ((4, 6), (-1, 3), (1, 6)), ((0, 4), (0, 2, 2), (0, 2))],
)  # fmt: skip
def test_reshape(old, new, cut, merges):
    from refnorm._dask import reshape

    x = np.arange(np.prod(old)).reshape(old)
    lazy = da.from_array(x, chunks=cut)
    if new == (2, 12):
        with pytest.raises(ValueError, match="an axis of size 6 must be one chunk"):
            reshape(lazy, new)
        lazy = lazy.rechunk({1: -1})
        merges.clear()
    assert np.array_equal(reshape(lazy, new).compute(scheduler="sync"), x.reshape(new))
    assert not merges


# ---- workers ----


def slowly(block, seconds):
    import time

    time.sleep(seconds)
    return block


def taken(block):
    return refnorm.stats.Scatter().update(block)


def merged(a, b):
    return refnorm.stats.Scatter().merge(a).merge(b)  # states of other tasks stay as they are


@pytest.mark.full
def test_a_worker_is_killed_and_the_answer_is_the_same():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    import os
    import signal

    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not see the tests
    x = np.random.default_rng(0).normal(1e6, 1, (320, 5)).astype("float32")
    with (
        dask.config.set({"distributed.worker.daemon": True, "distributed.comm.timeouts.connect": "20s"}),
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, protocol="tcp") as cluster,
        distributed.Client(cluster) as client,
    ):
        lazy = da.from_array(x, chunks=(20, 5)).map_blocks(slowly, 0.1, dtype=x.dtype)
        rows = client.compute(refnorm.norm.layer_norm(lazy))
        parts = [dask.delayed(taken)(block) for block in lazy.to_delayed().ravel()]
        while len(parts) > 1:
            parts = [
                dask.delayed(merged)(*parts[i : i + 2]) if i + 1 < len(parts) else parts[i]
                for i in range(0, len(parts), 2)
            ]
        state = client.compute(parts[0])
        while sum(len(held) for held in client.has_what().values()) < 4:
            slowly(None, 0.02)
        before = client.run(os.getpid)
        os.kill(next(iter(before.values())), signal.SIGKILL)
        assert not state.done()
        found, y = state.result(timeout=60).finalize(), rows.result(timeout=60)
        assert set(client.run(os.getpid).values()) != set(before.values()), "nobody was killed"
    with refnorm.lane("formula"):
        assert near(y, refnorm.norm.layer_norm(x))
    whole = refnorm.stats.Scatter().update(x).finalize()
    for a, b in zip(found, whole, strict=True):
        assert near(np.asarray(a), np.asarray(b))
