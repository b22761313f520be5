"""``grader cohort --scheduler``: what a Dask cluster makes of a cohort is what this machine makes of it."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

pytest.importorskip("distributed", reason="pip install 'gpt-bug-grader[cluster]'")

from distributed import KilledWorker

from grader.cohort.cluster import Cluster, ClusterBackend
from grader.cohort.pool import Graded, NotGraded, Setup, by_name, setup_of
from grader.cohort.versions import differences, versions, versions_of_a_job
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise, StoredExercise
from grader.grading.options import Options
from grader.result.record import Audience
from grader.submission.read import Submission, submission_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and /proc are Linux's")

PATIENCE = 300  # seconds for a whole cohort: the machine may be busy with other things
ITEMS = ("projection", "training-step")
JOB = "grader.cohort.job"
CHEAT = """
import os, socket
def attempt(what, do, *arguments):
    try:
        print(what, "reached", do(*arguments))
    except OSError as error:
        print(what, "refused:", error.strerror)
attempt("reference", lambda: open({reference!r}).read())
attempt("scratch", os.listdir, {scratch!r})
attempt("temporary", os.listdir, "/tmp")
attempt("scheduler", socket.create_connection, ("127.0.0.1", {port}))
print("environment:", *sorted(os.environ))
"""


class Local:
    """A cluster of two worker processes on this machine, in a process of its own."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("local_cluster.py"), scratch],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("tcp://")

    @property
    def workers(self) -> list[int]:
        """The pids of its worker processes."""
        return [pid for pid in descendants(self.process.pid) if "multiprocessing.spawn" in command(pid)]

    @property
    def jobs(self) -> list[int]:
        """The pids of what grades on it."""
        return [pid for pid in descendants(self.process.pid) if JOB in command(pid)]

    def close(self) -> None:
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    cluster = Local(tmp_path_factory.mktemp("scratch"))
    yield cluster
    family = descendants(cluster.process.pid)
    cluster.close()
    until(lambda: not any(map(is_there, family)))


