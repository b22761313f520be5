"""What there is to learn from an exercise: each bug with its story and its place, and what a good answer says."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from grader.checks.catalogue import BY_ID
from grader.errors import UsageError
from grader.exercise.key import Planted, PlantedBug
from grader.exercise.model import Exercise, Item, StoredExercise, builtin_reference
from grader.result.record import FollowUp, ItemResult, Result, Status
from grader.submission.diff import changes
from mutations.catalogue import EVERY

ANSWERS: Final = "review.md"
"""In a reference's directory: what a good answer says, under a heading with the id of each item."""

_CONTEXT: Final = 3  # checks that are named as seeing a bug
_DEFINED: Final = re.compile(r"^ *(?:def|class) +(\w+)")
_SECTION: Final = re.compile(r"^## +(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a story: its heading, and its paragraphs."""

    heading: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BugLesson:
    """One bug that was planted.

    Attributes:
        what: what the bug is, in one sentence.
        file, line: where it sits in the starter.
        function: that the line is in; empty at the top of the file.
        diff: unified, from the starter to the same with this bug fixed.
        story: why it is wrong, how it shows, how it is found.
        rewriting: of a bug that came with a refactoring, a unified diff of the refactoring alone; empty otherwise.
        seen_by: what the grade asks that fails of it, in words.
        found: how a submission fared with it; None without one.
    """

    id: str
    title: str
    what: str
    file: str
    line: int
    function: str
    diff: str
    story: tuple[Part, ...]
    rewriting: str
    seen_by: tuple[str, ...]
    found: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Something that was to be built.

    Attributes:
        paragraphs: what a good answer says; empty where that is not written down.
        diffs: by file, from the starter to the same with this built as the reference has it.
        found: how a submission fared with it; None without one, and where it was not asked for.
    """

    id: str
    title: str
    paragraphs: tuple[str, ...]
    diffs: dict[str, str]
    found: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """All of an exercise.

    Attributes:
        candidate: whose result stands beside it; empty without one.
    """

    title: str
    candidate: str
    bugs: tuple[BugLesson, ...]
    extensions: tuple[Answer, ...]
    followups: tuple[Answer, ...]


def lessons(exercise: StoredExercise, result: Result | None = None) -> Lessons:
    """What there is to learn from an exercise, with how a submission fared where its result is given.

    Raises:
        UsageError: the result is of another exercise, or what a good answer says cannot be read.
    """
    if result is not None and result.exercise.id != exercise.rubric.id:
        raise UsageError(
            f"this is a result of the exercise {result.exercise.id!r}, not of {exercise.rubric.id!r}; "
            "expected one of the exercise that is reviewed"
        )
    answers = read_answers(exercise.reference_directory)
    parts: list[ItemResult | FollowUp] = [] if result is None else [*result.items, *result.followups]
    found = {part.id: part.status for part in parts}

    def answered(items: Iterable[Item]) -> tuple[Answer, ...]:
        return tuple(
            Answer(
                id=item.id,
                title=item.title,
                paragraphs=answers.get(item.id, ()),
                diffs=_diffs(exercise, [stub for stub in exercise.key.stubs if stub.item == item.id]),
                found=found.get(item.id),
            )
            for item in items
        )

    return Lessons(
        title=exercise.rubric.title,
        candidate=result.candidate.name if result is not None else "",
        bugs=tuple(_bug_lesson(exercise, bug, found.get(bug.item)) for bug in exercise.key.bugs),
        extensions=answered(item for item in exercise.rubric.item if item.kind == "extension"),
        followups=answered(exercise.rubric.followup),
    )


def read_answers(reference: Path) -> dict[str, tuple[str, ...]]:
    """What a good answer says, by item: as the reference's directory has it, else as the built-in one's has.

    Raises:
        UsageError: a file cannot be read.
    """
    found: dict[str, tuple[str, ...]] = {}
    for path in (builtin_reference() / ANSWERS, reference / ANSWERS):
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {str(path)!r}: {error}") from None
        found |= {part.heading: part.paragraphs for part in _parts(text)}
    return found


def _bug_lesson(exercise: Exercise, bug: PlantedBug, found: Status | None) -> BugLesson:
    story = next((each.story for each in EVERY if each.id == bug.operator), "")  # it may be of an older catalogue
    starter = exercise.starter()
    [(file, diff)] = _diffs(exercise, [bug]).items()
    line = _first_difference(starter[file], _without(exercise, [bug])[file])
    return BugLesson(
        id=bug.item,
        title=exercise.titles[bug.item],
        what=" ".join(story.partition("\n\n")[0].split()),
        file=file,
        line=line,
        function=_function_at(starter[file], line),
        diff=diff,
        story=tuple(_parts(story)),
        rewriting=_rewriting(exercise, bug),
        seen_by=tuple(BY_ID[check].title for check in bug.killed_by if check in BY_ID)[:_CONTEXT],
        found=found,
    )


def _rewriting(exercise: Exercise, bug: PlantedBug) -> str:
    """From the text before a refactoring to the text after it, where both have no bug there."""
    edit = bug.without_the_bug
    if edit is None:
        return ""
    before, after = exercise.reference, exercise.spliced([edit])
    return "".join(change.diff for change in changes(before, after))


def _parts(text: str) -> Iterator[Part]:
    """The sections of a text with headings; what stands before the first is left out."""
    pieces = _SECTION.split(text)
    for heading, body in zip(pieces[1::2], pieces[2::2], strict=True):
        paragraphs = (" ".join(paragraph.split()) for paragraph in body.split("\n\n"))
        yield Part(heading=heading.strip(), paragraphs=tuple(filter(None, paragraphs)))


def _without(exercise: Exercise, done: Iterable[Planted]) -> dict[str, str]:
    """The starter with these edits undone; of a bug that came with a refactoring, the refactoring stays."""
    undone = list(done)
    kept = [entry.edit for entry in (*exercise.key.bugs, *exercise.key.stubs) if entry not in undone]
    repaired = [bug.without_the_bug for bug in exercise.key.bugs if bug in undone]
    return exercise.spliced([*kept, *(edit for edit in repaired if edit is not None)])


def _diffs(exercise: Exercise, done: Sequence[Planted]) -> dict[str, str]:
    """From the starter to the same with these edits undone: by file, a unified diff."""
    return {change.file: change.diff for change in changes(exercise.starter(), _without(exercise, done))}


def _first_difference(before: str, after: str) -> int:
    """The number of the first line that is not the same."""
    left, right = before.splitlines(), after.splitlines()
    matcher = SequenceMatcher(a=left, b=right, autojunk=False)
    return next(start + 1 for kind, start, *_ in matcher.get_opcodes() if kind != "equal")


def _function_at(text: str, line: int) -> str:
    """The innermost function around a line, with its class, by what is indented less; empty where there is none."""
    *before, here = text.splitlines()[:line]
    names: list[str] = []
    margin = _margin(here) + 1  # the line may be a function's own
    for each in reversed([*before, here]):
        if each.strip() and not each.lstrip().startswith(")") and _margin(each) < margin:  # `) -> Tensor:` ends a head
            margin = _margin(each)
            names += _DEFINED.findall(each)
    return ".".join(reversed(names))


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())
