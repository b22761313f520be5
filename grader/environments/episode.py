"""What the environments share: which exercise, what an agent is handed, what it left, and what that is worth."""

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from grader.api import CannotJudge, Exercise, Result, inject, load_exercise
from grader.exercise.model import StoredExercise, builtin_exercise, read_exercise
from grader.exercise.starter import agents_files as agents_files
from grader.files.digest import grader_digest
from grader.files.write import Existing, put_folder
from grader.injection.recipe import Recipe
from grader.submission.read import REQUIRED as REQUIRED

logger = logging.getLogger(__name__)
BUILTIN: Final = ""  # in the place of an exercise's directory
NO_MODEL: Final = b'raise ImportError("there is no model.py")\n'  # graded in the place of a model.py that is not there
IN_A_SHELL: Final = """\
You are in {where}, which holds {files}. Below is the README.md.

There is no command `grader` here. What counts are the `.py` files in {where} when you are done; they are graded
elsewhere.

"""
BY_ACTIONS: Final = """\
You have {files}. Below is the README.md.

You have no shell here: you write files, and hand in. Nothing is run until you do; then the `.py` files are graded
elsewhere.

"""


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


def instruction(starter: Mapping[str, str], where: str | None) -> str:
    """The instruction for an agent that finds a starter's files ``where`` it starts; None for one without a shell."""
    *files, last = (f"`{name}`" for name in sorted(starter))
    preface = BY_ACTIONS if where is None else IN_A_SHELL
    return preface.format(where=where, files=f"{', '.join(files)} and {last}") + starter["README.md"]


def reference_of(exercise: StoredExercise) -> str:
    """Where an exercise lies, for ``handed_out`` to find it again."""
    return BUILTIN if exercise.sha256 == builtin_exercise().sha256 else str(exercise.reference_directory.parent)


def handed_out(directory: str, sha256: str) -> Exercise:
    """The exercise in ``directory``, which has to be the one that the agent was handed.

    Raises:
        UsageError: there is none any more.
        CannotJudge: it is another one.
    """
    exercise = load_exercise(Path(directory) if directory else None)
    if exercise.sha256 != sha256:
        raise CannotJudge(f"the exercise in {directory!r} is not the one that was handed out")
    return exercise


def rewards(result: Result) -> dict[str, float] | None:
    """The total as ``reward``, whether everything is ``solved``, and each item, from 0 to 1; None without a verdict."""
    if result.reward is None:
        return None
    items = {item.id: item.score / item.max_score for item in result.items}
    return {"reward": result.reward, "solved": float(result.full_marks), **items}


def in_words(result: Result) -> str:
    """A line for each item: its status, its points and why."""
    return "\n".join(
        f"{item.id}: {item.status}, {item.score:g} of {item.max_score:g}. {item.summary}" for item in result.items
    )
