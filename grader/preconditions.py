"""What stands in the way of any command, in one sentence with what to do."""

import errno
import shlex
import sys
from typing import Final

from grader.distribution import requirement
from grader.errors import CannotJudge

if sys.platform != "win32":
    from grader.sandbox.outside import limit_on_files, limit_on_memory

OF_MEMORY: Final = ("map segment", "allocate memory")
NO_DOCSTRINGS: Final = (
    "Python runs without docstrings here (PYTHONOPTIMIZE=2 or -OO), and the grader shows what stands in its own; start "
    "it without that"
)


def why_not_here() -> str:
    """What keeps every command from running; empty when nothing does."""
    if sys.platform == "win32":
        return "the grader does not run on Windows; use Linux, such as the Windows Subsystem for Linux (WSL 2)"
    return NO_DOCSTRINGS if sys.flags.optimize > 1 else ""


def require_docstrings() -> None:
    """Refuse what would end in the middle. Raises ``CannotJudge``."""
    if sys.flags.optimize > 1:
        raise CannotJudge(NO_DOCSTRINGS)


def not_installed(error: ModuleNotFoundError) -> str:
    """Which library is missing, and how to install it."""
    name = (error.name or "").partition(".")[0]
    if name in ("", "grader", "mutations"):
        return f"the grader's installation is not complete ({error}); install it again"
    if name.startswith("_") or name in sys.stdlib_module_names:
        return f"{name} is missing, a part of Python: {sys.executable} is not complete; use another Python"
    how = f"{shlex.quote(sys.executable)} -m pip install {requirement(name)}"
    return f"{name} is not installed, and the grader needs it: {how}"


def cannot_write(error: OSError) -> str:
    """That standard output takes no more, and why."""
    return f"cannot write to standard output: {error.strerror or error}"


def of_the_machine(error: OSError | MemoryError | ImportError) -> str:
    """Why the machine let a command down."""
    if sys.platform == "win32":
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return limit_on_files() or str(error)
    short = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if short or any(words in str(error) for words in OF_MEMORY):
        return limit_on_memory() or str(error) or "out of memory"
    return str(error)
