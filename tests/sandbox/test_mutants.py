"""A locked worker finds where bugs can be planted in texts, whatever they are, and runs none of them."""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest

from grader.exercise.model import Exercise
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.questions import Answered, AnyQuestion, FindMutants, Planting, Reword
from grader.sandbox.wire import Tensors
from mutations.ways import Way

TIMEOUT = 60.0  # seconds
GROUPS = ("kv-cache", "masking", "training-loop", "determinism")

Find = Callable[[dict[str, str]], list[Planting]]
Put = Callable[[list[str]], list[str]]


@pytest.fixture
def ask(launcher: Launcher) -> Iterator[Callable[[AnyQuestion, Tensors], Tensors]]:
    """``ask(question, tensors)``: the answer of a fresh worker made for mutants."""
    workers: list[Worker] = []

    def put(question: AnyQuestion, tensors: Tensors) -> Tensors:
        workers.append(launcher.spawn({}, purpose="mutants"))
        workers[-1].send(question, tensors, TIMEOUT)
        reply, answer = workers[-1].receive()
        assert isinstance(reply, Answered), reply
        return answer

    yield put
    for worker in workers:
        worker.close()


@pytest.fixture
def find(ask: Callable[[AnyQuestion, Tensors], Tensors]) -> Find:
    """``find(files)``: the plantings."""

    def run(files: dict[str, str]) -> list[Planting]:
        answer = ask(FindMutants(files=files, groups=GROUPS), {})
        return msgspec.json.decode(answer["mutants"].tobytes(), type=list[Planting])

    return run


@pytest.fixture
def put(ask: Callable[[AnyQuestion, Tensors], Tensors]) -> Put:
    """``put(texts)``: the texts in other words."""

    def run(texts: list[str]) -> list[str]:
        tensors = {f"text.{place}": np.frombuffer(text.encode(), np.uint8) for place, text in enumerate(texts)}
        question = Reword(seeds=tuple(range(len(texts))), share=1.0, ways=tuple(Way))
        answer = ask(question, tensors)
        return [answer[name].tobytes().decode() for name in tensors]

    return run


def test_every_group_has_places_in_a_right_package(find: Find, exercise: Exercise) -> None:
    plantings = find(exercise.reference)

    assert {planting.group for planting in plantings} == set(GROUPS)
    for planting in plantings:
        text = exercise.reference[planting.file].encode()
        assert text[planting.start : planting.end].decode() == planting.before != planting.after


def test_parts_in_other_files_are_found_there(find: Find, exercise: Exercise) -> None:
    mask = "import torch\n\ndef causal_mask(T):\n    return torch.ones(T, T, dtype=torch.bool).triu(diagonal=1)\n"
    plantings = find({"model.py": "x = 1\n", "train.py": "", "attention.py": mask})

    assert "mask-peeks-one-ahead" in [planting.operator for planting in plantings]
    assert {planting.file for planting in plantings} == {"attention.py"}


def test_a_text_of_any_kind_is_left_as_it_is(find: Find, put: Put) -> None:
    texts = [
        "def f(:\n",
        "",
        "é = 'ü'\r\n\tx\n",
    ]
    files = {f"part_{number}.py": text for number, text in enumerate(texts)}

    assert find(files) == []
    assert put([text for text in texts if text]) == [text for text in texts if text]


def test_each_text_is_put_in_words_of_its_own(put: Put, exercise: Exercise) -> None:
    text = exercise.reference["train.py"]
    first, second, other = put([text, text, "import sys\nsys.exit(3)\n"])

    assert len({text, first, second}) == 3
    assert other == "import sys\nsys.exit(3)\n"  # parsed, and not run


def test_a_worker_made_for_answers_has_no_engine(launcher: Launcher) -> None:
    worker = launcher.spawn({})
    try:
        worker.send(FindMutants(files={}, groups=GROUPS), {}, TIMEOUT)
        reply, _ = worker.receive()
    finally:
        worker.close()

    assert not isinstance(reply, Answered)
