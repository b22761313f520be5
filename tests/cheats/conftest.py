"""What a submission to be graded is, as data, how it becomes a directory, and what must stay as it was around it."""

import hashlib
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from msgspec import Struct

from grader.exercise.model import StoredExercise
from grader.submission.read import Submission, read_submission

MARK = "left-by-a-cheat"
"""In the name of every file that a cheat tries to make, so that it can be told from other people's."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A submission as its TOML file describes it.

    Attributes:
        stands_for: the strategy, in words.
        over: whose files it is laid over.
        honest: what its honest part is worth, by item, where that is not what ``over`` is worth.
        shows: a pattern that something in the result matches; it proves that the attempt was made.
        only: the items and follow-ups asked for; all items where there are none.
        timeout: seconds for one question.
        replace: by file, pairs of an old text, which must stand there once, and a new one.
        before, after: by file, text put around it.
        files: further files.
        links: symbolic links, name to target.
        unmended: why it still earns something; the test then has to fail.
    """

    stands_for: str
    over: Literal["starter", "reference"]
    honest: dict[str, float] = {}
    shows: str
    only: tuple[str, ...] = ()
    timeout: float = 10.0
    replace: dict[str, tuple[tuple[str, str], ...]] = {}
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    unmended: str = ""

    def worth(self, exercise: StoredExercise) -> dict[str, float]:
        """What the honest part may have, for each item asked for."""
        base = {
            item.id: item.points if self.over == "reference" else 0.0
            for item in exercise.rubric.item
            if not self.only or item.id in self.only
        } | {followup.id: 0.0 for followup in exercise.rubric.followup if followup.id in self.only}
        return base | {name: points for name, points in self.honest.items() if name in base}

    def write(self, directory: Path, exercise: StoredExercise) -> None:
        """Make the directory that is handed in.

        What stands in capitals between @ is filled in: a cheat is told where everything lies, and the texts of its own
        model.py and train.py and the hash of the first, so that not knowing is no defence.
        """
        base = {
            name: text if self.over == "reference" else (exercise.starter_directory / name).read_text("utf-8")
            for name, text in exercise.reference.items()
        }
        model, train = (self._edited(name, base[name]) for name in ("model.py", "train.py"))
        places = {
            "@HERE@": str(directory.parent),
            "@REFERENCE@": str(exercise.reference_directory),
            "@MARK@": MARK,
            "@SHA256@": hashlib.sha256(model.encode()).hexdigest(),
            "@TEXTS@": repr({"model": model, "train": train}),
        }
        for name, text in (base | self.files).items():
            (directory / name).write_text(_filled(self._edited(name, text), places), "utf-8")
        for name, target in self.links.items():
            (directory / name).unlink(missing_ok=True)
            (directory / name).symlink_to(_filled(target, places))

    def _edited(self, name: str, text: str) -> str:
        for old, new in self.replace.get(name, ()):
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
            text = text.replace(old, new)
        return self.before.get(name, "") + text + self.after.get(name, "")


def _filled(text: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        text = text.replace(place, value)
    return text


@dataclass(frozen=True)
class HandedIn:
    """A submission, read, with what it is worth by item."""

    entry: Entry
    submission: Submission
    worth: dict[str, float]


@pytest.fixture
def hand_in(tmp_path: Path, exercise: StoredExercise) -> Callable[[Path], HandedIn]:
    """``hand_in(file)``: the submission that a TOML file describes, beside a canary."""

    def make(file: Path) -> HandedIn:
        entry = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Entry)
        directory = tmp_path / "work"
        directory.mkdir()
        entry.write(directory, exercise)
        (tmp_path / "canary.txt").write_text("untouched")
        return HandedIn(entry, read_submission(directory), entry.worth(exercise))

    return make


@pytest.fixture
def surroundings(tmp_path: Path, exercise: StoredExercise) -> Iterator[Callable[[], object]]:
    """``surroundings()``: all that a submission must not change, as it is now."""
    with tempfile.NamedTemporaryFile(prefix="canary-") as canary:
        canary.write(b"untouched")
        canary.flush()
        ours = (tmp_path, exercise.reference_directory, exercise.starter_directory, Path(canary.name))
        # Others write into these folders as well.
        shared = (Path.cwd(), Path.home(), Path("/"), Path("/dev/shm"), Path("/var/tmp"), Path(canary.name).parent)
        yield lambda: ([_state(path) for path in ours], [sorted(path.glob(f"*{MARK}*")) for path in shared])


def _state(root: Path) -> list[tuple[object, ...]]:
    """Names, modes, sizes, times and contents."""
    found: list[tuple[object, ...]] = []
    for path in (root, *sorted(root.rglob("*"))):
        kept = path.lstat()
        content = hashlib.sha256(path.read_bytes()).digest() if path.is_file() and not path.is_symlink() else b""
        found.append((str(path), kept.st_mode, kept.st_nlink, kept.st_size, kept.st_mtime_ns, content))
    return found
