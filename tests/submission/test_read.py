"""A submission is read once, as text, and nothing in the directory can make that hang, crash or look elsewhere."""

import hashlib
import os
import socket
from pathlib import Path

import msgspec
import pytest

from grader.errors import UsageError
from grader.limits import SUBMISSION_FILE_MAX_BYTES, SUBMISSION_MAX_ENTRIES, SUBMISSION_MAX_FILES
from grader.sandbox.questions import Load
from grader.sandbox.wire import pack
from grader.submission.read import (
    ENCODING,
    MAX_NOTES,
    Submission,
    read_submission,
    submission_of,
)

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


def test_the_python_files_are_read_and_the_tests_apart(directory: Path) -> None:
    for name in ("helper.py", "test_visible.py", "conftest.py", ".test_hidden.py", "notes.md", "data.json"):
        (directory / name).write_text("x = 1\n")
    submission = read_submission(directory)

    assert submission.files == {"model.py": MODEL, "train.py": TRAIN, "helper.py": "x = 1\n"}
    assert submission.tests == {"conftest.py": "x = 1\n", "test_visible.py": "x = 1\n"}
    assert (submission.name, submission.notes) == ("work", ())


def test_the_name_is_the_directorys_however_it_is_written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)

    assert read_submission(Path()).name == "work"
    assert read_submission(Path("..") / directory.name / ".").name == "work"


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

    assert_not_read(
        read_submission(directory),
        "model.py",
        f"it is not UTF-8 text (byte 5, line 1): it looks like text of a Windows program; {ENCODING}",
    )


def test_a_byte_order_mark_is_no_part_of_the_text(directory: Path) -> None:
    (directory / "model.py").write_bytes(b"\xef\xbb\xbf" + MODEL.encode())

    assert read_submission(directory).files["model.py"] == MODEL


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(directory: Path) -> None:
    (directory / "model.py").write_bytes(b"#" * SUBMISSION_FILE_MAX_BYTES)
    (directory / "train.py").write_bytes(b"#" * (SUBMISSION_FILE_MAX_BYTES + 1))
    submission = read_submission(directory)

    assert len(submission.files["model.py"]) == SUBMISSION_FILE_MAX_BYTES
    assert_not_read(submission, "train.py", "it is larger than 512 KiB")


def test_any_number_of_files_leaves_room_for_the_required_ones(directory: Path) -> None:
    for number in range(SUBMISSION_MAX_FILES):
        (directory / f"a{number:03}.py").write_text("")
    submission = read_submission(directory)

    assert (submission.files["model.py"], submission.files["train.py"]) == (MODEL, TRAIN)
    assert len(submission.files) == SUBMISSION_MAX_FILES
    assert_not_read(
        submission, f"a{SUBMISSION_MAX_FILES - 1:03}.py", f"there are more than {SUBMISSION_MAX_FILES} files"
    )


@pytest.mark.parametrize("byte", [b"#", b"\x01", b'"', "é".encode()], ids=["plain", "control", "quote", "accent"])
def test_whatever_is_read_fits_into_the_frame_that_takes_it_to_a_worker(byte: bytes, directory: Path) -> None:
    for name in ("a.py", "b.py", "model.py", "train.py"):
        (directory / name).write_bytes(byte * (SUBMISSION_FILE_MAX_BYTES // len(byte)))
    submission = read_submission(directory)

    assert pack("0" * 16, Load(files=submission.files), {})
    assert any("all files together are larger than" in note for note in submission.notes)


def test_tests_and_hidden_files_crowd_out_no_module(directory: Path) -> None:
    for number in range(SUBMISSION_MAX_FILES):
        (directory / f"test_{number:03}.py").write_text("")
        (directory / f"._{number:03}.py").write_bytes(b"\xff")
    (directory / "z.py").write_text("")
    submission = read_submission(directory)

    assert set(submission.files) == {"model.py", "train.py", "z.py"}
    assert len(submission.files) + len(submission.tests) == SUBMISSION_MAX_FILES
    assert all(note.startswith("test_") for note in submission.notes)


def test_tests_leave_the_hash_as_it_is(directory: Path) -> None:
    before = read_submission(directory).sha256
    (directory / "test_mine.py").write_text("def test_x(): pass")

    assert before == read_submission(directory).sha256


def test_of_a_huge_directory_the_required_files_are_read(directory: Path) -> None:
    for number in range(SUBMISSION_MAX_ENTRIES):
        (directory / f"a{number}.py").touch()
    submission = read_submission(directory)

    assert submission.files == {"model.py": MODEL, "train.py": TRAIN}
    assert submission.notes == (
        f"only model.py and train.py were read: there are more than {SUBMISSION_MAX_ENTRIES} files and folders",
    )


def test_many_notes_are_cut_and_the_cut_is_said(directory: Path) -> None:
    (directory / "train.py").write_bytes(b"\xff")
    for number in range(MAX_NOTES + 4):
        (directory / f"a{number:02}.py").write_bytes(b"\xff")
    submission = read_submission(directory)

    assert len(submission.notes) == MAX_NOTES + 1
    assert_not_read(
        submission,
        "train.py",
        f"it is not UTF-8 text (byte 0, line 1): it looks like text of a Windows program; {ENCODING}",
    )
    assert submission.notes[-1] == "and 5 more like these"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"x = 1\0\n", "it is not text: a zero byte (byte 5)", id="zero-byte"),
        pytest.param(
            "x = 1\n".encode("utf-16"),
            f"it is not UTF-8 text (byte 0, line 1): it looks like UTF-16; {ENCODING}",
            id="utf-16",
        ),
        pytest.param(
            "x = 1\n".encode("utf-16-le"),
            "it is not text: a zero byte (byte 1): it looks like UTF-16",
            id="utf-16-without-a-mark",
        ),
        pytest.param(
            b"x = 1\ny = '\xe9'\n",
            f"it is not UTF-8 text (byte 11, line 2): it looks like text of a Windows program; {ENCODING}",
            id="windows",
        ),
        pytest.param(b"\x7fELF\x02\x01\x01\0", "it is not text: a zero byte (byte 7)", id="program"),
        pytest.param(
            b"\xa7\r\r\n\0\0\0\0",
            f"it is not UTF-8 text (byte 0, line 1); {ENCODING}",
            id="bytecode",
        ),
    ],
)
def test_what_is_no_text_is_not_read(data: bytes, reason: str, directory: Path) -> None:
    (directory / "helper.py").write_bytes(data)

    assert_not_read(read_submission(directory), "helper.py", reason)


