"""A failure that follows from another item's is that item's, unless some variant agrees exactly."""

from collections.abc import Collection

from grader.checks.compare import Difference
from grader.exercise.model import Exercise
from grader.grading.attribution import Verdicts, blame
from grader.grading.diagnosis import Diagnosis
from grader.grading.scoring import Verdict, exact_id, roles
from grader.grading.variants import Match
from grader.result.record import Lane, Outcome

DIFFERENCE = Difference(tensor="logits.0", element=(0, 1), actual="0.25", expected="0.5", ulps=3)
NO_VARIANT = Match(bugs=None, lane=Lane.BEHAVIOUR)


def judged(
    exercise: Exercise,
    *failing: str,
    forward: Match = NO_VARIANT,
    unbuilt: bool = False,
    answered: Collection[str] = (),
    not_finite: str | None = None,
) -> dict[str, tuple[str, ...]]:
    """By check that is blocked after all checks passed but these, what it is blocked by."""
    items = (*exercise.rubric.item, *exercise.rubric.followup)
    comparison = Diagnosis(exercise, {"forward": forward, "training": Match(bugs=frozenset(), lane=Lane.BITWISE)})
    verdicts: Verdicts = {
        item.id: {
            check: Verdict(
                outcome=Outcome.FAILED if check in failing else Outcome.PASSED,
                unbuilt=unbuilt,
                answered=check in answered,
            )
            for check in roles(item)
        }
        for item in items
    }
    after = blame(items, verdicts, comparison, not_finite)
    found = {check: verdict for of_item in after.values() for check, verdict in of_item.items()}
    blocked = {check: verdict.blocked_by for check, verdict in found.items() if verdict.outcome is Outcome.BLOCKED}
    left = {check for check, verdict in found.items() if verdict.outcome is Outcome.FAILED}
    assert left == set(failing) - set(blocked)
    return blocked


def test_what_cannot_be_told_before_another_item_is_right_is_that_items(exercise: Exercise) -> None:
    assert judged(exercise, "forward-runs", "order-matters") == {"order-matters": ("projection",)}
    assert judged(exercise, "past-is-seen", "cache-grows") == {"cache-grows": ("masking",)}


def test_what_waits_for_something_that_waits_itself_names_what_can_be_mended(exercise: Exercise) -> None:
    waiting = ("future-is-hidden", "past-is-seen", "position-row-reach", "cached-equals-full")

    assert judged(exercise, "forward-runs", *waiting) == dict.fromkeys(waiting, ("projection",))


def test_what_waits_for_two_things_names_both_of_which_neither_waits(exercise: Exercise) -> None:
    """Where the mask's failure is an answer, it is its own: a forward that fails for some sizes excuses no leak."""
    found = judged(exercise, "forward-runs", "future-is-hidden", "position-row-reach", answered=("future-is-hidden",))

    assert found == {"position-row-reach": ("masking", "projection")}


def test_what_fails_by_itself_is_its_own(exercise: Exercise) -> None:
    assert judged(exercise, "order-matters") == {}
    assert judged(exercise, "forward-runs", "logits-width") == {}  # both are the projection's
    assert judged(exercise, "learning-rate-schedule", "order-matters") == {}  # one does not need the other


def test_where_a_variant_agrees_it_was_told_apart_already(exercise: Exercise) -> None:
    exact = Match(bugs=frozenset({"masking"}), lane=Lane.BITWISE)

    assert judged(exercise, "past-is-seen", "cache-grows", forward=exact) == {}


def test_a_variant_that_agrees_excuses_nobody_who_fails_where_nothing_was_compared(exercise: Exercise) -> None:
    exact = Match(bugs=frozenset(), lane=Lane.BITWISE)

    assert judged(exercise, "future-is-hidden", "position-row-reach", forward=exact) == {
        "position-row-reach": ("masking",)
    }


def test_what_needs_an_extension_is_that_extensions_however_exact_the_model_is(exercise: Exercise) -> None:
    exact = Match(bugs=frozenset(), lane=Lane.BITWISE)

    assert judged(exercise, "cached-equals-full", "ragged-rows-equal-alone", forward=exact) == {
        "ragged-rows-equal-alone": ("kv-cache",)
    }
    assert judged(exercise, "ragged-rows-equal-alone", forward=exact) == {}


