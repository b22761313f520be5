"""Submissions from any source, graded by a pool in the background: what comes of each, as it comes."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import aclosing, suppress
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from grader.cohort.pool import Graded, NotGraded, Pool, Setup, Task
from grader.errors import CannotJudge, UsageError
from grader.jobs import Asked

Given = TypeVar("Given")
Prepare = Callable[[Given], Task | UsageError]
"""What is to be graded of something that was given, or why nothing can be."""

Came = Graded | NotGraded | UsageError
AHEAD: Final = 2  # submissions for each job that are taken before the outcomes of earlier ones were
Answer = Future[Graded | NotGraded]
CLOSED: Final = "nothing could be judged: the pool is closed"


class BackgroundPool:
    """A pool for callers in any thread, who get a future each. Close it: that ends all its processes.

    A thread of its own makes the jobs, since the kernel ends a job with the thread that made it.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._pool = Pool(setup, jobs)
        self._asked: SimpleQueue[tuple[Task, Answer]] = SimpleQueue()
        self._changing = threading.Lock()
        self._over: CannotJudge | None = None  # why nothing more is graded
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._work, name="grader-pool", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is graded: it was closed, or the machine cannot do it."""
        return self._over is not None

    def submit(self, task: Task) -> Answer:
        """Have a submission graded, after those asked for before; its future raises CannotJudge once this is over."""
        answer: Answer = Future()
        with self._changing:
            if self._over is None:
                self._asked.put((task, answer))
                self._wake()
                return answer
        answer.set_exception(self._over)
        return answer

    def close(self) -> None:
        """Give up what is under way, and end all processes. From any thread; a second call waits for the first."""
        self._end(CannotJudge(CLOSED))
        self._pool.kill()
        self._thread.join()

    def _end(self, reason: CannotJudge) -> None:
        with self._changing:
            if self._over is None:
                self._over = reason
                self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b"!")
        except BlockingIOError:
            pass  # it has been woken often enough
        except OSError:
            pass  # it has ended

    # What follows runs in the thread of its own.

    def _work(self) -> None:
        waiting: deque[tuple[Task, Answer]] = deque()
        under_way: set[Answer] = set()
        try:
            with self._pool, self._woken, self._waker:
                while True:
                    self._take_asked(waiting)
                    # After it was taken that this was woken: who ends it says so first, and wakes it then.
                    if self._over is not None:
                        break
                    while waiting and self._pool.has_room:
                        task, answer = waiting.popleft()
                        if answer.set_running_or_notify_cancel():
                            under_way.add(answer)
                            self._pool.start(Asked(answer, task))
                    for answer, graded in self._pool.finished(self._woken):
                        under_way.discard(answer)
                        answer.set_result(graded)
        except CannotJudge as error:
            self._end(error)
        except Exception as error:  # no caller is to wait for ever
            self._end(CannotJudge(f"nothing could be judged: {error}"))
        assert self._over is not None
        self._take_asked(waiting)
        for answer in (*under_way, *(answer for _, answer in waiting)):
            if not answer.cancelled():
                answer.set_exception(self._over)

    def _take_asked(self, waiting: "deque[tuple[Task, Answer]]") -> None:
        try:
            while self._woken.fileno() >= 0 and self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        try:
            while True:
                waiting.append(self._asked.get_nowait())
        except Empty:
            pass


class Pools:
    """Pools of some number of jobs that stay ready between two uses. Close it: that ends all processes."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._idle: list[tuple[int, BackgroundPool]] = []
        self._lent: dict[BackgroundPool, int] = {}
        self._closed = False
        self._changing = threading.Lock()

    def take(self, jobs: int) -> BackgroundPool:
        """One of so many jobs, left by an earlier use or new. Raises ``CannotJudge`` once this is closed."""
        with self._changing:
            if self._closed:
                raise CannotJudge(CLOSED)
            kept = next((place for place, (number, _) in enumerate(self._idle) if number == jobs), None)
            pool = BackgroundPool(self._setup, jobs) if kept is None else self._idle.pop(kept)[1]
            self._lent[pool] = jobs
            return pool

    def give_back(self, pool: BackgroundPool) -> None:
        """Keep one in which nothing is under way for the next use."""
        with self._changing:
            if (jobs := self._lent.pop(pool, None)) is not None:
                self._idle.append((jobs, pool))

    def end(self, pool: BackgroundPool) -> None:
        """Give up what is under way in one, and wait until its processes have ended."""
        pool.close()
        with self._changing:
            self._lent.pop(pool, None)

    def close(self) -> None:
        """End them all, from any thread. Who waits for one that is lent learns that it was closed."""
        with self._changing:
            self._closed = True
            pools = [*self._lent, *(pool for _, pool in self._idle)]
            self._lent.clear()
            self._idle.clear()
        for pool in pools:
            pool.close()


