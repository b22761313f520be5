"""What a locked worker may use up."""

from collections.abc import Callable
from typing import Any

import pytest

Worker = Callable[..., Any]


def test_memory_over_the_limit_is_an_error_of_the_worker(worker: Worker) -> None:
    outcome = worker("result = outcome(lambda: bytearray(1 << 30))", limits={"address_space_bytes": 512 << 20})

    assert outcome.result == "MemoryError"


def test_shared_memory_counts_too(worker: Worker) -> None:
    source = "import mmap\nresult = outcome(lambda: mmap.mmap(-1, 1 << 30))"

    assert worker(source, limits={"address_space_bytes": 512 << 20}).result == "ENOMEM"


def test_memory_is_not_limited_on_request(worker: Worker) -> None:
    source = "import mmap\nresult = outcome(lambda: mmap.mmap(-1, 5 << 30))"
    outcome = worker(source, limits={"address_space_bytes": None})

    assert outcome.result == "done"
    assert outcome.report["limits"]["address_space_bytes"] is None


def test_an_open_file_cannot_be_flooded(worker: Worker) -> None:
    opened = "import os; descriptor = os.open(CANDIDATE / 'log', os.O_WRONLY | os.O_CREAT)"
    flood = "def flood():\n while True: os.write(descriptor, bytes(1 << 16))\n"
    source = f"{flood}result = outcome(flood), os.fstat(descriptor).st_size"

    assert worker(source, before=opened, limits={"file_bytes": 1 << 20}).result == ["EFBIG", 1 << 20]


def test_descriptors_run_out(worker: Worker) -> None:
    source = "import os\ndef flood():\n while True: os.dup(0)\nresult = outcome(flood)"

    assert worker(source, limits={"open_files": 20}).result == "EMFILE"


def test_cpu_time_runs_out_though_the_signal_is_ignored(worker: Worker) -> None:
    source = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"

    assert worker(source, limits={"cpu_seconds": 1}).exit == -9  # SIGKILL


def test_a_tighter_limit_from_outside_stays(worker: Worker) -> None:
    tighter = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))"

    assert worker("", launcher=tighter).report["limits"]["open_files"] == 30


@pytest.mark.parametrize("kind", ["CORE", "MEMLOCK", "MSGQUEUE"])
def test_what_no_worker_needs_is_zero(worker: Worker, kind: str) -> None:
    outcome = worker(f"import resource\nresult = resource.getrlimit(resource.RLIMIT_{kind})")

    assert outcome.result == [0, 0]
