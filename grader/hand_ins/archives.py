"""Archives of unknown origin, read as data: nothing is unpacked to a disk, or further than it is asked for.

An archive can claim anything: names that lead elsewhere, a hundred gigabytes in a hundred bytes, a folder in a file.
Names are never paths here, what is unpacked is counted, and what is read in one piece is bounded.
"""

import bz2
import gzip
import io
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from grader.files.read_untrusted import Kind, Listed, Refused
from grader.hand_ins.tarballs import Taped, read_tape
from grader.limits import (
    ARCHIVE_MAX_FOLDERS_DEEP,
    ARCHIVE_MAX_MEMBERS,
    ARCHIVE_MAX_RATIO,
    ARCHIVE_READ_MAX_BYTES,
    NESTED_ARCHIVE_MAX_BYTES,
)

READ: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2")
UNREAD: Final = (".7z", ".rar", ".xz", ".txz", ".gz", ".bz2", ".zst")
# What a file begins with says more than what it is called: people rename what is refused.
_OTHERS: Final = {b"Rar!": "RAR", b"7z\xbc\xaf\x27\x1c": "7z", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_WANTED: Final = "hand in a .zip or a .tar.gz"


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive that ``open_archive`` may open."""
    return name.lower().endswith(READ)


def is_archive_of_another_kind(name: str) -> bool:
    """Whether a file of this name is packed in a way that is not read."""
    return not is_archive(name) and name.lower().endswith(UNREAD)


def open_archive(file: BinaryIO, stack: ExitStack) -> "Packed":
    """The folder that an archive is; ``stack`` closes it.

    Raises:
        Refused: it is none that can be read.
    """
    stack.callback(file.close)
    try:
        first = file.read(300)
        file.seek(0)
        for mark, kind in _OTHERS.items():
            if first.startswith(mark):
                raise Refused(f"it is a {kind} archive, which is not read; {_WANTED}")
        if first.startswith(b"\x1f\x8b"):
            return _of_tape(cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=file))), file)
        if first.startswith(b"BZh"):
            return _of_tape(cast(BinaryIO, stack.enter_context(bz2.BZ2File(file))), file)
        if first[257:262] == b"ustar":
            return _of_tape(file, file)
        return _of_zip(ZipFile(_InPieces(file)))
    except Refused:
        raise
    except Exception as error:  # there is no list of what zipfile and gzip raise for what is no archive
        raise Refused(f"it is not a zip archive that can be read ({error})") from None


class Packed:
    """A folder in an archive. What several members of one name are is not guessed."""

    def __init__(self) -> None:
        self._folders: dict[str, Packed] = {}
        self._members: dict[str, list[_Member]] = {}

    def entries(self, most: int) -> list[Listed] | None:
        listed = [Listed(name=name, kind=Kind.FOLDER) for name in self._folders]
        for name, members in self._members.items():
            if name not in self._folders:
                kind = Kind.FILE if len(members) == 1 and not members[0].refused else Kind.OTHER
                listed.append(Listed(name=name, kind=kind, size=members[0].size))
        return listed if len(listed) <= most else None

    def read(self, name: str, most: int) -> bytes:
        member = self._member(name)
        with member.unpacked() as file:
            return file.read(most)

    def within(self, name: str) -> "Packed":
        if name not in self._folders:
            raise Refused("it is not a folder")
        return self._folders[name]

    def open(self, name: str) -> BinaryIO:
        member = self._member(name)
        if member.size > NESTED_ARCHIVE_MAX_BYTES:
            raise Refused(f"it is packed itself, and larger than {NESTED_ARCHIVE_MAX_BYTES >> 20} MiB")
        if member.size > ARCHIVE_MAX_RATIO * member.packed + ARCHIVE_READ_MAX_BYTES:
            raise Refused(f"it unpacks to more than {ARCHIVE_MAX_RATIO} times its size")
        held = io.BytesIO()
        with member.unpacked() as file:
            while held.tell() <= NESTED_ARCHIVE_MAX_BYTES and (piece := file.read(ARCHIVE_READ_MAX_BYTES // 4)):
                held.write(piece)
        if held.tell() > NESTED_ARCHIVE_MAX_BYTES:
            raise Refused(f"it is packed itself, and larger than {NESTED_ARCHIVE_MAX_BYTES >> 20} MiB")
        held.seek(0)
        return held

    def add(self, path: str, member: "_Member | None") -> None:
        """Put a member where ``path`` says, or a folder if there is none. A path that leads out leads nowhere."""
        # Packed on Windows, a name may have backslashes; packed with its whole path, a drive in front.
        parts = re.sub(r"^[A-Za-z]:(?=[/\\])", "", path).replace("\\", "/").split("/")
        parts = [part for part in parts if part not in ("", ".")]
        if not parts or ".." in parts or len(parts) > ARCHIVE_MAX_FOLDERS_DEEP:
            return
        folder = self
        for part in parts if member is None else parts[:-1]:
            folder = folder._folders.setdefault(part, Packed())
        if member is not None:
            folder._members.setdefault(parts[-1], []).append(member)

    def _member(self, name: str) -> "_Member":
        if name in self._folders:
            raise Refused("it is a folder")
        match self._members.get(name, []):
            case []:
                raise FileNotFoundError(name)
            case [member]:
                if member.refused:
                    raise Refused(member.refused)
                return member
            case _:
                raise Refused("it is in the archive more than once")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A file in an archive.

    Attributes:
        size: its bytes, if the archive tells the truth.
        packed: its bytes in the archive.
        refused: why it is not read.
    """

    size: int = 0
    packed: int = 0
    refused: str = ""
    start: Callable[[], BinaryIO] = field(repr=False)

    def unpacked(self) -> "_Careful":
        return _Careful(self.start)


class _Careful:
    """A member being read, whose every failure is a ``Refused``. Use as a context manager."""

    def __init__(self, start: Callable[[], BinaryIO]) -> None:
        self._start = start
        self._stack = ExitStack()

    def __enter__(self) -> "_Careful":
        try:
            self._file = self._stack.enter_context(self._start())
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"it cannot be unpacked ({error})") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, most: int) -> bytes:
        try:
            return self._file.read(most)
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"it cannot be unpacked ({error})") from None


