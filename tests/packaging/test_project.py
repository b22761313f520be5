"""What pyproject.toml and setup.py say: which packages there are, and which version."""

import os
import re
import runpy
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import setuptools

from grader import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MOVED = {"grader.builtin.reference", "grader.builtin.starter"}


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that setup.py hands to setuptools."""
    given: dict[str, list[str]] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py", run_name="__main__")

    assert list(given) == ["packages"]
    assert len(given["packages"]) == len(set(given["packages"]))
    return set(given["packages"])


def test_every_folder_of_the_two_programmes_is_a_package_and_no_other_one_is(packages: set[str]) -> None:
    folders = {
        ".".join(Path(folder).relative_to(ROOT).parts)
        for programme in ("grader", "mutations")
        for folder, _, files in os.walk(ROOT / programme)
        if "__pycache__" not in folder and files
    }

    assert packages == folders | MOVED
    assert set(PROJECT["tool"]["setuptools"]["package-dir"]) == MOVED


def test_nothing_that_is_hidden_is_found_by_its_own_name(packages: set[str]) -> None:
    assert {name.partition(".")[0] for name in packages} == {"grader", "mutations"}


def test_a_new_package_is_found_and_what_lies_beside_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("grader/new/data", "grader/__pycache__", "graders", "reference", "tests/grader", "mutations"):
        (tmp_path / folder).mkdir(parents=True)
    given: dict[str, list[str]] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "setup.py"), run_name="__main__")

    assert set(given["packages"]) == {"grader", "grader.new", "grader.new.data", "mutations"} | MOVED


def test_the_version_stands_in_one_place() -> None:
    project = PROJECT["project"]

    assert "version" not in project
    assert project["dynamic"] == ["version"]
    assert version(project["name"]) == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_ci_checks_generated_files_builds_the_site_and_measures_coverage_with_a_floor() -> None:
    stages = re.findall(
        r'^    stage "[a-z ]+" make (?:--keep-going )?([a-z-]+)', (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE
    )
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert {"lint", "docs", "coverage", "test-rest"} <= set(stages)
    assert re.search(r"^lint:.* check-generated$", makefile, re.MULTILINE)
    assert re.search(r'^coverage:.*\n(\t.*\n)*\t\$\(MAKE\) test MEASURE="-m coverage run"$', makefile, re.MULTILINE)
    assert PROJECT["tool"]["coverage"]["report"]["fail_under"] >= 90


def test_what_runs_before_a_commit_is_what_lint_runs() -> None:
    yaml = pytest.importorskip("yaml")
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}

    assert repository["repo"] == "local"  # so that the version is that of constraints.txt
    assert entries["ruff-check"].startswith(".venv/bin/python -m ruff check")
    assert entries["ruff-format"].startswith(".venv/bin/python -m ruff format --check")
    assert entries["check-generated"] == "make check-generated"
