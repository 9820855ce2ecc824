"""What every operator owes, read from the registry: one test for each promise, none for each operator."""

import functools
import itertools
import warnings

import libraries
import numpy as np
import oracles
import pytest
from known_gaps import GAPS

import refnorm
from refnorm import OPERATORS
from refnorm._lanes import cpu_level

LANES = ("formula", "kernel")
# The largest error promised for half types and float32; float64 is measured in units of its condition.
BOUND = {"softmax": 0.55, "log_softmax": 0.55}
NEARLY = 1.5  # layer_norm where x - mean, or the affine sum, nearly vanishes

NAMES = list(OPERATORS)
GRADED = [name for name in NAMES if OPERATORS[name].gradient]
LANED = [(name, lane) for name in NAMES for lane in (LANES if OPERATORS[name].kernel else LANES[:1])]
ALL = [(name, case) for name in OPERATORS for case in OPERATORS[name].cases]
TWO = [(name, case) for name in OPERATORS for case in OPERATORS[name].cases[:2]]


def label(value):
    return getattr(value, "label", None) or str(value)


def each(pairs):
    return pytest.mark.parametrize(("name", "case"), pairs, ids=label)


def each_lane(pairs):
    """Every pair on every lane that its operator has."""
    triples = [(name, case, lane) for name, case in pairs for other, lane in LANED if other == name]
    return pytest.mark.parametrize(("name", "case", "lane"), triples, ids=label)


def graded(pairs):
    return [(name, case) for name, case in pairs if name in GRADED]


@functools.cache
def exact(name, index, dtype):
    """Return a case's arrays and the oracle's answer in long double, computed once."""
    case = OPERATORS[name].cases[index]
    arrays = case.arrays(1, libraries.DTYPES[dtype])
    wide = [a if a is None else a.astype(oracles.WIDE) for a in arrays]
    return arrays, oracles.ORACLES[name](*wide, **case.options)


def check_accuracy(name, case, dtype, got, lane):
    arrays, wanted = exact(name, OPERATORS[name].cases.index(case), dtype)
    assert got.shape == wanted.shape
    assert got.dtype == libraries.DTYPES[dtype]
    if not wanted.size:
        return
    off = oracles.ulps(got, wanted)
    if dtype == "float64":
        allowed = 2 * oracles.condition(oracles.ORACLES[name], arrays, case.options, dtype)
    else:
        allowed = BOUND.get(name, 0.51)
    assert (off <= allowed).all(), f"{lane}: {np.max(off):.3f} ulp, allowed {np.min(allowed)}"


# ---- values ----


@pytest.mark.parametrize("dtype", libraries.DTYPES)
@each_lane(ALL)
def test_numpy_is_exact(name, case, dtype, lane):
    arrays, _ = exact(name, OPERATORS[name].cases.index(case), dtype)
    with refnorm.lane(lane):
        got = OPERATORS[name].function(*arrays, **case.options)
    check_accuracy(name, case, dtype, got, lane)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each(ALL)
def test_strict_is_exact(name, case, dtype):
    agrees_on("strict", name, case, dtype)


@each(TWO)
def test_libraries_are_exact(lib, name, case):
    agrees_on(lib.name, name, case, "float32")


@pytest.mark.full
@pytest.mark.parametrize("dtype", libraries.DTYPES)
@each(ALL)
def test_every_library_case_and_dtype(lib, name, case, dtype, request):
    gap = GAPS.get((name, lib.name, dtype, case.label))
    if gap:
        request.applymarker(pytest.mark.xfail(reason=gap, raises=AssertionError, strict=True))
    if lib.name == "strict" and dtype in ("float16", "bfloat16"):
        pytest.skip("array-api-strict has no half types")
    agrees_on(lib.name, name, case, dtype)


def agrees_on(library, name, case, dtype):
    """The answer is exact, of the caller's library, and so is the gradient's kind and shape; on every lane."""
    lib = libraries.library(library)
    arrays, _ = exact(name, OPERATORS[name].cases.index(case), dtype)
    operator = OPERATORS[name]
    for lane in LANES if library in ("torch", "jax") and operator.kernel and cpu_level() else LANES[:1]:
        with lib.opened(), refnorm.lane(lane):
            given = lib.arrays(arrays)
            y = operator.function(*given, **case.options)
            gradients = operator.gradient(y, *given, **case.options) if operator.gradient else ()
        assert isinstance(y, lib.kind)
        check_accuracy(name, case, dtype, lib.give(y), f"{library}, {lane}")
        if not operator.gradient:
            continue
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        for g, a in itertools.zip_longest(gradients, given):
            assert (g is None) == (a is None)
            if g is not None:
                assert isinstance(g, lib.kind)
                assert (g.shape, g.dtype) == (a.shape, a.dtype)