def grade_side_by_side(
    pools: Pools, jobs: int, given: Iterable[Given], prepare: Prepare[Given]
) -> Generator[tuple[int, Came], None, None]:
    """What came of each that is given, with its number, in the order in which they are done.

    Left before its end, it ends its processes; else they are kept for the next call.

    Raises:
        CannotJudge: the machine cannot do it, for any submission, or the pools were closed.
    """
    pool = pools.take(jobs)
    try:
        yield from _as_completed(pool, given, prepare, AHEAD * jobs)
    except BaseException:
        pools.end(pool)
        raise
    pools.give_back(pool)


async def grade_side_by_side_async(
    pools: Pools, jobs: int, given: Iterable[Given] | AsyncIterable[Given], prepare: Prepare[Given]
) -> AsyncGenerator[tuple[int, Came], None]:
    """The same for an event loop, which is never kept waiting."""
    pool = pools.take(jobs)
    completed = _as_completed_async(pool, given, prepare, AHEAD * jobs)
    try:
        async with aclosing(completed):
            async for each in completed:
                yield each
    except BaseException:
        # In a thread, since it waits for processes to end; cancelled once more, it goes on all the same.
        await asyncio.shield(asyncio.to_thread(pools.end, pool))
        raise
    pools.give_back(pool)


class _Source(Enum):
    END = "end"


def _as_completed(
    pool: BackgroundPool, given: Iterable[Given], prepare: Prepare[Given], most: int
) -> Generator[tuple[int, Came], None, None]:
    """At most ``most`` are taken from ``given`` whose outcome was not handed on yet."""
    done: SimpleQueue[Future[Graded | NotGraded]] = SimpleQueue()
    under_way: dict[Future[Graded | NotGraded], int] = {}
    coming, is_over = enumerate(given), False
    while True:
        while not is_over and len(under_way) < most and done.empty():
            following = next(coming, None)
            if following is None:
                is_over = True
                continue
            number, one = following
            task = prepare(one)
            if isinstance(task, UsageError):
                yield number, task
                continue
            answer = pool.submit(task)
            under_way[answer] = number
            answer.add_done_callback(done.put)
        if not under_way:
            return
        answer = done.get()
        yield under_way.pop(answer), answer.result()


async def _as_completed_async(
    pool: BackgroundPool, given: Iterable[Given] | AsyncIterable[Given], prepare: Prepare[Given], most: int
) -> AsyncGenerator[tuple[int, Came], None]:
    under_way: dict[asyncio.Future[Graded | NotGraded], int] = {}
    taking: asyncio.Future[Task | UsageError | _Source] | None = None
    take = _taker(given, prepare)
    count, is_over = 0, False
    try:
        while True:
            if taking is None and not is_over and len(under_way) < most:
                taking = asyncio.ensure_future(take())
            waited_for: set[asyncio.Future[Any]] = {*under_way, *([] if taking is None else [taking])}
            if not waited_for:
                return
            ended, _ = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            for answer in [answer for answer in under_way if answer in ended]:
                yield under_way.pop(answer), answer.result()
            if taking is None or not taking.done():
                continue
            task, taking = taking.result(), None
            if isinstance(task, _Source):
                is_over = True
                continue
            if isinstance(task, UsageError):
                yield count, task
            else:
                under_way[asyncio.wrap_future(pool.submit(task))] = count
            count += 1
    finally:
        for future in (*under_way, taking):
            if future is not None:
                future.cancel()
        if taking is not None:
            with suppress(asyncio.CancelledError, Exception):
                await taking


def _taker(
    given: Iterable[Given] | AsyncIterable[Given], prepare: Prepare[Given]
) -> Callable[[], Awaitable[Task | UsageError | _Source]]:
    """What takes the next one, and prepares it."""
    if isinstance(given, AsyncIterable):
        coming = aiter(given)

        async def take() -> Task | UsageError | _Source:
            try:
                one = await anext(coming)
            except StopAsyncIteration:
                return _Source.END
            return await asyncio.to_thread(prepare, one)

        return take
    iterator = iter(given)

    def take_here() -> Task | UsageError | _Source:
        for one in iterator:
            return prepare(one)
        return _Source.END

    return lambda: asyncio.to_thread(take_here)
