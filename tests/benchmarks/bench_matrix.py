"""How many mutants a second the kill matrix gets through, beside mutmut and cosmic-ray on the same reference.

    python tests/benchmarks/bench_matrix.py [--others PYTHON] [--mutants N] [--limit SECONDS]

PYTHON is an interpreter that has mutmut 3, cosmic-ray, torch and the grader. Nothing is installed here; without it,
only the kill matrix is measured. One that shares the packages of the project's environment takes a minute to make:

    python3 -m venv .venv-others
    echo "import site; site.addsitedir('$(echo $PWD/.venv/lib/python3*/site-packages)')" \\
        > $(echo .venv-others/lib/python3*/site-packages)/shared.pth
    .venv-others/bin/python -m pip install 'mutmut>=3' cosmic-ray

Both get a project of their own: the reference's files as sources, and as tests the checks as in_process.py asks
them, compared with the reference in the same process, and without shrinking what fails. Each tool runs N mutants,
evenly spaced among those it makes, for SECONDS at most, with one worker and with two.

What the numbers mean:

- A mutant is done when its first failing test is known, or when all have passed: ``first`` here, ``-x`` there. The
  full matrix asks all checks of every mutant, and compares all comparisons; here, of every third operator's.
- The mutants are not the same. Ours are bugs that somebody might write, few of which crash. Most of mutmut's do: an
  argument dropped, None for a value, which the first test that gets there sees within a tenth of a second. Of both
  tools' some survive, or change nothing, and then all tests are run; the column "survived" says how many.
- Ours asks the checks of a bug's own category first; mutmut runs only tests that call the function that is mutated.
- Preparing is not counted for anybody: torch in the launcher; mutmut's mutants, statistics and clean run; cosmic-ray's
  session. From then on all is counted, the reference's answers as well.
- mutmut forks a process that has imported torch and the tests, a fork a mutant, as the launcher does; its tests run in
  that fork, while ours are asked of a locked process, with another one for the reference. cosmic-ray starts a pytest
  for each mutant. Its two workers are its HTTP workers, each with a copy of the project.
- One thread for torch, for everybody. The matrix has two threads, each with a mutant of its own, so two workers are
  the fair comparison. It is measured before and after the others, so that a change of the machine's load can be seen.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from grader.exercise.model import builtin_exercise
from grader.injection.matrix import THREADS, Matrix, kill_matrix
from grader.sandbox.client import Launcher
from mutations.catalogue import OPERATORS

BENCHMARKS = Path(__file__).resolve().parent
GOAL = 10.0
FULL_STEP = 3  # the full matrix is asked of every third operator
WORKERS = (1, 2)
PREPARING = 300.0  # seconds for what is not counted
BASELINE_FACTOR = 5  # cosmic-ray's time limit for a mutant, as a multiple of the tests on the unchanged sources
MUTMUT, COSMIC_RAY = "mutmut", "cosmic-ray"
A_MUTANT = "model.x_causal_mask__mutmut_1"  # any that mutmut makes of the reference
MUTMUT_STARTS, COSMIC_RAY_STARTS = "Running mutation testing", "Beginning execution"  # what they print then
MUTMUT_VERDICTS = {0: "survived", 1: "killed", 3: "killed"}  # by the exit code of pytest in its fork
NOT_RUN = (None, 33)  # yet to be done; no test calls the function

TESTS = '''\
"""The grader's checks as plain tests of the sources here, compared with the reference in this process."""

import sys

import model
import pytest
import train

sys.path.insert(0, {benchmarks!r})

from in_process import InProcess, _one_thread, failure

from grader.checks.catalogue import CHECKS

REFERENCE = InProcess()
SOURCES = {{"model": model, "train": train}}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_check(check):
    assert failure(check, InProcess(SOURCES), REFERENCE, shrink=False) is None
