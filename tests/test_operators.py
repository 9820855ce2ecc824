"""What every operator owes, read from the registry: one test for each promise, none for each operator."""

import functools
import inspect
import itertools
import warnings

import libraries
import numpy as np
import oracles
import pytest
from known_gaps import GAPS
from oracles import outputs
from sampled import one_of_each_module

import refnorm
from refnorm import OPERATORS
from refnorm._lanes import cpu_level

LANES = ("formula", "kernel")
# The largest error promised for half types and float32; float64 is measured in units of its condition.
BOUND = {"softmax": 0.55, "log_softmax": 0.55}

NAMES = list(OPERATORS)
GRADED = [name for name in NAMES if OPERATORS[name].gradient]
LANED = [(name, lane) for name in NAMES for lane in (LANES if OPERATORS[name].kernel else LANES[:1])]
ALL = [(name, case) for name in OPERATORS for case in OPERATORS[name].cases]
TWO = [(name, case) for name in OPERATORS for case in OPERATORS[name].cases[:2]]
WRITING = [name for name in NAMES if "out" in inspect.signature(OPERATORS[name].function).parameters]


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


def writing(pairs):
    return [(name, case) for name, case in pairs if name in WRITING]


def called(name, arrays, options):
    """Return the outputs of a call as a list."""
    return outputs(OPERATORS[name].function(*arrays, **options))


def alike(x):
    """Return a tuple of one for each gradient or cotangent: operators with one array give it bare."""
    return x if isinstance(x, tuple) else (x,)


def pulled_back(name, ys):
    """Return outputs as the cotangent that a gradient takes: a tuple where there are several, without counts."""
    floats = tuple(y for y in ys if not isinstance(y, int))
    return floats if len(ys) > 1 else floats[0]


def random_cotangent(name, ys, rng, dtype="float64"):
    drawn = [rng.normal(size=y.shape).astype(dtype) if oracles.is_float(y) else y for y in ys]
    return pulled_back(name, drawn)


@functools.cache
def exact(name, index, dtype):
    """Return a case's arrays and the oracle's outputs in long double, computed once."""
    case = OPERATORS[name].cases[index]
    arrays = case.arrays(1, libraries.DTYPES[dtype])
    return arrays, oracles.exact(name, arrays, case.options)


def check_accuracy(name, case, dtype, got, lane):
    arrays, wanted = exact(name, OPERATORS[name].cases.index(case), dtype)
    assert len(got) == len(wanted)
    for y, w in zip(got, wanted, strict=True):
        if not oracles.is_float(y):  # a count, or which sites count
            assert np.array_equal(y, w)
            continue
        assert y.shape == w.shape
        assert y.dtype == libraries.DTYPES[dtype]
    units = None
    for i, off in enumerate(oracles.errors(name, got, wanted)):
        allowed = 2 if dtype == "float64" else BOUND.get(name, 0.51)
        if (off > allowed).any() and oracles.decomposes(name):
            allowed = oracles.promised(name, arrays, case.options, dtype)[i]
        elif (off > allowed).any() and dtype == "float64":  # only then its condition has to be measured
            units = units or oracles.condition(name, arrays, case.options, dtype)
            allowed = allowed * units[i]
        assert (off <= allowed).all(), f"{lane}: {np.max(off):.3f} ulp, allowed {np.min(allowed)}"


# ---- values ----


@pytest.mark.parametrize("dtype", libraries.DTYPES)
@each_lane(ALL)
def test_numpy_is_exact(name, case, dtype, lane):
    arrays, _ = exact(name, OPERATORS[name].cases.index(case), dtype)
    with refnorm.lane(lane):
        got = called(name, arrays, case.options)
    check_accuracy(name, case, dtype, got, lane)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each(ALL)
def test_strict_is_exact(name, case, dtype):
    agrees_on("strict", name, case, dtype)


@pytest.mark.parametrize("lib", ["numpy", "torch"], indirect=True)
@each(TWO)
def test_numpy_and_torch_are_exact(lib, name, case):
    agrees_on(lib.name, name, case, "float32")


