"""The manifest of a bulk of exercises: a line of JSON for each seed, which says what came of it.

``python -m grader.injection.manifest`` writes the JSON Schema of a line to docs/, ``--check`` compares.

While a bulk is built, lines are added in the order in which seeds are done, and of several lines of one seed the last
holds. At its end the file is written anew, in the order of the seeds with one line for each.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from grader.errors import UsageError
from grader.exercise.key import Bucket, Key, PlantedBug
from grader.files.digest import digest
from grader.files.write import write_atomically
from grader.injection.build import Built
from grader.injection.folder import contents
from grader.injection.recipe import Split

FORMAT: Final = 1
NAME: Final = "manifest.jsonl"
REASON_MAX: Final = 4000  # characters: a seed may have turned down hundreds of bugs
SCHEMA: Final = Path(__file__).resolve().parents[2] / "docs" / "manifest.schema.json"
Status = Literal["built", "duplicate", "impossible", "failed"]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Bug(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bug of an exercise. For the owner of the exercise: it says what was planted where.

    Attributes:
        span: the bytes of the reference's file that it replaces.
        difficulty: from 0 to 10; 0 to 3 is easy, 4 to 6 medium, 7 and more hard.
    """

    item: str
    operator: str
    category: str
    file: str
    span: tuple[int, int]
    difficulty: int
    bucket: Bucket


class Hashes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SHA-256 of what was built.

    Attributes:
        reference, starter: of all files of the folder, names and contents.
        exercise: what a result has as ``integrity.exercise``.
        bugs: of the set of edits, or of operators in an exercise in other words. No two exercises of a bulk that are
            built have the same.
    """

    reference: Sha256
    starter: Sha256
    exercise: Sha256
    bugs: Sha256


class Proof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That all subsets of the bugs were graded as they should be, and with what; the rows stand in key.json."""

    subsets: int
    seeds: tuple[int, ...]
    grader: str
    torch: str
    cpu: str


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What came of one seed.

    Attributes:
        status: built; a duplicate, which has the bugs of a lower seed and no folder; impossible, which another run
            would find again; or failed for a reason of the machine, which the next run tries again.
        folder: beside the manifest.
        difficulty: of the bugs together, their sum.
        operators, categories: of its bugs, sorted.
        same_as: of a duplicate, the lowest seed with these bugs.
        reason: why there is nothing.
    """

    format: int = FORMAT
    seed: int
    status: Status
    folder: str | None = None
    id: str | None = None
    title: str | None = None
    split: Split | None = None
    difficulty: int | None = None
    operators: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    bugs: tuple[Bug, ...] = ()
    hashes: Hashes | None = None
    proof: Proof | None = None
    same_as: int | None = None
    reason: str | None = None


def folder_of(seed: int) -> str:
    """The name of a seed's folder."""
    return f"seed-{seed}"


def entry_of(seed: int, built: Built, split: Split | None) -> Entry:
    """The entry of an exercise that was built from a seed."""
    exercise = built.exercise
    certificate = exercise.key.certificate
    assert certificate is not None, "it was proven"
    bugs = tuple(_bug(bug) for bug in exercise.key.bugs)
    return Entry(
        seed=seed,
        status="built",
        folder=folder_of(seed),
        id=exercise.rubric.id,
        title=exercise.rubric.title,
        split=split,
        difficulty=sum(bug.difficulty for bug in bugs),
        operators=tuple(sorted(bug.operator for bug in bugs)),
        categories=tuple(sorted(bug.category for bug in bugs)),
        bugs=bugs,
        hashes=Hashes(
            **hashes_of({name: text.encode() for name, text in contents(built).items()}),
            exercise=exercise.sha256,
            bugs=_set_of(exercise.key),
        ),
        proof=Proof(
            subsets=len(certificate.rows),
            seeds=certificate.seeds,
            grader=certificate.grader,
            torch=certificate.torch,
            cpu=certificate.cpu,
        ),
    )


def without_exercise(seed: int, status: Literal["impossible", "failed"], reason: str) -> Entry:
    """The entry of a seed of which there is nothing."""
    reason = reason if len(reason) <= REASON_MAX else f"{reason[:REASON_MAX]}… (cut here)"
    return Entry(seed=seed, status=status, reason=reason)


