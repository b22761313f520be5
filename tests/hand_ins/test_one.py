"""One hand-in: the submission in it is found however it was packed, named or written, and is not guessed."""

import gzip
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.errors import UsageError
from grader.hand_ins.read_hand_ins import read_hand_in
from grader.limits import HAND_IN_MAX_FOLDERS
from grader.submission.read import ENCODING, Submission, read_files, submission_of

packing = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("packing.py"))))
as_directory, as_zip = packing.as_directory, packing.as_zip

Files = Mapping[str, str | bytes]
Deliver = Callable[[Files], Path]
RIGHT = {"model.py": "import helper\n", "train.py": "import model\n", "helper.py": "# ä\n"}
SHA256 = submission_of("right", RIGHT).sha256
LARGE = b"\0" * (6 << 20)


def below(folder: str, files: Files = RIGHT) -> dict[str, str | bytes]:
    return {f"{folder}{name}": text for name, text in files.items()}


def encoded(encoding: str, cookie: str = "") -> dict[str, bytes]:
    return {name: (cookie + text).encode(encoding) for name, text in RIGHT.items()}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(RIGHT, id="as-they-are"),
        pytest.param(below("repository-main/"), id="cloned-repository"),
        pytest.param(below("a/b c/d/"), id="folders"),
        pytest.param(below("hw1\\"), id="backslashes"),
        pytest.param(below("a\\b\\"), id="more-backslashes"),
        pytest.param(below("./"), id="dot"),
        pytest.param({**below("hw1/"), **below("__MACOSX/hw1/._", {"model.py": b"\0"}), ".DS_Store": b"\0"}, id="mac"),
        pytest.param({"hw1.zip": as_zip(RIGHT)}, id="zip-in-it"),
        pytest.param({"a/hw.zip": as_zip({"hw/hw.zip": as_zip(below("hw/"))})}, id="zip-in-zip-in-it"),
        pytest.param({"w.tgz": gzip.compress(packing.as_tar(below("./hw/")))}, id="tar-in-it"),
        pytest.param({f"{name[:-3]}-1.py": text for name, text in RIGHT.items()}, id="canvas-again"),
        pytest.param({f"{name[:-3]} (1).py": text for name, text in RIGHT.items()}, id="browser"),
        pytest.param({f"ann_1_2{n}_{name}": text for n, (name, text) in enumerate(RIGHT.items())}, id="canvas"),
        pytest.param(below("Hw_ann_attempt_2026-11-02-13-37-00_"), id="blackboard"),
        pytest.param(below("Ann Lee_12345_assignsubmission_file_/"), id="moodle"),
        pytest.param({"Ann Lee_12345_assignsubmission_file_/hw.zip": as_zip(below("hw/"))}, id="moodle-zip"),
        pytest.param({**below("hw/"), "hw.zip": as_zip(RIGHT)}, id="twice-the-same"),
        pytest.param({**RIGHT, "weights.pt": LARGE, "data/train.bin": LARGE}, id="large-files-beside"),
        pytest.param({**RIGHT, **{f".venv/lib/f{n}.py": "" for n in range(300)}}, id="venv"),
        pytest.param({**RIGHT, "old/model.py": "x", "starter.zip": as_zip({"model.py": "y"})}, id="older-further-down"),
        pytest.param({**RIGHT, "model.ipynb": "{}", "README.md": ""}, id="notebook-beside"),
        pytest.param(encoded("utf-8-sig"), id="byte-order-mark"),
    ],
)  # fmt: skip
def test_a_right_submission_is_itself_in_every_packaging(files: Files, delivered: Deliver) -> None:
    submission = read_hand_in(delivered(files))

    assert submission.files == RIGHT
    assert submission.sha256 == SHA256


@pytest.mark.parametrize("before", ["/home/ann/hw1/", "C:\\Users\\ann\\hw1\\", "/"])
def test_an_archive_may_hold_whole_paths(before: str, tmp_path: Path) -> None:
    for kind in packing.PACKINGS[1:]:
        assert read_hand_in(packing.deliver(tmp_path, below(before), kind)).sha256 == SHA256


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "iso-8859-15", "mac-roman", "utf-8", "cp850", "big5hkscs", "gb18030"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_text_is_read_in_the_encoding_that_it_names(encoding: str, newline: str, tmp_path: Path) -> None:
    text = newline.join(["#!/usr/bin/env python", f"# -*- coding: {encoding} -*-", "x = 'ä'", ""])
    path = as_directory(
        tmp_path / "hw",
        {**RIGHT, "helper.py": text.encode(encoding, "replace")},
    )
    expected = text.encode(encoding, "replace").decode(encoding)

    assert read_hand_in(path).files["helper.py"] == expected


