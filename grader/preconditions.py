"""What stands in the way of a command, in one sentence with what to do: a library, the machine, the isolation."""

import errno
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from grader.errors import CannotJudge
from grader.sandbox.errors import NotIsolated

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


DISTRIBUTION: Final = "gpt-bug-grader"
_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)[^;]*")


def install(extra: str) -> str:
    """What to type for the libraries of an extra. It asks for them alone where the grader is installed already."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def requirement(module: str) -> str:
    """What to have pip install for a module that the grader imports, quoted for a shell: ``'msgspec>=0.19'``."""
    from importlib.metadata import PackageNotFoundError, requires  # takes longer to import than all of a command's help

    name = module.replace("_", "-")
    try:
        needed = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:  # only the source is here
        needed = ()
    matches = (_REQUIREMENT.match(line) for line in needed)
    return next((f"'{match[0].strip()}'" for match in matches if match is not None and match["name"] == name), name)


@contextmanager
def naming_the_way_out(option: str = "--isolation process") -> Iterator[None]:
    """Have a verdict that is missing for want of isolation name the option that goes on without."""
    try:
        yield
    except CannotJudge as error:
        if not isinstance(error.__cause__, NotIsolated):
            raise
        raise CannotJudge(f"{error}. To grade without isolation, code that you trust: {option}") from error
