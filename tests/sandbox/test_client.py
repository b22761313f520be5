"""Whatever a worker writes or does not write, the grader gets an answer or a failure in time, and nothing is left."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from grader.limits import FRAME_HEADER_MAX_BYTES, FRAME_PAYLOAD_MAX_BYTES
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.control import Locked
from grader.sandbox.deadline import ProcessClock, WallClock
from grader.sandbox.errors import LauncherFailed, NotIsolated, WorkerDied, WorkerFailed, WorkerGarbled, WorkerTimedOut
from grader.sandbox.questions import Answered, Malformed, Raised, Snippet
from grader.sandbox.wire import PREFIX, pack, unpack_header, unpack_prefix

QUESTION = Snippet(source="pass")
TIMEOUT = 0.3  # seconds for an answer that never comes
HUNG = 60.0  # seconds: what is not gone by then does not go
ANSWER = {"reply": "answered"}


class Reaper:
    """Stands for the launcher: notes which workers it is told to end."""

    def __init__(self) -> None:
        self.reaped: list[tuple[int, bool]] = []

    def reap(self, pid: int, kill: bool) -> int | None:
        self.reaped.append((pid, kill))
        return None if kill else -11

    def end(self, pid: int) -> None:
        self.reaped.append((pid, True))

    def dump(self, pid: int) -> None: ...


def read_question(connection: socket.socket) -> str:
    """Read one frame; its nonce."""
    header_length, payload_length = unpack_prefix(connection.recv(PREFIX.size, socket.MSG_WAITALL))
    header = unpack_header(connection.recv(header_length, socket.MSG_WAITALL))
    if payload_length:
        connection.recv(payload_length, socket.MSG_WAITALL)
    return header.nonce


Behaviour = Callable[[socket.socket, str], None]
Play = Callable[..., tuple[Worker, Reaper]]


@pytest.fixture
def play() -> Iterator[Play]:
    """A worker whose other end is a thread: it loads honestly, and then behaves as told."""
    actors: list[tuple[threading.Thread, socket.socket]] = []

    def start(behave: Behaviour, clock: ProcessClock | None = None) -> tuple[Worker, Reaper]:
        ours, theirs = socket.socketpair()

        def act() -> None:
            with contextlib.suppress(OSError):  # the grader hangs up on what it does not like
                theirs.sendall(pack("locked", Locked(applied=("nothing",)), {}))
                theirs.sendall(pack(read_question(theirs), ANSWER, {}))
                behave(theirs, read_question(theirs))

        actors.append((threading.Thread(target=act), theirs))
        actors[-1][0].start()
        reaper = Reaper()
        return Worker(reaper, 7, ours, os.memfd_create("output"), {}, clock=clock or WallClock()), reaper

    yield start
    for thread, theirs in actors:
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)
        theirs.close()


def dribble(connection: socket.socket, nonce: str) -> None:
    for byte in pack(nonce, ANSWER, {}):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def frame(header: bytes, payload: bytes = b"") -> bytes:
    return PREFIX.pack(b"GRD1", len(header), len(payload)) + header + payload


def says(data: bytes) -> Behaviour:
    """Writes that, with NONCE replaced by the question's."""
    return lambda connection, nonce: connection.sendall(data.replace(b"NONCE" + b"0" * 11, nonce.encode()))


