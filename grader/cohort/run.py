"""A cohort from its submissions to its pages: what is done already stays, the rest is graded side by side."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import msgspec

from grader.cohort.entries import Entry
from grader.cohort.job import report_in_cohort
from grader.cohort.near_copies import compared_groups, render_near_copies
from grader.cohort.page import render_index
from grader.cohort.pool import Backend, Graded, NotGraded, Setup, by_name, setup_of
from grader.cohort.row import Row, beside
from grader.cohort.similarity import similar_pairs
from grader.cohort.store import INDEX, NEAR_COPIES, TABLE, WORKBOOK, Store
from grader.cohort.summary import Summary
from grader.cohort.table import render_table, render_workbook
from grader.cohort.versions import Versions, differences, versions
from grader.exercise.model import Exercise
from grader.files.digest import grader_digest
from grader.files.printable import one_line
from grader.grading.options import Options
from grader.result.record import Audience, Feedback, Result, Timeline, from_json, to_json
from grader.submission.history import timeline_of
from grader.submission.read import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One more candidate is done.

    Attributes:
        number: how many of this run's ``of`` are done with it.
    """

    row: Row
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """What is graded, how, and where its results are kept."""

    entries: tuple[Entry, ...]
    exercise: Exercise
    options: Options
    audience: Audience
    store: Store
    before: tuple[Row, ...] | None = None  # what was graded in an earlier round, to be shown beside this one
    feedback: Feedback = Feedback.HINTS

    def run(
        self, backend: Callable[[Setup], AbstractContextManager[Backend]], begin: Callable[[int, int], None],
        tell: Callable[[Done], None],
    ) -> Summary:  # fmt: skip
        """Grade what is not done yet, keep it, and write the pages about all of them.

        Args:
            backend: makes what grades.
            begin: is given how many are done already, and how many are left.
            tell: is given each that is done.

        Raises:
            CannotJudge: the machine cannot grade any submission, or nothing can be written.
        """
        rows = self._rows_so_far()
        left = {
            entry.folder: entry.submission
            for entry in self.entries
            if entry.submission is not None and entry.folder not in rows
        }
        begin(len(rows), len(left))
        if left:
            with backend(setup_of(self.exercise, self._options, self.audience, self.feedback)) as several:
                for number, (folder, graded) in enumerate(several.grade(by_name(left)), 1):
                    rows[folder] = self._keep(folder, left[folder], graded)
                    tell(Done(row=rows[folder], number=number, of=len(left)))
        summary = self._summary(rows)
        self._put(summary)
        return summary

    def _put(self, summary: Summary) -> None:
        """Write what is said of all candidates together."""
        compared = compared_groups(summary.groups)
        copies = None
        if compared:
            members = {folder for number in compared for folder in summary.groups[number - 1].members}
            texts = {
                entry.folder: entry.submission.files
                for entry in self.entries
                if entry.submission is not None and entry.folder in members
            }
            copies = render_near_copies(summary, texts, self.exercise.starter()).encode()
        self.store.put_summary(
            {
                TABLE: render_table(summary),
                WORKBOOK: render_workbook(summary),
                NEAR_COPIES: copies,
                INDEX: render_index(summary, compared=frozenset(compared)).encode(),
            }
        )

    @property
    def _options(self) -> Options:
        return replace(self.options, seed=self.store.seed, shared=True)

    def _rows_so_far(self) -> dict[str, Row]:
        """What an earlier run has kept and this one would find again; what is kept of anything else is dropped.

        Rows, and not results: of a thousand submissions those would fill the memory.
        """
        rows = {}
        for entry in self.entries:
            kept = self.store.result(entry.folder)
            if kept is None or entry.submission is None or not self._would_find(kept, entry.submission):
                self.store.drop(entry.folder)
                continue
            rows[entry.folder] = Row.of(entry.folder, entry.title, kept, "")
            if kept.feedback is not self.feedback:
                kept = msgspec.structs.replace(kept, feedback=self.feedback)
                self.store.put_result(entry.folder, to_json(kept))
            if not self.store.has_report(entry.folder):
                self.store.put_report(entry.folder, report_in_cohort(kept, self.audience, entry.folder))
        return rows

    def _would_find(self, kept: Result, submission: Submission) -> bool:
        """Whether grading ``submission`` now would put the same questions to the same code in the same place."""
        return kept.judged and not self._differs(kept, submission)

    def _differs(self, result: Result, submission: Submission) -> str:
        """In what a result is not about ``submission``, graded as this cohort grades; empty when it is."""
        options, candidate, environment, asked = self._options, result.candidate, result.environment, result.asked
        there_and_wanted = {
            "submission": (
                (candidate.sha256, candidate.tests_sha256, candidate.name, candidate.notes),
                (submission.sha256, submission.tests_sha256, submission.name, submission.notes),
            ),
            "history": (_head(result.timeline), _head(timeline_of(submission.history))),
            "exercise": (result.integrity.exercise, self.exercise.sha256),
            "grader": (result.integrity.grader, grader_digest()),
            "set of questions": (
                (asked.only, asked.followups, asked.thorough, asked.timeout, asked.shared),
                (options.only, options.followups, options.thorough, options.timeout, True),
            ),
            "seed": (environment.seed, options.seed),
        }
        if other := next((what for what, (there, wanted) in there_and_wanted.items() if there != wanted), ""):
            return other
        if (there_mode := environment.isolation.mode) != options.isolation:
            return f"isolation: {there_mode} instead of {options.isolation}"
        there = Versions(
            grader=result.integrity.grader,
            python=environment.python,
            packages={"torch": environment.torch, **environment.packages},
        )
        found = differences(there, versions())
        return f"environment: {found}" if found else ""

    def _keep(self, folder: str, submission: Submission, graded: Graded | NotGraded) -> Row:
        if isinstance(graded, Graded):
            result = self._result(submission, graded)
            if isinstance(result, Result):
                self.store.put(folder, graded.result, graded.report)
                self.store.note_time(folder, graded.seconds)
                return Row.of(folder, submission.name, result, "")
            graded = result
        return Row.of(folder, submission.name, None, graded.reason)

    def _result(self, submission: Submission, graded: Graded) -> Result | NotGraded:
        """What came of ``submission``, which may say that it could not be judged; nothing else gets into the store."""
        try:
            result = from_json(graded.result)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            return NotGraded(reason=f"what came back is no result that can be read ({one_line(str(error))[:300]})")
        if other := self._differs(result, submission):
            return NotGraded(reason=f"what came back is the result of another {other}")
        return result

    def _summary(self, rows: Mapping[str, Row]) -> Summary:
        submissions = {entry.folder: entry.submission for entry in self.entries if entry.submission is not None}
        items, followups = self.exercise.asked(self.options.only, followups=self.options.followups)
        all_rows = tuple(
            rows.get(entry.folder) or Row.of_unread(entry.folder, entry.title, entry.reason) for entry in self.entries
        )
        people = {entry.folder: entry.person for entry in self.entries}
        return Summary(
            exercise=self.exercise.rubric.title,
            items=tuple((item.id, item.title) for item in items),
            followups=tuple((item.id, item.title) for item in followups),
            begun_at=self.store.begun_at,
            before=beside(self.before, all_rows, people) if self.before is not None else None,
            rows=all_rows,
            pairs=similar_pairs(
                {folder: submission.files for folder, submission in submissions.items()}, self.exercise.starter()
            ),
        )


def _head(timeline: Timeline | None) -> str:
    """What stands for a whole history; empty where there is none."""
    return timeline.head if timeline is not None else ""
