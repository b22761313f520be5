"""Ctrl-C and SIGTERM end a command in order, whatever is being done at the moment."""

import signal
import sys
from types import FrameType


def listen() -> None:
    """From now on either of them raises a ``KeyboardInterrupt`` in the main thread, once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again


class _Interrupted(KeyboardInterrupt):
    """Not KeyboardInterrupt itself: Python ends itself by a signal, even if that is caught, when it crosses an exec."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a grade the way Ctrl-C does: in order, leaving no process."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)  # a second one would interrupt the tidying up
    raise _Interrupted


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """An interruption that falls into a destructor or a garbage collection is swallowed by Python: try once more."""
    if unraisable.exc_type is _Interrupted:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(unraisable)
