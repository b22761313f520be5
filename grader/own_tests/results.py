"""What came of the candidate's own tests, as it is recorded."""

from collections import Counter
from collections.abc import Sequence, Set
from difflib import unified_diff
from typing import Final, NamedTuple, cast

from grader.exercise.model import Group, Item
from grader.own_tests.mutants import Mutant
from grader.own_tests.running import Files, Ran
from grader.result.record import CheckResult, Counterexample, FollowUp, Hidden, Outcome, Role, Status

KINDS: Final[dict[Group, str]] = {
    "kv-cache": "in the KV cache",
    "masking": "in the masking",
    "training-loop": "in the training loop",
    "determinism": "in what makes a run repeatable",
}
PASSING: Final = "The tests pass on the package that they are written for, each time."
PASSING_WHY: Final = "A test that fails where nothing is wrong will be ignored where something is."
REWORDED: Final = "The tests pass on the same program in other words, too."
REWORDED_WHY: Final = "A test that looks at the text, and not at what it does, stands in the way of every change."
NOTICED_WHY: Final = "A bug that no test notices can come back at any time and stay unseen."


class Notice(NamedTuple):
    """What the tests say of a mutant."""

    mutant: Mutant
    ran: Ran

    @property
    def noticed(self) -> bool:
        return not self.ran.passed


def unbuilt(item: Item, summary: str, checks: tuple[CheckResult, ...] = ()) -> FollowUp:
    """No points, and why."""
    return _followup(item, Status.NOT_BUILT if not checks else Status.WRONG, 0.0, summary, checks)


def failing(item: Item, ran: Ran) -> FollowUp:
    """Tests that do not pass on the package that they were written for."""
    summary = f"No bug was planted: the tests have to pass first. They say: {ran.message}"
    return unbuilt(item, summary, (_passing(item, ran),))


def waiting(item: Item, files: str) -> FollowUp:
    """Tests of a package that does not run: whatever they say, it is not about a bug."""
    return _followup(item, Status.WAITS, 0.0, f"It cannot be judged before {files} runs.", ())


def not_judged(item: Item) -> FollowUp:
    """Tests of a package in which the engine finds no place for any bug."""
    summary = "What the tests notice cannot be judged: no known kind of bug could be planted in this code."
    return FollowUp(id=item.id, title=item.title, status=Status.NOT_JUDGED, score=0, max_score=0, summary=summary)


def graded(
    item: Item, package: Files, first: Ran, again: Ran, reworded: Ran, notices: Sequence[Notice], untried: int = 0
) -> FollowUp:
    """Tests that passed: the share of the bugs that they notice, if they notice nothing else.

    Each kind of bugs counts as the rubric says, whatever the number of its bugs.

    Args:
        package: what the mutants were made of.
        first, again, reworded: on the package, on the package once more, and on the same program in other words.
        untried: how many mutants there was no time for.
    """
    checks = [_passing(item, first if again.passed else again), _reworded(item, reworded)]
    if not (again.passed and reworded.passed):
        summary = "They fail where nothing is wrong, so that it means nothing where they fail: "
        failed = again if not again.passed else reworded
        return unbuilt(item, f"{summary}{failed.message}", tuple(checks))
    if not notices:
        return unbuilt(item, "They take too long: there was no time to run them on a bug.", tuple(checks))
    points = _points(item, notices)
    earned = sum(points[notice.mutant.planting.group] for notice in notices if notice.noticed)
    noticed = [notice.noticed for notice in notices]
    status = Status.BUILT if all(noticed) else Status.PARTLY if any(noticed) else Status.WRONG
    checks += [_notice(notice, package, points[notice.mutant.planting.group]) for notice in notices]
    return _followup(item, status, round(earned, 2), _summary(item, notices, untried), tuple(checks))


def _points(item: Item, notices: Sequence[Notice]) -> dict[str, float]:
    """What noticing one bug is worth, by its kind."""
    counts = Counter(notice.mutant.planting.group for notice in notices)
    whole = sum(weight for group, weight in item.mutants.items() if group in counts)
    return {group: item.points * item.mutants[cast("Group", group)] / whole / count for group, count in counts.items()}


def _followup(item: Item, status: Status, score: float, summary: str, checks: tuple[CheckResult, ...]) -> FollowUp:
    return FollowUp(
        id=item.id,
        title=item.title,
        status=status,
        score=score,
        max_score=item.points,
        summary=summary,
        checks=checks,
    )


def _passing(item: Item, ran: Ran) -> CheckResult:
    return _guard("own-tests-pass", PASSING, PASSING_WHY, item, ran)


def _reworded(item: Item, ran: Ran) -> CheckResult:
    return _guard("own-tests-run-the-code", REWORDED, REWORDED_WHY, item, ran)


def _guard(id_: str, title: str, why: str, item: Item, ran: Ran) -> CheckResult:
    return CheckResult(
        id=id_,
        title=title,
        outcome=ran.outcome,
        role=Role.GUARD,
        score=0.0,
        max_score=item.points,
        seconds=ran.seconds,
        message=ran.message,
        why=why,
        output=ran.output,
    )


def _notice(notice: Notice, package: Files, points: float) -> CheckResult:
    planting = notice.mutant.planting
    points = round(points, 2)
    return CheckResult(
        id=f"notices-{planting.operator}",
        title=f"A test notices this bug: {planting.title}",
        outcome=Outcome.PASSED if notice.noticed else Outcome.FAILED,
        role=Role.EARNS,
        score=points if notice.noticed else 0.0,
        max_score=points,
        seconds=notice.ran.seconds,
        message=notice.ran.message if notice.noticed else f"All tests pass with this bug in {planting.file}.",
        why=NOTICED_WHY,
        counterexample=None if notice.noticed else _shown(notice.mutant, package),
    )


def _shown(mutant: Mutant, package: Files) -> Counterexample:
    """The bug that no test noticed; where it was planted is for instructors."""
    file = mutant.planting.file
    before, after = (files[file].splitlines() for files in (package, mutant.files))
    diff = "\n".join(unified_diff(before, after, file, file, n=2, lineterm=""))
    return Counterexample(
        claim=f"With this bug in {file}, some test fails.",
        seen="All tests pass.",
        hidden=Hidden(expected=diff, note="The bug as it was planted in the submission."),
    )


def _summary(item: Item, notices: Sequence[Notice], untried: int) -> str:
    noticed = sum(notice.noticed for notice in notices)
    summary = f"The tests notice {noticed} of {len(notices)} bugs that were planted in the package."
    missed = {notice.mutant.planting.group for notice in notices if not notice.noticed}
    if missed:
        summary += f" Those that they miss are {_listed(item, missed)}."
    if untried:
        summary += f" {untried} more were not tried: together the runs took too long."
    if absent := item.mutants.keys() - {notice.mutant.planting.group for notice in notices}:
        summary += f" None could be planted {_listed(item, absent)}: that is left out."
    return summary


def _listed(item: Item, groups: Set[str]) -> str:
    return ", ".join(KINDS[group] for group in item.mutants if group in groups)
