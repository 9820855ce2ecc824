"""What crosses to the candidate's process: values come back as they were, anything else is refused."""

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from refnorm.checker import wire

plain = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=9)
numbers = arrays.arrays(
    st.sampled_from(["float16", "float32", "float64", "int8", "int64", "uint16", "bool"]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
values = st.recursive(
    plain | numbers,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def there_and_back(value):
    file = io.BytesIO()
    wire.send(file, value)
    file.seek(0)
    return wire.receive(file)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(values)
@settings(max_examples=200, deadline=None)
def test_values_come_back_as_they_were(value):
    assert same(value, there_and_back(value))


def test_the_comparison_sees_a_difference():
    assert not same((1, 2.0), there_and_back([1, 2.0]))
    assert not same(np.zeros(2), there_and_back(np.zeros(2, "float32")))


def test_half_types_infinities_and_strides_come_back():
    bfloat16 = wire.dtype_of("bfloat16")
    for array in (np.arange(6.0)[::-2], np.arange(4).astype(bfloat16), np.array(np.inf), np.zeros((0, 3))):
        assert same(np.ascontiguousarray(array).reshape(array.shape), there_and_back(array))
    assert np.isnan(there_and_back(float("nan")))


def test_what_is_no_value_is_not_sent():
    for value in ({1, 2}, object(), 1j):
        with pytest.raises(TypeError, match="cannot send"):
            wire.send(io.BytesIO(), value)


@pytest.mark.parametrize("name", ["object", "complex64", "S8", "datetime64[s]"])
def test_only_numbers_are_taken(name):
    with pytest.raises(ValueError, match="expected numbers"):
        wire.dtype_of(name)


@pytest.mark.parametrize(
    "body",
    [{"array": 0}, {"array": -1}, {"float": "1"}, {"tuple": 3}, {"dict": []}, {"a": 1, "b": 2}, {"strange": 1}, {}],
)
def test_a_malformed_value_is_refused(body):
    with pytest.raises(ValueError, match="as it was written"):
        wire.decode(body, [])


def test_a_frame_that_is_too_large_or_too_short_is_refused():
    header = json.dumps({"body": None, "arrays": [{"dtype": "float64", "shape": [2**40]}]}).encode()
    with pytest.raises(ValueError, match="too large"):
        wire.receive(io.BytesIO(struct.pack("<Q", len(header)) + header))
    with pytest.raises(ValueError, match="too long"):
        wire.receive(io.BytesIO(struct.pack("<Q", 2**60)))
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(b"\0\0"))
