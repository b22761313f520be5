"""Verify an exercise from its folder alone: whether it can be solved, graded, and credited bug by bug."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from grader.checks.catalogue import CHECKS
from grader.exercise import Exercise
from grader.grade import Options, grade
from grader.inject.mutants import planted
from grader.inject.observe import SUBMISSION, Observation, Observer, answerable, failing_checks
from grader.inject.prove import complaints, prove
from grader.key import PlantedBug
from grader.oracle import Crew
from grader.sandbox.client import Launcher
from grader.submission import Submission

SEEDS: Final = (11, 12, 13)  # for an exercise that says none
TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was verified, and what is wrong with it."""

    what: str
    wrong: str = ""


@dataclass(slots=True)
class Verification:
    """What was found.

    Attributes:
        matrix: by item, the checks that see its bug.
    """

    findings: list[Finding] = field(default_factory=list)
    matrix: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.wrong for finding in self.findings)


def verify(exercise: Exercise, launcher: Launcher, progress: Callable[[str], None]) -> Verification:
    """Everything that makes an exercise fair, tried anew."""
    found = Verification()
    found.findings.append(_texts(exercise))
    certificate = exercise.key.certificate
    seeds = certificate.seeds if certificate is not None else SEEDS
    crew = Crew(launcher)
    try:
        progress("the reference")
        failing = failing_checks(crew, exercise.reference, seeds)
        found.findings.append(
            Finding(f"the reference passes all {len(CHECKS)} checks", f"fails {', '.join(failing)}" if failing else "")
        )
        unbuilt = planted(exercise.reference, [stub.edit for stub in exercise.key.stubs])
        checks, facets = answerable(crew, exercise.reference, unbuilt, seeds[0])
        observer = Observer(crew, exercise.reference, checks, seeds, facets)
        for bug in exercise.key.bugs:
            progress(bug.item)
            seen = observer.observe(exercise.variant(frozenset({bug.item})))
            found.matrix[bug.item] = seen.killed_by
            found.findings.append(_bug(exercise, bug, seen))
    finally:
        crew.close()
    found.findings.append(_subsets(exercise, launcher, seeds[0], progress))
    progress("the reference and the starter as submissions")
    found.findings += _whole_grades(exercise, launcher, seeds[0])
    return found


def _texts(exercise: Exercise) -> Finding:
    """The edits fit the reference, and make the starter."""
    key = exercise.key
    what = f"the starter is the reference with {len(key.bugs)} edits and {len(key.stubs)} gaps"
    for file, digest in key.hashes.items():
        if hashlib.sha256(exercise.reference.get(file, "").encode()).hexdigest() != digest:
            return Finding(what, f"{file} of the reference is not what the edits were made for")
    for file, text in _starter(exercise).items():
        path = exercise.starter_directory / file
        if not path.is_file() or path.read_bytes() != text.encode():
            return Finding(what, f"{file} of the starter is another")
    return Finding(what)


def _bug(exercise: Exercise, bug: PlantedBug, seen: Observation) -> Finding:
    """A bug is seen by the checks that earn its points, whatever the seed, and told by a facet that is compared."""
    what = f"{bug.item} ({bug.operator}) is seen by its checks on {len(seen.detections)} seeds"
    unseen = [check for check in exercise.items[bug.item].earns if check not in seen.killed_by]
    if unseen:
        return Finding(what, f"not by {', '.join(unseen)}")
    if not set(exercise.facets_of(bug.item)) <= set(seen.shows_in):
        return Finding(what, f"shows in {', '.join(seen.shows_in) or 'nothing'} alone")
    if seen.crashes_in and len(exercise.key.bugs) > 1:
        return Finding(what, f"breaks {', '.join(seen.crashes_in)}, which other bugs are told by")
    return Finding(what)


def _subsets(exercise: Exercise, launcher: Launcher, seed: int, progress: Callable[[str], None]) -> Finding:
    rows = prove(exercise, launcher, seed, progress)
    full_marks = {item.id: item.points for item in exercise.rubric.item}
    wrong = [
        f"with {', '.join(row.left) or 'no bug'} left in, {item}: {said}"
        for row in rows
        for item, said in complaints(row, full_marks).items()
    ]
    return Finding(f"all {len(rows)} subsets of the bugs are graded as they should be", "; ".join(wrong[:5]))


def _whole_grades(exercise: Exercise, launcher: Launcher, seed: int) -> list[Finding]:
    findings = []
    best = sum(item.points for item in exercise.rubric.item)
    for name, files, wanted in (("reference", exercise.reference, best), ("starter", _starter(exercise), 0)):
        submission = Submission(name=name, files=files, sha256=SUBMISSION, notes=())
        result = grade(submission, exercise, Options(seed=seed, timeout=TIMEOUT), launcher, lambda _: None)
        wrong = "" if result.score == wanted else f"scores {result.score:g}"
        findings.append(Finding(f"the {name} scores {wanted:g} of {best:g}", wrong))
    return findings


def _starter(exercise: Exercise) -> dict[str, str]:
    return planted(exercise.reference, [entry.edit for entry in (*exercise.key.bugs, *exercise.key.stubs)])
