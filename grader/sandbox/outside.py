"""What was given from outside and may be too little: a shell's limits, a container's file systems, an installation.

Each function says what it knows of a cause, with what to do; or nothing.
"""

import re
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TORCH_TAKES: Final = "importing torch takes from 0.6 to 3.5 GiB of them, and a submission gets as much again"
_OF_MEMORY: Final = ("MemoryError", "bad_alloc", "allocate memory", "map segment", "Out of memory")
_MISSING: Final = re.compile(r"ModuleNotFoundError: No module named '(?P<name>\w+)")
_NEEDED: Final = {
    "/proc/self/statm": "/proc is missing: mount it (mount -t proc proc /proc); memory and threads are counted there",
    "/dev/fd": "/dev/fd is missing: link it (ln -s /proc/self/fd /dev/fd); open files are listed there",
}


def missing_files() -> str:
    """Which file system a launcher needs and does not find."""
    needed = _NEEDED if sys.platform == "linux" else {"/dev/fd": _NEEDED["/dev/fd"]}
    return next((why for path, why in needed.items() if not Path(path).exists()), "")


def limit_on_files() -> str:
    """How many files may be open."""
    return _limit(resource.RLIMIT_NOFILE, "-n", "{} open files")


def limit_on_memory() -> str:
    """How many addresses may be in use."""
    addresses = _limit(resource.RLIMIT_AS, "-v", "{} MiB of addresses", unit=1 << 20)
    return f"{addresses}; {TORCH_TAKES}" if addresses else ""


def why_it_ended(exit_code: int | None, said: Iterable[str], cpu_seconds: float) -> str:
    """Why a launcher stopped, where that shows.

    Args:
        exit_code: minus the signal that killed it; None while it runs.
        said: its last lines.
        cpu_seconds: what it had used up.
    """
    words = "\n".join(said)
    if missing := _MISSING.search(words):
        return f"{missing['name']} is not installed for {sys.executable}; install it there (-m pip install)"
    if any(word in words for word in _OF_MEMORY) or exit_code == -11:
        return limit_on_memory()
    allowed, _ = resource.getrlimit(resource.RLIMIT_CPU)
    if allowed != resource.RLIM_INFINITY and (exit_code == -24 or (exit_code == -9 and cpu_seconds >= allowed - 1)):
        return _limit(resource.RLIMIT_CPU, "-t", "{} s of CPU time")
    return ""


def _limit(kind: int, option: str, what: str, unit: int = 1) -> str:
    allowed, _ = resource.getrlimit(kind)
    if allowed == resource.RLIM_INFINITY:
        return ""
    return f"a limit from outside allows {what.format(allowed // unit)} (ulimit {option}); raise it"
