"""Where in a hand-in the submission is: the folder, or archive, nearest to its top that holds a model.py."""

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from grader.errors import UsageError
from grader.files.printable import one_line
from grader.files.read_untrusted import Kind, Listed, Refused
from grader.hand_ins.archives import READ, is_archive, is_archive_of_another_kind, open_archive
from grader.hand_ins.tree import Renamed, Tree
from grader.limits import (
    HAND_IN_ARCHIVES_MAX_BYTES,
    HAND_IN_MAX_ARCHIVES,
    HAND_IN_MAX_ARCHIVES_DEEP,
    HAND_IN_MAX_FOLDERS,
    HAND_IN_MAX_LEVELS,
    SUBMISSION_MAX_ENTRIES,
)
from grader.submission.history import read_history
from grader.submission.read import Submission, read_folder

LARGE: Final = 1 << 20  # bytes of a file beside the code that is worth a note
MOST_NAMED: Final = 6  # files, where there is no submission
LONGEST: Final = 60  # characters of a name
WANTED: Final = "model.py"
BESIDE_IT: Final = "train.py"
_OF_SYSTEMS: Final = {"__macosx", "thumbs.db", "desktop.ini"}
_OF_TOOLS: Final = {"__pycache__", "node_modules", "venv", "env", "site-packages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which file is taken for one of that name.

    Attributes:
        name: the file's as it lies there; empty where that is unknown.
        among: all that could be meant, in order.
    """

    name: str
    among: tuple[str, ...]


def is_a_systems(name: str) -> bool:
    """Whether a file or folder of this name is what an operating system has put there, or hidden."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def is_nobodys(name: str) -> bool:
    """Whether it is that, or what a tool has put beside what somebody has written."""
    return is_a_systems(name) or name.lower() in _OF_TOOLS


def read_package(tree: Tree, name: str, where: str, stack: ExitStack) -> Submission:
    """The submission in a hand-in.

    Args:
        name: what the submission is called.
        where: it is, for messages.
        stack: closes what has to be opened on the way.

    Raises:
        UsageError: there is none, more than one could be meant, or a file that it cannot do without cannot be read.
    """
    search = _Search(where, stack)
    for level in search.levels(tree):
        holding = [(place, folder) for place, folder in level if folder.holds(WANTED)]
        if holding:
            if not any(folder.holds(BESIDE_IT) for _, folder in holding):
                _check_nowhere_else(tree, holding[0][0], where)
            return _the_one([(place, _read(folder, name, _called(place, where))) for place, folder in holding], where)
    raise UsageError(search.nothing())


class _TooManyFolders(UsageError):
    """There are more to look into than anybody hands in."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder of a hand-in.

    Attributes:
        path: from the hand-in's top; empty for that.
        archives: in how many of the hand-in's archives it lies.
    """

    tree: Tree
    path: str
    archives: int


class _Folder:
    """What lies in one folder, each module under its own name, whatever version of it that is."""

    def __init__(self, tree: Tree, entries: list[Listed] | None) -> None:
        self._tree = tree
        self.entries = sorted(entries or (), key=lambda entry: entry.name)
        self.versions = chosen([entry.name for entry in self.entries], [".py"])
        self._is_listed = entries is not None

    def holds(self, name: str) -> bool:
        if self._is_listed:
            return name in self.versions
        try:
            self._tree.read(name, 0)
        except FileNotFoundError:
            return False
        except Refused:
            pass
        return True

    def names(self, most: int) -> list[str] | None:
        if not self._is_listed:
            return None
        versions = {name for version in self.versions.values() for name in version.among}
        names = [*self.versions, *(entry.name for entry in self.entries if entry.name not in versions)]
        return names if len(names) <= most else None

    def read(self, name: str, most: int) -> bytes:
        version = self.versions.get(name)
        if version is None:
            return self._tree.read(name, most)
        if version.name:
            return self._tree.read(version.name, most)
        found = {self._tree.read(other, most) for other in version.among}
        if len(found) > 1:
            raise Refused(f"it is not clear which is meant: {_listing(version.among)}; expected one")
        return found.pop()

    def notes(self) -> Iterator[str]:
        """Which versions were taken, and what is too large to be source text."""
        for name, version in self.versions.items():
            if version.name and version.name != name:
                yield _taken(name, version)
        large = [entry for entry in self.entries if entry.size > LARGE and not _is_source(entry.name)]
        for entry in large[:MOST_NAMED]:
            yield f"{brief(entry.name)} was not read ({entry.size / 2**20:.0f} MiB): only .py files are"


class _Search:
    """What was come across while looking for a submission."""

    def __init__(self, where: str, stack: ExitStack) -> None:
        self._where = where
        self._stack = stack
        self._folders = self._archives = self._held = 0
        self._found: list[str] = []
        self._troubles: list[str] = []

    def levels(self, tree: Tree) -> Iterator[list[tuple[_Place, _Folder]]]:
        """All folders at one depth, from the top down."""
        level = [_Place(tree, "", 0)]
        for _ in range(HAND_IN_MAX_LEVELS):
            surveyed = [(place, self.survey(place)) for place in level]
            yield surveyed
            level = [inner for place, folder in surveyed for inner in self.inside(place, folder)]

    def survey(self, place: _Place) -> _Folder:
        self._folders += 1
        if self._folders > HAND_IN_MAX_FOLDERS:
            raise _TooManyFolders(f"no model.py was found in the first {HAND_IN_MAX_FOLDERS} folders of {self._where}")
        try:
            entries = place.tree.entries(SUBMISSION_MAX_ENTRIES)
        except Refused as reason:
            self._troubles.append(f"{quoted(place.path)} cannot be read: {reason}")
            entries = []
        folder = _Folder(place.tree, entries)
        if entries is None:
            self._found.append(f"more than {SUBMISSION_MAX_ENTRIES} files and folders")
        further_in = {file.name for files in _in_folders_of_windows(folder.entries).values() for file in files.values()}
        for entry in folder.entries:
            if entry.kind is not Kind.FOLDER and not is_nobodys(entry.name) and entry.name not in further_in:
                self._found.append(quoted(_joined(place.path, entry.name)))
        return folder

    def inside(self, place: _Place, folder: _Folder) -> Iterator[_Place]:
        """The folders in a folder, and its archives."""
        archives = chosen([entry.name for entry in folder.entries if not is_nobodys(entry.name)], READ)
        for entry in folder.entries:
            path = _joined(place.path, entry.name)
            if is_nobodys(entry.name):
                continue
            if entry.kind is Kind.FOLDER:
                yield _Place(place.tree.within(entry.name), path, place.archives)
            elif is_archive_of_another_kind(entry.name):
                self._troubles.append(f"{quoted(path)} is of a kind that is not read; hand in a .zip or a .tar.gz")
        for name, files in _in_folders_of_windows(folder.entries).items():
            yield _Place(Renamed(place.tree, files), _joined(place.path, name), place.archives)
        for version in archives.values():
            yield from self._opened(place, version)

    def _opened(self, place: _Place, version: Chosen) -> Iterator[_Place]:
        # Where numbers do not say which is the newest, all are looked at: they may hold the same.
        for name in [version.name] if version.name else version.among:
            path = _joined(place.path, name)
            self._archives += 1
            if self._archives > HAND_IN_MAX_ARCHIVES or place.archives >= HAND_IN_MAX_ARCHIVES_DEEP:
                self._troubles.append(f"{quoted(path)} was not opened: there are too many archives in one another")
                continue
            try:
                inner = open_archive(self._open(place.tree, name), self._stack)
            except (Refused, FileNotFoundError) as reason:
                self._troubles.append(f"{quoted(path)} cannot be read: {reason}")
            else:
                yield _Place(inner, path, place.archives + 1)

    def _open(self, tree: Tree, name: str) -> BinaryIO:
        if self._held > HAND_IN_ARCHIVES_MAX_BYTES:
            raise Refused(f"all archives in archives are larger than {HAND_IN_ARCHIVES_MAX_BYTES >> 20} MiB")
        file = tree.open(name)
        if isinstance(file, io.BytesIO):
            self._held += file.getbuffer().nbytes
        return file

    def nothing(self) -> str:
        """Why there is no submission, what there is instead, and what to do."""
        found = [name for name in self._found if name]
        similar = next((name for name in found if _base(name).casefold() == WANTED), "")
        parts = [f"no model.py in {self._where}{f', only {similar}' if similar else ''}"]
        if similar != _listing_of(found):
            parts.append(f"found: {_listing_of(found)}")
        parts += self._troubles[:3]
        if any(_base(name).endswith(".ipynb") for name in found):
            parts.append("a notebook is not graded; hand in model.py and train.py, as the starter has them")
        return "; ".join(parts)


def _in_folders_of_windows(entries: Sequence[Listed]) -> dict[str, dict[str, Listed]]:
    """Files by name, in each folder that is there in their names alone, parted by backslashes: so they are unpacked,
    where backslashes part nothing, from what was packed where they do.
    """
    folders: dict[str, dict[str, Listed]] = {}
    for entry in entries:
        name, backslash, rest = entry.name.partition("\\")
        if backslash and name and rest:
            folders.setdefault(name, {})[rest] = entry
    return folders


def _read(folder: _Folder, name: str, where: str) -> Submission:
    submission = replace(read_folder(folder, name, where, whole=True), history=read_history(folder))
    notes = list(folder.notes())
    if not folder.holds(BESIDE_IT):
        beside = [quoted(entry.name) for entry in folder.entries if not is_nobodys(entry.name)]
        notes.insert(0, f"there is no train.py; found: {_listing_of(beside)}")
    return submission.with_notes(notes)


def _check_nowhere_else(tree: Tree, holding: _Place, where: str) -> None:
    """Complain if what is not beside a model.py lies elsewhere: it would count as missing."""
    with ExitStack() as stack, suppress(_TooManyFolders):
        for level in _Search(where, stack).levels(tree):
            for place, folder in level:
                if folder.holds(BESIDE_IT):
                    both = f"{_called(holding, 'its top')} and {_called(place, 'its top')}"
                    raise UsageError(f"model.py and train.py are not in one folder of {where}, but in {both}")


def _the_one(read: Sequence[tuple[_Place, Submission]], where: str) -> Submission:
    """What all of them are, if it is the same."""
    (first, submission), *others = read
    for place, other in others:
        if (other.sha256, other.tests_sha256) != (submission.sha256, submission.tests_sha256):
            both = f"{quoted(first.path)} and {quoted(place.path)}"
            raise UsageError(f"several folders of {where} hold a model.py: {both}; expected one")
    return submission


def _taken(name: str, version: Chosen) -> str:
    if len(version.among) == 1:
        return f"{brief(version.name)} was read as {name}"
    return f"{brief(version.name)} was taken for {name}: by its number the newest of {_listing(version.among)}"


def _is_source(name: str) -> bool:
    return name.endswith(".py") or is_archive(name)


def _called(place: _Place, where: str) -> str:
    return quoted(place.path) if place.path else where


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _base(quotation: str) -> str:
    return quotation.strip("'").rpartition("/")[2]


def brief(name: str) -> str:
    """A name as it can be shown in a sentence."""
    line = one_line(name) or "?"
    return line if len(line) <= LONGEST else f"…{line[1 - LONGEST :]}"


def quoted(name: str) -> str:
    """The same in quotes."""
    return f"'{brief(name)}'"


def _listing(names: Sequence[str]) -> str:
    return _listing_of([quoted(name) for name in names])


def _listing_of(names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    shown, more = names[:MOST_NAMED], len(names) - MOST_NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


_MODULE: Final = re.compile(r"[^\W\d]\w*\.py")
_NUMBERED: Final = re.compile(r"(?P<stem>.+?)(?:-(?P<canvas>[1-9]\d?)| ?\((?P<browser>[1-9]\d?)\))", re.DOTALL)


def chosen(names: Sequence[str], endings: Sequence[str]) -> dict[str, Chosen]:
    """By its name without a number, which of its versions is taken, of each of ``names`` that has one of the endings.

    A ``.py`` file counts as a version only of what can be imported: ``a-1.py`` could not be, under its own name.
    """
    versions: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name in sorted(names):
        ending = next((ending for ending in endings if name.lower().endswith(ending)), None)
        if ending is None:
            continue
        stem, canvas, browser = _parted(name[: -len(ending)])
        plain = stem + name[-len(ending) :]
        if ending == ".py" and not _MODULE.fullmatch(plain):
            plain, canvas, browser = name, 0, 0
        versions[plain].append((canvas, browser, name))
    return {plain: _newest(found) for plain, found in versions.items()}


def _parted(stem: str) -> tuple[str, int, int]:
    """The stem without numbers, and those of Canvas and of a browser; each may have put one there."""
    canvas = browser = 0
    while found := _NUMBERED.fullmatch(stem):
        if (found["canvas"] and canvas) or (found["browser"] and browser):
            break
        canvas = int(found["canvas"] or canvas)
        browser = int(found["browser"] or browser)
        stem = found["stem"]
    return stem, canvas, browser


def _newest(versions: list[tuple[int, int, str]]) -> Chosen:
    among = tuple(name for *_, name in sorted(versions))
    highest = max(canvas for canvas, _, _ in versions), max(browser for _, browser, _ in versions)
    newest = [name for canvas, browser, name in versions if (canvas, browser) == highest]
    return Chosen(name=newest[0] if len(newest) == 1 else "", among=among)
