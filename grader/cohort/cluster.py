"""A Dask cluster that can be trusted to grade as this machine does: reached, and its workers asked what they are."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from distributed import Client, Future, KilledWorker, Security
from distributed.comm.core import connect

from grader.cohort.cluster_worker import GradingPlugin, grade, versions_here
from grader.cohort.pool import Answer, Graded, NotGraded, Setup, Task, decode, encode
from grader.cohort.versions import Versions, differences, versions
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line
from grader.jobs import About, Asked
from grader.limits import (
    CLUSTER_CONNECT_SECONDS,
    CLUSTER_END_SECONDS,
    CLUSTER_FETCH_SECONDS,
    CLUSTER_LEAVE_SECONDS,
    CLUSTER_NEWS_SECONDS,
    CLUSTER_WORKERS_SECONDS,
    JOB_TRIES,
)

NAMED: Final = 3  # workers that a complaint names


class Cluster:
    """A scheduler, whose workers have been seen to grade as this machine does. Use as a context manager.

    Args:
        say: is given what the user should know.

    Raises:
        UsageError: no scheduler answers at the address, or workers would grade in another way than this machine.
        CannotJudge: no worker comes.
    """

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        self._say = say
        self.address = address
        self.versions = versions()
        self.client = _connected(address)
        try:
            if not self.workers():
                self.wait_for_workers()
            self._refuse_others()
            self._greet()
        except BaseException:
            self.client.close(CLUSTER_LEAVE_SECONDS)
            raise

    def workers(self) -> dict[str, int]:
        """How many threads each worker has, by its address."""
        if self.client.status != "running":
            raise CannotJudge(f"the connection to the scheduler at {self.address} was lost; go on with --resume")
        found: dict[str, int] = self.client.nthreads()
        return found

    def wait_for_workers(self) -> None:
        """Until there is one; raises CannotJudge when there is none for long."""
        self._say(f"the cluster has no workers; waiting for one, for {CLUSTER_WORKERS_SECONDS:.0f} s at most")
        try:
            self.client.wait_for_workers(1, timeout=CLUSTER_WORKERS_SECONDS)
        except TimeoutError:
            raise CannotJudge(
                f"no worker has come to the scheduler at {self.address} within {CLUSTER_WORKERS_SECONDS:.0f} s; "
                "start some and try again, with --resume if it had begun"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close(CLUSTER_LEAVE_SECONDS)

    def _refuse_others(self) -> None:
        """Complain about workers that would grade in another way. Those that come later are asked when they begin."""
        there = self.client.run(versions_here, on_error="return")
        others = {address: reason for address, found in there.items() if (reason := _difference(found, self.versions))}
        if not others:
            return
        named = "; ".join(f"{address}: {reason}" for address, reason in list(others.items())[:NAMED])
        more = f"; and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise UsageError(
            f"{len(others)} of the cluster's {len(there)} workers would not grade as this machine: {named}{more}; "
            "install the same grader with the same versions there, and start them again"
        )

    def _greet(self) -> None:
        threads = self.workers().values()
        self._say(f"the cluster has {len(threads)} worker{'s' if len(threads) != 1 else ''}")
        if any(several > 1 for several in threads):
            self._say("a worker grades one submission at a time whatever threads it has: give each --nthreads 1")


def _connected(address: str) -> Client:
    expected = "expected the address of a Dask scheduler that runs, such as tcp://HOST:8786"
    if not address:
        raise UsageError(f"--scheduler={address!r}; {expected}")
    try:
        asyncio.run(_knock(address))
        return Client(address, timeout=CLUSTER_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # whatever Dask makes of an address
        reason = one_line(str(error))[:300]
        raise UsageError(f"no scheduler can be reached at --scheduler={address!r} ({reason}); {expected}") from None


async def _knock(address: str) -> None:
    """See that somebody is there. A Client that cannot make sense of its address takes a minute to be got rid of."""
    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=CLUSTER_CONNECT_SECONDS, **arguments)
    comm.abort()


def _difference(found: bytes | Exception, ours: Versions) -> str:
    if isinstance(found, Exception):
        return f"it cannot be asked: {one_line(str(found))[:300]}"
    return differences(msgspec.json.decode(found, type=Versions | str), ours)


AHEAD: Final = 2  # submissions for each worker that are with the scheduler at a time
SPARE: Final = 4  # and so many more


class ClusterBackend:
    """All workers of a cluster. Use as a context manager: leaving it leaves none of our processes on them.

    Each worker process grades one submission at a time, in a job like those of this machine. What travels are messages
    of ours as bytes, and the names of functions that are there already.
    """

    def __init__(self, cluster: Cluster, setup: Setup) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._setup = setup
        self._plugin = f"grader-cohort-{uuid.uuid4().hex}"
        self._asked: dict[Future[bytes], Asked[Any, Task]] = {}
        self._done: SimpleQueue[Future[bytes]] = SimpleQueue()
        self._unfit: dict[str, str] = {}  # workers that can grade nothing, and why

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each submission, in the order in which they are done.

        The next ones are taken when workers are free for them, so that there may be any number of them.

        Raises:
            CannotJudge: there is no worker that can do it, or the scheduler has gone.
        """
        coming, is_over = iter(asked), False
        while not is_over or self._asked:
            # Not all at once: each would lie in the scheduler's memory until its turn comes.
            most = AHEAD * len(self._cluster.workers()) + SPARE
            while not is_over and len(self._asked) < most:
                following = next(coming, None)
                if following is None:
                    is_over = True
                else:
                    self._ask(following, ())
            future = self._next_done() if self._asked else None
            if future is None:
                continue
            answer = self._answer(future)
            if answer is None:
                future.add_done_callback(self._done.put)
                continue
            done, graded = self._asked.pop(future), answer.graded
            if isinstance(graded, Graded):
                yield done.about, graded
                continue
            if graded.hopeless:
                self._unfit[answer.worker] = graded.reason
            else:
                done.tries += 1
            if done.tries < JOB_TRIES:
                self._ask(done, self._others(answer.worker))
            else:
                yield done.about, graded

    def _ask(self, asked: Asked[Any, Task], workers: Iterable[str]) -> None:
        """Have it graded, by one of these workers if any of them is there by then."""
        task = encode(asked.task)
        preferred = list(workers) or None
        future = self._client.submit(
            grade, self._plugin, task, workers=preferred, allow_other_workers=preferred is not None, pure=False
        )
        self._asked[future] = asked
        future.add_done_callback(self._done.put)

    def _others(self, worker: str) -> set[str]:
        """Where to try again what failed on ``worker``."""
        there = set(self._cluster.workers())
        fit = there - self._unfit.keys()
        if there and not fit:
            named = min(there)
            raise CannotJudge(f"no worker of the cluster can grade; {named}: {self._unfit[named]}")
        return fit - {worker}

    def _next_done(self) -> "Future[bytes] | None":  # a string: older ones cannot be subscripted when this is run
        """What is done next; None when there is nothing for a while, in which workers may have come."""
        try:
            return self._done.get(timeout=CLUSTER_NEWS_SECONDS)
        except Empty:
            if not self._cluster.workers():
                self._cluster.wait_for_workers()
            return None

    def _answer(self, future: "Future[bytes]") -> Answer | None:
        """What came of it; None when that is not known yet: the worker that knew it was lost before it could say."""
        try:
            answer = decode(future.result(timeout=CLUSTER_FETCH_SECONDS))
            assert isinstance(answer, Answer), answer
            return answer
        except TimeoutError:
            return None
        except CancelledError:
            raise CannotJudge(
                f"the connection to the scheduler at {self._cluster.address} was lost; go on with --resume"
            ) from None
        except KilledWorker as killed:
            reason = f"{killed.allowed_failures + 1} workers of the cluster were lost while they graded it"
            return Answer(worker=killed.last_worker.address, graded=NotGraded(reason=reason))
        except Exception as error:
            reason = one_line(f"the cluster did not run it: {error!r}")[:500]
            return Answer(worker="", graded=NotGraded(reason=reason))

    def __enter__(self) -> Self:
        plugin = GradingPlugin(encode(self._setup), msgspec.json.encode(self._cluster.versions))
        try:
            self._client.register_plugin(plugin, name=self._plugin)
        except BaseException:
            self._withdraw()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._withdraw()

    def _withdraw(self) -> None:
        """Have nothing left to be done, and end what is being done."""

        async def withdraw() -> None:
            if self._asked:
                await self._client.cancel(list(self._asked), force=True)
            await self._client.unregister_worker_plugin(self._plugin)

        with suppress(Exception):  # the cluster has gone, then
            self._client.sync(withdraw, callback_timeout=CLUSTER_END_SECONDS)
        self._asked.clear()
