"""What counts towards a deadline: computing and sleep, and not what others take from the machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.limits import CLOCK_BACKSTOP_FACTOR
from grader.sandbox.client import Launcher
from grader.sandbox.deadline import STILL, Deadline, KernelClock, WallClock, clock_of
from grader.sandbox.errors import WorkerTimedOut
from grader.sandbox.questions import Answered, Snippet

HUNG = 60.0  # seconds: what has not happened by then does not happen
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's clocks")


class Script:
    """A process and a wall clock that do as they are told."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.asleep = False

    def computed(self) -> float:
        return self.cpu

    def sleeps(self) -> bool:
        return self.asleep

    def passes(self, deadline: Deadline, wall: float, *, cpu: float = 0.0, silent: bool = True) -> None:
        """Let time go by, and look."""
        self.wall += wall
        self.cpu += cpu
        deadline.look(lambda: silent)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def deadline(script: Script) -> Deadline:
    return Deadline(10.0, script, lambda: script.wall)


def test_a_busy_loop_is_over_when_it_has_computed_so_long(script: Script, deadline: Deadline) -> None:
    script.passes(deadline, 9.9, cpu=9.9)
    assert not deadline.is_over
    script.passes(deadline, 0.2, cpu=0.2)

    assert deadline.is_over


def test_a_sleep_is_over_when_it_has_slept_so_long(script: Script, deadline: Deadline) -> None:
    script.asleep = True
    for _ in range(99):
        script.passes(deadline, 0.1)
    assert not deadline.is_over
    script.passes(deadline, 0.2)

    assert deadline.is_over


def test_naps_between_a_little_work_are_slept(script: Script, deadline: Deadline) -> None:
    script.asleep = True
    for _ in range(100):
        script.passes(deadline, 0.1, cpu=0.02)

    assert deadline.spent == pytest.approx(10.0)


def test_what_gets_no_core_spends_nothing(script: Script, deadline: Deadline) -> None:
    script.passes(deadline, 100.0, cpu=1.0)

    assert (deadline.spent, deadline.is_over) == (1.0, False)


def test_sleep_after_the_answer_is_none_of_its_own(script: Script, deadline: Deadline) -> None:
    script.asleep = True
    script.passes(deadline, 100.0, cpu=1.0, silent=False)

    assert deadline.spent == 1.0


def test_the_clock_ends_what_never_gets_a_core(script: Script, deadline: Deadline) -> None:
    script.passes(deadline, 10.0 * CLOCK_BACKSTOP_FACTOR)

    assert deadline.is_over


def test_looks_come_no_oftener_than_they_are_due(script: Script, deadline: Deadline) -> None:
    script.asleep = True
    script.passes(deadline, 0.05)
    assert deadline.spent == 0.0
    script.passes(deadline, 0.06)

    assert deadline.spent == pytest.approx(0.11)


# Real processes

BUSY = "while True: pass"
ASLEEP = "import time\ntime.sleep(9999)"
NAPPING = "import time\nwhile True: time.sleep(0.001)"


@pytest.fixture
def run() -> Iterator[Callable[[str], int]]:
    """``run(program)``: the pid of a process that says a line and goes on as told."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(program: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", f"print(1, flush=True)\n{program}"], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process.pid

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def comes_true(is_so: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + HUNG
    while not is_so() and time.monotonic() < give_up:
        time.sleep(0.02)
    return is_so()


@linux
def test_the_kernel_tells_who_is_busy_from_who_sleeps_and_who_is_stopped(
    run: Callable[[str], int],
) -> None:
    busy, asleep = clock_of(run(BUSY)), clock_of(run(ASLEEP))
    stopped_pid = run(ASLEEP)
    stopped = clock_of(stopped_pid)
    os.kill(stopped_pid, signal.SIGSTOP)

    assert comes_true(asleep.sleeps)
    assert comes_true(lambda: not stopped.sleeps())
    assert not busy.sleeps()
    before = busy.computed()
    assert comes_true(lambda: busy.computed() > before + 0.1)


@linux
def test_where_the_state_is_hidden_a_process_sleeps_that_has_long_not_computed(
    run: Callable[[str], int], tmp_path: Path
) -> None:
    busy, asleep = (KernelClock(run(program), proc=tmp_path) for program in (BUSY, ASLEEP))
    assert not asleep.sleeps()
    time.sleep(STILL)

    assert comes_true(asleep.sleeps)
    assert not busy.sleeps()


@linux
def test_a_process_that_is_gone_has_computed_what_it_had(run: Callable[[str], int]) -> None:
    pid = run(BUSY)
    clock = clock_of(pid)
    assert comes_true(lambda: clock.computed() > 0.1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert clock.computed() == clock.computed() > 0.1


def test_where_the_kernel_tells_nothing_all_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(clock: int) -> float:
        raise OSError(f"{clock=}")

    monkeypatch.setattr(time, "clock_gettime", refuse)
    clock = clock_of(os.getpid())
    monkeypatch.undo()

    assert isinstance(clock, WallClock)
    assert not clock.sleeps()
    before = clock.computed()
    assert comes_true(lambda: clock.computed() > before + 0.01)


# Real workers


@linux
@pytest.mark.parametrize("source", [BUSY, ASLEEP, NAPPING], ids=["busy", "asleep", "napping"])
def test_a_worker_that_does_not_answer_has_spent_its_time_and_little_more(source: str, launcher: Launcher) -> None:
    worker = launcher.spawn({})
    worker.send(Snippet(source=source), {}, 1.0)

    with pytest.raises(WorkerTimedOut):
        worker.receive()
    assert 1.0 <= worker.spent < 10.0  # by the backstop it would be 30 of sleep that is not counted


@linux
def test_a_worker_that_is_stopped_for_longer_than_its_time_still_answers(launcher: Launcher) -> None:
    worker = launcher.spawn({})
    worker.send(Snippet(source="pass"), {}, 30.0)
    worker.receive()
    os.kill(worker._pid, signal.SIGSTOP)
    going_on = subprocess.Popen(["/bin/sh", "-c", f"sleep 2.5; kill -CONT {worker._pid}"])
    try:
        worker.send(Snippet(source="sum(range(10**5))"), {}, 1.0)
        reply, _ = worker.receive()
    finally:
        going_on.wait()
        worker.close()

    assert reply == Answered()
    assert worker.spent < 1.0
