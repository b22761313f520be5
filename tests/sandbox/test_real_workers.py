"""What code in a worker of the real launcher can see, leave behind and use up.

`test_ordinary_user.py` runs these tests a second time, as an ordinary user.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grader.exercise.model import StoredExercise
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.errors import WorkerDied, WorkerTimedOut
from grader.sandbox.questions import Import, Raised, Snippet
from grader.sandbox.trial import attempts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the lock and /proc are Linux's")

TIMEOUT = 60.0  # seconds for an answer
SECRET = "a-secret-of-the-grade-4711"
TELL = """
import ctypes, errno, fcntl, gc, json, mmap, os, random, resource, signal, socket, stat, sys, threading, time
import torch

def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    except Exception as error:
        return type(error).__name__
    return "done"

{source}
raise RuntimeError(json.dumps(answer))
"""

Tell = Callable[..., Any]


@pytest.fixture
def start(launcher: Launcher) -> Iterator[Callable[..., Worker]]:
    """`start(files) -> worker`, ended with the test."""
    workers: list[Worker] = []

    def spawn(files: dict[str, str] | None = None) -> Worker:
        workers.append(launcher.spawn(files or {}))
        return workers[-1]

    yield spawn
    for worker in workers:
        worker.close()


@pytest.fixture
def tell(start: Callable[..., Worker]) -> Tell:
    """`tell(source) -> answer`: what `source`, run in a fresh worker, left in `answer`."""

    def run(source: str, worker: Worker | None = None) -> Any:
        worker = worker or start()
        worker.send(Snippet(source=TELL.format(source=source)), {}, TIMEOUT)
        reply, _ = worker.receive()
        assert isinstance(reply, Raised), reply
        assert reply.type == "RuntimeError", reply
        return json.loads(reply.message)

    return run


# What a worker can see


@pytest.mark.parametrize("scan", ["values", "frames"])
def test_no_worker_finds_what_was_asked_of_another(scan: str, tell: Tell, start: Callable[..., Worker]) -> None:
    other = start({"model.py": f"SECRET = {SECRET!r}\nclass GPT: ..."})
    other.send(Snippet(source=f"import model; found = {SECRET!r}"), {SECRET: np.zeros(3)}, TIMEOUT)
    other.receive()
    search = {
        "values": (
            "gc.unfreeze()\n"  # the launcher froze what it had, which hides it from the collector
            "held = [value for thing in gc.get_objects() for value in gc.get_referents(thing)]"
        ),
        "frames": (
            "held, frame = [], sys._getframe()\n"
            "while frame:\n    held += [repr(value) for value in frame.f_locals.values()]; frame = frame.f_back"
        ),
    }[scan]
    # Put together here, so that the search does not find its own words.
    pattern = f"''.join(({SECRET[:9]!r}, {SECRET[9:]!r}))"
    count = f"{search}\nanswer = [sum(isinstance(v, str) and {pattern} in v for v in held), len(held)]"
    found, seen = tell(count)

    assert found == 0
    assert seen > 20
    own = tell(f"planted = [{pattern}]\n{count}")
    assert own[0] > 0, "the search would not find it if it were there"


def test_a_worker_can_neither_read_nor_list_nor_import_the_reference(exercise: StoredExercise, tell: Tell) -> None:
    tries = ("open(HIDDEN + '/model.py')", "os.listdir(HIDDEN)", "__import__('reference')", "__import__('mutations')")
    tried = tell(
        f"HIDDEN = {str(exercise.reference_directory)!r}\n"
        f"answer = [{', '.join(f'outcome(lambda: {attempt})' for attempt in tries)}]"
    )

    assert tried[:2] == ["EACCES", "EACCES"]
    assert set(tried[2:]) <= {"ModuleNotFoundError", "EACCES"}


def test_a_worker_has_the_sandbox_of_the_grader_and_none_of_its_checks(tell: Tell) -> None:
    ours = tell("answer = [name for name in sys.modules if name.split('.')[0] in ('grader', 'mutations', 'reference')]")
    imports = (
        "answer = [outcome(lambda: __import__('grader.' + name)) for name in ('grade', 'exercise', 'checks', 'seeds')]"
    )

    assert {name for name in ours if not name.startswith("grader.sandbox")} == {"grader", "grader.limits"}
    assert set(tell(imports)) <= {"ModuleNotFoundError", "EACCES"}


def test_a_worker_sees_no_arguments_and_no_environment_of_ours(tell: Tell) -> None:
    arguments, environment, folder = tell("answer = [sys.argv, dict(os.environ), os.getcwd()]")

    program, descriptor, parent = arguments
    assert program.endswith("launcher.py")
    assert (descriptor.isdigit(), parent) == (True, str(os.getpid()))
    assert set(environment) <= {
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "HOME", "LC_ALL", "LD_LIBRARY_PATH",
    }  # fmt: skip
    assert folder == "/"


def test_a_worker_inherits_its_connection_and_its_output_and_nothing_else(tell: Tell) -> None:
    kinds = "{n: stat.S_IFMT(os.fstat(n).st_mode) for n in range(1024) if outcome(lambda: os.fstat(n)) == 'done'}"
    kind_of = {"0": 0o020000, "1": 0o100000, "2": 0o100000, "3": 0o140000}  # a device, two files, a socket

    assert tell(f"answer = {kinds}") == kind_of


def test_nothing_that_workers_inherit_can_be_written_by_all(launcher: Launcher) -> None:
    launcher.started  # noqa: B018  waits until it is
    maps = Path(f"/proc/{launcher._process.pid}/maps").read_text().splitlines()

    assert [line for line in maps if line.split()[1][1::2] == "ws"] == []


def test_a_connection_carries_no_descriptors(tell: Tell) -> None:
    send = (
        "connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, 3)\n"
        "rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, bytes(4))]\n"
        "answer = [outcome(lambda: connection.sendmsg([b'x'], rights)), outcome(lambda: connection.recvmsg(1))]\n"
        "connection.detach()"
    )

    assert tell(send) == ["EPERM", "EPERM"]


# What a worker can do


def test_every_layer_in_force_refuses_what_it_is_there_for(launcher: Launcher, exercise: StoredExercise) -> None:
    worker = launcher.spawn({})
    in_force = {phrase.partition(":")[0] for phrase in worker.locked.applied}
    worker.close()
    tried = list(attempts(launcher, exercise.reference_directory / "model.py"))

    assert {"files", "system calls", "limits"} <= in_force
    assert len({attempt.layer for attempt in tried}) == 5
    assert [attempt for attempt in tried if attempt.refusal is None and attempt.layer in in_force] == []


def test_the_attempts_succeed_where_nothing_is_locked(exercise: StoredExercise) -> None:
    with Launcher("process") as unlocked:
        tried = list(attempts(unlocked, exercise.reference_directory / "model.py"))
    done = {attempt.deed for attempt in tried if attempt.refusal is None}

    assert done >= {
        "read the hidden reference", "read some other file", "list a folder", "open a socket", "start a process",
        "signal the launcher", "make shared memory", "see that the hidden reference is there", "see another process",
    }  # fmt: skip


def test_a_bomb_of_processes_or_threads_does_not_go_off(tell: Tell) -> None:
    bomb = "{outcome(lambda: os.fork() or os._exit(0)) for _ in range(2000)}"
    threads = "{outcome(lambda: threading.Thread(target=time.sleep, args=(60,)).start()) for _ in range(200)}"

    assert tell(f"answer = [*{bomb}]") == ["EPERM"]
    assert tell(f"answer = [*{threads}]") == ["RuntimeError"]


def test_a_bomb_of_memory_ends_at_the_limit(tell: Tell) -> None:
    fill = (
        "held = []\n"
        "def fill():\n    while True: held.append(mmap.mmap(-1, 64 << 20))\n"
        "answer = [outcome(fill), len(held) * 64]"
    )
    ended, mebibytes = tell(fill)

    assert ended == "ENOMEM"
    assert 1024 < mebibytes <= 4096


def test_a_flood_of_output_is_cut_and_little_of_it_read(start: Callable[..., Worker], tell: Tell) -> None:
    flood = (
        "def flood():\n    while True: os.write(1, bytes(1 << 16))\n"
        "for _ in range(2000): print('noise' * 1000)\n"
        "answer = [outcome(flood), os.fstat(1).st_size]"
    )
    worker = start()

    assert tell(flood, worker) == ["EFBIG", 1 << 20]
    assert len(worker.output()) <= 8 * 1024


def test_a_stack_that_overflows_kills_only_its_worker(start: Callable[..., Worker], tell: Tell) -> None:
    worker = start()
    worker.send(Snippet(source="import ctypes\nctypes.string_at(0)"), {}, TIMEOUT)

    with pytest.raises(WorkerDied, match="SIGSEGV"):
        worker.receive()
    assert tell("answer = 1") == 1


# What a worker leaves behind

LEAVE = """
wrote = [outcome(lambda: os.open(folder + '/left', os.O_WRONLY | os.O_CREAT, 0o600))
         for folder in ('/tmp', '/var/tmp', '/dev/shm', '.', '/', os.path.dirname(torch.__file__))]
