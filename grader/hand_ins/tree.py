"""Folders with folders in them, on a disk or in an archive: listed and read in one way, and never left."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from grader.files.read_untrusted import Directory, Listed, Refused


class Tree(Protocol):
    """A folder, and what lies below it."""

    def entries(self, most: int) -> list[Listed] | None:
        """What is in it, in no order; None when there are more than ``most``. Raises ``Refused``."""

    def read(self, name: str, most: int) -> bytes:
        """The first ``most`` bytes of the file ``name``. Raises ``FileNotFoundError`` or ``Refused``."""

    def within(self, name: str) -> "Tree":
        """The folder ``name`` in it. Raises ``Refused``, at once or when it is read."""

    def open(self, name: str) -> BinaryIO:
        """The file ``name``, to be read at any place. Raises ``FileNotFoundError`` or ``Refused``."""


class OnDisk:
    """A directory. Nothing of it stays open, and below ``path`` no link is followed."""

    def __init__(self, path: Path, below: tuple[str, ...] = ()) -> None:
        self._path = path
        self._below = below

    def entries(self, most: int) -> list[Listed] | None:
        with self._opened() as directory:
            return directory.entries(most)

    def read(self, name: str, most: int) -> bytes:
        with self._opened() as directory:
            return directory.read(name, most)

    def within(self, name: str) -> "OnDisk":
        return OnDisk(self._path, (*self._below, name))

    def open(self, name: str) -> BinaryIO:
        with self._opened() as directory:
            return directory.open(name)

    @contextmanager
    def _opened(self) -> Iterator[Directory]:
        directory = _entered(self._path, None)
        try:
            for name in self._below:
                inner = _entered(name, directory)
                directory.close()
                directory = inner
            yield directory
        finally:
            directory.close()


def _entered(path: Path | str, within: Directory | None) -> Directory:
    try:
        return Directory(path, within=within)
    except OSError as error:
        raise Refused(str(error.strerror)) from None


class Renamed:
    """Some files of another folder under names of their own: what a platform has put in front of them is gone.

    Args:
        names: the name in ``tree`` of each file, by the name that it has here.
    """

    def __init__(self, tree: Tree, names: Mapping[str, Listed]) -> None:
        self._tree = tree
        self._names = names

    def entries(self, most: int) -> list[Listed] | None:
        if len(self._names) > most:
            return None
        return [Listed(name=name, kind=there.kind, size=there.size) for name, there in self._names.items()]

    def read(self, name: str, most: int) -> bytes:
        return self._tree.read(self._there(name), most)

    def within(self, name: str) -> Tree:
        return self._tree.within(self._there(name))

    def open(self, name: str) -> BinaryIO:
        return self._tree.open(self._there(name))

    def _there(self, name: str) -> str:
        if name not in self._names:
            raise FileNotFoundError(name)
        return self._names[name].name
