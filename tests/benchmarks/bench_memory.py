"""What a grade takes of memory, by process: megabytes, each shared page divided among those that share it (PSS).

    python tests/benchmarks/bench_memory.py [--jobs N] [--workers N] [--candidates N]

Workers are forks of the launcher and share its pages until either writes to them. ``private`` is what a process holds
alone, and what would be free without it; the sum of PSS over all processes is what they take together. Counted are
pages in memory, libraries on disk among them; they are shared with other programmes too, and the kernel can drop them.

First, one grade of the reference as a job of a cohort does it, looked at again and again while it runs: the most that
each kind of process has held. Then workers that have loaded the reference and answered one question each, one
after another: what a further one adds. Last, cohorts with one job and with N: the most that all their processes have
held together, and the most processes at a time.

Reading the memory of a locked process, or of a grader that hides its seed, takes root (or CAP_SYS_PTRACE).
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from costs import descendants

from grader.exercise.model import StoredExercise, builtin_exercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.packages.package import Package
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Parameters
from grader.submission.read import submission_of

PAUSE = 0.05  # seconds between two looks
REFERENCE, CANDIDATE = "reference's worker", "candidate's worker"
LAUNCHER, WORKER, JOB, COHORT = "launcher", "worker", "job", "the cohort's own process"


@dataclass(frozen=True, slots=True)
class Held:
    """Megabytes of one process."""

    pss: float
    private: float


def main(jobs: int, workers: int, candidates: int) -> None:
    """Measure, and print a table for each."""
    exercise = builtin_exercise()
    _one_grade(exercise)
    _further_workers(exercise, workers)
    _cohorts(exercise, candidates, (1, jobs))


def _one_grade(exercise: StoredExercise) -> None:
    options = Options(seed=7, shared=True)
    with Launcher("strict", [exercise.reference_directory]) as launcher, Session(exercise, launcher) as session:
        launcher.started  # noqa: B018  waits until it is
        kinds = {os.getpid(): JOB, launcher._process.pid: LAUNCHER}
        submission = submission_of("reference", exercise.reference)
        most: dict[int, Held] = {}

        def look() -> None:
            for pid, held in _all_held(os.getpid()).items():
                before = most.get(pid, Held(0.0, 0.0))
                most[pid] = Held(max(before.pss, held.pss), max(before.private, held.private))

        with _watching(look):
            session.grade(submission, options)
        kinds |= {worker._pid: REFERENCE for worker in session._answer_cache._worker_pool._workers}
    print(f"{'one grade of the reference: MB at most':40} {'PSS':>7} {'private':>8} {'seen':>5}")
    for kind in (JOB, LAUNCHER, REFERENCE, CANDIDATE):
        held = [held for pid, held in most.items() if kinds.get(pid, CANDIDATE) == kind]
        if held:
            mean = Held(statistics.mean(one.pss for one in held), statistics.mean(one.private for one in held))
            print(f"{kind:40} {mean.pss:7.1f} {mean.private:8.1f} {len(held):5}")


def _further_workers(exercise: StoredExercise, workers: int) -> None:
    totals = []
    with Launcher("strict", [exercise.reference_directory]) as launcher:
        launcher.started  # noqa: B018  waits until it is
        worker_pool = WorkerPool(launcher)
        for number in range(workers + 1):
            if number:
                asked = Package(worker_pool, "the reference", exercise.reference, 60.0, ahead=("model", "train"))
                asked.ask(Parameters(config={}, seed=0), {})
            totals.append(sum(held.pss for held in _all_held(launcher._process.pid).values()))
        worker_pool.close()
    print(f"\n{'launcher alone':40} {totals[0]:7.1f}")
    print(f"{'each further worker':40} {(totals[-1] - totals[1]) / (workers - 1):7.1f}")


def _cohorts(exercise: StoredExercise, candidates: int, numbers_of_jobs: Sequence[int]) -> None:
    print(f"\n{f'cohorts of {candidates}: at most at a time':40} {'PSS':>7} {'processes':>10}")
    for jobs in numbers_of_jobs:
        with TemporaryDirectory() as scratch:
            where, out = Path(scratch) / "submissions", Path(scratch) / "out"
            _hand_in(where, candidates, exercise)
            command = [sys.executable, "-m", "grader", "cohort", str(where), "-o", str(out), "--jobs", str(jobs)]
            log = (Path(scratch) / "log").open("w+")
            with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
                total, processes, kinds = 0.0, 0, dict[str, float]()
                while process.poll() is None:
                    held = _all_held(process.pid)
                    total, processes = max(total, sum(one.pss for one in held.values())), max(processes, len(held))
                    for kind, megabytes in _by_kind(process.pid, held).items():
                        kinds[kind] = max(kinds.get(kind, 0.0), megabytes)
                    time.sleep(PAUSE)
                log.seek(0)
                if process.returncode:
                    sys.exit(f"grader cohort: exit code {process.returncode}\n{log.read()}")
        print(f"{f'{jobs} at a time':40} {total:7.1f} {processes:10}")
        for kind, megabytes in kinds.items():
            print(f"    {kind:36} {megabytes:7.1f}", flush=True)


def _hand_in(where: Path, candidates: int, exercise: StoredExercise) -> None:
    """The reference again and again, with another last line."""
    for number in range(candidates):
        folder = where / f"candidate-{number:04}"
        folder.mkdir(parents=True)
        for name, text in exercise.reference.items():
            (folder / name).write_text(f"{text}# {number}\n", encoding="utf-8")


def _by_kind(cohort: int, held: Mapping[int, Held]) -> dict[str, float]:
    """Megabytes (PSS) of all processes of a kind together."""
    sums: dict[str, float] = defaultdict(float)
    for pid, one in held.items():
        sums[COHORT if pid == cohort else _kind(pid)] += one.pss
    return {f"{kind}s" if kind != COHORT else kind: megabytes for kind, megabytes in sums.items()}


def _kind(pid: int) -> str:
    """A job's launcher was started by it; a worker was forked from the launcher, and has its command line."""
    if b"grader.cohort.job" in _read(f"/proc/{pid}/cmdline"):
        return JOB
    parent = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1:2]
    started_by = _read(f"/proc/{int(parent[0])}/cmdline") if parent else b""
    return WORKER if b"grader.sandbox.launcher" in started_by else LAUNCHER


@contextmanager
def _watching(look: Callable[[], None]) -> Iterator[None]:
    """Look again and again, from a thread, until the work is done."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(PAUSE):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _all_held(pid: int) -> dict[int, Held]:
    """What each process of a tree holds; those that are just ending are left out."""
    found = {pid: _held(pid) for pid in descendants(pid)}
    return {pid: held for pid, held in found.items() if held is not None}


def _held(pid: int) -> Held | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except PermissionError:
        sys.exit(f"the memory of process {pid} cannot be read; run this as root")
    except OSError:
        return None  # it has just ended
    megabytes = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines}
    return Held(megabytes["Pss:"], megabytes["Private_Clean:"] + megabytes["Private_Dirty:"])


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""  # it has just ended


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a grade takes of memory, by process.")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="of the cohort beside that with one (4)")
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="to see what a further one adds (8)")
    parser.add_argument("--candidates", type=int, default=8, metavar="N", help="of a cohort (8)")
    options = parser.parse_args()
    main(options.jobs, options.workers, options.candidates)
