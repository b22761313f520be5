"""A Dask cluster that can be trusted to grade as this machine does: reached, and its workers asked what they are."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import msgspec
from distributed import Client, Security
from distributed.comm.core import connect

from grader.cohort.versions import Versions, differences, versions
from grader.cohort.worker_plugin import versions_here
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line
from grader.limits import CLUSTER_CONNECT_SECONDS, CLUSTER_LEAVE_SECONDS, CLUSTER_WORKERS_SECONDS

NAMED: Final = 3  # workers that a complaint names


class Cluster:
    """A scheduler, whose workers have been seen to grade as this machine does. Use as a context manager.

    Args:
        say: is given what the user should know.

    Raises:
        UsageError: nobody answers at the address, or workers would grade in another way than this machine.
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
        raise UsageError(f"nobody can be reached at --scheduler={address!r} ({reason}); {expected}") from None


async def _knock(address: str) -> None:
    """See that somebody is there. A Client that cannot make sense of its address takes a minute to be got rid of."""
    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=CLUSTER_CONNECT_SECONDS, **arguments)
    comm.abort()


def _difference(found: bytes | Exception, ours: Versions) -> str:
    if isinstance(found, Exception):
        return f"it cannot be asked: {one_line(str(found))[:300]}"
    return differences(msgspec.json.decode(found, type=Versions | str), ours)
