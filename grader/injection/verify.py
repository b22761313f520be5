"""Prove an exercise, and verify one from its folder alone: whether it can be solved, graded, and credited bug by bug.

The proof grades every subset of the bugs, and each bug has to get the status that it should.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from queue import SimpleQueue
from typing import Final

from grader.checks.catalogue import CHECKS
from grader.checks.check import Check
from grader.comparisons.comparison import Comparison
from grader.errors import CannotJudge, UsageError
from grader.exercise.key import PlantedBug, Row
from grader.exercise.model import Exercise, StoredExercise
from grader.exercise.rules import changed_since
from grader.exercise.starter import BESIDE_THE_CODE
from grader.grading.answer_cache import Keep, Kept
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection.choose import planted
from grader.injection.fit import fit, require_it_runs
from grader.injection.observe import SUBMISSION, Observation, Observer, answerable, failing_checks
from grader.limits import MEASURING_QUESTION_SECONDS
from grader.packages.trouble import Trouble, without_a_verdict
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Status
from grader.sandbox.client import Launcher
from grader.submission.read import Submission
from mutations.errors import SpliceError

SEEDS: Final = (11, 12, 13, 14)  # for an exercise that says none
SHOWN: Final = 5  # complaints about subsets
LEFT_BY_RUNNING: Final = (
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
)  # by tools
AT_ONCE: Final = 2  # subsets that are graded at a time

Checks = tuple[Check, ...]
Comparisons = tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was verified, and what is wrong with it.

    Attributes:
        renewable: what is wrong is that something was changed since the exercise was proven, and no more.
    """

    what: str
    wrong: str = ""
    renewable: bool = False


@dataclass(slots=True)
class Verification:
    """What was found.

    Attributes:
        matrix: by item, the checks that see its bug.
        seen: by item, all that was seen of its bug.
        rows: the proof, as it was made anew.
    """

    findings: list[Finding] = field(default_factory=list)
    matrix: dict[str, tuple[str, ...]] = field(default_factory=dict)
    seen: dict[str, Observation] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.wrong for finding in self.findings)

    @property
    def changed(self) -> bool:
        """Whether all that is wrong is that the exercise was changed since it was proven."""
        wrong = [finding for finding in self.findings if finding.wrong]
        return bool(wrong) and all(finding.renewable for finding in wrong)


def out_of_place(exercise: StoredExercise) -> Verification | None:
    """What there is to say of an exercise whose reference was changed so that its bugs are not where key.json says;
    None where they are, or where that is not why. Nothing else of it can be asked."""
    changed = changed_since(exercise)
    if not changed:
        return None
    try:
        exercise.starter()
    except SpliceError:
        what = "its bugs and gaps are where key.json says"
        return Verification([Finding(what, f"{', '.join(changed)} of the reference changed since", renewable=True)])
    return None


def verify(
    exercise: StoredExercise,
    launcher: Launcher,
    progress: Callable[[str], None],
    *,
    renewing: bool = False,
) -> Verification:
    """Everything that makes an exercise fair, tried anew.

    Args:
        renewing: whether starter and proof are about to be made anew, so that those that are there do not matter.

    Raises:
        CannotJudge: the machine failed, or cannot isolate. Says nothing of the exercise.
    """
    with without_a_verdict():
        return _verify(exercise, launcher, progress, renewing=renewing)


def _verify(
    exercise: StoredExercise, launcher: Launcher, progress: Callable[[str], None], *, renewing: bool
) -> Verification:
    found = Verification()
    found.findings.append(texts(exercise, renewing=renewing))
    certificate = exercise.key.certificate
    seeds = certificate.seeds if certificate is not None else SEEDS
    measured_on = seeds[1:] or seeds  # the first is the proof's
    worker_pool = WorkerPool(launcher, adapter=exercise.adapter)
    try:
        progress("the reference")
        finding, checks, comparisons = _reference(exercise, worker_pool, seeds[0], measured_on)
        found.findings.append(finding)
        observer = Observer(worker_pool, exercise.reference, checks, measured_on, comparisons)
        for bug in exercise.key.bugs:
            progress(bug.item)
            seen = observer.observe(exercise.variant(frozenset({bug.item})))
            found.matrix[bug.item], found.seen[bug.item] = seen.killed_by, seen
            found.findings.append(_bug(exercise, bug, seen))
    finally:
        worker_pool.close()
    found.findings.append(_subsets(exercise, launcher, seeds[0], progress, found, renewing=renewing))
    progress("the reference and the starter as submissions")
    found.findings += _whole_grades(exercise, launcher, seeds[0])
    return found


