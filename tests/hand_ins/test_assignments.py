"""Whole assignments as Moodle, Canvas, Blackboard and Gradescope deliver them: who has handed in what."""

import gzip
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.cohort.entries import Entries, folder_of, read_entries
from grader.errors import UsageError

packing = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("packing.py"))))
as_directory, as_zip, deliver = packing.as_directory, packing.as_zip, packing.deliver

Files = Mapping[str, str | bytes]
Deliver = Callable[[Files], Path]


def work(of: str, before: str = "") -> dict[str, str | bytes]:
    """Somebody's right files."""
    return {f"{before}model.py": f"a = {of!r}\n", f"{before}train.py": f"b = {of!r}\n"}


def zipped(of: str, before: str = "") -> bytes:
    packed: bytes = as_zip(work(of, before))
    return packed


MOODLE = {
    # As it is by default, with a folder for each person, and what they uploaded in it.
    "Ann Lee_101_assignsubmission_file_/work.zip": zipped("Ann Lee_101", "hw1/"),
    **work("Bob O'Hara_102", "Bob O'Hara_102_assignsubmission_file_/"),
    "Bob O'Hara_102_assignsubmission_onlinetext_/onlinetext.html": "<p>see the files</p>",
    "Cy Di_103_assignsubmission_onlinetext_/onlinetext.html": "<p>it did not work</p>",
    # And without folders.
    "Di Xu_104_assignsubmission_file_model.py": "a = 'Di Xu_104'\n",
    "Di Xu_104_assignsubmission_file_train.py": "b = 'Di Xu_104'\n",
    "Jonathan_Hoyte_105_assignsubmission_file_/model.py": "a = 'Jonathan_Hoyte_105'\n",
    "Jonathan_Hoyte_105_assignsubmission_file_/train.py": "b = 'Jonathan_Hoyte_105'\n",
}
CANVAS = {
    "leeann_11_501_model.py": "a = 'leeann_11'\n",
    "leeann_11_502_train.py": "b = 'leeann_11'\n",
    "oharabob_LATE_12_503_model-1.py": "a = 'oharabob_12'\n",
    "oharabob_LATE_12_504_train-2.py": "b = 'oharabob_12'\n",
    "dicy_13_505_homework-3.zip": zipped("dicy_13"),
    "xudi_14_506_work.ipynb": "{}",
    "anon_Xy7Zq_507_model.py": "a = 'anon_Xy7Zq'\n",
    "anon_Xy7Zq_508_train.py": "b = 'anon_Xy7Zq'\n",
    "typed_15_text.html": "no file at all",
}
BLACKBOARD = {
    "Homework 1_alee_attempt_2026-11-02-13-37-00.txt": "Name: Ann Lee (alee)\n",
    "Homework 1_alee_attempt_2026-11-02-13-37-00_model.py": "a = 'alee'\n",
    "Homework 1_alee_attempt_2026-11-02-13-37-00_train.py": "b = 'alee'\n",
    "Homework 1_bob_attempt_2026-11-02-09-00-00_model.py": "a = 'older'\n",
    "Homework 1_bob_attempt_2026-11-02-09-00-00_train.py": "b = 'older'\n",
    "Homework 1_bob_attempt_2026-11-03-09-00-00_model.py": "a = 'bob'\n",
    "Homework 1_bob_attempt_2026-11-03-09-00-00_train.py": "b = 'bob'\n",
    "Homework 1_s123_attempt_2026-11-02-08-00-00_all of it.zip": zipped("s123", "all of it/"),
    "Homework 1_zoe_attempt_2026-11-02-08-00-00.txt": "Name: Zoe (zoe)\nThere are no files\n",
}
GRADESCOPE = {
    "assignment_900_export/submission_metadata.yml": (
        "submission_301:\n  :submitters:\n  - :name: Ann Lee\n    :sid: '1'\n    :email: a@x.edu\n"
        "  :created_at: 2026-04-26 17:34:00.861687000 Z\n  :score: 2.0\n  :results:\n    output: |-\n"
        "      submission_999:\n      :submitters:\n      - :name: Nobody\n"
        "submission_302:\n  :submitters:\n  - :name: Bob B\n  - :name: 'Cy C'\n  :score: 1.0\n"
        "submission_303:\n  :submitters:\n  - :name: Di X\n"
        "submission_304:\n  :submitters: []\n"
    ),
    **work("Ann Lee (submission_301)", "assignment_900_export/submission_301/"),
    **work("Bob B, Cy C (submission_302)", "assignment_900_export/submission_302/my-repository/"),
    "assignment_900_export/submission_304/README.md": "see the wiki",
    "__MACOSX/assignment_900_export/._submission_metadata.yml": b"\0",
    "assignment_900_export/.DS_Store": b"\0",
}
PLAIN = {
    **work("ann", "ann/"),
    **work("bob", "bob/hw-main/src/"),
    "cy.zip": zipped("cy.zip"),
    "di.tgz": gzip.compress(packing.as_tar(work("di.tgz", "./hw1/"))),
    "eve.ZIP": zipped("eve.ZIP", "hw1\\"),
    "fay.zip": as_zip({"inner.zip": zipped("fay.zip")}),
    "gus/model.py.txt": "a = 'gus'\n",
    "hal.py": "a = 'hal'\n",
    "ida.ipynb": "{}",
    "jon.7z": b"7z\xbc\xaf\x27\x1c",
    "kim.zip": b"Rar!\x1a\x07\x00",
    "empty/.keep": "",
    "class.csv": "ann, bob",
    ".DS_Store": b"\0",
    "__MACOSX/._ann": b"\0",
}