def test_an_encoding_is_none_of_those_that_take_long_or_run_something(tmp_path: Path) -> None:
    for encoding in ("punycode", "rot13", "unicode_escape", "utf-7", "idna", "nonsense"):
        text = f"# coding: {encoding}\nx = 'ä'\n"
        path = as_directory(tmp_path / encoding, {**RIGHT, "helper.py": text})

        assert read_hand_in(path).files["helper.py"] == text


def test_text_that_is_given_as_text_is_not_decoded_again() -> None:
    text = "# coding: cp1252\nx = 'ä'\n"

    assert read_files({**RIGHT, "model.py": text}).files["model.py"] == text
    assert read_files({**RIGHT, "model.py": text.encode("cp1252")}).files["model.py"] == text


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["model.py", "model-1.py"], "model-1.py"),
        (["model-2.py", "model-10.py"], "model-10.py"),
        (["model.py", "model (1).py", "model (2).py"], "model (2).py"),
        (["model-1.py", "model-1 (1).py", "model.py"], "model-1 (1).py"),
        (["model (1).py", "model (1)-2.py"], "model (1)-2.py"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_several_versions_the_newest_by_its_number_is_taken_and_that_is_told(
    names: list[str], taken: str, delivered: Deliver
) -> None:
    files = {name: f"# {name}\n" for name in names}
    submission = read_hand_in(delivered({**files, "train.py": ""}))

    assert submission.files["model.py"] == f"# {taken}\n"
    assert submission.notes[0].startswith(f"{taken} was taken for model.py: by its number the newest of ")
    assert all(repr(name) in submission.notes[0] for name in names)


@pytest.mark.parametrize("name", ["model-1.py", "model (3).py"])
def test_a_file_under_another_name_is_told(name: str, delivered: Deliver) -> None:
    submission = read_hand_in(delivered({name: "", "train.py": ""}))

    assert submission.notes == (f"{name} was read as model.py",)


@pytest.mark.parametrize(
    "name",
    ["model - Copy.py", "model_final.py", "Model.py", "model-v2.py", "model-0.py", "model (100).py", "my model-1.py"],
)
def test_no_other_name_is_taken_for_a_version(name: str, delivered: Deliver) -> None:
    files = {"model.py": "# this\n", "train.py": "", name: "# other\n"}

    assert read_hand_in(delivered(files)).files["model.py"] == "# this\n"


def test_which_of_two_versions_is_newer_is_not_guessed(delivered: Deliver) -> None:
    path = delivered({"model-1.py": "1", "model (1).py": "2", "train.py": ""})

    with pytest.raises(
        UsageError, match=r"it is not clear which is meant: 'model \(1\).py', 'model-1.py'; expected one"
    ):
        read_hand_in(path)


def test_two_versions_that_are_the_same_are_one(delivered: Deliver) -> None:
    path = delivered({"model-1.py": "1", "model (1).py": "1", "train.py": ""})

    assert read_hand_in(path).files["model.py"] == "1"


def test_of_several_archives_the_newest_is_opened(delivered: Deliver) -> None:
    older, newer = as_zip({**RIGHT, "model.py": "older"}), as_zip(RIGHT)

    assert read_hand_in(delivered({"hw.zip": older, "hw-1.zip": older, "hw-2.zip": newer})).sha256 == SHA256


def test_large_files_beside_the_code_are_told(delivered: Deliver) -> None:
    submission = read_hand_in(delivered({**RIGHT, "weights.pt": LARGE, "small.json": "{}"}))

    assert submission.notes == ("weights.pt was not read (6 MiB): only .py files are",)


def test_a_missing_train_is_told_with_what_is_there(delivered: Deliver) -> None:
    submission = read_hand_in(delivered({"model.py": "", "Train.py": "", "trainer.txt": ""}))

    assert submission.notes == ("there is no train.py; found: 'Train.py', 'model.py', 'trainer.txt'",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, r"no model.py in .*; found: nothing; expected a directory", id="nothing"),
        pytest.param({"a/hw.ipynb": "{}"}, "found: 'a/hw.ipynb'; a notebook is not graded", id="notebook"),
        pytest.param({"Model.py": "", "x.py": ""}, r"no model.py in .*, only 'Model.py'; found: ", id="capital"),
        pytest.param({f"f{n}.txt": "" for n in range(9)}, "'f5.txt' and 3 more", id="many"),
        pytest.param({"hw.zip": b"no zip"}, "found: 'hw.zip'; 'hw.zip' cannot be read: it is not a zip", id="no-zip"),
        pytest.param({"hw.rar": b"Rar!"}, "'hw.rar' is of a kind that is not read; hand in a .zip", id="rar"),
        pytest.param({"a/model.py": "1", "b.zip": as_zip({"model.py": "2"})}, "folders of .*'a' and 'b.zip'", id="two"),
        pytest.param({"x\x1b[31m\u202ey.txt": ""}, "found: 'xy.txt'", id="unprintable"),
    ],
)  # fmt: skip
def test_what_is_no_submission_is_told_with_what_is_in_it(files: Files, message: str, tmp_path: Path) -> None:
    path = as_directory(tmp_path / "hw", files)
    with pytest.raises(UsageError, match=message) as told:
        read_hand_in(path)

    assert str(told.value).isprintable()


