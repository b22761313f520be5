"""The hand-ins of a whole assignment: which of the files and folders that a platform delivers are whose."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from grader.errors import UsageError
from grader.files.read_untrusted import Kind, Listed, Refused
from grader.hand_ins.archives import is_archive, open_archive
from grader.hand_ins.locate import brief, is_a_systems, quoted, read_package
from grader.hand_ins.platforms import METADATA, Named, named, submitters, titles
from grader.hand_ins.tree import Renamed, Tree
from grader.limits import (
    ASSIGNMENT_MAX_HAND_INS,
    ASSIGNMENT_MAX_WRAPPERS,
    METADATA_MAX_BYTES,
    SUBMISSION_FILE_MAX_BYTES,
)
from grader.submission.read import Submission

_MODEL: Final = re.compile(r"model(-\d+)?\.py")  # with a number where it was handed in again
# What instructors keep beside hand-ins. A hand-in of these alone has nothing to grade.
_LISTS: Final = (
    *(".csv", ".tsv", ".xlsx", ".xls", ".ods", ".md", ".txt"),
    *(".log", ".json", ".toml", ".ini", ".html", ".yml", ".yaml"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIn:
    """What one person, or group, has handed in.

    Attributes:
        name: that no other has; as it lies there, or as the platform calls the person.
        title: what to call it.
        person: the name that a platform says, without an assignment's number; empty where it says none.
        read: reads it. Raises ``UsageError`` or ``Refused`` where there is no submission to be read.
    """

    name: str
    title: str
    read: Callable[[], Submission]
    person: str = ""


@dataclass(frozen=True, slots=True)
class HandIns:
    """All of them, by name, and the names of what belongs to no one."""

    found: tuple[HandIn, ...]
    ignored: tuple[str, ...]


def hand_ins(root: Tree, where: str, stack: ExitStack, *, is_packed: bool) -> HandIns:
    """Who has handed in what in ``root``.

    Args:
        where: it is, for messages.
        stack: closes what has to be opened on the way.
        is_packed: whether ``root`` is an archive, which may have the folder in it that was packed.

    Raises:
        UsageError: it is one submission, or there are too many files in it.
    """
    entries = _entries(root, where)
    inner = _wrapped(root, entries, stack, is_packed=is_packed)
    tree, entries = (root, entries) if inner is None else (inner, _entries(inner, where))
    if any(entry.name == "model.py" for entry in entries):
        raise UsageError(f"{where} holds a model.py: it is one submission")
    return _sorted_out(tree, entries)


def _entries(tree: Tree, where: str) -> list[Listed]:
    """What people have put there, by name. Raises ``UsageError``."""
    try:
        entries = tree.entries(ASSIGNMENT_MAX_HAND_INS)
    except Refused as reason:
        raise UsageError(f"cannot read {where}: {reason}") from None
    if entries is None:
        raise UsageError(f"there are more than {ASSIGNMENT_MAX_HAND_INS} files and folders in {where}")
    return _meant(entries)


def _meant(entries: Iterable[Listed]) -> list[Listed]:
    return sorted((entry for entry in entries if not is_a_systems(entry.name)), key=lambda entry: entry.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A file of Canvas's, under the name by which Canvas takes it back.

    Attributes:
        text: of a model.py; None for an archive.
    """

    name: str
    text: bytes | None


def of_canvas(root: Tree, where: str, stack: ExitStack, *, is_packed: bool) -> dict[str, Delivered]:
    """By person, the ``model.py`` that Canvas has delivered, the newest of several, or else the zip archive.

    Raises:
        UsageError: it cannot be read, or there are too many files in it.
    """
    entries = _entries(root, where)
    inner = _wrapped(root, entries, stack, is_packed=is_packed)
    tree, entries = (root, entries) if inner is None else (inner, _entries(inner, where))
    ranked: dict[str, tuple[bool, int, str]] = {}
    for entry in entries:
        who = _named(entry)
        if who is None or who.platform != "Canvas" or entry.kind is not Kind.FILE:
            continue
        is_model = _MODEL.fullmatch(who.name) is not None
        if is_model or who.name.lower().endswith(".zip"):
            mine = (is_model, who.number, entry.name)
            ranked[who.person] = max(ranked.get(who.person, mine), mine)
    found = {}
    for person, (is_model, _, name) in ranked.items():
        with suppress(Refused, FileNotFoundError):
            text = tree.read(name, SUBMISSION_FILE_MAX_BYTES) if is_model else None
            found[person] = Delivered(name=name, text=text)
    return found


