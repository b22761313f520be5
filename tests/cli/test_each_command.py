"""Each command does its work once, in a process of its own, as it is typed.

Only what is typed is tested here: what a command does is tested by its name, and mostly in the process of the test.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
STARTER, REFERENCE = ROOT / "candidate", ROOT / "reference"
BUG = "optimizer-never-steps"

each = pytest.mark.smoke


def grader(*arguments: object, code: int = 0) -> str:
    """What the command prints, once it has ended with that code and without a word that is not progress."""
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("grader: ")] == []
    return done.stdout


@each("grader grade")
@each("grader report")
@each("grader compare")
def test_grade_report_and_compare(tmp_path: Path) -> None:
    result, first, again = (tmp_path / name for name in ("result.json", "first.html", "again.html"))
    text = grader("grade", STARTER, "--only", "masking", "--json", result, "--html", first, code=1)

    assert "Score: 0 of 15" in text
    assert json.loads(result.read_bytes())["score"] == 0
    assert grader("report", result, "-o", again) == f"Written: {again}\n"
    assert again.read_bytes() == first.read_bytes()
    assert "Note: the same files, graded twice" in grader("compare", result, result)


@each("grader review")
def test_review(tmp_path: Path) -> None:
    text = grader("review", "built-in")

    assert "Where it was: model.py, line" in text
    assert grader("review", "built-in", "--html", tmp_path / "review.html") == ""
    assert "shows every solution" in (tmp_path / "review.html").read_text("utf-8")


@each("grader adapt")
def test_adapt(tmp_path: Path) -> None:
    for file in ("model.py", "train.py"):
        shutil.copy(ROOT / "docs" / "examples" / "nano" / file, tmp_path)
    text = grader("adapt", tmp_path)

    assert text.startswith(f"Written: {tmp_path / 'adapter.py'}\n")
    assert "yes  training a model" in text
    assert (tmp_path / "adapter.py").is_file()


@each("grader inject")
@each("grader verify")
def test_inject_and_verify(tmp_path: Path) -> None:
    text = grader("inject", "-o", tmp_path / "ex", "--bug", BUG)

    assert text.startswith("A GPT with 1 bug and 2 things to build")
    assert "Proven: all 2 subsets of the bugs are graded as they should be." in text
    assert sorted(path.name for path in (tmp_path / "ex").iterdir()) == ["reference", "starter"]
    assert grader("verify", tmp_path / "ex").endswith("\nThis exercise is sound.\n")


@each("grader completion")
def test_completion(tmp_path: Path) -> None:
    script = tmp_path / "grader.bash"
    script.write_text(grader("completion", "bash"))

    def offered(typed: str) -> str:
        """What there is when the last word is completed."""
        place = typed.count(" ")
        press_tab = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={place}; _shtab_grader; echo ${{COMPREPLY[@]}}"
        return subprocess.run(["bash", "-c", press_tab], cwd=ROOT, capture_output=True, text=True, timeout=300).stdout

    assert offered("grader gra") == "grade\n"
    assert offered("grader grade --on") == "--only\n"
    assert offered("grader grade candid") == "candidate\n"


@each("grader mutations")
def test_mutations() -> None:
    assert f"\n  {BUG}\n" in grader("mutations")


@each("grader start")
@each("grader hint")
@each("grader history")
def test_start_hint_and_history(tmp_path: Path) -> None:
    workspace = tmp_path / "mine"

    assert f"grader watch {workspace}" in grader("start", workspace)
    assert "hint 1 of 3" in grader("hint", workspace, "masking")
    assert "1 of 3 shown" in grader("hint", workspace)
    assert "hint 1 for Attention masking" in grader("history", workspace)


@each("grader watch")
def test_watch() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", "watch", STARTER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process, contextlib.closing(process.stdout):  # type: ignore[type-var]
        assert process.stdout is not None
        assert any(line.startswith("Score: 0 of 100") for line in process.stdout)
        process.terminate()
        process.stdout.read()

    assert process.returncode == 0


@each("grader cohort")
@each("grader sheets")
def test_a_cohort_of_three_and_what_they_get_back(tmp_path: Path) -> None:
    submissions = tmp_path / "submissions"
    ann, bob = "Ann Lee_101_assignsubmission_file_", "Bob Ross_102_assignsubmission_file_"
    for name, source in ((ann, REFERENCE), (bob, STARTER)):
        (submissions / name).mkdir(parents=True)
        for file in ("model.py", "train.py"):
            shutil.copy(source / file, submissions / name)
    (submissions / "Cy Day_103_assignsubmission_file_").mkdir()
    text = grader("cohort", submissions, "-o", tmp_path / "out", "--jobs", 2, "--only", "projection", code=1)

    assert text.startswith("2 of 3 submissions graded\n")
    assert "right in 1 of 2" in text
    assert "1 not graded, for what was handed in:\n  Cy Day_103: no model.py in it; found: nothing\n" in text
    assert (tmp_path / "out" / "index.html").is_file()

    sheet = tmp_path / "worksheet.csv"
    people = ("Participant 101,Ann Lee", "Participant 102,Bob Ross", "Participant 103,Cy Day")
    head = "Identifier,Full name,Grade,Maximum Grade,Last modified (grade)"
    sheet.write_text("\n".join([head, *(f"{person},,10.00,-" for person in people)]) + "\n")
    text = grader("sheets", tmp_path / "out", "--for", "moodle", "--template", sheet, "-o", tmp_path / "upload")

    assert text.startswith("2 grades written, scaled from 15 to 10 points\n1 in the sheet without a grade")
    assert "Participant 101,Ann Lee,10.00,10.00,-\n" in (tmp_path / "upload" / "grades.csv").read_text()


@each("grader batch")
@each("grader recheck")
def test_a_batch_and_whether_its_rewards_would_be_the_same(tmp_path: Path) -> None:
    submissions, results = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    files = {file: (REFERENCE / file).read_text("utf-8") for file in ("model.py", "train.py")}
    lines = [{"id": "ann", "files": files}, {"id": "bob", "path": str(STARTER)}, {"id": "bob", "path": "twice"}]
    submissions.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    text = grader("batch", submissions, "-o", results, "--jobs", 1, "--only", "projection", code=1)

    assert text.startswith("2 graded\n1 lines cannot be understood\n  line 3: an earlier line has the id 'bob' too")
    found = {line["id"]: line["reward"] for line in map(json.loads, results.read_text().splitlines())}
    assert found == {"ann": 1.0, "bob": 0.0, None: None}
    again = grader("recheck", results, "--submissions", submissions, "--jobs", 1, "-o", tmp_path / "again.jsonl")
    assert "2 of 2 verdicts reached again: 0 rewards would be others" in again
    assert "2 results are the same to the byte\n" in again


@each("grader export")
def test_export(tmp_path: Path) -> None:
    grader("export", "--format", "harbor", "-o", tmp_path / "task")

    assert (tmp_path / "task" / "instruction.md").is_file()


@each("grader doctor")
def test_doctor() -> None:
    assert grader("doctor").endswith("This machine can grade.\n")
