"""What key.json says of each edit."""

import hashlib
from collections.abc import Sequence

from grader import __version__
from grader.exercise.key import Certificate, PlantedBug, Row, Stub
from grader.injection.choose import Chosen
from grader.injection.difficulty import difficulty
from grader.injection.mutants import Sources
from grader.injection.observe import Observation
from grader.sandbox.client import Launcher
from mutations.gaps import Gap


def bug_entry(item: str, bug: Chosen, others: Sequence[Observation]) -> PlantedBug:
    """A bug of an item, beside the others of the exercise."""
    edit, of = bug.mutant.edit, bug.mutant.operator
    return PlantedBug(
        item=item,
        file=edit.file,
        span=(edit.start, edit.end),
        before=edit.before,
        after=edit.after,
        operator=of.id,
        category=of.category.value,
        hints=(of.hints.symptom, of.hints.area, of.hints.mechanism),
        shows_in=bug.seen.shows_in,
        killed_by=bug.seen.killed_by,
        effect=float(f"{bug.seen.effect:.3g}"),
        difficulty=difficulty(of, bug.seen, others),
    )


def stub_entry(gap: Gap) -> Stub:
    """A function that the starter leaves to be built."""
    edit = gap.edit
    return Stub(item=gap.item, file=edit.file, span=(edit.start, edit.end), before=edit.before, after=edit.after)


def hashes(reference: Sources) -> dict[str, str]:
    """SHA-256 of each file, by which it is known whether the edits still fit."""
    return {file: hashlib.sha256(text.encode()).hexdigest() for file, text in reference.items()}


def certificate(launcher: Launcher, seeds: Sequence[int], rows: Sequence[Row]) -> Certificate:
    """The proof, and with what it was made."""
    started = launcher.started
    return Certificate(grader=__version__, torch=started.torch, cpu=started.cpu, seeds=tuple(seeds), rows=tuple(rows))
