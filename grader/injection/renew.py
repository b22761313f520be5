"""Renew an exercise that was changed since it was proven: edits moved to where they belong now, the proof made anew.

The reference that the edits were made for is not kept, but its starter is: with the edits undone that is the old
reference, and its hash says so. What stands between the edits may have changed, and what an extension takes out; the
lines that bugs are planted in may not.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import structs

from grader.errors import UsageError
from grader.exercise.key import Key, Planted, PlantedBug, Stub
from grader.exercise.model import StoredExercise, read_parts
from grader.exercise.rules import validate
from grader.exercise.starter import starter_contents
from grader.files.write import write_atomically
from grader.injection.folder import to_json
from grader.injection.rubric_and_key import certificate, hashes
from grader.injection.verify import SEEDS, Verification, verify
from grader.sandbox.client import Launcher

_NUMBERS: Final = re.compile(r"\d+(\.\d+)?")


class Renewed(NamedTuple):
    """What came of it.

    Attributes:
        found: what was verified, of the exercise as it is to be.
        files: the files that were written, by path in the exercise; none where it is not sound.
    """

    found: Verification
    files: tuple[str, ...]


def renew(directory: Path, launcher: Launcher, progress: Callable[[str], None]) -> Renewed:
    """Prove the exercise in ``directory`` as it is now, and where it is sound keep the proof, the places of its edits
    and the starter that they make.

    Raises:
        UsageError: it is no exercise, or a line was changed that a bug or a gap is in.
        CannotJudge: the machine failed, or cannot isolate.
    """
    stored = read_parts(directory)
    key = _moved(stored)
    exercise = replace(stored, key=key)
    validate(exercise)
    found = verify(exercise, launcher, progress, renewing=True)
    if not found.sound:
        return Renewed(found, ())
    bugs = tuple(
        structs.replace(bug, shows_in=found.seen[bug.item].shows_in, killed_by=found.seen[bug.item].killed_by)
        for bug in key.bugs
    )
    seeds = key.certificate.seeds if key.certificate is not None else SEEDS
    proven = structs.replace(key, bugs=bugs, certificate=certificate(launcher, seeds, found.rows))
    # The key first: what it names is then made of it again, should this be cut short.
    made = {directory / "reference" / "key.json": to_json(proven)}
    made |= {exercise.starter_directory / name: text for name, text in _starter(exercise).items()}
    changed = [path for path, text in made.items() if not path.is_file() or path.read_bytes() != text.encode()]
    for path, text in made.items():  # all of them: which ones a bug is in must not show by their times
        write_atomically(path, text.encode())
    return Renewed(found, tuple(str(path.relative_to(directory)) for path in changed))


def _moved(stored: StoredExercise) -> Key:
    """The key with every edit where it belongs in the reference as it is now."""
    bugs, stubs = stored.key.bugs, stored.key.stubs
    for file, text in stored.reference.items():
        planted = [entry for entry in (*bugs, *stubs) if entry.file == file]
        if not planted or _sha256(text) == stored.key.hashes.get(file):
            continue
        before = _reference_before(stored, file, planted)
        moves = _Moves(before.encode(), text.encode())
        bugs = tuple(_shifted(entry, moves) if entry.file == file else entry for entry in bugs)
        stubs = tuple(_taken_out(entry, moves) if entry.file == file else entry for entry in stubs)
    return structs.replace(stored.key, bugs=bugs, stubs=stubs, hashes=hashes(stored.reference))


def _reference_before(stored: StoredExercise, file: str, planted: Sequence[Planted]) -> str:
    """The file that the edits were made for: the starter's, with each of them undone."""
    try:
        data = (stored.starter_directory / file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {str(stored.starter_directory / file)!r}: {error.strerror}") from None
    pieces, position, shift = [], 0, 0
    for entry in sorted(planted, key=lambda entry: entry.span):
        start = entry.span[0] + shift
        pieces += [data[position:start], entry.before.encode()]
        position = start + len(entry.after.encode())
        shift += len(entry.after.encode()) - len(entry.before.encode())
    before = b"".join([*pieces, data[position:]])
    if hashlib.sha256(before).hexdigest() != stored.key.hashes.get(file):
        raise UsageError(
            f"both reference/{file} and starter/{file} were changed since the exercise was proven, so that it "
            f"cannot be known where its bugs belong; put starter/{file} back as it was handed out, and change the "
            "reference alone"
        )
    return before.decode()


class _Moves:
    """Where the bytes of one text are in another, line by line."""

    def __init__(self, before: bytes, after: bytes) -> None:
        self.after = after
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
        self._same: list[tuple[int, int, int]] = []  # start and end in the old text, start in the new
        starts, ends = _offsets(old), _offsets(new)
        for at, there, size in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
            self._same.append((starts[at], starts[at + size], ends[there]))

    def to(self, start: int, end: int) -> int | None:
        """Where a span begins now; None where a line of it was changed."""
        return next((new + start - old for old, until, new in self._same if old <= start and end <= until), None)

    def between(self, start: int, end: int) -> tuple[int, int] | None:
        """The span between what was before and behind one in the old text; None where that cannot be told."""
        starts = [new + start - old for old, until, new in self._same if old <= start <= until]
        ends = [new + end - old for old, until, new in self._same if old <= end <= until]
        # What was added at an edge stays outside.
        return (starts[-1], ends[0]) if starts and ends and starts[-1] <= ends[0] else None


def _offsets(lines: Sequence[bytes]) -> list[int]:
    found = [0]
    for line in lines:
        found.append(found[-1] + len(line))
    return found


def _shifted(entry: PlantedBug, moves: _Moves) -> PlantedBug:
    start, end = entry.span
    moved = moves.to(start, end)
    if moved is None:
        raise UsageError(
            f"a line of reference/{entry.file} was changed that {entry.item!r} is planted in; what is planted there "
            "would be another one: put that line back, or build the exercise anew with `grader inject`"
        )
    return structs.replace(entry, span=(moved, moved + end - start))


def _taken_out(entry: Stub, moves: _Moves) -> Stub:
    """What an extension takes out may be written otherwise by now."""
    span = moves.between(*entry.span)
    if span is None:
        raise UsageError(
            f"reference/{entry.file} was changed around what {entry.item!r} takes out of it, so that it cannot be "
            "known where that begins and ends; put the lines before and behind it back, or build the exercise anew "
            "with `grader inject`"
        )
    return structs.replace(entry, span=span, before=moves.after[slice(*span)].decode())


def _starter(exercise: StoredExercise) -> dict[str, str]:
    """The starter's files as they are to be: its code made anew, and README.md too where that was generated."""
    made = starter_contents(exercise)
    path = exercise.starter_directory / "README.md"
    if path.is_file():
        kept = path.read_bytes().decode(errors="replace")
        # One that differs in numbers alone was generated, for other points.
        if _NUMBERS.sub("#", kept) != _NUMBERS.sub("#", made["README.md"]):
            made["README.md"] = kept
    return made


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