@pytest.fixture(scope="module")
def submissions(exercise: StoredExercise, local: Local, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right, buggy, crashing, cheating, and one that cannot be read."""
    where = tmp_path_factory.mktemp("submissions")
    starter, reference = exercise.starter(), exercise.reference
    cheat = CHEAT.format(
        reference=str(exercise.reference_directory / "model.py"),
        scratch=str(local.scratch),
        port=int(local.address.rpartition(":")[2]),
    )
    models = {
        "right": reference["model.py"],
        "starter": starter["model.py"],
        "crashes": f"import os; os._exit(0)\n{reference['model.py']}",
        "cheat": f"{cheat}\n{starter['model.py']}",
        "empty": None,
    }
    for name, model in models.items():
        (where / name).mkdir()
        if model is not None:
            (where / name / "model.py").write_text(model)
            (where / name / "train.py").write_text((reference if name == "right" else starter)["train.py"])
    return where


@pytest.fixture(scope="module")
def at_home(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What this machine's own jobs write."""
    out = tmp_path_factory.mktemp("home") / "out"
    done = grader("cohort", submissions, "-o", out, "--seed", 7, "--only", *ITEMS)

    assert (done.returncode, done.stderr.count("] ")) == (1, 4), done.stderr
    return tree(out)


@pytest.fixture
def setup(exercise: StoredExercise) -> Setup:
    """A cohort's way of grading, cut down to one item; the exercise lies where this machine cannot look."""
    elsewhere = dataclasses.replace(exercise, reference_directory=Path("/", "x" * 1000))
    return setup_of(elsewhere, Options(only=("projection",), seed=1, shared=True), Audience.INSTRUCTOR)


@pytest.fixture
def two(exercise: Exercise) -> dict[str, Submission]:
    return {name: submission_of(name, exercise.reference) for name in ("ann", "bob")}


def grader(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def tree(directory: Path) -> dict[str, bytes]:
    """Every file of a cohort by its path, but for the times: how long each took, and when the cohort was begun."""
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    begun = re.compile(rb'"begun_at":"[^"]*"|grading began [^<]*')
    return {name: begun.sub(b"", path.read_bytes()) for name, path in files.items() if name != "times.log"}


def descendants(pid: int) -> list[int]:
    """The process's children, theirs, and so on."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a worker may end while it is looked at
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # and so may a thread
                for child in map(int, (task / "children").read_text().split()):
                    found += [child, *descendants(child)]
    return found


def command(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return ""


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def started(submissions: Path, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """``started(address)``: a cohort under way on a cluster, which has its first verdict; ended with the test."""
    processes = []

    def start(address: str) -> subprocess.Popen[str]:
        arguments = (submissions, "-o", tmp_path / "out", "--seed", 7, "--only", *ITEMS, "--scheduler", address)
        process = subprocess.Popen(
            [sys.executable, "-m", "grader", "cohort", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A test run that was started in the background ignores SIGINT, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        processes.append(process)
        assert process.stderr is not None
        assert any(line.startswith("grader: [1/") for line in process.stderr)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_cluster_writes_the_same_bytes_as_this_machine(
    local: Local, submissions: Path, at_home: dict[str, bytes], tmp_path: Path
) -> None:
    done = grader("cohort", submissions, "-o", tmp_path / "out", "--seed", 7, "--only", *ITEMS,
                  "--scheduler", local.address)  # fmt: skip

    assert (done.returncode, done.stderr.count("] ")) == (1, 4), done.stderr
    assert "grader: the cluster has 2 workers\n" in done.stderr
    assert re.search("Traceback|Error|Exception|distributed", done.stderr) is None
    assert tree(tmp_path / "out") == at_home
    scores = {path.parent.name: json.loads(path.read_bytes())["score"] for path in tmp_path.rglob("result.json")}
    assert scores == {"right": 30, "starter": 0, "crashes": 0, "cheat": 0}
    assert local.jobs == []


@pytest.mark.slow
def test_a_batch_on_a_cluster_has_the_rewards_of_its_lines(
    local: Local, submissions: Path, exercise: StoredExercise, tmp_path: Path
) -> None:
    lines = [{"id": name, "path": str(submissions / name)} for name in ("right", "crashes", "empty")]
    lines += [{"id": "inline", "files": exercise.starter(), "options": {"only": ["training-step"]}}]  # type: ignore[dict-item]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    done = grader("batch", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--only", "projection",
                  "--scheduler", local.address)  # fmt: skip
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]

    assert done.returncode == 1, done.stderr
    assert {line["id"]: line["reward"] for line in found} == {
        "right": 1.0,
        "crashes": 0.0,
        "empty": None,
        "inline": 0.0,
    }
    asked = {line["id"]: line["origin"]["asked"]["only"] for line in found if line["origin"]}
    assert asked == {"right": ["projection"], "crashes": ["projection"], "inline": ["training-step"]}
    assert local.jobs == []


@pytest.mark.slow
def test_neither_the_reference_nor_the_clusters_own_places_are_in_a_candidates_reach(
    at_home: dict[str, bytes],
) -> None:
    # The cluster's bytes are these: what is refused here is refused there, and there is as much in the environment.
    seen = at_home["candidates/cheat/result.json"].decode()

    for what in ("reference", "scratch", "temporary", "scheduler"):
        assert (f"{what} refused: " in seen, f"{what} reached" in seen) == (True, False)
    assert re.search(r"environment: (?!.*DASK)", seen) is not None


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_verdict_and_no_byte(
    local: Local, at_home: dict[str, bytes], started: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = started(local.address)
    busy = [pid for pid in local.workers if any(JOB in command(child) for child in descendants(pid))]
    family = descendants(busy[0])
    os.kill(busy[0], signal.SIGKILL)
    _, told = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1, told
    assert tree(tmp_path / "out") == at_home
    assert len(family) >= 2
    until(lambda: not any(map(is_there, family)))
    until(lambda: len(local.workers) == 2)


@pytest.mark.slow
def test_an_interruption_leaves_nothing_running_on_the_cluster(
    local: Local, started: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = started(local.address)
    family = [pid for job in local.jobs for pid in (job, *descendants(job))]
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert re.search(r"interrupted; [1-3] graded and kept, [1-3] left; go on with --resume", told) is not None
    assert re.search("Traceback|Error|Exception|distributed", told) is None
    assert len(family) >= 2
    until(lambda: not any(map(is_there, family)))
    assert local.jobs == []


def have(cluster: Cluster, worker: str, path: Path, script: str) -> None:
    """Let one worker's jobs be started by a script, which stands in for Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    cluster.client.run(exec, f"import sys; sys.executable = {str(path)!r}", workers=[worker])


@pytest.fixture
def cluster(local: Local) -> Iterator[Cluster]:
    """A connection; what a test changes on the workers is put right again."""
    with Cluster(local.address, lambda _: None) as cluster:
        until(lambda: len(cluster.workers()) == 2)
        yield cluster
        cluster.client.run(exec, f"import sys; sys.executable = {sys.executable!r}")


@pytest.mark.slow
def test_a_worker_that_would_grade_in_another_way_gets_nothing_to_grade(
    cluster: Cluster, setup: Setup, two: dict[str, Submission], tmp_path: Path
) -> None:
    odd, other = cluster.workers()
    have(cluster, odd, tmp_path / "odd", "echo no torch here >&2; exit 1")
    with ClusterBackend(cluster, setup) as backend:
        graded = dict(backend.grade(by_name(two)))
        assert [type(each) for each in graded.values()] == [Graded, Graded]

        have(cluster, other, tmp_path / "other", "exit 1")

    with (
        ClusterBackend(cluster, setup) as backend,
        pytest.raises(CannotJudge, match=r"no worker of the cluster can grade; tcp://.*: it has no such grader: "),
    ):
        list(backend.grade(by_name(two)))


@pytest.mark.slow
def test_a_job_that_dies_is_tried_again_and_then_recorded(
    cluster: Cluster, setup: Setup, two: dict[str, Submission], tmp_path: Path
) -> None:
    dying = (
        f'[ $4 = {JOB} ] && {{ echo x >> {tmp_path}/tries; echo no memory >&2; exit 1; }}; exec {sys.executable} "$@"'
    )
    for number, worker in enumerate(cluster.workers()):
        have(cluster, worker, tmp_path / str(number), dying)
    with ClusterBackend(cluster, setup) as backend:
        graded = dict(backend.grade(by_name(two)))

    assert graded == dict.fromkeys(two, NotGraded(reason="the process that graded it ended (no memory)"))
    assert len((tmp_path / "tries").read_text().split()) == 2 * len(two)


@pytest.mark.slow
def test_workers_with_another_grader_are_refused_before_anything_is_graded(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = msgspec.structs.replace(versions(), grader="0" * 64, packages={"torch": "1.0"})
    monkeypatch.setattr("grader.cohort.cluster.versions", lambda: ours)

    with pytest.raises(UsageError, match=r"2 of the cluster's 2 workers would not grade as this machine: tcp://.*: "
                       r"grader's code \w{12} instead of 000000000000, torch .* instead of 1\.0; .*; "
                       "install the same grader"):  # fmt: skip
        Cluster(local.address, lambda _: None)


def test_a_job_has_the_versions_of_the_process_that_starts_it_and_every_other_is_named() -> None:
    ours = versions()

    assert versions_of_a_job() == ours
    assert differences(ours, ours) == ""
    assert differences("it has none", ours) == "it has none"
    theirs = type(ours)(grader=ours.grader, python="3.1", packages={**ours.packages, "numpy": "1.0"})
    assert differences(theirs, ours) == f"Python 3.1 instead of {ours.python}, " + (
        f"numpy 1.0 instead of {ours.packages['numpy']}"
    )


def test_an_address_where_nobody_is_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.cohort.cluster.CLUSTER_CONNECT_SECONDS", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nothing listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(
            UsageError, match=f"no scheduler can be reached at --scheduler='{address}' .*; expected the"
        ):
            Cluster(address, lambda _: None)


@pytest.mark.parametrize(
    ("before", "arguments", "complaint"),
    [
        ("", ("--scheduler", "smoke://signals"), "no scheduler can be reached at --scheduler='smoke://signals'"),
        ("", ("--scheduler", ""), "--scheduler=''; expected the address of a Dask scheduler"),
        ("", ("--scheduler", "tcp://127.0.0.1:1", "--jobs", "2"), "not allowed with argument"),
        (
            "sys.modules['distributed'] = None",
            ("--scheduler", "tcp://127.0.0.1:1"),
            "pip install 'gpt-bug-grader[cluster]'",
        ),
    ],
    ids=["scheme", "empty", "jobs", "not-installed"],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    before: str, arguments: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "submissions" / "ann").mkdir(parents=True)
    (tmp_path / "submissions" / "ann" / "model.py").touch()
    main = f"import sys; {before}\nfrom grader.cli.main import main; main(sys.argv[1:])"
    given = ("cohort", tmp_path / "submissions", "-o", tmp_path / "out", *arguments)
    done = subprocess.run([sys.executable, "-c", main, *map(str, given)], capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


class Scripted:
    """In place of a cluster and its client: what is submitted ends in these errors, one after another."""

    address = "tcp://scheduler:8786"
    versions = versions()

    def __init__(self, *errors: Exception) -> None:
        self.client = self
        self.errors = list(errors)
        self.asked: list[list[str] | None] = []

    def submit(self, *_: object, workers: list[str] | None, **__: object) -> "Scripted.Future":
        self.asked.append(workers)
        return Scripted.Future(self.errors.pop(0))

    def register_plugin(self, plugin: object, name: str) -> None:
        """It has no reader."""

    def sync(self, *_: object, **__: object) -> None:
        """It has no listener."""

    def workers(self) -> dict[str, int]:
        return {"tcp://a:1": 1, "tcp://b:1": 1}

    class Future:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def result(self, timeout: float) -> bytes:
            raise self.error

        def add_done_callback(self, call: Callable[["Scripted.Future"], None]) -> None:
            call(self)


def test_a_submission_that_takes_worker_after_worker_with_it_is_recorded(
    setup: Setup, two: dict[str, Submission]
) -> None:
    killed = KilledWorker("grade", SimpleNamespace(address="tcp://a:1"), 3)  # type: ignore[arg-type]
    scripted = Scripted(killed, killed)
    with ClusterBackend(scripted, setup) as backend:  # type: ignore[arg-type]
        graded = dict(backend.grade(by_name({"ann": two["ann"]})))

    assert graded == {"ann": NotGraded(reason="4 workers of the cluster were lost while they graded it")}
    assert scripted.asked == [None, ["tcp://b:1"]]


def test_a_scheduler_that_goes_away_ends_the_cohort_and_says_how_to_go_on(
    setup: Setup, two: dict[str, Submission]
) -> None:
    gone = CancelledError("grade", "scheduler-connection-lost")
    with (
        ClusterBackend(Scripted(gone, gone), setup) as backend,  # type: ignore[arg-type]
        pytest.raises(
            CannotJudge, match="the connection to the scheduler at tcp://scheduler:8786 was lost; go on with"
        ),
    ):
        list(backend.grade(by_name(two)))


def test_no_more_is_sent_to_the_scheduler_than_its_workers_need(setup: Setup, two: dict[str, Submission]) -> None:
    killed = KilledWorker("grade", SimpleNamespace(address="tcp://a:1"), 3)  # type: ignore[arg-type]
    many = {f"c{number}": two["ann"] for number in range(50)}
    scripted = Scripted(*[killed] * 100)
    ahead = []
    with ClusterBackend(scripted, setup) as backend:  # type: ignore[arg-type]
        for number, _ in enumerate(backend.grade(by_name(many))):
            ahead.append(len(scripted.asked) - 2 * number)

    assert len(ahead) == len(many)
    assert max(ahead) <= 2 * (2 * len(scripted.workers()) + 4)
    assert len(scripted.asked) == 2 * len(many)


def test_a_full_directory_is_said_to_be_one_before_anybody_looks_for_a_scheduler(tmp_path: Path) -> None:
    (tmp_path / "submissions" / "ann").mkdir(parents=True)
    (tmp_path / "submissions" / "ann" / "model.py").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    done = grader("cohort", tmp_path / "submissions", "-o", tmp_path / "out", "--scheduler", "smoke://signals")

    assert done.returncode == 2
    assert "is not empty; go on with the cohort in it with --resume" in done.stderr
    assert "smoke" not in done.stderr