def test_a_wrong_operator_is_refused():
    """The yardstick of this file has teeth: one part in a million is too much in float32."""
    name, case = TWO[0]
    arrays, _ = exact(name, 0, "float32")
    y = OPERATORS[name].function(*arrays, **case.options)
    with pytest.raises(AssertionError):
        check_accuracy(name, case, "float32", y * np.float32(1.000001), "formula")


# ---- lanes and libraries give the same bits ----

HARD = {
    "normal": lambda rng, s: rng.normal(size=s),
    "mean 1e4": lambda rng, s: rng.normal(1e4, 1, s),
    "mean 1e6": lambda rng, s: rng.normal(1e6, 1, s),
}


@pytest.mark.parametrize("data", HARD)
@pytest.mark.parametrize("name", NAMES)
def test_lanes_and_libraries_agree_bit_for_bit(name, data):
    rng = np.random.default_rng(3)
    shape = (8, 16, 64, 64) if "pool" in name else (512, 1024)
    x = HARD[data](rng, shape).astype("float32")
    options = {"window": 3, "stride": 2, "padding": 1} if "pool" in name else {}
    f = OPERATORS[name].function
    with refnorm.lane("formula"):
        wanted = f(x, **options)
    others = {}
    if OPERATORS[name].kernel and cpu_level():
        with refnorm.lane("kernel"):
            others["kernel"] = f(x, **options)
    for library in ("torch", "jax"):
        if libraries.present(library):
            lib = libraries.library(library)
            with lib.opened(), refnorm.lane("formula"):
                others[library] = lib.give(f(lib.take(x), **options))
    if not others:
        pytest.skip("neither kernels nor another library to compare with")
    floor = 0.99 if data == "mean 1e6" else 0.9999
    shares = {who: float((y == wanted).mean()) for who, y in others.items()}
    assert min(shares.values()) >= floor, shares


# ---- gradients ----


def directional(oracle, arrays, options, cotangent, directions):
    """Return <cotangent, J v> by central differences in long double."""
    h = oracles.WIDE(1e-7)
    ahead = [a if a is None else a + h * v for a, v in zip(arrays, directions, strict=True)]
    behind = [a if a is None else a - h * v for a, v in zip(arrays, directions, strict=True)]
    return ((oracle(*ahead, **options) - oracle(*behind, **options)) / (2 * h) * cotangent).sum()


def along(gradients, directions):
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    pairs = itertools.zip_longest(gradients, directions)
    return sum((g.astype(oracles.WIDE) * v).sum() for g, v in pairs if g is not None)


@each_lane(graded(ALL))
def test_gradients_match_differences(name, case, lane):
    operator = OPERATORS[name]
    arrays = case.arrays(2, "float64")
    rng = np.random.default_rng(5)
    wide = [a if a is None else a.astype(oracles.WIDE) for a in arrays]
    cotangent = rng.normal(size=oracles.ORACLES[name](*wide, **case.options).shape)
    directions = [a if a is None else rng.normal(size=a.shape) for a in arrays]
    wanted = directional(oracles.ORACLES[name], wide, case.options, cotangent, directions)
    with refnorm.lane(lane):
        got = along(operator.gradient(cotangent, *arrays, **case.options), directions)
    scale = 1 + abs(wanted)
    assert abs(got - wanted) <= 1e-7 * scale
    if wanted != 0:
        assert abs(1.001 * got - wanted) > 1e-7 * scale  # a gradient one part in a thousand off is refused


@pytest.mark.parametrize("dtype", libraries.DTYPES)
@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@each([(name, case) for name, case in graded(ALL) if OPERATORS[name].kernel])
def test_gradients_of_both_lanes_agree(name, case, dtype):
    operator = OPERATORS[name]
    arrays = case.arrays(4, libraries.DTYPES[dtype])
    shape = operator.function(*arrays, **case.options).shape
    cotangent = np.random.default_rng(5).normal(size=shape).astype(libraries.DTYPES[dtype])
    both = []
    for lane in LANES:
        with refnorm.lane(lane):
            g = operator.gradient(cotangent, *arrays, **case.options)
        both.append(g if isinstance(g, tuple) else (g,))
    for formula, kernel in zip(*both, strict=True):
        if formula is None:
            assert kernel is None
            continue
        wide = formula.astype(oracles.WIDE)
        digits = oracles.DIGITS[dtype][0]
        scale = np.max(np.abs(wide), initial=1)  # cancellation is measured against the largest entry
        off = np.abs(kernel.astype(oracles.WIDE) - wide)
        assert np.all(off <= scale * 2.0 ** (4 - digits if dtype == "float64" else 1 - digits))


