"""Grade one submission: from the launcher to the result record."""

import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import msgspec

from grader import __version__
from grader import rubric as rules
from grader.checks.catalogue import BY_ID, CHECKS
from grader.errors import CannotJudge, UsageError
from grader.exercise import Exercise, Facet, Item
from grader.exhibits import collect
from grader.judge import Judge
from grader.lattice import Bugs, Lattice, Match
from grader.oracle import Oracle
from grader.record import (
    CandidateInfo,
    CheckResult,
    Counterexample,
    Environment,
    ExerciseInfo,
    Exhibits,
    Hidden,
    Isolation,
    ItemResult,
    Lane,
    Outcome,
    Result,
    Role,
    Status,
)
from grader.rubric import Verdict
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.sandbox.errors import LauncherFailed
from grader.seeds import Seeds, draw_seed
from grader.submission import Submission

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
    try:
        with ExitStack() as stack:
            result = _Grade(submission, exercise, items, options, launcher, progress, seeds, stack).run()
    except LauncherFailed as error:
        raise CannotJudge(f"nothing could be judged: {error}") from error
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
        progress: Progress,
        seeds: Seeds,
        stack: ExitStack,
    ) -> None:
        self._submission = submission
        self._exercise = exercise
        self._items = items
        self._options = options
        self._launcher = launcher
        self._progress = progress
        self._seeds = seeds
        self._stack = stack
        # One for each thread; before that, each bears witness that the other's reference can be reproduced.
        self._lattice, self._other_lattice = self._new_lattice(), self._new_lattice()
        self._candidate = self._oracle("the candidate", submission.files)
        self._matches: dict[str, Match] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._lanes: dict[str, set[Lane]] = {}

    def run(self) -> Result:
        self._progress("starting")
        self._match()
        exhibits = self._ask_all()
        self._block()
        results = tuple(self._item_result(item) for item in self._items)
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
            remaining_bugs=self._remaining_bugs(),
            exhibits=exhibits,
            environment=self._environment(),
            seconds=0.0,
        )

    # Asking

    def _oracle(self, name: str, files: Mapping[str, str]) -> Oracle:
        oracle = Oracle(self._launcher, name, files, self._options.timeout)
        self._stack.callback(oracle.close)
        return oracle

    def _trusted(self, name: str, files: Mapping[str, str]) -> Oracle:
        return Oracle(self._launcher, name, files, max(60.0, self._options.timeout), trusted=True)

    def _match(self) -> None:
        for facet in self._facets():
            if not self._lattice.agrees_with(self._other_lattice, facet):
                raise CannotJudge(
                    f"the reference does not reproduce itself on this machine ({facet.id}): no verdict is possible"
                )
            self._matches[facet.id] = self._lattice.match(facet, self._candidate)

    def _facets(self) -> tuple[Facet, ...]:
        """The facets that the items asked for depend on: extensions depend on what their model computes."""
        wanted = {item.id for item in self._items}
        extensions = any(item.kind == "extension" for item in self._items)
        return tuple(
            facet
            for facet in self._exercise.rubric.facet
            if wanted.intersection(self._exercise.bugs_in(facet)) or (extensions and facet.id == "forward")
        )

    @property
    def _bugs(self) -> Bugs:
        return frozenset().union(*(match.bugs or () for match in self._matches.values()))

    def _ask_all(self) -> Exhibits:
        """All items, and the exhibits, in two threads: a worker each is busy while the grader thinks."""
        idle = [self._judge(self._lattice), self._judge(self._other_lattice)]
        with ThreadPoolExecutor(max_workers=len(idle)) as pool:

            def with_judge(task: Callable[[Judge], T]) -> T:
                judge = idle.pop()
                try:
                    return task(judge)
                finally:
                    idle.append(judge)

            asked = [pool.submit(with_judge, partial(self._ask, item)) for item in self._by_length()]
            exhibits = pool.submit(with_judge, self._exhibits)
            try:
                for future in asked:
                    future.result()
                return exhibits.result()
            except BaseException:
                # The workers must go first, or the pool would wait for answers that nobody wants.
                pool.shutdown(wait=False, cancel_futures=True)
                self._launcher.close()
                raise

    def _by_length(self) -> list[Item]:
        """The items with the most checks first, so that both threads end at about the same time."""
        return sorted(self._items, key=lambda item: -len(item.earns) - len(item.takes))

    def _new_lattice(self) -> Lattice:
        lattice = Lattice(self._exercise, self._seeds, self._trusted)
        self._stack.callback(lattice.close)
        return lattice

    def _exhibits(self, judge: Judge) -> Exhibits:
        cache = any(item.id == "kv-cache" for item in self._items)
        return collect(self._candidate, judge.lattice, self._bugs, self._seeds, cache=cache)

    def _judge(self, lattice: Lattice) -> Judge:
        second = self._candidate.another()
        stranger = self._candidate.another()
        self._stack.callback(second.close)
        self._stack.callback(stranger.close)
        return Judge(
            lattice=lattice,
            seeds=self._seeds,
            second=second,
            stranger=stranger,
            bugs=self._bugs,
            thorough=self._options.thorough,
        )

    def _ask(self, item: Item, judge: Judge) -> None:
        """Every check of an item, in a worker that has answered for no other item."""
        self._progress(item.title)
        with self._candidate.another() as candidate:
            for check in CHECKS:
                if check.id in item.earns or check.id in item.takes:
                    verdict, bench = judge.ask(check, candidate, item.id)
                    self._verdicts[check.id] = verdict
                    self._lanes.setdefault(item.id, set()).update(bench.lanes)
        if item.exact:
            self._verdicts[rules.exact_id(item)] = self._exactness(item)

    # Blame

    def _block(self) -> None:
        """Where no variant matched, a failure is another item's if what the check needs has failed there."""
        owner = {check: item.id for item in self._items for check in (*item.earns, *item.takes)}
        failed = {check for check, verdict in self._verdicts.items() if verdict.outcome in rules.FAILURES}
        for check in failed & BY_ID.keys():
            if self._matched(owner[check]) or self._verdicts[check].message.startswith("not built yet"):
                continue
            blockers = {owner[need] for need in BY_ID[check].needs if need in failed} - {owner[check]}
            if blockers:
                self._verdicts[check] = _blocked(self._verdicts[check], blockers)
        for item in self._items:
            exact = self._verdicts.get(rules.exact_id(item))
            if exact is not None and exact.outcome is Outcome.FAILED and not self._matched(item.id):
                others = {owner[check] for check in failed & BY_ID.keys() if owner[check] in self._sharing(item)}
                if others - {item.id} and item.id not in others:
                    self._verdicts[rules.exact_id(item)] = _blocked(exact, others)

    def _matched(self, item: str) -> bool:
        """Whether the lattice has an exact answer for what this item depends on."""
        match = self._match_of(item)
        return match is not None and match.bugs is not None

    def _match_of(self, item: str) -> Match | None:
        for facet in self._exercise.rubric.facet:
            if item in self._exercise.bugs_in(facet):
                return self._matches.get(facet.id)
        return self._matches.get("forward")  # an extension stands on the model

    def _sharing(self, item: Item) -> set[str]:
        """The items whose bugs sit in the same files."""
        for facet in self._exercise.rubric.facet:
            bugs = self._exercise.bugs_in(facet)
            if item.id in bugs:
                return set(bugs)
        return set()

    def _exactness(self, item: Item) -> Verdict:
        match = self._match_of(item.id)
        if match is None:
            return Verdict(outcome=Outcome.NOT_JUDGED, message="it was not compared")
        claim = "the results are the reference's, bit for bit"
        if match.bugs is not None and match.lane is Lane.BITWISE and item.id not in match.bugs:
            return Verdict(outcome=Outcome.PASSED)
        if match.trouble:
            return Verdict(outcome=Outcome.BROKEN, message=match.trouble)
        if match.bugs is not None and item.id in match.bugs:
            return Verdict(
                outcome=Outcome.FAILED, message="the results are exactly those of the code with this bug left in"
            )
        difference = match.difference
        assert difference is not None, "no difference, and yet no bitwise match"
        at = f"{difference.tensor} {list(difference.element)}" if difference.element else difference.tensor
        seen = f"in {match.where}, the first to differ is {at}: {difference.actual}"
        # How far off it is would give the reference's value away.
        note = f"{difference.ulps} ULP apart" if difference.ulps is not None else ""
        hidden = Hidden(expected=difference.expected, note=note)
        return Verdict(
            outcome=Outcome.FAILED,
            message=seen,
            counterexample=Counterexample(claim=claim, seen=seen, hidden=hidden),
        )

    # Recording

    def _item_result(self, item: Item) -> ItemResult:
        match = self._match_of(item.id)
        bug_left = match is not None and match.bugs is not None and item.id in match.bugs
        scored = rules.score(item, self._verdicts, bug_left=bug_left)
        checks = tuple(
            _check_result(check, role, scored.parts.get(check, (0.0, points)), self._verdicts[check], item)
            for check, (role, points) in rules.roles(item).items()
        )
        return ItemResult(
            id=item.id,
            title=item.title,
            status=scored.status,
            score=scored.score,
            max_score=scored.max_score,
            lane=self._lane(item, scored.status, match),
            summary=scored.summary,
            checks=checks,
        )

    def _lane(self, item: Item, status: Status, match: Match | None) -> Lane:
        if item.kind == "bug":
            return match.lane if match is not None else Lane.BEHAVIOUR
        lanes = self._lanes.get(item.id, set())
        if status is not Status.BUILT or not lanes:
            return Lane.BEHAVIOUR
        return Lane.FLOAT32 if Lane.FLOAT32 in lanes else Lane.FLOAT64

    def _remaining_bugs(self) -> tuple[str, ...] | None:
        """The lattice's answer, if it has one for every facet that was asked for."""
        if any(match.bugs is None for match in self._matches.values()):
            return None
        wanted = {item.id for item in self._items}
        return tuple(item.id for item in self._exercise.rubric.item if item.id in self._bugs & wanted)

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


def _blocked(verdict: Verdict, blockers: set[str]) -> Verdict:
    names = tuple(sorted(blockers))
    message = f"cannot be told while {', '.join(names)} is not fixed"
    return replace(verdict, outcome=Outcome.BLOCKED, blocked_by=names, message=message, counterexample=None)


def _check_result(id_: str, role: Role, part: tuple[float, float], verdict: Verdict, item: Item) -> CheckResult:
    check = BY_ID.get(id_)
    if check is None:
        title = f"{item.title} is identical to the reference, bit for bit."
        why = "Only identical results prove that nothing else was changed on the way."
        causes: tuple[str, ...] = (
            "The bug is still in.",
            "Operations were put in another order: right, and not identical.",
        )
    else:
        title, why, causes = check.title, check.why, check.usual_causes
    return CheckResult(
        id=id_,
        title=title,
        outcome=verdict.outcome,
        role=role,
        score=part[0],
        max_score=part[1],
        seconds=verdict.seconds,
        message=verdict.message,
        why=why,
        usual_causes=causes,
        examples=verdict.examples,
        blocked_by=verdict.blocked_by,
        counterexample=verdict.counterexample,
        output=verdict.output,
    )
