"""The lock that a worker puts on itself before it runs untrusted code.

The launcher has one thread, has imported torch and run one operation (torch reads the CPU's features at the first one;
locked before that, it would compute other bits). It makes the ruleset once:

    interpreter = interpreter_paths(hidden)
    ruleset = readable_ruleset([*interpreter.allowed, candidate], hidden=hidden, listed=interpreter.listed)

and every worker that it forks then goes through these steps, in an order that the later ones dictate:

    die_with_parent(launcher)       first, so that no worker is ever left over
    close_all_but(keep)             what is not inherited need not be guarded; `keep` includes the ruleset
    lock(ruleset, limits, hidden)
        namespaces                  need capabilities, mounts and writing to /proc
        limits
        not dumpable                after the user map is written, which only a dumpable process can do
        capabilities                after the mounts, the last step to need any
        Landlock                    after the last write to a file
        seccomp                     last, for it denies every step above

Nothing of this can be undone from inside. What the worker needs of the grader's own modules it imports before: their
source may be hidden after.
"""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from . import landlock, namespaces, privileges, seccomp, syscalls
from .findings import LockFailed, LockReport
from .interpreter import InterpreterPaths, interpreter_paths
from .landlock import readable_ruleset
from .limits import Limits, addresses_in_use, apply, beyond
from .privileges import close_all_but, die_with_parent, not_dumpable

__all__ = [
    "InterpreterPaths",
    "Limits",
    "LockFailed",
    "LockReport",
    "addresses_in_use",
    "available",
    "beyond",
    "close_all_but",
    "die_with_parent",
    "interpreter_paths",
    "lock",
    "not_dumpable",
    "readable_ruleset",
]


_REMEDY: Final = (
    "Look for a container or a security module that refuses {layer}; Docker takes --security-opt seccomp=PROFILE, "
    "where PROFILE may be unconfined"
)


def lock(ruleset: int | None, limits: Limits, hidden: Iterable[Path], *, strict: bool = True) -> LockReport:
    """Afterwards this process can compute, read what the ruleset allows, and use the descriptors that it has; no more.

    The ruleset's descriptor is closed: the launcher's other workers depend on what it refers to.

    Raises:
        LockFailed: where Landlock or seccomp cannot be put in force, unless `strict` is False, and where the process
            has several threads. The process is then partly locked, and fit for nothing but to exit.
    """
    if (reason := syscalls.unsupported()) is not None:
        if strict:
            raise LockFailed("every layer", reason, "Use Linux on x86_64 or aarch64")
        return _report(abi=0, filtered=False, isolation=reason, dropped=False, limits=apply(limits))
    _require_one_thread()
    if strict and ruleset is None:
        raise LockFailed("Landlock", *landlock.why_missing())

    isolation = namespaces.isolate(hidden)
    limits = apply(limits)
    not_dumpable()
    dropped = _attempt("capabilities", privileges.drop_capabilities, strict=False)
    abi = landlock.abi()
    confined = ruleset is not None and _attempt("Landlock", lambda: landlock.restrict(ruleset), strict=strict)
    if ruleset is not None:
        os.close(ruleset)
    filtered = _attempt("seccomp", seccomp.restrict, strict=strict)
    return _report(abi=abi if confined else 0, filtered=filtered, isolation=isolation, dropped=dropped, limits=limits)


def available(limits: Limits | None = None) -> LockReport:
    """What `lock` would report here, found out by a child process that locks itself and exits."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ruleset = readable_ruleset((), hidden=())
            report = lock(ruleset, limits or Limits(), (), strict=False)
            os.write(writing, json.dumps(report.to_dict()).encode())
            status = 0
        finally:
            # Not sys.exit: the caller's handlers and buffers are his own.
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        reason = f"the child that tried it ended with {os.waitstatus_to_exitcode(status)}"
        raise LockFailed("trial", reason, "Look for a container or a security module that kills instead of refusing")
    return LockReport.from_dict(json.loads(answer))


def _require_one_thread() -> None:
    # Landlock confines the calling thread; another one would stay free, and share all its memory.
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        raise LockFailed(
            "Landlock", f"{threads} threads are alive", "Start the launcher with OMP_, MKL_ and OPENBLAS_NUM_THREADS=1"
        )


def _attempt(layer: str, step: Callable[[], None], *, strict: bool) -> bool:
    try:
        step()
    except OSError as error:
        if strict:
            raise LockFailed(layer, error.strerror or str(error), _REMEDY.format(layer=layer)) from error
        return False
    return True


def _report(*, abi: int, filtered: bool, isolation: str, dropped: bool, limits: Limits) -> LockReport:
    return LockReport(
        landlock_abi=abi,
        landlock_tcp=landlock.denies_tcp(abi),
        landlock_scoped=landlock.denies_scopes(abi),
        seccomp=filtered,
        namespaces=isolation,
        capabilities_dropped=dropped,
        limits=limits,
    )
