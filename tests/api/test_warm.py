"""A grader that stays ready: for several grades, from several threads, and after a failure."""

import dataclasses
import os
import signal
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from grader import CannotJudge, Exercise, Grader, Result, UsageError
from grader.packages.package import Package

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and /proc are Linux's")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ready() -> Iterator[Grader]:
    with Grader() as grader:
        yield grader


def quickly(grader: Grader, name: str = "reference", **options: object) -> Result:
    return grader.grade(ROOT / name, only=["projection"], explain=False, **options)  # type: ignore[arg-type]


def launchers() -> list[int]:
    """The launchers that this process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text("latin-1").rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == os.getpid() and b"grader.sandbox.launcher" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_several_threads_share_one_launcher_that_outlives_the_first(ready: Grader) -> None:
    first: Future[Result] = Future()
    thread = threading.Thread(target=lambda: first.set_result(quickly(ready)))
    thread.start()
    thread.join()
    before = launchers()
    with ThreadPoolExecutor(2) as threads:
        others = list(threads.map(lambda name: quickly(ready, name), ["candidate", "reference"]))

    assert [result.reward for result in (first.result(), *others)] == [1, 0, 1]
    assert launchers() == before
    assert len({result.environment.seed for result in others}) == 2


@pytest.mark.slow
def test_an_archive_is_graded_as_the_files_in_it(ready: Grader, tmp_path: Path) -> None:
    # A whole grade: what is read is asked elsewhere, and here whether the grade is of that.
    with zipfile.ZipFile(tmp_path / "hw.zip", "w") as archive:
        for path in sorted((ROOT / "reference").glob("*.py")):
            archive.write(path, f"hw\\{path.name}")
    packed = ready.grade(tmp_path / "hw.zip", only=["projection"], explain=False)

    assert (packed.reward, packed.candidate.sha256) == (1, quickly(ready).candidate.sha256)


@pytest.mark.slow
def test_shared_questions_are_those_of_one_secret_seed() -> None:
    with Grader(shared=True) as grader:
        results = [quickly(grader), quickly(grader, "candidate")]

    assert len({result.environment.seed for result in results}) == 1
    assert [result.asked.shared for result in results] == [True, True]
    assert [result.reward for result in results] == [1, 0]


@pytest.mark.slow
def test_after_a_launcher_was_killed_the_next_grade_has_another() -> None:
    others = launchers()  # of tests before this one
    with Grader() as grader:
        assert quickly(grader).reward == 1
        [own] = set(launchers()) - set(others)
        os.kill(own, signal.SIGKILL)
        with pytest.raises(CannotJudge, match="nothing could be judged"):
            quickly(grader)

        assert quickly(grader).reward == 1


@pytest.mark.slow
def test_closing_gives_up_what_is_under_way_and_leaves_no_process() -> None:
    before = launchers()
    grader = Grader()
    under_way = threading.Event()
    grading = grader._ready

    def ready() -> object:
        under_way.set()
        return grading()

    grader._ready = ready  # type: ignore[method-assign, assignment]
    with ThreadPoolExecutor(1) as threads:
        given_up = threads.submit(grader.grade, ROOT / "candidate", thorough=True)
        assert under_way.wait(100)
        grader.close()
        grader.close()
        with pytest.raises(CannotJudge, match="nothing could be judged"):
            given_up.result(100)

    assert set(launchers()) <= set(before)
    with pytest.raises(CannotJudge, match="this Grader is closed"):
        quickly(grader)


@pytest.mark.slow
def test_closing_waits_for_no_answer_of_the_reference(exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    before = launchers()
    files = exercise.reference | {"model.py": exercise.reference["model.py"] + "\nimport time\ntime.sleep(100_000)\n"}
    asked = threading.Event()
    send = Package.send

    def noticed(oracle: Package, *question: object) -> None:
        send(oracle, *question)  # type: ignore[arg-type]
        if oracle.files == files:
            asked.set()

    monkeypatch.setattr(Package, "send", noticed)
    monkeypatch.setattr("grader.grading.answer_cache.TRUSTED_QUESTION_SECONDS", 100_000.0)
    grader = Grader(dataclasses.replace(exercise, reference=files))
    with ThreadPoolExecutor(3) as threads:
        given_up = threads.submit(quickly, grader)
        try:
            assert asked.wait(100)
            closing = [threads.submit(grader.close) for _ in range(2)]
            wait(closing, 100, FIRST_COMPLETED)
            assert set(launchers()) <= set(before)  # of two that close it, neither comes back before it is
            assert [each.result(100) for each in closing] == [None, None]
            with pytest.raises(CannotJudge, match="nothing could be judged"):
                given_up.result(100)
        finally:
            for own in set(launchers()) - set(before):
                os.kill(own, signal.SIGKILL)


@pytest.mark.slow  # the jobs are real ones, which nothing cheaper can show to come to the same verdicts
def test_many_side_by_side_get_the_verdicts_of_one_after_another(ready: Grader, exercise: Exercise) -> None:
    given = [exercise.reference, exercise.starter(), {"train.py": ""}, ROOT / "candidate", exercise.reference]
    options = {"jobs": 2, "only": ["projection"], "explain": False, "seed": 3}
    found = {attempt.number: attempt for attempt in ready.grade_many(given, **options)}  # type: ignore[arg-type]
    alone = quickly(ready, seed=3)
    in_many = found[0].result

    assert [found[number].reward for number in range(5)] == [1, 0, None, 0, 1]
    assert isinstance(found[2].error, UsageError)
    assert in_many is not None
    assert (in_many.items[0].score, in_many.environment) == (alone.items[0].score, alone.environment)


@pytest.mark.slow  # a leak shows in a process that has graded for a while; the benchmark does it for thousands
def test_a_process_that_has_graded_a_while_stays_as_it_is(ready: Grader) -> None:
    dead = dict.fromkeys(("model.py", "train.py"), "raise SystemExit\n")

    def held() -> tuple[int, int, int]:
        assert ready._session is not None
        cache = ready._session._answer_cache
        assert cache.draws is not None
        kept = sum(map(len, cache._memories.values())) + len(cache.draws._drawn)
        return len(os.listdir("/proc/self/fd")), len(cache._worker_pool._workers), kept

    seen = []
    for number in range(8):
        ready.grade({**dead, "model.py": f"raise SystemExit({number})\n"}, only=["projection"], explain=False)
        seen.append(held())

    assert set(seen[2:]) == {seen[2]}


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5, "2", 10_000])
def test_what_is_no_number_of_jobs_is_refused_before_anything_is_taken(ready: Grader, jobs: object) -> None:
    for many in (ready.grade_many, ready.grade_many_async):
        with pytest.raises(
            UsageError, match=r"jobs=.+; expected a whole number from 1 to 1024, or None for one a core"
        ):
            many(iter(lambda: pytest.fail("it was taken"), None), jobs=jobs)  # type: ignore[arg-type]


def test_what_is_wrong_with_a_submission_is_said_before_anything_is_started(ready: Grader) -> None:
    with pytest.raises(UsageError, match="no such directory: 'absent'"):
        ready.grade("absent")
