"""A reference in other words, proven to compute the same before anything is planted in it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from grader.cohort.similarity import alike
from grader.comparisons.catalogue import EVERY, TWINS
from grader.errors import UsageError
from grader.exercise.key import Reworded
from grader.exercise.model import builtin_exercise
from grader.injection.observe import Observer
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import ADAPTER
from mutations.other_words import in_other_words

Files = dict[str, str]
COMPARED: Final = (*EVERY, *TWINS)  # forward, decoding, gradients, training, whole runs, and what is refused


class Words(NamedTuple):
    """A reference in other words, and what is written down of it."""

    files: Files
    record: Reworded


def reworded(
    reference: Mapping[str, str], seed: int, seeds: tuple[int, ...], launcher: Launcher, progress: Callable[[str], None]
) -> Words:
    """A reference in other words, with how far they are from its own.

    An adapter.py is put in other words too where it names what model.py and train.py define, so that a text with the
    old names does not load.

    Args:
        seed: which words.
        seeds: of the questions by which the two are compared.

    Raises:
        UsageError: the two do not agree bit for bit, or hardly anything could be said otherwise.
    """
    progress("other words")
    adapter = {ADAPTER: reference[ADAPTER]} if ADAPTER in reference else {}
    package = {file: text for file, text in reference.items() if file != ADAPTER}
    files = in_other_words(package, seed, kept=_spoken_of(reference), callers=adapter)
    progress("the reference in other words")
    told = _told(dict(reference), files, seeds, launcher)
    if told:
        raise UsageError(
            f"seed={seed!r}: in other words this reference computes something else ({', '.join(told)}); "
            "try another seed, or leave --reword out (in Python reword=False)"
        )
    record = Reworded(seed=seed, lines=round(_same_lines(package, files), 3), tokens=round(alike(package, files), 3))
    return Words(files, record)


def _spoken_of(reference: Mapping[str, str]) -> set[str]:
    """The words of the visible tests, which a learner reads and runs."""
    text = builtin_exercise().visible_tests if ADAPTER not in reference else ""
    return set("".join(each if each.isidentifier() or each.isalnum() else " " for each in text).split())


def _told(reference: Files, files: Files, seeds: tuple[int, ...], launcher: Launcher) -> tuple[str, ...]:
    """The comparisons that tell the two apart."""
    before = WorkerPool(launcher, adapter=reference.get(ADAPTER))
    after = WorkerPool(launcher, adapter=files.get(ADAPTER))
    try:
        return Observer(before, reference, (), seeds).shows_in(files, COMPARED, after)
    finally:
        for pool in (before, after):
            pool.close()


def _same_lines(package: Mapping[str, str], files: Mapping[str, str]) -> float:
    """The share of the lines with code that stand in the other text too, whatever their place."""
    lines = [line.strip() for text in package.values() for line in text.splitlines() if _is_code(line)]
    kept = {line.strip() for file in package for line in files[file].splitlines()}
    return sum(line in kept for line in lines) / max(1, len(lines))


def _is_code(line: str) -> bool:
    return any(map(str.isalnum, line.partition("#")[0]))
