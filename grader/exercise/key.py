"""key.json: what was planted where in a reference, what is known of each bug, and the proof that it is fair."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from mutations.edit import Edit

FORMAT = 1
Bucket = Literal["easy", "medium", "hard"]


class Planted(Struct, frozen=True, kw_only=True):
    """One edit: where it sits in the reference's text, and which item it belongs to."""

    item: str
    file: str
    span: tuple[int, int]
    before: str
    after: str

    @property
    def edit(self) -> Edit:
        """The edit itself."""
        return Edit(self.file, *self.span, self.before, self.after)


class Difficulty(Struct, frozen=True, kw_only=True):
    """A score from 0 to 10, the bucket that it falls in, and the features that it is the sum of."""

    score: int
    bucket: Bucket
    features: dict[str, int]


class PlantedBug(Planted, frozen=True, kw_only=True):
    """A mutation.

    Attributes:
        hints: symptom, area, mechanism.
        shows_in: the comparisons in which the reference answers otherwise with this bug alone left in.
        killed_by: the checks that fail with this bug alone left in, on every seed that was tried.
        effect: how far it moves the answers, relative to the largest; 1 at most.
        honest: of a bug that came with a refactoring, what the refactoring alone makes of `before`.
    """

    operator: str
    category: str
    hints: tuple[str, str, str]
    shows_in: tuple[str, ...]
    killed_by: tuple[str, ...] = ()
    effect: float | None = None
    difficulty: Difficulty | None = None
    # Unset, and not empty: the hash of an exercise that has none must not change.
    honest: str | UnsetType = UNSET

    @property
    def without_the_bug(self) -> Edit | None:
        """The refactoring alone; None where the bug came without one, and its repair is the text before."""
        return None if self.honest is UNSET else Edit(self.file, *self.span, self.before, self.honest)


class Stub(Planted, frozen=True, kw_only=True):
    """An extension's function that the starter leaves empty."""


class Row(Struct, frozen=True, kw_only=True):
    """One variant of the reference, graded on the bug items.

    Attributes:
        left: the items whose bugs were left in.
        statuses: by item, what the grade said.
        remaining: the bugs that the grade named; None when it could not tell.
        scores: by item.
    """

    left: tuple[str, ...]
    statuses: dict[str, str]
    remaining: tuple[str, ...] | None
    scores: dict[str, float]


class Certificate(Struct, frozen=True, kw_only=True):
    """The proof of an exercise: with what it was made, and what every subset of its bugs was graded as.

    Attributes:
        repaired: where bugs came with refactorings, what the starter was graded as with the bugs alone repaired.
    """

    grader: str
    torch: str
    cpu: str
    seeds: Annotated[tuple[int, ...], Meta(min_length=1)]
    rows: tuple[Row, ...]
    repaired: Row | UnsetType = UNSET


class Reworded(Struct, frozen=True, kw_only=True):
    """That a reference was put in other words before the bugs were planted, and how far they are from its own.

    Attributes:
        lines: the share of its lines of code that stand in the reworded text too.
        tokens: how alike the two are by the measure of near copies, to which names, numbers and strings are equal.
    """

    seed: int
    lines: float
    tokens: float


class Key(Struct, frozen=True, kw_only=True):
    """key.json.

    Attributes:
        hashes: SHA-256 of each file of the reference that the edits were made for.
    """

    format: int = FORMAT
    bugs: tuple[PlantedBug, ...]
    stubs: tuple[Stub, ...] = ()
    hashes: dict[str, str] = {}
    certificate: Certificate | None = None
    reworded: Reworded | UnsetType = UNSET
