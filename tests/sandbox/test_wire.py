"""Frames carry any tensor there and back, and whatever is no frame is a WireError."""

import contextlib
import json
from typing import Any

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.limits import FRAME_HEADER_MAX_BYTES, FRAME_PAYLOAD_MAX_BYTES, TENSOR_MAX_DIMENSIONS
from grader.sandbox import wire
from grader.sandbox.wire import (
    DTYPES,
    MAGIC,
    PREFIX,
    Header,
    TensorSpec,
    WireError,
    pack,
    unpack_header,
    unpack_prefix,
    unpack_tensors,
)

ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


def unpack(frame: bytes) -> tuple[str, bytes, dict[str, wire.Array]]:
    """A whole frame, the way both ends read it."""
    header_length, payload_length = unpack_prefix(frame[: PREFIX.size])
    header = unpack_header(frame[PREFIX.size : PREFIX.size + header_length])
    payload = frame[PREFIX.size + header_length :]
    if len(payload) != payload_length:
        raise WireError("the test's own: cut")
    return header.nonce, bytes(header.body), unpack_tensors(header.tensors, payload)


@settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.text("0123456789abcdef", max_size=16), st.dictionaries(st.text(max_size=20), ARRAYS, max_size=4))
def test_what_is_packed_comes_back_bit_for_bit(nonce: str, tensors: dict[str, Any]) -> None:
    got_nonce, body, got = unpack(pack(nonce, {"ask": "it"}, tensors))

    assert nonce == got_nonce
    assert json.loads(body) == {"ask": "it"}
    assert list(tensors) == list(got)
    for name, array in tensors.items():
        assert (array.dtype, array.shape, array.tobytes()) == (got[name].dtype, got[name].shape, got[name].tobytes())
        assert got[name].flags.writeable
        assert got[name].flags.owndata
        assert got[name].flags.aligned


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,) * TENSOR_MAX_DIMENSIONS], ids=str)
def test_every_dtype_travels_in_every_kind_of_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)

    assert unpack(pack("", None, {"x": array}))[2]["x"].tobytes() == array.tobytes()
    assert unpack(pack("", None, {"x": array}))[2]["x"].shape == shape


def test_arrays_that_are_not_contiguous_travel_as_what_they_show() -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6).T[::-1, ::2]

    assert unpack(pack("", None, {"x": array}))[2]["x"].tolist() == array.tolist()


def test_special_floats_keep_their_bits() -> None:
    bits = np.array([0, 1 << 31, 0x7FC00001, 0xFFC12345, 0x7F800000, 1], np.uint32)

    assert unpack(pack("", None, {"x": bits.view(np.float32)}))[2]["x"].tobytes() == bits.tobytes()


@settings(max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=80), st.data())
def test_random_bytes_are_a_wire_error_or_a_frame(noise: bytes, data: st.DataObject) -> None:
    good = pack("nonce", {}, {"x": np.arange(5)})
    position = data.draw(st.integers(0, len(good)))
    frame = good[:position] + noise + good[position + data.draw(st.integers(0, 20)) :]
    if len(frame) < PREFIX.size:
        return
    with contextlib.suppress(WireError):
        unpack(frame)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        pytest.param((b"GRD0", 10, 0), "starts with b'GRD0', expected b'GRD1'", id="magic"),
        pytest.param((MAGIC, FRAME_HEADER_MAX_BYTES + 1, 0), "more than is allowed", id="header"),
        pytest.param((MAGIC, 0, FRAME_PAYLOAD_MAX_BYTES + 1), "more than is allowed", id="payload"),
        pytest.param((MAGIC, 2**32 - 1, 2**64 - 1), "more than is allowed", id="both"),
    ],
)
def test_a_prefix_that_promises_too_much_is_refused(prefix: tuple[bytes, int, int], message: str) -> None:
    with pytest.raises(WireError, match=message):
        unpack_prefix(PREFIX.pack(*prefix))


