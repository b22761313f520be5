"""A cache of answers for trusted packages, keyed by question and by the source files that the answer depends on."""

import hashlib
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from grader.packages.package import Package
from grader.packages.scope import scope_of
from grader.sandbox.questions import AnyQuestion, modules_asked
from grader.sandbox.wire import Tensors

Memory = dict[bytes, Tensors]
"""Answers, by what they depend on: the question, its tensors, and the source texts that answer it."""
KEPT_PACKAGES: Final = 256  # whose imports are known: hundreds of exercises may be built in one process


def forget_beyond(memory: Memory, most: int) -> None:
    """Forget what was not asked for longest, until the answers take at most ``most`` bytes."""
    sizes = {key: sum(array.nbytes for array in answer.values()) for key, answer in list(memory.items())}
    left = sum(sizes.values())
    for key, size in sizes.items():
        if left <= most:
            break
        memory.pop(key, None)
        left -= size


class CachedPackage(Package):
    """A package that is asked each question once: for trusted packages, which always answer alike.

    Two packages that differ in train.py alone give the same answers about model.py, so that one is enough.

    Args:
        memory: what is known already; to be shared with others.
        learns: whether it adds to what is known. One that may answer otherwise the next time must not.
    """

    def __init__(self, *args: Any, memory: Memory | None = None, learns: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self._memory: Memory = {} if memory is None else memory
        self._learns = learns
        # A function of an adapter.py may import any file.
        apart = (("model",), ("train",)) if not self.has_adapter else ()
        self._texts = {modules: _digest(self.files, modules) for modules in (*apart, ())}

    def send(self, question: AnyQuestion, tensors: Tensors) -> None:
        """Put a question, unless its answer is known."""
        self._key = self._depends_on(question, tensors)
        self._known = self._memory.get(self._key)
        if self._known is None:
            super().send(question, tensors)
        else:  # what was asked for last stands last
            self.scope |= scope_of(question, tensors)
            self._memory[self._key] = self._memory.pop(self._key, self._known)

    def receive(self) -> Tensors:
        """The answer to the question sent."""
        if self._known is not None:  # what `send` found: another thread may have cached an answer since
            return self._known
        answer = super().receive()
        if self._learns:
            self._memory[self._key] = answer
        return answer

    def _depends_on(self, question: AnyQuestion, tensors: Tensors) -> bytes:
        """Everything that the answer depends on, as bytes."""
        modules = modules_asked(question)
        digest = hashlib.blake2b(self._texts[modules if modules in self._texts else ()], digest_size=16)
        digest.update(msgspec.json.encode(question))
        for name in sorted(tensors):
            array = tensors[name]
            digest.update(f"|{name}|{array.dtype}|{array.shape}|".encode())
            digest.update(array.tobytes())
        return digest.digest()


def _digest(files: Mapping[str, str], modules: tuple[str, ...]) -> bytes:
    """The texts of these modules and of all that they import of the package; of the whole package without any."""
    reached = _reachable(tuple(sorted(files.items())), modules) if modules else sorted(files)
    return hashlib.blake2b(repr([(name, files[name]) for name in reached]).encode(), digest_size=16).digest()


@lru_cache(maxsize=KEPT_PACKAGES)
def _reachable(files: tuple[tuple[str, str], ...], modules: tuple[str, ...]) -> tuple[str, ...]:
    """The files that importing these modules runs, or that a function of theirs may import later."""
    texts = dict(files)
    reached: set[str] = set()
    modules_of_package = {name.removesuffix(".py") for name in texts}
    waiting = [f"{module}.py" for module in modules]
    while waiting:
        name = waiting.pop()
        if name in texts and name not in reached:
            reached.add(name)
            waiting += [f"{module}.py" for module in _imports(texts[name], modules_of_package)]
    return tuple(sorted(reached))


def _imports(text: str, package: Collection[str]) -> set[str]:
    """The modules of a package that a text may import, but for what its ``main`` does, which is never asked for.

    Read off the lines: two threads that make syntax trees at once get a SystemError from Python 3.11. A word too
    many costs a question, no more.
    """
    names: set[str] = set()
    outside_main = True
    for line in text.splitlines():
        if line[:1].strip():
            outside_main = not line.startswith("def main(")
        found = _IMPORT.match(line)
        if found and outside_main:
            # `from . import (` may go on in the next lines: any of the package's modules may be meant.
            names |= set(package) if found[1].startswith("from .") else set(_WORD.findall(line))
    return names.intersection(package)


_IMPORT: Final = re.compile(r"\s*((?:from|import)\s+\S+)")
_WORD: Final = re.compile(r"\w+")
