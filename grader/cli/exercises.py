"""Which exercise a command is about."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.exercise.model import StoredExercise
    from grader.grading.session import Session
    from grader.sandbox.control import Mode


BUILT_IN: Final = Path("built-in")
"""What names the built-in exercise, whatever a workspace says; a directory of that name is ./built-in."""


def reference_directory(exercise: Path | None) -> Path:
    """Where the hidden reference lies, known before anything of it is read. Raises ``UsageError``."""
    if exercise in (None, BUILT_IN):
        from grader.exercise.model import builtin_reference

        return builtin_reference()
    if not (exercise / "reference").is_dir():
        raise UsageError(f"no such exercise: {str(exercise)!r}; expected a directory with reference/ and starter/")
    return (exercise / "reference").resolve()


def chosen_exercise(exercise: Path | None) -> "StoredExercise":
    """The one in a directory, or the built-in one. Raises ``UsageError`` when there is none."""
    from grader.exercise.model import builtin_exercise, read_exercise

    return builtin_exercise() if exercise is None or exercise == BUILT_IN else read_exercise(exercise)


@contextmanager
def session_on(exercise: Path | None, isolation: "Mode", *, one_grade: bool = False) -> "Iterator[Session]":
    """A session on an exercise; where it cannot isolate, the error says what to do.

    PyTorch is being imported in the launcher while this process imports its own.

    Args:
        one_grade: no other grade follows, so that no answer is kept.
    """
    from grader.preconditions import naming_the_way_out
    from grader.sandbox.client import Launcher

    with naming_the_way_out(), Launcher(isolation, hidden=[reference_directory(exercise)]) as launcher:
        from grader.grading.answer_cache import Keep
        from grader.grading.session import Session

        keep = Keep.NOTHING if one_grade else Keep.REFERENCE
        with Session(chosen_exercise(exercise), launcher, keep) as session:
            yield session


class Choice(NamedTuple):
    """The exercise that a directory is graded against.

    Attributes:
        exercise: where it lies; None for the built-in one.
        named: which it is and who says so; empty for the built-in one if none was named.
        by_workspace: whether the directory is a workspace, and says it itself.
        notes: warnings about what the caller may not have meant.
    """

    exercise: Path | None
    named: str
    by_workspace: bool
    notes: tuple[str, ...] = ()


def exercise_to_grade(directory: Path, named: Path | None) -> Choice:
    """The exercise that was named, or else the one that the workspace was started from, or else the built-in one.

    Raises:
        UsageError: the workspace's exercise is not there any more, or lies in it.
    """
    from grader.learner.workspace import RECORD, is_workspace, read_workspace

    try:
        recorded = read_workspace(directory).exercise if is_workspace(directory) else None
    except UsageError as error:  # nothing that a submission may hold keeps it from being graded
        return Choice(
            named, _named(named), by_workspace=False, notes=(f"{error}; it is not asked which exercise this is",)
        )
    if named is not None:
        other = recorded is not None and Path(recorded) != named.resolve()
        notes = (f"graded against {str(named)!r}, as --exercise says; this was started from {recorded!r}",)
        return Choice(named, _named(named), by_workspace=False, notes=notes if other else ())
    if is_workspace(directory):
        exercise = exercise_of(directory, None)
        # The author of the code also wrote the record, and could write an exercise as easily.
        if exercise is not None and directory.resolve() in (exercise.resolve(), *exercise.resolve().parents):
            raise UsageError(
                f"{RECORD} in {str(directory)!r} names an exercise that lies in that directory, whose owner could have "
                "made it; say what to grade against with --exercise"
            )
        which = "the built-in one" if exercise is None else str(exercise)
        return Choice(exercise, f"{which}, as {RECORD} in this workspace says", by_workspace=True)
    return Choice(None, "", by_workspace=False, notes=_notes_on_a_starter(directory))


def _named(exercise: Path | None) -> str:
    which = "the built-in one" if exercise == BUILT_IN else exercise
    return f"{which}, as --exercise says" if exercise is not None else ""


def _notes_on_a_starter(directory: Path) -> tuple[str, ...]:
    """An exercise's own starter lies beside its reference: grading it means that exercise."""
    parent = directory.resolve().parent
    if (parent / "reference" / "key.json").is_file() and (parent / "starter").is_dir():
        return (
            f"this lies in the exercise {str(parent)!r}, and is graded against the built-in one; "
            f"to grade it against that, name it with --exercise",
        )
    return ()


def note_on_another_starter(directory: Path, starter: Mapping[str, str]) -> tuple[str, ...]:
    """What to say where a workspace was started with other code than the starter that it is compared with."""
    from grader.learner.workspace import is_workspace, read_workspace

    try:
        recorded = read_workspace(directory).starter if is_workspace(directory) else None
    except UsageError:
        return ()
    if recorded is None or recorded == starter_digest(starter):
        return ()
    return (
        "this workspace was started with the starter of another exercise, or with an older one: "
        "the points may say nothing of its bugs",
    )


def starter_digest(starter: Mapping[str, str]) -> str:
    """SHA-256 of a starter's code."""
    from grader.files.digest import digest

    return digest({name: text.encode() for name, text in starter.items()})


def exercise_of(directory: Path, exercise: Path | None) -> Path | None:
    """Where the exercise of a workspace lies: the one that was named, or else the one that it was started from."""
    from grader.learner.workspace import read_workspace

    recorded = read_workspace(directory).exercise
    if exercise is not None or recorded is None:
        return exercise
    if not Path(recorded).is_dir():
        raise UsageError(
            f"the exercise that this workspace was started from is not at {recorded!r} any more; "
            "say where it is with --exercise"
        )
    return Path(recorded)
