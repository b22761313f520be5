"""The process that builds exercises for a bulk: one seed after another, until no more is asked.

Its launcher, what is known of the reference and what was measured of its bugs stay from one seed to the next.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from grader.errors import CannotJudge, UsageError
from grader.injection.build import build_in
from grader.injection.folder import write
from grader.injection.manifest import Entry, entry_of, folder_of, without_exercise
from grader.injection.recipe import Recipe, with_seed
from grader.injection.workshop import Workshop
from grader.jobs import Failure, Messages, parent
from grader.limits import BULK_JOB_MAX_BYTES
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.sandbox.errors import NotIsolated

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Setup(Struct, frozen=True, kw_only=True, tag="setup"):
    """The first message to a job: what is to be built of every seed.

    Attributes:
        reference: the texts of what the bugs are planted in.
        hidden: the directory that no worker may see.
        output: the directory that the exercises' folders are written in.
    """

    recipe: Recipe
    reference: dict[str, str]
    hidden: str
    output: str
    isolation: Mode


class Seed(Struct, frozen=True, kw_only=True, tag="seed"):
    """Build this one."""

    seed: int


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """What came of a seed, whose folder is written if there is one.

    Attributes:
        last: the job has grown too large, and takes no other seed.
    """

    entry: Entry
    last: bool


class Failed(Failure, frozen=True, kw_only=True, tag="failed"):
    """There is no saying what the seed gives. The job has ended.

    Attributes:
        usage: the bulk cannot be built as it was asked for; else our side or the machine failed.
    """

    usage: bool = False

    @property
    def error(self) -> CannotJudge | UsageError:
        """What is raised where it is hopeless."""
        return UsageError(self.reason) if self.usage else CannotJudge(self.reason)


Message = Setup | Seed | Done | Failed
MESSAGES: Final = Messages(msgspec.msgpack.Decoder[Message](Message))


def main() -> None:
    """Serve on the socket whose descriptor and peer's pid are in argv."""
    with parent() as (peer, stream):
        setup = MESSAGES.receive(stream)
        if not isinstance(setup, Setup):
            return  # given up before it began
        hidden = [Path(setup.hidden)]
        with (
            Launcher(setup.isolation, hidden) as launcher,
            Workshop(setup.reference, launcher, keep_extensions=setup.recipe.keep_extensions) as workshop,
        ):
            while isinstance(asked := MESSAGES.receive(stream), Seed):
                done = _built(asked.seed, setup, workshop)
                MESSAGES.send(peer, done)
                if isinstance(done, Failed) or done.last:
                    break
    os._exit(0)  # nothing is left to be put in order


def _built(seed: int, setup: Setup, workshop: Workshop) -> Done | Failed:
    """Build one exercise, and put it in its place whole."""
    recipe = with_seed(setup.recipe, seed)
    try:
        workshop.look()
        workshop.pool(recipe)
        workshop.asked  # noqa: B018  waits until the reference is known to be right
    except UsageError as error:
        return Failed(reason=str(error), hopeless=True, usage=True)
    except CannotJudge as error:
        return Failed(reason=str(error), hopeless=isinstance(error.__cause__, NotIsolated))
    try:
        built = build_in(workshop, recipe, lambda _: None)
        write(built, Path(setup.output) / folder_of(seed))
    except UsageError as error:
        return Done(entry=without_exercise(seed, "impossible", str(error)), last=_is_too_large())
    except CannotJudge as error:
        return Failed(reason=str(error))
    return Done(entry=entry_of(seed, built, recipe.split), last=_is_too_large())


def _is_too_large() -> bool:
    """Whether this process holds so much that a fresh one is to go on in its place."""
    try:
        resident = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_BYTES
    except OSError:
        return False  # outside Linux there is no telling
    return resident > BULK_JOB_MAX_BYTES


if __name__ == "__main__":
    main()
