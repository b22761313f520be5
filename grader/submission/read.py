"""A submission as data: the source files of a directory, read once as text, and never run here."""

import codecs
import io
import os
import re
import site
import sys
import tokenize
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

import msgspec

from grader.errors import UsageError
from grader.files.digest import digest
from grader.files.printable import one_line, printable
from grader.files.read_untrusted import Directory, Folder, Refused
from grader.limits import SUBMISSION_FILE_MAX_BYTES, SUBMISSION_MAX_BYTES, SUBMISSION_MAX_ENTRIES, SUBMISSION_MAX_FILES

MAX_NOTES: Final = 20
ENCODING: Final = "save it as UTF-8, or name its encoding in the first line"
REQUIRED: Final = ("model.py", "train.py")
EXPECTED: Final = "expected a directory that holds model.py and train.py"

# What Python takes for source text beside UTF-8, if the text says so, and what takes no longer to read than it is long.
_ENCODINGS: Final = re.compile(
    r"ascii|iso8859-\d+|cp\d+|mac-\w+|koi8-[rtu]|kz1048|ptcp154|tis-620|hp-roman8|"
    r"shift_jis\w*|euc_\w+|iso2022_\w+|gb2312|gbk|gb18030|hz|big5\w*|johab"
)
_IMPORTS = re.compile(r"^[ \t]*(?:from|import)\b([^\n#]*)", re.MULTILINE)
_NAME = re.compile(r"\w+")
_UTF_8: Final = "utf-8-sig"  # like Python, without the mark that some editors put first


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What was handed in.

    Attributes:
        files: source text by file name; a required file that could not be read says so when imported.
        sha256: of these; what is asked is drawn by it.
        tests: source text of test_*.py and conftest.py, which are no part of the package.
        notes: what was left out and why, and which names mean something else than their file.
        history: of the workspace, as it lay there; empty where there is none, or it was not looked for.
    """

    name: str
    files: dict[str, str]
    sha256: str
    notes: tuple[str, ...]
    tests: dict[str, str] = field(default_factory=dict)
    history: bytes = b""

    @property
    def tests_sha256(self) -> str | None:
        """The hash of the tests; None where there are none."""
        return _digest(self.tests) if self.tests else None

    @property
    def given(self) -> dict[str, str]:
        """The files as they were handed in: those of which ``sha256`` is the hash."""
        reasons = [*(f"there is no {file}" for file in REQUIRED), *self.notes]
        return {
            file: text
            for file, text in self.files.items()
            if file not in REQUIRED or not any(is_made_up(text, reason) for reason in reasons)
        }

    def with_notes(self, notes: Sequence[str]) -> "Submission":
        """The same, with these notes before its own."""
        return replace(self, notes=(*notes, *self.notes))


class UnreadableFile(UsageError):
    """A file is there that the submission cannot do without, and it cannot be read."""


def read_submission(directory: Path, *, whole: bool = False) -> Submission:
    """Read the ``.py`` files of ``directory``, the tests apart from the others.

    Args:
        whole: whether a file that the others need has to be one that can be read. Else it raises when it is imported.

    Raises:
        UsageError: there is no such directory, it cannot be read, or there is no model.py in it.
        UnreadableFile: a file that is needed cannot be read, if ``whole``.
    """
    try:
        with Directory(directory) as opened:
            return read_folder(opened, name_of(directory), repr(str(directory)), whole=whole)
    except FileNotFoundError:
        raise UsageError(f"no such directory: {str(directory)!r}; {EXPECTED}") from None
    except NotADirectoryError:
        raise UsageError(f"not a directory: {str(directory)!r}; {EXPECTED}") from None
    except OSError as error:
        raise UsageError(f"cannot read the directory {str(directory)!r}: {error.strerror}; {EXPECTED}") from None


def read_files(files: Mapping[str, str | bytes], name: str = "candidate") -> Submission:
    """The submission of these files, text or bytes by name, taken as if they lay in a directory.

    Raises:
        UsageError: there is no model.py among them.
    """
    texts = frozenset(file for file, text in files.items() if isinstance(text, str))
    return read_folder(_Given(files), name, "the files given", decoded=texts)


class _Given:
    """A ``Folder`` of files that somebody holds already."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = files

    def names(self, most: int) -> list[str] | None:
        return list(self._files) if len(self._files) <= most else None

    def read(self, name: str, most: int) -> bytes:
        if name not in self._files:
            raise FileNotFoundError(name)
        if "/" in name:
            raise Refused("it lies in a folder")
        text = self._files[name]
        return (text.encode(errors="surrogatepass") if isinstance(text, str) else text)[:most]


