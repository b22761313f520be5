"""A tar archive of unknown origin, from its first header to its last.

``tarfile`` reads a header's extensions into memory as long as they claim to be; here they may be as long as a name.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from grader.files.read_untrusted import Refused
from grader.limits import (
    TARBALL_ALLOWED_BYTES,
    TARBALL_FILE_MAX_BYTES,
    TARBALL_FILES_MAX_BYTES,
    TARBALL_MAX_BYTES,
    TARBALL_MAX_RATIO,
    TARBALL_NAME_MAX_BYTES,
)

_BLOCK: Final = tarfile.BLOCKSIZE
_FILES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LINKS: Final = {tarfile.SYMTYPE: "it is a symbolic link", tarfile.LNKTYPE: "it is a hard link"}


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
