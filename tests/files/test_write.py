"""A file is written as a whole or left as it was, and what cannot be written is told beforehand."""

import os
import stat
from pathlib import Path

import pytest

from grader.errors import CannotJudge, UsageError
from grader.files.write import Existing, check_writable, write_atomically, write_folder


def test_a_new_file_and_a_replaced_one_hold_the_data(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")

    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)], ids=oct)
def test_permissions_are_those_of_any_new_file(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "x", b"")
    finally:
        os.umask(before)

    assert mode == stat.S_IMODE((tmp_path / "x").stat().st_mode)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt("now"), OSError(28, "No space left on device")], ids=["ctrl-c", "full"]
)
@pytest.mark.parametrize("step", ["fdopen", "chmod", "replace"])
def test_whatever_interrupts_leaves_the_file_as_it_was(
    step: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"before")

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        expected = CannotJudge if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected, match=r"now|No space left"):
            write_atomically(tmp_path / "x", b"after")

    assert (tmp_path / "x").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["x"]


def test_an_interruption_after_the_last_step_is_no_other_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def interrupted(*paths: Path) -> None:
        replace(*paths)
        raise KeyboardInterrupt("late")

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt, match="late"):
        write_atomically(tmp_path / "x", b"after")

    assert (tmp_path / "x").read_bytes() == b"after"


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to("real")
    check_writable(tmp_path / "link")
    write_atomically(tmp_path / "link", b"after")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"after"


def test_a_device_is_written_to_and_not_replaced() -> None:
    check_writable(Path(os.devnull))
    write_atomically(Path(os.devnull), b"x")

    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("absent/x", "there is no directory '.*absent'", id="no-directory"),
        pytest.param("file/x", "there is no directory '.*file'", id="file-as-directory"),
        pytest.param(".", "it is a directory", id="directory"),
        pytest.param("x" * 300, "File name too long", id="long-name"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(UsageError, match=message):
        check_writable(tmp_path / path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_place_where_nothing_can_be_written_is_the_machines_failure() -> None:
    with pytest.raises(CannotJudge, match="cannot write '/proc/x'"):
        check_writable(Path("/proc/x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(CannotJudge, match="Permission denied"):
        check_writable(tmp_path / "x")


def test_a_directory_that_went_away_is_our_failure(tmp_path: Path) -> None:
    with pytest.raises(CannotJudge, match=r"cannot write '.*x': No such file or directory"):
        write_atomically(tmp_path / "gone" / "x", b"")


FILES = {"a/one.py": b"1\n", "run.sh": b"#!/bin/sh\n"}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_is_written_whole_and_its_scripts_can_be_run(tmp_path: Path) -> None:
    write_folder(tmp_path / "new", FILES, same_times=True)

    assert everything(tmp_path / "new") == FILES
    assert os.access(tmp_path / "new" / "run.sh", os.X_OK)
    assert len({path.stat().st_mtime for path in (tmp_path / "new").rglob("*")}) == 1
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize(
    ("existing", "kept"),
    [
        (Existing.REFUSED, UsageError),
        (Existing.IF_EMPTY, CannotJudge),
        (Existing.KEPT, {"old": b""}),
        (Existing.REPLACED, FILES),
    ],
)
def test_what_becomes_of_a_folder_that_is_there_is_said(
    existing: Existing, kept: type[Exception] | dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "there"
    target.mkdir()
    (target / "old").touch()
    if isinstance(kept, dict):
        write_folder(target, FILES, existing)
    else:
        with pytest.raises(kept, match="there'"):
            write_folder(target, FILES, existing)

    assert everything(target) == (kept if isinstance(kept, dict) else {"old": b""})
    assert os.listdir(tmp_path) == ["there"]


def test_an_empty_folder_gives_way(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", FILES, Existing.IF_EMPTY)

    assert everything(tmp_path / "empty") == FILES