# ---- memory ----


def scattered(a):
    """Return `a` as a view with odd strides: reversed, every other element, transposed memory."""
    if a is None:
        return None
    room = np.zeros(tuple(2 * n for n in a.shape[::-1]), dtype=a.dtype)
    view = room[tuple(slice(None, None, 2) for _ in a.shape)].transpose()[tuple(slice(None, None, -1) for _ in a.shape)]
    view[...] = a
    view.flags.writeable = False
    return view


@each_lane(ALL)
def test_strides_do_not_matter(name, case, lane):
    arrays = case.arrays(6)
    with refnorm.lane(lane):
        wanted = OPERATORS[name].function(*arrays, **case.options)
        got = OPERATORS[name].function(*map(scattered, arrays), **case.options)
    assert np.array_equal(got, wanted)


@each_lane(ALL)
def test_out_takes_the_answer(name, case, lane):
    f = OPERATORS[name].function
    arrays = case.arrays(7)
    with refnorm.lane(lane):
        wanted = f(*arrays, **case.options)
        for out in (np.full_like(wanted, 7), scattered(np.full_like(wanted, 7)).copy(order="K")):
            assert f(*arrays, out=out, **case.options) is out
            assert np.array_equal(out, wanted)
        if wanted.shape == arrays[0].shape and "pool" not in name:
            x = arrays[0].copy()
            assert f(x, *arrays[1:], out=x, **case.options) is x
            assert np.array_equal(x, wanted)


@pytest.mark.parametrize(("name", "lane"), LANED)
def test_out_refuses_overlap_and_the_wrong_kind(name, lane):
    case = OPERATORS[name].cases[0]
    x, *rest = case.arrays(8)
    f = functools.partial(OPERATORS[name].function, **case.options)
    y = f(x, *rest)
    room = np.zeros(x.size + y.size, dtype=x.dtype)
    inside = room[: x.size].reshape(x.shape)
    inside[...] = x
    before = room.copy()
    frozen = np.zeros_like(y)
    frozen.flags.writeable = False
    with refnorm.lane(lane):
        for out, error in [
            (room[1 : 1 + y.size].reshape(y.shape), ValueError),
            (np.zeros(y.shape + (1,), y.dtype), ValueError),
            (y.astype("float64"), TypeError),
            (frozen, ValueError),
            (np.broadcast_to(np.zeros((), y.dtype), y.shape), ValueError),
            (y.tolist(), TypeError),
        ]:
            with pytest.raises(error, match="out"):
                f(inside, *rest, out=out)
    assert np.array_equal(room, before)


@each_lane(TWO)
def test_inputs_are_not_written(name, case, lane):
    arrays = case.arrays(9)
    before = [a if a is None else a.tobytes() for a in arrays]
    with refnorm.lane(lane):
        y = OPERATORS[name].function(*arrays, **case.options)
        if OPERATORS[name].gradient:
            OPERATORS[name].gradient(y, *arrays, **case.options)
    assert before == [a if a is None else a.tobytes() for a in arrays]


@each_lane(TWO)
def test_a_row_alone_is_the_row_in_a_batch(name, case, lane):
    arrays = case.arrays(10)
    if arrays[0].ndim == 1:
        pytest.skip("one row only")
    f = OPERATORS[name].function
    with refnorm.lane(lane):
        together = f(*arrays, **case.options)
        for i in range(len(together)):
            assert np.array_equal(f(arrays[0][i : i + 1], *arrays[1:], **case.options)[0], together[i])


# ---- special values ----

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 1e-45, 3e38]


@pytest.mark.parametrize("value", SPECIAL)
@each_lane(TWO)
def test_special_values(name, case, value, lane):
    """A NaN, an infinity, a denormal or a huge number in one place: what the formula in long double says."""
    arrays = case.arrays(11)
    places = [(0,) * arrays[0].ndim, tuple(n - 1 for n in arrays[0].shape)]
    for place in places:
        x = arrays[0].copy()
        x[place] = value
        given = [x, *arrays[1:]]
        with np.errstate(all="ignore"), refnorm.lane(lane):
            got = OPERATORS[name].function(*given, **case.options)
            wanted = oracles.ORACLES[name](*(a if a is None else a.astype(oracles.WIDE) for a in given), **case.options)
        assert np.array_equal(np.isnan(got), np.isnan(wanted)), (place, got, wanted)
        assert np.max(oracles.ulps(got, wanted.astype("float32").astype(oracles.WIDE))) <= 1


