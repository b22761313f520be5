"""How much a process has computed and slept, as the kernel counts it, and how long it may."""

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from grader.limits import CLOCK_BACKSTOP_FACTOR

STILL: Final = 2.0  # seconds without any computing, after which a process whose state is hidden is taken to sleep
_OF_A_PROCESS: Final = 2  # CPUCLOCK_SCHED: to the nanosecond, all threads together


class ProcessClock(Protocol):
    """What one process does with its time."""

    def computed(self) -> float:
        """Seconds of CPU time that it has used; only differences mean something."""

    def sleeps(self) -> bool:
        """Whether it computes nothing because it does not want to, and not because there is no core or no disk."""


class WallClock:
    """Where nothing can be known of a process, all time counts as its own."""

    def computed(self) -> float:
        """Seconds that went by."""
        return time.monotonic()

    def sleeps(self) -> bool:
        """Never: its sleep is counted already."""
        return False


class KernelClock:
    """What Linux knows of a process, of any user and in any state.

    Args:
        proc: where the kernel tells the state of a process; nothing of it to an ordinary user, under ``hidepid``.

    Raises:
        OSError: this kernel does not tell.
    """

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self._clock = (~pid << 3) | _OF_A_PROCESS
        self._state_file = proc / str(pid) / "stat"
        self._computed = time.clock_gettime(self._clock)
        self._still: tuple[float, float] | None = None  # what it had computed, and since when it was no more

    def computed(self) -> float:
        """Seconds of CPU time; those last known once the process is gone."""
        with contextlib.suppress(OSError):
            self._computed = time.clock_gettime(self._clock)
        return self._computed

    def sleeps(self) -> bool:
        """Whether its state is a sleep of its own choice: not runnable, nor stopped, nor waiting for a disk."""
        try:
            stat = self._state_file.read_bytes()
        except OSError:
            return self._is_still()
        return stat.rpartition(b") ")[2].startswith(b"S")  # its name comes before, and may hold anything

    def _is_still(self) -> bool:
        """Whether it has not computed for so long that want of a core does not explain it."""
        computed, now = self.computed(), time.monotonic()
        if self._still is None or self._still[0] != computed:
            self._still = computed, now
        return now - self._still[1] > STILL


def clock_of(pid: int) -> ProcessClock:
    """The best clock that there is for a process."""
    if sys.platform != "linux":
        return WallClock()
    try:
        return KernelClock(pid)
    except OSError:
        return WallClock()


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
