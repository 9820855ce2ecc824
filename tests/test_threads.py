"""One pool of threads: the same bits for any number, safe across fork and at exit."""

import gc
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from oracles import outputs

import refnorm
from refnorm import OPERATORS
from refnorm._lanes import load
from refnorm._threads import SPLIT_BYTES

pytestmark = pytest.mark.skipif(load("refnorm.norm.rms") is None, reason="no kernels are compiled here")


def large(name):
    """Return a call well above the size from which work is split, with an odd number of units."""
    rng = np.random.default_rng(0)
    arrays, options = OPERATORS[name].rows(rng.normal(size=(2049, 1100)), rng)
    return [a.astype("float32") if a.dtype.kind == "f" else a for a in arrays], options


@pytest.mark.parametrize("name", [name for name in OPERATORS if OPERATORS[name].kernel])
def test_bitwise_the_same_for_any_number_of_threads(name, monkeypatch):
    arrays, options = large(name)
    assert arrays[0].nbytes > SPLIT_BYTES
    answers = []
    for n in (1, 2, 3, 7):
        monkeypatch.setenv("REFNORM_NUM_THREADS", str(n))
        with refnorm.lane("kernel"):
            ys = outputs(OPERATORS[name].function(*arrays, **options))
            cotangent = tuple(y for y in ys if not isinstance(y, int)) if len(ys) > 1 else ys[0]
            g = OPERATORS[name].gradient(cotangent, *arrays, **options) if OPERATORS[name].gradient else ()
        answers.append([*ys, *outputs(g)])
    for other in answers[1:]:
        for a, b in zip(answers[0], other, strict=True):
            assert (a is None and b is None) or np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_work_is_really_shared(monkeypatch):
    import threading

    from refnorm import _threads

    monkeypatch.setenv("REFNORM_NUM_THREADS", "3")
    seen = []
    note = lambda lo, hi: seen.append((lo, hi, threading.current_thread().name))
    _threads.share(note, 10)
    assert sorted(s[:2] for s in seen) == [(0, 3), (3, 6), (6, 10)]  # each unit once, by one thread
    assert [name.startswith("refnorm") for lo, _, name in sorted(seen)] == [False, True, True]


def test_an_error_in_a_share_reaches_the_caller(monkeypatch):
    from refnorm import _threads

    monkeypatch.setenv("REFNORM_NUM_THREADS", "2")

    def broken(lo, hi):
        if lo:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _threads.share(broken, 10)


def test_many_callers_at_once(monkeypatch):
    monkeypatch.setenv("REFNORM_NUM_THREADS", "2")
    arrays, options = large("layer_norm")
    wanted = OPERATORS["layer_norm"].function(*arrays, **options)
    with ThreadPoolExecutor(8) as pool:
        for y in pool.map(lambda _: OPERATORS["layer_norm"].function(*arrays, **options), range(16)):
            assert y.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("name", [name for name in OPERATORS if OPERATORS[name].kernel])
def test_sixteen_threads_of_python(name):
    case = OPERATORS[name].cases[0]
    arrays = case.arrays(5)

    def call(_):
        with refnorm.lane("kernel"):  # a lane belongs to the thread that asks for it
            ys = outputs(OPERATORS[name].function(*arrays, **case.options))
        return [np.asarray(y).tobytes() for y in ys]

    wanted = call(0)
    with ThreadPoolExecutor(16) as pool:
        assert all(bits == wanted for bits in pool.map(call, range(320)))


CALLS = int(os.environ.get("REFNORM_TEST_CALLS", 1000))  # more of them by hand


@pytest.mark.parametrize("name", [name for name in OPERATORS if OPERATORS[name].kernel])
def test_memory_is_flat_over_many_calls(name):
    assert growth(name, CALLS) < 2**17


