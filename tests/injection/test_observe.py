"""What is seen of a bug: by checks on every seed, by bits in the comparisons, and how far it moves the answers."""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from grader.checks.check import Check, CheckFailed, Context
from grader.comparisons.comparison import Asked, Comparison
from grader.exercise.model import Exercise
from grader.injection.choose import mutants
from grader.injection.observe import Observation, Observer
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Precision, Rates
from grader.seeds import Seeds
from mutations.catalogue import operator

SEEDS = (7, 8, 9)


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


def package(rate: str) -> dict[str, str]:
    """The least that has a learning rate."""
    train = f"import time\n\nTrainConfig = dict\n\n\ndef learning_rate(step, config):\n    return {rate}\n"
    return {"model.py": "", "train.py": train}


def comparison(name: str, *steps: int) -> Comparison:
    """Compares by the learning rate at each of these steps, a question for each."""

    def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
        return [(Rates(train={}, steps=(step,)), {}) for step in steps]

    return Comparison(id=name, questions=questions, describe=str)


def failing_on(name: str, *seeds: int) -> Check:
    """Fails on these seeds, whatever it is asked about."""

    def holds(case: int, context: Context) -> None:
        if context.seeds.grade in seeds:
            raise CheckFailed("wrong", "it is right", "it is wrong")

    return Check(id=name, family="masking", cases=st.just(0), holds=holds, examples=1)


def observed(worker_pool: WorkerPool, rate: str, *comparisons: Comparison, of: str = "1.0 + step") -> Observation:
    return Observer(worker_pool, package(of), (), SEEDS, comparisons).observe(package(rate))


def test_a_check_that_fails_on_some_seeds_alone_does_not_see_the_bug(worker_pool: WorkerPool) -> None:
    checks = [failing_on("always", *SEEDS), failing_on("first", 7), failing_on("not-last", 7, 8), failing_on("last", 9)]
    seen = Observer(worker_pool, package("1.0"), checks, SEEDS, ()).observe(package("2.0"))

    assert seen.killed_by == ("always",)
    assert seen.detections == (3, 2, 1)


def test_the_first_check_that_sees_a_bug_is_the_first_of_those_that_were_given(worker_pool: WorkerPool) -> None:
    one, other = failing_on("one", 7), failing_on("other", 7)
    observer = Observer(worker_pool, package("1.0"), (), SEEDS, ())

    assert observer.first_killer(package("2.0"), [failing_on("none"), other, one]) is other
    assert observer.first_killer(package("2.0"), [failing_on("later", 8)]) is None


def fails_when_large(case: int, context: Context) -> None:
    if case > 64:
        raise CheckFailed("wrong", "it is right", "it is wrong")


@pytest.mark.parametrize(("at_sizes", "killed_by"), [(True, ("large",)), (False, ())])
def test_larger_cases_are_asked_where_they_are_wanted(
    worker_pool: WorkerPool, at_sizes: bool, killed_by: tuple[str, ...]
) -> None:
    check = Check(
        id="large",
        family="masking",
        cases=st.just(0),
        holds=fails_when_large,
        examples=1,
        at_size=lambda extent: extent.tokens,
    )

    seen = Observer(worker_pool, package("1.0"), [check], [7], (), at_sizes=at_sizes).observe(package("2.0"))

    assert seen.killed_by == killed_by


def test_a_bug_shows_in_the_facets_where_any_answer_has_other_bits(worker_pool: WorkerPool) -> None:
    seen = observed(
        worker_pool, "1.0 + step + (step == 3) * 1e-12", comparison("early", 0, 1), comparison("late", 1, 2, 3)
    )

    assert seen.shows_in == ("late",)
    assert seen.crashes_in == ()
    assert 0 < seen.effect < 1e-11


def test_the_effect_is_the_largest_change_of_all_beside_the_largest_value_there(worker_pool: WorkerPool) -> None:
    seen = observed(worker_pool, "1.0 + step * 1.5", comparison("one", 0, 1), comparison("other", 3))

    assert seen.effect == pytest.approx(1.5 / 4)
    assert observed(worker_pool, "-1e9", comparison("one", 1)).effect == 1


@pytest.mark.parametrize(
    ("rate", "unsteady_in"), [("2.0", ()), ("float(time.time_ns())", ("rate",))], ids=["steady", "unsteady"]
)
def test_what_answers_otherwise_in_another_process_is_unsteady(
    rate: str, unsteady_in: tuple[str, ...], worker_pool: WorkerPool
) -> None:
    seen = observed(worker_pool, rate, comparison("rate", 0))

    assert (seen.shows_in, seen.unsteady_in) == (("rate",), unsteady_in)


@pytest.mark.parametrize("rate", ["float('nan') if step == 1 else 1.0 + step", "1 / 0 if step == 1 else 1.0 + step"])
def test_what_raises_or_is_no_number_crashes_the_comparison(rate: str, worker_pool: WorkerPool) -> None:
    seen = observed(worker_pool, rate, comparison("without", 0, 2), comparison("with", 0, 1))

    assert (seen.shows_in, seen.crashes_in, seen.effect) == (("with",), ("with",), 1)


def test_what_the_reference_cannot_answer_tells_no_bug(worker_pool: WorkerPool) -> None:
    seen = observed(
        worker_pool, "2.0", comparison("lacking", 1), comparison("answered", 0), of="1.0 if step == 0 else 1 / 0"
    )

    assert seen.shows_in == ("answered",)


@pytest.mark.parametrize(("rate", "shows_in"), [("1.0", ()), ("time.time_ns()", ("rate",))], ids=["steady", "unsteady"])
def test_a_reference_is_seen_to_reproduce_itself_or_not_to(
    rate: str, shows_in: tuple[str, ...], worker_pool: WorkerPool
) -> None:
    assert (
        Observer(worker_pool, package(rate), (), SEEDS, [comparison("rate", 0)]).observe_reference().shows_in
        == shows_in
    )


@pytest.mark.parametrize(
    ("operator_id", "comparison_id"),
    [
        ("remainder-of-the-width-unchecked", "errors"),
        ("length-checked-without-the-cache", "cache-errors"),
        ("smaller-cache-let-through", "cache-errors"),
    ],
)
def test_a_bug_that_only_changes_an_error_shows_in_what_has_to_be_refused_and_nowhere_else(
    operator_id: str, comparison_id: str, worker_pool: WorkerPool, exercise: Exercise
) -> None:
    (bug,) = mutants(exercise.reference, [operator(operator_id)])
    seen = Observer(worker_pool, exercise.reference, (), SEEDS).observe(bug.files(exercise.reference))

    assert (seen.shows_in, seen.crashes_in, seen.effect) == ((comparison_id,), (), 1)


def test_of_what_the_comparisons_decide_no_check_is_asked(worker_pool: WorkerPool) -> None:
    checks = [failing_on("always", *SEEDS)]
    observer = Observer(worker_pool, package("1.0"), checks, SEEDS, [comparison("rate", 0)])

    decided = observer.observe(package("2.0"), lambda seen: seen.effect > 0.5)
    assert (decided.shows_in, decided.killed_by, decided.detections) == (("rate",), (), ())
    undecided = observer.observe(package("1.2"), lambda seen: seen.effect > 0.5)
    assert (undecided.shows_in, undecided.killed_by, undecided.detections) == (("rate",), ("always",), (1, 1, 1))
