"""Whether the candidate's own tests pass on its package, and what they notice of the bugs that are planted in it."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from grader.exercise.model import Exercise, Item
from grader.files.digest import digest
from grader.limits import OWN_TESTS_TIMEOUT_FACTOR
from grader.own_tests import results
from grader.own_tests.mutants import Draw, Mutant, NotRead, TooSlow, Wording, find
from grader.own_tests.running import CONFTEST, Files, Runner, Runs
from grader.packages.worker_pool import WorkerPool, threads
from grader.result.record import FollowUp, Outcome
from grader.seeds import Seeds
from grader.submission.read import Submission

REWORDED: Final = 4  # times that the package itself is run in other words, among the mutants
CONFIRMED: Final = 4  # mutants that have to be noticed again before it is believed of the others
DOUBTFUL: Final = (Outcome.FAILED, Outcome.BROKEN)


def own_tests(
    item: Item,
    submission: Submission,
    exercise: Exercise,
    worker_pool: WorkerPool,
    seeds: Seeds,
    *,
    timeout: float,
    progress: Callable[[str], None],
) -> FollowUp:
    """The follow-up about a submission's own tests. Nothing of the reference takes part in it.

    Args:
        timeout: seconds for one question, computing or asleep; the tests get three times as long.
    """
    tests = written(submission.tests, exercise.visible_tests)
    if not tests:
        return results.unbuilt(item, "There are no tests of its own: no test_*.py but those of the starter.")
    return _Trials(item, submission.files, tests, worker_pool, seeds, timeout, progress).followup()


def written(tests: Files, visible: str) -> Files:
    """The tests that the starter does not have, under whatever name, and the conftest.py that they may need."""
    handed_out = _code_of(visible)
    own = {name: text for name, text in tests.items() if name == CONFTEST or _code_of(text) != handed_out}
    return own if own.keys() - {CONFTEST} else {}


def _code_of(text: str) -> tuple[str, ...]:
    """The lines that do something."""
    lines = (line.rstrip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.lstrip().startswith("#"))


class _Trials:
    """The tests of one submission, run on its package, on the same program in other words, and on mutants of it.

    A mutant is in other words, too, so that a run on one differs from a run on the package in nothing but what the code
    computes: neither its place in the order, nor what is asked, nor the looks of the text tell them apart.
    """

    def __init__(
        self,
        item: Item,
        package: Files,
        tests: Files,
        worker_pool: WorkerPool,
        seeds: Seeds,
        timeout: float,
        progress: Callable[[str], None],
    ) -> None:
        self._item = item
        self._package = package
        self._worker_pool = worker_pool
        self._runner = Runner(worker_pool, tests)
        self._seed = seeds.derive(item.id)
        self._random = Random(self._seed)
        self._wording = Wording(worker_pool, package, seeds.derive(item.id, "words"))
        self._timeout = timeout
        self._progress = progress

    def followup(self) -> FollowUp:
        """Run them, and say what they are worth."""
        self._progress(f"{self._item.title}: on the package itself")
        with threads(self._worker_pool) as pool:
            finding = pool.submit(self._find)
            first = self._runner.run_surely(self._package, OWN_TESTS_TIMEOUT_FACTOR * self._timeout)
            if not first.passed:
                return results.failing(self._item, first)
            try:
                mutants = finding.result()
                if not mutants:
                    return results.not_judged(self._item)
                subjects = [self._package] * REWORDED + [mutant.files for mutant in mutants]
                subjects = [self._package, *self._wording.of(subjects)]
            except NotRead as error:
                return results.unbuilt(self._item, f"No bug can be planted in a text that cannot be read: {error}.")
            except TooSlow:
                return results.unbuilt(self._item, "The package answers too slowly to tell what a bug in it changes.")
            self._progress(f"{self._item.title}: on mutants of it, {len(mutants)} of them")
            runs = Runs(self._runner, pool, self._random, first.spent, self._timeout)
            again, *ran = runs.of(subjects, controls=1 + REWORDED)
            reworded = next((each for each in ran[:REWORDED] if each is not None and not each.passed), first)
            notices = [
                results.Notice(mutant, run)
                for mutant, run in zip(mutants, ran[REWORDED:], strict=True)
                if run is not None
            ]
            notices = self._confirmed(runs, notices)
        return results.graded(
            self._item, self._package, first, again or first, reworded, notices, untried=len(mutants) - len(notices)
        )

    def _find(self) -> list[Mutant]:
        """The mutants, group by group, once it is known in which words the package stays what it is."""
        plantings = find(self._worker_pool, self._package, self._item.mutants)
        draw = Draw(self._worker_pool, self._package, _seed_of(self._package), self._timeout)
        if plantings:
            self._wording.keep_what_holds(draw.is_the_same)
        return [
            mutant
            for group in self._item.mutants
            for mutant in draw.mutants(planting for planting in plantings if planting.group == group)
        ]

    def _confirmed(self, runs: Runs, notices: list[results.Notice]) -> list[results.Notice]:
        """What is noticed is noticed again, by the same test and in other words still.

        A test that fails at random, or by a hash of the text, has noticed nothing. Where some that are drawn are
        noticed again, all are taken to be; where one is not, all are asked again. What hangs has no need of it.
        """
        doubtful = [place for place, notice in enumerate(notices) if notice.ran.outcome in DOUBTFUL]
        drawn = self._random.sample(doubtful, min(CONFIRMED, len(doubtful)))
        for places in filter(None, (drawn, [place for place in doubtful if place not in drawn])):
            again = runs.of(self._wording.of([notices[place].mutant.files for place in places]), controls=0)
            found = {place: ran for place, ran in zip(places, again, strict=True) if ran is not None}
            missed = {place for place, ran in found.items() if ran.passed or ran.test != notices[place].ran.test}
            for place in missed:
                notices[place] = notices[place]._replace(ran=replace(found[place], outcome=Outcome.PASSED, message=""))
            if not missed:
                break
        return notices


def _seed_of(package: Files) -> int:
    """A seed for the questions by which mutants are found. Whether a small bug shows depends on what is asked, and the
    same files have to earn the same whatever the grade's seed is."""
    return Seeds(0, digest({name: text.encode() for name, text in package.items()})).derive("mutants")
