"""Grade one submission: from the launcher to the result record."""

import platform
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Final, NamedTuple

import msgspec

from grader import __version__
from grader.assemble import followup_result, item_result
from grader.blame import Verdicts, blame
from grader.changes import changes
from grader.checks.catalogue import CHECKS
from grader.comparison import Comparison
from grader.digest import grader_digest, package_versions
from grader.errors import CannotJudge, UsageError
from grader.exercise import FORWARD, Exercise, Item
from grader.exhibits import collect
from grader.facets.catalogue import BY_ID as FACETS
from grader.facets.facet import Facet
from grader.judge import THOROUGH, Judge
from grader.lattice import Lattice, Match
from grader.library import CANDIDATE, Library, trusted
from grader.oracle import Crew, Oracle, Stopped, Trouble
from grader.own_tests import own_tests
from grader.printable import one_line
from grader.record import (
    Asked,
    CandidateInfo,
    Environment,
    ExerciseInfo,
    Exhibits,
    FollowUp,
    Integrity,
    Isolation,
    Lane,
    LoadFault,
    Outcome,
    Result,
    environment_digest,
    harmless,
)
from grader.rubric import exact_id
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.sandbox.errors import LauncherFailed
from grader.seeds import SHARED, Seeds, draw_seed
from grader.submission import Submission
from grader.teams import TEAMS, threads

Progress = Callable[[str], None]
MAX_REASON: Final = 500  # characters
PATIENCE: Final = (
    30  # times the time-out that all answers of a submission may take, which is minutes; most take seconds
)
EXHIBITS_LOAD: Final = 4  # in checks: collecting them takes about as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to grade.

    Attributes:
        only: ids of items and follow-ups to grade; empty for all.
        followups: whether to ask the follow-ups too where ``only`` names nothing.
        seed: to repeat a grade; None draws one in secret.
        shared: whether the questions depend on the seed alone, and not on the submission too: then the reference
            answers them once for many.
        timeout: seconds for one question.
        explain: whether to look for the smallest failing cases, and collect evidence that decides no point.
    """

    only: tuple[str, ...] = ()
    followups: bool = True
    seed: int | None = None
    shared: bool = False
    thorough: bool = False
    isolation: Mode = "strict"
    timeout: float = 10.0
    explain: bool = True


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
    crew.budget = max(PATIENCE, 30 * options.timeout) * (THOROUGH if options.thorough else 1)
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


def asked_for(exercise: Exercise, options: Options) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The items and the follow-ups to grade. Raises ``UsageError`` for one that the exercise does not have."""
    rubric, only = exercise.rubric, options.only
    for name in only:
        if name not in exercise.items and name not in exercise.followups:
            listed = ", ".join((*exercise.items, *exercise.followups))
            raise UsageError(f"no such item: {name!r}; this exercise has {listed}")
    if not only:
        return rubric.item, rubric.followup if options.followups else ()
    items, followups = (tuple(item for item in of if item.id in only) for of in (rubric.item, rubric.followup))
    return items, followups


def _checks(item: Item) -> int:
    return len(item.earns) + len(item.takes)


