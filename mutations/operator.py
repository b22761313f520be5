"""What a mutation operator is: one way to plant one bug, with all that a learner or an instructor may ask of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from mutations.edit import Edit
from mutations.source import Source


class Category(StrEnum):
    """What a bug is about; in a generated exercise this is for the learner to find out."""

    MASKING = "masking"
    POSITION = "position"
    PROJECTION = "projection"
    TRAINING_LOOP = "training-loop"


class Difficulty(StrEnum):
    """How long a practised reader looks for it."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class Hints(NamedTuple):
    """Three hints, each closer than the one before; none of them says what to write."""

    symptom: str
    area: str
    mechanism: str


class Example(NamedTuple):
    """A text with exactly one site, and what the operator makes of it."""

    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A bug that can be planted wherever the code has the role it attacks.

    Sites are found by role, never by the names that one reference happens to use, so that an operator works on a
    reference that its author has not seen.

    Attributes:
        id: kebab-case, names the defect and not its repair; never reused.
        file: the kind of file it applies to.
        origin: a public issue where the bug, or its twin, happened.
        story: the docstring of the operator's module.
        look_alikes: texts that resemble a site and hold none.
        edits: finds the sites; each edit plants the bug at one of them.
    """

    id: str
    category: Category
    difficulty: Difficulty
    file: Literal["model.py", "train.py"]
    origin: str
    story: str
    hints: Hints
    examples: tuple[Example, ...]
    look_alikes: tuple[str, ...]
    edits: Callable[[Source], Iterator[Edit]]

    def find(self, text: str) -> list[Edit]:
        """One edit for each site in the text, in the order of the text; any one of them plants the bug."""
        return list(self.edits(Source(self.file, text)))
