"""What a machine or a shell withholds is named, in one sentence with what to do."""

import os
import resource
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.cli import doctor
from grader.sandbox.errors import LauncherFailed, NotIsolated

pytestmark = pytest.mark.slow
linux = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full, /proc and limits on addresses are Linux's")

ROOT = Path(__file__).resolve().parents[2]
GRADE = ("grade", ROOT / "reference", "--only", "projection")
NO_VERDICT = 3


def grader(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    plain = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120}
    return subprocess.run(command, **(plain | options))


def shell(script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A script in which $GRADER is the command."""
    environment = os.environ | {"GRADER": f"{sys.executable} -m grader"}
    return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=120, **options)


def at_most(limit: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(limit, (value, value))


# Standard streams


@pytest.mark.parametrize(
    "command", ["mutations", "mutations mask-flipped", "mutations --json", "hint candidate", "report r.json -o -"]
)
def test_what_can_only_print_and_has_no_output_ends_in_silence(command: str, tmp_path: Path, result: Path) -> None:
    shutil.copytree(ROOT / "candidate", tmp_path / "candidate")
    shutil.copy(result, tmp_path / "r.json")
    done = shell(f"$GRADER {command} >&-", cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (NO_VERDICT, "", "")
    assert shell(f"$GRADER {command}", cwd=tmp_path).returncode == 0


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result, as `grader grade --json` writes it."""
    path = tmp_path_factory.mktemp("result") / "result.json"
    done = grader(*GRADE, "--json", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_grade_without_streams_has_its_exit_code_and_its_files(closed: str, tmp_path: Path) -> None:
    """A whole grade: whatever it opens gets the numbers of the streams that are closed."""
    done = shell(f"$GRADER grade {ROOT}/candidate --only projection --json result.json {closed}", cwd=tmp_path)

    assert done.returncode == 1
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert (tmp_path / "result.json").read_bytes().startswith(b"{")


@linux
@pytest.mark.parametrize("command", [["mutations"], ["report", "r.json", "--format", "json", "-o", "-"]])
def test_output_that_cannot_be_written_is_no_question_of_judging(
    command: list[str], tmp_path: Path, result: Path
) -> None:
    shutil.copy(result, tmp_path / "r.json")
    with open("/dev/full", "w") as full:
        done = grader(*command, stdout=full, cwd=tmp_path)

    assert done.returncode == NO_VERDICT
    assert done.stderr == "grader: cannot write to standard output: No space left on device\n"


# Python and its libraries


@pytest.mark.parametrize("command", ["mutations", "doctor", "grade ."])
@pytest.mark.parametrize("how", ["PYTHONOPTIMIZE=2 $GRADER", f"{sys.executable} -OO -m grader"])
def test_a_python_without_docstrings_is_refused_at_once(how: str, command: str, tmp_path: Path) -> None:
    done = shell(f"{how} {command}", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (NO_VERDICT, "")
    assert done.stderr == (
        "grader: Python runs without docstrings here (PYTHONOPTIMIZE=2 or -OO), and the grader shows what stands in "
        "its own; start it without that\n"
    )


@pytest.mark.parametrize("use", ["grader.Grader()", "grader.inject(seed=1)", "grader.grade({'model.py': ''})"])
def test_the_library_refuses_a_python_without_docstrings_too(use: str) -> None:
    code = f"import grader\ntry: {use}\nexcept grader.CannotJudge as error: print(error)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, timeout=120)

    assert done.stdout.startswith("Python runs without docstrings here"), done.stderr


def test_asserts_may_be_left_out() -> None:
    assert shell("PYTHONOPTIMIZE=1 $GRADER mutations mask-flipped").returncode == 0


@pytest.mark.parametrize(
    ("library", "command", "install"),
    [
        ("msgspec", ["grade", "."], "'msgspec>=0.19'"),
        ("hypothesis", GRADE, "'hypothesis>=6.155.7'"),
        ("tomli_w", ["export", "--format", "harbor", "-o", "task"], "'tomli-w>=1.0'"),
        ("jinja2", ["report", "r.json", "-o", "r.html"], "'jinja2>=3.1'"),
    ],
)
def test_a_library_that_is_missing_is_named_with_how_to_install_it(
    library: str, command: list[object], install: str, tmp_path: Path, result: Path
) -> None:
    for name in ("model.py", "train.py"):
        (tmp_path / name).touch()
    shutil.copy(result, tmp_path / "r.json")
    arguments = list(map(str, command))
    code = f"import sys; sys.modules[{library!r}] = None\nfrom grader.cli.main import main; main({arguments!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stdout) == (NO_VERDICT, "")
    assert done.stderr.splitlines()[-1] == (
        f"grader: {library} is not installed, and the grader needs it: {sys.executable} -m pip install {install}"
    )
    assert "could be judged" not in done.stderr


@pytest.mark.parametrize("module", ["_bz2", "sqlite3"])
def test_a_part_of_python_that_is_missing_is_not_to_be_installed(module: str) -> None:
    code = f"""
import grader.cli.mutations
def missing(*_, **__): raise ModuleNotFoundError("No module named {module!r}", name={module!r})
grader.cli.mutations.run = missing
from grader.cli.main import main; main(["mutations"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert done.returncode == NO_VERDICT
    assert done.stderr.startswith(f"grader: {module} is missing, a part of Python: ")


# Limits


@linux
@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        pytest.param(resource.RLIMIT_NOFILE, 10, "allows 10 open files (ulimit -n); raise it", id="files"),
        pytest.param(resource.RLIMIT_AS, 500 << 20, "allows 500 MiB of addresses (ulimit -v); raise it", id="memory"),
        pytest.param(resource.RLIMIT_AS, 160 << 20, "allows 160 MiB of addresses (ulimit -v)", id="little-memory"),
    ],
)
def test_a_limit_from_outside_is_named_with_its_option(limit: int, value: int, words: str) -> None:
    done = grader(*GRADE, preexec_fn=at_most(limit, value))

    assert (done.returncode, done.stdout) == (NO_VERDICT, "")
    assert "nothing could be judged" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@linux
def test_twenty_open_files_are_enough_for_an_item() -> None:
    """A whole grade of one item: its workers used to need numbers above 50."""
    assert grader(*GRADE, preexec_fn=at_most(resource.RLIMIT_NOFILE, 20)).returncode == 0


# What doctor makes of it


@pytest.mark.parametrize(
    ("error", "conclusion"),
    [
        (NotIsolated("no Landlock"), "Here only --isolation process works: for code that you trust."),
        (LauncherFailed("/proc is missing"), "This machine cannot grade."),
    ],
    ids=["lock", "machine"],
)
def test_doctor_names_a_way_out_where_there_is_one_alone(
    error: Exception, conclusion: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("grader.sandbox.client.Launcher", fail)

    assert doctor.run(Namespace()) == NO_VERDICT
    assert capsys.readouterr().out.splitlines()[-3:] == [f"  no   {error}", "", conclusion]
