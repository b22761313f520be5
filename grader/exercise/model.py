"""An exercise: the hidden reference, its rubric, and the bugs that were planted to make the starter."""

import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from grader.errors import UsageError, did_you_mean
from grader.exercise.key import Key, Planted
from grader.files.digest import digest
from grader.sandbox.questions import ADAPTER
from mutations.edit import Edit, splice

_DEFINED: Final = re.compile(r"^ *(?:def|class) +(\w+)", re.MULTILINE)
_AT_THE_TOP: Final = re.compile(r"^(?:def|class) +(\w+)", re.MULTILINE)
_STUB: Final = re.compile(r"(\w+) is yours to build")

Points = Annotated[float, Meta(ge=0)]
Feedback = Literal["score", "items", "evidence", "hints"]  # how much of a result a learner is shown
Hints = tuple[str, str, str]
Group = Literal["kv-cache", "masking", "training-loop", "determinism"]  # of bugs, for own tests to notice
VISIBLE_TESTS = "test_visible.py"  # of the starter
FORWARD = "forward"  # the comparison of what a model computes, which every extension builds on


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item of the rubric, or one follow-up question.

    In exercise.toml ``earns``, ``takes``, ``exact`` and ``unexplained`` are weights of one scale: what earns shares the
    item's points. In memory they are points, see ``in_points``.

    Attributes:
        points: what the item is worth.
        earns: points by check.
        takes: what failing a guard costs, by check.
        exact: points for agreeing with the reference bit for bit.
        unexplained: what a difference beyond rounding costs in addition, if no known bug explains it.
        essential: checks without which nothing else in the item counts.
        core: checks that must not be blocked: while one is, the item has no points.
        mutants: for the follow-up about own tests, the weight of each kind of bug that the tests notice.
        hints: three for an extension or a follow-up, from what is asked to how it is done; those of a bug are in the
            key.
    """

    id: str
    title: str
    kind: Literal["bug", "extension", "followup", "tests"]
    points: Annotated[float, Meta(gt=0)]  # shares are taken of them
    earns: dict[str, Points] = {}
    takes: dict[str, Points] = {}
    exact: Points = 0.0  # a float, as after a JSON round trip, so that the hash does not change
    unexplained: Points = 0.0
    essential: tuple[str, ...] = ()
    core: tuple[str, ...] = ()
    mutants: dict[Group, Annotated[int, Meta(ge=1)]] = {}
    hints: Hints | None = None


class Rubric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """exercise.toml.

    Attributes:
        comparisons: what a candidate is compared with the variants by; which bugs show in each, key.json says.
        twins: what it is compared by beside the variant that it was found to be; and the items that answer for a
            difference that no known bug explains.
        followup: scored in a table of their own, beside the points of the items.
        feedback: how much of a result a learner is shown; all of it, hints too, where it is not said. It decides no
            verdict, and is no part of the exercise's hash.
        unasked: of an exercise with an adapter.py, the families of checks of which nothing fits its model.
    """

    id: str
    title: str
    comparisons: tuple[str, ...] = msgspec.field(name="facets")  # in files of all ages
    item: tuple[Item, ...]
    twins: dict[str, Annotated[tuple[str, ...], Meta(min_length=1)]] = {}
    followup: tuple[Item, ...] = ()
    # Unset, and not empty: the hash of an exercise that has none must not change.
    unasked: tuple[str, ...] | UnsetType = UNSET
    feedback: Feedback | UnsetType = UNSET


@dataclass(frozen=True)
class Exercise:
    """An exercise in memory.

    Attributes:
        reference: source text by file name.
        visible_tests: the text of those that a learner is handed: a submission's own tests are others.
    """

    reference: dict[str, str]
    visible_tests: str
    rubric: Rubric
    key: Key

    @property
    def adapter(self) -> str | None:
        """The text of its adapter.py; None where its packages keep the contract."""
        return self.reference.get(ADAPTER)

    def variant(self, bugs: frozenset[str]) -> dict[str, str]:
        """The reference's files with the bugs of these items left in."""
        return self.planted(bug for bug in self.key.bugs if bug.item in bugs)

    def starter(self) -> dict[str, str]:
        """The reference's files with all bugs left in and the extensions taken out: what the learner is handed."""
        return self.planted((*self.key.bugs, *self.key.stubs))

    def repaired(self) -> dict[str, str]:
        """The reference's files with every refactoring that a bug came with, and no bug."""
        edits = [edit for bug in self.key.bugs if (edit := bug.without_the_bug) is not None]
        return self.spliced(edits)

    @property
    def is_refactored(self) -> bool:
        """Whether a bug of it came with a refactoring."""
        return any(bug.without_the_bug is not None for bug in self.key.bugs)

    @cached_property
    def left_to_build(self) -> frozenset[str]:
        """Names of the functions and classes that the starter has only a stub of, or does not have.

        And of the files that hold nothing else, which a learner need not hand in.
        """
        starter = "\n".join(self.starter().values())
        defined = {file: set(_DEFINED.findall(text)) for file, text in self.reference.items()}
        left = set[str]().union(*defined.values()).difference(_DEFINED.findall(starter)).union(_STUB.findall(starter))
        top = {file: set(_AT_THE_TOP.findall(text)) for file, text in self.reference.items()}
        return frozenset(left | {file.removesuffix(".py") for file, names in top.items() if names and names <= left})

    @cached_property
    def items(self) -> dict[str, Item]:
        """The rubric's items by id."""
        return {item.id: item for item in self.rubric.item}

    @cached_property
    def followups(self) -> dict[str, Item]:
        """The rubric's follow-up questions by id."""
        return {item.id: item for item in self.rubric.followup}

    @cached_property
    def titles(self) -> dict[str, str]:
        """What the items and follow-ups are called, by id."""
        return {item.id: item.title for item in (*self.rubric.item, *self.rubric.followup)}

    @cached_property
    def sha256(self) -> str:
        """The hash of all that decides a verdict."""
        parts = {f"reference/{name}": text.encode() for name, text in self.reference.items()}
        decides = structs.replace(self.rubric, feedback=UNSET)
        parts |= {"rubric": msgspec.json.encode(decides), "key": msgspec.json.encode(self.key)}
        return digest(parts | {"visible tests": self.visible_tests.encode()})

    def hints_of(self, item: str) -> Hints | None:
        """Three hints for an item or a follow-up, each saying more than the one before; None where there are none."""
        own = (self.items | self.followups)[item].hints
        return next((bug.hints for bug in self.key.bugs if bug.item == item), own)

    def asked(self, only: Collection[str] = (), *, followups: bool = True) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """The items and the follow-ups to grade.

        Args:
            only: their ids; empty for all.
            followups: whether to ask the follow-ups too where ``only`` names nothing.

        Raises:
            UsageError: it has no such item.
        """
        for name in only:
            if name not in self.titles:
                near = did_you_mean(name, self.titles)
                raise UsageError(f"no such item: {name!r}; this exercise has {', '.join(self.titles)}{near}")
        if not only:
            return self.rubric.item, self.rubric.followup if followups else ()
        items = tuple(item for item in self.rubric.item if item.id in only)
        return items, tuple(item for item in self.rubric.followup if item.id in only)

    def bugs_in(self, comparison: str) -> tuple[str, ...]:
        """The items whose bug shows in a comparison, in the rubric's order."""
        here = {bug.item for bug in self.key.bugs if comparison in bug.shows_in}
        return tuple(item.id for item in self.rubric.item if item.id in here)

    def comparisons_of(self, item: str) -> tuple[str, ...]:
        """The comparisons that diagnose an item: those that its bug shows in, and for an extension the model's."""
        shown = {comparison for bug in self.key.bugs if bug.item == item for comparison in bug.shows_in} or {FORWARD}
        return tuple(comparison for comparison in self.rubric.comparisons if comparison in shown)

    def planted(self, entries: Iterable[Planted]) -> dict[str, str]:
        """The reference's files with these edits made."""
        return self.spliced([entry.edit for entry in entries])

    def spliced(self, edits: Collection[Edit]) -> dict[str, str]:
        """The reference's files with these edits made."""
        return {
            name: splice(text, [edit for edit in edits if edit.file == name]) for name, text in self.reference.items()
        }


