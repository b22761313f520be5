"""The errors a user of the command line can meet, and the exit code of each.

GraderError
├── UsageError       exit 2: the command cannot be carried out as given
└── CannotJudge      exit 3: our side or the machine failed; no verdict was reached
"""

from collections.abc import Iterable
from typing import ClassVar


class GraderError(Exception):
    """Base: a message for the user, and the exit code that goes with it."""

    exit_code: ClassVar[int]


class UsageError(GraderError):
    """No such directory, no model.py, a bad exercise: something to put right and try again."""

    exit_code = 2


class CannotJudge(GraderError):
    """The grader could not reach a verdict."""

    exit_code = 3


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """``; did you mean 'masking'?``, to be put behind a complaint; empty where nothing is near."""
    from difflib import get_close_matches  # costs as much as all else that ``--help`` imports

    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(typed.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
