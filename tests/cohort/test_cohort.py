"""``grader cohort``: every kind of candidate gets its verdict, and the same files come of it however it was run."""

import contextlib
import csv
import io
import json
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.exercise.model import Exercise, StoredExercise
from grader.result.record import from_json, to_json, untimed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and /proc are Linux's"),
]

ITEMS = ("projection", "training-step")
PATIENCE = 300  # seconds for a whole cohort: the machine may be busy with other things
CHEAT = """
import os
try:
    open(REFERENCE).read()
except OSError as error:
    print("refused:", error.strerror)
"""


def grader(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def tree(directory: Path) -> dict[str, bytes]:
    """Every file of a cohort by its path, but for the times: how long each took, and when the cohort was begun."""
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    begun = re.compile(rb'"begun_at":"[^"]*"|grading began [^<]*')
    return {name: begun.sub(b"", path.read_bytes()) for name, path in files.items() if name != "times.log"}


def hand_in(where: Path, name: str, model: str, train: str) -> None:
    (where / name).mkdir()
    (where / name / "model.py").write_text(model)
    (where / name / "train.py").write_text(train)


@pytest.fixture(scope="module")
def submissions(exercise: StoredExercise, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right, buggy, crashing, cheating, unreadable, packed, and with names of all sorts; none that hangs."""
    where = tmp_path_factory.mktemp("submissions")
    starter, reference = exercise.starter(), exercise.reference
    right, wrong = reference["model.py"], starter["model.py"]
    hand_in(where, "right", right, reference["train.py"])
    hand_in(where, "starter", wrong, starter["train.py"])
    hand_in(where, "half of it", right, starter["train.py"])
    hand_in(where, "half-of-it", wrong, reference["train.py"])
    hand_in(where, "crashes", f"import os; os._exit(0)\n{right}", reference["train.py"])
    secret = repr(str(exercise.reference_directory / "model.py"))
    hand_in(where, "=cheat()", f"{CHEAT.replace('REFERENCE', secret)}\n{wrong}", starter["train.py"])
    with zipfile.ZipFile(where / "packed.zip", "w") as archive:
        for name in ("model.py", "train.py"):
            archive.writestr(f"mine/{name}", reference[name])
    (where / "torn.zip").write_bytes((where / "packed.zip").read_bytes()[:-30])
    (where / "empty").mkdir()
    return where


SCORES = {
    "right": 30, "starter": 0, "half of it": 15, "half-of-it": 15, "crashes": 15, "'=cheat()": 0, "packed.zip": 30,
    "torn.zip": None, "empty": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two jobs side by side made of them, with a seed that is named so that others can be compared with it."""
    out = tmp_path_factory.mktemp("graded") / "out"
    done = grader("cohort", submissions, "-o", out, "--jobs", 2, "--seed", 7, "--only", *ITEMS)

    assert (done.returncode, done.stderr.count("] ")) == (1, 7), done.stderr
    assert "7 of 9 submissions graded" in done.stdout
    assert "empty: no model.py in it" in done.stdout
    assert re.search("Traceback|Error|Exception", done.stderr) is None
    return out


def test_every_candidate_gets_its_verdict(graded: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((graded / "results.csv").read_text("utf-8-sig"))))

    assert {row["candidate"]: float(row["score"]) if row["score"] else None for row in rows} == SCORES
    for row in rows:
        folder = graded / "candidates" / row["folder"]
        assert folder.is_dir() == bool(row["score"])
        if row["score"]:
            result = json.loads((folder / "result.json").read_text())
            assert result["score"] == float(row["score"])
            assert result["asked"]["shared"] is True
            assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    alike = {row["candidate"]: row["nearly_the_same_as"].split() for row in rows}
    assert (alike["right"][0], alike["packed.zip"][0], alike["starter"]) == ("packed.zip", "right", [])


def test_the_reference_is_out_of_reach_for_every_job(graded: Path) -> None:
    (cheat,) = graded.glob("candidates/cheat~*/result.json")

    assert "refused: " in cheat.read_text()


def test_one_job_writes_the_same_bytes_as_two(graded: Path, submissions: Path, tmp_path: Path) -> None:
    grader("cohort", submissions, "-o", tmp_path / "out", "--jobs", 1, "--seed", 7, "--only", *ITEMS)

    assert tree(tmp_path / "out") == tree(graded)


def test_a_cohort_that_is_done_is_not_graded_again(graded: Path, submissions: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in graded.glob("candidates/*/*")}
    files = tree(graded)
    done = grader("cohort", submissions, "-o", graded, "--resume", "--only", *ITEMS)

    assert done.returncode == 1
    assert "0 submissions to grade, 7 graded before" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in graded.glob("candidates/*/*")} == before
    assert tree(graded) == files