def is_of_a_platform(entries: Collection[Listed]) -> bool:
    """Whether these are what a platform delivers of an assignment: not one of them has a name of its own."""
    if any(entry.name == METADATA for entry in entries):
        return True
    handed_in = [entry for entry in entries if not _is_a_list(entry)]
    return bool(handed_in) and all(_named(entry) is not None for entry in handed_in)


def _wrapped(
    tree: Tree, entries: list[Listed], stack: ExitStack, *, is_packed: bool, left: int = ASSIGNMENT_MAX_WRAPPERS
) -> Tree | None:
    """What is in the only folder or archive that there is, if that is a whole assignment's and not a person's.

    Looked for only where there is no second one: what people hand in has no say in whose it is.
    """
    if len(entries) != 1 or not left or is_of_a_platform(entries):
        return None
    try:
        inner = _opened(tree, entries[0], stack)
        below = _meant(inner.entries(ASSIGNMENT_MAX_HAND_INS) or ()) if inner is not None else []
    except (Refused, FileNotFoundError):
        return None
    if inner is None or is_of_a_platform(below):
        return inner
    if len(below) == 1:
        return _wrapped(inner, below, stack, is_packed=False, left=left - 1)
    # Around a class that was packed as it lay there is its folder; a person's folder may have several in it as well.
    several = sum(entry.kind is Kind.FOLDER or is_archive(entry.name) for entry in below) > 1
    return inner if is_packed and (several or any(entry.name == "model.py" for entry in below)) else None


def _named(entry: Listed) -> Named | None:
    return named(entry.name, is_folder=entry.kind is Kind.FOLDER)


def _is_a_list(entry: Listed) -> bool:
    is_one = entry.kind is not Kind.FOLDER and entry.name.lower().endswith(_LISTS)
    return is_one and _named(entry) is None


def _opened(tree: Tree, entry: Listed, stack: ExitStack) -> Tree | None:
    if entry.kind is Kind.FOLDER:
        return tree.within(entry.name)
    return open_archive(tree.open(entry.name), stack) if is_archive(entry.name) else None


def _sorted_out(tree: Tree, entries: list[Listed]) -> HandIns:
    metadata = _metadata(tree, entries)
    people: dict[tuple[str, str], list[tuple[Named, Listed]]] = defaultdict(list)
    own: list[Listed] = []
    ignored: list[str] = []
    for entry in entries:
        if entry.name == METADATA and metadata is not None:
            continue
        who = _named(entry)
        if who is not None:
            people[who.platform, who.person].append((who, entry))
        elif _is_a_list(entry):
            ignored.append(entry.name)
        else:
            own.append(entry)
    taken = {entry.name for entry in own}
    found = [_of_its_own(tree, entry, metadata or {}) for entry in own]
    found += [_missing(folder, whose) for folder, whose in (metadata or {}).items() if folder not in taken]
    taken |= (metadata or {}).keys()
    found += _of_people(tree, people, taken)
    return HandIns(tuple(sorted(found, key=lambda one: one.name)), tuple(ignored))


def _metadata(tree: Tree, entries: list[Listed]) -> dict[str, str] | None:
    """Who handed in what, if Gradescope says so."""
    if not any(entry.name == METADATA and entry.kind is Kind.FILE for entry in entries):
        return None
    try:
        return submitters(tree.read(METADATA, METADATA_MAX_BYTES))
    except (Refused, FileNotFoundError):
        return {}


