"""Exercises drawn by seed, each built once and kept."""

import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from grader.api import inject
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import StoredExercise, read_exercise
from grader.files.digest import grader_digest
from grader.files.write import Existing, put_folder
from grader.injection.recipe import Recipe

logger = logging.getLogger(__name__)


def seeds_named(text: object) -> list[int]:
    """The seeds that something like ``7``, ``"0-9"`` or ``["0-3", 7]`` names, in that order. Raises ``UsageError``."""
    parts = text.split(",") if isinstance(text, str) else text if isinstance(text, Iterable) else [text]
    seeds: list[int] = []
    for part in parts:
        first, dash, last = str(part).strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"seeds={text!r}; expected numbers and ranges, such as 0-9 or 3,5,7")
        seeds += range(int(first), int(last if dash else first) + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(
            f"seeds={text!r} names {'a seed twice' if seeds else 'none'}; expected different ones, as in 0-9"
        )
    return seeds


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
