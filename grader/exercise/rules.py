"""What an exercise has to be for a grade to be fair, one rule after another; the first that is broken is named."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from grader.checks.catalogue import BY_ID
from grader.comparisons.catalogue import BY_ID as COMPARISONS
from grader.comparisons.catalogue import TWIN_BY_ID
from grader.errors import UsageError
from grader.exercise.key import FORMAT
from grader.exercise.model import Exercise, Item
from grader.sandbox.preloaded import what_is_missing

TAKEN: Final = ("score", "solved", "reward")  # where every item is a metric, by its id, these stand beside them

Rule = Callable[[Exercise], Iterator[str]]
"""Says what is wrong with an exercise, if anything is."""


def validate(exercise: Exercise) -> None:
    """Raise ``UsageError`` for the first rule that the exercise breaks."""
    for rule in RULES:
        for complaint in rule(exercise):
            raise UsageError(f"bad exercise {exercise.rubric.id!r}: {complaint}")


def key_has_a_known_format(exercise: Exercise) -> Iterator[str]:
    """Another format means other things by the same names."""
    if exercise.key.format != FORMAT:
        yield f"its key.json has format={exercise.key.format!r}; this grader reads format {FORMAT}"


def reference_has_every_file(exercise: Exercise) -> Iterator[str]:
    """model.py, and train.py unless an adapter says where the loop is; and each file that a bug or a gap is in."""
    required = {"model.py", "train.py"} if exercise.adapter is None else {"model.py"}
    for file in sorted(required | {planted.file for planted in (*exercise.key.bugs, *exercise.key.stubs)}):
        if file not in exercise.reference:
            yield f"its reference has no {file}"


def its_library_is_installed(exercise: Exercise) -> Iterator[str]:
    """What its model is built on, of which the adapter.py imports something."""
    if missing := what_is_missing(exercise.adapter):
        yield missing


def names_are_unique(exercise: Exercise) -> Iterator[str]:
    """Items and follow-ups share their names' space."""
    items = [item.id for item in _all_items(exercise)]
    for what, names in (("item", items), ("comparison", list(exercise.rubric.comparisons))):
        for name in names:
            if names.count(name) > 1:
                yield f"it has the {what} {name!r} twice"


def there_is_an_item(exercise: Exercise) -> Iterator[str]:
    """Without one there are no points."""
    if not exercise.rubric.item:
        yield "it has no item"


def no_item_is_called_as_another_metric(exercise: Exercise) -> Iterator[str]:
    """Where every item is a metric, its id must not be that of the total."""
    for item in _all_items(exercise):
        if item.id in TAKEN:
            yield f"it has the item {item.id!r}; {', '.join(TAKEN)} are the names of other metrics"


def followups_can_be_asked(exercise: Exercise) -> Iterator[str]:
    """One about own tests needs mutants and no checks; any other has to be known as built."""
    for item in exercise.rubric.followup:
        if item.kind == "tests":
            if not item.mutants or item.earns or item.takes or item.exact:
                yield f"the follow-up {item.id!r} is about own tests: it needs mutants, and no check earns or takes"
        elif item.kind != "followup" or not item.essential:
            yield f'the follow-up {item.id!r} needs kind = "followup" and an essential check to be known as built'


def checks_exist_and_share_the_points(exercise: Exercise) -> Iterator[str]:
    """Of every item that is asked by checks, in the rubric's order."""
    for item in _all_items(exercise):
        if item.kind != "tests":
            yield from _hangs_on_what_earns(item)
            yield from _names_checks_that_exist(item)
            yield from _shares_its_points(item)


def comparisons_exist(exercise: Exercise) -> Iterator[str]:
    """What a candidate is compared by."""
    for comparison in exercise.rubric.comparisons:
        if comparison not in COMPARISONS:
            yield f"its facets name {comparison!r}, which does not exist; expected some of {', '.join(COMPARISONS)}"