@dataclass(frozen=True)
class StoredExercise(Exercise):
    """An exercise that lies in two directories: what is hidden, and what a learner is handed."""

    reference_directory: Path
    starter_directory: Path


def builtin_reference() -> Path:
    """Where the built-in exercise's reference lies: inside the package in a wheel, at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "builtin"
    return (installed if installed.is_dir() else package.parent) / "reference"


def builtin_exercise() -> StoredExercise:
    """The exercise that comes with the grader."""
    reference = builtin_reference()
    installed = reference.parent.name == "builtin"
    return _read(reference, reference.parent / ("starter" if installed else "candidate"))


def read_exercise(directory: Path) -> StoredExercise:
    """The exercise in ``directory``.

    Raises:
        UsageError: something of it is missing or not as it should be.
    """
    if not directory.is_dir():
        raise UsageError(f"no such exercise: {str(directory)!r}; expected a directory with reference/ and starter/")
    return _read(directory / "reference", directory / "starter")


def read_parts(directory: Path) -> StoredExercise:
    """The exercise in ``directory`` as it lies there, whether or not its parts fit each other.

    Raises:
        UsageError: something of it is missing, or cannot be read.
    """
    return _parts(directory / "reference", directory / "starter")


def read_rubric(reference: Path) -> Rubric:
    """The exercise.toml of a reference's directory, weights made points. Raises OSError or ValueError."""
    rubric = _checked(_toml((reference / "exercise.toml").read_text("utf-8")))
    return structs.replace(
        rubric, item=tuple(map(in_points, rubric.item)), followup=tuple(map(in_points, rubric.followup))
    )


