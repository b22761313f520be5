"""Run one check, for a grade or to measure a bug; and of a grade, turn what is found into a verdict."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations
from typing import Any

import msgspec
import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import with_adapter
from grader.files.printable import printable
from grader.grading.scoring import Verdict
from grader.grading.search import Draws, Failure, ReferenceFailed, search, search_sizes
from grader.grading.variants import Bugs, Variants
from grader.packages.package import Package
from grader.packages.trouble import (
    PackageDoesNotRun,
    PackageHung,
    PackageMisanswered,
    PackageRaised,
    Trouble,
    is_machines,
)
from grader.result import record
from grader.result.record import Outcome
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.questions import Snippet
from grader.seeds import Seeds
from grader.sizes import Extent, extents

MAX_TEXT = 6000  # characters of one message or traceback


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a check found when it was run.

    Attributes:
        case: the smallest that fails, or the last that was asked.
        failure: how it fails; None when nothing does.
        asked: how many different cases were asked.
        last: the check as it was asked last: with the property that confirms it in the place of its own, maybe.
        context: what it was asked with last.
    """

    case: Any
    failure: Failure | None
    asked: int
    last: Check
    context: Context


def run_check(
    check: Check,
    context: Context,
    *,
    seeds: Seeds,
    times: int = 1,
    shrink: bool = True,
    draws: Draws | None = None,
    confirm: bool = True,
    at_sizes: bool = True,
) -> Ran:
    """Put one check to a package, as far as it holds: drawn cases, then one again, then larger ones.

    Args:
        times: how many times the usual number of examples is drawn.
        shrink: whether to look for the smallest case that fails.
        draws: what was drawn for earlier packages that were asked the same.
        confirm: whether a case that passes is asked once more, by the check's other property and in training mode.
        at_sizes: whether cases of the default sizes and beyond are asked as well.

    Raises:
        ReferenceFailed: the reference, or the variant beside it, gave no answer.
    """
    found = search(
        check.cases,
        lambda case: ask_case(check, case, context),
        seed=seeds.derive("cases", check.id),
        examples=check.examples * times,
        shrink=shrink,
        draws=draws,
    )
    ran = Ran(case=found.case, failure=found.failure, asked=found.asked, last=check, context=context)
    if confirm and ran.failure is None and check.confirm is not None:
        ran = _asked_again(ran, replace(check, holds=check.confirm), context)
    if confirm and ran.failure is None and check.in_training:
        ran = _asked_again(ran, check, replace(context, training=True))
    if at_sizes and ran.failure is None and check.at_size is not None:
        ran = _asked_at_sizes(
            ran, check, check.at_size, replace(context, training=False), seeds=seeds, thorough=times > 1, shrink=shrink
        )
    return ran


def _asked_again(ran: Ran, check: Check, context: Context) -> Ran:
    """The last case once more."""
    failure = _failure_of(partial(ask_case, check, ran.case, context))
    if context.training:
        failure = _in_training_mode(failure)
    return replace(ran, failure=failure, last=check, context=context)


def _asked_at_sizes(
    ran: Ran,
    check: Check,
    at_size: Callable[[Extent], object],
    context: Context,
    *,
    seeds: Seeds,
    thorough: bool,
    shrink: bool,
) -> Ran:
    """A case at the default sizes, and beyond them, as far as the exercise permits."""
    found = search_sizes(
        at_size,
        map(context.candidate.permitted, extents(check.default, seeds.derive("sizes"), thorough=thorough)),
        lambda case: ask_case(check, case, context),
        shrink=shrink,
    )
    return Ran(case=found.case, failure=found.failure, asked=ran.asked + found.asked, last=check, context=context)