def test_a_round_before_stands_beside_this_one(copy: Path, submissions: Path, graded: Path) -> None:
    done = grader("cohort", submissions, "-o", copy, "--resume", "--only", *ITEMS, "--before", graded)
    page = (copy / "index.html").read_text()

    assert "The round before: 7 matched, 2 new, 0 gone" in done.stdout
    assert "7 of 9 are matched with a candidate of the round before" in page
    lines = re.findall(r'<tr id="c-.*?</th><td class="amount">\S+</td><td class="amount">(\S+)</td>', page)
    assert lines == ["±0"] * 7 + ["new"] * 2


def test_a_report_leads_back_to_its_line_and_what_is_handed_out_does_not(
    graded: Path, copy: Path, submissions: Path
) -> None:
    assert 'href="../../index.html#c-half-of-it"' in (graded / "candidates" / "half-of-it" / "report.html").read_text()
    assert 'id="c-half-of-it"' in (graded / "index.html").read_text()
    grader("cohort", submissions, "-o", copy, "--resume", "--audience", "learner", "--only", *ITEMS)
    assert "index.html" not in (copy / "candidates" / "half-of-it" / "report.html").read_text()


def test_near_copies_have_a_page_and_without_any_there_is_none(
    graded: Path, copy: Path, submissions: Path, tmp_path: Path
) -> None:
    import shutil

    assert "packed.zip" in (graded / "near-copies.html").read_text()
    shutil.copytree(submissions / "starter", tmp_path / "alone" / "starter")
    done = grader("cohort", tmp_path / "alone", "-o", copy, "--resume", "--only", *ITEMS)
    assert done.returncode == 0
    assert not (copy / "near-copies.html").exists()


def test_each_result_is_confirmed_by_a_grade_of_its_own_that_asks_the_same(
    graded: Path, submissions: Path, tmp_path: Path
) -> None:
    recorded, again = graded / "candidates" / "half-of-it" / "result.json", tmp_path / "again.json"
    done = grader("grade", submissions / "half-of-it", "--check", recorded, "--json", again)

    assert (done.returncode, done.stdout.splitlines()[-2]) == (0, "The verdict is the same.")
    assert to_json(untimed(from_json(again.read_bytes()))) == recorded.read_bytes()


@pytest.fixture
def copy(graded: Path, tmp_path: Path) -> Path:
    """A cohort of one's own, done."""
    import shutil

    shutil.copytree(graded, tmp_path / "copy")
    return tmp_path / "copy"


