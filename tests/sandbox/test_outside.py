"""Why a launcher does not start, where the reason lies outside of it."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.sandbox.client import Launcher
from grader.sandbox.errors import LauncherFailed, NotIsolated
from grader.sandbox.outside import _NEEDED, missing_files, why_it_ended

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.mark.parametrize(
    ("exit_code", "said", "used", "words"),
    [
        pytest.param(-9, [], 6.5, "allows 7 s of CPU time (ulimit -t); raise it", id="cpu-killed"),
        pytest.param(-24, [], 0.0, "allows 7 s of CPU time (ulimit -t); raise it", id="cpu-signal"),
        pytest.param(-9, [], 1.0, "", id="killed-early"),
        pytest.param(1, ["MemoryError"], 1.0, "allows 4096 MiB of addresses (ulimit -v); raise it", id="memory"),
        pytest.param(1, ["ImportError: libtorch.so: failed to map segment from shared object"], 1.0,
                     "allows 4096 MiB of addresses (ulimit -v); raise it", id="map"),
        pytest.param(1, ["ModuleNotFoundError: No module named 'torch'"], 1.0, "torch is not installed for ",
                     id="no-torch"),
        pytest.param(1, ["KeyError: 'x'"], 1.0, "", id="ours"),
    ],
)  # fmt: skip
def test_why_a_launcher_ended(
    exit_code: int, said: list[str], used: float, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {resource.RLIMIT_CPU: 7, resource.RLIMIT_AS: 4 << 30}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], limits[kind]))
    why = why_it_ended(exit_code, said, used)

    assert words in why
    assert bool(words) == bool(why)


@pytest.mark.parametrize(("exit_code", "said"), [(-9, []), (1, ["MemoryError"])], ids=["killed", "memory"])
def test_without_a_limit_none_is_blamed(exit_code: int, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    assert why_it_ended(exit_code, said, 1e6) == ""


# File systems and torch, as a launcher finds them


@pytest.fixture
def launcher_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Launcher]:
    """``launcher_where("statements")``: a launcher in a Python in which these have been run before."""

    def start(statements: str) -> Launcher:
        code = tmp_path / "launcher.py"
        run = 'runpy.run_module("grader.sandbox.launcher", run_name="__main__", alter_sys=True)'
        code.write_text(f"import runpy, sys\nfrom grader.sandbox import outside\n{statements}\n{run}\n")
        python = tmp_path / "python"
        # The client starts `python -I -B -m grader.sandbox.launcher DESCRIPTOR PID`.
        python.write_text(f'#!/bin/sh\nshift 4\nexec "{sys.executable}" -I -B "{code}" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        return Launcher("process")

    return start


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ("outside._NEEDED = {'/absent': 'it is missing: mount it'}\noutside.sys.platform = 'linux'",
         "^it is missing: mount it$"),
        ("sys.modules['torch'] = None", "the launcher stopped"),
    ],
    ids=["file-system", "torch"],
)  # fmt: skip
def test_what_a_launcher_lacks_is_told_to_everybody_who_asks(
    statements: str, words: str, launcher_where: Callable[[str], Launcher]
) -> None:
    with launcher_where(statements) as launcher:
        for _ in range(2):
            with pytest.raises(LauncherFailed, match=words) as told:
                launcher.spawn({})
            assert not isinstance(told.value, NotIsolated)  # it would be no better without a lock


@linux
@pytest.mark.parametrize("path", ["/proc/self/statm", "/dev/fd"])
def test_what_is_looked_for_is_here(path: str) -> None:
    assert path in _NEEDED
    assert missing_files() == ""
