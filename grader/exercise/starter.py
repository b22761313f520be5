"""What a learner, or an agent, is handed of an exercise."""

from typing import Final

from grader.errors import UsageError
from grader.exercise.model import VISIBLE_TESTS, Exercise, StoredExercise
from grader.exercise.readme import adapted_readme, readme
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
    starter = exercise.starter()
    text = (
        readme(exercise.rubric, files=exercise.reference)
        if exercise.adapter is None
        else adapted_readme(
            exercise.rubric,
            [file for file in starter if file != ADAPTER],
            LIBRARY if imports_of(exercise.adapter) else "",
        )
    )
    return {**starter, "README.md": text, VISIBLE_TESTS: exercise.visible_tests}
