"""What to do where the lock cannot be put on, behind the reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from grader.errors import CannotJudge
from grader.sandbox.errors import NotIsolated


@contextmanager
def naming_the_way_out(option: str = "--isolation process") -> Iterator[None]:
    """Have a verdict that is missing for want of isolation name the option that goes on without."""
    try:
        yield
    except CannotJudge as error:
        if not isinstance(error.__cause__, NotIsolated):
            raise
        raise CannotJudge(f"{error}. To grade without isolation, code that you trust: {option}") from error
