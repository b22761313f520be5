"""Hand-ins by their path: one, in a directory or an archive, or those of a whole assignment, as platforms deliver them.

Which of the files and folders are whose is said by the names that the platforms write, each with a person's identifier
in it:

- Moodle: ``Ann Lee_12345_assignsubmission_file_``, a folder for each person, or that in front of each file;
- Canvas: ``leeann_12345_678_model.py``, with ``_LATE`` behind the name where it was, or ``anon_AbCdE_678_model.py``;
- Blackboard: ``Homework 1_alee_attempt_2026-11-02-13-37-00_model.py``, and a text of its own about each attempt;
- Gradescope: ``submission_12345``, and in ``submission_metadata.yml`` who handed that in.

What people choose themselves, the name of a file, stands last in each of them, and is not looked at: no one can hand in
under another's name.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grader.errors import UsageError
from grader.files.printable import one_line
from grader.files.read_untrusted import Directory, Kind, Listed, Refused
from grader.hand_ins.archives import is_archive, open_archive
from grader.hand_ins.locate import brief, is_a_systems, quoted, read_package
from grader.hand_ins.tree import OnDisk, Renamed, Tree
from grader.limits import (
    ASSIGNMENT_MAX_HAND_INS,
    ASSIGNMENT_MAX_WRAPPERS,
    METADATA_MAX_BYTES,
    SUBMISSION_FILE_MAX_BYTES,
)
from grader.submission.read import EXPECTED, Submission, UnreadableFile, name_of

OR_PACKED: Final = f"{EXPECTED}, or a .zip or .tar.gz of it"
_MODEL: Final = re.compile(r"model(-\d+)?\.py")  # with a number where it was handed in again
# What instructors keep beside hand-ins. A hand-in of these alone has nothing to grade.
_LISTS: Final = (
    *(".csv", ".tsv", ".xlsx", ".xls", ".ods", ".md", ".txt"),
    *(".log", ".json", ".toml", ".ini", ".html", ".yml", ".yaml"),
)
METADATA: Final = "submission_metadata.yml"  # Gradescope's
_MOODLE: Final = re.compile(r"(?P<person>.+?_\d+)_assignsubmission_[a-z]+(?:_(?P<name>.*))?", re.DOTALL)
# What is typed into the page, or a link, has no number of its own.
_FILE: Final = r"(?:(?P<number>\d+)_(?P<name>.+)|(?P<typed>(?:text|link)\.html))"
_CANVAS: Final = re.compile(rf"(?P<person>\w+?)(?:_LATE)?_(?P<id>\d+)_{_FILE}", re.DOTALL)
_ANONYMOUS: Final = re.compile(rf"(?:LATE_)?(?P<person>anon_[^\W_]+)_{_FILE}", re.DOTALL)
_BLACKBOARD: Final = re.compile(
    r"(?P<person>.+?_.+?)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<name>.+)|(?P<about>\.txt))", re.DOTALL
)


def read_hand_in(path: Path) -> Submission:
    """The submission that ``path`` is or holds.

    Raises:
        UsageError: there is none, more than one could be meant, or a file that it cannot do without cannot be read.
    """
    with ExitStack() as stack:
        where = repr(str(path))
        tree = opened(path, OR_PACKED, stack)
        if not is_of_a_platform(_at_its_top(tree)):
            try:
                return read_package(tree, name_of(path), where, stack)
            except UnreadableFile:
                raise  # it is there: nothing else is expected
            except UsageError as error:
                raise UsageError(f"{error}; {OR_PACKED}") from None
        handed_in = hand_ins(tree, where, stack, is_packed=is_archive(path.name)).found
        if len(handed_in) > 1:
            raise UsageError(f"{where} holds the hand-ins of {len(handed_in)} people; `grader cohort` grades them all")
        try:
            return handed_in[0].read()
        except Refused as reason:
            raise UsageError(f"cannot read {where}: {reason}; {OR_PACKED}") from None


def _at_its_top(tree: Tree) -> list[Listed]:
    """What lies at its top, if that can be listed: a working directory may hold any number of files."""
    try:
        return [entry for entry in tree.entries(ASSIGNMENT_MAX_HAND_INS) or () if not is_a_systems(entry.name)]
    except Refused:
        return []


def opened(path: Path, expected: str, stack: ExitStack) -> Tree:
    """The directory or the archive at ``path``, which may lead through links.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    shown = repr(str(path))
    try:
        if is_archive(path.name) and path.is_file():
            resolved = path.resolve()
            with Directory(resolved.parent) as parent:
                return open_archive(parent.open(resolved.name), stack)
        with Directory(path):
            return OnDisk(path)
    except Refused as reason:
        raise UsageError(f"cannot read {shown}: {reason}; {expected}") from None
    except FileNotFoundError:
        raise UsageError(f"no such directory: {shown}; {expected}") from None
    except NotADirectoryError:
        raise UsageError(f"not a directory: {shown}; {expected}") from None
    except OSError as error:
        raise UsageError(f"cannot read the directory {shown}: {error.strerror}; {expected}") from None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a platform's name of a file or a folder says.

    Attributes:
        platform: whose name it is.
        person: who handed it in, as the platform writes it; no other has that.
        name: what it was called; empty for a folder that holds what was handed in, and for what the platform itself
            has added.
        number: of what a person handed in under one name, or in several attempts, the highest is the newest.
        when: the attempt, where several of them are delivered together.
    """

    platform: str
    person: str
    name: str = ""
    number: int = 0
    when: str = ""


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


def named(name: str, *, is_folder: bool) -> Named | None:
    """Who handed in the file or folder of this name; None where no platform writes such names."""
    if found := _MOODLE.fullmatch(name):
        rest = found["name"] or ""
        # A text typed into the page comes in a folder of its own, beside that of the files.
        if is_folder or rest:
            return Named(platform="Moodle", person=found["person"], name="" if is_folder else rest)
    if is_folder:
        return None
    if found := _BLACKBOARD.fullmatch(name):
        return Named(platform="Blackboard", person=found["person"], name=found["name"] or "", when=found["when"])
    if found := _ANONYMOUS.fullmatch(name):
        return _of_canvas(found, found["person"])
    if found := _CANVAS.fullmatch(name):
        return _of_canvas(found, f"{found['person']}_{found['id']}")
    return None


def _of_canvas(found: re.Match[str], person: str) -> Named:
    return Named(
        platform="Canvas", person=person, name=found["name"] or found["typed"], number=int(found["number"] or 0)
    )


def titles(people: list[str], platform: str) -> dict[str, str]:
    """What to call them: without the name of the assignment, which Blackboard puts in front of each."""
    if platform != "Blackboard":
        return {person: person for person in people}
    common = _in_front_of_all(people)
    return {person: person[len(common) :] for person in people}


def submitters(metadata: bytes) -> dict[str, str]:
    """Who handed in each folder that Gradescope's metadata name, in their order.

    Two kinds of lines are looked at, by how far they are indented: what anybody handed in, or a test has printed, is
    further in than these.
    """
    found: dict[str, list[str]] = {}
    names: list[str] = []
    in_submitters = False
    for line in metadata.decode("utf-8-sig", "replace").splitlines():
        if heading := re.fullmatch(r"""(['"]?)(\w[\w.-]*)\1:\s*""", line):
            names = found.setdefault(heading[2], [])
            in_submitters = False
        elif re.match(r"  :?\w+:", line):
            in_submitters = line.rstrip() == "  :submitters:"
        elif in_submitters and (submitter := re.fullmatch(r"  - :name: (.+)", line)):
            names.append(one_line(submitter[1].strip("'\" ")))
    return {folder: ", ".join(name for name in names if name) for folder, names in found.items()}


def _in_front_of_all(people: list[str]) -> str:
    """What all begin with, up to an underscore; of a single one all but what is behind its last."""
    first, last = min(people), max(people)
    if first == last:
        return first[: first.rfind("_") + 1]
    same = next((at for at, letter in enumerate(first) if last[at : at + 1] != letter), len(first))
    return first[: first.rfind("_", 0, same) + 1]
