"""What is asked of a new exercise, and the correct GPT that its bugs are planted in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from grader.errors import UsageError
from grader.exercise.key import Bucket
from grader.exercise.model import builtin_reference
from grader.sandbox.questions import ADAPTER
from grader.seeds import check_seed
from grader.submission.read import is_made_up, read_submission

DEFAULT_BUGS = 4
MAX_BUGS = 6  # 2^k variants are proven for k bugs
Style = Literal["plain", "refactored"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)
DIFFICULTIES: Final[tuple[Bucket, ...]] = get_args(Bucket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to build.

    Attributes:
        seed: which bugs, at which sites, in which order.
        bugs: how many.
        operators: which, instead of how many.
        difficulty: of each bug; None for any.
        style: of the bugs that are drawn: plain edits, or bugs that come with a refactoring of the lines around them.
        reword: put the reference, and so the starter, in other words first.
        keep_extensions: leave cache, classifier and heads built, so that bugs can be planted in them too.

    Raises:
        UsageError: there can be no such exercise.
    """

    seed: int = 0
    bugs: int = DEFAULT_BUGS
    operators: tuple[str, ...] = ()
    difficulty: Bucket | None = None
    keep_extensions: bool = False
    style: Style = "plain"
    reword: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if type(self.bugs) is not int:
            raise UsageError(f"bugs={self.bugs!r}; expected a whole number from 1 to {MAX_BUGS}")
        if self.difficulty not in (None, *DIFFICULTIES):
            listed = ", ".join(map(repr, DIFFICULTIES))
            raise UsageError(f"difficulty={self.difficulty!r}; expected one of {listed}, or None for any")
        if self.style not in STYLES:
            raise UsageError(f"style={self.style!r}; expected one of {', '.join(map(repr, STYLES))}")
        if self.operators and self.style != "plain":
            raise UsageError(
                f"style={self.style!r} with operators={self.operators!r}: the style is of bugs that are drawn; of bugs "
                "that are named, name the ones that come with a refactoring (`grader mutations` lists them last)"
            )
        asked = len(self.operators) or self.bugs
        if not 1 <= asked <= MAX_BUGS:
            raise UsageError(f"{asked} bugs asked for; an exercise has 1 to {MAX_BUGS}")
        for name in self.operators:
            if self.operators.count(name) > 1:
                raise UsageError(f"operator={name!r} is asked for twice; an exercise has each bug once")


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
