"""What a candidate's code raised, in words that can be sent."""

import linecache
import re
import traceback
from types import TracebackType
from typing import Final

from grader.sandbox.questions import Frame
from grader.sandbox.worker.loading import SourcePackage

MAX_MESSAGE: Final = 2000
MAX_FRAMES: Final = 8
_OUR_NAME: Final = re.compile(r"\bsubmission\.(?=[A-Za-z_])")


def message_of(error: BaseException) -> str:
    """What an exception says, or that it cannot."""
    try:
        # The author of model.py does not know of a module submission.model.
        return _OUR_NAME.sub("", sendable(str(error)))[:MAX_MESSAGE]
    except BaseException:
        return "(its message could not be read)"


def own_frames(package: SourcePackage, trace: TracebackType | None, *others: str) -> list[traceback.FrameSummary]:
    """The frames of a traceback that lie in the package's files, or in ``others``."""
    own = package.filenames().union(others)
    return [frame for frame in traceback.extract_tb(trace) if frame.filename in own]


def places(package: SourcePackage, error: BaseException) -> tuple[Frame, ...]:
    """Where in the package's files it was raised, innermost last; of a text that cannot be read, where not."""
    found = [
        Frame(file=frame.filename, line=frame.lineno or 0, column=_column(frame), function=sendable(frame.name))
        for frame in own_frames(package, error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename in package.filenames() and error.lineno:
        found.append(Frame(file=error.filename, line=error.lineno, column=max(error.offset or 0, 0)))
    return tuple(found[-MAX_FRAMES:])


def _column(frame: traceback.FrameSummary) -> int:
    """Where in its line a frame is, in characters: Python counts bytes."""
    if frame.colno is None or frame.lineno is None:
        return 0
    line = linecache.getline(frame.filename, frame.lineno).encode("utf-8", "replace")
    return len(line[: frame.colno].decode("utf-8", "replace")) + 1


def sendable(text: str) -> str:
    """Without lone surrogates, which no encoding carries."""
    return text.encode("utf-8", "replace").decode()