def _reference(
    exercise: Exercise, worker_pool: WorkerPool, seed: int, measured_on: Sequence[int]
) -> tuple[Finding, Checks, Comparisons]:
    """Whether the reference is right, and what can be asked to tell bugs."""
    if exercise.adapter is not None:
        what = "the reference passes what fits it of the checks that its items name"
        try:
            require_it_runs(worker_pool, exercise.reference)
            fitting = fit(worker_pool, exercise.reference, measured_on)
        except UsageError as error:
            return Finding(what, str(error)), (), ()
        named = {check for item in exercise.rubric.item for check in (*item.earns, *item.takes)}
        said = "; ".join(f"{check}: {fitting.left_out[check]}" for check in sorted(named & fitting.left_out.keys()))
        return Finding(what, said), fitting.checks, fitting.comparisons
    failing = failing_checks(worker_pool, exercise.reference, (seed, *measured_on))
    asked = len(CHECKS) - len(failing.followups)
    fault = f"fails {', '.join(failing.wrong)}" if failing.wrong else ""
    unbuilt = planted(exercise.reference, [stub.edit for stub in exercise.key.stubs])
    answers = answerable(worker_pool, exercise.reference, unbuilt, measured_on[0], failing.followups)
    return Finding(f"the reference passes all {asked} checks of what it has built", fault), *answers


def texts(exercise: StoredExercise, *, renewing: bool = False) -> Finding:
    """Whether the edits fit the reference, and make the starter, which holds nothing else that could tell of them.

    Args:
        renewing: whether the starter is about to be made anew.
    """
    key, folder = exercise.key, exercise.starter_directory
    what = f"the starter is the reference with {len(key.bugs)} edits and {len(key.stubs)} gaps"
    for file in sorted(exercise.reference.keys() | key.hashes):
        if hashlib.sha256(exercise.reference.get(file, "").encode()).hexdigest() != key.hashes.get(file):
            return Finding(what, f"{file} of the reference is not what the edits were made for", renewable=True)
    made = exercise.starter()
    for file in (*made, *BESIDE_THE_CODE) if not renewing else ():
        if not (folder / file).is_file():
            return Finding(what, f"the starter has no {file}")
        if file in made and (folder / file).read_bytes() != made[file].encode():
            return Finding(what, f"{file} of the starter differs")
    more = sorted({path.name for path in folder.iterdir()} - {*made, *BESIDE_THE_CODE, *LEFT_BY_RUNNING})
    return Finding(what, f"the starter has {', '.join(more)} too" if more else "")


def _bug(exercise: Exercise, bug: PlantedBug, seen: Observation) -> Finding:
    """A bug is seen by the checks that earn its points, whatever the seed, and shows in one of the comparisons."""
    what = f"{bug.item} ({bug.operator}) is seen by its checks on {len(seen.detections)} seeds"
    wrong = []
    if unseen := [check for check in exercise.items[bug.item].earns if check not in seen.killed_by]:
        wrong.append(f"not by {', '.join(unseen)}")
    if not set(exercise.comparisons_of(bug.item)) <= set(seen.shows_in):
        wrong.append(f"shows in {', '.join(seen.shows_in) or 'nothing'} alone")
    if seen.crashes_in and len(exercise.key.bugs) > 1:
        wrong.append(f"breaks {', '.join(seen.crashes_in)}, which shows other bugs")
    return Finding(what, "; ".join(wrong))


def _subsets(
    exercise: Exercise,
    launcher: Launcher,
    seed: int,
    progress: Callable[[str], None],
    found: Verification,
    *,
    renewing: bool,
) -> Finding:
    """The proof, made anew; it has to be the one that is kept in key.json, if there is one."""
    bugs = sum(item.kind == "bug" for item in exercise.rubric.item)
    what = f"all {2**bugs} subsets of the bugs are graded as they should be"
    full_marks = {item.id: item.points for item in exercise.rubric.item}

    def wrong() -> str:
        found.rows = rows = tuple(prove(exercise, launcher, seed, progress))
        said = [
            f"with {', '.join(row.left) or 'no bug'} left in, {item}: {complaint}"
            for row in rows
            for item, complaint in complaints(row, full_marks).items()
        ]
        if len(said) > SHOWN:
            return f"{'; '.join(said[:SHOWN])}; and {len(said) - SHOWN} more"
        return "; ".join(said)

    finding, certificate = _graded(what, wrong), exercise.key.certificate
    kept = certificate.rows if certificate is not None and not renewing else ()
    if not finding.wrong and kept and _by_subset(kept) != _by_subset(found.rows):
        return Finding(what, "the proof that is kept in key.json differs", renewable=True)
    return finding


def _by_subset(rows: Iterable[Row]) -> dict[frozenset[str], dict[str, tuple[str, bool]]]:
    """What a proof says whatever an item is worth: which are fixed, and which have points, by what was left in."""
    return {
        frozenset(row.left): {item: (status, row.scores[item] > 0) for item, status in row.statuses.items()}
        for row in rows
    }


