"""Grade one submission: from the launcher to the result record."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import msgspec

from grader import __version__
from grader.assemble import item_result
from grader.blame import blame
from grader.checks.catalogue import CHECKS
from grader.comparison import Comparison
from grader.errors import CannotJudge, UsageError
from grader.exercise import Exercise, Facet, Item
from grader.exhibits import collect
from grader.judge import Judge
from grader.lattice import Lattice, Match
from grader.oracle import Crew, Oracle, Stopped, Trouble
from grader.record import CandidateInfo, Environment, ExerciseInfo, Exhibits, Isolation, Lane, Result
from grader.rubric import Verdict, exact_id
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.sandbox.errors import LauncherFailed
from grader.seeds import Seeds, draw_seed
from grader.submission import Submission

PATIENT: Final = 60.0  # seconds for a question to the reference: it answers, if the machine lets it
Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to grade.

    Attributes:
        only: item ids to grade; empty for all.
        seed: to repeat a grade; None draws one in secret.
        timeout: seconds for one question.
    """

    only: tuple[str, ...] = ()
    seed: int | None = None
    thorough: bool = False
    isolation: Mode = "strict"
    timeout: float = 10.0


def grade(
    submission: Submission, exercise: Exercise, options: Options, launcher: Launcher, progress: Progress
) -> Result:
    """The result of grading ``submission``.

    Raises:
        UsageError: ``options.only`` names an item that the exercise does not have.
        CannotJudge: the launcher or the reference failed.
    """
    started = time.perf_counter()
    items = _items_asked_for(exercise, options.only)
    seed = draw_seed() if options.seed is None else options.seed
    seeds = Seeds(seed, submission.sha256)
    crew = Crew(launcher)
    try:
        result = _Grade(submission, exercise, items, options, launcher, crew, progress, seeds).run()
    except LauncherFailed as error:
        raise CannotJudge(f"nothing could be judged: {error}") from error
    except Trouble as trouble:
        raise CannotJudge(f"nothing could be judged: the reference gave no answer: {trouble}") from trouble
    except Stopped as stopped:
        raise CannotJudge(f"nothing could be judged: {stopped.__cause__}") from stopped.__cause__
    finally:
        crew.close()
    return msgspec.structs.replace(result, seconds=round(time.perf_counter() - started, 3))


def _items_asked_for(exercise: Exercise, only: tuple[str, ...]) -> tuple[Item, ...]:
    for name in only:
        if name not in exercise.items:
            raise UsageError(f"no such item: {name!r}; this exercise has {', '.join(exercise.items)}")
    return tuple(item for item in exercise.rubric.item if not only or item.id in only)


