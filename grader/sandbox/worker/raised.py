"""What a candidate's code raised, in words that can be sent."""

import traceback
from types import TracebackType

from grader.sandbox.worker.package import SourcePackage

MAX_MESSAGE = 2000


def message_of(error: BaseException) -> str:
    """What an exception says, or that it cannot."""
    try:
        return sendable(str(error))[:MAX_MESSAGE]
    except BaseException:
        return "(its message could not be read)"


def own_frames(package: SourcePackage, trace: TracebackType | None, *others: str) -> list[traceback.FrameSummary]:
    """The frames of a traceback that lie in the package's files, or in ``others``."""
    own = package.filenames().union(others)
    return [frame for frame in traceback.extract_tb(trace) if frame.filename in own]


def sendable(text: str) -> str:
    """Without lone surrogates, which no encoding carries."""
    return text.encode("utf-8", "replace").decode()
