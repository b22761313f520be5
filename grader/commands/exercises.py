"""Which exercise a command is about."""

from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.exercise import StoredExercise


def reference_directory(exercise: Path | None) -> Path:
    """Where the hidden reference lies, known before anything of it is read. Raises ``UsageError``."""
    if exercise is None:
        from grader.exercise import builtin_reference

        return builtin_reference()
    if not (exercise / "reference").is_dir():
        raise UsageError(f"no such exercise: {str(exercise)!r}; expected a directory with reference/ and starter/")
    return (exercise / "reference").resolve()


def chosen_exercise(exercise: Path | None) -> "StoredExercise":
    """The one in a directory, or the built-in one. Raises ``UsageError`` when there is none."""
    from grader.exercise import builtin_exercise, read_exercise

    return builtin_exercise() if exercise is None else read_exercise(exercise)


def exercise_of(directory: Path, exercise: Path | None) -> Path | None:
    """Where the exercise of a workspace lies: the one that was named, or else the one that it was started from."""
    from grader.workspace import read_workspace

    recorded = read_workspace(directory).exercise
    if exercise is not None or recorded is None:
        return exercise
    if not Path(recorded).is_dir():
        raise UsageError(
            f"the exercise that this workspace was started from is not at {recorded!r} any more; "
            "say where it is with --exercise"
        )
    return Path(recorded)
