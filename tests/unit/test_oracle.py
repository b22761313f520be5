"""What an oracle does about a package that gives no answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from grader.exercise import Exercise
from grader.oracle import Crew, Oracle, PackageDied, PackageHung, PackageRaised
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.control import Purpose
from grader.sandbox.questions import AnyQuestion, Configs, Parameters, Rates, Settings
from grader.silence import PATIENCE

TIMEOUT = 2.0  # seconds; only what hangs is to wait that long
LOOP = "while True:\n    pass\n"
SIZES: Settings = {"vocab_size": 5, "block_size": 4, "n_layer": 1, "d_model": 4}
MODEL = (Parameters(config=SIZES, seed=0), Configs())


class CountingCrew(Crew):
    """Counts the workers that are made."""

    made = 0

    def spawn(self, files: Mapping[str, str], ahead: Sequence[str] = (), purpose: Purpose = "answers") -> Worker:
        self.made += 1
        return super().spawn(files, ahead, purpose)


@pytest.fixture
def crew(launcher: Launcher) -> Iterator[CountingCrew]:
    crew = CountingCrew(launcher)
    yield crew
    crew.close()


@pytest.fixture
def oracle(crew: CountingCrew, exercise: Exercise) -> Callable[[Mapping[str, str]], Oracle]:
    return lambda changed: Oracle(crew, "the candidate", {**exercise.reference, **changed}, TIMEOUT)


def hangs(oracle: Oracle, question: AnyQuestion) -> bool:
    try:
        oracle.ask(question, {})
    except PackageHung:
        return True
    return False


def test_a_module_that_hangs_on_import_is_waited_for_twice_and_no_more(
    crew: CountingCrew, oracle: Callable[[Mapping[str, str]], Oracle], exercise: Exercise
) -> None:
    package = oracle({"model.py": LOOP + exercise.reference["model.py"]})

    assert hangs(package, MODEL[0])
    assert crew.made == 2  # the second to see whether it is the import that hangs
    assert all(hangs(package, question) for question in MODEL)
    assert crew.made == 2
    assert not hangs(oracle({}), MODEL[1])  # of another package of the same crew it says nothing


def test_a_module_that_ends_its_process_costs_two_workers_and_no_more(
    crew: CountingCrew, oracle: Callable[[Mapping[str, str]], Oracle]
) -> None:
    package = oracle({"model.py": "import os\nos._exit(7)"})

    for question in (*MODEL, *MODEL):
        with pytest.raises(PackageDied, match="exited with code 7"):
            package.ask(question, {})
    assert crew.made == 2
    assert isinstance(package.import_fault("model"), PackageDied)
    assert package.import_fault("train") is None


def test_what_hangs_later_than_on_import_leaves_the_rest_to_be_asked(
    crew: CountingCrew, oracle: Callable[[Mapping[str, str]], Oracle], exercise: Exercise
) -> None:
    text = exercise.reference["model.py"]
    stuck = "\n\ndef _stuck(self, config):\n    while True:\n        pass\n\nGPT.__init__ = _stuck\n"
    package = oracle({"model.py": text + stuck})

    assert all(hangs(package, MODEL[0]) for _ in range(PATIENCE))
    assert not hangs(package, MODEL[1])


def test_a_model_that_hangs_on_import_says_nothing_of_a_loop_that_does_not_need_it(
    oracle: Callable[[Mapping[str, str]], Oracle],
) -> None:
    train = {"vocab_size": 5, "seq_len": 4, "batch_size": 2, "steps": 3, "lr": 0.1, "weight_decay": 0.0}
    question = Rates(train={**train, "grad_clip": 1.0, "warmup": 1}, steps=(0, 1))
    package = oracle({"model.py": LOOP})

    assert hangs(package, MODEL[0])
    assert package.ask(question, {})["rates"].shape == (2,)


def test_an_import_that_fails_is_told_with_its_reason(oracle: Callable[[Mapping[str, str]], Oracle]) -> None:
    fault = oracle({"model.py": "import nothing_of_that_name"}).import_fault("model")

    assert isinstance(fault, PackageRaised)
    assert "nothing_of_that_name" in str(fault)
    assert oracle({}).import_fault("model") is None


def test_who_answers_each_question_just_in_time_runs_out_of_time_for_all_of_them(
    crew: CountingCrew, oracle: Callable[[Mapping[str, str]], Oracle], exercise: Exercise
) -> None:
    crew.budget = 0.5
    package = oracle({"model.py": "import time\ntime.sleep(1)\n" + exercise.reference["model.py"]})

    package.ask(MODEL[0], {})
    with pytest.raises(PackageHung, match=r"all of its answers took more than 0\.5 s"):
        package.ask(MODEL[1], {})
    assert not hangs(oracle({}), MODEL[1])


def test_what_is_ours_may_take_longer(crew: CountingCrew, exercise: Exercise) -> None:
    crew.budget = 0.0
    reference = Oracle(crew, "the reference", exercise.reference, TIMEOUT * 30, trusted=True)

    for question in MODEL:
        reference.ask(question, {})