def _toml(text: str) -> dict[str, Any]:
    """The document. Raises ``ValueError`` that says where it is none, and what is expected."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).rstrip(")").rpartition(" (at ")
        place = where
        if where == "end of document":
            place = (
                f"its end (line {len(text.splitlines())}), where a text, a list or a table that begins before it is "
                "not closed, or a value is missing"
            )
        raise ValueError(
            f"reference/exercise.toml is not TOML: {what} at {place}; expected lines such as "
            "'title = \"A GPT\"' and tables such as [[item]]"
        ) from None


def in_points(item: Item) -> Item:
    """The item with its weights as points: what earns, and ``exact``, share the item's; what takes is scaled alike.

    Weights that add up to the points are the points, bit for bit; those of an item in which nothing earns stay as they
    are, for ``grader.exercise.rules`` to complain of.
    """
    total = sum(item.earns.values()) + item.exact
    if total in (0, item.points):
        return item
    scale = item.points / total
    return structs.replace(
        item,
        earns={check: weight * scale for check, weight in item.earns.items()},
        takes={check: weight * scale for check, weight in item.takes.items()},
        exact=item.exact * scale,
        unexplained=item.unexplained * scale,
    )


def _checked(read: dict[str, Any]) -> Rubric:
    """The rubric of a TOML document. Raises ``ValueError`` that names the item and the key that is wrong."""
    try:
        return msgspec.convert(read, Rubric)
    except msgspec.ValidationError as error:
        for what in ("item", "followup"):
            tables = read.get(what)
            for number, table in enumerate(tables if isinstance(tables, list) else (), start=1):
                _complain_of(table, Item, f"[[{what}]] number {number}")
        _complain_of(read, Rubric, "exercise.toml")
        raise ValueError(str(error)) from None


def _complain_of(table: Any, kind: type[Struct], where: str) -> None:
    """Raise ``ValueError`` for what keeps a table from being one of this kind."""
    if isinstance(table, dict):
        known = [field.encode_name for field in structs.fields(kind)]
        where = f"{where} ({table['id']!r})" if isinstance(table.get("id"), str) and kind is Item else where
        for key in table:
            if key not in known:
                raise ValueError(
                    f"{where} has the key {key!r}; expected some of {', '.join(known)}{did_you_mean(key, known)}"
                )
        for field in structs.fields(kind):
            if field.encode_name not in table:
                if field.required:
                    raise ValueError(f"{where} has no {field.encode_name!r}")
                continue
            try:
                msgspec.convert(table[field.encode_name], field.type)
            except msgspec.ValidationError as error:
                if field.encode_name not in ("item", "followup"):
                    said = str(error).replace(" - at `$[...]`", ", in each of them").replace("`", "")
                    raise ValueError(f"{where}: {field.encode_name} = {table[field.encode_name]!r}: {said}") from None


def _read(reference: Path, starter: Path) -> StoredExercise:
    exercise = _parts(reference, starter)
    from grader.exercise.rules import validate  # it brings all checks: not for what needs the types alone

    validate(exercise)
    return exercise


def _parts(reference: Path, starter: Path) -> StoredExercise:
    try:
        # As bytes: spans count them, and reading text would turn other line ends into plain ones.
        paths = [path for path in sorted(reference.glob("*.py")) if not path.name.startswith("test_")]
        sources = {path.name: path.read_bytes().decode() for path in paths}
        tests = (starter / VISIBLE_TESTS).read_bytes().decode() if (starter / VISIBLE_TESTS).is_file() else ""
        rubric = read_rubric(reference)
        key = _key((reference / "key.json").read_bytes())
    except OSError as error:
        raise UsageError(
            f"not an exercise: {str(reference.parent)!r}: cannot read {error.filename!s}: {error.strerror}; expected a "
            "directory with reference/ and starter/"
        ) from None
    except ValueError as error:
        raise UsageError(f"not an exercise: {str(reference.parent)!r}: {error}") from None
    return StoredExercise(sources, tests, rubric, key, reference, starter)


def _key(data: bytes) -> Key:
    """What key.json holds. Raises ``ValueError``."""
    try:
        return msgspec.json.decode(data, type=Key)
    except msgspec.DecodeError as error:
        raise ValueError(f"key.json cannot be read: {error}; expected it as `grader inject` wrote it") from None