NONCE = b"NONCE" + b"0" * 11  # as long as a real one
SPEC = b'{"name":"x","dtype":"int64","shape":[0,4294967296,4294967296]}'
GARBLED = {
    "nonce": (says(pack("0" * 16, ANSWER, {})), "does not carry the question's nonce"),
    "garbage": (says(b"Segmentation fault (core dumped)"), "starts with b'Segm', expected b'GRD1'"),
    "large-header": (says(PREFIX.pack(b"GRD1", FRAME_HEADER_MAX_BYTES + 1, 0)), "more than is allowed"),
    "large-payload": (says(PREFIX.pack(b"GRD1", 10, FRAME_PAYLOAD_MAX_BYTES + 1)), "more than is allowed"),
    "no-json": (says(frame(b"pickle")), "frame header: "),
    "no-text": (says(frame(b'{"nonce":"\xff","body":0}')), "utf-8"),
    "no-text-in-the-body": (says(frame(b'{"nonce":"' + NONCE + b'","body":{"reply":"\xff"}}')), "utf-8"),
    "unknown-reply": (says(frame(b'{"nonce":"' + NONCE + b'","body":{"reply":"passed"}}')), "Invalid value 'passed'"),
    "absurd-shape": (
        says(frame(b'{"nonce":"' + NONCE + b'","body":{"reply":"answered"},"tensors":[' + SPEC + b"]}")), "x"
    ),
    "unclaimed-payload": (
        says(frame(b'{"nonce":"' + NONCE + b'","body":{"reply":"answered"}}', b"more")), "belong to no tensor"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("behave", "message"), GARBLED.values(), ids=GARBLED)
def test_what_is_no_answer_is_garbled_and_ends_the_worker(behave: Behaviour, message: str, play: Play) -> None:
    worker, reaper = play(behave)
    worker.send(QUESTION, {}, 5.0)

    with pytest.raises(WorkerGarbled, match=message):
        worker.receive()
    assert reaper.reaped == [(7, True)]


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(lambda connection, nonce: None, id="silence"),
        pytest.param(lambda connection, nonce: connection.sendall(pack(nonce, ANSWER, {})[:20]), id="half-a-frame"),
        pytest.param(lambda connection, nonce: connection.sendall(b"GRD"), id="half-a-prefix"),
        pytest.param(dribble, id="byte-by-byte"),
    ],
)
def test_an_answer_that_does_not_come_times_out_and_ends_the_worker(behave: Behaviour, play: Play) -> None:
    worker, reaper = play(behave)
    worker.send(QUESTION, {}, TIMEOUT)

    # Byte by byte it would be a right answer, to who waits anew for each.
    with pytest.raises(WorkerTimedOut, match="it gave no answer in time"):
        worker.receive()
    assert reaper.reaped == [(7, True)]


class Asleep:
    """The clock of a process that never computes."""

    def computed(self) -> float:
        return 0.0

    def sleeps(self) -> bool:
        return True


def test_sleep_between_one_byte_and_the_next_counts(play: Play) -> None:
    worker, reaper = play(dribble, Asleep())
    worker.send(QUESTION, {}, TIMEOUT)

    with pytest.raises(WorkerTimedOut, match="it gave no answer in time"):
        worker.receive()
    assert reaper.reaped == [(7, True)]
    assert worker.spent >= TIMEOUT  # and it was not the clock alone that ended it


@pytest.mark.parametrize("sent", [0, 5, 30], ids=["nothing", "half-a-prefix", "half-a-frame"])
def test_a_worker_that_hangs_up_has_died_and_how_is_told(sent: int, play: Play) -> None:
    def behave(connection: socket.socket, nonce: str) -> None:
        connection.sendall(pack(nonce, ANSWER, {})[:sent])
        connection.shutdown(socket.SHUT_RDWR)

    worker, reaper = play(behave)
    worker.send(QUESTION, {}, 5.0)

    with pytest.raises(WorkerDied, match="killed by SIGSEGV"):
        worker.receive()
    assert reaper.reaped == [(7, False)]


def test_an_answer_written_before_the_question_is_garbled(play: Play) -> None:
    def behave(connection: socket.socket, nonce: str) -> None:
        connection.sendall(pack(nonce, ANSWER, {}) + pack("0" * 16, ANSWER, {}))

    worker, reaper = play(behave)
    worker.send(QUESTION, {}, 5.0)

    assert worker.receive() == (Answered(), {})
    with pytest.raises(WorkerGarbled, match="it wrote something before it was asked"):
        worker.send(QUESTION, {}, 5.0)
    assert reaper.reaped == [(7, True)]


def test_a_worker_that_takes_no_question_times_out(play: Play) -> None:
    worker, reaper = play(lambda connection, nonce: connection.sendall(pack(nonce, ANSWER, {})))
    worker.send(QUESTION, {}, 5.0)
    worker.receive()

    with pytest.raises(WorkerTimedOut, match=r"it took no question for 0\.3 s"):
        worker.send(QUESTION, {"x": np.zeros(4 << 20, np.int8)}, TIMEOUT)
    assert reaper.reaped == [(7, True)]


def test_closing_a_worker_twice_ends_it_once(play: Play) -> None:
    worker, reaper = play(lambda connection, nonce: None)
    worker.close()
    worker.close()

    assert reaper.reaped == [(7, True)]


# Real processes


