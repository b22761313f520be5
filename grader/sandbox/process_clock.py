"""How much a process has computed, and whether it sleeps: as the kernel counts it, out of the process's reach."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Final, Protocol

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
