"""Whether a second grade confirms a recorded one, item by item."""

from collections.abc import Iterator

from msgspec import Struct, json
from msgspec.structs import fields

from grader.record import CheckResult, Environment, ItemResult, Outcome, Result, Status, environment_digest


class Origin(Struct, frozen=True, kw_only=True):
    """Something that a verdict was reached with, as it was recorded and as it is here."""

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
        return self.recorded is not None and self.here is not None and not self.checks and (
            _verdict(self.recorded) == _verdict(self.here)
        )  # fmt: skip


class Recheck(Struct, frozen=True, kw_only=True):
    """A recorded grade beside a new one."""

    origins: tuple[Origin, ...]
    items: tuple[ItemComparison, ...]
    sums: tuple[Origin, ...]  # what follows from the items: the score, and the bugs that are still in

    @property
    def same(self) -> bool:
        """Whether the verdict is the same, and is one on the same candidate and exercise."""
        about = all(origin.same for origin in self.origins if origin.what in ("candidate", "exercise"))
        return about and all(total.same for total in self.sums) and (all(item.same for item in self.items))


def recheck(recorded: Result, here: Result) -> Recheck:
    """Compare two grades; times, texts and counterexamples are no part of a verdict."""
    return Recheck(
        origins=tuple(_origins(recorded, here)),
        items=tuple(_items(recorded, here)),
        sums=(
            Origin(what="score", recorded=_score(recorded), here=_score(here)),
            Origin(what="known bugs still in", recorded=_bugs(recorded), here=_bugs(here)),
        ),
    )


def _origins(recorded: Result, here: Result) -> Iterator[Origin]:
    for what, old, new in (
        ("candidate", recorded.candidate.sha256, here.candidate.sha256),
        ("exercise", recorded.integrity.exercise, here.integrity.exercise),
        ("grader", recorded.integrity.grader, here.integrity.grader),
        ("time limit", f"{recorded.asked.timeout:g} s", f"{here.asked.timeout:g} s"),
        # Not the recorded hash of it: a file may have been changed in one place and not in the other.
        ("environment", environment_digest(recorded.environment), here.integrity.environment),
    ):
        yield Origin(what=what, recorded=old, here=new)
    for field in fields(Environment):
        old, new = (json.encode(getattr(result.environment, field.name)).decode() for result in (recorded, here))
        if old != new:
            yield Origin(what=f"environment: {field.name}", recorded=old, here=new)


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


def _verdict(item: ItemResult) -> tuple[Status, float, float, str]:
    return item.status, item.score, item.max_score, item.lane


def _score(result: Result) -> str:
    return f"{result.score:g} of {result.max_score:g}"


def _bugs(result: Result) -> str:
    if result.remaining_bugs is None:
        return "not told"
    return ", ".join(result.remaining_bugs) or "none"