@pytest.mark.parametrize("value", [0.0, -np.inf, 3.5, 1e-45])
@each_lane(TWO)
def test_equal_elements(name, case, value, lane):
    arrays = case.arrays(12)
    given = [np.full_like(arrays[0], value), *arrays[1:]]
    with np.errstate(all="ignore"), refnorm.lane(lane):
        got = OPERATORS[name].function(*given, **case.options)
        wanted = oracles.ORACLES[name](*(a if a is None else a.astype(oracles.WIDE) for a in given), **case.options)
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    assert np.max(oracles.ulps(got, wanted)) <= 0.55


# ---- laws ----

LAWS = [(name, law) for name in OPERATORS for law in OPERATORS[name].laws]


def residual(law, f):
    """Return how far the two sides of a law are apart, against their size."""
    rng = np.random.default_rng(13)
    with np.errstate(all="ignore"):
        left, right = law.function(f, *(np.asarray(d(rng)) for d in law.draws))
    if left.shape != right.shape:
        return np.inf
    off = np.abs(left - right) / (1 + np.abs(right))
    return np.inf if np.isnan(off).any() else np.max(off)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(("name", "law"), LAWS, ids=lambda v: getattr(v, "name", v))
def test_laws_hold(name, law, lane):
    if (name, lane) not in LANED:
        pytest.skip("the operator has no kernel")
    with refnorm.lane(lane):
        assert residual(law, OPERATORS[name].function) <= 1e-13


