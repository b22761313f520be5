"""What an assistant may ask of a workspace: the learner's view, hints counted, and never a line of the solution."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from grader.errors import UsageError, did_you_mean
from grader.exercise.model import Exercise
from grader.exercise.starter import starter_files
from grader.files.printable import one_line
from grader.learner.hints import next_hint, no_hint, offered, require_hints, right_now
from grader.learner.workspace import check_workspace, read_workspace
from grader.report import render_text
from grader.report.formats.plain import as_text, evidence, headline, stopped
from grader.report.side_by_side import render_change
from grader.report.verdict import explained, failing, stops, withheld
from grader.result.audience import for_audience
from grader.result.record import Audience, CheckResult, Feedback, FollowUp, ItemResult, Result
from grader.submission.diff import changes
from grader.submission.read import Submission, read_submission

NOTHING_YET: Final = "nothing was graded yet; grade the workspace first"
MOST_CHECKS: Final = 12  # that are named in one answer
MOST_DIFF: Final = 12_000  # characters


class Grading(Protocol):
    """What grades a directory, as ``grader.api.Grader`` does."""

    def grade(self, submission: Path, *, only: Sequence[str] = (), timeout: float = 10.0) -> Result:
        """The result of one grade."""
        ...


@dataclass(frozen=True, slots=True)
class Graded:
    """One grade of the workspace, as a learner may see it, and what was graded."""

    submission: Submission
    result: Result


class Tutor:
    """Answers about one workspace, each as text. Any thread may ask.

    What an answer is made of went through ``for_audience``: there is nothing of the reference in it.

    Args:
        directory: the workspace.
        remember: is given each grade, to be kept in the workspace.
        timeout: seconds that the code may take for one question.
        feedback: how much of a result is shown.
    """

    def __init__(
        self,
        directory: Path,
        exercise: Exercise,
        grader: Grading,
        remember: Callable[[Result], None],
        *,
        timeout: float = 10.0,
        feedback: Feedback = Feedback.HINTS,
    ) -> None:
        self._directory = directory
        self._exercise = exercise
        self._grader = grader
        self._remember = remember
        self._timeout = timeout
        self._feedback = feedback
        self._lock = threading.Lock()
        self._before: Graded | None = None
        self._last: Graded | None = None

    def requirements(self) -> str:
        """The task with its contract, and what it is graded by: items and follow-ups, by their names."""
        given = starter_files(self._exercise)
        rubric = self._exercise.rubric
        items = (f"- {item.id}: {item.title}, {item.points:g} points" for item in rubric.item)
        followups = [f"- {item.id}: {item.title}, {item.points:g} points beside the others" for item in rubric.followup]
        named = ["Items:", *items, *(["", "Follow-up questions:", *followups] if followups else [])]
        return "\n".join([*named, "", given["README.md"].rstrip()])

    def grade(self, items: Sequence[str] = ()) -> str:
        """The workspace graded as it is saved, what fails, and which checks can be explained.

        Args:
            items: ids of items and follow-ups; empty for all.

        Raises:
            UsageError: there is no such item, or no workspace any more.
            CannotJudge: the machine or the grader failed.
        """
        check_workspace(self._directory)
        submission = read_submission(self._directory)
        result = self._grader.grade(self._directory, only=tuple(items), timeout=self._timeout)
        with self._lock:  # not before: meanwhile other answers can be had
            shown = for_audience(result, Audience.LEARNER, self._feedback)
            self._remember(shown)
            self._before, self._last = self._last, Graded(submission, shown)
            return "\n".join([render_text(self._last.result).rstrip(), "", *_explainable(self._last.result)])

    def explain(self, check: str) -> str:
        """What was seen of a check that does not pass: the smallest case that fails, and code that shows it.

        What usually causes it comes with the third hint of its item, as in the report.

        Raises:
            UsageError: nothing was graded yet, or the last grade has no such check.
        """
        with self._lock:
            result = self._graded().result
            if not result.has_checks:
                raise UsageError(f"nothing is explained here: {withheld(result)}")
            found = [(part, each) for part in _parts(result) for each in part.checks if each.id == check]
            if not found:
                known = list(dict.fromkeys(each.id for part in _parts(result) for each in part.checks))
                near = did_you_mean(check, known)
                raise UsageError(f"no such check in the last grade: {check!r}; expected one that it named{near}")
            shown = read_workspace(self._directory).hints
            return "\n\n".join(_explained(part, each, shown.get(part.id, 0)) for part, each in found)

    def hint(self, item: str) -> str:
        """The next of three hints for an item, counted in the workspace as ``grader hint`` counts it.

        Raises:
            UsageError: there are no hints of that name, or none are shown.
        """
        require_hints(self._feedback)
        with self._lock:
            check_workspace(self._directory)
            hint = next_hint(self._directory, self._exercise, item)
            if hint is None:
                return no_hint(self._exercise, item)
            left = hint.of - hint.number
            rest = f"{left} more" if left else "that was the last one"
            return f"{hint.title}, hint {hint.number} of {hint.of}: {hint.kind}\n\n{hint.text}\n\n({rest})"

    def hints(self) -> str:
        """What there are hints for, and how many of each were shown. Raises ``UsageError`` where none are shown."""
        require_hints(self._feedback)
        with self._lock:
            check_workspace(self._directory)
            workspace = read_workspace(self._directory)
            right = right_now(self._directory)
            return "\n".join(
                f"- {name}: {each.title}, {'right, ' if name in right else ''}"
                f"{workspace.hints.get(name, 0)} of {len(each.hints)} shown"
                for name, each in offered(self._exercise, right).items()
            )

    def changes(self) -> str:
        """What was saved since the last grade, and what that grade changed; before the first one, since the starter.

        Raises:
            UsageError: there is no workspace any more.
        """
        with self._lock:
            check_workspace(self._directory)
            now = read_submission(self._directory)
            last, before = self._last, self._before
            if last is None:
                return f"Since the starter ({NOTHING_YET}):\n\n{_diff(self._exercise.starter(), now.files)}"
            parts = [f"Since the last grade:\n\n{_diff(last.submission.files, now.files)}"]
            if before is not None:
                files = [change.file for change in changes(before.submission.files, last.submission.files)]
                text = render_change(files or ["no file"], before.result, last.result).rstrip()
                parts.append(f"What the last grade changed against the one before:\n\n{text}")
            return "\n\n".join(parts)

    def _graded(self) -> Graded:
        if self._last is None:
            raise UsageError(NOTHING_YET)
        return self._last


def _parts(result: Result) -> list[ItemResult | FollowUp]:
    return [*result.items, *result.followups]


def _explainable(result: Result) -> Iterator[str]:
    """The checks that say most about what is wrong, by the names they are explained by."""
    if stops(result):
        for stop in stops(result):
            yield as_text(stopped(stop))
        return
    named = [(part, check) for part in explained(_parts(result)) for check in failing(part) if not check.unbuilt]
    if not named:
        return
    yield "Checks that can be explained:"
    for part, check in named[:MOST_CHECKS]:
        yield f"- {check.id} ({one_line(part.title)}): {headline(check)}"
    if more := named[MOST_CHECKS:]:
        yield f"and {len(more)} more: {', '.join(dict.fromkeys(check.id for _, check in more))}"


def _explained(part: ItemResult | FollowUp, check: CheckResult, hints_shown: int) -> str:
    lines = [f"{one_line(part.title)}. {headline(check)}", as_text(evidence(check))]
    if check.usual_causes and hints_shown >= len(part.hints) > 0:
        lines += ["What usually causes this:", *(f"- {one_line(cause)}" for cause in check.usual_causes)]
    return "\n".join(filter(None, lines))


def _diff(before: dict[str, str], after: dict[str, str]) -> str:
    """How the files differ, as a unified diff; a sentence where they do not."""
    found = changes(before, after)
    if not found:
        return "Nothing: the files are the same."
    text = "\n\n".join(f"{one_line(change.file)}\n{change.diff}" for change in found)
    return text if len(text) <= MOST_DIFF else f"{text[:MOST_DIFF]}… ({len(text) - MOST_DIFF:,} more characters)"
