"""From verdicts to points: what is not passed earns nothing, guards take, and what is blocked is no failure."""

import pytest

from grader.exercise.model import Item, builtin_exercise
from grader.grading.scoring import FAILURES, Verdict, exact_id, roles, score
from grader.result.record import Outcome, Role, Status

BUG = Item(id="bug", title="Bug", kind="bug", points=15, exact=3, earns={"a": 6, "b": 4, "c": 2}, takes={"guard": 8})
EXTENSION = Item(id="ext", title="Ext", kind="extension", points=20, earns={"a": 15, "b": 5}, essential=("b",))
ITEMS = builtin_exercise().rubric.item
PASSED, FAILED, BLOCKED = Outcome.PASSED, Outcome.FAILED, Outcome.BLOCKED
failures = pytest.mark.parametrize("outcome", sorted(FAILURES))


def verdicts(item: Item, **others: Outcome) -> dict[str, Verdict]:
    """Everything passed but ``others``."""
    return {
        check: Verdict(
            outcome=others.get(check.replace("-", "_"), PASSED),
            message=f"about {check}",
            blocked_by=("other",) if others.get(check.replace("-", "_")) is BLOCKED else (),
        )
        for check in roles(item)
    }


@pytest.mark.parametrize("item", [BUG, EXTENSION, *ITEMS], ids=lambda item: item.id)
def test_all_passed_is_full_marks(item: Item) -> None:
    scored = score(item, verdicts(item), bug_left=False)

    assert (scored.score, scored.max_score) == (item.points, item.points)
    assert scored.status is (Status.FIXED if item.kind == "bug" else Status.BUILT)


@failures
@pytest.mark.parametrize("item", [BUG, EXTENSION, *ITEMS], ids=lambda item: item.id)
def test_all_failed_is_nothing(item: Item, outcome: Outcome) -> None:
    scored = score(item, dict.fromkeys(roles(item), Verdict(outcome=outcome)), bug_left=False)

    assert (scored.score, scored.max_score) == (0, item.points)
    assert scored.status is (Status.NOT_FIXED if item.kind == "bug" else Status.WRONG)


@pytest.mark.parametrize("item", [BUG, EXTENSION, *ITEMS], ids=lambda item: item.id)
def test_a_missing_verdict_is_a_failure(item: Item) -> None:
    assert score(item, {}, bug_left=False).score == 0
    for check in roles(item):
        rest = {name: verdict for name, verdict in verdicts(item).items() if name != check}

        assert score(item, rest, bug_left=False).score < item.points


@failures
def test_a_failed_check_earns_nothing(outcome: Outcome) -> None:
    scored = score(BUG, verdicts(BUG, b=outcome), bug_left=False)

    assert (scored.score, scored.status) == (11, Status.PARTLY)
    assert scored.parts == {"a": (6, 6), "b": (0, 4), "c": (2, 2), "guard": (0, 8), "bug-is-exact": (3, 3)}
    assert scored.summary == "1 of 4 checks failed; the first says: about b"


@failures
def test_a_guard_takes_and_never_below_nothing(outcome: Outcome) -> None:
    assert score(BUG, verdicts(BUG, guard=outcome), bug_left=False).score == 7
    assert score(BUG, verdicts(BUG, guard=outcome), bug_left=False).status is Status.PARTLY
    assert score(BUG, verdicts(BUG, guard=outcome, a=FAILED, b=FAILED), bug_left=False).score == 0


def test_a_passed_guard_earns_nothing() -> None:
    only_the_guard = verdicts(BUG, a=FAILED, b=FAILED, c=FAILED, bug_is_exact=FAILED)

    assert score(BUG, only_the_guard, bug_left=False).score == 0


def test_a_blocked_check_leaves_the_denominator() -> None:
    assert score(BUG, verdicts(BUG, a=BLOCKED), bug_left=False).score == 15
    assert score(BUG, verdicts(BUG, a=BLOCKED, b=FAILED), bug_left=False).score == round(15 * 5 / 9, 2)
    assert score(BUG, verdicts(BUG, a=BLOCKED), bug_left=False).status is Status.FIXED
    assert "other" in score(BUG, verdicts(BUG, a=BLOCKED), bug_left=False).summary


def test_exactness_that_is_blocked_stays_in_the_denominator() -> None:
    alone, beside_another = (score(BUG, verdicts(BUG, bug_is_exact=o), bug_left=False) for o in (FAILED, BLOCKED))

    assert beside_another.score == alone.score < 15
    assert beside_another.status is Status.FIXED
    assert "other" in beside_another.summary


def test_a_blocked_guard_takes_nothing() -> None:
    assert score(BUG, verdicts(BUG, guard=BLOCKED), bug_left=False).score == 15


def test_points_that_wait_beside_a_guard_that_waits_leave_an_item_partly_right() -> None:
    scored = score(BUG, verdicts(BUG, a=BLOCKED, guard=BLOCKED), bug_left=False)

    assert (scored.score, scored.status) == (9, Status.PARTLY)
    assert scored.summary == "All checks that could run passed; the others wait for other."


