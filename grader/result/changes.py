"""What became of a file, as a record."""

from grader.result.hidden import Frozen


class FileChange(Frozen, frozen=True, kw_only=True):
    """What became of one file of the starter, or of a file that is new."""

    file: str
    lines_before: int | None  # in the starter; None for a file that is new
    lines_after: int | None  # None for one that is gone
    added: int
    removed: int
    diff: str  # unified, without the two lines that name the file
    left_out: int = 0  # lines of the diff, where it is too long to be kept whole
