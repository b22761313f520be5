"""What an oracle does about a package that gives no answer."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from grader.exercise.model import Exercise
from grader.limits import UNANSWERED_MAX_QUESTIONS
from grader.packages.package import Package
from grader.packages.trouble import PackageDied, PackageHung, PackageRaised
from grader.packages.worker_pool import Unresponsive, WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.control import Purpose
from grader.sandbox.questions import (
    Answered,
    AnyQuestion,
    Configs,
    Forward,
    Generate,
    Gradients,
    OwnRun,
    Parameters,
    Rates,
    RecordSteps,
    Settings,
    Snippet,
    TrainSteps,
    TwinRun,
    Watched,
    WatchedTraining,
    Weights,
)

TIMEOUT = 2.0  # seconds; only what hangs is to wait that long
LOOP = "while True:\n    pass\n"
SIZES: Settings = {"vocab_size": 5, "block_size": 4, "n_layer": 1, "d_model": 4}
MODEL = (Parameters(config=SIZES, seed=0), Configs())


class CountingCrew(WorkerPool):
    """Counts the workers that are made; the ``first`` of them are given other files than they should."""

    made = 0
    first: Sequence[Mapping[str, str]] = ()

    def spawn(self, files: Mapping[str, str], ahead: Sequence[str] = (), purpose: Purpose = "answers") -> Worker:
        given = {**files, **self.first[self.made]} if self.made < len(self.first) else files
        self.made += 1
        return super().spawn(given, ahead, purpose)


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[CountingCrew]:
    worker_pool = CountingCrew(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def oracle(worker_pool: CountingCrew, exercise: Exercise) -> Callable[[Mapping[str, str]], Package]:
    return lambda changed: Package(worker_pool, "the candidate", {**exercise.reference, **changed}, TIMEOUT)


def hangs(oracle: Package, question: AnyQuestion) -> bool:
    try:
        oracle.ask(question, {})
    except PackageHung:
        return True
    return False


def test_a_module_that_hangs_on_import_is_waited_for_twice_and_no_more(
    worker_pool: CountingCrew, oracle: Callable[[Mapping[str, str]], Package], exercise: Exercise
) -> None:
    package = oracle({"model.py": LOOP + exercise.reference["model.py"]})

    assert hangs(package, MODEL[0])
    assert worker_pool.made == 2  # the second to see whether it is the import that hangs
    assert all(hangs(package, question) for question in MODEL)
    assert worker_pool.made == 2
    assert not hangs(oracle({}), MODEL[1])  # of another package of the same worker_pool it says nothing


def test_a_module_that_ends_its_process_costs_two_workers_and_no_more(
    worker_pool: CountingCrew, oracle: Callable[[Mapping[str, str]], Package]
) -> None:
    package = oracle({"model.py": "import os\nos._exit(7)"})

    for question in (*MODEL, *MODEL):
        with pytest.raises(PackageDied, match="exited with code 7"):
            package.ask(question, {})
    assert worker_pool.made == 2
    assert isinstance(package.import_fault("model"), PackageDied)
    assert package.import_fault("train") is None


def test_what_hangs_later_than_on_import_leaves_the_rest_to_be_asked(
    worker_pool: CountingCrew, oracle: Callable[[Mapping[str, str]], Package], exercise: Exercise
) -> None:
    text = exercise.reference["model.py"]
    stuck = "\n\ndef _stuck(self, config):\n    while True:\n        pass\n\nGPT.__init__ = _stuck\n"
    package = oracle({"model.py": text + stuck})

    assert all(hangs(package, MODEL[0]) for _ in range(UNANSWERED_MAX_QUESTIONS))
    assert worker_pool.made == 3  # asked, the import tried, and asked once more: then it is known
    assert not hangs(package, MODEL[1])


def test_a_time_out_that_is_not_seen_again_costs_nothing(
    worker_pool: CountingCrew, oracle: Callable[[Mapping[str, str]], Package]
) -> None:
    worker_pool.first = ({"model.py": LOOP},)
    package = oracle({})

    assert package.ask(MODEL[1], {})["n_head"] == 1
    assert worker_pool.made == 3  # the second to see whether it is the import that hangs
    assert package.spent >= TIMEOUT
    package.close()
    worker_pool.first = (*({},) * 3, {"model.py": LOOP})
    assert not hangs(package, MODEL[1])
    assert worker_pool.made == 5


def test_a_time_out_of_the_reference_is_asked_again_as_well(worker_pool: CountingCrew, exercise: Exercise) -> None:
    worker_pool.first = ({"model.py": LOOP},)
    reference = Package(worker_pool, "the reference", exercise.reference, TIMEOUT, trusted=True)

    assert not hangs(reference, MODEL[1])
    assert worker_pool.made == 2


def test_who_is_asked_once_only_has_one_time_out(worker_pool: CountingCrew, exercise: Exercise) -> None:
    worker_pool.first = ({"model.py": LOOP},)
    mutant = Package(worker_pool, "a mutant", exercise.reference, TIMEOUT, asks_again=False)

    assert hangs(mutant, MODEL[1])
    assert worker_pool.made == 1
    assert not hangs(mutant, MODEL[1])


def test_one_slow_answer_says_nothing_of_a_kind_of_question_that_was_answered_before() -> None:
    silence = Unresponsive()
    silence.count_answered(MODEL[1])
    for question in MODEL:
        silence.count_hung(question)

    assert [silence.hangs(question) for question in MODEL] == [True, False]
    silence.count_hung(MODEL[1])
    assert silence.hangs(MODEL[1])


def test_where_forward_never_ends_all_that_runs_it_is_known_to_and_nothing_else() -> None:
    silence = Unresponsive()
    given: dict[str, Any] = {"config": SIZES, "weights": Weights(seed=0)}
    forward = Watched(**given, call="forward")
    decode, generate = Watched(**given, call="forward-incremental"), Watched(**given, call="generate")
    silence.count_hung(forward)

    assert silence.hangs(Forward(**given))
    assert silence.hangs(Gradients(**given))
    assert silence.hangs(forward)
    assert not any(silence.hangs(question) for question in (decode, generate, *MODEL))
    silence.count_hung(generate)
    assert silence.hangs(Generate(**given, max_new_tokens=1, use_cache=False))


def test_where_train_step_never_ends_nothing_that_trains_is_asked_and_where_train_does_not_the_steps_are() -> None:
    given: dict[str, Any] = {"train": {"steps": 1}, "width": 4, "weights": Weights(seed=0)}
    steps = TrainSteps(**given), RecordSteps(**given), WatchedTraining(**given, by_step=True)
    runs: dict[str, Any] = {"config": SIZES, "train": {"steps": 1}}
    whole = TrainSteps(**given, whole=True), WatchedTraining(**given), OwnRun(**runs, seed=0), TwinRun(**runs)
    no_steps, no_end = Unresponsive(), Unresponsive()
    no_steps.count_hung(steps[0])
    no_end.count_hung(whole[0])

    assert all(no_steps.hangs(question) for question in (*steps, *whole))
    assert not any(no_steps.hangs(question) for question in (*MODEL, Rates(train={}, steps=(0,))))
    assert all(no_end.hangs(question) for question in whole)
    assert not any(no_end.hangs(question) for question in (*steps, *MODEL))


def busy(worker_pool: WorkerPool) -> Worker:
    """A worker that computes for a second."""
    worker = worker_pool.spawn({})
    source = "import time\nbefore = time.process_time()\nwhile time.process_time() < before + 1: pass"
    worker_pool.put(worker, Snippet(source=source), {}, 30.0)
    return worker


def test_who_asks_alone_waits_until_the_others_have_come_to_rest(worker_pool: CountingCrew) -> None:
    worker = busy(worker_pool)
    assert worker.is_busy()
    with worker_pool.alone():
        assert not worker.is_busy()
        worker_pool.put(worker_pool.spawn({}), Snippet(source="pass"), {}, 30.0)  # its own questions are let through
    assert worker.receive() == (Answered(), {})


def test_who_asks_alone_does_not_wait_for_one_that_has_no_time_left(worker_pool: CountingCrew) -> None:
    worker = worker_pool.spawn({})
    worker_pool.put(worker, Snippet(source=LOOP), {}, 0.5)
    with worker_pool.alone():
        assert worker._pending[0][1].is_over


def test_nobody_puts_a_question_while_another_asks_alone(worker_pool: CountingCrew) -> None:
    worker = worker_pool.spawn({})
    put = threading.Thread(target=worker_pool.put, args=(worker, Snippet(source="pass"), {}, 30.0))
    with worker_pool.alone():
        put.start()
        put.join(0.3)
        assert put.is_alive()
        assert not worker._pending
    put.join(60.0)

    assert worker.receive() == (Answered(), {})


def test_a_model_that_hangs_on_import_says_nothing_of_a_loop_that_does_not_need_it(
    oracle: Callable[[Mapping[str, str]], Package],
) -> None:
    train = {"vocab_size": 5, "seq_len": 4, "batch_size": 2, "steps": 3, "lr": 0.1, "weight_decay": 0.0}
    question = Rates(train={**train, "grad_clip": 1.0, "warmup": 1}, steps=(0, 1))
    package = oracle({"model.py": LOOP})

    assert hangs(package, MODEL[0])
    assert package.ask(question, {})["rates"].shape == (2,)


def test_an_import_that_fails_is_told_with_its_reason(oracle: Callable[[Mapping[str, str]], Package]) -> None:
    fault = oracle({"model.py": "import nothing_of_that_name"}).import_fault("model")

    assert isinstance(fault, PackageRaised)
    assert "nothing_of_that_name" in str(fault)
    assert oracle({}).import_fault("model") is None


def test_who_answers_each_question_just_in_time_runs_out_of_time_for_all_of_them(
    worker_pool: CountingCrew, oracle: Callable[[Mapping[str, str]], Package], exercise: Exercise
) -> None:
    worker_pool.budget = 0.5
    package = oracle({"model.py": "import time\ntime.sleep(1)\n" + exercise.reference["model.py"]})

    package.ask(MODEL[0], {})
    with pytest.raises(PackageHung, match=r"all of its answers took more than 0\.5 s"):
        package.ask(MODEL[1], {})
    assert not hangs(oracle({}), MODEL[1])


def test_what_is_ours_may_take_longer(worker_pool: CountingCrew, exercise: Exercise) -> None:
    worker_pool.budget = 0.0
    reference = Package(worker_pool, "the reference", exercise.reference, TIMEOUT * 30, trusted=True)

    for question in MODEL:
        reference.ask(question, {})
