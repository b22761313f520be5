"""What a learner, or an agent, is handed of an exercise."""

from typing import Final

from grader.errors import UsageError
from grader.exercise.model import VISIBLE_TESTS, Exercise, StoredExercise
from grader.exercise.readme import WHERE, adapted_readme, readme
from grader.files.read_untrusted import Directory, Refused
from grader.limits import STARTER_FILE_MAX_BYTES
from grader.sandbox.preloaded import LIBRARY, imports_of
from grader.sandbox.questions import ADAPTER

BESIDE_THE_CODE: Final = ("README.md", VISIBLE_TESTS)


def starter_files(exercise: Exercise) -> dict[str, str]:
    """README.md, model.py, train.py and test_visible.py of the starter: text by name, and nothing that is hidden.

    Raises:
        UsageError: one of them is missing, or is no text.
    """
    if not isinstance(exercise, StoredExercise):
        return starter_contents(exercise)
    # By name, and no links: whatever else came to lie in the folder, or was led there, is not to get out.
    names = sorted({*exercise.starter(), *BESIDE_THE_CODE})
    try:
        with Directory(exercise.starter_directory) as opened:
            return {name: _text(exercise, opened, name) for name in names}
    except OSError as error:
        raise UsageError(f"cannot read {str(exercise.starter_directory)!r}: {error.strerror}") from None


def _text(exercise: StoredExercise, opened: Directory, name: str) -> str:
    where = f"bad starter {str(exercise.starter_directory)!r}: {name}"
    try:
        data = opened.read(name, STARTER_FILE_MAX_BYTES + 1)
        if len(data) > STARTER_FILE_MAX_BYTES:
            raise UsageError(f"{where} is larger than {STARTER_FILE_MAX_BYTES >> 20} MiB")
        return data.decode()
    except FileNotFoundError:
        raise UsageError(f"{where} is missing") from None
    except Refused as reason:
        raise UsageError(f"{where} cannot be handed out: {reason}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is not UTF-8 text (byte {error.start})") from None


def starter_contents(exercise: Exercise) -> dict[str, str]:
    """Every file that the learner of a generated exercise is handed, by name."""
    return {**exercise.starter(), "README.md": _readme(exercise), VISIBLE_TESTS: exercise.visible_tests}


def agents_files(exercise: Exercise) -> dict[str, str]:
    """What ``starter_files`` has, for an agent: its README names no command of the grader, and no follow-up question.

    A README that is not as the grader wrote it stays as it is.

    Raises:
        UsageError: as ``starter_files``.
    """
    files = starter_files(exercise)
    # The built-in exercise's says where its bugs are, and its commands need no path.
    known = {_readme(exercise): ""}
    if exercise.adapter is None:
        known[readme(exercise.rubric, WHERE, files=exercise.reference, built_in=True)] = WHERE
    where = known.get(files["README.md"])
    return files if where is None else {**files, "README.md": _readme(exercise, where, agent=True)}


def _readme(exercise: Exercise, where: str = "", *, agent: bool = False) -> str:
    if exercise.adapter is None:
        return readme(exercise.rubric, where, files=exercise.reference, agent=agent)
    files = [file for file in exercise.starter() if file != ADAPTER]
    library = LIBRARY if imports_of(exercise.adapter) else ""
    return adapted_readme(exercise.rubric, files, library, agent=agent)
