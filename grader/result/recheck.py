"""Whether a second grade confirms a recorded one, item by item."""

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct, json
from msgspec.structs import fields

from grader.result.record import CheckResult, Environment, ItemResult, Outcome, Result, Status, environment_digest


class Compared(Struct, frozen=True, kw_only=True):
    """One fact about two grades: as it was recorded, and as it is here."""

    what: str
    recorded: str
    here: str

    @property
    def same(self) -> bool:
        """Whether nothing of it has changed."""
        return self.recorded == self.here


class CheckChange(Struct, frozen=True, kw_only=True):
    """A check that came out otherwise; None where only one of the two grades has it."""

    id: str
    recorded: Outcome | None
    here: Outcome | None


class ItemComparison(Struct, frozen=True, kw_only=True):
    """One item of the two grades; None where only one of them has it."""

    id: str
    title: str
    recorded: ItemResult | None
    here: ItemResult | None
    checks: tuple[CheckChange, ...]

    @property
    def same(self) -> bool:
        """Whether status, points, lane and the outcome of every check are the same."""
        if self.recorded is None or self.here is None or self.checks:
            return False
        return _verdict(self.recorded) == _verdict(self.here)


class Recheck(Struct, frozen=True, kw_only=True):
    """A recorded grade beside a new one."""

    origins: tuple[Compared, ...]
    items: tuple[ItemComparison, ...]
    sums: tuple[Compared, ...]  # what follows from the items: the score, and the bugs that are still in

    @property
    def same(self) -> bool:
        """Whether the verdict is the same, and is one on the same candidate and exercise."""
        about = all(origin.same for origin in self.origins if origin.what in ("candidate", "exercise"))
        return about and all(total.same for total in self.sums) and all(item.same for item in self.items)


def recheck(recorded: Result, here: Result) -> Recheck:
    """Compare two grades; times, texts and counterexamples are no part of a verdict."""
    return Recheck(
        origins=tuple(_origins(recorded, here)),
        items=tuple(_items(recorded, here)),
        sums=(
            Compared(what="score", recorded=_score(recorded), here=_score(here)),
            Compared(what="known bugs still in", recorded=_bugs(recorded), here=_bugs(here)),
            Compared(what="named twice", recorded=_repeated(recorded), here=_repeated(here)),
            Compared(what="follow-ups", recorded=_followups(recorded), here=_followups(here)),
        ),
    )


def _origins(recorded: Result, here: Result) -> Iterator[Compared]:
    for what, old, new in (
        ("candidate", recorded.candidate.sha256, here.candidate.sha256),
        ("own tests", recorded.candidate.tests_sha256 or "none", here.candidate.tests_sha256 or "none"),
        ("exercise", recorded.integrity.exercise, here.integrity.exercise),
        ("grader", recorded.integrity.grader, here.integrity.grader),
        ("time limit", f"{recorded.asked.timeout:g} s", f"{here.asked.timeout:g} s"),
        # Not the recorded hash of it: a file may have been changed in one place and not in the other.
        ("environment", environment_digest(recorded.environment), here.integrity.environment),
    ):
        yield Compared(what=what, recorded=old, here=new)
    for field in fields(Environment):
        old, new = (json.encode(getattr(result.environment, field.name)).decode() for result in (recorded, here))
        if old != new:
            yield Compared(what=f"environment: {field.name}", recorded=old, here=new)


def _items(recorded: Result, here: Result) -> Iterator[ItemComparison]:
    old, new = ({item.id: item for item in result.items} for result in (recorded, here))
    for id in old | new:
        before, after = old.get(id), new.get(id)
        title = next(item.title for item in (after, before) if item is not None)
        yield ItemComparison(id=id, title=title, recorded=before, here=after, checks=tuple(_changes(before, after)))


def _changes(recorded: ItemResult | None, here: ItemResult | None) -> Iterator[CheckChange]:
    old, new = (_outcomes(item.checks if item is not None else ()) for item in (recorded, here))
    for id in old | new:
        if old.get(id) is not new.get(id):
            yield CheckChange(id=id, recorded=old.get(id), here=new.get(id))


def _outcomes(checks: tuple[CheckResult, ...]) -> dict[str, Outcome]:
    return {check.id: check.outcome for check in checks}


def _verdict(item: ItemResult) -> tuple[Status, float, float, str, list[tuple[str, float, float]]]:
    points = [(check.id, check.score, check.max_score) for check in item.checks]
    return item.status, item.score, item.max_score, item.lane, points


def _repeated(result: Result) -> str:
    """The items and checks of which there are several: the last one would hide the others."""
    items = [item.id for item in result.items]
    checks = [f"{item.id}: {check.id}" for item in result.items for check in item.checks]
    return ", ".join(name for name, count in Counter([*items, *checks]).items() if count > 1) or "none"


def _followups(result: Result) -> str:
    found = (f"{each.id} {each.score:g} of {each.max_score:g}, {each.status}" for each in result.followups)
    return "; ".join(found) or "none"


def _score(result: Result) -> str:
    return f"{result.score:g} of {result.max_score:g}"


def _bugs(result: Result) -> str:
    if result.remaining_bugs is None:
        return "unknown"
    return ", ".join(result.remaining_bugs) or "none"
