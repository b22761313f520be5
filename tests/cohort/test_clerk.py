"""Who grades for a worker of a cluster can be told to stop at any moment."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from grader.cohort.cluster_worker import WorkerJob
from grader.cohort.pool import Graded, NotGraded, Task, setup_of
from grader.cohort.versions import versions
from grader.exercise.model import Exercise
from grader.grading.options import Options
from grader.result.record import Audience
from grader.submission.read import submission_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a job ends with its parent on Linux alone")


def test_a_job_that_does_not_read_keeps_nobody_from_closing(
    exercise: Exercise, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaf = tmp_path / "python"
    deaf.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/begun; exec sleep 600\n")
    deaf.chmod(0o700)
    ours = versions()
    monkeypatch.setattr("grader.cohort.cluster_worker.versions_of_a_job", lambda: ours)
    monkeypatch.setattr("sys.executable", str(deaf))
    worker_job = WorkerJob(setup_of(exercise, Options(), Audience.INSTRUCTOR), ours)
    files = exercise.reference | {"more.py": "#" * 800_000}  # more than a socket holds
    answers: list[Graded | NotGraded] = []
    task = Task(submission=submission_of("ann", files))
    asking = threading.Thread(target=lambda: answers.append(worker_job.grade(task)), daemon=True)
    asking.start()
    waiting = threading.Event()
    while not (tmp_path / "begun").exists():
        waiting.wait(0.01)
    closing = threading.Thread(target=worker_job.close, daemon=True)
    closing.start()
    closing.join(60)

    try:
        assert not closing.is_alive()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "begun").read_text()), signal.SIGKILL)
    asking.join(60)
    assert [type(answer) for answer in answers] == [NotGraded]