kept = [outcome(attempt) for attempt in (
    lambda: os.memfd_create('left'), lambda: os.chdir('/tmp'), lambda: socket.socket(socket.AF_UNIX).bind('\\0left'),
    lambda: fcntl.flock(os.open(torch.__file__, os.O_RDONLY), fcntl.LOCK_EX),
    lambda: os.setpriority(os.PRIO_PROCESS, 0, 5),
)]
os.environ['LEFT'] = 'left'
sys.modules['left'] = sys
torch.left = random.left = 'left'
torch.nn.Linear.forward = lambda self, inputs: inputs
torch.set_default_dtype(torch.float64)
torch.manual_seed(0); random.seed(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
gc.disable()
answer = [wrote, kept]
"""
LOOK = """
answer = {
    'files': [os.path.exists(folder + '/left') for folder in ('/tmp', '/var/tmp', '/dev/shm', '.', '/')],
    'folder': os.getcwd(), 'environment': 'LEFT' in os.environ, 'module': 'left' in sys.modules,
    'attributes': hasattr(torch, 'left') or hasattr(random, 'left'),
    'layer': torch.nn.Linear(2, 3)(torch.zeros(1, 2)).shape[1],
    'dtype': str(torch.get_default_dtype()), 'signal': signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    'cpus': len(os.sched_getaffinity(0)), 'descriptors': resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    'collector': gc.isenabled(), 'priority': os.nice(0) if outcome(lambda: os.nice(0)) == 'done' else None,
}
"""
DRAW = "answer = [torch.rand(2).tolist(), random.random(), __import__('numpy').random.rand(2).tolist()]"


def test_a_worker_finds_nothing_of_the_one_before_it(tell: Tell) -> None:
    untouched = tell(LOOK)
    wrote, kept = tell(LEAVE)

    assert set(wrote) == {"EACCES"}
    assert set(kept) == {"EPERM"}
    assert untouched == tell(LOOK)
    assert (untouched["layer"], untouched["dtype"], untouched["files"]) == (3, "torch.float32", [False] * 5)


def test_seeding_draws_what_torch_draws_and_keeps_nothing_for_devices_that_are_not_there(tell: Tell) -> None:
    absent = [name for name in ("cuda", "xpu", "mtia") if not getattr(torch, name)._is_compiled()]
    kept = f"[len(getattr(torch, name)._lazy_seed_tracker.get_calls()) for name in {absent}]"
    drawn, queued = tell(f"import torch; torch.manual_seed(7); answer = [torch.rand(3).tolist(), {kept}]")

    assert drawn == torch.rand(3, generator=torch.Generator().manual_seed(7)).tolist()
    assert queued == [0] * len(absent)


def test_every_worker_draws_other_numbers(tell: Tell) -> None:
    drawn = [tell(DRAW) for _ in range(2)]

    assert all(one != other for one, other in zip(*drawn, strict=True))


def test_a_worker_goes_first_when_memory_runs_out_and_the_launcher_stays_as_it_was(
    launcher: Launcher, start: Callable[..., Worker]
) -> None:
    worker = start()
    worker.locked  # noqa: B018  waits until it is
    ours, launchers, workers = (
        int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in ("self", launcher._process.pid, worker._pid)
    )

    assert (launchers, workers) == (ours, 1000)


STUBBORN = """
import os, signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
for daemon in (os.fork, os.setsid):
    try:
        daemon()
    except OSError:
        pass
while True:
    pass
"""


def in_session(session: int) -> list[int]:
    """The living processes whose session is `session`, or that are descended from such as have one of their own."""
    found: set[int] = {session}
    before = 0
    while len(found) > before:
        before = len(found)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    state, parent, _, its_session = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()[:4]
                    if state != "Z" and (int(parent) in found or int(its_session) in found):
                        found.add(int(entry.name))
    return sorted(pid for pid in found if Path(f"/proc/{pid}").exists())


def test_no_daemon_and_no_stubborn_worker_outlives_its_launcher(exercise: StoredExercise) -> None:
    with Launcher("strict", hidden=[exercise.reference_directory]) as launcher:
        workers = [launcher.spawn({}) for _ in range(2)]
        for worker in workers:
            worker.send(Snippet(source=STUBBORN), {}, 1.0)
        with pytest.raises(WorkerTimedOut):
            workers[0].receive()
        alive = in_session(launcher._process.pid)
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in alive) and time.monotonic() < deadline:
        time.sleep(0.01)
    workers[1].close()

    assert len(alive) == 2  # the launcher, and the worker that has not been killed yet
    assert [pid for pid in alive if Path(f"/proc/{pid}").exists()] == []


def test_a_worker_that_hangs_says_where(launcher: Launcher) -> None:
    worker = launcher.spawn({"model.py": "def spin():\n    while True:\n        pass\n", "train.py": ""})
    worker.send(Snippet(source="import model\nmodel.spin()"), {}, 0.5)
    with pytest.raises(WorkerTimedOut) as hung:
        worker.receive()

    assert re.search(r'File "model\.py", line [23] in spin\n  File "snippet\.py", line 2 in <module>', hung.value.stack)


def test_a_worker_that_will_not_say_where_it_hangs_is_ended_all_the_same(launcher: Launcher) -> None:
    source = "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\nwhile True:\n    pass\n"
    worker = launcher.spawn({"model.py": source, "train.py": ""})
    worker.send(Import(module="model"), {}, 0.5)
    with pytest.raises(WorkerTimedOut) as hung:
        worker.receive()

    assert hung.value.stack == ""
