"""How long an answer may take: the worker's own time counts, and not what others on the machine take from it."""

import time
from collections.abc import Callable
from typing import Final

from grader.limits import CLOCK_BACKSTOP_FACTOR
from grader.sandbox.process_clock import ProcessClock

LOOK: Final = 0.1  # seconds between two looks at what a process does
BRIEFLY: Final = 0.01  # the least of them


class Deadline:
    """Seconds that a process may spend from now on, computing or asleep.

    A process that is ready to run and gets no core spends nothing. So a busy loop and a sleep end after the same time
    on a machine that has nothing else to do, and on a busy one an answer has as much time as ever.

    Args:
        seconds: that may be spent.
        clock: of the process.
        now: the wall clock.
    """

    def __init__(self, seconds: float, clock: ProcessClock, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._now = now
        self._computed = clock.computed()
        self._started = self._looked = now()
        self._computed_then = self._computed  # at the last look
        self._slept = 0.0

    @property
    def spent(self) -> float:
        """Seconds of its own so far, those asleep as of the last look."""
        return self._clock.computed() - self._computed + self._slept

    @property
    def is_over(self) -> bool:
        """Whether all is spent, or the clock says that this will not end."""
        return self.spent >= self.seconds or self._now() - self._started >= CLOCK_BACKSTOP_FACTOR * self.seconds

    @property
    def until_next_look(self) -> float:
        """Seconds that may go by before a look is due."""
        return min(LOOK, max(BRIEFLY, self.seconds - self.spent))

    def look(self, is_silent: Callable[[], bool]) -> None:
        """See whether the process sleeps, if that is due: then it has slept since the last look.

        Args:
            is_silent: whether it keeps us waiting. One that has answered sleeps as well.
        """
        now = self._now()
        if now - self._looked < min(LOOK, self.until_next_look):
            return
        computed = self._clock.computed()
        if self._clock.sleeps() and is_silent():  # in this order: it may answer, and sleep only then
            self._slept += max(0.0, now - self._looked - (computed - self._computed_then))
        self._looked, self._computed_then = now, computed
