"""Comparisons ask each thing once, in a form that travels, and a right package answers alike in every process."""

from collections.abc import Iterator

import msgspec
import pytest

from grader.checks.compare import first_difference
from grader.comparisons.catalogue import BY_ID, COMPARISONS, EVERY, TWIN_BY_ID, TWINS
from grader.comparisons.comparison import Comparison
from grader.comparisons.twin_runs import LAST, losses_agree
from grader.exercise.model import Exercise
from grader.grading.answer_cache import trusted
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import AnyQuestion, Precision
from grader.seeds import Seeds

SEEDS = Seeds(3, "candidate")
PRECISIONS: tuple[Precision, ...] = ("float32", "float64")

each_comparison = pytest.mark.parametrize(
    "comparison", dict.fromkeys((*EVERY, *TWINS)), ids=lambda comparison: comparison.id
)
each_precision = pytest.mark.parametrize("precision", PRECISIONS)


@pytest.fixture(scope="module")
def two(exercise: Exercise, launcher: Launcher) -> Iterator[tuple[Package, Package]]:
    """The reference in two workers that share nothing."""
    worker_pool = WorkerPool(launcher)
    yield trusted(worker_pool, "one", exercise.reference), trusted(worker_pool, "the other", exercise.reference)
    worker_pool.close()


def test_ids_are_unique_and_found() -> None:
    assert len(BY_ID) == len(EVERY) > len(COMPARISONS) > 1
    assert all(BY_ID[comparison.id] is comparison for comparison in EVERY)
    assert EVERY[: len(COMPARISONS)] == COMPARISONS
    assert len(TWIN_BY_ID) == len(TWINS) > 1
    assert all(TWIN_BY_ID[before] in TWINS[:place] for place, twin in enumerate(TWINS) for before in twin.after)
    assert COMPARISONS[0].id == "forward"  # what extensions are told by, in every exercise


@each_comparison
@each_precision
def test_questions_travel(comparison: Comparison, precision: Precision) -> None:
    asked = comparison.questions(SEEDS, precision)

    assert asked
    for question, tensors in asked:
        assert msgspec.json.decode(msgspec.json.encode(question), type=AnyQuestion) == question
        for array in tensors.values():
            assert array.flags.c_contiguous or array.base is not None
            assert array.dtype.kind in "fiu"


@each_comparison
def test_the_same_seeds_ask_the_same_and_others_something_else(comparison: Comparison) -> None:
    def asked(seeds: Seeds) -> list[tuple[bytes, dict[str, bytes]]]:
        return [
            (msgspec.json.encode(question), {name: array.tobytes() for name, array in tensors.items()})
            for question, tensors in comparison.questions(seeds, "float32")
        ]

    assert asked(SEEDS) == asked(Seeds(3, "candidate"))
    # The default configuration is the same in every grade.
    assert (asked(SEEDS) != asked(Seeds(4, "candidate"))) is (comparison.id != "own-run")


@each_comparison
def test_no_two_questions_are_the_same_and_each_can_be_described(comparison: Comparison) -> None:
    asked = comparison.questions(SEEDS, "float32")
    told = [comparison.describe(question) for question, _ in asked]

    assert len({(msgspec.json.encode(question), repr(tensors)) for question, tensors in asked}) == len(asked)
    assert all(words and words == words.strip() and not words[0].isupper() for words in told)


@each_comparison
@each_precision
def test_what_the_reference_answers_is_reproduced_in_another_process(
    comparison: Comparison, precision: Precision, two: tuple[Package, Package]
) -> None:
    for asked in comparison.questions(SEEDS, precision):
        one, other = (comparison.ask(oracle, asked) for oracle in two)

        assert one
        assert first_difference(one, other) is None


@each_comparison
def test_lanes_take_the_reference_for_right_and_a_changed_answer_for_wrong(
    comparison: Comparison, two: tuple[Package, Package]
) -> None:
    for asked in comparison.questions(SEEDS, "float64"):
        answer = comparison.ask(two[0], asked)
        floats = [name for name, array in answer.items() if array.dtype.kind == "f" and array.size]
        for _, agree in comparison.lanes:
            assert agree(answer, answer)
            # Where the softmax is in float32 on purpose, a run is judged by its losses, and not by where it ends.
            judged = [name for name in floats if agree is not losses_agree or not name.startswith(LAST)]
            for name in judged:
                assert not agree({**answer, name: answer[name] + 0.1}, answer), name
            assert not agree({}, answer)


@each_comparison
def test_a_facet_without_lanes_has_its_reason(comparison: Comparison) -> None:
    """Only what draws numbers, or takes no arithmetic of one's own, has to agree bit for bit."""
    assert bool(comparison.lanes) is (comparison.id not in ("initialisation", "parameters", "errors", "cache-errors"))


@pytest.mark.parametrize("name", ["errors", "cache-errors"])
def test_all_that_has_to_be_refused_is_refused_by_the_reference_with_a_value_error(
    name: str, two: tuple[Package, Package]
) -> None:
    for asked in BY_ID[name].questions(SEEDS, "float32"):
        with pytest.raises(PackageRaised) as told:
            two[0].ask(*asked)

        assert told.value.is_a("ValueError")
        assert BY_ID[name].ask(two[0], asked)["refused"].tolist() == [1]
