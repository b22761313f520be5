"""The correct GPT that bugs are planted in."""

from pathlib import Path

from grader.errors import UsageError
from grader.exercise.model import builtin_reference
from grader.submission.read import read_submission


def read_reference(source: Path | None) -> tuple[Path, dict[str, str]]:
    """A reference's directory and its source texts, with plain line ends; the built-in one without a ``source``."""
    directory = (source or builtin_reference()).resolve()
    submission = read_submission(directory)
    if submission.notes:
        raise UsageError(f"the reference {str(directory)!r} cannot be read whole: {'; '.join(submission.notes)}")
    # What is planted is spelt with plain line ends; among others it would stand out.
    return directory, {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in submission.files.items()}
