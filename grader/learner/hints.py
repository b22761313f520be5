"""The hints of an exercise, one after the other: counted in the workspace, and none for what is right already."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from grader.errors import UsageError, did_you_mean
from grader.exercise.model import Exercise, Hints
from grader.files.read_untrusted import Directory
from grader.learner.workspace import read_workspace, write_workspace
from grader.result.record import STOPPED, Feedback, Status
from grader.submission.history import Graded, parse, read_history
from grader.submission.read import read_submission

RIGHT: Final = (Status.FIXED, Status.BUILT)
KINDS: Final[Mapping[str, Hints]] = {
    "bug": ("what this bug does by itself", "where to look", "how it comes about"),
    "extension": ("what is asked", "what to keep in mind", "how it is done"),
    "followup": ("what is asked", "what to keep in mind", "how it is done"),
    "tests": ("what is asked", "what to keep in mind", "how it is done"),
    STOPPED: ("what to read", "where to look", "how to get back"),
}
WHEN_STOPPED: Final[Hints] = (
    "Read what the grade quotes from its last line upwards: what happened stands last, and where stands above it. All "
    "else waits for that one line.",
    "Ask Python alone: `python -c 'import model'` and `python train.py` stop at the same place. Of a syntax error look "
    "at the line before, too: what is wrong is often a bracket or a colon that is missing there. Code that never ends "
    "waits for something: a loop whose end does not come, a keyboard that a grade does not have.",
    "Go back to the last version that ran and put your changes in again, one by one. The starter runs: `grader start "
    "fresh` makes a copy of it, and `diff -r fresh .` lists what you have changed.",
)


class Hintable(NamedTuple):
    """Something that there are hints for.

    Attributes:
        kinds: what each of the three says.
    """

    title: str
    hints: Hints
    kinds: Hints


class Hint(NamedTuple):
    """One hint, as it is shown.

    Attributes:
        number: 1 for the first.
        kind: what it says, in a few words.
    """

    title: str
    number: int
    of: int
    kind: str
    text: str


def require_hints(shown: Feedback) -> None:
    """Complain where no hints are shown. Raises ``UsageError``."""
    if shown is not Feedback.HINTS:
        raise UsageError(f"no hints here: a learner is shown no more than feedback = {shown.value!r} of this exercise")


def hintable(exercise: Exercise) -> dict[str, Hintable]:
    """All that there are hints for, by the name that is typed: the items, the follow-ups, and code that stops."""
    found = {
        item.id: Hintable(item.title, hints, KINDS[item.kind])
        for item in (*exercise.rubric.item, *exercise.rubric.followup)
        if (hints := exercise.hints_of(item.id))
    }
    return found | {STOPPED: Hintable("Code that does not run", WHEN_STOPPED, KINDS[STOPPED])}


def next_hint(directory: Path, exercise: Exercise, name: str) -> Hint | None:
    """The next hint, remembered as shown; the last one again after that. None for what is right already.

    Raises:
        UsageError: there is nothing of that name, or the workspace cannot be read.
        CannotJudge: the workspace cannot be written.
    """
    all_ = hintable(exercise)
    if name not in all_:
        if name in exercise.titles:
            raise UsageError(f"there are no hints for {name!r} in this exercise")
        near = did_you_mean(name, all_)
        raise UsageError(f"no such item: {name!r}; this exercise has {', '.join(all_)}{near}")
    workspace = read_workspace(directory)
    if name in right_now(directory):
        return None
    title, hints, kinds = all_[name]
    shown = workspace.hints.get(name, 0)
    number = min(shown + 1, len(hints))
    if number > shown:
        write_workspace(directory, msgspec.structs.replace(workspace, hints=workspace.hints | {name: number}))
    return Hint(title, number, len(hints), kinds[number - 1], hints[number - 1])


def offered(exercise: Exercise, right: Collection[str]) -> dict[str, Hintable]:
    """What a list of hints has a line for: those for code that stops are left out where a grade says that it runs."""
    found = hintable(exercise)
    return {name: each for name, each in found.items() if name != STOPPED or name not in right}


def no_hint(exercise: Exercise, name: str) -> str:
    """What is said in place of a hint for what is right already."""
    why = "nothing stops it" if name == STOPPED else "right already"
    return f"{hintable(exercise)[name].title}: {why}, by the last grade of these files."


def right_now(directory: Path) -> frozenset[str]:
    """What grades of the files as they are now have found to be right, by the history of a workspace.

    A grade of some items alone says nothing of the others.
    """
    try:
        now = read_submission(directory).sha256
        with Directory(directory) as opened:
            lines = parse(read_history(opened)).lines
    except (OSError, UsageError):
        return frozenset()
    right: dict[str, bool] = {}
    for line in lines:
        if isinstance(line, Graded) and line.sha256 == now:
            right |= {id: item.status in RIGHT for id, item in line.items.items()} | {STOPPED: not line.stopped}
    return frozenset(name for name, is_right in right.items() if is_right)
