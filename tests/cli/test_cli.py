"""The command line as a user meets it: exit codes, and what goes where."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.cli import exercises
from grader.cli.main import parser
from grader.errors import UsageError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and /proc are Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
STARTER, REFERENCE = ROOT / "candidate", ROOT / "reference"
MODULE = (sys.executable, "-m", "grader")
SCRIPT = (str(Path(sys.executable).with_name("grader")),)
ITEMS = ["masking", "position", "projection", "training-step", "kv-cache", "classifier"]
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished grade, and the files that it wrote."""

    done: subprocess.CompletedProcess[str]
    json: Path
    html: Path

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.json.read_text()))


def grader(*arguments: object, program: tuple[str, ...] = MODULE, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [*program, *map(str, arguments)]
    return subprocess.run(command, **({"capture_output": True, "text": True, "timeout": 120} | options))


def graded(directory: Path, where: Path, *arguments: object) -> Run:
    """Grade and write both files."""
    where.mkdir(exist_ok=True)
    paths = where / "result.json", where / "report.html"
    done = grader("grade", directory, "--json", paths[0], "--html", paths[1], *arguments)
    return Run(done=done, json=paths[0], html=paths[1])


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """A usage error that says what was wrong, and shows nothing of our insides."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def without_times(value: Any) -> Any:
    """The same JSON without its `seconds` and `graded_at`."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in ("seconds", "graded_at")}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return graded(STARTER, tmp_path_factory.mktemp("starter"), "--seed", 7)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return graded(REFERENCE, tmp_path_factory.mktemp("reference"), "--seed", 7)


# What it answers without grading


@pytest.mark.parametrize("arguments", ["--help", "grade --help", "report --help", "--version"])
def test_help_loads_nothing_heavy(arguments: str) -> None:
    source = f"""
import sys
from grader.cli.main import main
try:
    main({arguments.split()!r})
except SystemExit as stop:
    heavy = {{"torch", "numpy", "hypothesis", "msgspec", "jinja2", "matplotlib"}} & sys.modules.keys()
    print(sorted(heavy), stop.code, file=sys.stderr)
"""
    done = grader("-c", source, program=(sys.executable,))

    assert done.stderr == "[] 0\n"
    assert "grader" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["grade", "absent"], ["no such directory: 'absent'", "model.py and train.py"], id="absent"),
        pytest.param(["grade", "file.py"], ["not a directory: 'file.py'", "model.py and train.py"], id="file"),
        pytest.param(["grade", "."], ["no model.py in '.'", "model.py and train.py"], id="no-model"),
        pytest.param(["grade", STARTER, "--only", "masks"], ["'masks'", *ITEMS], id="item"),
        pytest.param(["grade", STARTER, "--seed", "x"], ["--seed", "'x' is not a whole number"], id="seed"),
        pytest.param(["grade", STARTER, "--seed", "-1"], ["--seed", "-1"], id="negative-seed"),
        pytest.param(["grade", STARTER, "--seed", 1 << 53], ["--seed", "2**53"], id="large-seed"),
        pytest.param(["grade", STARTER, "--timeout", "0"], ["--timeout", "'0'", "seconds"], id="timeout"),
        pytest.param(["grade", STARTER, "--timeout", "nan"], ["--timeout", "'nan'", "seconds"], id="nan-timeout"),
        pytest.param(["grade", STARTER, "--timeout", "soon"], ["--timeout", "'soon'", "seconds"], id="word-timeout"),
        pytest.param(["grade", STARTER, "--exercise", "absent"], ["no such exercise: 'absent'"], id="exercise"),
        pytest.param(["grade", STARTER, "--exercise", "bad"], ["not an exercise", "toml"], id="bad-exercise"),
        pytest.param(["grade", STARTER, "--html", "absent/x"], ["'absent/x'", "no directory 'absent'"], id="html"),
        pytest.param(["grade", STARTER, "--json", "bad"], ["'bad'", "is a directory"], id="json"),
        pytest.param(["grade", STARTER, "--isolation", "none"], ["'none'", "strict"], id="isolation"),
        pytest.param(["report", "absent", "-o", "x"], ["cannot read 'absent'"], id="report"),
        pytest.param(["report", "broken.json", "-o", "x"], ["'broken.json' is not a result"], id="broken-result"),
        pytest.param(["report", "deep.json", "-o", "x"], ["'deep.json' is not a result"], id="deep-result"),
        pytest.param(["report", "future.json", "-o", "x"], ["'future.json'", "schema_version"], id="future-result"),
        pytest.param(["report", "broken.json", "-o", "absent/x"], ["no directory 'absent'"], id="report-output"),
        pytest.param(["grade"], ["DIR"], id="no-argument"),
        pytest.param([], ["COMMAND"], id="no-command"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_the_reason(
    arguments: list[object], words: list[str], tmp_path: Path, starter: Run
) -> None:
    (tmp_path / "file.py").write_text("")
    (tmp_path / "bad" / "reference").mkdir(parents=True)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "deep.json").write_text('{"items":' + "[" * 100_000)
    (tmp_path / "future.json").write_text(json.dumps(starter.result | {"schema_version": 3}))
    before = sorted(tmp_path.rglob("*"))
    done = grader(*arguments, cwd=tmp_path)

    assert_refused(done, *words)
    assert before == sorted(tmp_path.rglob("*"))