def hashes_of(files: dict[str, bytes]) -> dict[str, str]:
    """The hashes of an exercise's two folders, for its files by path."""
    return {
        part: digest({name: data for name, data in files.items() if name.startswith(f"{part}/")})
        for part in ("reference", "starter")
    }


class Manifest:
    """The manifest of a directory, kept up to date as exercises are built.

    An exercise whose set of bugs a lower seed has too is a duplicate of that one: which it is hangs on the seeds alone,
    and not on the order in which they are done.

    Raises:
        UsageError: the file that is there is no manifest.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self.entries: Final[dict[int, Entry]] = {}
        self._seeds_with: Final[dict[str, set[int]]] = defaultdict(set)  # by hash of the bugs
        for entry in {entry.seed: entry for entry in _read(self._path)}.values():
            self._take(entry)

    def forget(self, seeds: Iterable[int]) -> None:
        """Leave these seeds out: they are to be built again."""
        for seed in seeds:
            entry = self.entries.pop(seed)
            if entry.hashes is not None:
                self._seeds_with[entry.hashes.bugs].discard(seed)
        self.write()

    def add(self, entry: Entry) -> list[Entry]:
        """Take a seed's entry; what has changed by it, which is that one and others that are its duplicates now."""
        self._take(entry)
        changed = [entry, *self._settled(entry)]
        changed = list({each.seed: self.entries[each.seed] for each in changed}.values())
        with open(self._path, "ab") as file:  # in one piece
            file.write(b"".join(_line(each) for each in changed))
        return changed

    def write(self) -> None:
        """Have the file hold one line for each seed, in their order."""
        write_atomically(self._path, b"".join(_line(self.entries[seed]) for seed in sorted(self.entries)))

    def _take(self, entry: Entry) -> None:
        self.entries[entry.seed] = entry
        if entry.hashes is not None:
            self._seeds_with[entry.hashes.bugs].add(entry.seed)

    def _settled(self, entry: Entry) -> list[Entry]:
        """Of all that have an entry's bugs, let the lowest seed alone be built; those that this changes."""
        if entry.hashes is None:
            return []
        alike = sorted(self._seeds_with[entry.hashes.bugs])
        changed = []
        for seed in alike[1:]:
            other = self.entries[seed]
            settled = replace(other, status="duplicate", folder=None, same_as=alike[0])
            if settled != other:
                self.entries[seed] = settled
                changed.append(settled)
        return changed


def counts(entries: Iterable[Entry]) -> dict[Status, int]:
    """How many seeds there are of each status."""
    found: dict[Status, int] = defaultdict(int)
    for entry in entries:
        found[entry.status] += 1
    return found


def _read(path: Path) -> list[Entry]:
    """The lines of a manifest, but for a last one that was cut short when its writer was killed."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    try:
        return [msgspec.json.decode(line, type=Entry) for line in lines[:-1]]
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"{str(path)!r} is not the manifest of a bulk: {error}; choose another directory") from None


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def _bug(bug: PlantedBug) -> Bug:
    assert bug.difficulty is not None, "it was measured"
    return Bug(
        item=bug.item,
        operator=bug.operator,
        category=bug.category,
        file=bug.file,
        span=bug.span,
        difficulty=bug.difficulty.score,
        bucket=bug.difficulty.bucket,
    )


def _set_of(key: Key) -> str:
    """The hash of a set of edits, whatever their order and whichever operator made them.

    In other words no two texts have an edit in common: then the operators are what two exercises may share.
    """
    if key.reworded is not UNSET:
        return digest({"operators": msgspec.json.encode(sorted(bug.operator for bug in key.bugs))})
    edits = sorted((bug.file, bug.span, bug.before, bug.after) for bug in key.bugs)
    return digest({"edits": msgspec.json.encode(edits)})


def schema() -> str:
    """The schema of a line, indented and sorted, with a newline at its end."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(Entry)
    return json.dumps(described, indent=2, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the schema's file is now, or with ``--check`` was, up to date; else 1."""
    parser = argparse.ArgumentParser(prog="python -m grader.injection.manifest", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    if not parser.parse_args(arguments).check:
        SCHEMA.write_text(schema(), "utf-8")
        return 0
    if SCHEMA.is_file() and SCHEMA.read_text("utf-8") == schema():
        return 0
    sys.stderr.write(f"{SCHEMA.name} is stale; write it again with: python -m grader.injection.manifest\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