def test_what_has_changed_is_graded_anew_and_the_rest_is_not(
    copy: Path, submissions: Path, exercise: Exercise, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(submissions, tmp_path / "later")
    (tmp_path / "later" / "starter" / "train.py").write_text(exercise.reference["train.py"])
    (tmp_path / "later" / "right" / "model.py").unlink()
    done = grader("cohort", tmp_path / "later", "-o", copy, "--resume", "--only", *ITEMS)

    assert "1 submission to grade, 5 graded before" in done.stderr
    rows = {row["folder"]: row for row in csv.DictReader(io.StringIO((copy / "results.csv").read_text("utf-8-sig")))}
    assert (rows["starter"]["score"], rows["right"]["score"]) == ("15", "")
    assert not (copy / "candidates" / "right").exists()


def test_a_learners_reports_hold_no_seed_and_the_results_stay_the_instructors(copy: Path, submissions: Path) -> None:
    done = grader("cohort", submissions, "-o", copy, "--resume", "--audience", "learner", "--only", *ITEMS)

    assert "0 submissions to grade" in done.stderr
    assert "learner\u2019s copy" in (copy / "candidates" / "right" / "report.html").read_text()
    assert json.loads((copy / "candidates" / "right" / "result.json").read_text())["environment"]["seed"] == 7


@pytest.mark.parametrize("moment", [random.Random(5).uniform(0.0, 4.0), 3], ids=["at-random", "after-three"])
def test_killed_at_any_moment_and_gone_on_with_it_writes_the_same_bytes(
    moment: float, graded: Path, submissions: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(submissions, tmp_path / "out", "--seed", 7)
    if moment == 3:
        wait_for_verdicts(process, 3)
    else:
        time.sleep(moment)
    process.kill()
    process.wait()
    grader("cohort", submissions, "-o", tmp_path / "out", "--resume", "--seed", 7, "--only", *ITEMS)

    assert tree(tmp_path / "out") == tree(graded)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interruption_leaves_no_process_and_no_half_file_and_what_is_done_stays(
    number: signal.Signals, submissions: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(submissions, tmp_path / "out", "--seed", 7)
    wait_for_verdicts(process, 2)
    family = descendants(process.pid)
    process.send_signal(number)
    _, told = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    kept = re.search(r"interrupted; (\d) graded and kept, (\d) left; go on with --resume", told)
    assert kept is not None
    assert int(kept[1]) == len(list(tmp_path.glob("out/candidates/*/result.json"))) >= 2
    assert list(tmp_path.rglob(".*")) == []
    deadline = time.monotonic() + 30
    while any(map(is_there, family)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(family) >= 4
    assert [pid for pid in family if is_there(pid)] == []


def test_a_candidate_that_hangs_costs_its_own_time_alone(exercise: Exercise, tmp_path: Path) -> None:
    where = tmp_path / "submissions"
    where.mkdir()
    hanging = f"import time\n{exercise.reference['model.py']}".replace("class GPT(", "time.sleep(9999)\nclass GPT(")
    models = {"a-hangs": hanging, "b": exercise.reference["model.py"], "c": exercise.starter()["model.py"]}
    for name, model in models.items():
        hand_in(where, name, model, exercise.reference["train.py"])
    done = grader("cohort", where, "-o", tmp_path / "out", "--jobs", 2, "--only", "projection")

    told = re.findall(r"\] (\d+) of 15, ([\w-]+)", done.stderr)
    assert sorted(told) == [("0", "a-hangs"), ("0", "c"), ("15", "b")]
    assert told[-1][1] == "a-hangs"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "mask"), "no such item: 'mask'"),
        (("--jobs", "0"), "'0' is not a whole number from 1 to 1024"),
        (("-o", "{submissions}/out"), "put the results somewhere else"),
        (("--exercise", "nowhere"), "no such exercise"),
    ],
    ids=["item", "jobs", "inside", "exercise"],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    arguments: tuple[str, ...], complaint: str, submissions: Path, tmp_path: Path
) -> None:
    given = [argument.format(submissions=submissions) for argument in arguments]
    done = grader("cohort", submissions, "-o", tmp_path / "out", *given)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``started(submissions, out, *more)``: a cohort under way, ended with the test."""
    processes = []

    def start(submissions: Path, out: Path, *more: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "grader", "cohort", submissions, "-o", out, "--only", *ITEMS, *more]
        process = subprocess.Popen(
            [str(argument) for argument in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A test run that was started in the background ignores SIGINT, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_verdicts(process: subprocess.Popen[str], count: int) -> None:
    assert process.stderr is not None
    told = (line for line in process.stderr if re.match(r"grader: \[\d", line))
    for _ in range(count):
        assert next(told)


def descendants(pid: int) -> list[int]:
    """The process's children, theirs, and so on."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a worker may end while it is looked at
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # and so may a thread
                for child in map(int, (task / "children").read_text().split()):
                    found += [child, *descendants(child)]
    return found


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
