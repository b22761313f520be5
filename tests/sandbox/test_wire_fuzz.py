"""Ten thousand frames that no honest worker writes: each is refused, for little memory, and nothing else breaks."""

import contextlib
import json
import os
import random
import socket
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.limits import FRAME_HEADER_MAX_BYTES, FRAME_PAYLOAD_MAX_BYTES
from grader.sandbox import connection
from grader.sandbox.connection import Worker
from grader.sandbox.control import Locked
from grader.sandbox.deadline import WallClock
from grader.sandbox.errors import WorkerFailed
from grader.sandbox.questions import Snippet, reply_decoder
from grader.sandbox.wire import (
    MAGIC,
    PREFIX,
    Array,
    WireError,
    pack,
    unpack_header,
    unpack_prefix,
    unpack_tensors,
)

NONCE = "5eed5eed5eed5eed"
REPLIES: list[dict[str, Any]] = [
    {"reply": "answered"},
    {"reply": "malformed", "message": "not a tensor"},
    {"reply": "raised", "type": "E", "bases": ["E", "object"], "message": "", "by_raise": True, "traceback": "E"},
]
REFUSALS = (WireError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Of a frame of n bytes: what was read grows by an eighth more than it needs, and its tensors are copied out of it. On
# top of that come the small objects of a frame that has as many tensors as it may.
MEMORY_PER_BYTE, MEMORY = 2.25, 4 << 20

fuzz = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


def decode(frame: bytes) -> tuple[Any, dict[str, Array]]:
    """A frame as a worker's connection reads it, once its bytes are there."""
    header_length, _ = unpack_prefix(frame[: PREFIX.size].ljust(PREFIX.size, b"\0"))
    header = unpack_header(frame[PREFIX.size : PREFIX.size + header_length])
    tensors = unpack_tensors(header.tensors, bytearray(frame[PREFIX.size + header_length :]))
    if header.nonce != NONCE:
        raise WireError("another nonce")
    return reply_decoder.decode(bytes(header.body)), tensors


@contextlib.contextmanager
def traced() -> Iterator[list[int]]:
    """`with traced() as peak`: afterwards it holds the most bytes that were allocated within at a time."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def is_refused(frame: bytes) -> bool:
    """Whether decoding ends in a refusal; any other error, and any waste of memory, is the test's failure."""
    with traced() as peak:
        try:
            reply, tensors = decode(frame)
            refused = False
        except REFUSALS:
            refused = True
    assert peak[0] <= MEMORY_PER_BYTE * len(frame) + MEMORY, f"{frame[:200]!r} cost {peak[0]} bytes"
    if not refused:
        assert sum(array.nbytes for array in tensors.values()) <= len(frame)
        msgspec.json.encode((reply, list(tensors)))  # without a text that cannot be written down
    return refused


def framed(header: bytes, payload: bytes) -> bytes:
    return PREFIX.pack(MAGIC, len(header), len(payload)) + header + payload


# Frames that are put together, each part of them right or wrong

numbers = st.sampled_from(
    [*range(-2, 6), 2**31, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64, 10**400, -(2**63), 1.5, 1e308, True, None, "1"]
)
texts = st.sampled_from(["", "x", "y", "\0", "x" * 257, "../x", "é", "\u202e", "answered", "raised", "object", ">f8"])
dtypes = st.one_of(st.sampled_from(["float32", "int64", "bool", "float32 ", "V1", "U9999999", "i" * 5000]), texts)
shapes = st.one_of(st.lists(numbers, max_size=10), st.sampled_from([[0, 2**32, 2**32], [2**32] * 8, [1] * 9]), numbers)
specs = st.fixed_dictionaries({}, optional={"name": texts, "dtype": dtypes, "shape": shapes, "offset": numbers})
values = st.one_of(numbers, texts, st.lists(texts, max_size=2))
bodies = st.one_of(
    st.sampled_from(REPLIES),
    st.builds(lambda reply, value: reply | dict.fromkeys(sorted(reply)[-1:], value), st.sampled_from(REPLIES), values),
    st.builds(lambda reply, name, value: reply | {name: value}, st.sampled_from(REPLIES), texts, values),
    values,
)
AROUND = b'{"nonce":"%b","body":%b}'
OF_THE_WORKER = b'{"reply":"malformed","message":"%b"}'
RAW = [
    b"",
    b"\xff\xfe{}",
    b" " * 1000 + b"{}",
    b'{"nonce":"\\ud800","body":0}',
    b'{"nonce":"%b","body":{"reply":"answered"},"nonce":"x"}' % NONCE.encode(),
    b'{"nonce":"%b","body":{"reply":"answered"},"tensors":[Infinity]}' % NONCE.encode(),
    b'{"nonce":"%b","body":0,"tensors":[%b]}' % (NONCE.encode(), b"{}," * 9000 + b"{}"),
    *(AROUND % (NONCE.encode(), OF_THE_WORKER % text) for text in (b"\\udfff", b"\xff", b"\\x", b"\n")),
    *(AROUND % (NONCE.encode(), body) for body in (b"NaN", b"-", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000)),
]


@st.composite
def assembled(draw: st.DrawFn) -> bytes:
    """A header with something odd in it, before a payload that may not be what it says."""
    header = {
        "nonce": draw(st.sampled_from([NONCE, NONCE, "0" * 16, "", "x" * 65, 7])),
        "body": draw(bodies),
        "tensors": draw(st.lists(specs, max_size=3)),
    } | draw(st.sampled_from([{}, {}, {"check": "causality"}, {"tensors": None}]))
    data = draw(st.sampled_from([json.dumps(header).encode(), json.dumps(header).encode(), *RAW]))
    payload = bytes(draw(st.sampled_from([0, 0, 8, 24, 7])))
    lengths = {
        "right": (len(data), len(payload)),
        "header": (len(data) + 1, len(payload)),
        "payload": (len(data), len(payload) + 1),
        "huge": (2**32 - 1, 2**64 - 1),
    }
    return PREFIX.pack(MAGIC, *lengths[draw(st.sampled_from(["right", "right", *lengths]))]) + data + payload


# Valid frames, damaged

arrays = (np.zeros((2, 3), np.float32), np.arange(5), np.array([True, False]), np.zeros((0, 4)), np.ones(()))
tensors = st.dictionaries(st.sampled_from(["logits.0", "weights.é", "x"]), st.sampled_from(arrays), max_size=3)
valid = st.builds(lambda reply, tensors: pack(NONCE, reply, tensors), st.sampled_from(REPLIES), tensors)
TOKENS = [*(bytes([byte]) for byte in b'[]{}",:\\\xff\0'), b"null", b"NaN", b"-1", b"9" * 25, b"\\ud800", b"1e999"]


def damaged(frame: bytes, chance: random.Random) -> bytes:
    """One to four bits, bytes or stretches changed; half the time with lengths that fit again."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.randrange(12))
        match chance.randrange(4):
            case 0:
                data[start] ^= 1 << chance.randrange(8)
            case 1:
                data[start:end] = chance.choice(TOKENS)
            case 2:
                data[start:start] = data[start:end]
            case 3:
                del data[start:end]
                data += b"\0"
    header_length = PREFIX.unpack(frame[: PREFIX.size])[1] + len(data) - len(frame)
    if len(data) > PREFIX.size and header_length >= 0 and chance.random() < 0.5:
        rest = data[PREFIX.size :]
        return framed(bytes(rest[:header_length]), bytes(rest[header_length:]))
    return bytes(data)


@pytest.mark.slow
def test_ten_thousand_frames_are_refused_for_little_memory() -> None:
    refused: Counter[str] = Counter()

    @settings(fuzz, max_examples=1500)
    @given(st.one_of(assembled(), assembled(), st.binary(max_size=80)))
    def put_together(frame: bytes) -> None:
        refused["put together"] += is_refused(frame)

    @settings(fuzz, max_examples=100)
    @given(valid, st.integers(0, 2**32))
    def damage(frame: bytes, seed: int) -> None:
        assert not is_refused(frame)
        chance = random.Random(seed)
        refused["damaged"] += sum(is_refused(damaged(frame, chance)) for _ in range(90))
        refused["cut"] += sum(is_refused(frame[:end]) for end in range(0, len(frame), 4))
        refused["too long"] += is_refused(frame + b"\0") + is_refused(frame + frame)

    put_together()
    damage()

    assert refused["put together"] >= 1000
    assert refused["damaged"] >= 5000
    assert refused.total() >= 10_000, refused


# The same through a socket


class Nobody:
    """Stands for the launcher, and has no process to end."""

    def reap(self, pid: int, kill: bool) -> int | None:
        return None

    def end(self, pid: int) -> None: ...

    def dump(self, pid: int) -> None: ...


def read_nonce(connection: socket.socket) -> str:
    header_length, payload_length = unpack_prefix(connection.recv(PREFIX.size, socket.MSG_WAITALL))
    header = unpack_header(connection.recv(header_length, socket.MSG_WAITALL))
    assert payload_length == 0
    return header.nonce


Write = Callable[[socket.socket, bytes], None]


def at_once(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(frame)
    connection.close()


def in_drips(connection: socket.socket, frame: bytes) -> None:
    for start in range(0, len(frame), 7):
        connection.sendall(frame[start : start + 7])
    connection.close()


def closing_one_half(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(frame)
    connection.shutdown(socket.SHUT_WR)


def staying(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(frame)


def put(frame: bytes, write: Write, timeout: float) -> bool:
    """Answer a question with `frame`; whether the worker was found to have failed."""
    ours, theirs = socket.socketpair()
    worker = Worker(Nobody(), 7, ours, os.memfd_create("output"), {}, clock=WallClock())

    def act() -> None:
        with contextlib.suppress(OSError):  # the grader hangs up on what it does not like
            theirs.sendall(pack("locked", Locked(applied=("nothing",)), {}))
            theirs.sendall(pack(read_nonce(theirs), REPLIES[0], {}))
            write(theirs, frame.replace(NONCE.encode(), read_nonce(theirs).encode()))

    actor = threading.Thread(target=act)
    actor.start()
    try:
        worker.send(Snippet(source="pass"), {}, timeout)
        worker.receive()
    except WorkerFailed:
        return True
    finally:
        worker.close()
        actor.join(timeout=60)
        theirs.close()
    return False


@pytest.mark.parametrize("write", [at_once, in_drips, closing_one_half], ids=lambda write: write.__name__)
def test_a_worker_that_writes_such_frames_has_failed(write: Write) -> None:
    before = len(os.listdir("/dev/fd"))
    failed: Counter[bool] = Counter()

    @settings(fuzz, max_examples=120)
    @given(st.one_of(assembled(), st.builds(damaged, valid, st.builds(random.Random, st.integers(0, 2**32)))))
    def answer(frame: bytes) -> None:
        failed[put(frame, write, timeout=60.0)] += 1

    answer()
    for header in RAW:
        failed[put(framed(header, b""), write, timeout=60.0)] += 1

    assert failed[True] >= 90 + len(RAW)
    assert len(os.listdir("/dev/fd")) == before


def test_a_frame_that_is_not_finished_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STACK_SECONDS", 0.01)  # nobody is there to say where it hangs
    frame = pack(NONCE, REPLIES[0], {"x": np.zeros(3)})

    assert all(put(frame[:end], staying, timeout=0.05) for end in range(0, len(frame), 9))


def test_a_clock_that_is_set_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pack(NONCE, REPLIES[0], {})
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "time", lambda: next(hours))

    assert not put(frame, staying, timeout=60.0)
    assert put(frame[:-1], staying, timeout=0.05)


def test_a_length_that_is_only_announced_costs_no_memory() -> None:
    header = json.dumps({"nonce": NONCE, "body": REPLIES[0]}).encode()
    announced = PREFIX.pack(MAGIC, len(header), FRAME_PAYLOAD_MAX_BYTES) + header + bytes(10)
    with traced() as peak:
        assert put(announced, at_once, timeout=60.0)
        assert put(PREFIX.pack(MAGIC, FRAME_HEADER_MAX_BYTES, FRAME_PAYLOAD_MAX_BYTES), at_once, timeout=60.0)

    assert peak[0] < 1 << 20


def test_a_large_frame_costs_little_more_than_twice_its_size() -> None:
    frame = pack(NONCE, REPLIES[0], {"x": np.ones(24 << 20, np.bool_), "y": np.zeros(1 << 20)})
    with traced() as peak:
        assert not put(frame, staying, timeout=120.0)

    # The other side has made a copy of its own, with another nonce.
    assert peak[0] <= (1 + MEMORY_PER_BYTE) * len(frame) + MEMORY
