"""A process that grades and dies costs one submission a second try, and no more."""

import re
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.cohort.pool import Graded, NotGraded, Pool, Setup, Task, by_name, encode, grading, setup_of
from grader.errors import CannotJudge
from grader.exercise.model import Exercise
from grader.grading.options import Options
from grader.jobs import Job
from grader.limits import JOB_BUDGET_FACTOR
from grader.result.record import Audience, from_json
from grader.submission.read import Submission, submission_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's")


@pytest.fixture
def setup(exercise: Exercise) -> Setup:
    """The starter's way of grading, cut down to one item."""
    return setup_of(exercise, Options(only=("projection",), seed=1, shared=True), Audience.INSTRUCTOR)


@pytest.fixture
def submissions(exercise: Exercise) -> dict[str, Submission]:
    return {name: submission_of(name, exercise.reference) for name in ("ann", "bob", "eve")}


def interpreter(monkeypatch: pytest.MonkeyPatch, path: Path, script: str) -> None:
    """Let jobs be started by a script, which stands in for Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(path))


def test_a_machine_on_which_no_job_lives_leaves_every_submission_without_a_verdict(
    setup: Setup, submissions: dict[str, Submission], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interpreter(monkeypatch, tmp_path / "python", f"echo x >> {tmp_path}/tries; echo no memory >&2; exit 1")
    with Pool(setup, 2) as pool:
        graded = dict(pool.grade(by_name(submissions)))

    assert graded == dict.fromkeys(submissions, NotGraded(reason="the process that graded it ended (no memory)"))
    assert len((tmp_path / "tries").read_text().split()) == 2 * len(submissions)


@pytest.mark.slow
def test_a_job_that_dies_is_replaced_and_its_submission_marked_all_the_same(
    setup: Setup, submissions: dict[str, Submission], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    once = f'mkdir {tmp_path}/died 2>/dev/null && kill -9 $$; exec {sys.executable} "$@"'
    interpreter(monkeypatch, tmp_path / "python", once)
    with Pool(setup, 1) as pool:
        graded = dict(pool.grade(by_name(submissions)))

    assert (tmp_path / "died").is_dir()
    assert set(graded) == set(submissions)
    for name, each in graded.items():
        assert isinstance(each, Graded)
        result = from_json(each.result)
        assert (result.candidate.name, result.score, result.seconds) == (name, 15, 0)
        assert {check.seconds for item in result.items for check in item.checks} == {0}


@pytest.mark.slow
def test_what_is_the_same_for_every_submission_ends_it_at_once(
    setup: Setup, submissions: dict[str, Submission], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hopeless = (
        "import sys, socket; from grader.cohort.pool import *; "
        "s = socket.socket(fileno=int(sys.argv[1])); receive(s.makefile('rb')); "
        "send(s, NotGraded(reason='no Landlock here', hopeless=True))"
    )
    interpreter(monkeypatch, tmp_path / "python", f'exec {sys.executable} -c "{hopeless}" "$5" "$6"')

    with Pool(setup, 2) as pool, pytest.raises(CannotJudge, match="no Landlock here"):
        list(pool.grade(by_name(submissions)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (r"b'\xff' * 4", r"answered with no message of ours \(a message of 4294967295 bytes; expected at most \d+\)"),
        (r"b'\0\0\0\2{}'", r"answered with no message of ours \(.+\)"),
        (r"b'\0\1\0\x10' + b'\x82\xa4type\xa4task\xa1x' + b'\x91' * 65539", r"answered with no message of ours \(.+\)"),
        ("struct.pack('!I', len(task)) + task", "answered with a Task"),
    ],
    ids=["too-long", "no-message", "deep", "another-kind"],
)
def test_a_job_that_answers_with_rubbish_costs_its_submission_alone(
    answer: str,
    reason: str,
    setup: Setup,
    submissions: dict[str, Submission],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "job.py").write_text(
        "import socket, struct, sys\n"
        "peer = socket.socket(fileno=int(sys.argv[1]))\n"
        "stream = peer.makefile('rb')\n"
        "for _ in range(2):\n"
        "    task = stream.read(*struct.unpack('!I', stream.read(4)))\n"
        f"peer.sendall({answer})\n"
        "stream.read()\n"
    )
    interpreter(monkeypatch, tmp_path / "python", f'exec {sys.executable} -I -S {tmp_path}/job.py "$5" "$6"')
    with Pool(setup, 2) as pool:
        graded = dict(pool.grade(by_name(submissions)))

    assert set(graded) == set(submissions)
    for each in graded.values():
        assert isinstance(each, NotGraded)
        assert re.fullmatch(f"the process that graded it {reason}", each.reason)


@pytest.mark.parametrize("sent", ["", "peer.sendall(b'\\0\\0')"], ids=["nothing", "half-an-answer"])
def test_a_job_that_hangs_is_ended_after_a_while_and_costs_its_submission_alone(
    sent: str, setup: Setup, submissions: dict[str, Submission], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "job.py").write_text(
        "import socket, sys, time\n"
        f"peer = socket.socket(fileno=int(sys.argv[1]))\n{sent}\n"
        "while True:\n    time.sleep(1000)\n"
    )
    interpreter(monkeypatch, tmp_path / "python", f'exec {sys.executable} -I -S {tmp_path}/job.py "$5" "$6"')
    monkeypatch.setattr("grader.cohort.pool.JOB_SECONDS", 1 - JOB_BUDGET_FACTOR * setup.options.budget)
    with Pool(setup, 3) as pool:
        graded = dict(pool.grade(by_name(submissions)))

    assert graded == dict.fromkeys(submissions, NotGraded(reason="the process that graded it gave no answer for 1 s"))


@pytest.fixture
def job(setup: Setup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Job[Task, Graded, NotGraded]]:
    """A job that answers everything at once."""
    (tmp_path / "job.py").write_text(
        "import socket, sys\n"
        "from grader.cohort.pool import Graded, receive, send\n"
        "peer = socket.socket(fileno=int(sys.argv[1]))\n"
        "stream = peer.makefile('rb')\n"
        "receive(stream)\n"
        "while receive(stream):\n"
        "    send(peer, Graded(result=b'', report=b'', seconds=0.0))\n"
    )
    interpreter(monkeypatch, tmp_path / "python", f'exec {sys.executable} {tmp_path}/job.py "$5" "$6"')
    job = Job(grading(setup))
    yield job
    job.close()


def test_time_that_is_up_for_one_submission_says_nothing_of_the_next(
    job: Job[Task, Graded, NotGraded], submissions: dict[str, Submission]
) -> None:
    job.give(Task(submission=submissions["ann"]))
    assert isinstance(job.take(), Graded)
    job._end_overdue(1)  # the timer had gone off, and came too late
    job.give(Task(submission=submissions["bob"]))
    job._end_overdue(1)

    assert isinstance(job.take(), Graded)


def test_an_answer_that_comes_just_when_time_is_up_is_not_taken_from_a_job_that_has_ended(
    job: Job[Task, Graded, NotGraded], submissions: dict[str, Submission]
) -> None:
    job.give(Task(submission=submissions["ann"]))
    assert select.select([job.connection], [], [], 60)[0]
    job._end_overdue(1)

    assert job.take() == NotGraded(reason=f"the process that graded it gave no answer for {job._limit:g} s")


def test_leaving_tells_every_job_that_it_is_over_before_it_waits_for_any(
    setup: Setup, submissions: dict[str, Submission], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Each answers, and ends once all the others have heard that it is over too.
    (tmp_path / "job.py").write_text(
        f"import os, socket, struct, sys, time\nos.chdir({str(tmp_path)!r})\n"
        "def meet(where):\n"
        "    open(f'{where}-{os.getpid()}', 'x')\n"
        "    while sum(name.startswith(where) for name in os.listdir()) < 2:\n"
        "        time.sleep(0.01)\n"
        "peer = socket.socket(fileno=int(sys.argv[1]))\n"
        "stream = peer.makefile('rb')\n"
        "for _ in range(2):\n"
        "    stream.read(*struct.unpack('!I', stream.read(4)))\n"
        "meet('begun')\n"
        f"peer.sendall({_framed(Graded(result=b'', report=b'', seconds=0.0))!r})\n"
        "stream.read()\n"
        "meet('told')\n"
        "open(f'ended-{os.getpid()}', 'x')\n"
    )
    interpreter(monkeypatch, tmp_path / "python", f'exec {sys.executable} -I -S {tmp_path}/job.py "$5" "$6"')
    with Pool(setup, 2) as pool:
        graded = dict(pool.grade(by_name({name: submissions[name] for name in ("ann", "bob")})))

    assert len(graded) == len(list(tmp_path.glob("ended-*"))) == 2


def _framed(message: Graded) -> bytes:
    data = encode(message)
    return len(data).to_bytes(4, "big") + data
