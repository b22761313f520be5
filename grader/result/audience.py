"""The learner's view of a result: the same verdict, as much of it as the exercise shows, and nothing of the hidden
reference."""

from typing import TypeVar

from msgspec.structs import replace

from grader.result.hidden import Frozen, hidden_fields
from grader.result.record import (
    Audience,
    CheckResult,
    Exhibits,
    Feedback,
    FollowUp,
    ItemResult,
    LoadFault,
    Result,
    Status,
)

T = TypeVar("T")
Part = TypeVar("Part", ItemResult, FollowUp)


def for_audience(result: Result, audience: Audience, feedback: Feedback | None = None) -> Result:
    """The result as ``audience`` may see it. A learner's result stays a learner's: what is gone is gone.

    Args:
        feedback: how much of it a learner is shown; None for what the result says of itself. An instructor's result
            keeps everything, and the copies for learners that are made of it show so much.
    """
    shown = result.feedback if feedback is None else feedback
    if result.audience is Audience.LEARNER and not result.feedback.includes(shown):
        shown = result.feedback
    result = replace(result, feedback=shown) if shown is not result.feedback else result
    if audience is Audience.INSTRUCTOR:
        return result
    return _as_far_as(shown, replace(_without_hidden(result), audience=Audience.LEARNER))


def _as_far_as(shown: Feedback, result: Result) -> Result:
    """The learner's result with nothing beyond this level."""
    if shown is Feedback.HINTS:
        return result
    if shown is Feedback.EVIDENCE:
        return replace(
            result,
            items=tuple(map(_without_hints, result.items)),
            followups=tuple(map(_without_hints, result.followups)),
        )
    result = replace(
        result,
        items=tuple(map(_verdict_alone, result.items)),
        followups=tuple(map(_verdict_alone, result.followups)),
        exhibits=Exhibits(),
        load_faults=tuple(map(_place_alone, result.load_faults)),
    )
    if shown is Feedback.ITEMS:
        return result
    # What could not be judged is no part of the score, and so is said with it.
    return replace(
        result,
        items=tuple(item for item in result.items if item.status is Status.NOT_JUDGED),
        followups=tuple(
            each for each in result.followups if each.status is Status.NOT_JUDGED and each.id in result.asked.only
        ),
        remaining_bugs=None,
        timeline=None,
    )


def _without_hints(part: Part) -> Part:
    checks: tuple[CheckResult, ...] = tuple(replace(check, usual_causes=()) for check in part.checks)
    return replace(part, checks=checks, hints=())


def _verdict_alone(part: Part) -> Part:
    return replace(part, summary="", checks=(), hints=(), scope=None)


def _place_alone(fault: LoadFault) -> LoadFault:
    """Where code stops is its author's to know, and a typing error no finding; what it says there may tell sizes."""
    return replace(fault, reason=f"{fault.file} does not run", stack=())


def _without_hidden(value: T) -> T:
    """The same, with every field that is marked as hidden emptied, however deep it lies."""
    if isinstance(value, tuple):
        return type(value)(map(_without_hidden, value))
    if not isinstance(value, Frozen):
        return value
    hidden = hidden_fields(type(value))
    kept = {name: _without_hidden(getattr(value, name)) for name in value.__struct_fields__ if name not in hidden}
    return replace(value, **kept, **dict.fromkeys(hidden))