class _Team(NamedTuple):
    """The processes that one thread works with: the reference with its variants, and the candidate."""

    lattice: Lattice
    candidate: Oracle


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
        self._verdicts: Verdicts = {item.id: {} for item in (*items, *followups)}
        self._lanes: dict[str, set[Lane]] = {item.id: set() for item in (*items, *followups)}

    def run(self) -> Result:
        self._progress("starting")
        # Now, while torch is being imported.
        grader_digest()
        changed = changes(self._exercise.starter(), self._submission.files) if self._options.explain else None
        self._comparison = self._compare()
        faults = self._load_faults()
        exhibits = self._ask_all()
        verdicts = blame(self._items, self._verdicts, self._comparison)
        results = tuple(
            item_result(
                item, verdicts[item.id], self._comparison, self._lanes[item.id], self._exercise.hints_of(item.id)
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
            followups=self._followup_results(),
            remaining_bugs=self._comparison.remaining(),
            exhibits=exhibits,
            environment=environment,
            load_faults=faults,
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

    def _followup_results(self) -> tuple[FollowUp, ...]:
        """What is behind a follow-up's failure may be an item; the other way round it never is."""
        verdicts = blame((*self._items, *self._followups), self._verdicts, self._comparison)
        titles = self._exercise.titles
        return tuple(
            self._own_tests(item) if item.kind == "tests" else followup_result(item, verdicts[item.id], titles)
            for item in self._followups
        )

    def _own_tests(self, item: Item) -> FollowUp:
        given = self._submission, self._exercise, self._crew, self._seeds
        return own_tests(item, *given, timeout=self._options.timeout, progress=self._progress)

    def _new_team(self, number: int) -> "_Team":
        library, crew = self._library, self._crew
        files, timeout = self._submission.files, self._options.timeout
        if library is None:
            return _Team(self._lattice(partial(trusted, crew)), Oracle(crew, CANDIDATE, files, timeout))
        return _Team(self._lattice(partial(library.oracle, number)), library.candidate(number, crew, files, timeout))

    def _lattice(self, make: Callable[[str, Mapping[str, str]], Oracle]) -> Lattice:
        return Lattice(self._exercise, self._seeds, make)

    def _compare(self) -> Comparison:
        """The lattice's answer for each facet, once the reference has been seen to reproduce itself."""
        facets = self._facets()
        with threads(self._crew) as pool:
            prepared = [pool.submit(team.lattice.prepare, facets) for team in self._teams]
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
        return Comparison(self._exercise, matches)

    def _load_faults(self) -> tuple[LoadFault, ...]:
        """The modules that cannot be imported, asked for by themselves where something gave no answer."""
        if not self._comparison.has_trouble:
            return ()
        faults = {module: self._teams[0].candidate.import_fault(module) for module in ("model", "train")}
        return tuple(
            LoadFault(file=f"{module}.py", reason=one_line(str(trouble))[:MAX_REASON])
            for module, trouble in faults.items()
            if trouble is not None
        )

    def _facets(self) -> tuple[Facet, ...]:
        """The facets that the items asked for are told by."""
        wanted = {facet for item in (*self._items, *self._followups) for facet in self._exercise.facets_of(item.id)}
        return tuple(FACETS[facet] for facet in self._exercise.rubric.facets if facet in wanted)

    def _ask_all(self) -> Exhibits:
        """Items, follow-ups and exhibits, in a thread for each team: a worker is busy while the grader thinks."""
        first, *others = zip(self._teams, self._shares(), strict=True)
        with threads(self._crew) as pool:
            asked = [pool.submit(self._ask_in_turn, *share) for share in (first, *others)]
            asked[0].result()
            exhibits = pool.submit(self._exhibits, first[0]) if self._options.explain else None
            for share in asked:
                share.result()
            return exhibits.result() if exhibits is not None else Exhibits()

    def _shares(self) -> list[list[Item]]:
        """What each team asks, always the same, so that a candidate that remembers is judged alike every time."""
        shares: list[list[Item]] = [[] for _ in self._teams]
        loads = [EXHIBITS_LOAD, *(0 for _ in self._teams[1:])]
        asked = sorted(self._items, key=lambda item: -_checks(item))
        followups = [item for item in self._followups if item.kind == "followup"]
        for item in (*asked, *sorted(followups, key=lambda item: -_checks(item))):
            lightest = loads.index(min(loads))
            shares[lightest].append(item)
            loads[lightest] += _checks(item)
        # A broken train.py must not touch what is asked of model.py alone: that comes first. Follow-ups come last.
        return [
            sorted(share, key=lambda item: (item.kind == "followup", self._involves_training(item))) for share in shares
        ]

    def _involves_training(self, item: Item) -> bool:
        planted = (*self._exercise.key.bugs, *self._exercise.key.stubs)
        return any(edit.item == item.id and edit.file == "train.py" for edit in planted)

    def _ask_in_turn(self, team: "_Team", items: list[Item]) -> None:
        judge = Judge(
            lattice=team.lattice,
            seeds=self._seeds,
            second=team.candidate.another(),
            stranger=team.candidate.another(),
            bugs=self._comparison.bugs,
            model_bugs=self._comparison.model_bugs,
            titles=self._exercise.titles,
            thorough=self._options.thorough,
            explain=self._options.explain,
            draws=self._library.draws if self._library is not None else None,
        )
        for item in items:
            self._ask(item, judge, team.candidate)

    def _ask(self, item: Item, judge: Judge, candidate: Oracle) -> None:
        """Every check of an item; of a follow-up, those that tell whether it is built come first, maybe alone."""
        self._progress(item.title)
        for check in sorted(CHECKS, key=lambda check: item.kind == "followup" and check.id not in item.essential):
            if check.id in item.earns or check.id in item.takes:
                verdict, bench = judge.ask(check, candidate, item.id)
                self._verdicts[item.id][check.id] = verdict
                self._lanes[item.id] |= bench.lanes
                if item.kind == "followup" and check.id in item.essential and verdict.outcome is not Outcome.PASSED:
                    break
        if item.exact:
            self._verdicts[item.id][exact_id(item)] = self._comparison.exactness(item.id)

    def _exhibits(self, team: "_Team") -> Exhibits:
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
