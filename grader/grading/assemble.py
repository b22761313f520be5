"""Put an item's verdicts and points together as it is recorded."""

from collections.abc import Mapping, Set

from msgspec.structs import replace

from grader.checks.catalogue import BY_ID
from grader.exercise.model import Hints, Item
from grader.grading import scoring as rubric
from grader.grading.diagnosis import Diagnosis
from grader.grading.scoring import Verdict
from grader.result.record import CheckResult, FollowUp, ItemResult, Lane, Outcome, Role, Scope, Status

EXACT_WHY = "Only identical results prove that nothing else was changed on the way."
BUG_CAUSES = ("The bug is still in.",)
UNEXPLAINED_CAUSES = (
    "Something else was changed on the way.",
    "The bug is fixed for some inputs alone.",
)
ROUNDING_CAUSES = (
    "Operations stand in another order than in the starter: a scale is applied elsewhere, a mean is taken otherwise.",
    "Something was rewritten that only needed a fix: attention by another function, a norm or a loss by hand.",
)


def item_result(
    item: Item,
    verdicts: Mapping[str, Verdict],
    diagnosis: Diagnosis,
    lanes: Set[Lane],
    hints: Hints | None,
    scope: Scope,
) -> ItemResult:
    """One item of the result.

    Args:
        lanes: how closely an extension agreed with what it was compared to.
        hints: those that there are for the item; they are recorded where something is left to find.
        scope: how far the questions about the item went.
    """
    titles = diagnosis.exercise.titles
    scored = rubric.score(item, verdicts, bug_left=diagnosis.has_bug(item.id), titles=titles)
    return ItemResult(
        id=item.id,
        title=item.title,
        status=scored.status,
        score=scored.score,
        max_score=scored.max_score,
        lane=_lane(item, scored.status, diagnosis, lanes),
        summary=scored.summary,
        checks=tuple(
            _check_result(
                check,
                role,
                scored.parts.get(check, (0.0, points)),
                verdicts[check],
                item,
                bug_left=diagnosis.has_bug(item.id),
            )
            for check, (role, points) in rubric.roles(item).items()
        ),
        hints=hints if hints and _is_left_to_find(scored) else (),
        scope=scope,
    )


def _is_left_to_find(scored: rubric.Scored) -> bool:
    """Whether hints are of use: of what is right but for rounding, they would say what is not so."""
    found = (Status.NOT_JUDGED, Status.FIXED, Status.BUILT)
    return scored.status not in found and scored.score < scored.max_score


def followup_result(item: Item, verdicts: Mapping[str, Verdict], titles: Mapping[str, str], scope: Scope) -> FollowUp:
    """One follow-up of the result.

    Args:
        verdicts: of the checks that were asked; the rest went unasked because an essential one did not hold.
        titles: of all items, by id.
        scope: how far the questions about it went.
    """
    scored = rubric.score(item, verdicts, bug_left=False, titles=titles)
    return FollowUp(
        id=item.id,
        title=item.title,
        status=scored.status,
        score=scored.score,
        max_score=scored.max_score,
        summary=_followup_summary(item, verdicts, scored.summary),
        checks=tuple(
            _check_result(check, role, scored.parts.get(check, (0.0, points)), verdicts[check], item)
            for check, (role, points) in rubric.roles(item).items()
            if check in verdicts
        ),
        scope=scope,
    )


def with_hints(result: FollowUp, hints: Hints | None) -> FollowUp:
    """The follow-up with its hints, where it is begun and something of it is left to find."""
    return replace(result, hints=hints) if hints and result.status in (Status.PARTLY, Status.WRONG) else result


def _followup_summary(item: Item, verdicts: Mapping[str, Verdict], summary: str) -> str:
    missed = [check for check in item.essential if check in verdicts and verdicts[check].outcome is not Outcome.PASSED]
    if not missed or verdicts[missed[0]].outcome is Outcome.BLOCKED:
        return summary
    verdict = verdicts[missed[0]]
    if verdict.unbuilt:
        return "Not built yet."
    return f"The other checks were skipped because this one failed: {BY_ID[missed[0]].title} It says: {verdict.message}"


def _lane(item: Item, status: Status, diagnosis: Diagnosis, lanes: Set[Lane]) -> Lane:
    if item.kind == "bug":
        match = diagnosis.match_of(item.id)
        return match.lane if match is not None else Lane.BEHAVIOUR
    if status is not Status.BUILT or not lanes:
        return Lane.BEHAVIOUR
    return Lane.FLOAT32 if Lane.FLOAT32 in lanes else Lane.FLOAT64


def _check_result(
    id_: str, role: Role, part: tuple[float, float], verdict: Verdict, item: Item, *, bug_left: bool = False
) -> CheckResult:
    check = BY_ID.get(id_)
    return CheckResult(
        id=id_,
        title=check.title if check else _exact_title(item, verdict),
        outcome=verdict.outcome,
        role=role,
        score=part[0],
        max_score=part[1],
        seconds=verdict.seconds,
        message=verdict.message,
        why=check.why if check else EXACT_WHY,
        usual_causes=check.usual_causes if check else _exact_causes(verdict, bug_left=bug_left),
        examples=verdict.examples,
        blocked_by=verdict.blocked_by,
        unbuilt=verdict.unbuilt,
        counterexample=verdict.counterexample,
        output=verdict.output,
    )


def _exact_title(item: Item, verdict: Verdict) -> str:
    if verdict.rounding and verdict.outcome is Outcome.PASSED:
        return f"{item.title} is identical to the reference, bit for bit or but for rounding that is charged elsewhere."
    return f"{item.title} is identical to the reference, bit for bit."


def _exact_causes(verdict: Verdict, *, bug_left: bool) -> tuple[str, ...]:
    if bug_left:
        return BUG_CAUSES
    return UNEXPLAINED_CAUSES if verdict.unexplained else ROUNDING_CAUSES
