"""What grader and launcher say to each other: one JSON line a message."""

from typing import Literal

import msgspec
from msgspec import Struct

Mode = Literal["strict", "process"]
Purpose = Literal["answers", "tests", "mutants"]


class Spawn(Struct, frozen=True, tag="spawn", forbid_unknown_fields=True):
    """Fork a worker: to answer for a package, to run its tests, or to find mutants of texts that it does not run.

    Attributes:
        imports: modules of a library that it finds imported; ``grader.sandbox.preloaded`` says which may be.
    """

    purpose: Purpose = "answers"
    imports: tuple[str, ...] = ()


class Reap(Struct, frozen=True, tag="reap", forbid_unknown_fields=True):
    """End a worker and say how it ended. Without ``kill`` it first gets a moment to end by itself."""

    pid: int
    kill: bool


class End(Struct, frozen=True, tag="end", forbid_unknown_fields=True):
    """Kill a worker. The only request without a response: tearing down a process takes time."""

    pid: int


class Dump(Struct, frozen=True, tag="dump", forbid_unknown_fields=True):
    """Have a worker write its Python stack into its connection, without waiting: it may not be able to."""

    pid: int


class Settle(Struct, frozen=True, tag="settle", forbid_unknown_fields=True):
    """Wait until every worker that was to end is gone."""


class Configure(Struct, frozen=True, kw_only=True, tag="configure", forbid_unknown_fields=True):
    """The first message: how workers are to be isolated."""

    mode: Mode
    hidden: tuple[str, ...]  # directories that no worker may see


class Started(Struct, frozen=True, kw_only=True, tag="started", forbid_unknown_fields=True):
    """The launcher has imported torch and is ready to fork."""

    torch: str
    python: str
    cpu: str  # the instruction set torch uses
    threads: int


class Spawned(Struct, frozen=True, tag="spawned", forbid_unknown_fields=True):
    """A worker was forked. Its connection and its output file travel with this line as descriptors."""

    pid: int


class Reaped(Struct, frozen=True, tag="reaped", forbid_unknown_fields=True):
    """How a worker ended: the exit code, or minus the signal that killed it; None when we killed it."""

    exit: int | None


class Settled(Struct, frozen=True, tag="settled", forbid_unknown_fields=True):
    """They are gone."""


class Failed(Struct, frozen=True, tag="failed", forbid_unknown_fields=True):
    """The launcher could not do what was asked.

    Attributes:
        of_the_lock: whether it could without a lock.
    """

    message: str
    of_the_lock: bool = True


Request = Configure | Spawn | Reap | End | Dump | Settle
Response = Started | Spawned | Reaped | Settled | Failed

request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
response_decoder: msgspec.json.Decoder[Response] = msgspec.json.Decoder(Response)


class Locked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker's first frame, sent before it has seen any code: what it is locked by, or why it is not.

    Attributes:
        of_the_lock: whether the failure is one of the lock, and a worker without one would do.
    """

    applied: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    failure: str | None = None
    of_the_lock: bool = True


def line(message: Request | Response) -> bytes:
    """A message as it is sent."""
    return msgspec.json.encode(message) + b"\n"