def header(**changes: Any) -> bytes:
    """A header's JSON with something changed."""
    spec = {"name": "x", "dtype": "int8", "shape": [1]}
    plain: dict[str, Any] = {"nonce": "0", "body": {}, "tensors": [spec | changes.pop("spec", {})]}
    return json.dumps(plain | changes).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not-utf-8"),
        pytest.param(b'{"nonce": "\xff", "body": 0}', id="nonce-not-utf-8"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no-fields"),
        pytest.param(b'{"nonce": "0", "body": ', id="cut"),
        pytest.param(b'{"nonce":"0","body":' + b"[" * 200_000, id="deep"),
        pytest.param(header(more=1), id="unknown-field"),
        pytest.param(header(nonce=7), id="nonce-is-a-number"),
        pytest.param(header(nonce="0" * 65), id="long-nonce"),
        pytest.param(header(tensors=[{}]), id="empty-spec"),
        pytest.param(header(tensors=[{"name": str(i), "dtype": "int8", "shape": []} for i in range(8193)]), id="many"),
        pytest.param(header(spec={"shape": [-1]}), id="negative-size"),
        pytest.param(header(spec={"shape": [1.5]}), id="fractional-size"),
        pytest.param(header(spec={"shape": [2**33]}), id="large-size"),
        pytest.param(header(spec={"shape": [10**40]}), id="huge-size"),
        pytest.param(header(spec={"shape": [1] * (TENSOR_MAX_DIMENSIONS + 1)}), id="dimensions"),
        pytest.param(header(spec={"name": "x" * 257}), id="long-name"),
        pytest.param(header(spec={"offset": 3}), id="unknown-spec-field"),
    ],
)
def test_a_header_that_breaks_the_format_is_refused(data: bytes) -> None:
    with pytest.raises(WireError, match="frame header: "):
        unpack_header(data)


@pytest.mark.parametrize(
    ("specs", "payload", "message"),
    [
        pytest.param([("x", "object", (1,))], bytes(8), "dtype 'object', expected one of float16", id="object"),
        pytest.param([("x", "complex64", (1,))], bytes(8), "dtype 'complex64'", id="complex"),
        pytest.param([("x", ">f8", (1,))], bytes(8), "dtype '>f8'", id="byte-order"),
        pytest.param([("x", "int8", (2,))], bytes(1), "runs past the payload", id="short"),
        pytest.param([("x", "int64", (2**32,) * 8)], bytes(8), "runs past the payload", id="enormous"),
        pytest.param([("x", "int8", (1,))], bytes(2), "1 bytes of payload belong to no tensor", id="long"),
        pytest.param([], bytes(1), "1 bytes of payload belong to no tensor", id="unclaimed"),
        pytest.param([("x", "int8", ()), ("x", "int8", ())], bytes(2), "'x' occurs twice", id="twice"),
        pytest.param([("x", "bool", (2,))], b"\x01\x02", "booleans other than 0 and 1", id="boolean"),
    ],
)
def test_tensors_that_do_not_account_for_the_payload_are_refused(
    specs: list[tuple[str, str, tuple[int, ...]]], payload: bytes, message: str
) -> None:
    with pytest.raises(WireError, match=message):
        unpack_tensors(tuple(TensorSpec(*spec) for spec in specs), payload)


@pytest.mark.parametrize("shape", [(0, 2**32, 2**32), (2**32, 0)], ids=str)
def test_an_empty_tensor_with_absurd_sizes_is_refused_or_empty(shape: tuple[int, ...]) -> None:
    try:
        tensors = unpack_tensors((TensorSpec("x", "int64", shape),), b"")
    except WireError:
        return

    assert tensors["x"].size == 0


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        pytest.param({"x": np.zeros(1, complex)}, "'x' has dtype complex128, expected one of", id="complex"),
        pytest.param({"x": np.zeros(1, ">f4")}, "'x' has dtype >f4", id="byte-order"),
        pytest.param({"x": np.zeros(FRAME_PAYLOAD_MAX_BYTES + 1, np.int8)}, "frame too large", id="payload"),
        pytest.param({str(i): np.zeros(0) for i in range(8193)}, "frame too large", id="tensors"),
        pytest.param({"x" * FRAME_HEADER_MAX_BYTES: np.zeros(0)}, "frame too large", id="header"),
    ],
)
def test_what_the_format_cannot_carry_is_not_packed(tensors: dict[str, Any], message: str) -> None:
    with pytest.raises(WireError, match=message):
        pack("", None, tensors)


def test_the_body_is_left_to_whoever_knows_its_type() -> None:
    decoded: Header = unpack_header(b'{"nonce": "n", "body": {"any": [1, "thing"]}}')

    assert bytes(decoded.body) == b'{"any": [1, "thing"]}'
    assert decoded.tensors == ()
