"""The correct GPT that bugs are planted in."""

from pathlib import Path

from grader.errors import UsageError
from grader.exercise.model import builtin_reference
from grader.sandbox.questions import ADAPTER
from grader.submission.read import is_made_up, read_submission


def read_reference(source: Path | None) -> tuple[Path, dict[str, str]]:
    """A reference's directory and its source texts, with plain line ends; the built-in one without a ``source``."""
    directory = (source or builtin_reference()).resolve()
    submission = read_submission(directory)
    if submission.notes:
        raise UsageError(f"the reference {str(directory)!r} cannot be read whole: {'; '.join(submission.notes)}")
    files = dict(submission.files)
    if ADAPTER in files and is_made_up(files["train.py"], "there is no train.py"):
        del files["train.py"]  # its loop is in model.py, or there is none
    # What is planted is spelt with plain line ends; among others it would stand out.
    return directory, {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in files.items()}
