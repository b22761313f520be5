"""A cohort's end in the workers of a Dask cluster: what each is sent once, and what it is asked for each submission."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
from distributed import WorkerPlugin, get_worker

from grader.cohort.messages import Answer, NotGraded, Setup, Task, decode, encode
from grader.cohort.versions import Versions, versions_of_a_job
from grader.cohort.worker_job import WorkerJob

if TYPE_CHECKING:
    from distributed import Worker


class GradingPlugin(WorkerPlugin):
    """A worker job in each worker process. Dask sends it to workers that come later too.

    It travels as the name of this class and bytes, and Dask's pickles are never given more of ours than that.
    """

    def __init__(self, setup: bytes, wanted: bytes) -> None:
        self._setup = setup
        self._wanted = wanted

    def setup(self, worker: "Worker") -> None:
        """Get ready; nothing is started before there is something to grade."""
        setup = decode(self._setup)
        assert isinstance(setup, Setup), setup
        self._clerk = WorkerJob(setup, msgspec.json.decode(self._wanted, type=Versions))

    async def teardown(self, worker: "Worker") -> None:
        """Leave nothing behind; the worker goes on meanwhile."""
        await asyncio.to_thread(self._clerk.close)

    def grade(self, task: bytes, worker: str) -> bytes:
        """The Answer to a Task."""
        asked = decode(task)
        assert isinstance(asked, Task), asked
        return encode(Answer(worker=worker, graded=self._clerk.grade(asked)))


def grade(plugin: str, task: bytes) -> bytes:
    """The Answer to a Task, from the plugin of that name in the Dask worker that this is called in."""
    worker = get_worker()
    found = worker.plugins.get(plugin)
    if not isinstance(found, GradingPlugin):
        return encode(Answer(worker=worker.address, graded=NotGraded(reason="it was not sent the exercise")))
    return found.grade(task, worker.address)


async def versions_here() -> bytes:
    """What verdicts of the Dask worker that this is called in would rest on, as JSON; or why it has none."""
    return msgspec.json.encode(await asyncio.to_thread(versions_of_a_job))
