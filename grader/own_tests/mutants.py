"""The bugs that own tests have to notice: planted in the candidate's own code, each seen to change what it computes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

import msgspec
import numpy as np

from grader.checks.compare import first_difference, largest_change
from grader.comparisons.catalogue import BY_ID as COMPARISONS
from grader.comparisons.comparison import Asked, Comparison
from grader.limits import DRAW_MUTANTS_TIMEOUT_FACTOR, FIND_MUTANTS_SECONDS, REWORD_GROWTH_BYTES, REWORD_SECONDS
from grader.own_tests.running import Files
from grader.packages.package import Package
from grader.packages.trouble import PackageHung, Trouble
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.errors import WorkerFailed
from grader.sandbox.questions import Answered, FindMutants, Planting, Reword
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds
from mutations.edit import Edit, splice
from mutations.errors import SpliceError
from mutations.ways import Way

VISIBLE: Final = 1e-4  # a change of this part of the largest value; rounding changes 1e-6 of it
BY_FILE: Final = {"model.py": ("decoding", "cache-errors", "forward"), "train.py": ("training", "harness")}
ALL: Final = tuple(comparison for comparisons in BY_FILE.values() for comparison in comparisons)


class NotRead(Exception):
    """The engine could make nothing of the package's text."""


class TooSlow(Exception):
    """The package answers so slowly, with a bug or without one, that none was seen to change anything in time."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """The package with one bug more."""

    planting: Planting
    files: Files


def find(worker_pool: WorkerPool, package: Files, groups: Iterable[str]) -> tuple[Planting, ...]:
    """What there is to be done to a package, of which no line is run.

    Raises:
        NotRead: its text brought the engine down.
    """
    worker = worker_pool.spawn({}, purpose="mutants")
    try:
        worker_pool.put(worker, FindMutants(files=dict(package), groups=tuple(groups)), {}, FIND_MUTANTS_SECONDS)
        reply, answer = worker.receive()
        if not isinstance(reply, Answered):
            raise NotRead(reply.message)
        return msgspec.json.decode(answer["mutants"].tobytes(), type=tuple[Planting, ...])
    except (WorkerFailed, msgspec.DecodeError, KeyError) as error:
        raise NotRead(str(error)) from None
    finally:
        worker.close()


class Effect(Enum):
    """What a bug does to what the package answers."""

    NONE = "none"
    CHANGES = "changes"
    BREAKS = "breaks"  # it answers no more


class Draw:
    """Finds the mutants that answer otherwise than the package.

    They are asked what packages are compared by elsewhere, with seeds of their own: what a verdict is reached by is not
    asked here.
    """

    def __init__(self, worker_pool: WorkerPool, package: Files, seed: int, timeout: float) -> None:
        self._worker_pool = worker_pool
        self._package = package
        self._seeds = Seeds(seed, "own tests")
        self._timeout = timeout
        self._most = DRAW_MUTANTS_TIMEOUT_FACTOR * timeout
        self._own = Package(worker_pool, "the candidate", package, timeout)
        self._own_again = self._own.another()
        self._asked = [self._own, self._own_again]
        self._known: dict[str, list[tuple[Asked, Tensors]]] = {}

    def mutants(self, plantings: Iterable[Planting]) -> list[Mutant]:
        """One mutant of each operator, at the first place where it shows; fewer once time is up.

        All there are and no choice of them, so that the same tests earn the same whatever the seed is. Any test
        notices a mutant that crashes, so those are used only where there are no others.

        Raises:
            TooSlow: time is up, and there is none.
        """
        sites: dict[str, list[Planting]] = {}
        for planting in plantings:
            sites.setdefault(planting.operator, []).append(planting)
        drawn: dict[Effect, list[Mutant]] = {effect: [] for effect in Effect}
        for places in sites.values():
            for mutant in self._made(places):
                if self._is_late():
                    break
                effect = self._effect(mutant)
                drawn[effect].append(mutant)
                if effect is not Effect.NONE:
                    break
        found = drawn[Effect.CHANGES] or drawn[Effect.BREAKS]
        if not found and self._is_late():
            raise TooSlow
        return found

    def is_the_same(self, files: Files) -> bool:
        """Whether the package in other words answers as the package does, to the bit."""
        with self._oracle("the candidate", files, asks_again=True) as oracle:
            try:
                return all(
                    first_difference(COMPARISONS[id_].ask(oracle, asked), expected) is None
                    for id_ in ALL
                    for asked, expected in self._answers(COMPARISONS[id_])
                )
            except Trouble:
                return False

    def _is_late(self) -> bool:
        return sum(oracle.spent for oracle in self._asked) > self._most

    def _oracle(self, name: str, files: Files, *, asks_again: bool) -> Package:
        self._asked.append(Package(self._worker_pool, name, files, self._timeout, asks_again=asks_again))
        return self._asked[-1]

    def _made(self, sites: Iterable[Planting]) -> Iterator[Mutant]:
        for planting in sites:
            edit = Edit(planting.file, planting.start, planting.end, planting.before, planting.after)
            try:
                text = splice(self._package[planting.file], [edit])
            except (KeyError, SpliceError):
                continue
            yield Mutant(planting, {**self._package, planting.file: text})

    def _effect(self, mutant: Mutant) -> Effect:
        with self._oracle("a mutant", mutant.files, asks_again=False) as oracle:  # a late one costs no points
            for id_ in BY_FILE.get(mutant.planting.file, ALL):
                comparison = COMPARISONS[id_]
                for asked, expected in self._answers(comparison):
                    if self._is_late():
                        return Effect.NONE
                    try:
                        answer = comparison.ask(oracle, asked)
                    except PackageHung:
                        return Effect.NONE  # no test would end
                    except Trouble:
                        return Effect.BREAKS
                    if largest_change(answer, expected) > VISIBLE:
                        return Effect.CHANGES
        return Effect.NONE

    def _answers(self, comparison: Comparison) -> list[tuple[Asked, Tensors]]:
        """What the package itself answers, where it does and answers alike in another process."""
        if comparison.id not in self._known:
            self._known[comparison.id] = []
            for asked in comparison.questions(self._seeds, "float32"):
                if self._is_late():
                    break
                try:
                    answer, again = comparison.ask(self._own, asked), comparison.ask(self._own_again, asked)
                except Trouble:
                    continue
                if first_difference(answer, again) is None:
                    self._known[comparison.id].append((asked, answer))
        return self._known[comparison.id]


SHARE: Final = 0.5  # of the places where something can be said otherwise
SENSITIVE: Final = "it answers otherwise as soon as it is put in other words"


class Wording:
    """Puts versions of one package into other words, never twice into the same."""

    def __init__(self, worker_pool: WorkerPool, package: Files, seed: int) -> None:
        self._worker_pool = worker_pool
        self._package = package
        self._random = Random(seed)
        self._ways = tuple(Way)

    def keep_what_holds(self, is_the_same: Callable[[Files], bool]) -> None:
        """Go on with those ways to say a thing otherwise in which the package goes on answering as it does.

        Raises:
            NotRead: there is none.
        """
        if is_the_same(self._everywhere(self._ways)):
            return
        self._ways = tuple(way for way in Way if is_the_same(self._everywhere([way])))
        if not self._ways or not is_the_same(self._everywhere(self._ways)):
            raise NotRead(SENSITIVE)

    def of(self, versions: Sequence[Files]) -> list[Files]:
        """Each version in words of its own.

        Raises:
            NotRead: there are none.
        """
        return self._reworded(versions, self._ways, SHARE)

    def _everywhere(self, ways: Iterable[Way]) -> Files:
        return self._reworded([self._package], ways, 1.0)[0]

    def _reworded(self, versions: Sequence[Files], ways: Iterable[Way], share: float) -> list[Files]:
        texts = [text for version in versions for text in version.values()]
        question = Reword(seeds=tuple(self._random.getrandbits(62) for _ in texts), share=share, ways=tuple(ways))
        tensors = {f"text.{place}": np.frombuffer(text.encode(), np.uint8) for place, text in enumerate(texts)}
        worker = self._worker_pool.spawn({}, purpose="mutants")
        try:
            self._worker_pool.put(worker, question, tensors, REWORD_SECONDS)
            reply, answer = worker.receive()
            if not isinstance(reply, Answered):
                raise NotRead(reply.message)
            reworded = iter([answer[name].tobytes().decode() for name in tensors])
        except (WorkerFailed, KeyError, UnicodeDecodeError) as error:
            raise NotRead(str(error)) from None
        finally:
            worker.close()
        packages: list[Files] = [{file: next(reworded) for file in version} for version in versions]
        if any(
            _size(package) > _size(version) + REWORD_GROWTH_BYTES
            for package, version in zip(packages, versions, strict=True)
        ):
            raise NotRead("it is too long in other words")
        return packages


def _size(files: Files) -> int:
    return sum(len(text.encode()) for text in files.values())
