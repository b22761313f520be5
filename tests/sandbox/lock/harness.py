"""A small launcher, run as `python -I harness.py REQUEST`: forks one worker, locks it, lets it run a piece of source.

It stands for the real launcher, and is what the worker may attack. It prints what came of it as JSON.
"""

import contextlib
import ctypes
import errno
import json
import os
import sys
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
        return errno.errorcode[error.errno or 0]
    except Exception as error:
        return type(error).__name__
    return "done"


def work(answer: int, ruleset: int | None, launcher: int) -> None:
    names: dict[str, Any] = {
        "HIDDEN": HIDDEN,
        "CANDIDATE": CANDIDATE,
        "LAUNCHER": launcher,
        "SECRET": SECRET,
        "LIBC": LIBC,
        "ANSWER": answer,
        "RULESET": ruleset,
        "called": called,
        "outcome": outcome,
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
        exec(REQUEST["source"], names)
    os.write(answer, json.dumps({"report": report, "failure": failure, "result": names["result"]}).encode())


def main() -> None:
    exec(REQUEST["launcher"], {})
    interpreter = interpreter_paths([HIDDEN])
    ruleset = None
    if REQUEST["landlock"]:
        ruleset = readable_ruleset([*interpreter.allowed, CANDIDATE], hidden=[HIDDEN], listed=interpreter.listed)
    launcher = os.getpid()
    reading, writing = os.pipe()
    worker = os.fork()
    if worker == 0:
        try:
            work(writing, ruleset, launcher)
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
    print(json.dumps(message))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