def test_what_is_not_built_is_nobody_elses(exercise: Exercise) -> None:
    assert judged(exercise, "past-is-seen", "cache-grows", unbuilt=True) == {}


def test_no_other_item_is_inexact_for_a_failure_that_is_not_its_own(exercise: Exercise) -> None:
    inexact = [exact_id(exercise.items[name]) for name in ("masking", "position", "projection")]

    assert judged(exercise, "order-matters", *inexact) == {
        exact_id(exercise.items[name]): ("position",) for name in ("masking", "projection")
    }
    assert judged(exercise, *inexact) == {}


def test_without_numbers_nothing_that_needs_them_has_passed_or_failed(exercise: Exercise) -> None:
    blocked = judged(exercise, "logits-are-finite", "position-is-exact", "learns-any-map", not_finite="masking")

    assert set(blocked.values()) == {("masking",)}
    assert {"future-is-hidden", "position-row-reach", "position-is-exact", "cache-travels", "evaluate-is-honest"} <= (
        blocked.keys()
    )
    assert not blocked.keys() & {"logits-are-finite", "forward-runs", "parameters-move", "training-step-is-exact"}


def test_what_says_itself_that_it_is_not_built_waits_for_no_numbers(exercise: Exercise) -> None:
    assert judged(exercise, "logits-are-finite", "cache-grows", unbuilt=True, not_finite="masking").keys() == set()


def charged(exercise: Exercise, *failing: str, lane: Lane = Lane.FLOAT64) -> dict[str, Outcome]:
    """What comes of the exactness of each bug, where forward and training differ from the solution's in that lane."""
    match = Match(bugs=frozenset(), lane=lane, difference=DIFFERENCE, where="one forward", furthest=3)
    comparison = Diagnosis(exercise, {"forward": match, "training": match}, reordered={"forward": "model.py, line 57"})
    bugs = [item for item in exercise.rubric.item if item.kind == "bug"]
    verdicts = {
        item.id: {
            check: Verdict(outcome=Outcome.FAILED if check in failing else Outcome.PASSED) for check in roles(item)
        }
        | {exact_id(item): comparison.exactness(item.id)}
        for item in bugs
    }
    after = blame(bugs, verdicts, comparison)
    return {item.id: after[item.id][exact_id(item)].outcome for item in bugs}


def test_what_differs_by_rounding_in_one_file_is_charged_once(exercise: Exercise) -> None:
    assert charged(exercise) == {
        "masking": Outcome.FAILED,
        "position": Outcome.PASSED,
        "projection": Outcome.PASSED,
        "training-step": Outcome.FAILED,
    }


def test_it_is_charged_where_there_are_points_to_lose(exercise: Exercise) -> None:
    assert charged(exercise, "future-is-hidden") == {
        "masking": Outcome.PASSED,
        "position": Outcome.FAILED,
        "projection": Outcome.PASSED,
        "training-step": Outcome.FAILED,
    }


def test_what_is_taken_in_float32_alone_is_no_rounding(exercise: Exercise) -> None:
    assert set(charged(exercise, lane=Lane.FLOAT32).values()) == {Outcome.FAILED}


def test_who_is_charged_is_told_where_and_how_far_apart_and_the_others_where_it_was_charged(
    exercise: Exercise,
) -> None:
    match = Match(bugs=frozenset(), lane=Lane.FLOAT64, difference=DIFFERENCE, where="one forward", furthest=3)
    comparison = Diagnosis(exercise, {"forward": match}, reordered={"forward": "model.py, line 57: x = y"})
    bugs = [exercise.items["masking"], exercise.items["position"]]

    after = blame(bugs, {item.id: {exact_id(item): comparison.exactness(item.id)} for item in bugs}, comparison)

    assert after["masking"]["masking-is-exact"].message == (
        "right up to rounding: an operation stands in another order than in the starter (model.py, line 57: x = y); "
        "at most 4 ULP of float32 apart; in one forward, the first to differ is logits.0 [0, 1]: 0.25"
    )
    assert after["position"]["position-is-exact"].message == (
        "right up to rounding; the points for that are taken once, at Attention masking"
    )