@pytest.mark.parametrize("name", one_of_each_module())
def test_jax_is_exact(name, jax):
    """One case of each operator, compiled as a whole: step by step JAX takes seconds for every shape."""
    agrees_on("jax", name, OPERATORS[name].cases[1], "float32", compiled=jax.jit)


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


def agrees_on(library, name, case, dtype, compiled=None):
    """The answer is exact, of the caller's library, and so is the gradient's kind and shape; on every lane.

    Formulas may be compiled; kernels take concrete arrays.
    """
    lib = libraries.library(library)
    arrays, wanted = exact(name, OPERATORS[name].cases.index(case), dtype)
    operator = OPERATORS[name]
    for lane in LANES if library in ("torch", "jax") and operator.kernel and cpu_level() else LANES[:1]:
        with lib.opened(), refnorm.lane(lane):
            given, how = lib.arrays(arrays), compiled if lane == "formula" and compiled else lambda f: f
            ys = how(lambda *a: called(name, a, case.options))(*given)
            ys = [int(y) if isinstance(w, int) else y for y, w in zip(ys, wanted, strict=True)]
            cotangent, pull = pulled_back(name, ys), operator.gradient
            gradients = how(functools.partial(pull, **case.options))(cotangent, *given) if pull else ()
        assert all(isinstance(y, lib.kind | int) for y in ys)
        answers = [y if isinstance(y, int) else lib.give(y) for y in ys]
        check_accuracy(name, case, dtype, answers, f"{library}, {lane}")
        if not operator.gradient:
            continue
        for g, a, values in itertools.zip_longest(alike(gradients), given, arrays):
            assert (g is None) == (not oracles.is_float(values))
            if g is not None:
                assert isinstance(g, lib.kind)
                assert (g.shape, g.dtype) == (a.shape, a.dtype)


def test_a_wrong_operator_is_refused():
    """The yardstick of this file has teeth: one part in a million is too much in float32."""
    name, case = "rms_norm", OPERATORS["rms_norm"].cases[0]
    arrays, _ = exact(name, 0, "float32")
    (y,) = called(name, arrays, case.options)
    with pytest.raises(AssertionError):
        check_accuracy(name, case, "float32", [y * np.float32(1.000001)], "formula")


# ---- lanes and libraries give the same bits ----

HARD = {
    "normal": lambda rng, s: rng.normal(size=s),
    "mean 1e4": lambda rng, s: rng.normal(1e4, 1, s),
    "mean 1e6": lambda rng, s: rng.normal(1e6, 1, s),
}


@pytest.mark.parametrize("data", HARD)
@pytest.mark.parametrize("name", one_of_each_module())
def test_lanes_and_libraries_agree_bit_for_bit(name, data):
    rng = np.random.default_rng(3)
    arrays, options = OPERATORS[name].rows(HARD[data](rng, (128, 1024)), rng)
    arrays = [a.astype("float32") if oracles.is_float(a) else a for a in arrays]
    with refnorm.lane("formula"):
        wanted = called(name, arrays, options)
    others = {}
    if OPERATORS[name].kernel and cpu_level():
        with refnorm.lane("kernel"):
            others["kernel"] = called(name, arrays, options)
    for library in ("torch", "jax"):
        if libraries.present(library):
            lib = libraries.library(library)
            with lib.opened(), refnorm.lane("formula"):
                ys = called(name, lib.arrays(arrays), options)
            others[library] = [y if isinstance(y, int) else lib.give(y) for y in ys]
    if not others:
        pytest.skip("neither kernels nor another library to compare with")
    floor = 0.99 if data == "mean 1e6" else 0.9999
    own = int(oracles.decomposes(name))  # each library has a LAPACK of its own: of nine numbers one may differ
    shares = {
        who: [np.mean(y == w) + own / np.size(w) for y, w in zip(ys, wanted, strict=True)] for who, ys in others.items()
    }
    assert min(min(share) for share in shares.values()) >= floor, shares


# ---- gradients ----