def twins_exist_and_cost_something(exercise: Exercise) -> Iterator[str]:
    """A twin that differs is charged to items that earn points for exactness."""
    for twin, charged in exercise.rubric.twins.items():
        if twin not in TWIN_BY_ID:
            yield f"its twins name {twin!r}, which does not exist; expected some of {', '.join(TWIN_BY_ID)}"
        for name in charged:
            if name not in exercise.items or not exercise.items[name].exact:
                yield f"its twin {twin!r} names the item {name!r}; expected one that earns points for exactness"


def bugs_belong_to_items_and_show(exercise: Exercise) -> Iterator[str]:
    """Where no comparison shows a bug, nothing tells whether it is fixed."""
    for bug in exercise.key.bugs:
        if bug.item not in exercise.items:
            yield f"key.json has a bug for the item {bug.item!r}, which does not exist"
        if not exercise.comparisons_of(bug.item):
            yield f"the bug of the item {bug.item!r} shows in none of the facets that are compared"


def edits_can_be_made(exercise: Exercise) -> Iterator[str]:
    """The starter is the reference with all of them made."""
    try:
        exercise.starter()
    except Exception as error:
        if changed := changed_since(exercise):
            yield (
                f"its reference was changed since its bugs were planted ({', '.join(changed)}); `grader verify "
                "--renew` finds their places again and proves it anew"
            )
        yield f"its bugs and gaps cannot be planted: {error}"


def hints_of_a_bug_lie_in_the_key(exercise: Exercise) -> Iterator[str]:
    """Those in exercise.toml would be shown to nobody."""
    bugs = {bug.item for bug in exercise.key.bugs}
    for item in exercise.rubric.item:
        if item.id in bugs and item.hints is not None:
            yield (
                f"item {item.id!r} is a bug and has hints in exercise.toml, where they are not read; expected them as "
                "the hints of its bug in key.json: move them there"
            )


RULES: Final[tuple[Rule, ...]] = (
    key_has_a_known_format,
    reference_has_every_file,
    its_library_is_installed,
    names_are_unique,
    there_is_an_item,
    no_item_is_called_as_another_metric,
    followups_can_be_asked,
    checks_exist_and_share_the_points,
    comparisons_exist,
    twins_exist_and_cost_something,
    bugs_belong_to_items_and_show,
    edits_can_be_made,
    hints_of_a_bug_lie_in_the_key,
)


def changed_since(exercise: Exercise) -> list[str]:
    """The files of the reference that bugs are planted in and that are not what key.json was made for."""
    hashes = exercise.key.hashes
    files = (
        {entry.file for entry in (*exercise.key.bugs, *exercise.key.stubs)} & exercise.reference.keys() & hashes.keys()
    )
    return sorted(
        file for file in files if hashlib.sha256(exercise.reference[file].encode()).hexdigest() != hashes[file]
    )


def _all_items(exercise: Exercise) -> tuple[Item, ...]:
    return (*exercise.rubric.item, *exercise.rubric.followup)


def _hangs_on_what_earns(item: Item) -> Iterator[str]:
    for check in (*item.essential, *item.core):
        if check in BY_ID and check not in item.earns:
            yield f"item {item.id!r} hangs on the check {check!r}, which earns nothing in it"


def _names_checks_that_exist(item: Item) -> Iterator[str]:
    for check in (*item.earns, *item.takes, *item.essential, *item.core):
        if check not in BY_ID:
            yield f"item {item.id!r} names the check {check!r}, which does not exist"


def _shares_its_points(item: Item) -> Iterator[str]:
    """What earns shares them, whatever the weights; a cent is the smallest amount that a score is rounded to."""
    if not sum(item.earns.values()) + item.exact:
        yield f"nothing earns the {item.points:g} points of item {item.id!r}; give a check in earns a weight, or exact"
    if abs(item.points * 100 - round(item.points * 100)) > 1e-6:
        yield f"item {item.id!r} has points = {item.points!r}; expected at most two digits behind the point"