def _of_its_own(tree: Tree, entry: Listed, metadata: dict[str, str]) -> HandIn:
    """A folder, an archive or a file of one person alone."""

    def read() -> Submission:
        if entry.kind is Kind.OTHER:
            tree.read(entry.name, 0)  # says what it is
            raise Refused("it is not a regular file")
        with ExitStack() as stack:
            inner = _opened(tree, entry, stack)
            if inner is None:
                raise _loose(entry.name)
            return read_package(inner, title, "it", stack)

    who = metadata.get(entry.name)
    title = f"{who} ({entry.name})" if who else entry.name
    return HandIn(name=entry.name, title=title, read=read, person=who or "")


def _missing(folder: str, whose: str) -> HandIn:
    def read() -> Submission:
        raise Refused(f"there is no {quoted(folder)}, which {METADATA} names")

    return HandIn(name=folder, title=f"{whose} ({folder})" if whose else folder, read=read, person=whose)


def _loose(name: str) -> Refused:
    if name.lower().endswith(".ipynb"):
        return Refused(f"found: {quoted(name)}, a notebook; hand in model.py and train.py, as the starter has them")
    if name.lower().endswith(".py"):
        return Refused(f"found: {quoted(name)}, one file alone; expected a folder or an archive with both files")
    return Refused(f"found: {quoted(name)}, which is not read; expected a folder, a .zip or a .tar.gz")


def _of_people(tree: Tree, people: dict[tuple[str, str], list[tuple[Named, Listed]]], taken: set[str]) -> list[HandIn]:
    """What the names of a platform say who has handed in."""
    called = {platform: titles([person for of, person in people if of == platform], platform) for platform, _ in people}
    found = []
    for (platform, person), theirs in people.items():
        name = person if person not in taken else f"{person} ({platform})"
        while name in taken:
            name += "+"
        taken.add(name)
        found.append(_of_one(tree, name, called[platform][person], theirs))
    return found


def _of_one(tree: Tree, name: str, title: str, theirs: list[tuple[Named, Listed]]) -> HandIn:
    def read() -> Submission:
        inner, notes = _put_together(tree, theirs)
        with ExitStack() as stack:
            submission = read_package(inner, title, "it", stack)
        return submission.with_notes(notes)

    # Moodle's number is another one for each assignment, Canvas's is the person's own.
    name_alone = title.rpartition("_")[0] if theirs[0][0].platform == "Moodle" else ""
    return HandIn(name=name, title=title, read=read, person=name_alone)


def _put_together(tree: Tree, theirs: list[tuple[Named, Listed]]) -> tuple[Tree, list[str]]:
    """One person's files as if they lay in a folder, and what was left out of it.

    Of several attempts the newest counts, by its time. A name that a platform delivers twice in it is the newest
    file's, by its number.
    """
    notes = []
    newest = max(who.when for who, _ in theirs)
    if older := sorted({who.when for who, _ in theirs} - {newest}):
        notes.append(f"the attempt of {newest} was taken, the newest of {len(older) + 1}")
    now = [(who, entry) for who, entry in theirs if who.when == newest]
    folders = [entry for who, entry in now if entry.kind is Kind.FOLDER]
    files: dict[str, tuple[int, Listed]] = {}
    for who, entry in now:
        if entry.kind is Kind.FOLDER or not who.name:
            continue
        mine = who.number, entry
        if (other := files.setdefault(who.name, mine)) is not mine:
            if who.number == other[0]:
                both = f"{quoted(other[1].name)} and {quoted(entry.name)}"
                raise Refused(f"it is not clear which is meant: {both}; expected one")
            (_, left), kept = sorted((mine, other), key=lambda one: one[0])
            notes.append(f"{brief(kept[1].name)} was taken, and not {brief(left.name)}: by its number it is newer")
            files[who.name] = kept
    if len(folders) == 1 and not files:
        return tree.within(folders[0].name), notes
    names = {name: entry for name, (_, entry) in files.items()}
    return Renamed(tree, {**names, **{entry.name: entry for entry in folders}}), notes