'''

PYPROJECT = """\
[tool.pytest.ini_options]
pythonpath = ["src"]

[tool.mutmut]
source_paths = ["src/"]
pytest_add_cli_args_test_selection = ["tests/"]
"""

COSMIC_RAY_CONFIG = """\
[cosmic-ray]
module-path = ["src/model.py", "src/followups.py", "src/train.py"]
timeout = {timeout:.0f}
excluded-modules = []
test-command = "{python} -m pytest -x -q tests"

[cosmic-ray.distributor]
name = "{distributor}"

[cosmic-ray.distributor.http]
worker-urls = {urls}
"""

# Run by the other interpreter: all but some mutants of a session are marked as skipped, as cosmic-ray's own filters do.
KEEP_SOME = """
import sys
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult
session, wanted = sys.argv[1], int(sys.argv[2])
with use_db(session) as database:
    def place(item):
        mutation = item.mutations[0]
        return str(mutation.module_path), mutation.start_pos, mutation.operator_name, mutation.occurrence
    jobs = [item.job_id for item in sorted(database.work_items, key=place)]
    kept = {jobs[index * len(jobs) // wanted] for index in range(wanted)}
    skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
    database.set_multiple_results([job for job in jobs if job not in kept], skipped)
"""


@dataclass(frozen=True)
class Rate:
    """How far something got."""

    name: str
    workers: int
    verdicts: Counter[str]
    seconds: float

    @property
    def mutants(self) -> int:
        """How many were done."""
        return self.verdicts.total()

    @property
    def a_second(self) -> float:
        """Mutants a second."""
        return self.mutants / self.seconds if self.seconds else 0.0


class NotMeasured(Exception):
    """Why there is no number."""


def main(others: Path | None, mutants: int, limit: float) -> None:
    """Measure and print a table."""
    exercise = builtin_exercise()
    ours: list[Rate] = []
    theirs: list[Rate] = []
    reasons: list[str] = []
    with Launcher("strict", [exercise.reference_directory]) as launcher:

        def measure(name: str, *, first: bool, note: str) -> None:
            operators = OPERATORS if first else OPERATORS[::FULL_STEP]
            matrix = kill_matrix(exercise.reference, operators, launcher, lambda _: None, first=first)
            ours.append(_rate(f"{name}, {note}", matrix))
            _progress(ours[-1])

        kill_matrix(exercise.reference, OPERATORS[:5], launcher, lambda _: None, first=True)  # fills caches
        measure("kill matrix, first", first=True, note="before")
        measure("kill matrix, full", first=False, note="before")
        for tool, run in ((MUTMUT, _mutmut), (COSMIC_RAY, _cosmic_ray)):
            try:
                _require(others, tool)
                assert others is not None
                for rate in run(others, mutants, limit):
                    theirs.append(rate)
                    _progress(rate)
            except NotMeasured as reason:
                reasons.append(f"{tool}: not measured: {reason}")
        if theirs:
            measure("kill matrix, first", first=True, note="after")
    _print(ours, theirs, reasons)


def _progress(rate: Rate) -> None:
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{rate.name}, {rate.workers} at once: {rate.a_second:.2f} mutants/s (load {load})", flush=True)


def _rate(name: str, matrix: Matrix) -> Rate:
    verdicts = Counter("killed" if row.killed_by else "survived" for row in matrix.rows)
    return Rate(name, THREADS, verdicts, matrix.seconds)


def _require(others: Path | None, tool: str) -> None:
    """Complain unless the interpreter has what it takes."""
    if others is None:
        raise NotMeasured("--others names an interpreter that has it; see the beginning of this file")
    wanted = f"from importlib.metadata import version; import torch, grader, pytest; print(version({tool!r}))"
    try:
        run = subprocess.run([others, "-c", wanted], capture_output=True, text=True)
    except OSError as error:
        raise NotMeasured(f"{others}: {error.strerror}") from None
    if run.returncode:
        raise NotMeasured(f"{others}: {_last_line(run.stderr)}")
    if tool == MUTMUT and int(run.stdout.split(".")[0]) < 3:
        raise NotMeasured(f"{others}: mutmut 3 is meant, not {run.stdout.strip()}")


def _mutmut(python: Path, mutants: int, limit: float) -> Iterator[Rate]:
    tool = [str(python), "-m", "mutmut", "run"]
    with _project() as prepared:
        _prepare([*tool, "--max-children", "1", A_MUTANT], prepared)
        names = [name for name in sorted(_mutmut_verdicts(prepared)) if name != A_MUTANT]
        sample = [names[index * len(names) // mutants] for index in range(mutants)]
        for workers in WORKERS:
            with tempfile.TemporaryDirectory() as scratch:
                project = Path(shutil.copytree(prepared, Path(scratch) / "project"))

                def done(project: Path = project) -> Counter[str]:
                    codes = _mutmut_verdicts(project)
                    ran = [codes[name] for name in sample if codes[name] not in NOT_RUN]
                    return Counter(MUTMUT_VERDICTS.get(code or 0, f"exit code {code}") for code in ran)

                command = [*tool, "--max-children", str(workers), *sample]
                yield _watch(MUTMUT, workers, command, project, MUTMUT_STARTS, done, mutants, limit)


def _mutmut_verdicts(project: Path) -> dict[str, int | None]:
    """By mutant, the exit code of its tests."""
    codes: dict[str, int | None] = {}
    for file in (project / "mutants" / "src").glob("*.meta"):
        try:
            codes |= json.loads(file.read_text())["exit_code_by_key"]
        except ValueError:
            time.sleep(0.01)  # it is being written
            codes |= json.loads(file.read_text())["exit_code_by_key"]
    return codes


def _cosmic_ray(python: Path, mutants: int, limit: float) -> Iterator[Rate]:
    tool = [str(python), "-c", "import sys; from cosmic_ray.cli import main; sys.exit(main())"]

    def configure(project: Path, timeout: float, urls: Sequence[str] = ()) -> None:
        distributor = "http" if urls else "local"
        text = COSMIC_RAY_CONFIG.format(timeout=timeout, python=python, distributor=distributor, urls=json.dumps(urls))
        (project / "config.toml").write_text(text)

    with _project() as prepared:
        configure(prepared, PREPARING)
        started = time.perf_counter()
        _prepare([*tool, "baseline", "config.toml"], prepared)
        timeout = BASELINE_FACTOR * (time.perf_counter() - started)
        _prepare([*tool, "init", "config.toml", "session.sqlite"], prepared)
        _prepare([str(python), "-c", KEEP_SOME, "session.sqlite", str(mutants)], prepared)
        for workers in WORKERS:
            with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
                copies = [Path(shutil.copytree(prepared, Path(scratch) / str(number))) for number in range(workers)]
                urls = []
                if workers > 1:
                    for copy in copies:
                        port = _free_port()
                        stack.enter_context(_running([*tool, "http-worker", "--port", str(port)], copy))
                        _await_port(port)
                        urls.append(f"http://localhost:{port}")
                configure(copies[0], timeout, urls)

                def done(session: Path = copies[0] / "session.sqlite") -> Counter[str]:
                    query = "select test_outcome from work_results where worker_outcome != 'SKIPPED'"
                    with closing(sqlite3.connect(session, timeout=30)) as database:
                        return Counter(str(outcome).lower() for (outcome,) in database.execute(query))

                command = [*tool, "--verbosity", "INFO", "exec", "config.toml", "session.sqlite"]
                yield _watch(COSMIC_RAY, workers, command, copies[0], COSMIC_RAY_STARTS, done, mutants, limit)


@contextmanager
def _project() -> Iterator[Path]:
    """A project of the reference's files and the checks as its tests."""
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        files = {f"src/{name}": text for name, text in builtin_exercise().reference.items()}
        files |= {"tests/test_checks.py": TESTS.format(benchmarks=str(BENCHMARKS)), "pyproject.toml": PYPROJECT}
        for name, text in files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)
        yield project


def _prepare(command: Sequence[str], project: Path) -> None:
    try:
        run = subprocess.run(
            command, cwd=project, env=_environment(), capture_output=True, text=True, timeout=PREPARING
        )
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"preparing took more than {PREPARING:.0f} s") from None
    if run.returncode:
        raise NotMeasured(f"{' '.join(command[-3:])}: exit code {run.returncode}\n{(run.stdout + run.stderr)[-3000:]}")


def _watch(
    name: str,
    workers: int,
    command: Sequence[str],
    project: Path,
    starts: str,
    done: Callable[[], Counter[str]],
    wanted: int,
    limit: float,
) -> Rate:
    """Run a tool from the line by which it says that it starts, to its last mutant within the limit."""
    started = last = 0.0
    verdicts: Counter[str] = Counter()
    deadline = time.perf_counter() + PREPARING
    with _running(command, project) as process:
        while True:
            ended = process.poll() is not None
            now = time.perf_counter()
            if not started and starts in (project / "log").read_text(errors="replace"):
                started, deadline = now, now + limit
            if started and (new := done()) != verdicts:
                verdicts, last = new, now
            if ended or verdicts.total() >= wanted or now > deadline:
                break
            time.sleep(0.05)
        if not verdicts:
            log = (project / "log").read_text(errors="replace")[-3000:]
            raise NotMeasured(f"no mutant was done within {limit:.0f} s; it said\n{log}")
    return Rate(name, workers, verdicts, last - started)


@contextmanager
def _running(command: Sequence[str], directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is ended with all that it started; what it says is in a file."""
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            for end in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, end)
                    process.wait(5)
            process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "400"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(0.1)
    raise NotMeasured("an HTTP worker did not start within 60 s")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def _print(ours: Sequence[Rate], theirs: Sequence[Rate], reasons: Sequence[str]) -> None:
    head = f"{'':28} {'workers':>7} {'mutants':>7} {'killed':>6} {'survived':>8} {'other':>5} {'seconds':>8}"
    print(f"{head} {'mutants/s':>9}")
    for rate in (*ours, *theirs):
        killed, survived = rate.verdicts["killed"], rate.verdicts["survived"]
        counts = f"{rate.mutants:7} {killed:6} {survived:8} {rate.mutants - killed - survived:5}"
        print(f"{rate.name:28} {rate.workers:7} {counts} {rate.seconds:8.1f} {rate.a_second:9.2f}")
    for reason in reasons:
        print(reason)
    if not theirs:
        return
    best = max(theirs, key=lambda rate: rate.a_second)
    print(f"\n{'':28} {'times the better of the two':>27} {'goal':>6}   ({best.name}, {best.workers} workers)")
    for rate in ours:
        goal = f"{GOAL:6.1f}" if "first" in rate.name else ""
        print(f"{rate.name:28} {rate.a_second / best.a_second:27.1f} {goal}".rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Mutants a second: the kill matrix, mutmut and cosmic-ray.")
    parser.add_argument("--others", type=Path, metavar="PYTHON", help="an interpreter with mutmut 3 and cosmic-ray")
    parser.add_argument("--mutants", type=int, default=12, metavar="N", help="how many for each of them (12)")
    parser.add_argument("--limit", type=float, default=90.0, metavar="SECONDS", help="and for how long at most (90)")
    options = parser.parse_args()
    main(options.others, options.mutants, options.limit)
