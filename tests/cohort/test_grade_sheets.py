"""Sheets that a platform has exported, filled in: each against what the platform's importer reads."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from grader.cli.main import main
from grader.cohort.platforms import (
    FEEDBACK,
    Grade,
    canvas_feedback,
    fill_canvas,
    fill_moodle,
    gradescope_autograder,
    moodle_feedback,
)
from grader.errors import UsageError
from grader.hand_ins.read_hand_ins import of_canvas, opened
from grader.result.record import Feedback, Result, Status, to_json

# As Moodle 4 writes it, with an assignment of 100 points and feedback comments.
MOODLE = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 101","Ada Byron",ada@example.org,"Submitted for grading - ",,100.00,Yes,"Monday, 2 November",-,\n'
    '"Participant 102","Dörte Müller",d@example.org,"Submitted for grading - ",50.00,100.00,Yes,-,"2 May","see me"\n'
    '"Participant 103","No One",n@example.org,"No submission",,100.00,Yes,-,-,\n'
    '"Participant 104","Locked Out",l@example.org,"Submitted for grading - ",,100.00,No,-,-,\n'
)
# As Canvas exports it: a row on how grades are posted, one with the points, then the students.
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (4567),Debugging (8910),Assignments Current Score
,,,,,,Manual Posting,
"    Points Possible",,,,,10,50,(read only)
"Byron, Ada",101,s1,ada,"CS 1, Section A",9,,90
"Müller, Dörte",102,s2,doerte,CS 1,8,12.5,80
"One, No",103,s3,no,CS 1,,,
"Student, Test",,,tester,CS 1,,,
"""


def grade(title: str, score: float) -> Grade:
    return Grade(title=title, score=score, max_score=100.0, said=f"{score:g} of 100 points. A <b> said.")


GRADES = (
    grade("Ada Byron_101", 100.0),
    grade("Dörte Müller_102", 33.333),
    grade("Locked Out_104", 5),
    grade("X Y_999", 1),
)


def table(data: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode()), delimiter=delimiter))


def test_moodles_worksheet_gets_grades_and_comments_and_nothing_else_is_touched() -> None:
    filled = fill_moodle(MOODLE.encode(), GRADES)
    before, after = table(MOODLE.encode()), table(filled.data)

    assert [row[4] for row in after] == ["Grade", "100.00", "33.33", "", ""]
    assert [row[9] for row in after[1:]] == ["100 of 100 points. A &lt;b&gt; said.", "see me", "", ""]
    for old, new in zip(before, after, strict=True):
        assert old[:4] + old[5:9] == new[:4] + new[5:9]
    assert filled.written == ("Ada Byron_101", "Dörte Müller_102")
    assert filled.blank == ("No One (Participant 103)",)
    assert filled.elsewhere == ("Locked Out_104", "X Y_999")


def test_points_are_scaled_to_the_sheets_maximum_and_never_rounded_up_to_it() -> None:
    ten = MOODLE.replace("100.00", '"10,00"').encode()
    filled = fill_moodle(ten, (grade("a_101", 99.99), grade("b_102", 65)))

    assert filled.maximum == 10
    assert [row[4] for row in table(filled.data)[1:3]] == ["9.99", "6.50"]


def test_canvass_gradebook_keeps_its_students_and_the_one_column() -> None:
    filled = fill_canvas(CANVAS.encode(), (grade("byronada_101", 100), grade("mullerdorte_102", 33.333)), "Debugging")

    assert table(filled.data) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Debugging (8910)"],
        ["", "", "", "", "", "Manual Posting"],
        ["    Points Possible", "", "", "", "", "50"],
        ["Byron, Ada", "101", "s1", "ada", "CS 1, Section A", "50.00"],
        ["Müller, Dörte", "102", "s2", "doerte", "CS 1", "16.66"],
        ["One, No", "103", "s3", "no", "CS 1", ""],
        ["Student, Test", "", "", "tester", "CS 1", ""],
    ]
    assert (filled.maximum, filled.blank, filled.elsewhere) == (50, ("One, No (103)",), ())


def test_what_came_with_semicolons_and_a_mark_goes_back_so() -> None:
    with_marks = "\ufeff" + CANVAS.replace('"CS 1, Section A"', "CS 1").replace('"Byron, Ada"', "Ada").replace(
        '"Müller, Dörte"', "Dörte"
    ).replace('"One, No"', "No").replace('"Student, Test"', "Test").replace(",", ";")
    filled = fill_canvas(with_marks.encode(), (grade("byronada_101", 50),), "8910")

    assert filled.data.decode().startswith("\ufeffStudent;ID;")
    assert table(filled.data.removeprefix(b"\xef\xbb\xbf"), ";")[3][-1] == "25.00"


