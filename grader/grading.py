"""Grade one submission: from the launcher to the result record."""

import platform
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from functools import partial, reduce
from itertools import cycle
from operator import or_

import msgspec

from grader import __version__
from grader.asking import Asking
from grader.assemble import followup_result, item_result
from grader.blame import blame
from grader.changes import changes
from grader.comparison import Comparison
from grader.digest import grader_digest, package_versions
from grader.errors import CannotJudge
from grader.exercise import FORWARD, Exercise, Item
from grader.exhibits import collect
from grader.facets.catalogue import BY_ID as FACETS
from grader.facets.catalogue import TWIN_BY_ID
from grader.facets.facet import Facet
from grader.first_run import first_run
from grader.lattice import Lattice, Match
from grader.library import CANDIDATE, Library, trusted
from grader.options import Options, asked_for
from grader.oracle import Crew, Oracle, Stopped, Trouble
from grader.own_tests import own_tests, waiting, written
from grader.record import (
    Asked,
    CandidateInfo,
    Environment,
    ExerciseInfo,
    Exhibits,
    FollowUp,
    Integrity,
    Isolation,
    Result,
    Scope,
    environment_digest,
    harmless,
)
from grader.reordered import Trials
from grader.sandbox.client import Launcher
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.questions import modules_asked
from grader.scope import scope_of
from grader.seeds import SHARED, Seeds, draw_seed
from grader.submission import Submission
from grader.teams import TEAMS, Team, threads
from grader.twins import expected_bugs, match_twins, shares, twins_asked

Progress = Callable[[str], None]


def grade(
    submission: Submission,
    exercise: Exercise,
    options: Options,
    launcher: Launcher,
    progress: Progress,
    library: Library | None = None,
    crew: Crew | None = None,
) -> Result:
    """The result of grading ``submission``.

    Args:
        library: answers for the reference and its variants; without one they are asked anew.
        crew: makes the workers of this grade, for whoever may want to ``stop`` it from another thread.

    Raises:
        UsageError: ``options.only`` names an item that the exercise does not have.
        CannotJudge: the launcher or the reference failed, or the crew was stopped.
    """
    started = time.perf_counter()
    items, followups = asked_for(exercise, options)
    seed = draw_seed() if options.seed is None else options.seed
    seeds = Seeds(seed, SHARED if options.shared else submission.sha256)
    crew = crew or Crew(launcher)
    crew.budget = options.budget
    crew.left_to_build = exercise.left_to_build
    try:
        with library.lent() if library is not None else nullcontext():
            grading = _Grade(submission, exercise, items, followups, options, launcher, crew, progress, seeds, library)
            result = grading.run()
    except LauncherFailed as error:
        raise CannotJudge(f"nothing could be judged: {error}") from error
    except Trouble as trouble:
        raise CannotJudge(f"nothing could be judged: the reference gave no answer: {trouble}") from trouble
    except Stopped as stopped:
        raise CannotJudge(f"nothing could be judged: {stopped.__cause__ or 'it was given up'}") from stopped.__cause__
    finally:
        crew.close()
    return harmless(msgspec.structs.replace(result, seconds=round(time.perf_counter() - started, 3)))


