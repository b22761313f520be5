"""What is taken for a submission, and that reading it reaches nothing else and ends."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grader.cohort.entries import Entry, folder_of, read_entries
from grader.errors import UsageError

FILES = {"model.py": "a = 1\n", "train.py": "b = 2\n"}


def zipped(files: Mapping[str, str | bytes], **options: Any) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", **options) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def put(directory: Path, files: Mapping[str, str]) -> None:
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text)


def read_zip(where: Path, data: bytes) -> Entry:
    (where / "ann.zip").write_bytes(data)
    (entry,) = read_entries(where).found
    return entry


def test_every_directory_and_every_archive_is_a_candidate_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "bob", FILES)
    put(tmp_path / ".git", FILES)
    (tmp_path / "Ann.ZIP").write_bytes(zipped(FILES))
    (tmp_path / "list.csv").write_text("ann, bob")

    entries = read_entries(tmp_path)

    assert [entry.folder for entry in entries.found] == ["Ann.ZIP", "bob"]
    assert [entry.submission.files for entry in entries.found if entry.submission] == [FILES, FILES]
    assert len({entry.submission.sha256 for entry in entries.found if entry.submission}) == 1
    assert entries.ignored == ("list.csv",)


def test_what_cannot_be_read_says_why_and_the_others_are_read(tmp_path: Path) -> None:
    put(tmp_path / "right", FILES)
    put(tmp_path / "empty", {"train.py": ""})
    (tmp_path / "linked").symlink_to(tmp_path / "right")
    (tmp_path / "linked.zip").symlink_to(tmp_path / "right" / "model.py")
    (tmp_path / "torn.zip").write_bytes(zipped(FILES)[:40])
    os.mkfifo(tmp_path / "pipe.zip")

    reasons = {entry.folder: entry.reason for entry in read_entries(tmp_path).found}

    assert reasons.pop("right") == ""
    assert "no model.py" in reasons.pop("empty")
    assert "not a zip archive" in reasons.pop("torn.zip")
    assert reasons == {
        "linked": "it is a symbolic link",
        "linked.zip": "it is a symbolic link",
        "pipe.zip": "it is not a regular file",
    }


@pytest.mark.parametrize("files", [{}, {"notes.txt": ""}], ids=["nothing", "files-alone"])
def test_a_directory_without_submissions_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / "handed-in", files)

    with pytest.raises(UsageError, match=r"no submissions in .* a sub-directory or a \.zip for each"):
        read_entries(tmp_path / "handed-in")


def test_one_submission_is_not_taken_for_many(tmp_path: Path) -> None:
    put(tmp_path / "ann", FILES)

    with pytest.raises(UsageError, match="it is one submission"):
        read_entries(tmp_path / "ann")


@pytest.mark.parametrize("top", ["", "hw 1/", "a/b/"], ids=["files", "folder", "folder-in-folder"])
def test_an_archive_may_hold_the_files_or_a_folder_with_them(top: str, tmp_path: Path) -> None:
    files = {f"{top}{name}": text for name, text in FILES.items()}
    entry = read_zip(tmp_path, zipped(files | {"__MACOSX/model.py": "x", f"{top}data/model.py": "y"}))

    assert entry.submission is not None
    assert entry.submission.files == FILES


def test_which_of_two_folders_is_meant_is_not_guessed(tmp_path: Path) -> None:
    entry = read_zip(tmp_path, zipped({"a/model.py": "", "b/model.py": "1"}))

    assert entry.reason == "several folders of it hold a model.py: 'a' and 'b'; expected one"


def test_names_that_lead_out_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    paths = ["../helper.py", "/etc/helper.py", "a/../../helper.py", "..\\helper.py"]
    entry = read_zip(inside, zipped(FILES | dict.fromkeys(paths, "out")))

    assert entry.submission is not None
    assert entry.submission.files == FILES
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["ann.zip", "in"]


def test_an_archive_may_not_hold_links_secrets_or_one_file_twice(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
        link = zipfile.ZipInfo("linked.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("twice.py", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("twice.py", "2")
        archive.writestr("secret.py", "s")
        archive.writestr("folder.py/x", "s")
        archive.getinfo("secret.py").flag_bits |= 1
    entry = read_zip(tmp_path, data.getvalue())

    assert entry.submission is not None
    assert set(entry.submission.notes) == {
        "linked.py was not read: it is a symbolic link",
        "twice.py was not read: it is in the archive more than once",
        "secret.py was not read: it is encrypted",
        "folder.py was not read: it is a folder",
    }


def test_a_bomb_costs_no_more_than_what_would_be_read_of_a_file(tmp_path: Path) -> None:
    data = zipped(FILES | {"big.py": b"0" * (1 << 26)}, compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    entry = read_zip(tmp_path, data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert entry.submission is not None
    assert entry.submission.files == FILES
    assert entry.submission.notes == ("big.py was not read: it is larger than 512 KiB",)
    assert most < 1 << 23


def test_an_archive_of_very_many_files_is_read_as_far_as_a_directory_would_be(tmp_path: Path) -> None:
    entry = read_zip(tmp_path, zipped(FILES | {f"f{number}.py": "" for number in range(5000)}))

    assert entry.submission is not None
    assert entry.submission.files == FILES
    assert "more than 1024" in entry.submission.notes[0]


def test_a_method_of_packing_that_takes_what_memory_it_asks_for_is_refused(tmp_path: Path) -> None:
    entry = read_zip(tmp_path, zipped(FILES, compression=zipfile.ZIP_LZMA))

    assert entry.submission is None
    assert "pack it again as an ordinary zip" in entry.reason


def test_torn_and_altered_archives_are_refused_in_words(tmp_path: Path) -> None:
    whole = zipped(FILES, compression=zipfile.ZIP_DEFLATED)
    for number in range(len(whole)):
        for altered in (whole[:number], whole[:number] + struct.pack("B", whole[number] ^ 0xFF) + whole[number + 1 :]):
            entry = read_zip(tmp_path, altered)
            assert entry.submission is not None or entry.reason


def test_no_two_names_share_a_folder_and_none_leads_elsewhere() -> None:
    plain = ["ann", "Ann", "Jürgen", "ann.zip", "ann-1", "李"]
    odd = ["..", "a b", "a-b", "a/b", "-a-b", "a b ", "=1+1", "\x1b[31mred", "x" * 300, "\udcff", "~", "con\n", "a~b"]
    folders = [folder_of(name) for name in plain + odd]

    assert folders[: len(plain)] == plain
    assert len(set(folders)) == len(folders)
    for folder in folders:
        assert folder.isprintable()
        assert len(folder.encode()) < 255
        assert not folder.startswith((".", "-"))
        assert "/" not in folder
    assert folder_of(folder_of("a b")) != folder_of("a b")  # no one can hand in under the other's folder