def directional(name, arrays, options, cotangent, directions):
    """Return <cotangent, J v> by central differences in long double."""
    h = oracles.WIDE(1e-7)
    wide = oracles.widened(arrays)
    ahead = [a if v is None else a + h * v for a, v in zip(wide, directions, strict=True)]
    behind = [a if v is None else a - h * v for a, v in zip(wide, directions, strict=True)]
    sides = zip(oracles.exact(name, ahead, options), oracles.exact(name, behind, options), strict=True)
    slopes = [(a - b) / (2 * h) for a, b in sides if not isinstance(a, int)]
    return sum((s * g).sum() for s, g in zip(slopes, alike(cotangent), strict=True))


def along(gradients, directions):
    pairs = itertools.zip_longest(alike(gradients), directions)
    return sum((g.astype(oracles.WIDE) * v).sum() for g, v in pairs if g is not None)


@each_lane(graded(ALL))
def test_gradients_match_differences(name, case, lane):
    operator = OPERATORS[name]
    arrays = case.arrays(2, "float64")
    rng = np.random.default_rng(5)
    cotangent = random_cotangent(name, oracles.exact(name, arrays, case.options), rng)
    directions = [rng.normal(size=a.shape) if oracles.is_float(a) else None for a in arrays]
    wanted = directional(name, arrays, case.options, cotangent, directions)
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
    rng = np.random.default_rng(5)
    cotangent = random_cotangent(name, called(name, arrays, case.options), rng, libraries.DTYPES[dtype])
    both = []
    for lane in LANES:
        with refnorm.lane(lane):
            both.append(alike(operator.gradient(cotangent, *arrays, **case.options)))
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
    if a is None or a.ndim == 0:  # one number has no strides
        return a
    room = np.zeros(tuple(2 * n for n in a.shape[::-1]), dtype=a.dtype)
    view = room[tuple(slice(None, None, 2) for _ in a.shape)].transpose()[tuple(slice(None, None, -1) for _ in a.shape)]
    view[...] = a
    view.flags.writeable = False
    return view


@each_lane(ALL)
def test_strides_do_not_matter(name, case, lane):
    arrays = case.arrays(6)
    with refnorm.lane(lane):
        wanted = called(name, arrays, case.options)
        got = called(name, map(scattered, arrays), case.options)
    assert all(np.array_equal(y, w) for y, w in zip(got, wanted, strict=True))


@each_lane(writing(ALL))
def test_out_takes_the_answer(name, case, lane):
    arrays = case.arrays(7)
    with refnorm.lane(lane):
        wanted, *others = called(name, arrays, case.options)
        for out in (np.full_like(wanted, 7), scattered(np.full_like(wanted, 7)).copy(order="K")):
            got, *more = called(name, arrays, {**case.options, "out": out})
            assert got is out
            assert np.array_equal(out, wanted)
            assert all(np.array_equal(a, b) for a, b in zip(more, others, strict=True))
        if wanted.shape == arrays[0].shape and "pool" not in name:
            x = arrays[0].copy()
            assert called(name, [x, *arrays[1:]], {**case.options, "out": x})[0] is x
            assert np.array_equal(x, wanted)


@pytest.mark.parametrize(("name", "lane"), [pair for pair in LANED if pair[0] in WRITING])
def test_out_refuses_overlap_and_the_wrong_kind(name, lane):
    case = OPERATORS[name].cases[0]
    x, *rest = case.arrays(8)
    f = functools.partial(OPERATORS[name].function, **case.options)
    y = outputs(f(x, *rest))[0]
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
        ys = called(name, arrays, case.options)
        if OPERATORS[name].gradient:
            OPERATORS[name].gradient(pulled_back(name, ys), *arrays, **case.options)
    assert before == [a if a is None else a.tobytes() for a in arrays]


@each_lane(TWO)
def test_a_row_alone_is_the_row_in_a_batch(name, case, lane):
    arrays = case.arrays(10)
    if not is_rowwise(name, arrays, case.options):
        pytest.skip("one row only, or rows that depend on one another")
    with refnorm.lane(lane):
        (together,) = called(name, arrays, case.options)
        for i in range(len(together)):
            (alone,) = called(name, row(arrays, i), case.options)
            assert np.array_equal(alone[0], together[i])


