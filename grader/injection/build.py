"""Build an exercise: put the reference in other words if asked to, choose bugs, make the files, and prove it, until one
is sound.
"""

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType, structs

from grader.cohort.similarity import alike
from grader.comparisons.catalogue import EVERY, TWINS
from grader.errors import UsageError
from grader.exercise.key import Key, Reworded, Row
from grader.exercise.model import Exercise, Item, builtin_exercise
from grader.exercise.starter import VISIBLE_TESTS_OF_ADAPTED
from grader.grading.answer_cache import Kept
from grader.injection.choose import Chooser, Chosen, Mutant, Sources
from grader.injection.fit import Fit
from grader.injection.observe import Observation, Observer
from grader.injection.recipe import Recipe
from grader.injection.rubric_and_key import bug_entry, certificate, hashes, rubric, stub_entry
from grader.injection.verify import complaints, prove, prove_repaired
from grader.injection.workshop import MEASURED_ON, Asked, Progress, Workshop, extension_items
from grader.packages.trouble import without_a_verdict
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import ADAPTER
from mutations.other_words import in_other_words

ATTEMPTS: Final = 20  # sets of bugs that are tried before a recipe is given up
Files = dict[str, str]
COMPARED: Final = (*EVERY, *TWINS)  # forward, decoding, gradients, training, whole runs, and what is refused


@dataclass(frozen=True, slots=True)
class Built:
    """An exercise that has been proven, and what was turned down on the way.

    Attributes:
        left_out: the checks of follow-up questions that the reference does not pass, and that are never asked.
        fit: of a reference with an adapter.py, what can be asked of it.
    """

    exercise: Exercise
    starter: dict[str, str]
    rejected: tuple[tuple[Mutant, str], ...]
    left_out: tuple[str, ...] = ()
    fit: Fit | None = None


def build(recipe: Recipe, reference: Sources, launcher: Launcher, progress: Progress) -> Built:
    """A sound exercise for a recipe; the same recipe gives the same one.

    Raises:
        UsageError: the recipe cannot be met with this reference.
        CannotJudge: the machine failed, or cannot isolate.
    """
    with Workshop(reference, launcher, keep_extensions=recipe.keep_extensions) as workshop:
        return build_in(workshop, recipe, progress)


def build_in(workshop: Workshop, recipe: Recipe, progress: Progress) -> Built:
    """The same in a workshop, which stays ready for other recipes. It has to keep extensions as the recipe does.

    Raises:
        UsageError: as for ``build``; the workshop is as good as before.
        CannotJudge: as for ``build``; the workshop is of no use any more.
    """
    if not recipe.reword:
        return _build_in(workshop, recipe, progress, UNSET)
    with without_a_verdict():
        words = reworded(workshop.reference, recipe.seed, MEASURED_ON[:1], workshop.launcher, progress)
    keeps = workshop.keeps_extensions
    with Workshop(words.files, workshop.launcher, keep_extensions=keeps) as other:  # each seed has words of its own
        return _build_in(other, recipe, progress, words.record)


def _build_in(workshop: Workshop, recipe: Recipe, progress: Progress, record: Reworded | UnsetType) -> Built:
    assert workshop.keeps_extensions == (recipe.keep_extensions or workshop.has_adapter), recipe
    progress("the reference")
    workshop.look()
    pool = workshop.pool(recipe)
    asked = workshop.asked

    numbers = count(1)

    def observe(mutant: Mutant, likely_next: Mutant | None) -> Observation:
        progress(f"measuring a bug ({next(numbers)})")
        return workshop.observe(mutant, likely_next, alone=recipe.count == 1)

    chooser = Chooser(recipe, pool, observe)
    seed = _proof_seed(recipe.seed)
    kept = Kept()  # of all proofs of this recipe: sets of bugs that are tried in turn differ in one of them
    for _ in range(ATTEMPTS):
        chosen = chooser.choose()
        exercise = _exercise(workshop, asked, recipe, record, chosen)
        with closing(prove(exercise, workshop.launcher, seed, progress, kept)) as proof:
            rows, fault = _until_wrong(exercise, proof)
        repaired = None
        if fault is None and exercise.is_refactored:
            repaired = prove_repaired(exercise, workshop.launcher, seed, progress)
            _, fault = _until_wrong(exercise, [repaired])
        if fault is None:
            proven = certificate(workshop.launcher, (seed, *MEASURED_ON), rows, repaired)
            exercise = replace(exercise, key=structs.replace(exercise.key, certificate=proven))
            workshop.tidy()
            return Built(exercise, exercise.starter(), tuple(chooser.rejected), asked.left_out, asked.fit)
        item, left, said = fault
        mutants_of = {entry.item: bug.mutant for entry, bug in zip(exercise.key.bugs, chosen, strict=True)}
        others = ", ".join(str(mutants_of[other]) for other in left) or "no bug"
        reason = f"with {others} left in: {said}"
        chooser.reject(mutants_of[item], reason)
    last = f"{mutants_of[item]}, {reason}"
    raise UsageError(
        f"seed={recipe.seed!r}: no sound exercise after {ATTEMPTS} sets of bugs (last {last}); try another"
    )


def _exercise(
    workshop: Workshop, asked: Asked, recipe: Recipe, record: Reworded | UnsetType, chosen: Sequence[Chosen]
) -> Exercise:
    """The exercise with these bugs, not yet proven."""
    extensions = () if workshop.keeps_extensions else extension_items()
    made = rubric(
        _id(chosen, recipe),
        _title(len(chosen), extensions),
        [(bug.mutant.operator.category, bug.seen) for bug in chosen],
        extensions,
        asked.checks,
    )
    key = Key(
        bugs=tuple(
            bug_entry(item.id, bug, [other.seen for other in chosen if other is not bug])
            for item, bug in zip(made.item, chosen, strict=False)
        ),
        stubs=tuple(stub_entry(gap) for gap in workshop.gaps),
        hashes=hashes(workshop.reference),
        reworded=record,
    )
    if asked.fit is None:
        return Exercise(workshop.reference, builtin_exercise().visible_tests, made, key)
    made = structs.replace(made, unasked=asked.fit.families)
    return Exercise(workshop.reference, VISIBLE_TESTS_OF_ADAPTED, made, key)


def _until_wrong(exercise: Exercise, proof: Iterable[Row]) -> tuple[list[Row], tuple[str, tuple[str, ...], str] | None]:
    """The rows of a proof, up to the first with an item that is graded wrongly: which, what was left in, and how."""
    full_marks = {item.id: item.points for item in exercise.rubric.item}
    rows = []
    for row in proof:
        rows.append(row)
        for item, said in complaints(row, full_marks).items():
            return rows, (item, row.left, said)
    return rows, None


def _proof_seed(seed: int) -> int:
    """The seed that an exercise is proven with, drawn from its own."""
    return random.Random(f"prove {seed}").getrandbits(53)


def _id(chosen: Sequence[Chosen], recipe: Recipe) -> str:
    """A name that says nothing of the bugs, and is another one for other bugs."""
    planted_where = [(bug.mutant.operator.id, bug.mutant.edit.start) for bug in chosen]
    drawn = (planted_where, recipe.keep_extensions, *([recipe.seed] if recipe.reword else []))
    digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
    return f"gpt-{digest[:10]}"


def _title(bugs: int, extensions: Sequence[Item]) -> str:
    title = f"A GPT with {bugs} bug{'s' if bugs > 1 else ''}"
    return f"{title} and {len(extensions)} things to build" if extensions else title


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