@pytest.mark.parametrize("item", [BUG, EXTENSION, *ITEMS], ids=lambda item: item.id)
def test_all_blocked_is_nothing_and_names_the_blocker(item: Item) -> None:
    blocked = dict.fromkeys(roles(item), Verdict(outcome=BLOCKED, blocked_by=("masking",)))
    scored = score(item, blocked, bug_left=False)

    assert (scored.score, scored.max_score) == (0, item.points)
    assert scored.status is Status.WAITS
    assert "masking" in scored.summary


@pytest.mark.parametrize("item", [BUG, *ITEMS[:4]], ids=lambda item: item.id)
def test_an_item_whose_own_bug_is_known_to_be_in_waits_for_nothing(item: Item) -> None:
    blocked = dict.fromkeys(roles(item), Verdict(outcome=BLOCKED, blocked_by=("masking",)))

    assert score(item, blocked, bug_left=True).status is Status.NOT_FIXED


@pytest.mark.parametrize("item", [item for item in (EXTENSION, *ITEMS) if item.kind != "bug"], ids=lambda item: item.id)
def test_what_says_itself_that_it_is_not_built_is_not_built_and_the_rest_is_wrong(item: Item) -> None:
    unbuilt = Verdict(outcome=Outcome.BROKEN, unbuilt=True)
    crashed = Verdict(outcome=Outcome.BROKEN)
    first, *others = roles(item)

    assert score(item, dict.fromkeys(roles(item), unbuilt), bug_left=False).status is Status.NOT_BUILT
    assert score(item, dict.fromkeys(roles(item), crashed), bug_left=False).status is Status.WRONG
    waits = dict.fromkeys(others, Verdict(outcome=BLOCKED, blocked_by=("masking",)))
    assert score(item, {first: unbuilt} | waits, bug_left=False).status is Status.NOT_BUILT


def test_what_blocks_an_item_is_called_by_its_title() -> None:
    titles = {"masking": "Attention masking", "position": "Positional addition"}
    verdict = Verdict(outcome=BLOCKED, blocked_by=("masking", "position"))
    all_, one = dict.fromkeys(roles(BUG), verdict), verdicts(BUG) | {"a": verdict}

    assert score(BUG, all_, bug_left=False, titles=titles).summary == (
        "Not graded yet: first fix Attention masking, Positional addition."
    )
    assert score(BUG, one, bug_left=False, titles=titles).summary == (
        "All checks that could run passed; the others wait for Attention masking, Positional addition."
    )


def test_one_check_that_was_not_judged_makes_the_item_not_judged() -> None:
    scored = score(BUG, verdicts(BUG, a=Outcome.NOT_JUDGED, b=FAILED), bug_left=False)

    assert (scored.status, scored.score, scored.max_score) == (Status.NOT_JUDGED, 0, 0)


def test_a_bug_that_the_lattice_finds_is_not_fixed_whatever_else_passes() -> None:
    scored = score(BUG, verdicts(BUG), bug_left=True)

    assert (scored.score, scored.status) == (0, Status.NOT_FIXED)
    assert "still in" in scored.summary


@pytest.mark.parametrize("outcome", [*sorted(FAILURES), BLOCKED])
def test_without_what_is_essential_nothing_counts(outcome: Outcome) -> None:
    assert score(EXTENSION, verdicts(EXTENSION, b=outcome), bug_left=False).score == 0


def test_behaviour_without_exactness_is_fixed_and_short_of_full_marks() -> None:
    scored = score(BUG, verdicts(BUG, bug_is_exact=FAILED), bug_left=False)

    assert (scored.score, scored.status) == (12, Status.FIXED)
    assert "not the reference's bit for bit" in scored.summary


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_the_parts_of_an_item_add_up_to_its_points(item: Item) -> None:
    worth = {role: sum(points for kind, points in roles(item).values() if kind is role) for role in Role}

    assert worth[Role.EARNS] + worth[Role.EXACT] == item.points
    assert (exact_id(item) in roles(item)) is bool(item.exact)


HALTED = Verdict(outcome=BLOCKED, message="cannot be judged before model.py runs")


@pytest.mark.parametrize("item", [BUG, EXTENSION, *ITEMS], ids=lambda item: item.id)
def test_what_waits_for_the_code_to_run_waits_and_says_so(item: Item) -> None:
    scored = score(item, dict.fromkeys(roles(item), HALTED), bug_left=False)

    assert (scored.status, scored.score, scored.max_score) == (Status.WAITS, 0, item.points)
    assert scored.summary == "It cannot be judged before model.py runs."


def test_code_that_does_not_run_excuses_no_check_from_the_total() -> None:
    """Else who breaks one file would have all points for the checks of the other."""
    told = verdicts(BUG) | {"a": HALTED, "b": HALTED}
    excused = verdicts(BUG, a=BLOCKED, b=BLOCKED)

    assert (score(BUG, told, bug_left=False).score, score(BUG, told, bug_left=False).status) == (5, Status.PARTLY)
    assert score(BUG, excused, bug_left=False).score == 15


def test_what_an_item_waits_for_is_named_in_the_order_of_its_checks() -> None:
    """Two threads ask them: which of two files is named must not hang on which thread was first."""
    halted = {check: Verdict(outcome=BLOCKED, message=f"waits for {check}") for check in roles(EXTENSION)}
    asked_backwards = dict(reversed(halted.items()))

    assert score(EXTENSION, asked_backwards, bug_left=False).summary == "It waits for a."