def test_a_missing_directory_is_told_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exercises, "session_on", lambda *_, **__: pytest.fail("a session was started"))
    options = parser().parse_args(["grade", "absent"])

    with pytest.raises(UsageError, match="no such directory: 'absent'"):
        options.run(options)


# Grades


def test_the_starter_has_no_points_and_exit_code_1(starter: Run) -> None:
    result = starter.result

    assert starter.done.returncode == 1
    assert (result["score"], result["max_score"]) == (0, 100)
    assert [item["id"] for item in result["items"]] == ITEMS
    assert {item["status"] for item in result["items"]} == {"not-fixed", "not-built"}
    assert result["remaining_bugs"] == ITEMS[:4]
    assert {item["lane"] for item in result["items"][:4]} == {"bitwise"}


def test_the_reference_has_all_points_and_exit_code_0(reference: Run) -> None:
    result = reference.result

    assert reference.done.returncode == 0
    assert (result["score"], result["max_score"]) == (100, 100)
    assert [item["status"] for item in result["items"]] == ["fixed"] * 4 + ["built"] * 2
    assert result["remaining_bugs"] == []
    assert {item["lane"] for item in result["items"][:4]} == {"bitwise"}


def test_progress_goes_to_stderr_and_the_verdict_to_stdout(starter: Run) -> None:
    done = starter.done

    assert all(line.startswith("grader: ") for line in done.stderr.splitlines())
    assert len(done.stderr.splitlines()) > len(ITEMS)
    assert "Score: 0 of 100" in done.stdout
    assert f"Written: {starter.json}" in done.stdout
    assert f"Written: {starter.html}" in done.stdout


@pytest.mark.parametrize("directory", [STARTER, REFERENCE], ids=["starter", "reference"])
def test_one_seed_gives_one_result_but_for_times(directory: Path, starter: Run, reference: Run, tmp_path: Path) -> None:
    first = starter if directory is STARTER else reference
    again = graded(directory, tmp_path, "--seed", 7)

    assert without_times(first.result) == without_times(again.result)
    assert first.result["environment"]["seed"] == 7


def test_json_to_stdout_is_all_there_is_on_stdout_and_only_asks_for_some_items() -> None:
    done = grader("grade", STARTER, "--json", "-", "--only", "masking", "position")
    result = json.loads(done.stdout)

    assert done.returncode == 1
    assert [item["id"] for item in result["items"]] == ["masking", "position"]
    assert result["max_score"] == 30
    assert "starting" in done.stderr


def test_the_script_draws_a_seed_of_its_own_each_time() -> None:
    def seed() -> int:
        done = grader("grade", REFERENCE, "--json", "-", "--only", "training-step", program=SCRIPT)
        return int(json.loads(done.stdout)["environment"]["seed"])

    assert seed() != seed()