def read_folder(
    folder: Folder, name: str, where: str, *, whole: bool = False, decoded: Collection[str] = ()
) -> Submission:
    """Read the ``.py`` files of ``folder``.

    Args:
        where: it is, for messages.
        whole: whether a file that the others need has to be one that can be read. Else it raises when it is imported.
        decoded: files that were text before they came into the folder: they are UTF-8, whatever they say.

    Raises:
        UsageError: there is no model.py.
        UnreadableFile: a file that is needed cannot be read, if ``whole``.
    """
    files, tests, unread, notes = _read_all(folder, where, decoded)
    needed = {*REQUIRED, *(f"{module}.py" for module in _imported(files))}
    if whole and (missing := sorted(needed & unread.keys())):
        raise UnreadableFile(
            "; ".join(f"{one_line(file)} in {where} cannot be read: {unread[file]}" for file in missing)
        )
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more like these"]
    return submission_of(name, files, notes, tests)


def submission_of(
    name: str, files: Mapping[str, str], notes: Sequence[str] = (), tests: Mapping[str, str] | None = None
) -> Submission:
    """A submission of these source texts. A required file that is missing raises, when imported, why."""
    sha256 = _digest(files)
    complete = dict(files)
    for file in REQUIRED:
        if file not in files:
            reason = next((note for note in notes if note.startswith(f"{file} ")), f"there is no {file}")
            complete[file] = _made_up(reason)
    return Submission(name=name, files=complete, sha256=sha256, notes=tuple(notes), tests=dict(tests or {}))


def _made_up(reason: str) -> str:
    """What stands in the place of a required file that is not there, or could not be read."""
    return f"raise ImportError({reason!r})\n"


def is_made_up(text: str, reason: str) -> bool:
    """Whether a file's text is none of the submission's, but says why there is none."""
    return text == _made_up(reason)


def _digest(texts: Mapping[str, str]) -> str:
    return digest({file: text.encode() for file, text in texts.items()})


def _read_all(
    directory: Folder, where: str, decoded: Collection[str]
) -> tuple[dict[str, str], dict[str, str], dict[str, str], list[str]]:
    """The source texts by name, those of the tests, why others were not read, and the notes."""
    entries = directory.names(SUBMISSION_MAX_ENTRIES)
    names = [name for name in entries or () if _is_module(name) and name not in REQUIRED]
    names_of_tests = [name for name in entries or () if _is_test(name)]
    files: dict[str, str] = {}
    tests: dict[str, str] = {}
    unread: dict[str, str] = {}
    left = SUBMISSION_MAX_BYTES
    # The required files first, and the tests last: no number of others can crowd out what is more than they.
    for name in (*REQUIRED, *sorted(names), *sorted(names_of_tests)):
        try:
            if not name.isprintable() or printable(name) != name:
                raise Refused("its name is not printable")
            if len(files) + len(tests) >= SUBMISSION_MAX_FILES:
                raise Refused(f"there are more than {SUBMISSION_MAX_FILES} files")
            source = _source(directory.read(name, SUBMISSION_FILE_MAX_BYTES + 1), is_utf_8=name in decoded)
            if (size := len(msgspec.json.encode(source))) > left:
                raise Refused(f"all files together are larger than {SUBMISSION_MAX_BYTES // 1024} KiB")
            (tests if _is_test(name) else files)[name] = source
            left -= size
        except FileNotFoundError:
            if name == "model.py":
                raise UsageError(_no_model(where, entries or ())) from None
        except Refused as reason:
            unread[name] = str(reason)
    notes = [f"{one_line(name)} was not read: {reason}" for name, reason in unread.items()]
    if entries is None:
        notes.append(
            f"only model.py and train.py were read: there are more than {SUBMISSION_MAX_ENTRIES} files and folders"
        )
    notes.extend(_not_read_but_imported(entries or (), files))
    notes.extend(_meaning_something_else(files))
    return files, tests, unread, notes


