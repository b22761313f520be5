"""A zip archive of unknown origin, read as data: nothing of it is ever unpacked to a disk."""

import io
import stat
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from grader.directory import Refused

REQUIRED = "model.py"


class Archive:
    """The folder of an archive that holds model.py: its top, or the one folder that people pack instead of its files.

    However much an archive claims to hold, no more is unpacked than is asked for; names with ``..`` in them lead
    nowhere, since no name is ever a path.

    Raises:
        Refused: it is no zip archive, or several of its folders could be meant.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = ZipFile(io.BytesIO(data))
        except Exception as error:  # there is no list of what zipfile raises for what is no archive
            raise Refused(f"it is not a zip archive that can be read ({error})") from None
        self._folder = _folder(self._zip.infolist())
        self._entries: dict[str, list[ZipInfo]] = {}
        for entry in self._zip.infolist():
            if entry.filename.startswith(self._folder):
                name = entry.filename.removeprefix(self._folder).partition("/")[0]
                self._entries.setdefault(name, []).append(entry)

    def names(self, most: int) -> list[str] | None:
        """The names in its folder; None when there are more than ``most``."""
        names = [name for name in self._entries if name]
        return names if len(names) <= most else None

    def read(self, name: str, most: int) -> bytes:
        """The first ``most`` bytes of the file ``name``.

        Raises:
            FileNotFoundError: there is nothing of that name.
            Refused: it is something else, or cannot be read.
        """
        match self._entries.get(name, []):
            case []:
                raise FileNotFoundError(name)
            case [entry]:
                _check(entry, f"{self._folder}{name}")
            case [*several]:
                kind = "a folder" if any("/" in each.filename.removeprefix(self._folder) for each in several) else None
                raise Refused(f"it is {kind or 'in the archive more than once'}")
        try:
            with self._zip.open(entry) as file:
                return file.read(most)
        except Exception as error:
            raise Refused(f"it cannot be unpacked ({error})") from None


def _folder(entries: list[ZipInfo]) -> str:
    """The folder nearest to the top that holds a model.py, with a slash behind it; the top when none does."""
    # What a Mac puts beside each file has the file's name, and is none of it.
    found = {
        name.removesuffix(REQUIRED)
        for entry in entries
        if (name := entry.filename).rpartition("/")[2] == REQUIRED and not name.startswith("__MACOSX/")
    }
    nearest = min((folder.count("/") for folder in found), default=0)
    meant = sorted(folder for folder in found if folder.count("/") == nearest)
    if len(meant) > 1:
        raise Refused(f"several of its folders hold a model.py: {meant[0]!r} and {meant[1]!r}; expected one")
    return meant[0] if meant else ""


def _check(entry: ZipInfo, path: str) -> None:
    if entry.filename != path:
        raise Refused("it is a folder")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise Refused("it is a symbolic link")
    if entry.flag_bits & 1:
        raise Refused("it is encrypted")
    # The other methods take as much memory as an archive asks for.
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refused("it is packed by a method other than deflate; pack it again as an ordinary zip")