def _whole_grades(exercise: Exercise, launcher: Launcher, seed: int) -> Iterator[Finding]:
    best = sum(item.points for item in exercise.rubric.item)
    packages = [("reference", exercise.reference, best), ("starter", exercise.starter(), 0)]
    if exercise.is_refactored:
        packages.append(("refactored text without its bugs", exercise.repaired(), best))
    for name, files, wanted in packages:
        submission = Submission(name=name, files=files, sha256=SUBMISSION, notes=())

        def wrong(submission: Submission = submission, wanted: float = wanted) -> str:
            with Session(exercise, launcher, Keep.NOTHING) as session:
                result = session.grade(submission, Options(seed=seed, timeout=MEASURING_QUESTION_SECONDS))
            return "" if result.score == wanted else f"scores {result.score:g}"

        yield _graded(f"the {name} scores {wanted:g} of {best:g}", wrong)


def _graded(what: str, wrong: Callable[[], str]) -> Finding:
    """What a grade shows. A reference without answers is a fault of the exercise, not of the grader."""
    try:
        return Finding(what, wrong())
    except CannotJudge as error:
        if not isinstance(error.__cause__, Trouble):
            raise
        return Finding(what, str(error))


def complaints(row: Row, full_marks: dict[str, float]) -> dict[str, str]:
    """By item, what a graded variant is not as it should be."""
    found = {}
    for item, status in row.statuses.items():
        expected = Status.NOT_FIXED if item in row.left else Status.FIXED
        points = 0 if item in row.left else full_marks[item]
        if status != expected:
            found[item] = f"{status} instead of {expected}"
        elif row.scores[item] != points:
            found[item] = f"{row.scores[item]:g} points instead of {points:g}"
        elif row.remaining is not None and (item in row.remaining) != (item in row.left):
            found[item] = "named as left in" if item in row.remaining else "not named as left in"
    return found


def prove(
    exercise: Exercise, launcher: Launcher, seed: int, progress: Callable[[str], None], kept: Kept | None = None
) -> Generator[Row, None, None]:
    """Grade the reference with every subset of the bugs left in, bug items only: none, all, then by size.

    The first subset is graded by itself, and asks the reference what all others compare with; then two at a time.
    Closed before its end, it grades no more.

    Args:
        kept: the answers to the same seed's questions in other exercises of the same reference.
    """
    bugs = tuple(item.id for item in exercise.rubric.item if item.kind == "bug")
    subsets = [subset for size in (0, len(bugs), *range(1, len(bugs))) for subset in combinations(bugs, size)]
    options = Options(only=bugs, seed=seed, timeout=MEASURING_QUESTION_SECONDS, explain=False)
    kept = kept or Kept()
    sessions = [Session(exercise, launcher, Keep.EVERYTHING, kept) for _ in range(AT_ONCE)]
    idle: SimpleQueue[Session] = SimpleQueue()
    for session in sessions:
        idle.put(session)

    def graded(left: tuple[str, ...]) -> Row:
        session = idle.get()
        try:
            return _row(session, left, options)
        finally:
            idle.put(session)

    threads = ThreadPoolExecutor(AT_ONCE)
    under_way: deque[Future[Row]] = deque()
    try:
        for number, left in enumerate(subsets, start=1):
            progress(f"subset {number} of {len(subsets)}")
            under_way.append(threads.submit(graded, left))
            if number == 1 or len(under_way) == AT_ONCE:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for session in sessions:
            session.stop()  # or leaving the threads would wait for what is of no interest any more
        threads.shutdown(cancel_futures=True)
        for session in sessions:
            session.close()


def prove_repaired(exercise: Exercise, launcher: Launcher, seed: int, progress: Callable[[str], None]) -> Row:
    """Grade what the starter is once the bugs alone are repaired, and what was refactored around them is left."""
    bugs = tuple(item.id for item in exercise.rubric.item if item.kind == "bug")
    options = Options(only=bugs, seed=seed, timeout=MEASURING_QUESTION_SECONDS, explain=False)
    progress("the refactored text without its bugs")
    with Session(exercise, launcher, Keep.NOTHING) as session:
        return _row_of(session, exercise.repaired(), (), options)


def _row(session: Session, left: tuple[str, ...], options: Options) -> Row:
    return _row_of(session, session.exercise.variant(frozenset(left)), left, options)


def _row_of(session: Session, files: dict[str, str], left: tuple[str, ...], options: Options) -> Row:
    submission = Submission(name="variant", files=files, sha256=SUBMISSION, notes=())
    result = session.grade(submission, options)
    return Row(
        left=left,
        statuses={item.id: str(item.status) for item in result.items},
        remaining=result.remaining_bugs,
        scores={item.id: item.score for item in result.items},
    )
