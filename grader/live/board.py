"""What the live page shows now, for the thread that grades to change and the thread that serves to read."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """What is being done about the files as they are now."""

    GRADING = "grading"
    EXPLAINING = "explaining"  # the verdict is there; the smallest failing cases are looked for
    GRADED = "graded"
    WAITING = "waiting"  # for files that can be read
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One state of the page.

    Attributes:
        number: grows with every change.
        title: of the window.
        since: when this phase began, in seconds since the epoch.
        note: what keeps it waiting; empty in other phases.
        report: the report's markup, without the page around it; empty before the first grade.
        side: the markup of what stands beside it.
    """

    number: int = 0
    title: str = "grader watch"
    phase: Phase = Phase.GRADING
    since: float = 0.0
    note: str = ""
    report: str = ""
    side: str = ""


class Board:
    """Keeps the newest view, and calls its listeners at each change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view = View()
        self._listeners: set[Callable[[], None]] = set()

    @property
    def view(self) -> View:
        """As it is now."""
        return self._view

    def change(self, **fields: object) -> None:
        """Show something else: fields of ``View``."""
        with self._lock:
            self._view = replace(self._view, **fields, number=self._view.number + 1)  # type: ignore[arg-type]
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener``, in whatever thread, after each change; returns what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end