def row(arrays, i):
    """Return the arrays with one row of the first, and of any other of its shape: a gate has a row for each."""
    shape = arrays[0].shape
    return [a[i : i + 1] if getattr(a, "shape", None) == shape else a for a in arrays]


def is_rowwise(name, arrays, options):
    """Return whether the oracle itself gives the last row the same answer alone."""
    wanted, *others = oracles.exact(name, arrays, options)
    if others or arrays[0].ndim == 1 or wanted.shape[:1] != arrays[0].shape[:1]:
        return False
    last = row(arrays, len(arrays[0]) - 1)
    if any(a is not None and a.ndim > 2 and a.shape[:1] == arrays[0].shape[:1] for a in last[1:]):
        return False  # a mask, say, of the samples: cut without it, x fits no longer
    (alone,) = oracles.exact(name, last, options)
    return alone.shape[1:] == wanted.shape[1:] and np.allclose(alone[0], wanted[-1], rtol=1e-12)


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
            got = called(name, given, case.options)
            wanted = oracles.exact(name, given, case.options)
            check_special(name, given, case.options, got, wanted, 1, in_float32)


def in_float32(w):
    return w.astype("float32").astype(oracles.WIDE)


def check_special(name, arrays, options, got, wanted, allowed, rounded=lambda w: w):
    """The same places are NaN, and the others as far off as is allowed, or as is promised of a decomposition."""
    whole = oracles.decomposes(name)
    for y, w in zip(got, wanted, strict=True):
        if oracles.is_float(y):
            assert np.array_equal(np.isnan(y), np.isnan(w)), (y, w)
            if not whole:
                assert np.max(oracles.ulps(y, rounded(w))) <= allowed
    if whole and all(np.isfinite(w).all() for w in oracles.widened(w.astype("float32") for w in wanted)):
        promised = oracles.promised(name, arrays, options, "float32")
        assert all((off <= p).all() for off, p in zip(oracles.errors(name, got, wanted), promised, strict=True))


@pytest.mark.parametrize("value", [0.0, -np.inf, 3.5, 1e-45])
@each_lane(TWO)
def test_equal_elements(name, case, value, lane):
    arrays = case.arrays(12)
    given = [np.full_like(arrays[0], value), *arrays[1:]]
    with np.errstate(all="ignore"), refnorm.lane(lane):
        got = called(name, given, case.options)
        wanted = oracles.exact(name, given, case.options)
        check_special(name, given, case.options, got, wanted, 0.55)


# ---- laws ----

LAWS = [(name, law) for name in OPERATORS for law in OPERATORS[name].laws]


