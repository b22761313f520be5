"""What the tests of environments share: an exercise as `grader inject` would write it."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from grader.exercise.model import Exercise
from grader.injection.build import Built
from grader.injection.folder import write


@pytest.fixture(scope="session")
def anonymous(exercise: Exercise, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in exercise as a folder, its bugs under the names that generated ones have: nothing is to be built."""
    change = msgspec.structs.replace
    names = {bug.item: f"bug-{number}" for number, bug in enumerate(exercise.key.bugs, 1)}
    items = tuple(change(item, id=names.get(item.id, item.id)) for item in exercise.rubric.item)
    titled = tuple(change(item, title=f"Bug {item.id[-1]}") if item.kind == "bug" else item for item in items)
    twins = {twin: tuple(names[item] for item in items) for twin, items in exercise.rubric.twins.items()}
    made = replace(
        exercise,
        rubric=change(exercise.rubric, id="gpt-0123456789", item=titled, followup=(), twins=twins),
        key=change(exercise.key, bugs=tuple(change(bug, item=names[bug.item]) for bug in exercise.key.bugs)),
    )
    folder = tmp_path_factory.mktemp("anonymous") / "ex"
    write(Built(made, made.starter(), ()), folder)
    return folder
