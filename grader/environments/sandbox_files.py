"""What an agent leaves in its sandbox, read out of it as bytes; the sandbox may be full of tricks by then."""

import logging
from collections.abc import Sequence
from typing import Final, Protocol

import anyio

from grader.api import CannotJudge
from grader.environments.episode import NO_MODEL, REQUIRED
from grader.limits import AGENT_MAX_BYTES, AGENT_MAX_FILES, AGENT_SANDBOX_SECONDS

logger = logging.getLogger(__name__)

# The second is for those who leave so many names, or such names, that the first cannot be read.
LISTINGS: Final = tuple(
    ("find", ".", "-maxdepth", "1", "-type", "f", *names, "-print0")
    for names in (("-name", "*.py"), ("(", "-name", REQUIRED[0], "-o", "-name", REQUIRED[1], ")"))
)


class Sandbox(Protocol):
    """Where an agent worked, as its framework reaches it. Each may raise anything, and may hang."""

    async def output_of(self, command: Sequence[str]) -> str | None:
        """What a command prints there; None where it fails."""

    async def read(self, name: str) -> bytes:
        """A file's content."""

    async def answer(self) -> None:
        """Return where the sandbox answers at all."""


async def left_in(sandbox: Sandbox) -> dict[str, bytes]:
    """The ``.py`` files that the agent leaves, links not followed. A missing or unreadable model.py is graded as an
    empty submission, whose score is 0.

    Raises:
        CannotJudge: the sandbox does not answer.
    """
    files: dict[str, bytes] = {}
    # The required ones first: no number of others can crowd them out.
    names = sorted(await _names(sandbox), key=lambda name: (name not in REQUIRED, name))
    for name in names[:AGENT_MAX_FILES]:
        if (content := await _read(sandbox, name)) is not None:
            files[name] = content
        if sum(map(len, files.values())) > AGENT_MAX_BYTES:
            break
    if not files.keys() >= {*REQUIRED}:
        await _see_that_it_answers(sandbox)
    files.setdefault("model.py", NO_MODEL)
    return files


async def _names(sandbox: Sandbox) -> list[str]:
    """The ``.py`` files that lie there; where they cannot be listed, which the agent may have brought about, those that
    have to."""
    for listing in LISTINGS:
        try:
            with anyio.fail_after(AGENT_SANDBOX_SECONDS):
                listed = await sandbox.output_of(listing)
        except Exception:
            logger.warning("the sandbox does not list its files", exc_info=True)
        else:
            if listed is not None:
                return [name.removeprefix("./") for name in listed.split("\0") if name]
    return [*REQUIRED]


async def _read(sandbox: Sandbox, name: str) -> bytes | None:
    """The file; None where it is not there, or no file, or cannot be read."""
    try:
        with anyio.fail_after(AGENT_SANDBOX_SECONDS):
            return await sandbox.read(name)
    except Exception:
        logger.info("%r cannot be read out of the sandbox", name, exc_info=True)
        return None


async def _see_that_it_answers(sandbox: Sandbox) -> None:
    """Tell a file that is not there from a sandbox that is not. Raises ``CannotJudge`` when there is none."""
    try:
        with anyio.fail_after(AGENT_SANDBOX_SECONDS):
            await sandbox.answer()
    except Exception as error:
        raise CannotJudge(f"the sandbox does not answer: {type(error).__name__}: {error}") from error
