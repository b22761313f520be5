"""A candidate beside the variant that it was found to be, where that may not have been all: its twin.

What tells which bugs are left asks little: few tokens, evaluation, a stand-in to be trained. A candidate can be right
there and wrong elsewhere. So it is asked again at other sizes, in training mode, and for whole runs of its own, and has
to be its twin there too. A known bug that explains a difference is that bug, left in; any other difference is charged
to the items that answer for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from grader.comparisons.catalogue import TWINS
from grader.comparisons.comparison import Comparison
from grader.exercise.model import Exercise, Item
from grader.grading.variants import Bugs, Match, Variants
from grader.packages.package import Package
from grader.packages.trouble import PackageMisanswered, Trouble
from grader.result.record import Lane
from grader.sandbox.questions import modules_asked
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

SHARES: Final = 2
SECOND: Final = frozenset({"larger-sizes", "dropout", "larger-run"})  # asked of a second worker
UNEXPLAINED: Final = {"gradients", "derivatives", "dropout"}
EXPLAINED: Final = frozenset(twin.id for twin in TWINS) - UNEXPLAINED  # by a known bug, where that is what differs
FALL: Final = 0.9  # of the first losses: a run in which the last ones are not below it has learned nothing
LOOKED_AT: Final = 10  # losses at either end


def twins_asked(exercise: Exercise, items: Iterable[Item], seeds: Seeds) -> tuple[Comparison, ...]:
    """The twins that answer for an item asked for, and those about model.py alone wherever a bug is asked for."""
    asked = {item.id for item in items if item.kind == "bug"}
    return tuple(
        comparison
        for comparison in TWINS
        if (answerable := exercise.rubric.twins.get(comparison.id))
        and (asked.intersection(answerable) or (asked and _is_about_the_model(comparison, seeds)))
    )


def _is_about_the_model(comparison: Comparison, seeds: Seeds) -> bool:
    return all(modules_asked(question) == ("model",) for question, _ in comparison.questions(seeds, "float32"))


def shares(twins: Iterable[Comparison]) -> tuple[list[Comparison], list[Comparison]]:
    """What each of two workers of the candidate is asked; neither needs what the other is found to answer."""
    twins = list(twins)
    return [twin for twin in twins if twin.id not in SECOND], [twin for twin in twins if twin.id in SECOND]


def expected_bugs(matches: Mapping[str, Match]) -> Bugs | None:
    """The bugs that the comparisons have found; None where one of them could not say."""
    found = [match.bugs for match in matches.values()]
    return None if None in found else frozenset().union(*(bugs for bugs in found if bugs is not None))


def match_twins(
    twins: Iterable[Comparison], variants: Variants, candidate: Package, bugs: Bugs | None
) -> dict[str, Match]:
    """How a candidate that has these bugs agrees with its twin, by comparison; what the twin cannot answer is left out.

    Without known bugs there is no twin. That a candidate's own run learns something can still be asked.
    """
    if bugs is None:
        return {twin.id: match for twin in twins if (match := _stands_still(twin, variants, candidate)) is not None}
    found: dict[str, Match] = {}
    for twin in twins:
        if any(found[before].bugs is None for before in twin.after if before in found):
            continue  # it would say nothing
        answers = variants.put_beside(twin, candidate, bugs)
        if variants.answers(twin, bugs):
            seen = bugs.union(*(match.bugs or () for match in found.values()))
            found[twin.id] = _match(twin, variants, candidate, answers, bugs, seen)
    return found


def _match(
    twin: Comparison, variants: Variants, candidate: Package, answers: list[Tensors] | Trouble, bugs: Bugs, seen: Bugs
) -> Match:
    match = variants.match(twin, candidate, answers, among=[bugs])
    others = variants.likely(bugs, seen)
    if match.bugs is not None or twin.id not in EXPLAINED or not others:
        return match
    other = variants.match(twin, candidate, answers, among=others)
    if other.bugs is not None:
        return replace(match, bugs=other.bugs, lane=other.lane)
    in_places = (other for other in others if variants.same_bits_in_places(twin, answers, bugs, other))
    found = next(in_places, None)
    return match if found is None else replace(match, bugs=found, lane=Lane.BITWISE)


def _stands_still(twin: Comparison, variants: Variants, candidate: Package) -> Match | None:
    """What is wrong with a run whose losses stay what they were; None with one that learns, or is too short to."""
    if twin.id != "own-run":
        return None
    answers = variants.put(twin, candidate)
    if isinstance(answers, Trouble):
        return None  # what keeps it from running may be the model, whose items answer for it
    losses = np.array([float(array) for name, array in answers[0].items() if name.endswith(": lm_loss")])
    first, last = losses[:LOOKED_AT].mean(), losses[-LOOKED_AT:].mean()
    if last < FALL * first or not np.isfinite(losses).all():
        return None  # a model that gives no numbers trains nothing either
    stuck = (
        f"in a run of its own with the default configuration the loss is {first:.4g} at first, {last:.4g} at the end"
    )
    return Match(bugs=None, lane=Lane.BEHAVIOUR, trouble=PackageMisanswered(stuck))
