"""A submission is read once, as text, and nothing in the directory can make that hang, crash or look elsewhere."""

import hashlib
import os
import socket
from pathlib import Path

import msgspec
import pytest

from grader.errors import UsageError
from grader.sandbox.questions import Load
from grader.sandbox.wire import pack
from grader.submission import MAX_FILE_BYTES, MAX_FILES, Submission, read_submission, submission_of

MODEL, TRAIN = "class GPT: ...\n", "def train(): ...\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    (path / "model.py").write_text(MODEL)
    (path / "train.py").write_text(TRAIN)
    return path


def assert_not_read(submission: Submission, name: str, reason: str) -> None:
    assert f"{name} was not read: {reason}" in submission.notes
    if name in ("model.py", "train.py"):
        with pytest.raises(ImportError, match="was not read"):
            exec(submission.files[name])
    else:
        assert name not in submission.files


def test_the_python_files_are_read_and_the_tests_left_out(directory: Path) -> None:
    for name in ("helper.py", "test_visible.py", "conftest.py", "notes.md", "data.json"):
        (directory / name).write_text("x = 1\n")
    submission = read_submission(directory)

    assert submission.files == {"model.py": MODEL, "train.py": TRAIN, "helper.py": "x = 1\n"}
    assert (submission.name, submission.notes) == ("work", ())


def test_the_name_is_the_directorys_however_it_is_written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)

    assert read_submission(Path()).name == "work"
    assert read_submission(Path("../work/.")).name == "work"


def test_the_hash_tells_names_and_contents_apart() -> None:
    kinds = [{"a.py": "bc"}, {"ab.py": "c"}, {"a.py": "b", "c.py": ""}, {"a.py": "bc", "c.py": ""}, {}]
    hashes = {submission_of("n", files).sha256 for files in kinds}

    assert len(kinds) == len(hashes)
    assert hashlib.sha256(b"a.py\x002\0bc").hexdigest() == submission_of("other", {"a.py": "bc"}).sha256


@pytest.mark.parametrize("name", ["model.py", "train.py", "helper.py"])
def test_a_link_is_not_followed(name: str, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET = 1")
    (directory / name).unlink(missing_ok=True)
    (directory / name).symlink_to(tmp_path / "secret")
    submission = read_submission(directory)

    assert_not_read(submission, name, "it is a symbolic link")
    assert "SECRET" not in "".join(submission.files.values())


@pytest.mark.parametrize("name", ["model.py", "helper.py"])
def test_a_link_to_nothing_is_not_followed_either(name: str, directory: Path) -> None:
    (directory / name).unlink(missing_ok=True)
    (directory / name).symlink_to("nowhere")

    assert_not_read(read_submission(directory), name, "it is a symbolic link")


@pytest.mark.parametrize("name", ["model.py", "helper.py"])
def test_a_pipe_is_not_waited_for(name: str, directory: Path) -> None:
    (directory / name).unlink(missing_ok=True)
    os.mkfifo(directory / name)

    assert_not_read(read_submission(directory), name, "it is not a regular file")


@pytest.mark.parametrize("name", ["model.py", "helper.py"])
def test_a_directory_is_no_file(name: str, directory: Path) -> None:
    (directory / name).unlink(missing_ok=True)
    (directory / name).mkdir()

    assert_not_read(read_submission(directory), name, "it is not a regular file")


def test_a_socket_is_no_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("helper.py")

    assert_not_read(read_submission(directory), "helper.py", "it is not a regular file")


def test_what_is_not_utf_8_is_not_read(directory: Path) -> None:
    (directory / "model.py").write_bytes(b"x = '\xe9'\n")

    assert_not_read(read_submission(directory), "model.py", "it is not UTF-8 text (byte 5)")


def test_a_byte_order_mark_is_no_part_of_the_text(directory: Path) -> None:
    (directory / "model.py").write_bytes(b"\xef\xbb\xbf" + MODEL.encode())

    assert read_submission(directory).files["model.py"] == MODEL


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(directory: Path) -> None:
    (directory / "model.py").write_bytes(b"#" * MAX_FILE_BYTES)
    (directory / "train.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    submission = read_submission(directory)

    assert len(submission.files["model.py"]) == MAX_FILE_BYTES
    assert_not_read(submission, "train.py", "it is larger than 512 KiB")


def test_any_number_of_files_leaves_room_for_the_required_ones(directory: Path) -> None:
    for number in range(MAX_FILES):
        (directory / f"a{number:03}.py").write_text("")
    submission = read_submission(directory)

    assert (submission.files["model.py"], submission.files["train.py"]) == (MODEL, TRAIN)
    assert len(submission.files) == MAX_FILES
    assert_not_read(submission, f"a{MAX_FILES - 1:03}.py", f"there are more than {MAX_FILES} files")


@pytest.mark.parametrize("byte", [b"#", b"\x01", b'"', "é".encode()], ids=["plain", "control", "quote", "accent"])
def test_whatever_is_read_fits_into_the_frame_that_takes_it_to_a_worker(byte: bytes, directory: Path) -> None:
    for name in ("a.py", "b.py", "model.py", "train.py"):
        (directory / name).write_bytes(byte * (MAX_FILE_BYTES // len(byte)))
    submission = read_submission(directory)

    assert pack("0" * 16, Load(files=submission.files), {})
    assert any("all files together are larger than" in note for note in submission.notes)


def test_names_that_cannot_be_shown_are_left_out_and_told_as_they_can(tmp_path: Path) -> None:
    directory = tmp_path / os.fsdecode(b"w\xff\x1b[31mork")
    directory.mkdir()
    (directory / "model.py").write_text(MODEL)
    (directory / os.fsdecode(b"h\xff.py")).write_text("")
    (directory / "h\x1b[31m.py").write_text("")
    submission = read_submission(directory)

    assert submission.name == "work"
    assert submission.notes == ("h.py was not read: its name is not printable",) * 2
    assert msgspec.json.encode([submission.name, submission.files, submission.notes])


def test_a_missing_train_says_so_when_it_is_imported() -> None:
    with pytest.raises(ImportError, match=r"there is no train\.py"):
        exec(submission_of("n", {"model.py": MODEL}).files["train.py"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("absent", "no such directory: '.*absent'; expected a directory that holds model.py", id="absent"),
        pytest.param("work/model.py", "not a directory: '.*model.py'; expected a directory", id="file"),
        pytest.param(".", "no model.py in '.*'; expected a directory that holds model.py and train.py", id="no-model"),
    ],
)  # fmt: skip
def test_what_is_no_submission_is_told(path: str, message: str, directory: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_submission(tmp_path / path)
