"""The paths that a worker must not read, and the test whether handing out some other path would give one away."""

from collections.abc import Iterable
from pathlib import Path


class HiddenPaths:
    """Knows which paths cannot be handed out.

    Landlock has no exception below an allowed directory, so a directory above a hidden path is as telling as the path.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = frozenset(path.resolve(strict=True) for path in paths)
        # By inode, as Landlock itself judges: another name for the same directory (a bind mount) is seen through.
        self._telling = {_identity(above): path for path in self.paths for above in (path, *path.parents)}

    def given_away_by(self, path: Path) -> Path | None:
        """The hidden path that contains `path` or lies in it, or None where there is none."""
        if (telling := self._telling.get(_identity(path))) is not None:
            return telling
        return self.holding(path)

    def holding(self, path: Path) -> Path | None:
        """The hidden path that is `path` or that it lies in, or None where there is none."""
        path = path.resolve()
        return next((above for above in (path, *path.parents) if above in self.paths), None)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
