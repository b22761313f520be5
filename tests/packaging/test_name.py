"""The grader goes by one name with pip, and no message sends a user to install what has its other one."""

import re
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from grader import __version__
from grader.preconditions import DISTRIBUTION, install, requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TEXT = {".py", ".md", ".toml", ".txt", ".jinja", ".yml", ".yaml", ".sh", ".json", ""}
A_STRANGERS = re.compile(
    r"(?<![\w.-])grader\[|pip install(?:\s+(?:-\S+|\S+\.txt))*\s+['\"]?grader(?=['\"\s`=<>~]|$)", re.MULTILINE
)
"""What has pip look for a distribution ``grader``: with an extra, or alone."""


def texts() -> dict[str, str]:
    """Everything in the tree that is written by hand or handed out, by its path; this file apart."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    kept = [path for path in paths if path.suffix in TEXT and path.is_file() and path != Path(__file__)]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in kept}


def test_pip_and_the_code_agree_on_the_name() -> None:
    installed = distribution(DISTRIBUTION)

    assert PROJECT["name"] == DISTRIBUTION
    assert (installed.metadata["Name"], installed.version) == (DISTRIBUTION, __version__)
    assert PROJECT["scripts"] == {"grader": "grader.cli:begin"}


def test_what_is_said_to_be_typed_names_an_extra_that_there_is() -> None:
    assert install("cluster") == f"pip install '{DISTRIBUTION}[cluster]'"
    assert "cluster" in PROJECT["optional-dependencies"]


def test_what_to_install_is_what_the_package_asks_for() -> None:
    assert requirement("tomli_w") == "'tomli-w>=1.0'"
    assert requirement("some_module") == "some-module"


@pytest.mark.parametrize(
    "text", ["pip install 'grader[cluster]'", '"grader[dev]",', "python -m pip install grader", "pip install 'grader'"]
)
def test_the_name_that_is_a_strangers_is_found(text: str) -> None:
    assert A_STRANGERS.search(text)


@pytest.mark.parametrize(
    "text",
    [install("cluster"), "pip install -e .", 'pip install "$GRADER"', "pip install for the grader", "its.grader[0]"],
)
def test_other_words_are_not_taken_for_it(text: str) -> None:
    assert not A_STRANGERS.search(text)


def test_nothing_sends_anybody_to_the_strangers() -> None:
    found = texts()
    sent = {name: match.group() for name, text in found.items() if (match := A_STRANGERS.search(text))}

    assert {"README.md", "docs/cohort.md", "grader/cli/cohort.py", "pyproject.toml"} <= found.keys()
    assert sent == {}
