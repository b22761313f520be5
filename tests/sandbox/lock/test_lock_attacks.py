"""What a locked worker tries, and that it is refused; most of it is shown to work without the lock."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from grader.sandbox.lock import landlock

Worker = Callable[..., Any]

_IMPORTS = "import ctypes, fcntl, os, resource, signal, socket, threading\n"
_PREPARED = """
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

def read_memory_of(process):
    there = Vector(ctypes.addressof(SECRET), len(SECRET))
    buffer = ctypes.create_string_buffer(len(SECRET))
    here = Vector(ctypes.addressof(buffer), len(SECRET))
    called(LIBC.process_vm_readv(process, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))

def send_sigio_to(process):
    reading, _ = PIPE
    fcntl.fcntl(reading, fcntl.F_SETOWN, process)

def start_a_thread():
    threading.Thread(target=int).start()
"""
_PIPE = "import os; PIPE = os.pipe()"

# id -> (expression, how it ends in a locked worker)
ATTACKS_THAT_WORK_UNLOCKED = {
    "read-a-hidden-file": ("open(HIDDEN / 'answer.txt').read()", "EACCES"),
    "read-it-through-proc": ("open(f'/proc/self/root{HIDDEN}/answer.txt').read()", "EACCES"),
    "read-it-through-proc-of-the-launcher": ("open(f'/proc/{LAUNCHER}/root{HIDDEN}/answer.txt').read()", "EACCES"),
    "read-it-through-a-link": ("open('link.txt').read()", "EACCES"),
    "list-a-hidden-folder": ("os.listdir(HIDDEN)", "EACCES"),
    "read-some-other-file": ("open('/etc/passwd').read()", "EACCES"),
    "read-the-launchers-environment": ("open(f'/proc/{LAUNCHER}/environ').read()", "EACCES"),
    "open-the-launchers-memory": ("open(f'/proc/{LAUNCHER}/mem', 'rb').close()", "EACCES"),
    "read-the-launchers-memory": ("read_memory_of(LAUNCHER)", "EPERM"),
    "trace-the-launcher": ("called(LIBC.ptrace(0x4206, LAUNCHER, None, None))", "EPERM"),
    "write-in-the-current-folder": ("open('new.txt', 'w').close()", "EACCES"),
    "write-in-the-temporary-folder": ("open(CANDIDATE.parent / 'new.txt', 'w').close()", "EACCES"),
    "overwrite-a-file": ("open('model.py', 'r+').close()", "EACCES"),
    "empty-a-file-by-opening-it": ("os.open('model.py', os.O_RDONLY | os.O_TRUNC)", "EACCES"),
    "truncate-a-file": ("os.truncate('model.py', 0)", "EPERM"),
    "make-a-folder": ("os.mkdir('new')", "EPERM"),
    "make-a-link": ("os.symlink('model.py', 'new.py')", "EPERM"),
    "rename-a-file": ("os.rename('model.py', 'train.py')", "EPERM"),
    "remove-a-file": ("os.unlink('model.py')", "EPERM"),
    "change-a-files-mode": ("os.chmod('model.py', 0o777)", "EPERM"),
    "change-a-files-times": ("os.utime('model.py')", "EPERM"),
    "open-a-tcp-socket": ("socket.socket()", "EPERM"),
    "open-a-udp-socket": ("socket.socket(type=socket.SOCK_DGRAM)", "EPERM"),
    "open-a-unix-socket": ("socket.socketpair()", "EPERM"),
    "fork": ("os.fork() or os._exit(0)", "EPERM"),
    "spawn": ("os.posix_spawn('/bin/true', ['true'], {})", "EPERM"),
    "start-a-thread": ("start_a_thread()", "RuntimeError"),
    "signal-the-launcher": ("os.kill(LAUNCHER, 0)", "EPERM"),
    "signal-the-launchers-group": ("os.kill(-os.getpgid(LAUNCHER), 0)", "EPERM"),
    "have-the-kernel-signal-the-launcher": ("send_sigio_to(LAUNCHER)", "EPERM"),
    "read-the-launchers-limits": ("resource.prlimit(LAUNCHER, resource.RLIMIT_NOFILE)", "EPERM"),
    "pin-the-launcher": ("os.sched_setaffinity(LAUNCHER, os.sched_getaffinity(0))", "EPERM"),
    "slow-the-launcher": ("os.setpriority(os.PRIO_PROCESS, LAUNCHER, 19)", "EPERM"),
    "become-dumpable": ("called(LIBC.prctl(4, 1, 0, 0, 0))", "EPERM"),
    "outlive-the-launcher": ("called(LIBC.prctl(1, 0, 0, 0, 0))", "EPERM"),
    "make-anonymous-files": ("os.memfd_create('x')", "EPERM"),
    "watch-a-hidden-folder": ("called(LIBC.inotify_add_watch(called(LIBC.inotify_init()), bytes(HIDDEN), 1))", "EPERM"),
}
OTHER_ATTACKS = {
    "read-ones-own-memory-file": ("open('/proc/self/mem', 'rb').close()", "EACCES"),
    "run-a-program": ("os.execv('/bin/true', ['true'])", "EPERM"),
    "signal-everybody": ("os.kill(-1, 0)", "EPERM"),
    "set-an-extended-attribute": ("os.setxattr('model.py', 'user.x', b'1')", "EPERM"),
    "change-a-files-owner": ("os.chown('model.py', os.getuid(), -1)", "EPERM"),
    "enter-namespaces": ("called(LIBC.unshare(0x10000000))", "EPERM"),
    "mount": ("called(LIBC.mount(b'none', b'/', None, 0x40000, None))", "EPERM"),
    "uncover-a-folder": ("called(LIBC.umount2(bytes(HIDDEN), 2))", "EPERM"),
    "raise-a-limit": ("resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))", "ValueError"),
    "io_uring": ("called(LIBC.syscall(425, 1, None))", "EPERM"),
    "pidfd": ("os.pidfd_open(LAUNCHER)", "EPERM"),
    "open-by-a-call-with-hidden-flags": ("called(LIBC.syscall(437, -100, b'model.py', bytes(24), 24))", "EPERM"),
    "loosen-the-ruleset": ("called(LIBC.syscall(445, 3, 1, bytes(12), 0))", "EPERM"),
    "a-call-newer-than-the-filter": ("called(LIBC.syscall(9999))", "ENOSYS"),
    "fork-by-the-newest-call": ("called(LIBC.syscall(435, bytes(64), 64))", "ENOSYS"),
}
ATTACKS_BY_NUMBER = {
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "add_key": {"x86_64": 248, "aarch64": 217},
    "shmget": {"x86_64": 29, "aarch64": 194},
    "open_by_handle_at": {"x86_64": 304, "aarch64": 265},
}


def _program(expression: str) -> str:
    return f"{_IMPORTS}{_PREPARED}\nresult = outcome(lambda: {expression})"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [pytest.param(*attack, id=name) for name, attack in (ATTACKS_THAT_WORK_UNLOCKED | OTHER_ATTACKS).items()],
)
def test_a_locked_worker_is_refused(worker: Worker, expression: str, expected: str) -> None:
    outcome = worker(_program(expression), before=_PIPE)

    assert (outcome.result, outcome.exit) == (expected, 0), outcome.stderr


@pytest.mark.parametrize("name", ATTACKS_BY_NUMBER)
def test_a_locked_worker_is_refused_the_system_call(worker: Worker, name: str) -> None:
    number = ATTACKS_BY_NUMBER[name][os.uname().machine]

    assert worker(_program(f"called(LIBC.syscall({number}, 0, 0, 0, 0, 0))")).result == "EPERM"


@pytest.mark.parametrize(
    "expression",
    [pytest.param(expression, id=name) for name, (expression, _) in ATTACKS_THAT_WORK_UNLOCKED.items()],
)
def test_the_attack_works_without_the_lock(worker: Worker, expression: str) -> None:
    outcome = worker(_program(expression), before=_PIPE, lock=False)

    assert (outcome.result, outcome.exit) == ("done", 0), outcome.stderr


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 is a second set of system calls of x86_64")
def test_an_x32_system_call_kills(worker: Worker) -> None:
    assert worker(_program("LIBC.syscall(0x40000000 + 39)")).exit == -31  # SIGSYS


@pytest.mark.parametrize(
    ("expression", "expected", "abi"),
    [
        pytest.param("open(HIDDEN / 'answer.txt')", "EACCES", 1, id="read"),
        pytest.param("open('model.py', 'r+')", "EACCES", 1, id="write"),
        pytest.param("open('new.txt', 'w')", "EACCES", 1, id="create"),
        pytest.param("os.unlink('model.py')", "EACCES", 1, id="remove"),
        pytest.param("os.mkdir('new')", "EACCES", 1, id="mkdir"),
        pytest.param("os.execv('/bin/true', ['true'])", "EACCES", 1, id="execute"),
        pytest.param("called(LIBC.ptrace(0x4206, LAUNCHER, None, None))", "EPERM", 1, id="trace"),
        pytest.param("read_memory_of(LAUNCHER)", "EPERM", 1, id="read-memory"),
        pytest.param("os.truncate('model.py', 0)", "EACCES", 3, id="truncate"),
        pytest.param("socket.socket().bind(('127.0.0.1', 0))", "EACCES", 4, id="bind"),
        pytest.param("socket.socket().connect(('127.0.0.1', 9))", "EACCES", 4, id="connect"),
        pytest.param("os.kill(LAUNCHER, 0)", "EPERM", 6, id="signal"),
    ],
)
def test_landlock_alone_holds_its_part(worker: Worker, expression: str, expected: str, abi: int) -> None:
    if landlock.abi() < abi:
        pytest.skip(f"needs Landlock ABI {abi}, has {landlock.abi()}")
    confined = "from grader.sandbox.lock import landlock; landlock.restrict(RULESET)"

    assert worker(_program(expression), before=confined, lock=False).result == expected


@pytest.mark.parametrize("abi", range(1, landlock.abi() + 1))
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("open('model.py').read()", "done", id="read-what-is-allowed"),
        pytest.param("open(HIDDEN / 'answer.txt').read()", "EACCES", id="read-what-is-hidden"),
        # Landlock itself lets this one pass before ABI 3.
        pytest.param("os.open('model.py', os.O_RDONLY | os.O_TRUNC)", "EACCES", id="empty-a-file"),
    ],
)
def test_every_older_landlock_will_do(worker: Worker, abi: int, expression: str, expected: str) -> None:
    older = f"from grader.sandbox.lock import landlock; landlock.abi = lambda: {abi}"

    assert worker(_program(expression), launcher=older).result == expected


def test_a_worker_sees_nothing_of_a_covered_folder(worker: Worker) -> None:
    outcome = worker(_program("os.stat(HIDDEN / 'answer.txt')"), covered=True)
    if outcome.report["namespaces"] != "applied":
        pytest.skip(f"namespaces are not to be had here: {outcome.report['namespaces']}")

    assert outcome.result in ("ENOENT", "EACCES")


def test_a_worker_dies_with_its_launcher(worker: Worker) -> None:
    # The worker holds the launcher's stdout: had it lived on, the harness would not be done before its timeout.
    worker("import os, time\nos.write(ANSWER, b'locked')\ntime.sleep(3600)", launcher_dies=True)


def test_only_the_kept_descriptors_are_open(worker: Worker) -> None:
    stray = "import os; os.dup2(0, 700)"
    outcome = worker(_program("os.fstat(700)"), launcher=stray)

    assert outcome.result == "EBADF"


def test_a_worker_sends_itself_signals(worker: Worker) -> None:
    assert worker("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)").exit == -15