def graded(entries: Entries) -> dict[str, str]:
    """What those who can be graded are called by themselves, by what they are called."""
    found = {}
    for entry in entries.found:
        if entry.submission is not None:
            assert entry.submission.name == entry.title
            names = {
                text.split("'")[1] if "'" in text[:6] else text.split('"')[1]
                for text in entry.submission.files.values()
            }
            (found[entry.title],) = names
    return found


def refused(entries: Entries) -> dict[str, str]:
    return {entry.title: entry.reason for entry in entries.found if entry.submission is None}


@pytest.mark.parametrize(
    ("files", "right", "reasons"),
    [
        pytest.param(
            MOODLE,
            ["Ann Lee_101", "Bob O'Hara_102", "Di Xu_104", "Jonathan_Hoyte_105"],
            {"Cy Di_103": "no model.py in it; found: 'onlinetext.html'"},
            id="moodle",
        ),
        pytest.param(
            CANVAS,
            ["anon_Xy7Zq", "dicy_13", "leeann_11", "oharabob_12"],
            {
                "xudi_14": "no model.py in it; found: 'work.ipynb'; a notebook is not graded",
                "typed_15": "no model.py in it; found: 'text.html'",
            },
            id="canvas",
        ),
        pytest.param(
            BLACKBOARD, ["alee", "bob", "s123"], {"zoe": "no model.py in it; found: nothing"}, id="blackboard"
        ),
        pytest.param(
            GRADESCOPE,
            ["Ann Lee (submission_301)", "Bob B, Cy C (submission_302)"],
            {
                "Di X (submission_303)": "there is no 'submission_303', which submission_metadata.yml names",
                "submission_304": "no model.py in it; found: 'README.md'",
            },
            id="gradescope",
        ),
        pytest.param(
            PLAIN,
            ["ann", "bob", "cy.zip", "di.tgz", "eve.ZIP", "fay.zip"],
            {
                "gus": "no model.py in it; found: 'model.py.txt'",
                "hal.py": "found: 'hal.py', one file alone",
                "ida.ipynb": "found: 'ida.ipynb', a notebook; hand in model.py and train.py",
                "jon.7z": "found: 'jon.7z', which is not read; expected a folder, a .zip or a .tar.gz",
                "kim.zip": "it is a RAR archive, which is not read; hand in a .zip or a .tar.gz",
                "empty": "no model.py in it; found: nothing",
            },
            id="plain",
        ),
    ],
)  # fmt: skip
def test_everybody_has_a_row_and_what_is_right_is_read_as_it_is(
    files: Files, right: list[str], reasons: dict[str, str], delivered: Deliver
) -> None:
    entries = read_entries(delivered(files))

    assert sorted(graded(entries).items()) == [(name, name) for name in right]
    found = refused(entries)
    assert sorted(found) == sorted(reasons)
    for name, reason in reasons.items():
        assert found[name].startswith(reason), found[name]
    assert len({entry.folder for entry in entries.found}) == len(entries.found)


