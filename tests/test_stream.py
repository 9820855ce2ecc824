"""``refnorm stats``: every kind of file, the bound on memory, and what is refused, by exit code 2 and one line."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_stats import fractions, worst

import refnorm
from refnorm.__main__ import main
from refnorm.stats import Moments, Scatter, load

X = np.random.default_rng(3).normal(1e6, 1, (230, 3)).astype("float32")


def run(*arguments):
    return main(["stats", *map(str, arguments)])


def refused(capsys, *arguments):
    """Return the one line that a call is refused with."""
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def npy(path, x):
    np.save(path, x)


def zarr(path, x):
    array = pytest.importorskip("zarr").create_array(path, shape=x.shape, chunks=(32, 2), dtype=x.dtype)
    array[...] = x


def parquet(path, x):
    pa = pytest.importorskip("pyarrow")
    importlib.import_module("pyarrow.parquet").write_table(pa.table(dict(zip("abc", x.T, strict=True))), path)


def lists(path, x):
    pa = pytest.importorskip("pyarrow")
    rows = pa.FixedSizeListArray.from_arrays(x.reshape(-1), x.shape[1])
    importlib.import_module("pyarrow.parquet").write_table(pa.table({"embedding": rows}), path, row_group_size=50)


@pytest.fixture(
    params=[(npy, "npy"), (zarr, "zarr"), (parquet, "parquet"), (lists, "parquet")], ids=lambda p: p[0].__name__
)
def file(request, tmp_path):
    write, ending = request.param
    path = tmp_path / f"data.{ending}"
    write(path, X)
    return path


@pytest.mark.parametrize("options", [[], ["--scatter"]], ids=["moments", "scatter"])
def test_a_file_has_the_statistics_of_its_rows(file, options, monkeypatch, capsys):
    monkeypatch.setattr("refnorm._stream.MOST", 400)  # bytes: some thirty rows
    out = file.parent / "out.npz"
    assert run(file, "--out", out, "--correction", 1, *options) == 0
    assert "230 rows of 3 features" in capsys.readouterr().out
    found = load(out)
    assert type(found) is (Scatter if options else Moments)
    assert worst(found.finalize(), *fractions(X)) <= 0.51
    with np.load(out) as beside:
        for name in ("mean", "var", "std"):
            assert np.array_equal(beside[f"found_{name}"], getattr(found.finalize(correction=1), name))


def test_whiten_writes_axes(tmp_path):
    npy(tmp_path / "x.npy", X)
    assert run(tmp_path / "x.npy", "--out", tmp_path / "out", "--whiten", 2) == 0
    with np.load(tmp_path / "out") as file:
        axes = [file[f"axes_{name}"].astype("float32") for name in ("mean", "basis", "var")]
    with refnorm.compute("wide"):
        y = refnorm.proj.pca_whiten(X, *axes)
    assert y.shape == (230, 2)
    assert np.allclose(Scatter().update(y).finalize().covariance, np.eye(2), atol=1e-2)


def test_big_endian_and_one_column(tmp_path):
    for x in (X.astype(">f8"), np.asfortranarray(X[:, :1]), (X - 1e6).astype("float16")):
        npy(tmp_path / "x.npy", x)
        assert run(tmp_path / "x.npy", "--out", tmp_path / "out") == 0
        assert worst(load(tmp_path / "out").finalize(), *fractions(x)) <= 0.51


def test_a_null_is_nan(tmp_path, capsys):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": pa.array([1.0, None, 2.0]), "b": pa.array([1.0, 2.0, 6.0])})
    importlib.import_module("pyarrow.parquet").write_table(table, tmp_path / "x.parquet")
    assert run(tmp_path / "x.parquet", "--out", tmp_path / "out") == 0
    assert "1 features are NaN" in capsys.readouterr().out
    assert np.array_equal(load(tmp_path / "out").finalize().mean, [np.nan, 3.0], equal_nan=True)


def test_columns_are_chosen(tmp_path, capsys):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"id": pa.array([1, 2]), "a": pa.array([1.0, 3.0]), "b": pa.array([1.0, 2.0])})
    importlib.import_module("pyarrow.parquet").write_table(table, tmp_path / "x.parquet")
    out = tmp_path / "out"
    assert "column 'id' holds int64" in refused(capsys, tmp_path / "x.parquet", "--out", out)
    assert "has no column 'c'; it has id, a, b" in refused(
        capsys, tmp_path / "x.parquet", "--out", out, "--columns", "c"
    )
    assert run(tmp_path / "x.parquet", "--out", out, "--columns", "b,a") == 0
    assert load(out).finalize().mean.tolist() == [1.5, 2.0]


def test_refusals(tmp_path, capsys):
    out = tmp_path / "out"
    wrong = {
        "floating numbers": X.astype(int),
        "shape (n, features)": X[0],
        "Fortran order": np.asfortranarray(X),
    }
    for what, x in wrong.items():
        npy(tmp_path / "x.npy", x)
        assert what in refused(capsys, tmp_path / "x.npy", "--out", out)
    np.save(tmp_path / "x.npy", np.array([[1, None]], dtype=object), allow_pickle=True)
    assert "got object" in refused(capsys, tmp_path / "x.npy", "--out", out)
    (tmp_path / "x.npy").write_bytes(b"no")
    assert "no .npy file" in refused(capsys, tmp_path / "x.npy", "--out", out)
    npy(tmp_path / "x.npy", X)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-1])
    assert "cut short" in refused(capsys, tmp_path / "x.npy", "--out", out)
    (tmp_path / "x.npy").write_bytes(whole)
    said = {
        ("--whiten", 4): "rank must be 1 to 3, got 4",
        ("--correction", 230): "below the 230 rows",
        ("--correction", "nan"): "below the 230 rows",
        ("--memory", 0): "above 0",
        ("--memory", 0.2): "too little for this file: 0.25 GiB at least",
        ("--columns", "a"): "only a .parquet file",
    }
    for options, what in said.items():
        assert what in refused(capsys, tmp_path / "x.npy", "--out", out, *options)
    assert "is the file that is read" in refused(capsys, tmp_path / "x.npy", "--out", tmp_path / "x.npy")
    assert "no such file" in refused(capsys, tmp_path / "y.npy", "--out", out)
    assert "a name ending in .npy, .zarr, .parquet" in refused(capsys, tmp_path / "x.csv", "--out", out)
    assert not out.exists()


@pytest.mark.parametrize(("ending", "library"), [("zarr", "zarr"), ("parquet", "pyarrow")])
def test_a_missing_library_is_named(ending, library, tmp_path, capsys, monkeypatch):
    (tmp_path / f"x.{ending}").touch()
    monkeypatch.setitem(sys.modules, library, None)
    assert f"needs {library}, which is not installed" in refused(capsys, tmp_path / f"x.{ending}", "--out", "out")


def test_groups_objects_and_pickles_of_zarr_are_refused(tmp_path, capsys):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2)
    group.create_array("rows", shape=X.shape, dtype="float32", filters=[])[...] = X
    assert "got a group" in refused(capsys, tmp_path / "x.zarr", "--out", tmp_path / "out")
    assert run(tmp_path / "x.zarr/rows", "--out", tmp_path / "out") == 0
    about = tmp_path / "x.zarr/rows/.zarray"
    text = about.read_text()
    assert '"filters": null' in text
    about.write_text(text.replace('"filters": null', '"filters": [{"id": "pickle", "protocol": 5}]'))
    assert "pickle" in refused(capsys, tmp_path / "x.zarr/rows", "--out", tmp_path / "out")


def test_memory_stays_below_the_bound(tmp_path):
    """A file of 320 MiB under 0.4 GiB: what the process took is asked of the system."""
    path = tmp_path / "x.npy"
    from numpy.lib.format import open_memmap

    open_memmap(path, mode="w+", dtype="float32", shape=(2**18, 320)).flush()  # a sparse file of zeros
    if not Path("/proc/self/status").exists():
        pytest.skip("getrusage tells the peak of the parent too; /proc, which does not, is not here")
    code = (
        "import sys; from refnorm.__main__ import main; code = main(sys.argv[1:]); "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))); sys.exit(code)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, "stats", path, "--out", tmp_path / "out", "--memory", "0.4"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(said.stdout.split()[-1]) < 0.4 * 2**20