def test_text_is_utf_8_whatever_it_says_of_itself(directory: Path) -> None:
    text = "# -*- coding: rot13 -*-\nx = 1\n"
    (directory / "helper.py").write_text(text)

    assert read_submission(directory).files["helper.py"] == text


@pytest.mark.parametrize(
    "entry", ["layers", "layers.cpython-311-x86_64-linux-gnu.so", "layers.pyc", "layers.PY", "layers.ipynb"]
)
@pytest.mark.parametrize(
    "statement", ["import layers", "    from layers.attention import scale", "from . import other, layers"]
)
def test_what_is_imported_and_not_read_is_told(entry: str, statement: str, directory: Path) -> None:
    (directory / entry).mkdir()
    assert read_submission(directory).notes == ()

    (directory / "model.py").write_text(f"{statement}\n")

    assert read_submission(directory).notes == (
        f"{entry} was not read: only .py files beside model.py are, and no tests",
    )


@pytest.mark.parametrize("name", ["random", "torch", "numpy", "json", "hypothesis", "grader"])
def test_a_file_with_the_name_of_an_installed_module_is_told(name: str, directory: Path) -> None:
    (directory / f"{name}.py").write_text("x = 1\n")
    submission = read_submission(directory)

    assert submission.files[f"{name}.py"] == "x = 1\n"  # it can be imported relatively, and only so
    assert submission.notes == (
        f"{name}.py is not what `import {name}` gives, which is an installed module; "
        f"rename it, or import it with `from . import {name}`",
    )


@pytest.mark.parametrize(
    "name", ["-v.py", "a b.py", "a.b.py", "class.py", "Model.py", "submission.py", "\u05d0.py", "x" * 252 + ".py"]
)
def test_an_odd_name_is_a_name_like_any_other(name: str, directory: Path) -> None:
    (directory / name).write_text("x = 1\n")
    submission = read_submission(directory)

    assert submission.files == {"model.py": MODEL, "train.py": TRAIN, name: "x = 1\n"}
    assert submission.notes == ()
    assert pack("0" * 16, Load(files=submission.files), {})


@pytest.mark.parametrize(
    "name", ["h\n.py", "h\u202e.py", "h\u200b.py", "h\u2028.py", "h\x9b.py", "h\x7f.py", "h\u3164.py"], ids=ascii
)
def test_a_name_that_is_not_what_it_looks_like_is_left_out(name: str, directory: Path) -> None:
    (directory / name).write_text("")
    submission = read_submission(directory)

    assert set(submission.files) == {"model.py", "train.py"}
    assert [note.partition(" was")[2] for note in submission.notes] == [" not read: its name is not printable"]
    assert submission.notes[0].isprintable()


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
        pytest.param("capital", "no model.py in '.*capital', only 'Model.PY'; expected a directory", id="capital"),
        pytest.param("loop", "cannot read the directory '.*loop': Too many levels of symbolic links", id="loop"),
        pytest.param("pipe", "not a directory: '.*pipe'; expected a directory", id="pipe"),
        pytest.param("e\x1b[31m\udcff", r"no such directory: '.*e\\x1b\[31m\\udcff'; expected", id="unprintable"),
    ],
)  # fmt: skip
def test_what_is_no_submission_is_told(path: str, message: str, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "capital").mkdir()
    (tmp_path / "capital" / "Model.PY").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(UsageError, match=message):
        read_submission(tmp_path / path)


@pytest.mark.parametrize("mode", [0o000, 0o300], ids=["closed", "unlisted"])
def test_a_directory_that_may_not_be_read_is_told(mode: int, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory.parent)
    directory.chmod(mode)
    user = os.geteuid()
    os.seteuid(user or 65534)  # permission bits mean nothing to root
    try:
        with pytest.raises(UsageError, match="cannot read the directory 'work': Permission denied; expected"):
            read_submission(Path("work"))
    finally:
        os.seteuid(user)
        directory.chmod(0o700)


def test_a_directory_that_is_removed_meanwhile_has_no_model(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    for name in ("model.py", "train.py"):
        (directory / name).unlink()
    directory.rmdir()

    with pytest.raises(UsageError, match=r"no model\.py in '\.'"):
        read_submission(Path())


def test_a_path_of_the_users_own_may_lead_through_links(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)

    assert read_submission(tmp_path / "link") == read_submission(directory)
