"""Whether the candidate's own tests pass on its package, and what they notice of the bugs that are planted in it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Final

from grader.exercise import Exercise, Item
from grader.oracle import Crew
from grader.own_tests import results
from grader.own_tests.mutants import Draw, Mutant, NotRead, TooSlow, find
from grader.own_tests.running import CONFTEST, Files, Ran, Runner
from grader.record import FollowUp, Outcome
from grader.seeds import Seeds
from grader.submission import Submission
from grader.teams import threads

RUN: Final = 3.0  # how long the tests may take, in times of what one question may
SLACK: Final = 5.0  # seconds that a later run may take beyond three times the first


def own_tests(
    item: Item,
    submission: Submission,
    exercise: Exercise,
    crew: Crew,
    seeds: Seeds,
    *,
    timeout: float,
    progress: Callable[[str], None],
) -> FollowUp:
    """The follow-up about a submission's own tests. Nothing of the reference takes part in it.

    Args:
        timeout: seconds for one question; the tests get three times as long.
    """
    tests = written(submission.tests, exercise.visible_tests)
    if not tests:
        return results.unbuilt(item, "There are no tests of its own: no test_*.py but those of the starter.")
    return _Trials(item, submission.files, tests, crew, seeds, timeout, progress).followup()


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

    A run on a mutant differs from the others in nothing but the package: neither its place in the order nor what is
    asked tells them apart.
    """

    def __init__(
        self,
        item: Item,
        package: Files,
        tests: Files,
        crew: Crew,
        seeds: Seeds,
        timeout: float,
        progress: Callable[[str], None],
    ) -> None:
        self._item = item
        self._package = package
        self._crew = crew
        self._runner = Runner(crew, tests)
        self._seed = seeds.derive(item.id)
        self._timeout = timeout
        self._progress = progress

    def followup(self) -> FollowUp:
        """Run them, and say what they are worth."""
        self._progress(f"{self._item.title}: on the package itself")
        with threads(self._crew) as pool:
            finding = pool.submit(self._find)
            first = self._runner.run(self._package, RUN * self._timeout)
            if not first.passed:
                return results.failing(self._item, first)
            try:
                otherwise, mutants = finding.result()
            except NotRead as error:
                return results.unbuilt(self._item, f"No bug can be planted in a text that cannot be read: {error}.")
            except TooSlow:
                return results.unbuilt(self._item, "The package answers too slowly to tell what a bug in it changes.")
            if not mutants:
                return results.not_judged(self._item)
            self._progress(f"{self._item.title}: on mutants of it, {len(mutants)} of them")
            subjects = [self._package, otherwise, *(mutant.files for mutant in mutants)]
            again, reworded, *on_mutants = self._run_all(pool, subjects, controls=2, limit=3 * first.seconds + SLACK)
        notices = [results.Notice(mutant, ran) for mutant, ran in zip(mutants, on_mutants, strict=True)]
        return results.graded(self._item, self._package, first, again, reworded, notices)

    def _find(self) -> tuple[Files, list[Mutant]]:
        """The same program in other words, and the mutants, group by group."""
        found = find(self._crew, self._package, self._item.mutants, name=f"local_{self._seed:x}")
        draw = Draw(self._crew, self._package, self._seed, self._timeout)
        mutants: list[Mutant] = []
        for group, most in self._item.mutants.items():
            mutants += draw.mutants([planting for planting in found.plantings if planting.group == group], most)
        return found.otherwise, mutants

    def _run_all(
        self, pool: ThreadPoolExecutor, subjects: Sequence[Files], *, controls: int, limit: float
    ) -> list[Ran]:
        """What came of each, in their order; they are run in one that nobody can guess."""

        def run(index: int) -> Ran:
            ran = self._runner.run(subjects[index], limit)
            if ran.passed or index < controls:
                return ran
            # What is noticed is noticed again, by the same test: one that fails at random has noticed nothing.
            repeated = self._runner.run(subjects[index], limit)
            if repeated.passed or repeated.test == ran.test:
                return repeated if repeated.passed else ran
            return replace(repeated, outcome=Outcome.PASSED, message="")

        order = Random(self._seed).sample(range(len(subjects)), len(subjects))
        ran = dict(zip(order, pool.map(run, order), strict=True))
        return [ran[index] for index in range(len(subjects))]
