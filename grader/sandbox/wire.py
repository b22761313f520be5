"""Frames between the grader and a worker: a small JSON header and raw tensor bytes, never pickle.

Layout, little endian::

    4 bytes  magic "GRD1"
    4 bytes  length of the header
    8 bytes  length of the payload
    header   JSON: {"nonce": ..., "body": ..., "tensors": [{"name", "dtype", "shape"}, ...]}
    payload  the tensors' bytes in that order, C-contiguous, without padding

The reader trusts nothing: lengths are capped before anything is allocated, and shapes and dtypes must
account for the payload to the byte.
"""

import math
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from grader.limits import FRAME_HEADER_MAX_BYTES, FRAME_MAX_TENSORS, FRAME_PAYLOAD_MAX_BYTES, TENSOR_MAX_DIMENSIONS

Array = NDArray[Any]
Buffer = bytes | bytearray
Tensors = Mapping[str, Array]

PREFIX: Final = struct.Struct("<4sIQ")
MAGIC: Final = b"GRD1"

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    name: np.dtype(name) for name in ("float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool")
}
_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}  # numpy makes a dtype's name anew at each call


class WireError(Exception):
    """A frame that does not keep the format."""


class TensorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How the bytes of one tensor are to be read."""

    name: Annotated[str, Meta(max_length=256)]
    dtype: str
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=1 << 32)], ...], Meta(max_length=TENSOR_MAX_DIMENSIONS)]


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What a frame says of itself. ``body`` is decoded where its type is known."""

    nonce: Annotated[str, Meta(max_length=64)]
    body: msgspec.Raw
    tensors: Annotated[tuple[TensorSpec, ...], Meta(max_length=FRAME_MAX_TENSORS)] = ()


_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(Header)


def pack(nonce: str, body: object, tensors: Tensors) -> bytes:
    """One frame. Raises ``WireError`` for a tensor that the format cannot carry."""
    specs: list[TensorSpec] = []
    chunks: list[bytes] = []
    for name, array in tensors.items():
        dtype = _NAMES.get(array.dtype)
        if dtype is None:
            raise WireError(f"tensor {name!r} has dtype {array.dtype}, expected one of {', '.join(DTYPES)}")
        specs.append(TensorSpec(name, dtype, array.shape))
        chunks.append(array.tobytes())
    header = _encoder.encode(Header(nonce, msgspec.Raw(_encoder.encode(body)), tuple(specs)))
    payload = b"".join(chunks)
    if len(header) > FRAME_HEADER_MAX_BYTES or len(payload) > FRAME_PAYLOAD_MAX_BYTES or len(specs) > FRAME_MAX_TENSORS:
        raise WireError(
            f"frame too large: header {len(header)}, payload {len(payload)} bytes, {len(specs)} tensors; "
            f"at most {FRAME_HEADER_MAX_BYTES}, {FRAME_PAYLOAD_MAX_BYTES} and {FRAME_MAX_TENSORS}"
        )
    return PREFIX.pack(MAGIC, len(header), len(payload)) + header + payload


def unpack_prefix(data: Buffer) -> tuple[int, int]:
    """Lengths of header and payload, within the caps."""
    magic, header_length, payload_length = PREFIX.unpack(data)
    if magic != MAGIC:
        raise WireError(f"frame starts with {magic!r}, expected {MAGIC!r}")
    if header_length > FRAME_HEADER_MAX_BYTES or payload_length > FRAME_PAYLOAD_MAX_BYTES:
        raise WireError(f"frame announces {header_length} + {payload_length} bytes, more than is allowed")
    return header_length, payload_length


def unpack_header(data: Buffer) -> Header:
    """The header. Raises ``WireError`` when it is not what the format says."""
    try:
        return _header_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"frame header: {error}") from None


def unpack_tensors(specs: tuple[TensorSpec, ...], payload: Buffer) -> dict[str, Array]:
    """The tensors, each a fresh array of its own (aligned, writable)."""
    tensors: dict[str, Array] = {}
    offset = 0
    for spec in specs:
        dtype = DTYPES.get(spec.dtype)
        if dtype is None:
            raise WireError(f"tensor {spec.name!r} has dtype {spec.dtype!r}, expected one of {', '.join(DTYPES)}")
        if spec.name in tensors:
            raise WireError(f"tensor {spec.name!r} occurs twice")
        count = math.prod(spec.shape)
        end = offset + count * dtype.itemsize
        if end > len(payload):
            raise WireError(f"tensor {spec.name!r} with shape {spec.shape} runs past the payload")
        if dtype == np.bool_ and np.frombuffer(payload, np.uint8, count, offset).max(initial=0) > 1:
            raise WireError(f"tensor {spec.name!r} holds booleans other than 0 and 1")
        try:
            tensors[spec.name] = np.frombuffer(payload, dtype, count, offset).reshape(spec.shape).copy()
        except ValueError as error:  # no elements, and yet sizes whose product numpy cannot count
            raise WireError(f"tensor {spec.name!r} with shape {spec.shape}: {error}") from None
        offset = end
    if offset != len(payload):
        raise WireError(f"{len(payload) - offset} bytes of payload belong to no tensor")
    return tensors
