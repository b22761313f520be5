"""What the environments share: what an agent is handed, what it left, and what that is worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grader.api import CannotJudge, Exercise, Result, load_exercise
from grader.exercise.model import StoredExercise, builtin_exercise
from grader.exercise.starter import agents_files as agents_files
from grader.submission.read import REQUIRED as REQUIRED

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
