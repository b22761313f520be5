"""What a mutation operator is: one way to plant one bug, with all that a learner or an instructor may ask of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from functools import wraps
from typing import Literal, NamedTuple

from mutations.edit import Edit
from mutations.roles.dead import dead_spans
from mutations.source import Source


class Category(StrEnum):
    """What a bug is about; in a generated exercise this is for the learner to find out."""

    MASKING = "masking"
    ATTENTION = "attention"
    HEADS = "heads"
    POSITION = "position"
    SCHEMES = "position-schemes"
    PROJECTION = "projection"
    REGISTRATION = "registration"
    NORMALISATION = "normalisation"
    NUMERICS = "numerics"
    INITIALISATION = "initialisation"
    KV_CACHE = "kv-cache"
    RAGGED = "ragged"
    CLASSIFIER = "classifier"
    WEIGHTING = "loss-weighting"
    LOSS = "loss"
    TRAINING_LOOP = "training-loop"
    OPTIMIZER = "optimizer"
    CLIPPING = "clipping"
    LEARNING_RATE = "learning-rate"
    MODES = "modes"
    DETERMINISM = "determinism"


class Part(StrEnum):
    """What a source may lack, and an operator may need."""

    CACHE = "cache"
    CLASSIFIER = "classifier"
    HEADS = "heads"
    RAGGED = "reading of rows of different lengths"
    WEIGHTING = "loss-weighting"
    SCHEMES = "position-schemes"


class Visibility(StrEnum):
    """How a bug shows itself to someone who only runs the code.

    CRASH: a plain forward or update raises, or gives NaN, so that every other bug hides behind it.
    LOSS: the loss curve looks wrong: flat, too good, or exploding.
    SILENT: the code runs and the loss falls.
    """

    CRASH = "crash"
    LOSS = "loss"
    SILENT = "silent"


class Distance(StrEnum):
    """How far the symptom is from the line that causes it.

    LINE: the line itself is what one looks at first.
    FUNCTION: somewhere in the function that misbehaves.
    FAR: what misbehaves is another function, or another file.
    """

    LINE = "line"
    FUNCTION = "function"
    FAR = "far"


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
        file: where the part that it attacks is kept in most repositories; it finds its sites in any file.
        origin: a public issue where the bug, or its twin, happened.
        story: the docstring of the operator's module.
        visibility, distance: what the difficulty of the bug is reckoned from, with what is measured of it.
        needs: parts of a source without which the operator has no site.
        look_alikes: texts that resemble a site and hold none.
        edits: finds the sites, each of them once; each edit plants the bug at one of them.
    """

    id: str
    category: Category
    file: Literal["model.py", "train.py"]
    origin: str
    story: str
    visibility: Visibility
    distance: Distance
    needs: frozenset[Part] = frozenset()
    hints: Hints
    examples: tuple[Example, ...]
    look_alikes: tuple[str, ...]
    edits: Callable[[Source], Iterator[Edit]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "edits", _of_use(self.edits))

    @property
    def title(self) -> str:
        """The first sentence of the story: what the bug is."""
        return self.story.partition("\n")[0]

    def diff(self) -> str:
        """The first example as a unified diff, with all that is around the change."""
        before, after = (text.splitlines() for text in self.examples[0])
        return "\n".join(unified_diff(before, after, self.file, self.file, n=len(before), lineterm="")) + "\n"

    def find(self, text: str) -> list[Edit]:
        """One edit for each site in the text, in the order of the text; any one of them plants the bug."""
        return list(self.edits(Source(self.file, text)))


def _of_use(edits: Callable[[Source], Iterator[Edit]]) -> Callable[[Source], Iterator[Edit]]:
    """Without edits of code that never runs, and without repetitions of a site that is found in two ways.

    Twice in the list it would count twice in a draw, and be proven twice.
    """

    @wraps(edits)
    def chosen(source: Source) -> Iterator[Edit]:
        dead = list(dead_spans(source))
        for edit in dict.fromkeys(edits(source)):
            if not any(start <= edit.start and edit.end <= end for start, end in dead):
                yield edit

    return chosen
