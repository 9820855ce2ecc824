"""Kernels from a shared library: the examples conform, and twins of them with one fault each do not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import refnorm
from refnorm import OPERATORS
from refnorm.checker.adapters.c import adapt, include_path

TOP = Path(__file__).parents[2]
EXAMPLES = TOP / "examples"
LAYER_NORM = (EXAMPLES / "c" / "layer_norm.c").read_text()
HEAD = '#include <math.h>\n#include "refnorm.h"\n'
TAKES = "const refnorm_array *in, int n_in, refnorm_array *out, int n_out, const refnorm_options *options"


def compiled(tmp_path, compiler, *arguments):
    """Run a compiler that writes a library; skip where there is none."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    into = tmp_path / f"lib{len(list(tmp_path.iterdir()))}.so"
    done = subprocess.run([compiler, *arguments, "-o", str(into)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(into)


@pytest.fixture
def cc(tmp_path):
    def build(text, *flags):
        source = tmp_path / f"mine{len(list(tmp_path.iterdir()))}.c"
        source.write_text(text)
        flags = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-I{include_path()}", *flags)
        return compiled(tmp_path, "cc", *flags, str(source), "-lm")

    return build


def twin(*edits, of=LAYER_NORM):
    """Return a kernel with each (text, other) replaced; a text that is not there once makes no twin."""
    for text, other in edits:
        assert of.count(text) == 1, text
        of = of.replace(text, other)
    return of


def judged(library, operator="layer_norm", dtypes=("float32",), **more):
    adapted = adapt(library, OPERATORS[operator])
    return refnorm.check(adapted.call, operator, seed=1, dtypes=dtypes, **more)


def found(report, name):
    (layer,) = [one for one in report.layers if one.name == name]
    return " | ".join(f"{f.verdict}: {f.what}" for f in layer.findings)


def verdicts(report):
    return {layer.name: layer.verdict for layer in report.layers}


def kernel(operator, body):
    return f"REFNORM_EXPORT int refnorm_{operator}({TAKES})\n{{\n    (void)in; (void)n_in; (void)out; (void)n_out; (void)options;\n{body}\n}}\n"  # noqa: E501


# ---- the examples ----


def test_the_example_in_c_conforms(cc):
    report = judged(cc(LAYER_NORM), dtypes=("float32", "float64", "float16"))
    assert report.conforms, found(report, "contract") + found(report, "values")
    assert judged(cc(LAYER_NORM), dtypes=("float32",)).grade == "A"


def test_the_kernel_in_the_documentation_conforms(cc):
    (text,) = re.findall(r"```c\n(.*?)```", (TOP / "docs" / "c-abi.md").read_text(), re.S)
    assert judged(cc(text), "rms_norm", dtypes=("float32", "float64")).conforms


def test_the_example_in_cpp_conforms(tmp_path):
    source = EXAMPLES / "cpp" / "softmax.cpp"
    flags = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-I{include_path()}")
    library = compiled(tmp_path, "c++", *flags, str(source))
    assert judged(library, "softmax", dtypes=("float32", "float64")).conforms
    assert adapt(library, OPERATORS["softmax"]).vjp is not None


def test_the_example_in_rust_conforms(tmp_path):
    source = EXAMPLES / "rust" / "src" / "lib.rs"
    library = compiled(tmp_path, "rustc", "--crate-type", "cdylib", "-O", "--edition", "2021", str(source))
    report = judged(library, "rms_norm", dtypes=("float32", "float64"))
    assert (report.conforms, report.grade) == (True, "B")
    # and what it does not offer is declined, not failed
    declined = judged(library, "rms_norm", dtypes=("float16",))
    assert (declined.exit_code, declined.ran) == (3, 0)


def test_the_makefile_of_the_example_works(tmp_path):
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make is not installed")
    shutil.copytree(EXAMPLES / "c", tmp_path / "c")
    subprocess.run(["make", "-C", str(tmp_path / "c"), f"INCLUDE={include_path()}"], check=True, capture_output=True)
    x = np.array([[1.0, 3.0]])
    adapted = adapt(str(tmp_path / "c" / "liblayer_norm.so"), OPERATORS["layer_norm"])
    assert adapted.call(x, eps=0.0).values.tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize(
    ("compiler", "standard", "ending"), [("cc", "c99", "c"), ("c++", "c++11", "cc"), ("c++", "c++20", "cc")]
)
def test_the_header_is_clean_under_every_warning(tmp_path, compiler, standard, ending):
    (tmp_path / f"mine.{ending}").write_text(LAYER_NORM)
    warnings = ("-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
    flags = (f"-std={standard}", *warnings, "-fPIC", "-shared", "-fvisibility=hidden", f"-I{include_path()}")
    library = compiled(tmp_path, compiler, *flags, str(tmp_path / f"mine.{ending}"))
    assert adapt(library, OPERATORS["layer_norm"]).vjp is None


def test_the_header_is_part_of_the_package():
    assert (Path(include_path()) / "refnorm.h").is_file()
    assert '"include/*.h"' in (TOP / "pyproject.toml").read_text()


# ---- what the requirement names: a wrong last row and an unwritten cell, both by place ----

SHORT_LAST_ROW = (
    ("int64_t at[", "int64_t row = 0, rows = refnorm_size(x) / refnorm_count(x, axes), met;\n    int64_t at["),
    ("squares = 0,", "squares = 0; met = 0;\n        double"),
    (
        "            squares += c * c;",
        "            if (row < rows - 1 || ++met < refnorm_count(x, axes)) squares += c * c;",
    ),
    ("    } while (refnorm_next(x, at, ~axes));", "        row++;\n    } while (refnorm_next(x, at, ~axes));"),
)
ONE_UNWRITTEN = ("refnorm_store(y", "if (at[0] != 1 || at[x->ndim - 1] != 2) refnorm_store(y")


def test_an_off_by_one_in_the_last_row_and_an_unwritten_cell_are_both_named_by_place(cc):
    report = judged(cc(twin(*SHORT_LAST_ROW, ONE_UNWRITTEN)))
    assert report.exit_code == 1
    assert ("fails: leaves cells of the output unwritten: 1 of 32, the first at (1, 2) ('rows' in float32)") in found(
        report, "contract"
    )
    assert ("fails: wrong values, first at 'rows' in float32: only in the last row (index 3 of axis 0)") in found(
        report, "values"
    )


def test_each_of_the_two_faults_alone_is_named_and_not_the_other(cc):
    report = judged(cc(twin(*SHORT_LAST_ROW)))
    assert "only in the last row (index 3 of axis 0)" in found(report, "values")
    assert found(report, "contract") == ""
    report = judged(cc(twin(ONE_UNWRITTEN)))
    assert "leaves cells of the output unwritten: 1 of 32, the first at (1, 2)" in found(report, "contract")
    assert "cells left unwritten, first at 'rows' in float32: one element, (1, 2)" in found(report, "values")
    assert "last row" not in found(report, "values")


def test_a_read_past_the_end_of_an_input_shows_in_the_last_row(cc):
    """What lies behind an input is a NaN: a row that reads one element too many has it in its answer."""
    body = """
    const refnorm_array *x = &in[0];
    int64_t rows = x->ndim ? refnorm_size(x) / x->shape[x->ndim - 1] : 1, n = x->shape[x->ndim - 1];
    const float *from = x->data; float *to = out[0].data;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0, largest = from[i * n];
        for (int64_t j = 0; j <= n; j++)
            if (j < n || i == rows - 1) { largest = fmax(largest, from[i * n + j]); }
        for (int64_t j = 0; j < n + (i == rows - 1); j++) sum += exp(from[i * n + j] - largest);
        for (int64_t j = 0; j < n; j++) to[i * n + j] = (float)(exp(from[i * n + j] - largest) / sum);
    }
    return REFNORM_DONE;"""
    adapted = adapt(cc(HEAD + kernel("softmax", body)), OPERATORS["softmax"])
    answer = adapted.call(np.ones((4, 8), "float32"))
    assert answer.faults == []
    assert np.isnan(answer.values).any(axis=1).tolist() == [False, False, False, True]


# ---- other twins ----

LAST = "    return REFNORM_DONE;\n}"
WRITES = {
    "writes past the end of the output: 1 element changed, the first 0 elements after it (as if at index (4, 0))": (
        LAST,
        "    refnorm_write(y, (char *)y->data + refnorm_size(y) * (y->bits / 8), 1.0);\n" + LAST,
    ),
    "writes before the start of the output: 1 element changed, the nearest 1 element before it (as if at index (-1, 7))": (  # noqa: E501
        LAST,
        "    refnorm_write(y, (char *)y->data - y->bits / 8, 1.0);\n" + LAST,
    ),
    "overwrites input 0: 1 of 32, the first at (0, 0)": (LAST, "    refnorm_store(x, at, 7.0);\n" + LAST),
    "writes past the end of input 0: 1 element changed, the first 1 element after it": (
        LAST,
        "    refnorm_write(x, (char *)x->data + (refnorm_size(x) + 1) * (x->bits / 8), 1.0);\n" + LAST,
    ),
}


@pytest.mark.parametrize("said", list(WRITES))
def test_writes_where_nothing_may_be_written_are_named(cc, said):
    answer = adapt(cc(twin(WRITES[said])), OPERATORS["layer_norm"]).call(np.arange(32.0).reshape(4, 8))
    assert answer.faults == [said]


def test_a_write_past_the_end_fails_a_kernel_whose_values_are_right(cc):
    said = next(iter(WRITES))
    report = judged(cc(twin(WRITES[said])))
    assert (report.exit_code, verdicts(report)["values"]) == (1, "conforms")
    assert f"fails: {said} ('rows' in float32)" in found(report, "contract")


def test_strides_taken_for_contiguous_are_found(cc):
    at = "static double flat(const refnorm_array *x, const int64_t *at)\n{\n    int64_t i = 0;\n"
    at += "    for (int32_t a = 0; a < x->ndim; a++) i = i * x->shape[a] + at[a];\n"
    at += "    return refnorm_read(x, (char *)x->data + i * (x->bits / 8));\n}\n\n"
    text = LAYER_NORM.replace("refnorm_load(x, at)", "flat(x, at)")
    report = judged(cc(twin(("REFNORM_EXPORT", at + "REFNORM_EXPORT"), of=text)))
    assert report.exit_code == 1
    for layout in ("negative strides", "transposed memory", "strides with gaps", "strides of zero"):
        assert f"answers otherwise given {layout}" in found(report, "contract")
    assert "off a boundary" not in found(report, "contract")


def test_an_ignored_eps_is_found_and_named(cc):
    report = judged(cc(twin(('refnorm_double(options, "eps", 1e-5)', "0.0"))))
    assert (report.exit_code, report.named[:1]) == (1, ["eps left out"])


def test_another_default_is_found_and_named(cc):
    report = judged(cc(twin(('"eps", 1e-5', '"eps", 1e-3'))))
    assert report.exit_code == 1
    assert report.named[0].startswith("convention keras")


def test_an_error_is_a_crash_with_the_kernels_own_words(cc):
    report = judged(cc(twin((LAST, '    return refnorm_fail(options, "out of scratch memory");\n}'))))
    assert "RuntimeError: refnorm_layer_norm returned 2: out of scratch memory" in found(report, "contract")
    report = judged(cc(twin((LAST, "    return -7;\n}"))))
    assert "RuntimeError: refnorm_layer_norm returned -7" in found(report, "contract")


CALL = """
import sys, numpy as np
from refnorm import OPERATORS
from refnorm.checker.adapters.c import adapt
call = adapt(sys.argv[1], OPERATORS["layer_norm"], fence=sys.argv[2] == "fence").call
print(call(np.ones((1, 8), "float32")[:, ::-1]).faults, flush=True)
"""


def ran_alone(library, fence):
    paths = os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", CALL, library, fence], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_crash_ends_only_the_process_that_asked(cc):
    done = ran_alone(cc(twin((LAST, "    volatile int *volatile nowhere = 0;\n    *nowhere = 1;\n" + LAST))), "")
    assert done.returncode < 0
    assert ran_alone(cc(LAYER_NORM), "").stdout == "[]\n"


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="memory protection of Linux or macOS")
def test_a_fence_stops_a_read_past_the_end_and_lets_right_code_pass(cc):
    peek = "    volatile double seen = refnorm_read(x, (char *)x->data + x->bits / 8);\n    (void)seen;\n"
    library = cc(twin((LAST, peek + LAST)))  # the row is reversed: its first element is the last one in memory
    assert ran_alone(library, "").stdout == "[]\n"
    assert ran_alone(library, "fence").returncode < 0
    assert ran_alone(cc(LAYER_NORM), "fence").stdout == "[]\n"


# ---- declining ----


def test_what_a_kernel_declines_is_counted_apart(cc):
    only = 'if (!refnorm_is(x, REFNORM_CODE_FLOAT, 32))\n        return refnorm_decline(options, "float32 only");\n    if (refnorm_size'  # noqa: E501
    library = cc(twin(("if (refnorm_size", only)))
    with pytest.raises(NotImplementedError, match=r"^float32 only$"):
        adapt(library, OPERATORS["layer_norm"]).call(np.ones((2, 3)))
    report = judged(library, dtypes=("float32", "float64"), partial=True)
    assert (report.conforms, report.declined) == (True, len(OPERATORS["layer_norm"].cases))


def test_an_option_of_a_kind_that_is_not_read_is_declined_and_not_taken_for_the_default(cc):
    one = '(uint32_t)1 << (refnorm_int(options, "axis", -1) + x->ndim) % x->ndim'
    call = adapt(cc(twin(('refnorm_axes(options, "axis", x, -1)', one))), OPERATORS["layer_norm"]).call
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_allclose(call(x, axis=1).values, refnorm.norm.layer_norm(x, axis=1), rtol=1e-12)
    with pytest.raises(NotImplementedError, match=r"it does not read \{'axis': \(1, 2\)\}"):
        call(x, axis=(1, 2))


def test_what_c_has_no_words_for_is_declined(cc):
    call = adapt(cc(LAYER_NORM), OPERATORS["layer_norm"]).call
    with pytest.raises(NotImplementedError, match="a list of arrays"):
        call([np.ones(3)])


# ---- arrays, options, outputs ----


def test_every_kind_of_option_arrives(cc):
    body = """
    double p[4]; int64_t window[3] = {0}, padding[6] = {0};
    double *to = out[0].data;
    to[0] = refnorm_ints(options, "window", window, 3);
    to[1] = (double)window[0]; to[2] = (double)window[1];
    to[3] = refnorm_ints(options, "stride", window, 3);
    to[4] = refnorm_ints(options, "padding", padding, 6);
    to[5] = (double)padding[0]; to[6] = (double)padding[3];
    to[7] = refnorm_bool(options, "ceil_mode", 0);
    to[8] = refnorm_bool(options, "count_include_pad", 1);
    to[9] = refnorm_int(options, "absent", -5);
    to[10] = strcmp(refnorm_text(options, "absent", "none"), "none");
    to[11] = refnorm_doubles(options, "absent", p, 4);
    return REFNORM_DONE;"""
    call = adapt(cc(HEAD + kernel("avg_pool", body)), OPERATORS["avg_pool"]).call
    options = dict(window=(3, 2), stride=None, padding=((1, 0), (0, 1)), ceil_mode=True, count_include_pad=False)
    got = call(np.ones((1, 2, 12, 12)), **options).values.reshape(-1)[:12].tolist()
    assert got == [2, 3, 2, -1, 4, 1, 1, 1, 0, -5, 0, -1]
    body = """
    double p[4] = {0}, *to = out[0].data;
    to[0] = refnorm_doubles(options, "p", p, 4);
    to[1] = p[1]; to[2] = p[2]; to[3] = refnorm_double(options, "eps", 0.0);
    return REFNORM_DONE;"""
    call = adapt(cc(HEAD + kernel("gem_pool", body)), OPERATORS["gem_pool"]).call
    x = np.ones((1, 4, 3))
    assert call(x, p=(1, 4.5, -2.5, 2), axis=2, eps=1).values.tolist() == [[4, 4.5, -2.5, 1]]
    body = """
    *(double *)out[0].data = refnorm_int(options, "count", 0);
    if (strcmp(refnorm_text(options, "weighs", "new"), "old") == 0) *(double *)out[0].data *= -1;
    return REFNORM_DONE;"""
    call = adapt(cc(HEAD + kernel("update_running", body)), OPERATORS["update_running"]).call
    assert call(np.ones(1), np.ones(1), momentum=0.5, count=4).values.tolist() == [4]
    assert call(np.ones(1), np.ones(1), momentum=0.5, count=4, weighs="old").values.tolist() == [-4]


MOMENTS = """
    const refnorm_array *x = &in[0];
    uint32_t channel = refnorm_axes(options, "axis", x, 1);
    int64_t at[REFNORM_MAX_NDIM] = {0};
    double m = (double)refnorm_count(x, ~channel);
    refnorm_write(&out[2], out[2].data, m);
    if (refnorm_size(x) == 0) return REFNORM_DECLINED;
    do {
        double sum = 0, squares = 0, drift = 0, c;
        do sum += refnorm_load(x, at); while (refnorm_next(x, at, ~channel));
        do { c = refnorm_load(x, at) - sum / m; squares += c * c; drift += c; } while (refnorm_next(x, at, ~channel));
        refnorm_write(&out[0], refnorm_at_along(&out[0], at, channel), sum / m);
        refnorm_write(&out[1], refnorm_at_along(&out[1], at, channel), squares / m - drift / m * (drift / m));
    } while (refnorm_next(x, at, channel));
    return REFNORM_DONE;"""


def test_several_outputs_and_a_count_come_back_as_the_operator_returns_them(cc):
    library = cc(HEAD + kernel("batch_moments", MOMENTS))
    assert judged(library, "batch_moments", partial=True).conforms
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype("float32")
    mean, var, count = adapt(library, OPERATORS["batch_moments"]).call(x).values
    assert (mean.dtype, var.shape, count, type(count)) == ("float32", (3,), 20, int)
    lazy = twin(("    refnorm_write(&out[2]", "    if (0) refnorm_write(&out[2]"), of=MOMENTS)
    answer = adapt(cc(HEAD + kernel("batch_moments", lazy)), OPERATORS["batch_moments"]).call(x)
    assert answer.faults == ["leaves cells of output 2 unwritten: 1 of 1, the first at ()"]


def test_indices_arrive_as_integers(cc):
    body = """
    int64_t at[1] = {0};
    if (n_in != 4 || !refnorm_is(&in[2], REFNORM_CODE_INT, 64)) return REFNORM_FAILED;
    do refnorm_store(&out[0], at, refnorm_load(&in[2], at)); while (refnorm_next(&out[0], at, REFNORM_ALL_AXES));
    return REFNORM_DONE;"""
    call = adapt(cc(HEAD + kernel("fastfood_project", body)), OPERATORS["fastfood_project"]).call
    x, permutation = np.ones(8, "float32"), np.random.default_rng(0).permutation(8)
    assert call(x, x, permutation[::-1], x).values.tolist() == permutation[::-1].tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_type_is_read_as_it_is_and_rounded_once(cc, dtype):
    """All bit patterns of the half types; and doubles rounded as NumPy and ml_dtypes round them."""
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    copy = kernel("softmax", """
    int64_t at[1] = {0};
    do refnorm_store(&out[0], at, refnorm_load(&in[0], at)); while (refnorm_next(&in[0], at, REFNORM_ALL_AXES));
    return REFNORM_DONE;""")  # fmt: skip
    cast = kernel("batch_norm", """
    int64_t at[2] = {0};
    do refnorm_store(&out[0], at, refnorm_load(&in[1], at + 1)); while (refnorm_next(&out[0], at, REFNORM_ALL_AXES));
    return REFNORM_DONE;""")  # fmt: skip
    library = cc(HEAD + copy + cast)
    rng = np.random.default_rng(0)
    wide = rng.normal(size=200_000) * 2.0 ** rng.integers(-150, 130, 200_000)
    # halfway between two numbers of the type, and the least above and below
    with np.errstate(all="ignore"):
        near = np.abs(wide.astype(dtype).astype("float64"))
        half = near * (1 + float(ml_dtypes.finfo(dtype).eps) / 2)
        wide = np.concatenate(
            [wide, near, half, np.nextafter(half, 0), np.nextafter(half, np.inf), [0.0, -0.0, np.inf]]
        )
        narrow = np.arange(2**16, dtype="u2").view(dtype) if dtype.itemsize == 2 else wide.astype(dtype)
        got = adapt(library, OPERATORS["softmax"]).call(narrow).values
        np.testing.assert_array_equal(got.astype("float64"), narrow.astype("float64"))
        here = ~np.isnan(narrow.astype("float64"))
        bits = f"u{dtype.itemsize}"
        assert (got.view(bits) == narrow.view(bits))[here].all()
        x = np.ones((1, len(wide)), dtype)
        got = adapt(library, OPERATORS["batch_norm"]).call(x, wide, wide).values[0]
        wanted = wide.astype(dtype)
        if dtype.name == "bfloat16":  # ml_dtypes goes by way of float32, which rounds twice
            twice = wide.astype("float32").astype("float64") != wide
            got, wanted = got[~twice], wanted[~twice]
        assert (got.view(bits) == wanted.view(bits)).all()


def test_a_gradient_is_asked_with_cotangents_first(tmp_path):
    flags = ("-std=c++17", "-O2", "-fPIC", "-shared", f"-I{include_path()}")
    library = compiled(tmp_path, "c++", *flags, str(EXAMPLES / "cpp" / "softmax.cpp"))
    vjp = adapt(library, OPERATORS["softmax"]).vjp
    g, x = np.random.default_rng(0).normal(size=(2, 3, 5))
    (dx,) = vjp(g, x[:, ::-1], axis=0)
    np.testing.assert_allclose(dx, refnorm.prob.softmax_vjp(g, x[:, ::-1], axis=0), rtol=1e-12)


def test_a_gradient_has_no_output_for_what_is_absent_and_its_faults_are_errors(cc):
    forward = kernel("layer_norm", "    return REFNORM_DECLINED;")
    body = """
    int64_t at[REFNORM_MAX_NDIM] = {0};
    if (n_in != 4 || n_out != 3 || refnorm_given(&out[1]) || !refnorm_given(&out[2])) return REFNORM_FAILED;
    do refnorm_store(&out[0], at, 2.0); while (refnorm_next(&out[0], at, REFNORM_ALL_AXES));
    for (at[0] = 0; at[0] < out[2].shape[0] - SHORT; at[0]++) refnorm_store(&out[2], at, 3.0);
    return REFNORM_DONE;"""
    x, bias = np.ones((2, 3)), np.ones(3)
    vjp = adapt(cc(HEAD + forward + kernel("layer_norm_vjp", body), "-DSHORT=0"), OPERATORS["layer_norm"]).vjp
    dx, dweight, dbias = vjp(x, x, None, bias)
    assert (dx.tolist(), dweight, dbias.tolist()) == ([[2.0] * 3] * 2, None, [3.0] * 3)
    vjp = adapt(cc(HEAD + forward + kernel("layer_norm_vjp", body), "-DSHORT=1"), OPERATORS["layer_norm"]).vjp
    with pytest.raises(NotImplementedError, match=r"option eps=1j cannot be handed to C"):
        vjp(x, x, None, bias, eps=1j)
    with pytest.raises(RuntimeError, match=r"leaves cells of output 2 unwritten: 1 of 3, the first at \(2,\)"):
        vjp(x, x, None, bias)


# ---- what is wrong with the library itself ----


def test_a_library_that_cannot_be_used_is_refused_in_one_line(cc, tmp_path, monkeypatch):
    library, softmax = cc(LAYER_NORM), OPERATORS["softmax"]
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent\.so"):
        adapt(str(tmp_path / "absent.so"), softmax)
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(OSError, match=r"text\.so cannot be loaded as a shared library: ") as error:
        adapt(str(tmp_path / "text.so"), softmax)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"has no symbol refnorm_softmax: it exports refnorm_layer_norm$"):
        adapt(library, softmax)
    with pytest.raises(ValueError, match=r"has no symbol my_softmax: it exports refnorm_layer_norm$"):
        adapt(f"{library}:my_softmax", softmax)
    with pytest.raises(ValueError, match=r"it exports no refnorm_ symbol$"):
        adapt(cc("int nothing;\n"), softmax)
    with pytest.raises(ValueError, match=r"was built for version 99 of refnorm\.h, this is version 1$"):
        adapt(
            cc(twin(('#include "refnorm.h"', '#include "refnorm.h"\n#undef REFNORM_ABI\n#define REFNORM_ABI 99'))),
            softmax,
        )


def test_a_library_is_found_in_the_current_folder_and_by_any_symbol(cc, monkeypatch):
    named = twin(("refnorm_layer_norm", "my_norm"), ("REFNORM_DECLARE_ABI;", ""))
    library = Path(cc(named))
    monkeypatch.chdir(library.parent)
    x = np.random.default_rng(0).normal(size=(3, 4))
    answer = adapt(f"{library.name}:my_norm", OPERATORS["layer_norm"]).call(x)
    np.testing.assert_allclose(answer.values, refnorm.norm.layer_norm(x), rtol=1e-12)
    shutil.copy(library, "with:colon")
    with pytest.raises(ValueError, match="with:colon has no symbol refnorm_layer_norm"):
        adapt("with:colon", OPERATORS["layer_norm"])
