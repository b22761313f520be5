"""What comes of a question that a package does not answer, and what it raised: where in its own lines, and in words for
its author."""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from grader.errors import CannotJudge
from grader.result.record import Place
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.questions import Frame, Raised

BREAKPOINTS: Final = ("breakpoint(", "set_trace(")


class Trouble(Exception):
    """The package gave no answer. ``kind`` tells apart ways of failing that are not the same."""

    kind = "trouble"
    traceback: str | None = None
    stack: tuple[Place, ...] = ()  # lines of its own that were being run, innermost last
    trusted = False  # it was the reference, or a variant of it, that gave none: our side


def is_machines(trouble: BaseException | None) -> bool:
    """True if a trusted package died or timed out: a failure of the machine, not an answer."""
    return isinstance(trouble, PackageDied | PackageHung) and trouble.trusted


class PackageRaised(Trouble):
    """Its code raised an exception.

    Attributes:
        words: what that means, in one sentence, without where it was.

    Args:
        files: of the package, source text by name.
        left_to_build: names of what it may not have built yet.
    """

    def __init__(
        self, raised: Raised, files: Mapping[str, str] = MappingProxyType({}), left_to_build: Collection[str] = ()
    ) -> None:
        self.raised = raised
        self.stack = places_of(raised.frames, files)
        if raised.type == "BdbQuit":  # which is raised at the line after the one that asked for it
            self.stack = reached_by(BREAKPOINTS, self.stack, files)
        self.words = in_words(raised, self.stack, files)
        self.traceback = raised.traceback
        self.kind = f"raised {raised.type}"
        self._missing = is_missing(raised, left_to_build)
        place = self.stack[-1] if self.stack and not self.unbuilt else None
        where = "" if place is None or place.named in self.words else f" ({place.file}, line {place.line})"
        super().__init__(self.words + where)

    def is_a(self, name: str) -> bool:
        """Whether the exception's class is, or derives from, the built-in ``name``."""
        return name in self.raised.bases

    @property
    def unbuilt(self) -> bool:
        """Whether its code says itself that something is not built yet, or has taken out what was to be built."""
        return (self.raised.by_raise and self.is_a("NotImplementedError")) or self._missing


class PackageMisanswered(Trouble):
    """Its code returned something that the contract does not allow."""

    kind = "misanswered"


class PackageDied(Trouble):
    """Its process ended, or wrote something that is not an answer."""

    kind = "died"


class PackageHung(Trouble):
    """It gave no answer in time."""

    kind = "hung"


class PackageDoesNotRun(Trouble):
    """A module of it does not run at all, which is known and reported already: it is asked no more.

    Args:
        module: "model" or "train".
    """

    kind = "does not run"

    def __init__(self, module: str) -> None:
        super().__init__(f"cannot be judged before {module}.py runs")
        self.module = module


class Stopped(BaseException):
    """The grade is being given up; nothing more is to be asked.

    Not an ``Exception``: hypothesis must let it through, and not shrink it.
    """


@contextmanager
def without_a_verdict() -> Iterator[None]:
    """Raise ``CannotJudge`` where the launcher fails or the work is given up, in this thread or one waited for."""
    try:
        yield
    except LauncherFailed as error:
        raise CannotJudge(f"nothing could be judged: {error}") from error
    except Stopped as stopped:
        raise CannotJudge(f"nothing could be judged: {stopped.__cause__ or 'it was given up'}") from stopped.__cause__


MAX_SOURCE: Final = 200  # characters of a line that are shown
MAX_STACK: Final = 8  # frames
_FRAME: Final = re.compile(r'^ *File "([^"\n]+)", line (\d{1,7}) in ([^\n]*)$', re.MULTILINE)


def places_of(frames: tuple[Frame, ...], files: Mapping[str, str]) -> tuple[Place, ...]:
    """The frames that are lines of these files, innermost last."""
    found = (place_of(frame, files) for frame in frames)
    return tuple(place for place in found if place is not None)[-MAX_STACK:]


def places_in(stack: str, files: Mapping[str, str]) -> tuple[Place, ...]:
    """The same of a stack as faulthandler writes it, which has the innermost first."""
    found = (Frame(file=file, line=int(line), function=name) for file, line, name in _FRAME.findall(stack))
    return places_of(tuple(found)[::-1], files)


def reached_by(calls: tuple[str, ...], stack: tuple[Place, ...], files: Mapping[str, str]) -> tuple[Place, ...]:
    """The same stack, whose last line is now the nearest one above it that has one of these calls, if any has."""
    if not stack:
        return stack
    last = stack[-1]
    above = list(enumerate(files[last.file].splitlines()[: last.line], 1))[::-1]
    found = next((number for number, text in above if any(call in text for call in calls)), last.line)
    place = place_of(Frame(file=last.file, line=found, function=last.function), files)
    return (*stack[:-1], place) if place is not None else stack


