"""What comes of a question that a package does not answer."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from grader.errors import CannotJudge
from grader.packages.raised import in_words, is_missing, places_of, reached_by
from grader.result.record import Place
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.questions import Raised

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