@dataclass(slots=True)
class CheckRunner:
    """Puts checks to one candidate.

    Attributes:
        second: the candidate again, in another worker, for second opinions and snippets.
        fresh_candidate: the candidate in a worker that never sees a prompt or a label.
        bugs: those that are left in the candidate.
        model_bugs: the same for its model alone; None when no variant matched.
        titles: of all items, by id.
        times: how many times the usual number of examples each check tries.
        explain: whether to shrink what fails and to show it in code.
        draws: what was drawn for earlier candidates who were asked the same.
    """

    variants: Variants
    seeds: Seeds
    second: Package
    fresh_candidate: Package
    bugs: Bugs
    model_bugs: Bugs | None
    titles: Mapping[str, str]
    times: int
    explain: bool = True
    draws: Draws | None = None

    def ask(self, check: Check, candidate: Package, own: str) -> tuple[Verdict, Context]:
        """The verdict on ``check`` for an item ``own``, before it is known what blocks it."""
        started = time.perf_counter()
        context = self._context(candidate, self.variants.variant(self.bugs - {own}))
        try:
            verdict = self._verdict(check, context, own)
        except ReferenceFailed:
            # A variant may crash where the candidate does not. The reference itself may not.
            context = self._context(candidate, self.variants.reference)
            try:
                verdict = self._verdict(check, context, own)
            except ReferenceFailed as failed:
                message = f"the reference gave no answer: {failed}"
                verdict = Verdict(outcome=Outcome.NOT_JUDGED, message=message)
        seconds = round(time.perf_counter() - started, 4)
        # The first check of a worker shows what came before it, too: what is printed by an import is lost otherwise.
        return replace(verdict, seconds=seconds, output=printable(candidate.printed())), context

    def _verdict(self, check: Check, context: Context, own: str) -> Verdict:
        ran = run_check(check, context, seeds=self.seeds, times=self.times, shrink=self.explain, draws=self.draws)
        verdict = Verdict(outcome=Outcome.PASSED)
        if ran.failure is not None:
            verdict = self._failed(ran.last, ran.case, ran.failure, ran.context, own)
        answered = isinstance(ran.failure, CheckFailed) and ran.failure.kind != "shape"
        return replace(verdict, examples=ran.asked, answered=answered)

    def _context(self, candidate: Package, variant: Package) -> Context:
        return Context(
            candidate=candidate,
            variant=variant,
            reference=self.variants.reference,
            fresh_candidate=self.fresh_candidate,
            seeds=self.seeds,
            variants=lambda: self.variants.standards(self.model_bugs),
        )

    def _failed(self, check: Check, case: object, failure: Failure, context: Context, own: str) -> Verdict:
        if isinstance(failure, PackageRaised) and failure.unbuilt:
            return Verdict(
                outcome=Outcome.BROKEN,
                message=_shown(f"not built yet: {failure}"),
                unbuilt=True,
                counterexample=_show_trouble(case, failure),
            )
        if isinstance(failure, PackageDoesNotRun):
            return Verdict(outcome=Outcome.BLOCKED, message=str(failure))
        blockers = self._blockers(check, case, failure, own)
        if blockers:
            named = ", ".join(self.titles[blocker] for blocker in blockers)
            return Verdict(
                outcome=Outcome.BLOCKED, blocked_by=blockers, message=f"cannot be judged before this is fixed: {named}"
            )
        if isinstance(failure, PackageHung):
            return Verdict(outcome=Outcome.TIMED_OUT, message=str(failure), counterexample=_show_trouble(case, failure))
        if isinstance(failure, Trouble):
            return Verdict(
                outcome=Outcome.BROKEN, message=_shown(str(failure)), counterexample=_show_trouble(case, failure)
            )
        if not self._still_fails(check, case, context):
            return Verdict(
                outcome=Outcome.FAILED,
                message="not deterministic: asked the same question again, it gave another answer",
                counterexample=_show(case, failure),
            )
        shown = _show(case, failure)
        if not self.explain:
            return Verdict(outcome=Outcome.FAILED, message=shown.seen, counterexample=shown)
        return Verdict(
            outcome=Outcome.FAILED,
            message=shown.seen,
            counterexample=msgspec.structs.replace(shown, snippet=self._working_snippet(check, case)),
        )

    def _blockers(self, check: Check, case: object, failure: Failure, own: str) -> tuple[str, ...]:
        """The other bugs that make a correct solution of this item fail the same question in the same way.

        Each that does so alone; where none does, the first few that do together.
        """
        others = self.bugs - {own}
        if not others or not self._fails_alike(check, case, failure, others):
            return ()
        alone = tuple(bug for bug in sorted(others) if self._fails_alike(check, case, failure, frozenset({bug})))
        together = chain.from_iterable(combinations(sorted(others), size) for size in range(2, len(others)))
        return alone or next(
            (few for few in together if self._fails_alike(check, case, failure, frozenset(few))), tuple(sorted(others))
        )

    def _fails_alike(self, check: Check, case: object, failure: Failure, bugs: Bugs) -> bool:
        variant = self.variants.variant(bugs)
        with variant.another() as fresh_candidate:
            context = replace(self._context(variant, variant), fresh_candidate=fresh_candidate)
            other = _failure_of(lambda: ask_case(check, case, context))
        if is_machines(other):
            raise ReferenceFailed(str(other))
        return other is not None and other.kind == failure.kind

    def _still_fails(self, check: Check, case: object, context: Context) -> bool:
        again = replace(context, candidate=self.second, state={}, lanes=set())
        return _failure_of(lambda: ask_case(check, case, again)) is not None

    def _working_snippet(self, check: Check, case: object) -> str | None:
        """The check's snippet, if running it does show a failure."""
        if check.snippet is None:
            return None
        source: str | None = check.snippet(case)
        if source is not None and self.second.has_adapter:
            source = with_adapter(source)
        if source is None:
            return None
        failure = _failure_of(lambda: self.second.ask(Snippet(source=source), {}))
        return source if isinstance(failure, PackageRaised) and failure.is_a("AssertionError") else None


@np.errstate(all="ignore")  # what a package answers may be infinite, and numpy would print a warning for each
def ask_case(check: Check, case: object, context: Context) -> None:
    """Whether the property holds. Answers that do not fit together are the package's failure, not the grader's."""
    try:
        check.holds(case, context)
    except (CheckFailed, Trouble, LauncherFailed):
        raise
    except Exception as error:
        raise PackageMisanswered(f"its answers cannot be compared: {type(error).__name__}: {error}") from error


def _failure_of(ask: Callable[[], object]) -> Failure | None:
    try:
        ask()
    except (CheckFailed, Trouble) as failure:
        return failure
    return None


def _in_training_mode(failure: Failure | None) -> Failure | None:
    """The same failure, saying where it was seen."""
    if isinstance(failure, CheckFailed):
        failure.seen = f"in training mode: {failure.seen}"
    return failure


def _shown(text: str) -> str:
    """Text that may come from the candidate, as it may be recorded: harmless, and of a bounded length."""
    text = printable(text[: 2 * MAX_TEXT])
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… (cut here)"


def _config(case: object) -> dict[str, int | float | str]:
    return dict(getattr(case, "config", {}))


def _show(case: object, failure: CheckFailed) -> record.Counterexample:
    return record.Counterexample(
        claim=_shown(failure.claim),
        seen=_shown(failure.seen),
        config=_config(case),
        grid=failure.grid,
        hidden=record.Hidden(expected=failure.expected) if failure.expected is not None else None,
    )


def _show_trouble(case: object, failure: Trouble) -> record.Counterexample:
    return record.Counterexample(
        claim="the code runs without an error",
        seen=_shown(str(failure)),
        config=_config(case),
        traceback=_shown(failure.traceback) if failure.traceback else None,
    )
