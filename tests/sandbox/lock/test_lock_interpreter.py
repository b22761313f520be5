"""Which paths a worker is given, and that none of them gives a hidden one away."""

import os
from pathlib import Path

import pytest

from grader.preconditions import DISTRIBUTION
from grader.sandbox.lock import interpreter_paths, landlock, readable_ruleset

OURS = DISTRIBUTION.replace("-", "_")  # as pip writes it in names of files


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages folder with the grader, an editable install of it, and two packages that are not ours."""
    folder = tmp_path / "site-packages"
    folders = ("torch", "graderous", "grader", "mutations", f"{OURS}-0.1.0.dist-info", "__pycache__", "keeper/secret")
    for name in folders:
        (folder / name).mkdir(parents=True)
    for name in ("six.py", f"__editable__.{OURS}-0.1.0.pth", f"__editable___{OURS}_0_1_0_finder.py"):
        (folder / name).touch()
    (folder / "linked").symlink_to(folder / "keeper/secret")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_installed_packages_are_readable_but_for_ours_and_the_hidden(site: Path) -> None:
    paths = interpreter_paths([site / "keeper/secret"])

    readable = {path.name for path in paths.allowed if path.parent == site}
    assert readable == {"torch", "graderous", "six.py"}
    assert site in paths.listed


def test_no_readable_path_contains_a_site_directory(site: Path) -> None:
    paths = interpreter_paths([])

    assert not [path for path in paths.allowed if site.is_relative_to(path)]


def test_the_standard_library_is_readable_without_its_site_packages() -> None:
    standard = Path(os.__file__).resolve().parent
    paths = interpreter_paths([])

    assert standard / "json" in paths.allowed
    assert standard / "site-packages" not in paths.allowed
    assert standard not in paths.allowed


@pytest.mark.parametrize(
    ("allowed", "hidden"),
    [
        pytest.param(".", "keeper/secret", id="above"),
        pytest.param("keeper/secret", "keeper/secret", id="itself"),
        pytest.param("keeper/secret", "keeper", id="within"),
        pytest.param("linked", "keeper/secret", id="by-a-link"),
    ],
)
def test_an_allowed_path_that_gives_a_hidden_one_away_is_refused(site: Path, allowed: str, hidden: str) -> None:
    with pytest.raises(ValueError, match=r"would give away hidden=.*Move one of them"):
        readable_ruleset([site / allowed], hidden=[site / hidden])


def test_hiding_what_python_itself_needs_is_refused(site: Path) -> None:
    with pytest.raises(ValueError, match=r"holds Python's own directory"):
        interpreter_paths([site.parent])


def test_a_hidden_path_that_does_not_exist_is_refused(site: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        readable_ruleset([], hidden=[site / "no-such-folder"])


@pytest.mark.skipif(landlock.abi() == 0, reason="needs Linux with Landlock")
def test_an_allowed_path_that_does_not_exist_is_refused_and_nothing_is_left_open(site: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        readable_ruleset([site / "no-such-folder"], hidden=[])

    assert os.listdir("/proc/self/fd") == before
