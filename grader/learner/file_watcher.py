"""Look out for a change of a directory's sources: between grades, and while one is under way."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from grader.errors import UsageError
from grader.limits import WATCH_POLL_SECONDS, WATCH_UNREADABLE_POLLS
from grader.submission.read import Submission, read_submission


def wait_for_another(
    directory: Path, known: Submission, tell: Callable[[str], None], enough: Event | None = None
) -> Submission | None:
    """The submission once it differs from ``known`` and is the same at two looks: an editor may be halfway through
    saving.

    Args:
        tell: is given what keeps the sources from being read, once it has lasted a while.
        enough: ends the wait when it is set; then there is None.
    """
    enough = enough or Event()
    last = known
    unread = 0
    while not enough.wait(WATCH_POLL_SECONDS):
        try:
            submission = read_submission(directory)
        except UsageError as error:
            unread += 1  # gone for the moment that saving takes, or for good
            if unread == WATCH_UNREADABLE_POLLS:
                tell(str(error))
            continue
        unread = 0
        if submission.sha256 == last.sha256 and submission.sha256 != known.sha256:
            return submission
        last = submission
    return None


@dataclass(slots=True)
class Lookout:
    """What a look-out has seen: the sources as they are now, or None while they are what they were."""

    found: Submission | None = None


@contextmanager
def looking_out(directory: Path, known: Submission, act: Callable[[], None]) -> Iterator[Lookout]:
    """Look out while the body runs, in a thread that ends with it; ``act`` is called there when something was found."""
    seen, enough = Lookout(), Event()

    def look() -> None:
        # What cannot be read is told by whoever waits next.
        seen.found = wait_for_another(directory, known, lambda _: None, enough)
        if seen.found is not None:
            act()

    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            looking = pool.submit(look)
            yield seen
        finally:
            enough.set()
        looking.result()  # it may have failed