def _is_module(name: str) -> bool:
    """Whether a file of this name is a part of the package. Tests are not, nor is what editors hide."""
    return name.endswith(".py") and not name.startswith(".") and not _is_test(name)


def _is_test(name: str) -> bool:
    """Whether a file of this name is pytest's."""
    return name == "conftest.py" or (name.startswith("test_") and name.endswith(".py"))


def _source(data: bytes, *, is_utf_8: bool) -> str:
    if len(data) > SUBMISSION_FILE_MAX_BYTES:
        raise Refused(f"it is larger than {SUBMISSION_FILE_MAX_BYTES // 1024} KiB")
    encoding = _UTF_8 if is_utf_8 else _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        kind = "UTF-8" if encoding == _UTF_8 else encoding
        line = len(data[: error.start].splitlines() or [b""])
        raise Refused(f"it is not {kind} text (byte {error.start}, line {line}){_likeness(data)}; {ENCODING}") from None
    if "\0" in text:
        raise Refused(f"it is not text: a zero byte (byte {data.index(0)}){_likeness(data)}")
    return text


def _likeness(data: bytes) -> str:
    """What text that is not read may have been saved as; nothing where that cannot be said."""
    halves = data[::2], data[1::2]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or any(
        len(half) > 2 and half.count(0) > len(half) // 2 and 0 not in other for half, other in (halves, halves[::-1])
    ):
        return ": it looks like UTF-16"
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return ""
    return "" if 0 in data else ": it looks like text of a Windows program"


def _encoding(data: bytes) -> str:
    """That which the first two lines name, as Python reads them (PEP 263); UTF-8 where they name none."""
    # A file may have the line ends of an old Mac, and all of it would be one line.
    first = data[:4096].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        named, _ = tokenize.detect_encoding(io.BytesIO(first).readline)
        name = codecs.lookup(named).name
    except SyntaxError:  # unknown, or not what it says it is
        return _UTF_8
    return name if _ENCODINGS.fullmatch(name) else _UTF_8


def _no_model(where: str, entries: Sequence[str]) -> str:
    similar = next((f", only {name!r}" for name in sorted(entries) if name.casefold() == "model.py"), "")
    return f"no model.py in {where}{similar}; {EXPECTED}"


def _not_read_but_imported(entries: Sequence[str], files: Mapping[str, str]) -> Iterator[str]:
    """Folders, compiled modules and the like, where a source file names them in an import."""
    imported = _imported(files)
    for entry in sorted(entries):
        name = entry.partition(".")[0]
        if name in imported and f"{name}.py" not in files and not _is_module(entry):
            yield f"{one_line(entry)} was not read: only .py files beside model.py are, and no tests"


def _imported(files: Mapping[str, str]) -> set[str]:
    """Every name in an import."""
    statements = (statement for text in files.values() for statement in _IMPORTS.findall(text))
    return {name for statement in statements for name in _NAME.findall(statement)}


def _meaning_something_else(files: Mapping[str, str]) -> Iterator[str]:
    """Files that a plain import does not reach, because the worker finds another module of that name first."""
    for file in sorted(files):
        name = file.removesuffix(".py")
        if file not in REQUIRED and _is_installed(name):
            yield (
                f"{file} is not what `import {name}` gives, which is an installed module; "
                f"rename it, or import it with `from . import {name}`"
            )


def _is_installed(name: str) -> bool:
    if name in sys.stdlib_module_names or name == __name__.partition(".")[0]:
        return True
    # Looks at names alone, and runs nothing.
    return name.isidentifier() and PathFinder.find_spec(name, site.getsitepackages()) is not None


def name_of(directory: Path) -> str:
    """What a submission that lies there is called."""
    try:
        return one_line(os.path.basename(os.path.realpath(directory))) or "candidate"
    except OSError:  # the working directory is gone
        return "candidate"
