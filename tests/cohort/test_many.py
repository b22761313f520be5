"""Submissions from any source, side by side: as they come, a few at a time, and nothing is left of what is given up."""

import asyncio
import itertools
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest

from grader.cohort.many import AHEAD, CLOSED, BackgroundPool, Pools, grade_side_by_side, grade_side_by_side_async
from grader.cohort.pool import Graded, NotGraded, Setup, Task, setup_of
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise
from grader.grading.options import Options
from grader.submission.read import submission_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a job ends with its parent on Linux alone")

JOBS = 2
HUNG = 60.0  # seconds: what has not ended by then does not end
# Answers with the submission's name; hangs, dies or fails where the name says so. It writes its pid down first.
JOB = """
import os, socket, sys, time
from pathlib import Path
from typing import Any
from grader.cohort.pool import Graded, NotGraded, receive, send
peer = socket.socket(fileno=int(sys.argv[1]))
stream = peer.makefile("rb")
Path({pids!r}, str(os.getpid())).touch()
receive(stream)
while (task := receive(stream)) is not None:
    name = task.submission.name
    if name == "hangs":
        time.sleep(1000)
    if name == "dies":
        os._exit(1)
    if name == "hopeless":
        send(peer, NotGraded(reason="no Landlock here", hopeless=True))
    send(peer, Graded(result=name.encode(), report=b"", seconds=0.0))
"""


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    """A directory with a file for each job that was started, named by its pid."""
    (tmp_path / "pids").mkdir()
    return tmp_path / "pids"


@pytest.fixture
def pools(exercise: Exercise, pids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pools]:
    """Whose jobs are the script above."""
    (tmp_path / "job.py").write_text(JOB.format(pids=str(pids)))
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/job.py "$5" "$6"\n')
    (tmp_path / "python").chmod(0o700)
    setup: Setup = setup_of(exercise, Options(), None)
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", str(tmp_path / "python"))
        pools = Pools(setup)
        yield pools
        pools.close()
    assert alive(pids) == []


def alive(pids: Path) -> list[str]:
    """The jobs that have not ended."""
    return [pid.name for pid in pids.iterdir() if os.path.exists(f"/proc/{pid.name}")]


def task(name: str) -> Task | UsageError:
    return UsageError("no model.py") if name == "unreadable" else Task(submission=submission_of(name, {}))


def names(came: object) -> object:
    """What a job was given, or the error."""
    return came.result.decode() if isinstance(came, Graded) else came


def test_each_has_its_number_and_what_cannot_be_read_costs_the_others_nothing(pools: Pools) -> None:
    given = ["a", "unreadable", "b", "dies", "c"]
    found = dict(grade_side_by_side(pools, JOBS, given, task))

    assert sorted(found) == [0, 1, 2, 3, 4]
    assert [names(found[number]) for number in (0, 2, 4)] == ["a", "b", "c"]
    assert isinstance(found[1], UsageError)
    assert isinstance(found[3], NotGraded)


def test_what_hangs_holds_up_no_other(pools: Pools) -> None:
    many = grade_side_by_side(pools, JOBS, itertools.chain(["hangs"], map(str, range(20))), task)
    found = [names(came) for _, came in itertools.islice(many, 20)]
    many.close()

    assert found == [str(number) for number in range(20)]


def test_of_an_endless_source_no_more_is_taken_than_is_needed_and_leaving_it_ends_the_jobs(
    pools: Pools, pids: Path
) -> None:
    taken = []

    def source() -> Iterator[str]:
        for number in itertools.count():
            taken.append(number)
            yield str(number)

    for handed_on, _ in enumerate(grade_side_by_side(pools, JOBS, source(), task)):
        assert len(taken) - handed_on <= AHEAD * JOBS
        if handed_on == 10:
            break

    assert len(list(pids.iterdir())) <= JOBS
    assert alive(pids) == []


def test_jobs_are_kept_for_the_next_call_and_end_when_it_is_closed(pools: Pools, pids: Path) -> None:
    for _ in range(3):
        assert len(list(grade_side_by_side(pools, JOBS, ["a", "b", "c", "d"], task))) == 4
    started = len(list(pids.iterdir()))
    kept = alive(pids)
    pools.close()

    assert 1 <= len(kept) == started <= JOBS
    assert alive(pids) == []
    with pytest.raises(CannotJudge, match="closed"):
        next(grade_side_by_side(pools, JOBS, ["a"], task))


