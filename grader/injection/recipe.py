"""What is asked of a new exercise, and the correct GPT that its bugs are planted in."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, get_args

from grader.errors import UsageError
from grader.exercise.key import Bucket
from grader.exercise.model import builtin_reference
from grader.sandbox.preloaded import what_is_missing
from grader.sandbox.questions import ADAPTER
from grader.seeds import check_seed
from grader.submission.read import is_made_up, read_submission

DEFAULT_BUGS = 4
MAX_BUGS = 6  # 2^k variants are proven for k bugs
Style = Literal["plain", "refactored"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)
DIFFICULTIES: Final[tuple[Bucket, ...]] = get_args(Bucket)
Split = Literal["train", "held-out"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
HELD_OUT_SHARE = 0.2  # of the operators
SEEDS_MAX_COUNT = 100_000  # of one bulk
SEED_MAX_DIGITS = 64  # of both ends of a range: enough to be refused as too large


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
        split: only operators of this side; None for all. An exercise to train on has none that is held out, and one
            that is held out has no other.
        held_out: the share of the operators that are held out.

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
    split: Split | None = None
    held_out: float = HELD_OUT_SHARE

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
        if not 1 <= self.count <= MAX_BUGS:
            raise UsageError(f"{self.count} bugs asked for; an exercise has 1 to {MAX_BUGS}")
        if self.split not in (None, *SPLITS):
            raise UsageError(f"split={self.split!r}; expected {' or '.join(map(repr, SPLITS))}, or None for all")
        if not 0 < self.held_out < 1:
            raise UsageError(f"held_out={self.held_out!r}; expected a share above 0 and below 1, such as 0.2")
        if self.split is not None and self.operators:
            raise UsageError(f"split={self.split!r} with operators={self.operators!r}; expected one of the two")
        for name in self.operators:
            if self.operators.count(name) > 1:
                raise UsageError(f"operator={name!r} is asked for twice; an exercise has each bug once")

    @property
    def count(self) -> int:
        """How many bugs there are to be."""
        return len(self.operators) or self.bugs

    def takes(self, operator_id: str) -> bool:
        """Whether the split that is asked for has an operator."""
        return self.split is None or (self.split == "held-out") == is_held_out(operator_id, self.held_out)


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The same recipe for another seed."""
    return replace(recipe, seed=seed)


def is_held_out(operator_id: str, share: float) -> bool:
    """Whether an operator is among the share that is held out.

    Its id alone decides: it is the same in every version and for every reference, new operators move no old one from
    one side to the other, and of two shares the larger holds out all that the smaller does.
    """
    digest = hashlib.sha256(f"held out {operator_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def seeds_named(text: object) -> list[int]:
    """The seeds that something like ``7``, ``"0-9"`` or ``["0-3", 7]`` names, in that order. Raises ``UsageError``."""
    parts = text.split(",") if isinstance(text, str) else text if isinstance(text, Iterable) else [text]
    seeds: list[int] = []
    for part in parts:
        first, dash, last = str(part).strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(first + last) > SEED_MAX_DIGITS:
            raise UsageError(f"seeds={text!r}; expected numbers and ranges, such as 0-9 or 3,5,7")
        found = range(int(first), int(last if dash else first) + 1)
        if len(seeds) + len(found[:SEEDS_MAX_COUNT]) > SEEDS_MAX_COUNT or found[SEEDS_MAX_COUNT:]:
            raise UsageError(f"seeds={text!r} names too many; expected at most {SEEDS_MAX_COUNT:,} at a time")
        seeds += found
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(
            f"seeds={text!r} names {'a seed twice' if seeds else 'none'}; expected different ones, as in 0-9"
        )
    check_seed(max(seeds))
    return seeds


def read_reference(source: Path | None) -> tuple[Path, dict[str, str]]:
    """A reference's directory and its source texts, with plain line ends; the built-in one without a ``source``."""
    directory = (source or builtin_reference()).resolve()
    submission = read_submission(directory)
    if submission.notes:
        raise UsageError(f"the reference {str(directory)!r} cannot be read whole: {'; '.join(submission.notes)}")
    files = dict(submission.files)
    if ADAPTER in files and is_made_up(files["train.py"], "there is no train.py"):
        del files["train.py"]  # its loop is in model.py, or there is none
    if missing := what_is_missing(files.get(ADAPTER)):
        raise UsageError(f"{str(directory)!r} cannot be run: {missing}")
    # What is planted is spelt with plain line ends; among others it would stand out.
    return directory, {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in files.items()}