class _Grade:
    """One grade under way."""

    def __init__(
        self,
        submission: Submission,
        exercise: Exercise,
        items: tuple[Item, ...],
        options: Options,
        launcher: Launcher,
        crew: Crew,
        progress: Progress,
        seeds: Seeds,
    ) -> None:
        self._submission = submission
        self._exercise = exercise
        self._items = items
        self._options = options
        self._launcher = launcher
        self._crew = crew
        self._progress = progress
        self._seeds = seeds
        # One for each thread; before that, each bears witness that the other's reference can be reproduced.
        self._lattice, self._other_lattice = self._new_lattice(), self._new_lattice()
        self._candidate = Oracle(crew, "the candidate", submission.files, options.timeout)
        self._verdicts: dict[str, Verdict] = {}
        self._lanes: dict[str, set[Lane]] = {}

    def run(self) -> Result:
        self._progress("starting")
        self._comparison = self._compare()
        exhibits = self._ask_all()
        verdicts = blame(self._items, self._verdicts, self._comparison)
        results = tuple(
            item_result(item, verdicts, self._comparison, self._lanes.get(item.id, set())) for item in self._items
        )
        return Result(
            exercise=ExerciseInfo(id=self._exercise.rubric.id, title=self._exercise.rubric.title),
            candidate=CandidateInfo(
                name=self._submission.name,
                sha256=self._submission.sha256,
                files=tuple(sorted(self._submission.files)),
                notes=self._submission.notes,
            ),
            score=round(sum(result.score for result in results), 2),
            max_score=sum(result.max_score for result in results),
            items=results,
            remaining_bugs=self._comparison.remaining(),
            exhibits=exhibits,
            environment=self._environment(),
            seconds=0.0,
        )

    def _trusted(self, name: str, files: Mapping[str, str]) -> Oracle:
        timeout = max(PATIENT, self._options.timeout)
        return Oracle(self._crew, name, files, timeout, trusted=True, ahead=("model", "train"))

    def _compare(self) -> Comparison:
        """The lattice's answer for each facet, once the reference has been seen to reproduce itself."""
        facets = self._facets()
        lattices = (self._lattice, self._other_lattice)
        with self._threads() as pool:
            prepared = [pool.submit(lattice.prepare, facets) for lattice in lattices]
            answers = [self._lattice.put(facet, self._candidate) for facet in facets]
            for future in prepared:
                future.result()
        for facet in facets:
            if not self._lattice.agrees_with(self._other_lattice, facet):
                raise CannotJudge(
                    f"the reference does not reproduce itself on this machine ({facet.id}): no verdict is possible"
                )
        matches: dict[str, Match] = {
            facet.id: self._lattice.match(facet, self._candidate, answer)
            for facet, answer in zip(facets, answers, strict=True)
        }
        return Comparison(self._exercise, matches)

    @contextmanager
    def _threads(self) -> Iterator[ThreadPoolExecutor]:
        """Two threads; when anything fails, all workers are ended, so that neither waits for an answer."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._crew.stop()
                raise

    def _facets(self) -> tuple[Facet, ...]:
        """The facets that the items asked for depend on: extensions depend on what their model computes."""
        wanted = {item.id for item in self._items}
        extensions = any(item.kind == "extension" for item in self._items)
        return tuple(
            facet
            for facet in self._exercise.rubric.facet
            if wanted.intersection(self._exercise.bugs_in(facet)) or (extensions and facet.id == "forward")
        )

    def _ask_all(self) -> Exhibits:
        """All items, and the exhibits, in two threads: a worker each is busy while the grader thinks."""
        idle = [self._lattice, self._other_lattice]

        def with_judge(task: Callable[[Judge], T]) -> T:
            lattice = idle.pop()
            try:
                return task(self._judge(lattice))
            finally:
                idle.append(lattice)

        with self._threads() as pool:
            asked = [pool.submit(with_judge, partial(self._ask, item)) for item in self._by_length()]
            exhibits = pool.submit(with_judge, self._exhibits)
            for future in asked:
                future.result()
            return exhibits.result()

    def _by_length(self) -> list[Item]:
        """The items with the most checks first, so that both threads end at about the same time."""
        return sorted(self._items, key=lambda item: -len(item.earns) - len(item.takes))

    def _new_lattice(self) -> Lattice:
        return Lattice(self._exercise, self._seeds, self._trusted)

    def _exhibits(self, judge: Judge) -> Exhibits:
        cache = any(item.id == "kv-cache" for item in self._items)
        return collect(self._candidate, judge.lattice, self._comparison.bugs, self._seeds, cache=cache)

    def _judge(self, lattice: Lattice) -> Judge:
        return Judge(
            lattice=lattice,
            seeds=self._seeds,
            second=self._candidate.another(),
            stranger=self._candidate.another(),
            bugs=self._comparison.bugs,
            model_bugs=self._comparison.model_bugs,
            thorough=self._options.thorough,
        )

    def _modules(self, item: Item) -> tuple[str, ...]:
        """The modules that an item's questions import: a broken train.py must not touch what is asked of model.py."""
        files = {bug.file for bug in self._exercise.key.bugs if bug.item == item.id} or {"model.py"}
        return tuple(sorted(file.removesuffix(".py") for file in files))

    def _ask(self, item: Item, judge: Judge) -> None:
        """Every check of an item, in a worker that has answered for no other item."""
        self._progress(item.title)
        with self._candidate.another(ahead=self._modules(item)) as candidate:
            for check in CHECKS:
                if check.id in item.earns or check.id in item.takes:
                    verdict, bench = judge.ask(check, candidate, item.id)
                    self._verdicts[check.id] = verdict
                    self._lanes.setdefault(item.id, set()).update(bench.lanes)
        if item.exact:
            self._verdicts[exact_id(item)] = self._comparison.exactness(item.id)

    def _environment(self) -> Environment:
        started = self._launcher.started
        locked = self._lattice.reference.worker.locked
        return Environment(
            grader=__version__,
            torch=started.torch,
            python=started.python,
            platform=f"{platform.system()} {platform.machine()}",
            cpu=started.cpu,
            threads=started.threads,
            seed=self._seeds.grade,
            isolation=Isolation(mode=self._options.isolation, layers=locked.applied, missing=locked.missing),
        )
