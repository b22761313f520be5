"""Who attacks: root, and an ordinary user. Root becomes one for a command; an ordinary user cannot become root."""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

_BECOMING_ORDINARY = Path(__file__).with_name("as_ordinary_user.py")
_REPOSITORY = Path(__file__).parents[2]
_NOBODY_ELSE = 54321  # a user that owns no file and runs no process


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user to run commands as: the tests' own, or the one with number `other`."""

    name: str
    other: int | None = None

    def command(self, *command: str, reaching: Iterable[Path] = ()) -> list[str]:
        """`command`, which starts with the path of a program, as this user; it can reach Python, us and `reaching`."""
        if self.other is None:
            return list(command)
        paths = map(str, (sys.prefix, sys.base_prefix, _REPOSITORY, *reaching))
        return [sys.executable, "-I", "-B", str(_BECOMING_ORDINARY), str(self.other), *paths, "--", *command]

    def given(self, *paths: Path) -> None:
        """Make `paths` this user's own."""
        if self.other is not None:
            for path in paths:
                os.chown(path, self.other, self.other, follow_symlinks=False)


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """An ordinary user: the tests' own, or one that root becomes."""
    if os.geteuid() != 0:
        return Account(name="ordinary")
    account = Account(name="ordinary", other=_NOBODY_ELSE)
    python = (sys.executable, "-I", "-B", "-c", "import grader.sandbox.client")
    trial = account.command(*python, reaching=[tmp_path_factory.mktemp("ordinary")])
    tried = subprocess.run(trial, capture_output=True, text=True, timeout=300)
    if tried.returncode != 0:
        reason = tried.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"root cannot make Python reachable for an ordinary user here (needs CAP_SYS_ADMIN): {reason}")
    return account


@pytest.fixture(scope="session", params=["root", "ordinary"])
def account(request: pytest.FixtureRequest) -> Account:
    """Root, and then an ordinary user."""
    if request.param == "ordinary":
        ordinary: Account = request.getfixturevalue("ordinary")
        return ordinary
    if os.geteuid() != 0:
        pytest.skip("the tests are not run by root")
    return Account(name="root")
