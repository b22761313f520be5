"""What a worker attempts against its own lock, to see that the lock works."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grader.limits import ATTEMPT_SECONDS
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.errors import WorkerFailed
from grader.sandbox.lock.findings import Layer
from grader.sandbox.lock.syscalls import MACHINE, NUMBERS
from grader.sandbox.questions import Answered, Raised, Snippet

# Deeds by the layer that is there to stop them. HIDDEN is a file that no worker may see; the parent is the launcher.
_DEEDS: Final[dict[Layer, dict[str, str]]] = {
    Layer.FILES: {
        "read the hidden reference": "open(HIDDEN).read()",
        "read some other file": "open('/etc/passwd').read()",
        "list a folder": "os.listdir('/')",
        "write a file": "os.open('/tmp', os.O_TMPFILE | os.O_RDWR)",
    },
    Layer.CALLS: {
        "open a socket": "socket.socket()",
        "start a process": "os.fork() or os._exit(0)",
        "signal the launcher": "os.kill(os.getppid(), 0)",
        "trace the launcher": "called(libc.ptrace(0x4206, os.getppid(), None, None))",
        "make shared memory": "os.memfd_create('shared')",
        "wake processes that share a file": "called(libc.syscall(FUTEX, page_of_a_file(), 1, 1, None, None, 0))",
        "throw a file out of memory": "called(libc.madvise(page_of_a_file(), mmap.PAGESIZE, 21))",
        "end as if the machine had killed it": "lower_its_cpu_time()",
    },
    Layer.NAMESPACES: {
        "see that the hidden reference is there": "os.stat(HIDDEN)",
        "see another process": "os.stat(f'/proc/{os.getppid()}')",
    },
    Layer.CAPABILITIES: {
        "raise a limit of its own": "raise_a_limit()",
    },
    # The last one leaves nothing for another to open.
    Layer.LIMITS: {
        "take a TiB of addresses": "mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | 0x4000, prot=0)  # not backed",
        "flood its output": "os.pwrite(1, b'more', 1 << 40)",
        "open files without end": "[os.dup(0) for _ in range(100_000)]",
    },
}
_FUTEX: Final = NUMBERS.get(MACHINE, {}).get("futex", -1)
_PROGRAM: Final = """
import ctypes, errno, mmap, os, resource, socket
HIDDEN = {hidden!r}
FUTEX = {futex}
libc = ctypes.CDLL(None, use_errno=True)

def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")

def raise_a_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(0, resource.RLIMIT_FSIZE, (soft, hard + 1))

def lower_its_cpu_time():
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.prlimit(0, resource.RLIMIT_CPU, (hard, hard))

def page_of_a_file():
    libc.mmap.restype = ctypes.c_void_p
    file = os.open(os.__file__, os.O_RDONLY)
    return ctypes.c_void_p(libc.mmap(None, mmap.PAGESIZE, mmap.PROT_READ, mmap.MAP_SHARED, file, None))

try:
    {deed}
except OSError as error:
    raise RuntimeError(errno.errorcode[error.errno]) from None
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One deed that a locked worker attempted.

    Attributes:
        layer: what is there to stop it.
        deed: in words that follow "it tried to".
        refusal: the error by which it was refused ("EACCES"), or None where it was not.
    """

    layer: Layer
    deed: str
    refusal: str | None


def attempts(launcher: Launcher, hidden: Path) -> Iterator[Attempt]:
    """Every deed, attempted in a locked worker. ``hidden`` is a file below a folder that the launcher hides.

    Raises:
        LauncherFailed: the launcher stopped, or the worker could not be locked.
    """
    worker = launcher.spawn({})
    try:
        for layer, deeds in _DEEDS.items():
            for deed, code in deeds.items():
                try:
                    refusal = _refusal(worker, _PROGRAM.format(hidden=str(hidden), futex=_FUTEX, deed=code))
                except WorkerFailed as error:
                    refusal = str(error)
                    worker = launcher.spawn({})
                yield Attempt(layer=layer, deed=deed, refusal=refusal)
    finally:
        worker.close()


def _refusal(worker: Worker, program: str) -> str | None:
    worker.send(Snippet(source=program), {}, ATTEMPT_SECONDS)
    match worker.receive():
        case Answered(), _:
            return None
        case Raised(message=message), _:
            return message
        case reply, _:
            raise AssertionError(f"{reply=!r} to a piece of code without an answer")
