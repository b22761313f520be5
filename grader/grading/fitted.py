"""A submission as an exercise with an adapter.py takes it: how a package is called is not for a submission to say."""

from dataclasses import replace
from typing import Final

from grader.exercise.model import Exercise
from grader.sandbox.questions import ADAPTER
from grader.submission.read import Submission, is_made_up

TRAIN: Final = "train.py"
NO_TRAIN: Final = "there is no train.py"


def fitted(submission: Submission, exercise: Exercise) -> Submission:
    """The submission with the exercise's adapter.py in place of its own, and without a train.py if the exercise has
    none; as it is where the exercise keeps the contract."""
    if exercise.adapter is None:
        return submission
    files, notes = dict(submission.files), list(submission.notes)
    if files.get(ADAPTER, exercise.adapter) != exercise.adapter:
        notes.append(f"{ADAPTER} was not read: the exercise has its own, which says how a model is called")
    files[ADAPTER] = exercise.adapter
    if TRAIN not in exercise.reference and TRAIN in files:
        if not is_made_up(files.pop(TRAIN), NO_TRAIN):
            notes.append(f"{TRAIN} was not read: this exercise has none")
        notes = [note for note in notes if not note.startswith(NO_TRAIN)]
    return replace(submission, files=files, notes=tuple(notes))