@pytest.mark.parametrize(
    "files", [MOODLE, CANVAS, BLACKBOARD, GRADESCOPE], ids=["moodle", "canvas", "blackboard", "gradescope"]
)
def test_the_download_may_lie_in_a_directory_as_it_came(files: Files, tmp_path: Path) -> None:
    as_directory(tmp_path / "downloads", {"assignment.zip": as_zip(files)})
    as_directory(tmp_path / "unpacked", files)

    assert read_entries(tmp_path / "downloads") == read_entries(tmp_path / "unpacked")


def test_it_is_read_alike_in_whatever_order_it_was_packed(tmp_path: Path) -> None:
    for number, files in enumerate((PLAIN, dict(reversed(PLAIN.items())))):
        (tmp_path / str(number)).mkdir()
        deliver(tmp_path / str(number), files, "zip")

    assert read_entries(tmp_path / "0" / "download.zip") == read_entries(tmp_path / "1" / "download.zip")


def test_a_class_that_was_packed_with_its_folder_is_a_class(tmp_path: Path) -> None:
    files = {f"class-2026/{name}": text for name, text in {**work("ann", "ann/"), **work("bob", "bob/")}.items()}

    assert list(graded(read_entries(deliver(tmp_path, files, "zip")))) == ["ann", "bob"]


@pytest.mark.parametrize("before", ["", "hw1/"], ids=["files", "folder"])
def test_an_archive_of_one_submission_is_not_taken_for_many(before: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds a model\.py: it is one submission"):
        read_entries(deliver(tmp_path, work("ann", before), "zip"))


def test_nobody_hands_in_under_anothers_name(tmp_path: Path) -> None:
    as_directory(tmp_path, work("ann", "ann/"))
    fake = {**work("Bob_2", "Bob_2_assignsubmission_file_/"), **work("Eve_3", "Eve_3_assignsubmission_file_/")}
    (tmp_path / "eve.zip").write_bytes(as_zip(fake))
    as_directory(tmp_path, {"leeann_11_501_oharabob_12_503_model.py": "a = 'mine'\n"})
    entries = read_entries(tmp_path)

    assert [entry.title for entry in entries.found] == ["ann", "eve.zip", "leeann_11"]
    assert "several folders of it hold a model.py" in refused(entries)["eve.zip"]


def test_a_folder_that_is_called_as_a_person_of_a_platform_keeps_its_place(tmp_path: Path) -> None:
    as_directory(tmp_path, {**work("leeann_11", "leeann_11/"), "leeann_11_501_model.py": "a = 'canvas'\n"})
    entries = read_entries(tmp_path)

    assert len({entry.folder for entry in entries.found}) == 2
    assert entries.found[0].folder == folder_of("leeann_11")
    assert entries.found[0].submission is not None
    assert entries.found[0].submission.files["model.py"] == "a = 'leeann_11'\n"


def test_of_two_attempts_the_newest_is_taken_and_that_is_told(tmp_path: Path) -> None:
    (bob,) = (one for one in read_entries(as_directory(tmp_path / "bb", BLACKBOARD)).found if one.title == "bob")

    assert bob.submission is not None
    assert bob.submission.notes == ("the attempt of 2026-11-03-09-00-00 was taken, the newest of 2",)


def test_of_two_files_of_one_name_the_one_with_the_higher_number_is_taken_and_that_is_told(tmp_path: Path) -> None:
    files = {"ann_1_9_model.py": "a = 'older'\n", "ann_1_10_model.py": "a = 'newer'\n", "ann_1_11_train.py": ""}
    (ann,) = read_entries(as_directory(tmp_path / "canvas", files)).found

    assert ann.submission is not None
    assert ann.submission.files["model.py"] == "a = 'newer'\n"
    assert ann.submission.notes == ("ann_1_10_model.py was taken, and not ann_1_9_model.py: by its number it is newer",)


def test_of_two_files_of_one_name_and_number_none_is_guessed(tmp_path: Path) -> None:
    files = {"ann_1_9_model.py": "a = 'one'\n", "ann_LATE_1_9_model.py": "a = 'other'\n"}

    assert refused(read_entries(as_directory(tmp_path / "canvas", files))) == {
        "ann_1": "it is not clear which is meant: 'ann_1_9_model.py' and 'ann_LATE_1_9_model.py'; expected one"
    }


def test_somebody_may_be_called_as_a_virtual_environment_is(tmp_path: Path) -> None:
    files = {**work("env", "env/"), **work("venv", "venv/")}

    assert list(graded(read_entries(as_directory(tmp_path / "class", files)))) == ["env", "venv"]
