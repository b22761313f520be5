"""What answers for packages of ours is asked each thing once, and shared by no two threads."""

from collections.abc import Iterator

import pytest

from grader.compare import first_difference
from grader.exercise import Exercise
from grader.facets.facet import Asked
from grader.facets.forward import questions
from grader.library import Library
from grader.memory import MemoisedOracle, Memory
from grader.oracle import Crew, Oracle, PackageRaised
from grader.sandbox.client import Launcher
from grader.seeds import Seeds

ASKED: list[Asked] = questions(Seeds(1, "candidate"), "float32")


@pytest.fixture
def crew(launcher: Launcher) -> Iterator[Crew]:
    crew = Crew(launcher)
    yield crew
    crew.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The questions that reach a worker."""
    reached: list[object] = []
    send = Oracle.send

    def counted(oracle: Oracle, *asked: object) -> None:
        reached.append(asked[0])
        send(oracle, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Oracle, "send", counted)
    return reached


def test_a_question_is_put_once(crew: Crew, sent: list[object], exercise: Exercise) -> None:
    oracle = MemoisedOracle(crew, "the reference", exercise.reference, 30.0)
    first = oracle.ask(*ASKED[0])
    again = oracle.ask(*ASKED[0])

    assert len(sent) == 1
    assert first_difference(again, first) is None
    oracle.ask(*ASKED[1])
    assert len(sent) == 2


def test_other_tensors_are_another_question(crew: Crew, sent: list[object], exercise: Exercise) -> None:
    oracle = MemoisedOracle(crew, "the reference", exercise.reference, 30.0)
    question, tensors = ASKED[0]
    one = oracle.ask(question, tensors)
    other = oracle.ask(question, {"tokens.0": tensors["tokens.0"][:, ::-1].copy()})

    assert len(sent) == 2
    assert first_difference(other, one) is not None


def test_what_raises_is_not_taken_for_an_answer(crew: Crew, sent: list[object], exercise: Exercise) -> None:
    files = {**exercise.reference, "model.py": "raise RuntimeError('no model')\n"}
    oracle = MemoisedOracle(crew, "broken", files, 30.0)
    for _ in range(2):
        with pytest.raises(PackageRaised, match="no model"):
            oracle.ask(*ASKED[0])

    assert len(sent) == 2


def test_one_that_does_not_learn_uses_what_is_known_and_adds_nothing(
    crew: Crew, sent: list[object], exercise: Exercise
) -> None:
    memory: Memory = {}
    learner = MemoisedOracle(crew, "the reference", exercise.reference, 30.0, memory=memory)
    user = MemoisedOracle(crew, "again", exercise.reference, 30.0, memory=memory, learns=False)
    learner.ask(*ASKED[0])
    user.ask(*ASKED[0])
    assert len(sent) == 1

    for _ in range(2):
        user.ask(*ASKED[1])
    assert len(sent) == 3
    assert len(memory) == 1


def test_what_train_py_says_makes_no_difference_to_the_model(
    crew: Crew, sent: list[object], exercise: Exercise
) -> None:
    memory: Memory = {}
    other = {**exercise.reference, "train.py": exercise.reference["train.py"] + "\nOTHER = 1\n"}
    changed = {**exercise.reference, "model.py": exercise.reference["model.py"] + "\nOTHER = 1\n"}
    for files in (exercise.reference, other, changed):
        MemoisedOracle(crew, "a variant", files, 30.0, memory=memory).ask(*ASKED[0])

    assert len(sent) == 2


def test_two_teams_do_not_share_a_worker_and_one_team_has_one_for_each_package(
    launcher: Launcher, exercise: Exercise
) -> None:
    bugged = exercise.variant(frozenset({"masking"}))
    with Library(launcher) as library:
        oracle = library.oracle(0, "the reference", exercise.reference)
        oracles = [oracle, library.oracle(1, "the reference", exercise.reference), library.oracle(0, "a bug", bugged)]
        answers = [each.ask(*ASKED[0]) for each in oracles]

        assert library.oracle(0, "the reference", dict(exercise.reference)) is oracle
        assert len({id(each.worker) for each in oracles}) == 3
        assert first_difference(answers[1], answers[0]) is None
        assert first_difference(answers[2], answers[0]) is not None