class _Grade:
    """One grade under way."""

    def __init__(
        self,
        submission: Submission,
        exercise: Exercise,
        items: tuple[Item, ...],
        followups: tuple[Item, ...],
        options: Options,
        launcher: Launcher,
        crew: Crew,
        progress: Progress,
        seeds: Seeds,
        library: Library | None,
    ) -> None:
        self._submission = submission
        self._exercise = exercise
        self._items = items
        self._followups = followups
        self._options = options
        self._launcher = launcher
        self._crew = crew
        self._progress = progress
        self._seeds = seeds
        self._library = library
        # One for each thread; before that, each bears witness that the other's reference can be reproduced.
        self._teams = tuple(self._new_team(number) for number in range(TEAMS))

    def run(self) -> Result:
        self._progress("starting")
        # Now, while torch is being imported.
        grader_digest()
        changed = changes(self._exercise.starter(), self._submission.files) if self._options.explain else None
        self._comparison = self._compare()
        asking = self._asking()
        exhibits = self._ask_all(asking)
        verdicts = blame(self._items, asking.verdicts, self._comparison, asking.not_finite)
        results = tuple(
            item_result(
                item,
                verdicts[item.id],
                self._comparison,
                asking.lanes[item.id],
                self._exercise.hints_of(item.id),
                asking.scopes[item.id] | self._compared(item),
            )
            for item in self._items
        )
        environment = self._environment()
        return Result(
            exercise=ExerciseInfo(id=self._exercise.rubric.id, title=self._exercise.rubric.title),
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
            max_score=sum(result.max_score for result in results),
            items=results,
            followups=self._followup_results(asking),
            remaining_bugs=self._comparison.remaining(),
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
            seconds=0.0,
        )

    def _followup_results(self, asking: Asking) -> tuple[FollowUp, ...]:
        """What is behind a follow-up's failure may be an item; the other way round it never is."""
        verdicts = blame((*self._items, *self._followups), asking.verdicts, self._comparison, asking.not_finite)
        titles = self._exercise.titles
        return tuple(
            self._own_tests(item)
            if item.kind == "tests"
            else followup_result(item, verdicts[item.id], titles, asking.scopes[item.id])
            for item in self._followups
        )

    def _compared(self, item: Item) -> Scope:
        """How far the questions went by which an item was compared with the variants, and with its twin."""
        told_by = [FACETS[facet] for facet in self._exercise.facets_of(item.id) if self._has_answered(facet)]
        twins = [
            TWIN_BY_ID[twin] for twin in self._comparison.twins if item.id in self._exercise.rubric.twins.get(twin, ())
        ]
        asked = (asked for facet in (*told_by, *twins) for asked in facet.questions(self._seeds, "float32"))
        return reduce(or_, (scope_of(*each) for each in asked), Scope())

    def _has_answered(self, facet: str) -> bool:
        return facet in self._comparison.matches and self._comparison.matches[facet].trouble is None

    def _own_tests(self, item: Item) -> FollowUp:
        if self._faults and written(self._submission.tests, self._exercise.visible_tests):
            return waiting(item, " and ".join(fault.file for fault in self._faults.values()))
        given = self._submission, self._exercise, self._crew, self._seeds
        return own_tests(item, *given, timeout=self._options.timeout, progress=self._progress)

    def _new_team(self, number: int) -> Team:
        library, crew = self._library, self._crew
        files, timeout = self._submission.files, self._options.timeout
        if library is None:
            return Team(self._lattice(partial(trusted, crew)), Oracle(crew, CANDIDATE, files, timeout))
        return Team(self._lattice(partial(library.oracle, number)), library.candidate(number, crew, files, timeout))

    def _lattice(self, make: Callable[[str, Mapping[str, str]], Oracle]) -> Lattice:
        return Lattice(self._exercise, self._seeds, make)

    def _compare(self) -> Comparison:
        """The lattice's answer for each facet, once the reference has been seen to reproduce itself."""
        facets = self._facets()
        with threads(self._crew) as pool:
            prepared = [pool.submit(team.lattice.prepare, facets) for team in self._teams]
            self._faults = first_run(*(team.candidate for team in self._teams))
            answers = [team.lattice.put(facet, team.candidate) for team, facet in zip(cycle(self._teams), facets)]
            self._answers = {facet.id: answer for facet, answer in zip(facets, answers, strict=True)}
            for future in prepared:
                future.result()
        first, second = (team.lattice for team in self._teams)
        for facet in facets:
            if not first.agrees_with(second, facet):
                raise CannotJudge(
                    f"the reference does not reproduce itself on this machine ({facet.id}): no verdict is possible"
                )
        matches: dict[str, Match] = {
            facet.id: team.lattice.match(facet, team.candidate, answer)
            for team, facet, answer in zip(cycle(self._teams), facets, answers)
        }
        return Comparison(self._exercise, matches, self._compare_twins(matches), self._reordered(matches))

    def _reordered(self, matches: Mapping[str, Match]) -> dict[str, str]:
        """By facet that differs by rounding, the changed lines that do it, where they can be told."""
        if not self._options.explain:
            return {}
        found: dict[str, str] = {}
        for facet, match in matches.items():
            if match.is_rounding and match.bugs is not None:
                tried = Trials(self._submission.files, self._exercise, self._teams[0].lattice, self._trial)
                found[facet] = tried.lines(FACETS[facet], match.bugs)
        return found

    def _trial(self, files: Mapping[str, str]) -> Oracle:
        return Oracle(self._crew, CANDIDATE, files, self._options.timeout)

    def _compare_twins(self, matches: Mapping[str, Match]) -> dict[str, Match]:
        """How the candidate agrees with the variant that it was found to be, where that may not have been all."""
        bugs = expected_bugs(matches)
        if FORWARD in matches and matches[FORWARD].trouble is not None:
            return {}  # a model that does not run trains nothing: the grader's own models judge the loop
        twins = twins_asked(self._exercise, self._items, self._seeds)
        if "train" in self._faults:
            twins = tuple(twin for twin in twins if not self._asks_train(twin))
        # By workers of their own: what is printed in whole runs would leave no room for what checks make it print.
        with threads(self._crew) as pool, ExitStack() as workers:
            asked = [
                pool.submit(match_twins, share, team.lattice, workers.enter_context(team.candidate.another()), bugs)
                for team, share in zip(self._teams, shares(twins), strict=True)
            ]
            found = {id_: match for matched in asked for id_, match in matched.result().items()}
        return {twin.id: found[twin.id] for twin in twins if twin.id in found}

    def _asks_train(self, twin: Facet) -> bool:
        return any("train" in modules_asked(question) for question, _ in twin.questions(self._seeds, "float32"))

    def _facets(self) -> tuple[Facet, ...]:
        """The facets that the items asked for are told by; all of them where a twin is compared."""
        if twins_asked(self._exercise, self._items, self._seeds):
            return tuple(FACETS[facet] for facet in self._exercise.rubric.facets)
        wanted = {facet for item in (*self._items, *self._followups) for facet in self._exercise.facets_of(item.id)}
        return tuple(FACETS[facet] for facet in self._exercise.rubric.facets if facet in wanted)

    def _asking(self) -> Asking:
        draws = self._library.draws if self._library is not None else None
        given = self._exercise, self._items, self._followups, self._comparison, self._seeds, self._options
        return Asking(*given, draws, self._progress)

    def _ask_all(self, asking: Asking) -> Exhibits:
        """Items, follow-ups and exhibits, in a thread for each team."""
        first, *others = zip(self._teams, asking.shares(TEAMS), strict=True)
        with threads(self._crew) as pool:
            pool.submit(asking.ask_first, first[0]).result()
            asked = [pool.submit(asking.ask, *share) for share in (first, *others)]
            asked[0].result()
            shown = self._options.explain and "model" not in self._faults
            exhibits = pool.submit(self._exhibits, first[0]) if shown else None
            for share in asked:
                share.result()
            return exhibits.result() if exhibits is not None else Exhibits()

    def _exhibits(self, team: Team) -> Exhibits:
        return collect(
            team.candidate,
            team.lattice,
            self._comparison.bugs,
            self._seeds,
            cache=any(item.id == "kv-cache" for item in self._items),
            weighting=any(item.id == "loss-weighting" for item in self._followups),
            forwards=self._answers.get(FORWARD),
        )

    def _environment(self) -> Environment:
        started = self._launcher.started
        locked = self._teams[0].lattice.reference.worker.locked
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
