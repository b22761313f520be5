"""Each rule of an exercise is broken by itself, and then says so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from grader.errors import UsageError
from grader.exercise import rules
from grader.exercise.model import Exercise, Item
from grader.exercise.rules import RULES, Rule, validate

Change = Callable[[Exercise], Exercise]


def rubric(change: Callable[[Exercise], dict[str, Any]]) -> Change:
    """The exercise with other fields of the rubric."""
    return lambda exercise: replace(exercise, rubric=changed(exercise.rubric, **change(exercise)))


def first_item(**fields: Any) -> Change:
    """The exercise with other fields of its first item."""
    return rubric(lambda exercise: {"item": (changed(exercise.rubric.item[0], **fields), *exercise.rubric.item[1:])})


def first_bug(**fields: Any) -> Change:
    """The exercise with other fields of its first bug."""

    def change(exercise: Exercise) -> Exercise:
        bugs = (changed(exercise.key.bugs[0], **fields), *exercise.key.bugs[1:])
        return replace(exercise, key=changed(exercise.key, bugs=bugs))

    return change


def followup(**fields: Any) -> Change:
    """The exercise with one follow-up more."""
    return rubric(lambda exercise: {"followup": (*exercise.rubric.followup, Item(title="One more", **fields))})


BROKEN: dict[str, tuple[Rule, Change, str]] = {
    "format": (
        rules.key_has_a_known_format,
        lambda exercise: replace(exercise, key=changed(exercise.key, format=2)),
        "its key.json has format=2; this grader reads format 1",
    ),
    "file": (
        rules.reference_has_every_file,
        lambda exercise: replace(exercise, reference={"train.py": ""}),
        "its reference has no model.py",
    ),
    "item-twice": (
        rules.names_are_unique,
        rubric(lambda exercise: {"item": exercise.rubric.item * 2}),
        "it has the item 'masking' twice",
    ),
    "comparison-twice": (
        rules.names_are_unique,
        rubric(lambda exercise: {"comparisons": ("forward", "forward")}),
        "it has the comparison 'forward' twice",
    ),
    "no-item": (rules.there_is_an_item, rubric(lambda _: {"item": ()}), "it has no item"),
    "metric": (
        rules.no_item_is_called_as_another_metric,
        first_item(id="score"),
        "it has the item 'score'; score, solved, reward are the names of other metrics",
    ),
    "own-tests": (
        rules.followups_can_be_asked,
        followup(id="mine", kind="tests", points=1),
        "the follow-up 'mine' is about own tests: it needs mutants, and no check earns or takes",
    ),
    "not-essential": (
        rules.followups_can_be_asked,
        followup(id="mine", kind="followup", points=1, exact=1),
        "the follow-up 'mine' needs kind = \"followup\" and an essential check to be known as built",
    ),
    "hangs-on-nothing": (
        rules.checks_exist_and_share_the_points,
        first_item(core=("logits-are-finite",)),
        "item 'masking' hangs on the check 'logits-are-finite', which earns nothing in it",
    ),
    "no-such-check": (
        rules.checks_exist_and_share_the_points,
        first_item(takes={"past-is-lost": 1.0}),
        "item 'masking' names the check 'past-is-lost', which does not exist",
    ),
    "points": (
        rules.checks_exist_and_share_the_points,
        first_item(earns={}, exact=0.0, core=()),
        "nothing earns the 15 points of item 'masking'; give a check in earns a weight, or exact",
    ),
    "cents": (
        rules.checks_exist_and_share_the_points,
        first_item(points=14.995),
        "item 'masking' has points = 14.995; expected at most two digits behind the point",
    ),
    "no-such-comparison": (
        rules.comparisons_exist,
        rubric(lambda exercise: {"comparisons": (*exercise.rubric.comparisons, "backward")}),
        "its facets name 'backward', which does not exist; expected some of forward, ",
    ),
    "no-such-twin": (
        rules.twins_exist_and_cost_something,
        rubric(lambda _: {"twins": {"triplet": ("masking",)}}),
        "its twins name 'triplet', which does not exist; expected some of ",
    ),
    "twin-of-no-item": (
        rules.twins_exist_and_cost_something,
        rubric(lambda exercise: {"twins": dict.fromkeys(exercise.rubric.twins, ("nothing",))}),
        "names the item 'nothing'; expected one that earns points for exactness",
    ),
    "library": (
        rules.its_library_is_installed,
        lambda exercise: replace(
            exercise, reference={**exercise.reference, "adapter.py": 'IMPORTS = ("antigravity",)\n'}
        ),
        "IMPORTS of adapter.py names 'antigravity'; expected 'transformers' or a configuration in it",
    ),
    "bug-of-no-item": (
        rules.bugs_belong_to_items_and_show,
        first_bug(item="nothing"),
        "key.json has a bug for the item 'nothing', which does not exist",
    ),
    "bug-that-does-not-show": (
        rules.bugs_belong_to_items_and_show,
        first_bug(shows_in=("heads",)),
        "shows in none of the facets that are compared",
    ),
    "hints-of-a-bug": (
        rules.hints_of_a_bug_lie_in_the_key,
        first_item(hints=("what", "where", "how")),
        "item 'masking' is a bug and has hints in exercise.toml, where they are not read; expected them as the hints "
        "of its bug in key.json: move them there",
    ),
    "edit": (rules.edits_can_be_made, first_bug(before="other text"), "its bugs and gaps cannot be planted: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_that_is_broken_says_so(case: str, exercise: Exercise) -> None:
    rule, change, complaint = BROKEN[case]

    assert list(rule(exercise)) == []
    assert any(complaint in said for said in rule(change(exercise)))


def test_the_first_rule_that_is_broken_is_named_with_the_exercise(exercise: Exercise) -> None:
    validate(exercise)
    twice = first_item(points=14.995)(BROKEN["format"][1](exercise))

    with pytest.raises(UsageError, match=rf"^bad exercise '{exercise.rubric.id}': its key\.json has format=2; "):
        validate(twice)


def test_every_rule_is_broken_here() -> None:
    assert {rule for rule, _, _ in BROKEN.values()} == set(RULES)
