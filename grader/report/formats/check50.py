"""The JSON of check50: a result for each check.

It is shown to the one who handed in, so it is always the learner's view.
"""

import msgspec
from msgspec import Struct

from grader.report.formats.plain import as_text, asked, block, distinct, evidence, line, reason, stopped
from grader.report.verdict import Stop, first_failing, stops
from grader.result.audience import for_audience
from grader.result.record import Audience, CheckResult, Outcome, Result

PASSED = {
    Outcome.PASSED: True,
    Outcome.FAILED: False,
    Outcome.BROKEN: False,
    Outcome.TIMED_OUT: False,
    Outcome.BLOCKED: None,
    Outcome.NOT_JUDGED: None,
}


class Cause(Struct, frozen=True, kw_only=True):
    """Why a check did not pass."""

    rationale: str
    help: str | None


class Data(Struct, frozen=True, kw_only=True):
    """What this grader knows beyond the format."""

    item: str  # empty for what stands before all items
    outcome: Outcome
    score: float
    max_score: float
    seconds: float


class Check(Struct, frozen=True, kw_only=True):
    """What came of one check."""

    name: str
    description: str
    passed: bool | None  # None: skipped, because something else has to be right first or we failed
    log: tuple[str, ...]
    cause: Cause | None  # None exactly when it passed
    data: Data
    dependency: str | None  # the name of another check


class Report(Struct, frozen=True, kw_only=True):
    """The whole file."""

    slug: str
    results: tuple[Check, ...]
    version: str


def render(result: Result) -> bytes:
    """The file as indented JSON, UTF-8."""
    seen = for_audience(result, Audience.LEARNER)
    report = Report(slug=line(seen.exercise.id), results=_results(seen), version=line(seen.environment.grader))
    return msgspec.json.format(msgspec.json.encode(report), indent=4) + b"\n"


def _results(result: Result) -> tuple[Check, ...]:
    checks = asked(result)
    stopped_by = [_stopped(stop) for stop in stops(result)]
    names = distinct([*(check.name for check in stopped_by), *(line(check.id) for _, check in checks)])
    names = names[len(stopped_by) :]
    name_of = {id(check): name for (_, check), name in zip(checks, names, strict=True)}
    # Blocked checks name items; this format names the check to see to first.
    first = {item.id: name_of[id(check)] for item in result.items if (check := first_failing(item)) is not None}
    runs = stopped_by[0].name if stopped_by else None
    return (
        *stopped_by,
        *(
            _check(
                line(item.id),
                check,
                name_of[id(check)],
                next((first[id_] for id_ in check.blocked_by if id_ in first), runs if _waits(check) else None),
            )
            for item, check in checks
        ),
    )


def _waits(check: CheckResult) -> bool:
    """Whether a check waits for the code itself."""
    return check.outcome is Outcome.BLOCKED and not check.blocked_by


def _stopped(stop: Stop) -> Check:
    """That it does not run, as the check that the others depend on."""
    return Check(
        name=line(f"{stop.files[0].removesuffix('.py')}-runs"),
        description=line(f"{' and '.join(stop.files)} can be run."),
        passed=False,
        log=(),
        cause=Cause(rationale=line(stop.headline), help=as_text(stopped(stop))),
        data=Data(item="", outcome=Outcome.BROKEN, score=0.0, max_score=0.0, seconds=0.0),
        dependency=None,
    )


def _check(item: str, check: CheckResult, name: str, dependency: str | None) -> Check:
    return Check(
        name=name,
        description=line(check.title),
        passed=PASSED[check.outcome],
        log=tuple(block(check.output).splitlines()),
        cause=_cause(check),
        data=Data(
            item=item,
            outcome=check.outcome,
            score=check.score,
            max_score=check.max_score,
            seconds=check.seconds,
        ),
        dependency=dependency,
    )


def _cause(check: CheckResult) -> Cause | None:
    if check.outcome is Outcome.PASSED:
        return None
    return Cause(rationale=reason(check), help=as_text(evidence(check, with_output=False)) or None)
