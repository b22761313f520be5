"""Grade one submission: compare it, ask its items' checks, attribute what fails, score, and record."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import or_
from threading import Semaphore

from grader import __version__
from grader.checks.compare import fingerprint
from grader.comparisons.catalogue import BY_ID as COMPARISONS
from grader.comparisons.catalogue import TWIN_BY_ID
from grader.comparisons.comparison import Comparison
from grader.errors import CannotJudge
from grader.exercise.model import FORWARD, Exercise, Item
from grader.files.digest import grader_digest, package_versions
from grader.grading.answer_cache import CANDIDATE, Packages
from grader.grading.assemble import followup_result, item_result, with_hints
from grader.grading.attribution import blame
from grader.grading.diagnosis import Diagnosis
from grader.grading.exhibits import collect
from grader.grading.first_run import first_run
from grader.grading.options import Options
from grader.grading.reordered import Trials
from grader.grading.schedule import Schedule, WorkerPair
from grader.grading.twins import SHARES, expected_bugs, match_twins, shares, twins_asked
from grader.grading.variants import Match, Variants
from grader.own_tests import own_tests, waiting, written
from grader.packages.package import Package
from grader.packages.scope import scope_of
from grader.packages.trouble import Trouble
from grader.packages.worker_pool import THREADS, threads
from grader.result.record import (
    Asked,
    CandidateInfo,
    Environment,
    ExerciseInfo,
    Exhibits,
    Feedback,
    FileChange,
    FollowUp,
    Integrity,
    Isolation,
    LoadFault,
    Parting,
    Result,
    Scope,
    Trace,
    environment_digest,
)
from grader.sandbox.questions import modules_asked
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds
from grader.submission.diff import changes
from grader.submission.read import Submission

Progress = Callable[[str], None]
FirstLook = Callable[[Result], None]


class Grade:
    """One grade under way, started by ``Session.grade``."""

    def __init__(
        self,
        submission: Submission,
        exercise: Exercise,
        options: Options,
        seeds: Seeds,
        packages: Packages,
        progress: Progress,
        first_look: FirstLook | None = None,
    ) -> None:
        self._submission = submission
        self._exercise = exercise
        self._items, self._followups = exercise.asked(options.only, followups=options.followups)
        self._options = options
        self._seeds = seeds
        self._packages = packages
        self._progress = progress
        self._first_look = first_look
        # One for each thread. First they check each other: both references must give the same bits.
        self._pairs = tuple(self._new_pair(number) for number in range(THREADS))
        # For what compares twins: in one thread beside those that ask checks, or in two after them.
        self._twin_threads = 1 if first_look is None else SHARES
        self._twin_variants = [self._new_variants(THREADS + number) for number in range(self._twin_threads)]
        self._turns = Semaphore(0 if first_look is not None else SHARES)  # to compare twins

    def run(self) -> Result:
        self._progress("starting")
        # Now, while torch is being imported.
        grader_digest()
        changed = changes(self._exercise.starter(), self._submission.files) if self._options.explain else None
        matches = self._compare()
        self._diagnosis = Diagnosis(self._exercise, matches, reordered=self._reordered(matches))
        schedule = self._schedule()
        # A candidate's own run is one long question: its worker computes while others answer the many short ones.
        with threads(self._packages.pool, self._twin_threads) as pool:
            twins = self._twins(matches)
            try:
                shared = [pool.submit(self._compare_twins, *share, matches) for share in enumerate(shares(twins))]
                exhibits = self._ask_all(schedule)
            finally:
                self._turns.release(SHARES)  # who waits finds the pool stopped, if anything was raised
            if self._first_look is not None and twins and not all(share.done() for share in shared):
                self._first_look(self._result(schedule, exhibits, changed))
            found = {id_: match for share in shared for id_, match in share.result().items()}
            in_order = {twin.id: found[twin.id] for twin in twins if twin.id in found}
            self._diagnosis = replace(self._diagnosis, twins=in_order)
        return self._result(schedule, exhibits, changed)

    def _result(self, schedule: Schedule, exhibits: Exhibits, changed: tuple[FileChange, ...] | None) -> Result:
        """What has been found, as far as it is known."""
        schedule.conclude(self._diagnosis)
        verdicts = blame(self._items, schedule.verdicts, self._diagnosis, schedule.not_finite)
        results = tuple(
            item_result(
                item,
                verdicts[item.id],
                self._diagnosis,
                schedule.lanes[item.id],
                self._exercise.hints_of(item.id),
                schedule.scopes[item.id] | self._compared(item),
            )
            for item in self._items
        )
        environment = self._environment()
        return Result(
            feedback=Feedback(self._exercise.rubric.feedback or Feedback.HINTS),
            exercise=self._about_the_exercise(),
            candidate=CandidateInfo(
                name=self._submission.name,
                sha256=self._submission.sha256,
                files=tuple(sorted(self._submission.files)),
                tests=tuple(sorted(self._submission.tests)),
                tests_sha256=self._submission.tests_sha256,
                notes=self._submission.notes,
            ),
            changes=changed,
            score=round(sum(result.score for result in results), 2),
            max_score=round(sum(result.max_score for result in results), 2),
            items=results,
            followups=self._followup_results(schedule),
            remaining_bugs=self._diagnosis.remaining(),
            exhibits=exhibits,
            environment=environment,
            load_faults=tuple(self._faults.values()),
            asked=Asked(
                only=self._options.only,
                followups=self._options.followups,
                thorough=self._options.thorough,
                timeout=float(self._options.timeout),
                shared=self._options.shared,
            ),
            integrity=Integrity(
                exercise=self._exercise.sha256, grader=grader_digest(), environment=environment_digest(environment)
            ),
            trace=self._trace(),
            seconds=0.0,
        )

    def _about_the_exercise(self) -> ExerciseInfo:
        """Which it is, with what the items are called that were not asked for: others may wait for them."""
        rubric, only = self._exercise.rubric, self._options.only
        unasked = {item.id: item.title for item in rubric.item if only and item.id not in only}
        return ExerciseInfo(id=rubric.id, title=rubric.title, unasked=unasked)

    def _trace(self) -> tuple[Trace, ...]:
        """Each comparison and twin in the order in which they were made."""
        answers = {id_: fingerprint(found) for id_, found in self._answers.items() if not isinstance(found, Trouble)}
        matches = {**self._diagnosis.matches, **self._diagnosis.twins}
        return tuple(
            Trace(
                comparison=id_,
                answers=answers.get(id_),
                lane=match.lane,
                bugs=tuple(sorted(match.bugs)) if match.bugs is not None else None,
                parts=_parting(match),
            )
            for id_, match in matches.items()
        )

    def _followup_results(self, schedule: Schedule) -> tuple[FollowUp, ...]:
        """What is behind a follow-up's failure may be an item; the other way round it never is."""
        verdicts = blame((*self._items, *self._followups), schedule.verdicts, self._diagnosis, schedule.not_finite)
        titles = self._exercise.titles
        results = (
            self._own_tests(item)
            if item.kind == "tests"
            else followup_result(item, verdicts[item.id], titles, schedule.scopes[item.id])
            for item in self._followups
        )
        return tuple(with_hints(result, self._exercise.hints_of(result.id)) for result in results)

    def _compared(self, item: Item) -> Scope:
        """How far the questions went by which an item was compared with the variants, and with its twin."""
        told_by = [
            COMPARISONS[comparison]
            for comparison in self._exercise.comparisons_of(item.id)
            if self._has_answered(comparison)
        ]
        twins = [
            TWIN_BY_ID[twin] for twin in self._diagnosis.twins if item.id in self._exercise.rubric.twins.get(twin, ())
        ]
        asked = (asked for comparison in (*told_by, *twins) for asked in comparison.questions(self._seeds, "float32"))
        return reduce(or_, (scope_of(*each) for each in asked), Scope())

    def _has_answered(self, comparison: str) -> bool:
        return comparison in self._diagnosis.matches and self._diagnosis.matches[comparison].trouble is None

    def _own_tests(self, item: Item) -> FollowUp:
        if self._faults and written(self._submission.tests, self._exercise.visible_tests):
            return waiting(item, " and ".join(fault.file for fault in self._faults.values()))
        return own_tests(
            item,
            self._submission,
            self._exercise,
            self._packages.pool,
            self._seeds,
            timeout=self._options.timeout,
            progress=self._progress,
        )

    def _new_pair(self, number: int) -> WorkerPair:
        return WorkerPair(
            self._new_variants(number),
            self._packages.candidate(number, self._submission.files, self._options.timeout),
        )

    def _new_variants(self, number: int) -> Variants:
        return Variants(self._exercise, self._seeds, partial(self._packages.trusted, number))

    def _compare(self) -> dict[str, Match]:
        """What each comparison tells of the candidate, once the reference has been seen to reproduce itself."""
        comparisons = self._comparisons()
        shared = [comparisons[number::THREADS] for number in range(THREADS)]
        with threads(self._packages.pool, 2 * THREADS) as pool:
            prepared = [pool.submit(pair.variants.prepare, comparisons) for pair in self._pairs]
            self._faults = self._first_run()
            asked = [pool.submit(_put, pair, share) for pair, share in zip(self._pairs, shared, strict=True)]
            self._answers = {id_: answers for share in asked for id_, answers in share.result().items()}
            for future in prepared:
                future.result()
            first, second = (pair.variants for pair in self._pairs)
            for comparison in comparisons:
                if not first.agrees_with(second, comparison):
                    raise CannotJudge(
                        f"the reference does not reproduce itself on this machine ({comparison.id}): "
                        "no verdict is possible"
                    )
            matched = [pool.submit(self._match, pair, share) for pair, share in zip(self._pairs, shared, strict=True)]
            found = {id_: match for share in matched for id_, match in share.result().items()}
        return {comparison.id: found[comparison.id] for comparison in comparisons}

    def _match(self, pair: WorkerPair, comparisons: Sequence[Comparison]) -> dict[str, Match]:
        """The variants that a candidate's answers agree with."""
        return {
            comparison.id: pair.variants.match(comparison, pair.candidate, self._answers[comparison.id])
            for comparison in comparisons
        }

    def _first_run(self) -> dict[str, LoadFault]:
        first, second = (pair.candidate for pair in self._pairs)
        return first_run(first, second, has_adapter=self._exercise.adapter is not None, tell=self._progress)

    def _reordered(self, matches: Mapping[str, Match]) -> dict[str, str]:
        """By comparison that differs by rounding, the changed lines that do it, where they can be found."""
        if not self._options.explain:
            return {}
        found: dict[str, str] = {}
        for comparison, match in matches.items():
            if match.is_rounding and match.bugs is not None:
                tried = Trials(self._submission.files, self._exercise, self._pairs[0].variants, self._trial)
                found[comparison] = tried.lines(COMPARISONS[comparison], match.bugs)
        return found

    def _trial(self, files: Mapping[str, str]) -> Package:
        return Package(self._packages.pool, CANDIDATE, files, self._options.timeout)

    def _twins(self, matches: Mapping[str, Match]) -> tuple[Comparison, ...]:
        """What the candidate is to be compared with its twin by."""
        if FORWARD in matches and matches[FORWARD].trouble is not None:
            return ()  # a model that does not run trains nothing: the grader's own models judge the loop
        twins = twins_asked(self._exercise, self._items, self._seeds)
        return tuple(twin for twin in twins if "train" not in self._faults or not self._asks_train(twin))

    def _compare_twins(
        self, number: int, twins: Sequence[Comparison], matches: Mapping[str, Match]
    ) -> dict[str, Match]:
        """How the candidate agrees with the variant that it was found to be, where that may not have been all."""
        self._turns.acquire()
        # By workers of their own: what is printed in whole runs would leave no room for what checks make it print.
        with self._pairs[0].candidate.another() as candidate:
            variants = self._twin_variants[number % self._twin_threads]
            return match_twins(twins, variants, candidate, expected_bugs(matches))

    def _asks_train(self, twin: Comparison) -> bool:
        return any("train" in modules_asked(question) for question, _ in twin.questions(self._seeds, "float32"))

    def _comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons that the items asked for are diagnosed by; all of them where a twin is compared."""
        if twins_asked(self._exercise, self._items, self._seeds):
            return tuple(COMPARISONS[comparison] for comparison in self._exercise.rubric.comparisons)
        wanted = {
            comparison
            for item in (*self._items, *self._followups)
            for comparison in self._exercise.comparisons_of(item.id)
        }
        return tuple(
            COMPARISONS[comparison] for comparison in self._exercise.rubric.comparisons if comparison in wanted
        )

    def _schedule(self) -> Schedule:
        return Schedule(
            exercise=self._exercise,
            items=self._items,
            followups=self._followups,
            diagnosis=self._diagnosis,
            seeds=self._seeds,
            options=self._options,
            draws=self._packages.draws,
            progress=self._progress,
        )

    def _ask_all(self, schedule: Schedule) -> Exhibits:
        """Items, follow-ups and exhibits, in a thread for each pair."""
        first, *others = zip(self._pairs, schedule.shares(THREADS), strict=True)
        with threads(self._packages.pool) as pool:
            pool.submit(schedule.ask_first, first[0]).result()
            asked = [pool.submit(schedule.ask, *share) for share in (first, *others)]
            for share in asked:
                share.add_done_callback(lambda _: self._turns.release())
            asked[0].result()
            shown = self._options.explain and "model" not in self._faults
            exhibits = pool.submit(self._exhibits, first[0]) if shown else None
            for share in asked:
                share.result()
            return exhibits.result() if exhibits is not None else Exhibits()

    def _exhibits(self, pair: WorkerPair) -> Exhibits:
        return collect(
            pair.candidate,
            pair.variants,
            self._diagnosis.bugs,
            self._seeds,
            cache=any(item.id == "kv-cache" for item in self._items),
            weighting=any(item.id == "loss-weighting" for item in self._followups),
            forwards=self._answers.get(FORWARD),
        )

    def _environment(self) -> Environment:
        started = self._packages.pool.started
        locked = self._pairs[0].variants.reference.worker.locked
        return Environment(
            grader=__version__,
            torch=started.torch,
            python=started.python,
            platform=f"{platform.system()} {platform.machine()}",
            cpu=started.cpu,
            threads=started.threads,
            packages=package_versions(),
            seed=self._seeds.grade,
            isolation=Isolation(mode=self._options.isolation, layers=locked.applied, missing=locked.missing),
        )


def _parting(match: Match) -> Parting | None:
    difference = match.difference
    if difference is None:
        return None
    return Parting(
        where=match.where,
        tensor=difference.tensor,
        element=difference.element,
        ulps=difference.ulps,
        actual=difference.actual,
    )


def _put(pair: WorkerPair, comparisons: Sequence[Comparison]) -> dict[str, list[Tensors] | Trouble]:
    """A candidate's answers, by comparison."""
    return {comparison.id: pair.variants.put(comparison, pair.candidate) for comparison in comparisons}