def place_of(frame: Frame, files: Mapping[str, str]) -> Place | None:
    """The line of a frame as it stands in the file; None where there is no such line."""
    lines = files.get(frame.file, "").splitlines()
    if not 0 < frame.line <= max(len(lines), 1) or frame.file not in files:
        return None
    source = lines[frame.line - 1] if lines else ""
    column = frame.column if 0 < frame.column <= min(len(source), MAX_SOURCE - 1) + 1 else None
    return Place(
        file=frame.file, line=frame.line, column=column, function=frame.function[:80], source=source[:MAX_SOURCE]
    )


AVAILABLE: Final = "only the standard library and PyTorch are"
PYTHON: Final = f"Python {sys.version_info.major}.{sys.version_info.minor}"

_NO_ATTRIBUTE: Final = re.compile(r"module '(\w+)' has no attribute '(\w+)'")
_NO_NAME_IN: Final = re.compile(r"cannot import name '(\w+)' from (?:partially initialized module )?'(\w+)'")
_MISSING: Final = re.compile(r"(?:has no attribute|^name|cannot import name|^No module named) '(\w+)'")
_NO_MODULE: Final = re.compile(r"No module named '([\w.]+)'")
_IN_FILE: Final = re.compile(r" \([^()\n]+, line \d+\)$")
_FROM: Final = re.compile(r"(?:^|[:;])\s*from\s+([A-Za-z_][\w.]*)\s+import\b")
_BESIDE: Final = re.compile(r"(?:^|[:;])\s*from\s+\.(\w+)\s+import\b")
_IMPORT: Final = re.compile(r"(?:^|[:;])\s*import\s+([^#;]+)")
_SITE: Final = frozenset({"torch", "numpy"})


def in_words(raised: Raised, stack: tuple[Place, ...], files: Mapping[str, str]) -> str:
    """One sentence; the type and the message as they are, where they say what there is to say.

    Args:
        stack: the lines of ``files`` that were being run, innermost last.
        files: of the package, source text by name.
    """
    message = raised.message
    if "SyntaxError" in raised.bases:
        # Newer syntax is no syntax to an older Python, and nothing else says which one reads it here.
        return f"{raised.type}: {_IN_FILE.sub('', message)} ({PYTHON} grades here)"
    if raised.type == "BdbQuit":
        return "breakpoint() waits for input, and there is none here: take it out"
    if "EOFError" in raised.bases and "reading a line" in message:
        return "input() waits for input, and there is none here: take it out"
    if (found := _NO_ATTRIBUTE.search(message)) and f"{found[1]}.py" in files:
        return f"{found[1]}.py has no {_kind(found[2])} {found[2]}"
    if (found := _NO_NAME_IN.search(message)) and f"{found[2]}.py" in files:
        return f"{found[2]}.py has no {_kind(found[1])} {found[1]}"
    if stack and (beside := _BESIDE.search(stack[-1].source)) and f"{beside[1]}.py" not in files:
        return f"{stack[-1].named} imports .{beside[1]}, and there is no {beside[1]}.py"
    if (module := _unavailable(raised, stack, files)) is not None:
        return f"{stack[-1].named} imports {module}, which is not available here: {AVAILABLE}"
    return f"{raised.type}: {message}" if message else raised.type


def is_missing(raised: Raised, names: Collection[str]) -> bool:
    """Whether it was raised because there is no function, class or file of one of these names."""
    if not {"AttributeError", "NameError", "ImportError"}.intersection(raised.bases):
        return False
    found = _MISSING.search(raised.message)
    return found is not None and found[1] in names


def _kind(name: str) -> str:
    return "class" if name[:1].isupper() else "function"


def _unavailable(raised: Raised, stack: tuple[Place, ...], files: Mapping[str, str]) -> str | None:
    """The library that a line imports in vain, if that is what was being done.

    It need not be missing: a library that is installed by chance, and wants to write or to start something, fails too.
    """
    if not stack:
        return None
    imported = _imported(stack[-1].source)
    if not imported and raised.type == "ModuleNotFoundError":
        imported = _NO_MODULE.findall(raised.message)
    return next((name for name in imported if _is_foreign(name.partition(".")[0], files)), None)


def _imported(line: str) -> list[str]:
    """The modules that a statement imports, by their full names, read off the line that it begins in.

    Not off a syntax tree: two threads that make one at once get a SystemError from Python 3.11.
    """
    if found := _FROM.search(line):
        return [found[1]]
    found = _IMPORT.search(line)
    return [entry.split()[0] for entry in found[1].split(",") if entry.strip()] if found else []


def _is_foreign(library: str, files: Mapping[str, str]) -> bool:
    return library not in sys.stdlib_module_names | _SITE and f"{library}.py" not in files and library != "submission"
