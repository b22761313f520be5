"""The command line: a module for each command, what they share, and how a command begins and is interrupted.

Nothing that takes time is imported here: an interruption has to be answered in order from the first moment on.
"""

import sys

# Not typing's, which takes longer to import than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C: the one that shells give to what SIGINT has ended."""

READER_GONE = 141
"""The exit code after a closed pipe, as of ``grader hint . | head -1``: the one that shells give to what SIGPIPE has
ended."""


def begin() -> "NoReturn":
    """The command ``grader``, in which an interruption is answered before its parts are imported, too."""
    try:
        listen()
        from grader.cli.main import main

        main()
    except KeyboardInterrupt:
        end_interrupted()


def end_interrupted() -> "NoReturn":
    """Say so in one line, and exit with its code."""
    try:
        sys.stderr.write("\ngrader: interrupted; nothing was written\n")
        sys.stderr.flush()
    except (OSError, AttributeError):  # there is nowhere left to report this
        pass
    sys.exit(INTERRUPTED)


def listen() -> None:
    """From now on either of them raises a ``KeyboardInterrupt`` in the main thread, once."""
    import signal  # now: what interrupts this import is answered by the caller

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again


class _Interrupted(KeyboardInterrupt):
    """Not KeyboardInterrupt itself: Python ends itself by a signal, even if that is caught, when it crosses an exec."""


def _interrupt(number: int, frame: "FrameType | None") -> None:
    """SIGTERM ends a grade the way Ctrl-C does: in order, leaving no process."""
    import signal

    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)  # a second one would interrupt the tidying up
    raise _Interrupted


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """An interruption that falls into a destructor or a garbage collection is swallowed by Python: try once more."""
    import signal

    if unraisable.exc_type is _Interrupted:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(unraisable)
