"""Archives of unknown origin, read as data: nothing is unpacked to a disk, or further than it is asked for.

An archive can claim anything: names that lead elsewhere, a hundred gigabytes in a hundred bytes, a folder in a file.
Names are never paths here, what is unpacked is counted, and what is read in one piece is bounded. Of a tar archive
``tarfile`` reads a header's extensions into memory as long as they claim to be; here they may be as long as a name.
"""

import bz2
import gzip
import io
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from grader.files.read_untrusted import Kind, Listed, Refused
from grader.limits import (
    ARCHIVE_MAX_FOLDERS_DEEP,
    ARCHIVE_MAX_MEMBERS,
    ARCHIVE_MAX_RATIO,
    ARCHIVE_READ_MAX_BYTES,
    NESTED_ARCHIVE_MAX_BYTES,
    TARBALL_ALLOWED_BYTES,
    TARBALL_FILE_MAX_BYTES,
    TARBALL_FILES_MAX_BYTES,
    TARBALL_MAX_BYTES,
    TARBALL_MAX_RATIO,
    TARBALL_NAME_MAX_BYTES,
)

READ: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2")
UNREAD: Final = (".7z", ".rar", ".xz", ".txz", ".gz", ".bz2", ".zst")
# What a file begins with says more than what it is called: people rename what is refused.
_OTHERS: Final = {b"Rar!": "RAR", b"7z\xbc\xaf\x27\x1c": "7z", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_WANTED: Final = "hand in a .zip or a .tar.gz"
_BLOCK: Final = tarfile.BLOCKSIZE
_FILES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LINKS: Final = {tarfile.SYMTYPE: "it is a symbolic link", tarfile.LNKTYPE: "it is a hard link"}


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


def _read(stream: BinaryIO, packed: int) -> "Iterator[Taped]":
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Taped:
    """A file, a folder or a link in a tar archive.

    Attributes:
        offset: where its bytes begin in the unpacked stream.
        kept: these, if it is a small source file.
        refused: why it is not read.
    """

    path: str
    is_folder: bool
    size: int
    offset: int
    kept: bytes | None = None
    refused: str = ""

    def opener(self, stream: BinaryIO) -> Callable[[], BinaryIO]:
        """What opens it, in the stream that it was found in."""
        kept = self.kept
        if kept is not None:
            return lambda: io.BytesIO(kept)
        return lambda: _Part(stream, self.offset, self.size)  # type: ignore[return-value]


def read_tape(stream: BinaryIO, packed: int) -> Iterator[Taped]:
    """What is in the archive that ``stream`` unpacks, of ``packed`` bytes.

    Raises:
        Refused: it is no tar archive, is cut short, or too much comes out of it.
    """
    most = min(TARBALL_MAX_BYTES, max(TARBALL_ALLOWED_BYTES, TARBALL_MAX_RATIO * packed))
    tape = _Tape(stream, most)
    left = TARBALL_FILES_MAX_BYTES
    path: str | None = None  # as the headers before this one have it
    size: int | None = None
    while any(block := tape.take(_BLOCK)):
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.size < 0 or header.type == tarfile.GNUTYPE_SPARSE:
            raise Refused("it has files with holes in them; pack it again as an ordinary .tar.gz")
        if header.type == tarfile.GNUTYPE_LONGNAME:
            path = tape.take_padded(header.size).rstrip(b"\0").decode("utf-8", "surrogateescape")
            continue
        if header.type == tarfile.XHDTYPE:
            said = _extensions(tape.take_padded(header.size))
            path = said.get("path", path)
            size = int(said["size"]) if said.get("size", "").isdecimal() else size
            continue
        length = header.size if size is None else size
        offset, kept = tape.position, None
        if header.type in _FILES or header.type in _LINKS or header.type == tarfile.DIRTYPE:
            name = header.name if path is None else path
            length = length if header.type in _FILES else 0
            # A file may be followed by much: what is likely to be asked for is read as it goes by.
            if header.type in _FILES and name.endswith(".py") and length <= min(TARBALL_FILE_MAX_BYTES, left):
                kept = tape.take(length)
                left -= length
            yield Taped(
                path=name,
                is_folder=header.type == tarfile.DIRTYPE,
                size=length,
                offset=offset,
                kept=kept,
                refused=_LINKS.get(header.type, ""),
            )
        tape.skip_to(offset + length + -length % _BLOCK)
        path = size = None


class _Tape:
    """The unpacked bytes, of which no more than ``most`` come."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._most = most
        self.position = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end."""
        taken = self._stream.read(size)
        self.position += len(taken)
        if len(taken) < size and taken:
            raise Refused("it is a tar archive that was cut short")
        self._check()
        return taken

    def take_padded(self, size: int) -> bytes:
        """The next ``size`` bytes of a header's extension, and the rest of its last block gone by."""
        if size > TARBALL_NAME_MAX_BYTES:
            raise Refused(f"a name in it is longer than {TARBALL_NAME_MAX_BYTES >> 10} KiB")
        return self.take(size + -size % _BLOCK)[:size]

    def skip_to(self, position: int) -> None:
        """Let all up to there go by, and no more of it be in memory than a little."""
        if position > self._most:
            self.position = position
        while self.position < position:
            gone = len(self._stream.read(min(position - self.position, 1 << 20)))
            self.position += gone
            if not gone:
                raise Refused("it is a tar archive that was cut short")
        self._check()

    def _check(self) -> None:
        if self.position > self._most:
            raise Refused(f"it unpacks to more than {self._most >> 20} MiB; leave out what is no source text")


class _Part:
    """Some bytes of a stream, as a file that is read from its beginning. Use as a context manager."""

    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        self._stream = stream
        self._left = size
        stream.seek(offset)

    def __enter__(self) -> "_Part":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, most: int) -> bytes:
        piece = self._stream.read(min(most, self._left))
        self._left -= len(piece)
        return piece


def _extensions(data: bytes) -> dict[str, str]:
    """The records of a pax header, each of them ``LENGTH KEY=VALUE`` with a newline behind it."""
    said = {}
    while data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(data):
            raise Refused("it is a tar archive with a broken header")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        said[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        data = data[int(length) :]
    return said