def _of_zip(archive: ZipFile) -> Packed:
    top = Packed()
    entries = archive.infolist()
    if len(entries) > ARCHIVE_MAX_MEMBERS:
        raise Refused(f"there are more than {ARCHIVE_MAX_MEMBERS} files in it")
    for entry in entries:
        if entry.filename.endswith(("/", "\\")):
            top.add(entry.filename, None)
        else:
            member = _Member(
                size=entry.file_size,
                packed=entry.compress_size,
                refused=_refused(entry),
                start=_opener(archive, entry),
            )
            top.add(entry.filename, member)
    return top


def _opener(archive: ZipFile, entry: ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: archive.open(entry)  # type: ignore[return-value]


def _refused(entry: ZipInfo) -> str:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a symbolic link"
    if entry.flag_bits & 1:
        return "it is encrypted"
    # The other methods take as much memory as an archive asks for.
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return "it is packed by a method other than deflate; pack it again as an ordinary zip"
    return ""


def _of_tape(stream: BinaryIO, file: BinaryIO) -> Packed:
    """The folder that a tar archive is, whose ``stream`` is unpacked from ``file``."""
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    top = Packed()
    for number, taped in enumerate(_read(stream, packed)):
        if number >= ARCHIVE_MAX_MEMBERS:
            raise Refused(f"there are more than {ARCHIVE_MAX_MEMBERS} files in it")
        if taped.is_folder:
            top.add(taped.path, None)
        else:
            start = taped.opener(stream)
            top.add(taped.path, _Member(size=taped.size, packed=taped.size, refused=taped.refused, start=start))
    return top


def _read(stream: BinaryIO, packed: int) -> Iterator[Taped]:
    try:
        yield from read_tape(stream, packed)
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"it is not a tar archive that can be read ({error})") from None


class _InPieces(io.RawIOBase):
    """A file that is never read in a piece larger than ``ARCHIVE_READ_MAX_BYTES``: the table of contents of a zip
    archive is as large as it says.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        piece = self._file.read(
            ARCHIVE_READ_MAX_BYTES + 1 if size is None or size < 0 else min(size, ARCHIVE_READ_MAX_BYTES + 1)
        )
        if len(piece) > ARCHIVE_READ_MAX_BYTES:
            raise Refused("its table of contents is too long")
        return piece
