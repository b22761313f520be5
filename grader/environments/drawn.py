"""Exercises drawn by seed, each built once and kept."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Literal

from grader.api import inject
from grader.errors import CannotJudge
from grader.exercise.model import StoredExercise, read_exercise
from grader.files.digest import grader_digest
from grader.files.write import Existing, put_folder
from grader.injection.recipe import Recipe

logger = logging.getLogger(__name__)


def drawn_exercise(
    seed: int, bugs: int, difficulty: Literal["easy", "medium", "hard"] | None, kept_in: Path | None = None
) -> StoredExercise:
    """The exercise of this seed: the one kept from before, or else built now and kept.

    Args:
        kept_in: a directory that agents cannot read, since the solutions are there too; None is in the user's cache.

    Raises:
        UsageError: it cannot be built.
        CannotJudge: the machine failed.
    """
    Recipe(seed=seed, bugs=bugs, difficulty=difficulty)  # a name is made of nothing else than what can be built
    # Another grader may build another exercise from the same seed.
    name = f"seed-{seed}-bugs-{bugs}-{difficulty or 'any'}-{grader_digest()[:12]}"
    folder = (kept_in or _cache()) / name
    if folder.is_dir():
        return read_exercise(folder)
    logger.info("building the exercise of seed %d", seed)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as scratch:
            made = Path(scratch) / "new"
            inject(made, seed=seed, bugs=bugs, difficulty=difficulty)
            put_folder(made, folder, Existing.KEPT)  # one seed makes one exercise, and somebody may hold it
    except OSError as error:
        raise CannotJudge(f"cannot write {str(folder)!r}: {error.strerror}") from None
    return read_exercise(folder)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grader" / "exercises"
