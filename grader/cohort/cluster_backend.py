"""A cohort on a cluster: Dask says which worker grades what, and hands on what was with a worker that is lost."""

import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

import msgspec
from distributed import Future, KilledWorker

from grader.cohort.cluster import Cluster
from grader.cohort.messages import Answer, Graded, NotGraded, Setup, Task, decode, encode
from grader.cohort.pool import Asked
from grader.cohort.worker_plugin import GradingPlugin, grade
from grader.errors import CannotJudge
from grader.files.printable import one_line
from grader.limits import CLUSTER_END_SECONDS, CLUSTER_FETCH_SECONDS, CLUSTER_NEWS_SECONDS, JOB_TRIES
from grader.submission.read import Submission

AHEAD: Final = 2  # submissions for each worker that are with the scheduler at a time
SPARE: Final = 4  # and so many more


class ClusterBackend:
    """All workers of a cluster. Use as a context manager: leaving it leaves nothing of ours running on them.

    Each worker process grades one submission at a time, in a job like those of this machine. What travels are messages
    of ours as bytes, and the names of functions that are there already.
    """

    def __init__(self, cluster: Cluster, setup: Setup) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._setup = setup
        self._plugin = f"grader-cohort-{uuid.uuid4().hex}"
        self._asked: dict[Future[bytes], Asked] = {}
        self._done: SimpleQueue[Future[bytes]] = SimpleQueue()
        self._unfit: dict[str, str] = {}  # workers that can grade nothing, and why

    def grade(self, submissions: Mapping[str, Submission]) -> Iterator[tuple[str, Graded | NotGraded]]:
        """What came of each submission, by its name, in the order in which they are done.

        Raises:
            CannotJudge: there is no worker that can do it, or the scheduler has gone.
        """
        waiting = deque(Asked(name, submission) for name, submission in submissions.items())
        while waiting or self._asked:
            # Not all at once: each would lie in the scheduler's memory until its turn comes.
            most = AHEAD * len(self._cluster.workers()) + SPARE
            while waiting and len(self._asked) < most:
                self._ask(waiting.popleft(), ())
            future = self._next_done()
            if future is None:
                continue
            answer = self._answer(future)
            if answer is None:
                future.add_done_callback(self._done.put)
                continue
            asked, graded = self._asked.pop(future), answer.graded
            if isinstance(graded, Graded):
                yield asked.name, graded
                continue
            if graded.hopeless:
                self._unfit[answer.worker] = graded.reason
            else:
                asked.tries += 1
            if asked.tries < JOB_TRIES:
                self._ask(asked, self._others(answer.worker))
            else:
                yield asked.name, graded

    def _ask(self, asked: Asked, workers: Iterable[str]) -> None:
        """Have it graded, by one of these workers if any of them is there by then."""
        task = encode(Task(submission=asked.submission))
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