def descendants(pid: int) -> list[int]:
    """The processes whose parent ``pid`` is, zombies too."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append(int(entry.name))
    return found


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_fifty_workers_leave_no_descriptor_and_no_process(launcher: Launcher) -> None:
    launcher.started  # noqa: B018  waits until it is
    launcher.settle()  # until those of other tests are gone
    before = open_files()
    alive = descendants(launcher._process.pid)
    for _ in range(5):
        workers = [launcher.spawn({}) for _ in range(10)]
        for worker in workers:
            worker.send(QUESTION, {}, 30.0)
        for worker in workers:
            assert worker.receive() == (Answered(), {})
            worker.close()
    launcher.settle()

    assert before == open_files()
    assert alive == descendants(launcher._process.pid)


@linux
@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        pytest.param("import os; os._exit(9)", WorkerDied, "exited with code 9", id="exits"),
        pytest.param("import os; os.close(3)", WorkerFailed, "exited|hung up", id="closes-the-connection"),
        pytest.param("import os; os.write(3, bytes(64))", WorkerGarbled, "expected b'GRD1'", id="garbage"),
        pytest.param("while True: pass", WorkerTimedOut, "no answer in time", id="hangs"),
    ],
)
def test_a_worker_that_failed_is_gone(source: str, kind: type[WorkerFailed], message: str, launcher: Launcher) -> None:
    launcher.started  # noqa: B018  waits until it is
    before = open_files()
    worker = launcher.spawn({})
    worker.send(Snippet(source=source), {}, 1.0)

    with pytest.raises(kind, match=message):
        worker.receive()
    launcher.settle()  # workers of earlier tests may still be on their way out
    assert descendants(launcher._process.pid) == []
    assert before == open_files()


def test_what_raises_is_told_with_its_own_frames(launcher: Launcher) -> None:
    worker = launcher.spawn({"model.py": "def f():\n    raise KeyError('k')\n"})
    worker.send(Snippet(source="import model\nmodel.f()"), {}, 30.0)
    reply, _ = worker.receive()
    worker.close()

    assert isinstance(reply, Raised)
    assert (reply.type, reply.bases[1], reply.message) == ("KeyError", "LookupError", "'k'")
    assert 'File "model.py", line 2, in f' in reply.traceback
    assert "serve.py" not in reply.traceback


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(r"raise RuntimeError('\ud800')", id="surrogate"),
        pytest.param(r"raise type('E\ud800', (Exception,), {})", id="surrogate-in-the-name"),
        pytest.param("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", id="str-exits"),
        pytest.param("class E(Exception):\n    def __str__(self): return 7\nraise E", id="str-returns-a-number"),
        pytest.param("raise RuntimeError('x' * (8 << 20))", id="long-message"),
        pytest.param("raise ExceptionGroup('g', [ValueError(i) for i in range(999)])", id="group"),
    ],
)
def test_whatever_is_raised_is_told_as_raised(source: str, launcher: Launcher) -> None:
    worker = launcher.spawn({})
    worker.send(Snippet(source=source), {}, 30.0)
    try:
        reply, _ = worker.receive()
    finally:
        worker.close()

    assert isinstance(reply, Raised | Malformed)


@linux
def test_a_launcher_that_is_killed_is_our_failure_and_its_workers_go_with_it() -> None:
    before = open_files()
    with Launcher("process") as launcher:
        worker = launcher.spawn({})
        worker.send(QUESTION, {}, 30.0)
        worker.receive()
        (pid,) = descendants(launcher._process.pid)
        os.kill(launcher._process.pid, signal.SIGKILL)

        with pytest.raises(LauncherFailed, match=r"the launcher (stopped|hung up)"):
            launcher.spawn({})
        worker.close()
        deadline = time.monotonic() + HUNG
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)

        assert not Path(f"/proc/{pid}").exists()
    assert before == open_files()


@linux
def is_running(pid: int) -> bool:
    """Whether a process still runs; one that is dead waits for its parent, or for init, as long as those like."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_closing_a_launcher_ends_it_and_every_worker_at_once() -> None:
    before = open_files()
    with Launcher("process") as launcher:
        workers = [launcher.spawn({}) for _ in range(3)]
        for worker in workers:
            worker.send(Snippet(source="while True: pass"), {}, 1e6)  # none is left to its question
        pids = [launcher._process.pid, *descendants(launcher._process.pid)]
    launcher.close()
    for worker in workers:
        worker.close()
    deadline = time.monotonic() + HUNG
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert len(pids) == 4
    assert [pid for pid in pids if is_running(pid)] == []
    assert before == open_files()


def test_a_launcher_that_cannot_hide_what_it_must_says_so(tmp_path: Path) -> None:
    with (
        Launcher("strict", hidden=[tmp_path / "absent"]) as launcher,
        pytest.raises(NotIsolated, match="absent"),
    ):
        launcher.spawn({})
