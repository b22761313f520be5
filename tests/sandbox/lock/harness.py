"""A small launcher, run as `python -I harness.py REQUEST`: forks a worker for each piece of source, which locks itself
and then runs it.

It stands for the real launcher, and is what the workers may attack. It prints what came of them as JSON.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REQUEST: dict[str, Any] = json.loads(sys.argv[1])
sys.path.insert(0, REQUEST["repository"])
from grader.sandbox.lock import (  # noqa: E402 - the path above is what makes it importable
    Limits,
    LockFailed,
    close_all_but,
    die_with_parent,
    interpreter_paths,
    lock,
    readable_ruleset,
)

sys.path.pop(0)

HIDDEN = Path(REQUEST["hidden"])
CANDIDATE = Path(REQUEST["candidate"])
SECRET = ctypes.create_string_buffer(b"the launcher's secret")
LIBC = ctypes.CDLL(None, use_errno=True)
MODULES = (ctypes, errno, fcntl, mmap, os, resource, signal, socket, threading, time)


def called(result: int) -> int:
    """The result of a call by ctypes, or the OSError that it stands for."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def outcome(attempt: Callable[[], object]) -> str:
    """ "done", or the name of what went wrong."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except Exception as error:
        return type(error).__name__
    return "done"


class Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def transfer_memory(call: Callable[..., int], process: int) -> None:
    """process_vm_readv or process_vm_writev, between two copies of the secret."""
    there = Vector(ctypes.addressof(SECRET), len(SECRET))
    buffer = ctypes.create_string_buffer(SECRET.raw)
    here = Vector(ctypes.addressof(buffer), len(SECRET))
    called(call(process, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))


def start_a_thread() -> None:
    threading.Thread(target=int).start()


def lay_out() -> None:
    """The candidate's folder as the first worker found it."""
    for entry in CANDIDATE.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (CANDIDATE / "model.py").write_text("ANSWER = 6 * 7\n")
    (CANDIDATE / "empty").mkdir()
    (CANDIDATE / "link.txt").symlink_to(HIDDEN / "answer.txt")


def work(source: str, answer: int, ruleset: int | None, launcher: int) -> None:
    names: dict[str, Any] = {module.__name__: module for module in MODULES} | {
        "HIDDEN": HIDDEN,
        "CANDIDATE": CANDIDATE,
        "LAUNCHER": launcher,
        "LIBC": LIBC,
        "ANSWER": answer,
        "RULESET": ruleset,
        "called": called,
        "outcome": outcome,
        "transfer_memory": transfer_memory,
        "start_a_thread": start_a_thread,
        "result": None,
    }
    die_with_parent(launcher)
    close_all_but({0, 1, 2, answer} | ({ruleset} if ruleset is not None else set()))
    exec(REQUEST["before"], names)
    report: dict[str, Any] | None = None
    failure: str | None = None
    if REQUEST["lock"]:
        covered = [HIDDEN] if REQUEST["covered"] else []
        try:
            report = lock(ruleset, Limits(**REQUEST["limits"]), covered, strict=REQUEST["strict"]).to_dict()
        except LockFailed as error:
            failure = str(error)
    if failure is None:
        exec(source, names)
    os.write(answer, json.dumps({"report": report, "failure": failure, "result": names["result"]}).encode())


def come_of(source: str, ruleset: int | None) -> dict[str, Any]:
    """Fork a worker for `source`; what came of it."""
    lay_out()
    launcher = os.getpid()
    reading, writing = os.pipe()
    worker = os.fork()
    if worker == 0:
        try:
            work(source, writing, ruleset, launcher)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    if REQUEST["launcher_dies"]:
        os.read(reading, 1)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(worker, 0)
    message = {"report": None, "failure": None, "result": None, "exit": os.waitstatus_to_exitcode(status)}
    with contextlib.suppress(json.JSONDecodeError):
        message |= json.loads(answer)
    return message


def main() -> None:
    exec(REQUEST["launcher"], {})
    interpreter = interpreter_paths([HIDDEN])
    ruleset = None
    if REQUEST["landlock"]:
        ruleset = readable_ruleset([*interpreter.allowed, CANDIDATE], hidden=[HIDDEN], listed=interpreter.listed)
    print(json.dumps([come_of(source, ruleset) for source in REQUEST["sources"]]))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
