"""What stays ready from one grade to the next: PyTorch, imported once, and what the reference has answered."""

import os
from pathlib import Path
from typing import Final

from grader.exercise.model import Exercise, StoredExercise, builtin_reference
from grader.grading.answer_cache import AnswerCache
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode

MOST: Final = 128 << 20  # bytes of answers of the reference


class Session:
    """A launcher, which ends with the thread that makes this, and a library of the exercise's reference.

    Attributes:
        launcher: it can read neither the exercise's reference nor the built-in one.
    """

    def __init__(self, exercise: Exercise, isolation: Mode) -> None:
        self.launcher: Final = Launcher(isolation, _hidden(exercise))
        self.answer_cache: Final = AnswerCache(self.launcher)

    def forget(self) -> None:
        """Between two grades: forget what was not asked for longest, if it has become too much."""
        self.answer_cache.forget_beyond(MOST)

    def stop(self) -> None:
        """Have nobody wait any longer for what packages of ours answer, from any thread; then only close this."""
        self.answer_cache.stop()

    def close(self) -> None:
        """End all processes."""
        self.answer_cache.close()
        self.launcher.close()


def _hidden(exercise: Exercise) -> list[Path]:
    """The directories that workers must not see. The exercise may have come from elsewhere, where it lies in a place
    that is not here, or that nobody here may look at (which is an error to Path.is_dir); the built-in reference is on
    every machine."""
    directories = {builtin_reference()}
    if isinstance(exercise, StoredExercise):
        directories.add(exercise.reference_directory)
    return sorted(Path(os.path.realpath(directory)) for directory in directories if os.path.isdir(directory))