def hidden_of(value: Any) -> list[Any]:
    """Everything that a result keeps under names that are the instructor's."""
    if isinstance(value, dict):
        own = [value[key] for key in ("hidden", "reference", "variant", "first_divergence", "seed") if key in value]
        return own + [found for inner in value.values() for found in hidden_of(inner)]
    return [found for inner in value for found in hidden_of(inner)] if isinstance(value, list) else []


def test_a_learner_sees_no_seed_and_nothing_of_the_reference(starter: Run, tmp_path: Path) -> None:
    assert any(found is not None for found in hidden_of(starter.result))

    learner = graded(STARTER, tmp_path, "--seed", 7, "--audience", "learner")

    assert learner.result["audience"] == "learner"
    assert all(found is None for found in hidden_of(learner.result))
    assert learner.result["score"] == starter.result["score"]


@pytest.mark.parametrize("audience", ["instructor", "learner"])
def test_a_report_of_the_json_is_the_report_of_the_run(audience: str, starter: Run, tmp_path: Path) -> None:
    output = tmp_path / "again.html"
    done = grader("report", starter.json, "-o", output, "--audience", audience)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"Written: {output}\n", "")
    if audience == "instructor":
        assert starter.html.read_bytes() == output.read_bytes()
    else:
        assert starter.html.read_bytes() != output.read_bytes()
    assert os.listdir(tmp_path) == ["again.html"]


def test_process_isolation_grades_and_says_what_was_not_isolated(tmp_path: Path) -> None:
    run = graded(REFERENCE, tmp_path, "--isolation", "process", "--only", "projection")

    assert run.done.returncode == 0
    assert run.result["environment"]["isolation"]["mode"] == "process"
    assert run.result["environment"]["isolation"]["layers"] == ["limits: memory, CPU time, open files, output"]
    (missing,) = run.result["environment"]["isolation"]["missing"]
    assert "Not isolated" in missing
    assert "Not isolated" in run.html.read_text()


def test_writing_to_a_device_leaves_it_a_device() -> None:
    done = grader("grade", REFERENCE, "--json", "/dev/null", "--html", "/dev/null", "--only", "projection")

    assert done.returncode == 0
    assert Path("/dev/null").is_char_device()


# Submissions that point elsewhere


def copy_of(source: Path, where: Path) -> Path:
    target = where / "work"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.toml", "*.json"))
    return target


def test_a_model_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    work = copy_of(REFERENCE, tmp_path)
    (tmp_path / "secret.py").write_text("SECRET = 'the-contents-of-another-file'\n")
    (work / "model.py").unlink()
    (work / "model.py").symlink_to(tmp_path / "secret.py")
    done = grader("grade", work)

    assert (done.returncode, done.stdout) == (2, "")
    assert "model.py in" in done.stderr
    assert "it is a symbolic link" in done.stderr
    assert "the-contents-of-another-file" not in done.stderr


def test_a_pipe_among_the_files_keeps_nobody_waiting(tmp_path: Path) -> None:
    work = copy_of(REFERENCE, tmp_path)
    os.mkfifo(work / "helper.py")
    run = graded(work, tmp_path / "out", "--only", "training-step")

    assert run.done.returncode == 0
    assert run.result["candidate"]["notes"] == ["helper.py was not read: it is not a regular file"]


@pytest.mark.parametrize("program", [MODULE, SCRIPT], ids=["module", "script"])
def test_modules_that_lie_about_where_it_is_run_are_not_run(program: tuple[str, ...], tmp_path: Path) -> None:
    work = copy_of(REFERENCE, tmp_path)
    for name in ("torch", "numpy", "json", "hypothesis", "sitecustomize", "usercustomize", "argparse", "msgspec"):
        (work / f"{name}.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'w').close()\nraise SystemExit(99)\n")
    done = grader("grade", ".", "--only", "training-step", "--json", "-", program=program, cwd=work)

    assert not (tmp_path / "harm").exists()
    assert done.returncode == 0
    assert json.loads(done.stdout)["score"] == 15
