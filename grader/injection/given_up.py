"""Work that the machine does not let us finish ends without a verdict, and with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from grader.errors import CannotJudge
from grader.packages.trouble import Stopped
from grader.sandbox.errors import LauncherFailed


@contextmanager
def without_a_verdict() -> Iterator[None]:
    """Raise ``CannotJudge`` where the launcher fails, in this thread or in one that is waited for."""
    try:
        yield
    except LauncherFailed as error:
        raise CannotJudge(f"nothing could be judged: {error}") from error
    except Stopped as stopped:
        raise CannotJudge(f"nothing could be judged: {stopped.__cause__ or 'it was given up'}") from stopped.__cause__
