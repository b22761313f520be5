"""What answers for packages of ours is asked each thing once, and shared by no two threads."""

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from grader.checks.compare import first_difference
from grader.comparisons.catalogue import COMPARISONS
from grader.comparisons.comparison import Asked, Comparison
from grader.comparisons.forward import questions
from grader.exercise.model import Exercise
from grader.grading.answer_cache import AnswerCache
from grader.limits import PARDONED_DEATHS
from grader.packages.cached import CachedPackage, Memory
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised, Stopped
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Fit, Flops, Influence, OwnRun, Settings, Sharing, Snippet, Weights, modules_asked
from grader.seeds import Seeds

ASKED: list[Asked] = questions(Seeds(1, "candidate"), "float32")


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The questions that reach a worker."""
    reached: list[object] = []
    send = Package.send

    def counted(oracle: Package, *asked: object) -> None:
        reached.append(asked[0])
        send(oracle, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Package, "send", counted)
    return reached


def test_a_question_is_put_once(worker_pool: WorkerPool, sent: list[object], exercise: Exercise) -> None:
    oracle = CachedPackage(worker_pool, "the reference", exercise.reference, 30.0)
    first = oracle.ask(*ASKED[0])
    again = oracle.ask(*ASKED[0])

    assert len(sent) == 1
    assert first_difference(again, first) is None
    oracle.ask(*ASKED[1])
    assert len(sent) == 2


def test_other_tensors_are_another_question(worker_pool: WorkerPool, sent: list[object], exercise: Exercise) -> None:
    oracle = CachedPackage(worker_pool, "the reference", exercise.reference, 30.0)
    question, tensors = ASKED[0]
    one = oracle.ask(question, tensors)
    other = oracle.ask(question, {"tokens.0": tensors["tokens.0"][:, ::-1].copy()})

    assert len(sent) == 2
    assert first_difference(other, one) is not None


def test_another_question_about_the_same_tensors_is_another_question(
    worker_pool: WorkerPool, sent: list[object], exercise: Exercise
) -> None:
    oracle = CachedPackage(worker_pool, "the reference", exercise.reference, 30.0)
    (question, tensors), other = ASKED[0], questions(Seeds(2, "candidate"), "float32")[0][0]
    first = oracle.ask(question, tensors)
    second = oracle.ask(other, tensors)

    assert sent == [question, other]
    assert first_difference(second, first) is not None


def test_what_raises_is_not_taken_for_an_answer(
    worker_pool: WorkerPool, sent: list[object], exercise: Exercise
) -> None:
    files = {**exercise.reference, "model.py": "raise RuntimeError('no model')\n"}
    oracle = CachedPackage(worker_pool, "broken", files, 30.0)
    for _ in range(2):
        with pytest.raises(PackageRaised, match="no model"):
            oracle.ask(*ASKED[0])

    assert len(sent) == 2


def test_one_that_does_not_learn_uses_what_is_known_and_adds_nothing(
    worker_pool: WorkerPool, sent: list[object], exercise: Exercise
) -> None:
    memory: Memory = {}
    learner = CachedPackage(worker_pool, "the reference", exercise.reference, 30.0, memory=memory)
    user = CachedPackage(worker_pool, "again", exercise.reference, 30.0, memory=memory, learns=False)
    learner.ask(*ASKED[0])
    user.ask(*ASKED[0])
    assert len(sent) == 1

    for _ in range(2):
        user.ask(*ASKED[1])
    assert len(sent) == 3
    assert len(memory) == 1


def test_what_train_py_says_makes_no_difference_to_the_model(
    worker_pool: WorkerPool, sent: list[object], exercise: Exercise
) -> None:
    memory: Memory = {}
    other = {**exercise.reference, "train.py": exercise.reference["train.py"] + "\nOTHER = 1\n"}
    changed = {**exercise.reference, "model.py": exercise.reference["model.py"] + "\nOTHER = 1\n"}
    for files in (exercise.reference, other, changed):
        CachedPackage(worker_pool, "a variant", files, 30.0, memory=memory).ask(*ASKED[0])

    assert len(sent) == 2


def test_what_a_module_imports_makes_a_difference_to_it(
    worker_pool: WorkerPool, sent: list[object], exercise: Exercise
) -> None:
    memory: Memory = {}
    importing = {**exercise.reference, "model.py": exercise.reference["model.py"] + "\nfrom one import ONE\n"}
    helpers = {"one.py": "from two import ONE\n", "two.py": "ONE = 1\n", "aside.py": "ASIDE = 1\n"}
    for changed in ({}, {"two.py": "ONE = 2\n"}, {"aside.py": "ASIDE = 2\n"}):
        files = importing | helpers | changed
        CachedPackage(worker_pool, "a variant", files, 30.0, memory=memory).ask(*ASKED[0])

    assert len(sent) == 2


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: comparison.id)
def test_a_question_of_a_facet_needs_the_modules_that_it_is_said_to_need(
    comparison: Comparison, worker_pool: WorkerPool, exercise: Exercise
) -> None:
    with Package(worker_pool, "the reference", exercise.reference, 30.0) as whole:
        for asked in comparison.questions(Seeds(1, "candidate"), "float32"):
            with needed_alone(worker_pool, asked, exercise) as part:
                assert first_difference(comparison.ask(part, asked), comparison.ask(whole, asked)) is None


def test_any_other_question_needs_the_modules_that_it_is_said_to_need(
    worker_pool: WorkerPool, exercise: Exercise
) -> None:
    config: Settings = {"vocab_size": 5, "block_size": 4, "d_model": 8, "n_layer": 1, "n_classes": 2}
    train: Settings = {"vocab_size": 5, "seq_len": 4, "batch_size": 2, "steps": 1}
    rows = np.array([[0, 1, 2, 3]])
    batches = dict.fromkeys(("tokens", "targets", "labels", "held_out"), rows[None] % 2)
    others: list[Asked] = [
        (Sharing(config=config), {}),
        (Influence(config=config, weights=Weights(1)), {"tokens": rows}),
        (Fit(config=config, seed=1, lr=0.1, class_weight=0.5), batches),
        (OwnRun(config=config, train=train, seed=1), {}),
        (Flops(config=config, weights=Weights(1), lengths=(1,)), {}),
        (Snippet(source="import model, train"), {}),
    ]
    for asked in others:
        with needed_alone(worker_pool, asked, exercise) as part:
            part.ask(*asked)  # or it raises


def needed_alone(worker_pool: WorkerPool, asked: Asked, exercise: Exercise) -> Package:
    """The reference where what a question is not said to need cannot even be imported."""
    needed = {*(modules_asked(asked[0]) or ("model", "train"))}
    needed |= {"followups"} if "model" in needed else set()  # what the model itself imports
    files = {
        name: text if name.removesuffix(".py") in needed else "raise ImportError('not said to be needed')\n"
        for name, text in exercise.reference.items()
    }
    return Package(worker_pool, "a part of the reference", files, 30.0)


def test_two_teams_do_not_share_a_worker_and_one_team_has_one_for_each_package(
    launcher: Launcher, exercise: Exercise
) -> None:
    bugged = exercise.variant(frozenset({"masking"}))
    with AnswerCache(launcher) as library:
        oracle = library.oracle(0, "the reference", exercise.reference)
        oracles = [oracle, library.oracle(1, "the reference", exercise.reference), library.oracle(0, "a bug", bugged)]
        answers = [each.ask(*ASKED[0]) for each in oracles]

        assert library.oracle(0, "the reference", dict(exercise.reference)) is oracle
        assert len({id(each.worker) for each in oracles}) == 3
        assert first_difference(answers[1], answers[0]) is None
        assert first_difference(answers[2], answers[0]) is not None


def ask_and_give_up(library: AnswerCache, worker_pool: WorkerPool, oracle: Package) -> None:
    with library.lent(worker_pool):
        oracle.send(*ASKED[0])
        raise Stopped


def test_a_grade_that_is_given_up_leaves_no_answer_to_be_taken_for_another(
    launcher: Launcher, exercise: Exercise, worker_pool: WorkerPool
) -> None:
    with AnswerCache(launcher) as library:
        oracle = library.oracle(0, "the reference", exercise.reference)
        with pytest.raises(Stopped):
            ask_and_give_up(library, worker_pool, oracle)
        with library.lent(worker_pool):
            answer = oracle.ask(*ASKED[1])

        expected = library.oracle(1, "the reference", exercise.reference).ask(*ASKED[1])
        assert first_difference(answer, expected) is None


def test_what_is_asked_in_one_grade_alone_is_forgotten_with_it(
    launcher: Launcher, exercise: Exercise, worker_pool: WorkerPool, sent: list[object]
) -> None:
    always = ASKED[0]
    with AnswerCache(launcher) as library:
        oracle = library.oracle(0, "the reference", exercise.reference)
        for seed in range(1, 5):
            with library.lent(worker_pool, shared=False) as packages:
                oracle.ask(*always)
                for asked in questions(Seeds(seed, "alone"), "float32"):
                    oracle.ask(*asked)
            assert packages.draws is None

        assert len(library._memories[0]) == 1  # what all of them have asked
        assert sent.count(always[0]) == 2  # the first two: then it is known that others ask it too


def test_what_grades_share_is_kept(
    launcher: Launcher, exercise: Exercise, worker_pool: WorkerPool, sent: list[object]
) -> None:
    with AnswerCache(launcher) as library:
        oracle = library.oracle(0, "the reference", exercise.reference)
        for _ in range(2):
            with library.lent(worker_pool, shared=True) as packages:
                oracle.ask(*ASKED[0])
            assert packages.draws is library.draws

        assert len(sent) == 1


def test_the_machine_may_fail_in_every_grade_that_a_library_is_lent_to(
    launcher: Launcher, exercise: Exercise, worker_pool: WorkerPool
) -> None:
    with AnswerCache(launcher) as library:
        oracle = library.oracle(0, "the reference", exercise.reference)
        for seed in range(PARDONED_DEATHS + 1):
            with library.lent(worker_pool):
                oracle.worker.locked  # noqa: B018  it is there
                os.kill(oracle.worker._pid, signal.SIGKILL)
                oracle.ask(*questions(Seeds(seed, "candidate"), "float32")[0])