def test_nobody_is_matched_by_a_name() -> None:
    filled = fill_moodle(MOODLE.encode(), (grade("Ada Byron", 5), grade("Byron Ada_101x", 5)))

    assert (filled.written, filled.elsewhere) == ((), ("Ada Byron", "Byron Ada_101x"))
    with pytest.raises(UsageError, match="'a_101' and 'b_101' have one number"):
        fill_moodle(MOODLE.encode(), (grade("a_101", 1), grade("b_101", 1)))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Name;Grade\nAda;5\n", "has not the columns of Moodle's grading worksheet; expected .* Identifier, Grade"),
        (MOODLE.replace("Identifier", "Identifikator"), "has not the columns"),
        (
            MOODLE.replace("100.00", "Distinction"),
            "maximum is 'Distinction'; expected one number of points",
        ),
        (MOODLE.replace('"Maximum Grade"', "Grade"), "2 columns 'Grade'"),
        (MOODLE + "Participant 7,too short\n", "row 6 of the template has more or fewer columns"),
        ("", "has not the columns"),
    ],
)
def test_what_is_no_worksheet_is_refused_with_what_was_expected(template: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fill_moodle(template.encode(), GRADES)
    with pytest.raises(UsageError, match="not UTF-8"):
        fill_moodle(MOODLE.encode("latin-1"), GRADES)


def test_a_column_of_canvass_has_to_be_clear() -> None:
    for asked, said in (
        (None, r"has 2 assignments; name one with --assignment: 'Homework 1 \(4567\)', 'Debugging \(8910\)'"),
        ("Debug", r"--assignment 'Debug' names 0 columns"),
    ):
        with pytest.raises(UsageError, match=said):
            fill_canvas(CANVAS.encode(), GRADES, asked)
    one = "\n".join(line for line in CANVAS.splitlines() if "Possible" not in line)
    with pytest.raises(UsageError, match="no row 'Points Possible'"):
        fill_canvas(one.encode(), GRADES, "8910")
    with pytest.raises(UsageError, match="Canvas computes the column"):
        fill_canvas(CANVAS.replace(",10,50,", ",10,50 (read only),").encode(), GRADES, "8910")


def moodle_reads(path: str) -> tuple[str, str, str]:
    """Who a file of a feedback archive is for, by the rule of Moodle's importer, and its name there."""
    parts = path.split("/")
    while parts:
        info = parts.pop(0).split("_", 4)
        if len(info) >= 4 and info[1].isdecimal():
            return info[1], f"{info[2]}_{info[3]}", "/".join([info[4] if len(info) > 4 else "", *parts]).strip("/")
    raise AssertionError(path)


def test_moodle_finds_whose_each_feedback_is_and_it_is_the_learners_copy(samples: ModuleType) -> None:
    names = ("Ada Byron_101", "Dörte Müller_102")
    results = [
        replace(samples.half_done(), candidate=replace(samples.half_done().candidate, name=name)) for name in names
    ]
    archive = zipfile.ZipFile(io.BytesIO(moodle_feedback(results)))

    assert [moodle_reads(name) for name in archive.namelist()] == [
        ("101", "assignsubmission_file", FEEDBACK), ("102", "assignsubmission_file", FEEDBACK),
    ]  # fmt: skip
    for name in archive.namelist():
        page = archive.read(name).decode()
        assert "learner\u2019s copy" in page
        assert samples.CANARY not in page
    assert moodle_feedback(results) == moodle_feedback(results)


def canvas_reads(path: str) -> tuple[str, str]:
    """Whose submission and which of its files an uploaded file comments on, by the rule of Canvas's importer."""
    user, attachment = [part for part in path.split("_") if part.isdecimal()][:2]
    return user, attachment


def test_canvas_finds_whose_each_comment_is_by_the_name_it_gave(samples: ModuleType, tmp_path: Path) -> None:
    code = "import torch  # mine\n"
    for name in ("leeann_101_55_model.py", "leeann_101_77_model-1.py", "rossbob_LATE_102_66_train.py", "notes.txt"):
        (tmp_path / name).write_text(code)
    with zipfile.ZipFile(tmp_path / "daycy_103_88_mine.zip", "w") as archive:
        archive.writestr("model.py", code)
    with ExitStack() as stack:
        delivered = of_canvas(opened(tmp_path, "", stack), "here", stack, is_packed=False)
    packed = canvas_feedback(dict.fromkeys(("leeann_101", "daycy_103", "none_9"), samples.half_done()), delivered)
    files = zipfile.ZipFile(io.BytesIO(packed))
    annotated = files.read("leeann_101_77_model-1.py").decode()

    assert sorted(map(canvas_reads, files.namelist())) == [("101", "77"), ("103", "88")]
    assert annotated.endswith(f"\n\n{code}")
    assert all(line.startswith("#") or not line for line in annotated.removesuffix(code).splitlines())
    assert "# Score: 41.66 of 100\n" in annotated
    assert samples.CANARY not in annotated
    inner = zipfile.ZipFile(io.BytesIO(files.read("daycy_103_88_mine.zip")))
    assert inner.namelist() == [FEEDBACK]


def handed_out(archive: bytes, number: int, where: Path) -> dict[str, object]:
    """What a student sees of a submission of that number, as Gradescope would run the autograder."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        opened.extractall(where / "source")
        modes = {entry.filename: entry.external_attr >> 16 for entry in opened.infolist()}
    assert modes["run_autograder"] & 0o111
    (where / "submission_metadata.json").write_text(json.dumps({"id": number, "users": [{"id": 7}]}))
    subprocess.run(
        [sys.executable, where / "source" / "run_autograder"],
        env=os.environ | {"AUTOGRADER_ROOT": str(where)},
        check=True,
        timeout=60,
    )
    found: dict[str, object] = json.loads((where / "results" / "results.json").read_text())
    return found


def test_gradescopes_autograder_hands_out_the_result_of_that_very_submission(
    samples: ModuleType, tmp_path: Path
) -> None:
    archive = gradescope_autograder({"11": samples.half_done(), "12": samples.starter()})
    found, none = (handed_out(archive, number, tmp_path / str(number)) for number in (11, 13))

    assert found["score"] == samples.half_done().score
    assert "tests" in found
    assert samples.CANARY not in json.dumps(found)
    assert (none["score"], "no verdict on your code" in str(none["output"])) == (0, True)


@pytest.fixture
def kept(samples: ModuleType, tmp_path: Path) -> Path:
    """A cohort as it lies after grading: two of Moodle's, one of which was not judged on an item."""
    half: Result = samples.perfect()
    item = replace(half.items[0], status=Status.NOT_JUDGED, score=0.0)
    results = {
        "Ada-Byron_101~0": replace(half, candidate=replace(half.candidate, name="Ada Byron_101")),
        "D_102~0": replace(
            half, candidate=replace(half.candidate, name="Dörte Müller_102"), items=(item, *half.items[1:])
        ),
    }
    for folder, result in results.items():
        (tmp_path / "out" / "candidates" / folder).mkdir(parents=True)
        (tmp_path / "out" / "candidates" / folder / "result.json").write_bytes(to_json(result))
    (tmp_path / "out" / "cohort.json").write_text("{}")
    (tmp_path / "worksheet.csv").write_text(MOODLE)
    return tmp_path / "out"


def sheets(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    """Exit code, output and messages of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["sheets", *map(str, arguments)])
    return (ended.value.code, *capsys.readouterr())


def test_the_command_writes_what_is_to_be_uploaded_and_says_who_got_nothing(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "upload"
    worksheet = tmp_path / "worksheet.csv"
    code, text, message = sheets(capsys, kept, "--for", "moodle", "--template", worksheet, "-o", out)

    assert code == 1, message
    assert "1 grade written" in text
    assert "1 not on every item judged, and given no grade:\n  Dörte Müller_102\n" in text
    assert "3 in the sheet without a grade, left as they were:\n  Dörte Müller (Participant 102)\n" in text
    assert sorted(path.name for path in out.iterdir()) == ["feedback.zip", "grades.csv"]
    assert len(zipfile.ZipFile(out / "feedback.zip").namelist()) == 1


def test_without_a_sheet_to_fill_in_the_command_says_that_no_grade_was_written(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "upload"
    code, text, _ = sheets(capsys, kept, "--for", "moodle", "-o", out)

    assert code == 1
    assert "No grade was written, for there is no --template: expected Moodle's grading worksheet" in text
    assert [path.name for path in out.iterdir()] == ["feedback.zip"]


def test_a_comment_says_no_more_than_the_exercise_shows(
    kept: Path, samples: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = replace(samples.right_up_to_rounding(), feedback=Feedback.SCORE)
    half = replace(half, candidate=replace(half.candidate, name="Ada Byron_101"))
    (kept / "candidates" / "Ada-Byron_101~0" / "result.json").write_bytes(to_json(half))
    sheets(capsys, kept, "--for", "moodle", "--template", tmp_path / "worksheet.csv", "-o", tmp_path / "upload")
    comment = table((tmp_path / "upload" / "grades.csv").read_bytes())[1][9]

    assert comment.startswith(f"{half.score:g} of 100 points.")
    assert "items right" not in comment


def test_the_command_says_what_does_not_go_together(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worksheet = tmp_path / "worksheet.csv"
    for arguments, said in (
        (("--for", "canvas"), "--for canvas needs --template, the CSV of Grades > Export, or --submissions"),
        (("--for", "moodle", "--assignment", "x"), "--assignment goes with --for canvas"),
        (("--for", "moodle", "--submissions", tmp_path), "--submissions goes with --for canvas"),
        (("--for", "canvas", "--submissions", kept), "holds no model.py and no .zip of anyone who was graded"),
        (("--for", "gradescope", "--template", worksheet), "Gradescope takes no sheet of grades"),
        (("--for", "gradescope"), "no hand-in of this cohort is called submission_NUMBER"),
        (("--for", "moodle", "--template", tmp_path / "no.csv"), "cannot read"),
        (("--for", "canvas", "--template", worksheet), "has not the columns of the gradebook that Canvas exports"),
    ):
        code, _, message = sheets(capsys, kept, *arguments, "-o", tmp_path / "upload")
        assert (code, said in message) == (2, True), message
        assert not (tmp_path / "upload").exists()
