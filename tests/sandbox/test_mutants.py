"""A locked worker finds where bugs can be planted in texts, whatever they are, and runs none of them."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from grader.exercise import Exercise
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Answered, FindMutants, Planting

TIMEOUT = 60.0  # seconds
GROUPS = ("kv-cache", "masking", "training-loop", "determinism")

Find = Callable[[dict[str, str]], tuple[list[Planting], dict[str, str]]]


@pytest.fixture
def find(launcher: Launcher) -> Iterator[Find]:
    """``find(files)``: the plantings, and the files in other words."""
    workers = []

    def ask(files: dict[str, str]) -> tuple[list[Planting], dict[str, str]]:
        workers.append(launcher.spawn({}, purpose="mutants"))
        workers[-1].send(FindMutants(files=files, groups=GROUPS, name="unread"), {}, TIMEOUT)
        reply, answer = workers[-1].receive()
        assert isinstance(reply, Answered), reply
        plantings = msgspec.json.decode(answer["mutants"].tobytes(), type=list[Planting])
        return plantings, {file: answer[f"otherwise.{file}"].tobytes().decode() for file in files}

    yield ask
    for worker in workers:
        worker.close()


def test_every_group_has_places_in_a_right_package(find: Find, exercise: Exercise) -> None:
    plantings, otherwise = find(exercise.reference)

    assert {planting.group for planting in plantings} == set(GROUPS)
    for planting in plantings:
        text = exercise.reference[planting.file].encode()
        assert text[planting.start : planting.end].decode() == planting.before != planting.after
    assert "unread = None" in otherwise["model.py"]


def test_parts_in_other_files_are_found_there(find: Find, exercise: Exercise) -> None:
    mask = "import torch\n\ndef causal_mask(T):\n    return torch.ones(T, T, dtype=torch.bool).triu(diagonal=1)\n"
    plantings, _ = find({"model.py": "x = 1\n", "train.py": "", "attention.py": mask})

    assert "mask-peeks-one-ahead" in [planting.operator for planting in plantings]
    assert {planting.file for planting in plantings} == {"attention.py"}


def test_a_text_of_any_kind_is_left_as_it_is(find: Find) -> None:
    texts = [
        "def f(:\n",
        "",
        "import sys\nsys.exit(3)\n",
        "é = 'ü'\r\n\tx\n",
    ]
    files = {f"part_{number}.py": text for number, text in enumerate(texts)}
    plantings, otherwise = find(files)

    assert plantings == []
    assert otherwise == files


def test_a_worker_made_for_answers_has_no_engine(launcher: Launcher) -> None:
    worker = launcher.spawn({})
    try:
        worker.send(FindMutants(files={}, groups=GROUPS, name="unread"), {}, TIMEOUT)
        reply, _ = worker.receive()
    finally:
        worker.close()

    assert not isinstance(reply, Answered)