def test_two_calls_at_a_time_do_not_get_each_others_answers(pools: Pools) -> None:
    first, second = (grade_side_by_side(pools, JOBS, [f"{name}{n}" for n in range(5)], task) for name in "xy")
    both = [(one, other) for one, other in zip(first, second, strict=True)]

    for name, found in zip("xy", zip(*both, strict=True), strict=True):
        assert {number: names(came) for number, came in found} == {number: f"{name}{number}" for number in range(5)}


def test_what_no_job_can_do_is_raised(pools: Pools, pids: Path) -> None:
    with pytest.raises(CannotJudge, match="no Landlock here"):
        list(grade_side_by_side(pools, JOBS, ["a", "hopeless", "b"], task))

    assert alive(pids) == []


def test_closing_in_another_thread_ends_a_call_that_waits(pools: Pools) -> None:
    many = grade_side_by_side(pools, JOBS, ["a", "hangs"], task)
    assert names(next(many)[1]) == "a"
    closing = threading.Thread(target=pools.close)
    closing.start()
    with pytest.raises(CannotJudge, match="closed"):
        next(many)
    closing.join(HUNG)

    assert not closing.is_alive()


def test_an_error_of_the_source_ends_the_jobs(pools: Pools, pids: Path) -> None:
    def source() -> Iterator[str]:
        yield "a"
        raise KeyError("of the caller's")

    with pytest.raises(KeyError, match="of the caller's"):
        list(grade_side_by_side(pools, JOBS, source(), task))

    assert alive(pids) == []


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "asynchronous"])
def test_an_event_loop_gets_the_same(is_async: bool, pools: Pools) -> None:
    given = ["a", "unreadable", "b", "c", "dies"]

    async def source() -> AsyncIterator[str]:
        for name in given:
            await asyncio.sleep(0)
            yield name

    async def collect() -> dict[int, object]:
        many = grade_side_by_side_async(pools, JOBS, source() if is_async else given, task)
        return {number: names(came) async for number, came in many}

    found = asyncio.run(collect())

    assert [found[number] for number in (0, 2, 3)] == ["a", "b", "c"]
    assert [type(found[number]) for number in (1, 4)] == [UsageError, NotGraded]


def test_an_event_loop_goes_on_while_it_waits(pools: Pools) -> None:
    async def run() -> int:
        many = grade_side_by_side_async(pools, JOBS, _slowly("hangs"), task)
        waiting = asyncio.ensure_future(anext(many))
        turns = 0
        while turns < 100:
            await asyncio.sleep(0)
            turns += 1
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        return turns

    assert asyncio.run(run()) == 100


def _slowly(name: str) -> Iterator[str]:
    time.sleep(0.2)  # in no event loop's thread
    yield name


async def _cancel(task_: "asyncio.Task[None]") -> None:
    task_.cancel()
    with suppress(asyncio.CancelledError):
        await task_


async def _left_early(pools: Pools) -> None:
    async with aclosing(grade_side_by_side_async(pools, JOBS, map(str, itertools.count()), task)) as many:
        async for number, _ in many:
            if number == 3:
                return


async def _cancelled(pools: Pools) -> None:
    begun = asyncio.Event()

    async def consume() -> None:
        async for _ in grade_side_by_side_async(pools, JOBS, itertools.chain(["a"], itertools.repeat("hangs")), task):
            begun.set()

    consumer = asyncio.create_task(consume())
    await begun.wait()
    await _cancel(consumer)


@pytest.mark.parametrize("leave", [_left_early, _cancelled], ids=["left", "cancelled"])
def test_an_event_loop_that_gives_up_leaves_no_job(leave: Callable[[Pools], object], pools: Pools, pids: Path) -> None:
    asyncio.run(leave(pools))  # type: ignore[arg-type]

    assert len(list(pids.iterdir())) >= 1
    assert alive(pids) == []


def test_a_pool_that_is_closed_while_it_takes_what_was_asked_ends(
    exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_asked = BackgroundPool._take_asked
    met = threading.Event()

    def closed_meanwhile(pool: BackgroundPool, waiting: Any) -> None:
        if not met.is_set():
            met.set()
            pool._end(CannotJudge(CLOSED))  # its wake-up is taken together with what was asked
        take_asked(pool, waiting)

    monkeypatch.setattr(BackgroundPool, "_take_asked", closed_meanwhile)
    pool = BackgroundPool(setup_of(exercise, Options(), None), 1)
    pool._thread.join(timeout=20)
    ended = not pool._thread.is_alive()
    pool._wake()  # one that waits for ever shall not hold up the other tests

    assert ended
