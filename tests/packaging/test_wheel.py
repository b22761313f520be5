"""What is installed is complete and keeps its secrets: from a wheel, and from a checkout in editable mode."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = (
    "reference/exercise.toml",
    "reference/followups.py",
    "reference/key.json",
    "reference/model.py",
    "reference/review.md",
    "reference/test_end_to_end.py",
    "reference/train.py",
)
STARTER = (
    "starter/README.md",
    "starter/followups.py",
    "starter/model.py",
    "starter/train.py",
    "starter/test_visible.py",
)


def execute(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )


def sources(pattern: str) -> set[str]:
    """What git would put into a commit: no caches, no build folders."""
    command = ("git", "ls-files", "-co", "--exclude-standard", "--", pattern)
    return {name for name in execute(*command, cwd=ROOT).stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree: building leaves folders beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("grader", "mutations", "reference", "candidate", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    built = execute(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, tree, cwd=folder
    )

    assert built.returncode == 0, built.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that holds the wheel, and takes its dependencies from this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    install = execute(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert install.returncode == 0, install.stderr
    # A plain line, not site.addsitedir: the .pth files over there, the editable install's too, stay unread.
    site = execute(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip()
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def grade(python: Path, directory: Path, cwd: Path, *options: str) -> tuple[int, dict[str, object]]:
    done = execute(python.parent / "grader", "grade", directory, "--json", "-", *options, cwd=cwd)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def builtin(python: Path, cwd: Path) -> Path:
    code = "from grader.exercise.model import builtin_exercise as b; e = b(); print(e.starter_directory.parent)"
    return Path(execute(python, "-I", "-c", code, cwd=cwd).stdout.strip())


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_every_data_file_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = sources("grader") | sources("mutations")
    moved = {f"grader/builtin/{name}" for name in (*EXERCISE, *STARTER)}

    assert sorted(code | moved) == sorted(names)


@pytest.mark.slow
def test_the_installed_starter_scores_nothing_from_an_empty_folder(installed, tmp_path):
    code, result = grade(installed, builtin(installed, tmp_path) / "starter", tmp_path)

    assert (code, result["score"], result["max_score"]) == (1, 0, 100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_copy_of_the_installed_reference_scores_everything(installed, tmp_path):
    for name in ("model.py", "train.py"):
        shutil.copy(builtin(installed, tmp_path) / "reference" / name, tmp_path)

    code, result = grade(installed, tmp_path, tmp_path)

    assert (code, result["score"]) == (0, 100)


@pytest.mark.slow
def test_a_candidate_cannot_import_the_installed_reference(installed, tmp_path):
    for name in ("model", "train"):
        (tmp_path / f"{name}.py").write_text(f"from grader.builtin.reference.{name} import *\n", encoding="utf-8")

    code, result = grade(installed, tmp_path, tmp_path, "--only", "projection")

    assert (code, result["score"]) == (1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["reference", "candidate", "tests", "model", "train"])
def test_no_top_level_module_gives_the_solution_away(module, installed, tmp_path):
    found = [execute(python, "-I", "-c", f"import {module}", cwd=tmp_path) for python in (installed, sys.executable)]

    assert [f"No module named '{module}'" in each.stderr for each in found] == [True, True]


@pytest.mark.slow
def test_exercises_are_built_and_graded_where_only_the_wheel_is(installed, tmp_path):
    grader = installed.parent / "grader"
    built = execute(grader, "inject", "-o", "ex", "--bug", "mask-flipped", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (code, starter), (right, reference) = (
        grade(installed, tmp_path / "ex" / side, tmp_path, "--exercise", "ex") for side in ("starter", "reference")
    )

    assert (code, starter["score"], right, reference["score"]) == (1, 0, 0, 100)


@pytest.mark.slow
def test_an_editable_install_grades_from_elsewhere(tmp_path):
    code, result = grade(Path(sys.executable), ROOT / "candidate", tmp_path, "--only", "projection")

    assert (code, result["score"], result["max_score"]) == (1, 0, 15)
