"""The package and its mutants in other words each, so that tests can tell them apart by what they compute alone."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

import numpy as np

from grader.limits import REWORD_GROWTH_BYTES, REWORD_SECONDS
from grader.own_tests.mutants import NotRead
from grader.own_tests.running import Files
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.errors import WorkerFailed
from grader.sandbox.questions import Answered, Reword
from mutations.ways import Way

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
            told = iter([answer[name].tobytes().decode() for name in tensors])
        except (WorkerFailed, KeyError, UnicodeDecodeError) as error:
            raise NotRead(str(error)) from None
        finally:
            worker.close()
        packages: list[Files] = [{file: next(told) for file in version} for version in versions]
        if any(
            _size(package) > _size(version) + REWORD_GROWTH_BYTES
            for package, version in zip(packages, versions, strict=True)
        ):
            raise NotRead("it is too long in other words")
        return packages


def _size(files: Files) -> int:
    return sum(len(text.encode()) for text in files.values())
