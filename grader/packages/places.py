"""Where in a submission's files something happened: lines that are there, whatever its process says."""

import re
from collections.abc import Mapping
from typing import Final

from grader.result.record import Place
from grader.sandbox.questions import Frame

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
