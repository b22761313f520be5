"""What a piece of work costs: wall seconds, and CPU seconds of this process and of all that it has started.

CPU seconds are the steadier of the two: they hardly change with what else the machine does. Linux alone tells them
of processes that still run.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASELINE = "import torch"
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock, and seconds of all cores together."""

    wall: float
    cpu: float


def cost(work: Callable[[], object]) -> Cost:
    """What ``work`` costs, with all its processes: those that live on, and those that ended and were waited for."""
    started, before = time.perf_counter(), _cpu_seconds()
    work()
    return Cost(time.perf_counter() - started, _cpu_seconds() - before)


def python(*arguments: str, codes: Sequence[int] = (0,)) -> None:
    """Run Python to its end at the top of the repository; another exit code than ``codes`` is no measurement."""
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if run.returncode not in codes:
        sys.exit(f"python {' '.join(arguments)}: exit code {run.returncode}\n{run.stdout}{run.stderr}")


def import_torch() -> None:
    """What everything is divided by."""
    python("-c", BASELINE)


def grader(*arguments: str) -> None:
    """Run the command; that something falls short is a grade like another."""
    python("-m", "grader", *arguments, codes=(0, 1))


def rounds(
    measures: Mapping[str, Callable[[], object]], count: int, warmed: Collection[str] = ()
) -> dict[str, list[Cost]]:
    """What each measure cost, in rounds that do everything once: a machine that gets slower gets slower for all.

    Args:
        warmed: what is done right before it is measured too; a launcher that has idled has lost its caches.
    """
    for measure in measures.values():
        measure()  # fills caches
    found: dict[str, list[Cost]] = {name: [] for name in measures}
    for _ in range(count):
        for name, measure in measures.items():
            if name in warmed:
                measure()
            found[name].append(cost(measure))
    return found


def print_ratios(found: Mapping[str, Sequence[Cost]], goals: Mapping[str, float]) -> None:
    """A table: the least that each cost, and what that is of the least that importing torch cost.

    The least and not the median: what is in the way of a measurement only ever adds to it. Both are shown for time on
    the clock, where the difference says how quiet the machine was.
    """
    width = max(map(len, found))
    base = _Times(found[BASELINE])
    print(f"{'':{width}} {'seconds':>16} {'over import torch':>26} {'':>5}")
    print(f"{'':{width}} {'wall':>8} {'CPU':>7} {'wall':>8} {'(median)':>9} {'CPU':>7} {'goal':>5}")
    for name, costs in found.items():
        own = _Times(costs)
        ratios = f"{own.wall / base.wall:8.2f} {own.median / base.median:9.2f} {own.cpu / base.cpu:7.2f}"
        print(f"{name:{width}} {own.wall:8.2f} {own.cpu:7.2f} {ratios} {goals.get(name, ''):>5}".rstrip())


class _Times:
    """The least of each kind, and the median on the clock."""

    def __init__(self, costs: Sequence[Cost]) -> None:
        self.wall = min(cost.wall for cost in costs)
        self.cpu = min(cost.cpu for cost in costs)
        self.median = statistics.median(cost.wall for cost in costs)


def descendants(pid: int) -> Iterator[int]:
    """The process and all that it has started, as far as they are still there."""
    yield pid
    with suppress(OSError):  # it has just ended
        for task in list(Path(f"/proc/{pid}/task").iterdir()):
            with suppress(OSError):  # or one of its threads
                for child in map(int, (task / "children").read_text().split()):
                    yield from descendants(child)


def _cpu_seconds() -> float:
    """Of this process and all below it, with those that ended below it."""
    own = time.process_time()
    ended = os.times()
    others = [_ticks(pid) for pid in descendants(os.getpid()) if pid != os.getpid()]
    return own + ended.children_user + ended.children_system + sum(others) * _TICK


def _ticks(pid: int) -> int:
    """Clock ticks of a process and of its children that have ended; none if it has just ended itself."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # user, system, and both of the children waited for; the name in front may hold anything.
    return sum(map(int, stat.rpartition(")")[2].split()[11:15]))


def print_waits(waits: dict[str, list[float]], goal: float) -> None:
    """How long each thing took, and over ``import torch``, which is the first.

    Args:
        goal: for the ratio of all others.
    """
    base = waits["import torch"]
    print(f"{'':26} {'median s':>9} {'median ratio':>13} {'min ratio':>10} {'goal':>6}")
    for name, times in waits.items():
        ratios = f"{statistics.median(times) / statistics.median(base):13.2f} {min(times) / min(base):10.2f}"
        print(f"{name:26} {statistics.median(times):9.2f} {ratios} {'' if times is base else goal:>6}")