@pytest.mark.parametrize("file", ["model.py", "train.py", "helper.py"])
def test_a_file_that_is_needed_and_cannot_be_read_is_no_zero(file: str, tmp_path: Path) -> None:
    path = as_directory(tmp_path / "hw", {**RIGHT, file: b"x = '\xe9'\n"})
    like = r"line 1\): it looks like text of a Windows program"

    with pytest.raises(
        UsageError, match=rf"{file} in .* cannot be read: it is not UTF-8 text \(byte 5, {like}; {ENCODING}$"
    ):
        read_hand_in(path)


def test_a_file_that_nobody_needs_and_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    submission = read_hand_in(as_directory(tmp_path / "hw", {**RIGHT, "scratch.py": b"\xe9"}))

    assert submission.sha256 == SHA256
    said = f"it is not UTF-8 text (byte 0, line 1): it looks like text of a Windows program; {ENCODING}"
    assert submission.notes == (f"scratch.py was not read: {said}",)


def test_links_are_not_followed_at_any_depth(tmp_path: Path) -> None:
    as_directory(tmp_path / "secret", RIGHT)
    hand_in = as_directory(tmp_path / "hw", {"a/notes.txt": ""})
    (hand_in / "link").symlink_to(tmp_path / "secret")
    (hand_in / "a" / "link").symlink_to(tmp_path / "secret")
    (hand_in / "hw.zip").symlink_to(tmp_path / "secret" / "model.py")

    with pytest.raises(UsageError, match=r"no model.py in .*'hw.zip' cannot be read: it is a symbolic link"):
        read_hand_in(hand_in)


def test_what_several_people_handed_in_is_not_one_submission(delivered: Deliver) -> None:
    files = {f"{who}_1_2_model.py": "" for who in ("ann", "bob")}

    with pytest.raises(UsageError, match="holds the hand-ins of 2 people; `grader cohort` grades them all"):
        read_hand_in(delivered(files))


def test_the_submission_is_called_as_what_was_named(tmp_path: Path) -> None:
    (tmp_path / "ann.zip").write_bytes(as_zip(below("hw1/")))
    submission: Submission = read_hand_in(tmp_path / "ann.zip")

    assert submission.name == "ann.zip"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("absent.zip", None, "no such directory: '.*absent.zip'; expected .*, or a .zip or .tar.gz of it"),
        ("torn.zip", as_zip(RIGHT)[:40], "cannot read '.*torn.zip': it is not a zip archive that can be read"),
        ("hw.7z", b"7z", "not a directory: '.*hw.7z'; expected .*, or a .zip or .tar.gz of it"),
        ("hw.zip", b"Rar!\x1a", "cannot read '.*hw.zip': it is a RAR archive, which is not read; hand in a .zip"),
    ],
    ids=["absent", "torn", "kind", "renamed"],
)
def test_a_path_to_nothing_that_is_read_is_told(name: str, data: bytes | None, message: str, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)

    with pytest.raises(UsageError, match=message):
        read_hand_in(tmp_path / name)


def test_every_name_is_looked_at_once(delivered: Deliver) -> None:
    submission = read_hand_in(delivered({"model.py": "import layers\n", "train.py": "", "layers.PY": ""}))

    assert submission.notes == ("layers.PY was not read: only .py files beside model.py are, and no tests",)


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"model.py": "", "hw.zip": as_zip(RIGHT)}, "its top and 'hw.zip'"),
        ({"src/model.py": "", "training/train.py": ""}, "'src' and 'training'"),
    ],
    ids=["archive", "folders"],
)
def test_the_two_files_are_not_graded_apart(files: Files, where: str, delivered: Deliver) -> None:
    message = rf"model\.py and train\.py are not in one folder of .*, but in {where}"
    with pytest.raises(UsageError, match=message):
        read_hand_in(delivered(files))


def test_a_hand_in_of_very_many_folders_is_looked_through_as_far_as_a_limit(tmp_path: Path) -> None:
    folders = {f"f{number}/x.txt": "" for number in range(HAND_IN_MAX_FOLDERS)}
    with_a_model = as_directory(tmp_path / "with", {**folders, "model.py": ""})
    without = as_directory(tmp_path / "without", {**folders, "f9/a/model.py": ""})

    assert read_hand_in(with_a_model).notes[0].startswith("there is no train.py; found: ")
    with pytest.raises(UsageError, match=r"no model\.py was found in the first 512 folders of "):
        read_hand_in(without)