def growth(name, n):
    """Return by how many bytes Python's and NumPy's memory grows over `n` calls and gradients, after as many as fill
    caches. Kernels have none of their own; what the system says of this process hangs on what ran before."""
    case = OPERATORS[name].cases[0]
    arrays = case.arrays(5)
    before = 0
    tracemalloc.start()
    with refnorm.lane("kernel"):
        for i in range(n + 200):
            ys = outputs(OPERATORS[name].function(*arrays, **case.options))
            if OPERATORS[name].gradient:
                ys = tuple(y for y in ys if not isinstance(y, int))  # a count has no cotangent
                OPERATORS[name].gradient(ys if len(ys) > 1 else ys[0], *arrays, **case.options)
            if i == 200:
                before = traced()
    after = traced()
    tracemalloc.stop()
    return after - before


def traced():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_a_leak_is_found_out(monkeypatch):
    kept = []
    monkeypatch.setattr(OPERATORS["rms_norm"], "function", lambda x, **_: kept.append(np.ones(2**12)) or x)
    monkeypatch.setattr(OPERATORS["rms_norm"], "gradient", None)
    assert growth("rms_norm", CALLS) > 2**17


CODE = """
import os, sys, numpy as np, refnorm
x = np.random.default_rng(0).normal(size=(2048, 1024)).astype("float32")
wanted = refnorm.norm.layer_norm(x)
{}
"""
FORK = """
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(refnorm.norm.layer_norm(x), wanted) else 7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("done")
"""
FORK_FIRST = """
first = os.getpid()
for _ in range(3):  # a child of a child, each after use
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        break
    assert np.array_equal(refnorm.norm.layer_norm(x), wanted)
if os.getpid() == first:
    print("done", flush=True)
os._exit(0)
"""
FORK_IN_USE = """
import threading
stop = threading.Event()
def busy():
    while not stop.is_set():
        refnorm.norm.layer_norm(x)
callers = [threading.Thread(target=busy) for _ in range(3)]
for t in callers: t.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(refnorm.norm.layer_norm(x), wanted) else 7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
for t in callers: t.join()
print("done")
"""
STARTED = """
import multiprocessing
with multiprocessing.get_context({!r}).Pool(2) as pool:  # the child imports refnorm anew
    for y in pool.map(refnorm.norm.layer_norm, [x, x, x]):
        assert np.array_equal(y, wanted)
print("done")
"""
MID_CALL = """
import threading, time
def busy():
    while True:
        refnorm.norm.layer_norm(x)
for _ in range(3): threading.Thread(target=busy, daemon=True).start()
time.sleep(0.3)
print("done", flush=True)
"""
INTERRUPTED = """
import signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started without
big = np.ones((65536, 1024), "float32")
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True:
        refnorm.norm.layer_norm(big)
except KeyboardInterrupt:
    pass
assert np.array_equal(refnorm.norm.layer_norm(x), wanted)  # the pool is none the worse
print("done")
"""
AT_EXIT = """
import atexit, threading
def late():
    assert np.array_equal(refnorm.norm.layer_norm(x), wanted)
    print("done")
threading._register_atexit(late) if {early} else atexit.register(late)
"""
WORKER = """
from refnorm import _threads
inner = _threads._the_pool().submit(refnorm.norm.layer_norm, x)
assert np.array_equal(inner.result(timeout=30), wanted)
print("done")
"""


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(FORK, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")),
        pytest.param(FORK_FIRST, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")),
        pytest.param(FORK_IN_USE, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")),
        STARTED.format("spawn"),
        pytest.param(STARTED.format("forkserver"), marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")),
        AT_EXIT.format(early=False),
        AT_EXIT.format(early=True),
        MID_CALL,
        pytest.param(INTERRUPTED, marks=pytest.mark.skipif(os.name == "nt", reason="no signals as meant here")),
        WORKER,
    ],
    ids=[
        "fork",
        "fork of a fork",
        "fork in use",
        "spawn",
        "forkserver",
        "exit",
        "shutdown",
        "exit in mid-call",
        "interrupt",
        "from a worker",
    ],
)
def test_nothing_hangs(tail):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE.format(tail)],
        env={**os.environ, "REFNORM_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "done", done.stderr
