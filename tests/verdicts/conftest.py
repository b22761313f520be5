"""What the verdict tests share: the reference with some text replaced, and what of a result they compare."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import msgspec
import pytest

from grader.checks.check import Context
from grader.exercise.model import Exercise, StoredExercise
from grader.grading.session import Session
from grader.packages.package import Package
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Result
from grader.sandbox.client import Launcher
from grader.seeds import Seeds

Replacements = Mapping[str, Sequence[tuple[str, str]] | str]
TIMEOUT: Final = 120.0  # seconds for one question: a machine that stalls must not look like a wrong answer


@pytest.fixture(scope="session")
def rewritten(exercise: Exercise) -> Callable[[Replacements], dict[str, str]]:
    """``rewritten({"model.py": [(old, new), ...], "more.py": text}) -> files``: the reference, edited.

    An ``old`` that stands there twice, or not at all any more, is a mistake of the test's.
    """

    def rewrite(replacements: Replacements) -> dict[str, str]:
        files = dict(exercise.reference)
        for name, pairs in replacements.items():
            if isinstance(pairs, str):
                files[name] = pairs
                continue
            for old, new in pairs:
                assert files[name].count(old) == 1, f"{old!r} occurs {files[name].count(old)} times in {name}"
                files[name] = files[name].replace(old, new)
        return files

    return rewrite


@pytest.fixture(scope="session")
def edited() -> Callable[..., dict[str, str]]:
    """``edited(files, [(old, new), ...]) -> files``: each ``old`` stands once in these files, in whichever of them."""

    def edit(files: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        changed = dict(files)
        for old, new in pairs:
            assert sum(text.count(old) for text in changed.values()) == 1, f"{old!r} does not stand there once"
            changed = {name: text.replace(old, new) for name, text in changed.items()}
        return changed

    return edit


@pytest.fixture(scope="session")
def session(exercise: StoredExercise) -> Iterator[Session]:
    """What the reference and its variants have answered, for all grades of a session. It has a launcher of its own,
    since its workers stay: other tests hold that none is left of the session's."""
    if sys.platform != "linux":
        pytest.skip("strict isolation is Linux's")
    with Session.start(exercise, "strict") as session:
        yield session


@pytest.fixture(scope="session")
def twinless(exercise: StoredExercise) -> Iterator[Session]:
    """The same for grades that compare nothing with its twin, which is most of the work where training is asked for."""
    if sys.platform != "linux":
        pytest.skip("strict isolation is Linux's")
    without = dataclasses.replace(exercise, rubric=msgspec.structs.replace(exercise.rubric, twins={}))
    with Session.start(without, "strict") as session:
        yield session


@pytest.fixture(scope="session")
def grade_files(grade_files: Callable[..., Result], session: Session) -> Callable[..., Result]:
    """As elsewhere, but as a cohort is graded: all are asked the same, so that the reference answers once. Smallest
    cases and evidence, a fifth of the work, are looked for with ``explain=True``.

    test_shared_questions.py compares that with grades that share nothing.
    """

    def run(files: Mapping[str, str], **options: object) -> Result:
        return grade_files(files, **{"session": session, "shared": True, "explain": False} | options)

    return run


@pytest.fixture
def explained(request: pytest.FixtureRequest) -> bool:
    """Whether a test's grades look for smallest cases and evidence: where it is smoke, so that points are seen to be
    the same with and without them."""
    return request.node.get_closest_marker("smoke") is not None


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    """Workers for one test."""
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture(scope="session")
def reference(session: Session, exercise: Exercise) -> Package:
    """Answers each question once for all tests."""
    return session._answer_cache.oracle(0, "the reference", exercise.reference)


@pytest.fixture
def judged(
    worker_pool: WorkerPool, session: Session, reference: Package
) -> Callable[..., AbstractContextManager[Context]]:
    """``with judged(files, "subject") as context``: a package beside the reference; its workers end with the block."""

    @contextmanager
    def judged(files: Mapping[str, str], subject: str) -> Iterator[Context]:
        candidate = Package(worker_pool, "candidate", files, TIMEOUT)
        with session._answer_cache.lent(worker_pool), candidate, candidate.another() as fresh_candidate:
            yield Context(
                candidate=candidate,
                variant=reference,
                reference=reference,
                fresh_candidate=fresh_candidate,
                seeds=Seeds(1, subject),
                variants=lambda: [reference],
            )

    return judged