@pytest.mark.parametrize(("name", "law"), LAWS, ids=lambda v: getattr(v, "name", v))
def test_laws_refuse_a_wrong_twin(name, law):
    """Every law is broken by one known mistake at least, or by one of three plain misconceptions."""
    twins = [m.function for m in OPERATORS[name].load_card().mistakes]
    f = OPERATORS[name].function
    twins += [
        lambda x, *a, **k: f(x, *a, **k) + x.flat[0],
        lambda x, *a, **k: f(x, *a, **k) ** 2,
        lambda x, *a, **k: np.cumsum(f(x, *a, **k), axis=-1),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert max(residual(law, twin) for twin in twins) > 1e-6


# ---- refusals ----


@pytest.mark.parametrize(("name", "lane"), LANED)
def test_refuses_what_is_no_data(name, lane):
    operator = OPERATORS[name]
    case = operator.cases[0]
    (x, *_), options = case.arrays(14), case.options
    with refnorm.lane(lane):
        gradient = [lambda bad, **k: operator.gradient(x, bad, **k)] if operator.gradient else []
        for f in (operator.function, *gradient):
            for bad, said in [
                (x.tolist(), "list"),
                (x.astype("int64"), "int64"),
                (x.astype("complex64"), "complex64"),
                (x.astype(bool), "bool"),
                (x > 0, "bool"),
                (3.0, "float"),
                (None, "None"),
                ("x", "str"),
                (np.ma.masked_array(x), "MaskedArray"),
            ]:
                with pytest.raises(TypeError, match=said):
                    f(bad, **options)


@pytest.mark.parametrize("name", NAMES)
def test_refuses_mixed_libraries(name, torch):
    operator = OPERATORS[name]
    case = operator.cases[0]
    x = case.arrays(15)[0]
    if operator.gradient:
        with pytest.raises(TypeError, match=r"numpy.*torch|torch.*numpy"):
            operator.gradient(torch.ones(2), x, **case.options)
    with pytest.raises(TypeError, match="out"):
        operator.function(torch.from_numpy(x), out=x, **case.options)


@pytest.mark.parametrize("name", GRADED)
def test_gradient_refuses_the_wrong_cotangent(name):
    operator = OPERATORS[name]
    case = operator.cases[0]
    x = case.arrays(16)[0]
    with pytest.raises(ValueError, match=r"cotangent must have shape"):
        operator.gradient(np.zeros((1, 2, 3), x.dtype), x, **case.options)


# ---- compute("native") ----


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@each(ALL)
def test_native_is_grade_b(name, case, dtype):
    arrays, wanted = exact(name, OPERATORS[name].cases.index(case), dtype)
    if not wanted.size:
        pytest.skip("nothing to measure")
    with refnorm.lane("formula"), refnorm.compute("native"):
        got = OPERATORS[name].function(*arrays, **case.options)
    n = max(2, arrays[0].size // max(1, wanted.size), arrays[0].shape[-1])
    allowed = 4 * (1 + np.log2(n)) * oracles.condition(oracles.ORACLES[name], arrays, case.options, dtype)
    assert (oracles.ulps(got, wanted) <= allowed).all()


# ---- torch and JAX as their users use them ----


def taken(name):
    """Return a case with all arrays given, in float64."""
    case = OPERATORS[name].cases[1]
    return case.arrays(17, "float64"), case.options


@pytest.mark.parametrize("name", GRADED)
def test_torch_autograd(name, torch):
    arrays, options = taken(name)
    given = [torch.from_numpy(a).requires_grad_() for a in arrays]
    f = functools.partial(OPERATORS[name].function, **options)
    assert torch.autograd.gradcheck(f, given)
    y = f(*given)
    cotangent = torch.randn(y.shape, dtype=y.dtype)
    wanted = torch.autograd.grad(y, given, cotangent)
    got = OPERATORS[name].gradient(cotangent, *(g.detach() for g in given), **options)
    for a, b in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", NAMES)
def test_torch_compile(name, backend, torch):
    arrays, options = taken(name)
    given = [torch.from_numpy(a.astype("float32")) for a in arrays]
    f = functools.partial(OPERATORS[name].function, **options)
    torch._dynamo.reset()
    got = torch.compile(f, fullgraph=True, backend=backend)(*given)
    with refnorm.lane("formula"):
        assert oracles.ulps(got.numpy(), f(*given).numpy().astype(oracles.WIDE)).max() <= 1


@pytest.mark.parametrize("name", GRADED)
def test_torch_func(name, torch):
    arrays, options = taken(name)
    x, *rest = [torch.from_numpy(a) for a in arrays]
    f = functools.partial(OPERATORS[name].function, **options)
    stacked = torch.stack([x, 2 * x])
    got = torch.func.vmap(lambda v: f(v, *rest))(stacked)
    assert torch.allclose(got, torch.stack([f(x, *rest), f(2 * x, *rest)]), rtol=1e-12, atol=1e-12)
    assert torch.allclose(
        torch.func.grad(lambda v: f(v, *rest).square().sum())(x), square_gradient(f, x, rest, name, options)
    )


def square_gradient(f, x, rest, name, options):
    g = OPERATORS[name].gradient(2 * f(x, *rest), x, *rest, **options)
    return g[0] if isinstance(g, tuple) else g


@pytest.mark.parametrize("name", GRADED)
def test_jax_transforms(name, jax):
    arrays, options = taken(name)
    f = functools.partial(OPERATORS[name].function, **options)
    with jax.enable_x64(True):
        x, *rest = [jax.numpy.asarray(a) for a in arrays]
        stacked = jax.numpy.stack([x, 2 * x])
        got = jax.jit(jax.vmap(lambda v: f(v, *rest)))(stacked)
        assert np.allclose(got[1], f(2 * x, *rest), rtol=1e-12, atol=1e-12)
        gradient = jax.jit(jax.grad(lambda v: (f(v, *rest) ** 2).sum()))(x)
        assert np.allclose(gradient, square_gradient(f, x, rest, name, options), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_jax_without_x64_stays_finite_and_close(name, jax):
    case = OPERATORS[name].cases[1]
    arrays, _wanted = exact(name, 1, "float32")
    for factor in (1.0, 1e25, 1e-25):
        x = jax.numpy.asarray(arrays[0] * np.float32(factor))
        with refnorm.lane("formula"):
            y = OPERATORS[name].function(x, **case.options)
        assert y.dtype == np.float32
        wide = oracles.ORACLES[name](np.asarray(x).astype(oracles.WIDE), **case.options)
        off = np.abs(np.asarray(y) - wide) / (np.max(np.abs(wide)))
        assert off.max() <= 1e-5


def test_nothing_is_imported_that_was_not_handed_in():
    import subprocess
    import sys

    code = (
        "import sys, numpy, refnorm; x = numpy.ones((2, 3), 'float32'); refnorm.norm.layer_norm(x); "
        "refnorm.prob.softmax(x); bad = {'torch', 'jax', 'cupy', 'dask', 'rich', 'scipy'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
