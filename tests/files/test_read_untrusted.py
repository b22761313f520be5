"""The files of a directory are its own regular files, whatever is put in their place, and however they are made."""

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from grader.files import read_untrusted as module
from grader.files.read_untrusted import Directory, Refused

LINK, NO_FILE = "it is a symbolic link", "it is not a regular file"
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


class System:
    """``os`` as the code under test alone sees it, with some functions replaced."""

    def __init__(self, **replaced: Callable[..., Any]) -> None:
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Permission bits mean nothing to root."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A directory with one file."""
    path = tmp_path / "work"
    path.mkdir()
    (path / "own.py").write_text("own")
    return path


@pytest.fixture
def directory(path: Path) -> Iterator[Directory]:
    with Directory(path) as opened:
        yield opened


def test_its_files_are_read_up_to_a_limit(directory: Directory) -> None:
    assert (directory.read("own.py", 100), directory.read("own.py", 2)) == (b"own", b"ow")


def test_a_file_without_end_is_read_up_to_the_limit_too(path: Path, directory: Directory) -> None:
    with (path / "large.py").open("wb") as file:
        file.truncate(1 << 40)

    assert directory.read("large.py", 5) == bytes(5)


def test_all_its_names_are_given_or_none(path: Path, directory: Directory) -> None:
    (path / "folder").mkdir()

    assert sorted(directory.names(2) or []) == ["folder", "own.py"]
    assert directory.names(1) is None


def test_what_is_not_there_is_missing(directory: Directory) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.py"):
        directory.read("absent.py", 100)


def link(path: Path) -> None:
    path.symlink_to(path.with_name("own.py"))


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def bound_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has to be short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zeros without end
    except PermissionError:
        pytest.skip("no device can be made here")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(link, LINK, id="link"),
        pytest.param(link_to_nothing, LINK, id="link-to-nothing"),
        pytest.param(link_to_itself, LINK, id="link-to-itself"),
        pytest.param(os.mkfifo, NO_FILE, id="pipe"),
        pytest.param(os.mkdir, NO_FILE, id="folder"),
        pytest.param(bound_socket, NO_FILE, id="socket"),
        pytest.param(device, NO_FILE, id="device"),
    ],
)
def test_nothing_but_a_regular_file_is_opened(
    make: Callable[[Path], None], reason: str, path: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path / "other.py")
    opened: list[str] = []
    monkeypatch.setattr(module, "os", System(open=lambda name, *_, **__: opened.append(name)))

    with pytest.raises(Refused, match=reason):
        directory.read("other.py", 100)
    assert opened == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(link, "symbolic links", id="link"),
        pytest.param(os.mkfifo, NO_FILE, id="pipe"),
        pytest.param(os.mkdir, "Is a directory", id="folder"),
    ],
)
def test_what_changes_after_it_was_looked_at_is_not_read_either(
    make: Callable[[Path], None], reason: str, path: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = (path / "own.py").stat()
    make(path / "other.py")
    monkeypatch.setattr(module, "os", System(stat=lambda *_, **__: looked_at))

    with pytest.raises(Refused, match=reason):
        directory.read("other.py", 100)


def test_it_stays_the_directory_that_was_opened(path: Path, directory: Directory, tmp_path: Path) -> None:
    path.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    for name in ("own.py", "other.py"):
        (tmp_path / "elsewhere" / name).write_text("SECRET")
    path.symlink_to(tmp_path / "elsewhere")

    assert directory.names(10) == ["own.py"]
    assert directory.read("own.py", 100) == b"own"


def test_a_file_with_two_names_is_read(path: Path, directory: Directory, tmp_path: Path) -> None:
    os.link(path / "own.py", tmp_path / "second.py")

    assert directory.read("own.py", 100) == b"own"


@as_root
def test_a_second_name_of_another_users_file_is_not_read(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    os.link(tmp_path / "secret", path / "other.py")
    os.chown(path, NOBODY, NOBODY)
    with Directory(path) as directory:
        with pytest.raises(Refused, match="it is a hard link to a file of another user"):
            directory.read("other.py", 100)

        assert directory.read("own.py", 100) == b"own"  # another user's as well, and under this name alone


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_what_fails_while_it_is_read_is_refused() -> None:
    with Directory(Path("/proc/self")) as directory, pytest.raises(Refused, match="Input/output error"):
        directory.read("mem", 100)


def test_a_file_that_may_not_be_read_is_refused(path: Path, directory: Directory) -> None:
    (path / "own.py").chmod(0)

    with without_privileges(), pytest.raises(Refused, match="Permission denied"):
        directory.read("own.py", 100)


@pytest.mark.parametrize(("name", "error"), [("absent", FileNotFoundError), ("own.py", NotADirectoryError)])
def test_what_is_no_directory_is_not_opened(name: str, error: type[OSError], path: Path) -> None:
    with pytest.raises(error, match=name):
        Directory(path / name)