def residual(law, f):
    """Return how far the two sides of a law are apart, against their size."""
    rng = np.random.default_rng(13)
    with np.errstate(all="ignore"):
        left, right = law.function(f, *(np.asarray(d(rng)) for d in law.draws))
    left, right = np.asarray(left), np.asarray(right)
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

    def changed(change):
        def twin(x, *arrays, **options):
            ys = [y if isinstance(y, int) else change(x, y) for y in outputs(f(x, *arrays, **options))]
            return tuple(ys) if len(ys) > 1 else ys[0]

        return twin

    twins += [
        changed(lambda x, y: y + x.flat[0]),
        changed(lambda x, y: y**2),
        changed(lambda x, y: np.cumsum(y, axis=-1)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert max(residual(law, twin) for twin in twins) > 1e-6


# ---- refusals ----


@pytest.mark.parametrize(("name", "lane"), LANED)
def test_refuses_what_is_no_data(name, lane):
    operator = OPERATORS[name]
    case = operator.cases[0]
    (x, *rest), options = case.arrays(14), case.options
    cotangent = pulled_back(name, called(name, [x, *rest], options))
    with refnorm.lane(lane):
        gradient = [lambda bad, *r, **k: operator.gradient(cotangent, bad, *r, **k)] if operator.gradient else []
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
                    f(bad, *rest, **options)


@pytest.mark.parametrize("name", NAMES)
def test_refuses_mixed_libraries(name, torch):
    operator = OPERATORS[name]
    case = operator.cases[0]
    arrays = case.arrays(15)
    if operator.gradient:
        ys = called(name, arrays, case.options)
        cotangent = pulled_back(name, [y if isinstance(y, int) else torch.ones(2) for y in ys])
        with pytest.raises(TypeError, match=r"numpy.*torch|torch.*numpy"):
            operator.gradient(cotangent, *arrays, **case.options)
    if name in WRITING:
        with pytest.raises(TypeError, match="out"):
            operator.function(*map(torch.from_numpy, arrays), out=arrays[0], **case.options)


@pytest.mark.parametrize("name", GRADED)
def test_gradient_refuses_the_wrong_cotangent(name):
    operator = OPERATORS[name]
    case = operator.cases[0]
    arrays = case.arrays(16)
    ys = called(name, arrays, case.options)
    wrong = [y if isinstance(y, int) else np.zeros((1, 2, 3), arrays[0].dtype) for y in ys]
    with pytest.raises(ValueError, match=r"cotangent.* must have shape"):
        operator.gradient(pulled_back(name, wrong), *arrays, **case.options)


# ---- compute("native") ----


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@each(ALL)
def test_native_is_grade_b(name, case, dtype):
    arrays, wanted = exact(name, OPERATORS[name].cases.index(case), dtype)
    with refnorm.lane("formula"), refnorm.compute("native"):
        got = called(name, arrays, case.options)
    units = None
    for i, off in enumerate(oracles.errors(name, got, wanted)):
        n = max(2, arrays[0].size // max(1, np.size(off)), arrays[0].shape[-1])
        allowed = 4 * (1 + np.log2(n))
        if (off > allowed).any():  # only then its condition has to be measured
            units = units or oracles.condition(name, arrays, case.options, dtype)
            assert (off <= allowed * units[i]).all()


# ---- torch and JAX as their users use them ----


def taken(name):
    """Return a function of the floating arrays of a case with all arrays given, and those, in float64."""
    case = OPERATORS[name].cases[1]
    arrays = case.arrays(17, "float64")
    return arrays, case.options


def of_floats(f, arrays):
    """Return `f` of the floating arrays alone, the others held fast; it returns its array outputs."""

    def held(*floats):
        left = iter(floats)
        given = [next(left) if oracles.is_float(a) else as_like(a, floats[0]) for a in arrays]
        ys = outputs(f(*given))
        return tuple(y for y in ys if not isinstance(y, int)) if len(ys) > 1 else ys[0]

    return held


def as_like(a, like):
    """Return indices (or None) in the library of `like`; a JAX tracer takes NumPy's as they are."""
    if a is None or not type(like).__module__.startswith("torch"):
        return a if a is None or type(like).__module__.startswith("numpy") else libraries.library("jax").take(a)
    return libraries.library("torch").take(a)


@pytest.mark.parametrize("name", GRADED)
def test_torch_autograd(name, torch):
    arrays, options = taken(name)
    given = [torch.from_numpy(a).requires_grad_() for a in arrays if oracles.is_float(a)]
    f = of_floats(functools.partial(OPERATORS[name].function, **options), arrays)
    assert torch.autograd.gradcheck(f, given)
    ys = f(*given)
    cotangents = [torch.randn(y.shape, dtype=y.dtype) for y in alike(ys)]
    wanted = torch.autograd.grad(alike(ys), given, cotangents)
    with torch.no_grad():
        got = gradient_of_floats(name, arrays, options, tuple(cotangents) if isinstance(ys, tuple) else cotangents[0])(
            *given
        )
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def gradient_of_floats(name, arrays, options, cotangent):
    """Return the gradient for the floating arrays alone, as a tuple."""

    def pull(*floats):
        left = iter(floats)
        given = [next(left) if oracles.is_float(a) else as_like(a, floats[0]) for a in arrays]
        got = alike(OPERATORS[name].gradient(cotangent, *given, **options))
        return tuple(g for g in got if g is not None)

    return pull


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", one_of_each_module())
def test_torch_compile(name, backend, torch):
    arrays, options = taken(name)
    given = [torch.from_numpy(a.astype("float32") if oracles.is_float(a) else a) for a in arrays]
    f = functools.partial(OPERATORS[name].function, **options)
    torch._dynamo.reset()
    got = outputs(torch.compile(f, fullgraph=True, backend=backend)(*given))
    with refnorm.lane("formula"):
        for y, w in zip(got, outputs(f(*given)), strict=True):
            if isinstance(w, int):
                assert y == w
            else:
                assert oracles.ulps(y.numpy(), w.numpy().astype(oracles.WIDE)).max() <= 1


@pytest.mark.parametrize("name", GRADED)
def test_torch_func(name, torch):
    arrays, options = taken(name)
    x, *rest = [torch.from_numpy(a) for a in arrays if oracles.is_float(a)]
    f = of_floats(functools.partial(OPERATORS[name].function, **options), arrays)
    stacked = torch.stack([x, 2 * x])
    got = torch.func.vmap(lambda v: f(v, *rest))(stacked)
    for both, one, two in zip(alike(got), alike(f(x, *rest)), alike(f(2 * x, *rest)), strict=True):
        assert torch.allclose(both, torch.stack([one, two]), rtol=1e-12, atol=1e-12)
    square = lambda v: sum(y.square().sum() for y in alike(f(v, *rest)))
    assert torch.allclose(torch.func.grad(square)(x), square_gradient(f, x, rest, name, arrays, options))


def square_gradient(f, x, rest, name, arrays, options):
    ys = f(x, *rest)
    cotangent = tuple(2 * y for y in ys) if isinstance(ys, tuple) else 2 * ys
    return gradient_of_floats(name, arrays, options, cotangent)(x, *rest)[0]


@pytest.mark.parametrize("name", one_of_each_module(GRADED))
def test_jax_transforms(name, jax):
    arrays, options = taken(name)
    f = of_floats(functools.partial(OPERATORS[name].function, **options), arrays)
    with jax.enable_x64(True):
        x, *rest = [jax.numpy.asarray(a) for a in arrays if oracles.is_float(a)]
        stacked = jax.numpy.stack([x, 2 * x])
        got = jax.jit(jax.vmap(lambda v: f(v, *rest)))(stacked)
        for both, two in zip(alike(got), alike(jax.jit(f)(2 * x, *rest)), strict=True):
            assert np.allclose(both[1], two, rtol=1e-12, atol=1e-12)
        gradient = jax.jit(jax.grad(lambda v: sum((y**2).sum() for y in alike(f(v, *rest)))))(x)
        wanted = jax.jit(lambda v, *others: square_gradient(f, v, others, name, arrays, options))(x, *rest)
        assert np.allclose(gradient, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", one_of_each_module())
def test_jax_without_x64_stays_finite_and_close(name, jax):
    case = OPERATORS[name].cases[1]
    arrays, _wanted = exact(name, 1, "float32")
    compiled = jax.jit(lambda *a: called(name, a, case.options))
    for factor in (1.0, 1e25, 1e-25):
        scaled = [arrays[0] * np.float32(factor), *arrays[1:]]
        with refnorm.lane("formula"):
            got = compiled(*libraries.library("jax").arrays(scaled))
        wanted = oracles.exact(name, scaled, case.options)
        assert all(y.dtype == np.float32 for y, w in zip(got, wanted, strict=True) if oracles.is_float(w))
        got = [np.asarray(y) for y in got]
        if oracles.decomposes(name):
            got = oracles.widened(got)
        for y, w in zip(oracles.judged(name, got), oracles.judged(name, wanted), strict=True):
            if not oracles.is_float(w):
                continue
            largest = np.max(np.abs(w))
            if largest < np.finfo(np.float32).max:  # a variance of 1e50 has no place in the type
                least = np.finfo(np.float32).smallest_normal  # nor has one of 1e-50
                assert np.max(np.abs(np.asarray(y) - w)) <= 1e-5 * largest + least


def test_nothing_is_imported_that_was_not_handed_in():
    import subprocess
    import sys

    code = (
        "import sys, numpy, refnorm; x = numpy.ones((2, 3), 'float32'); refnorm.norm.layer_norm(x); "
        "refnorm.prob.softmax(x); bad = {'torch', 'jax', 'cupy', 'dask', 'rich', 'scipy'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
