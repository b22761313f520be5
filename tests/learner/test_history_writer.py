"""A workspace writes down its start, its grades and its hints, and what changed from one grade to the next."""

import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from msgspec.structs import replace

from grader.cli import hint, history, start
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import StoredExercise
from grader.learner.workspace import LAST, TimeLimit, read_workspace, record_grade, time_limit, write_workspace
from grader.limits import HISTORY_MAX_BYTES
from grader.result.record import Result, Timeline
from grader.submission.history import FILE, Graded, Hinted, Started, parse, timeline_of
from grader.submission.read import submission_of


@pytest.fixture
def workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    directory = tmp_path / "mine"
    start.run(Namespace(directory=directory, exercise=None, minutes=90, feedback=None))
    capsys.readouterr()
    return directory


def timeline(directory: Path) -> Timeline:
    found = timeline_of((directory / FILE).read_bytes())
    assert found is not None
    return found


def grade(directory: Path, files: Mapping[str, str], result: Result, starter: Mapping[str, str]) -> None:
    record_grade(directory, submission_of("mine", files), result, starter, "grade")


def test_a_workspace_begins_with_its_clock(workspace: Path, exercise: StoredExercise) -> None:
    (line,) = parse((workspace / FILE).read_bytes()).lines
    assert isinstance(line, Started)

    assert (line.minutes, line.exercise, line.previous) == (90, exercise.rubric.id, "")


def test_no_two_workspaces_begin_alike(workspace: Path, tmp_path: Path) -> None:
    start.run(Namespace(directory=tmp_path / "other", exercise=None, minutes=90, feedback=None))

    assert timeline(workspace).first != timeline(tmp_path / "other").first


def test_each_hint_is_written_once_whoever_shows_it(workspace: Path) -> None:
    for _ in range(5):
        hint.run(Namespace(directory=workspace, item="masking", exercise=None))
    record = read_workspace(workspace)
    write_workspace(workspace, msgspec.structs.replace(record, hints=record.hints | {"position": 1}))

    lines = parse((workspace / FILE).read_bytes())
    assert [(line.item, line.number) for line in lines.lines if isinstance(line, Hinted)] == [
        ("masking", 1), ("masking", 2), ("masking", 3), ("position", 1),
    ]  # fmt: skip
    assert lines.troubles == ()


def test_a_grade_says_what_changed_since_the_one_before(workspace: Path, samples: ModuleType) -> None:
    starter = {"model.py": "a\nb\nc", "train.py": "t"}
    first, second = starter | {"model.py": "a\nB\nc"}, starter | {"model.py": "a\nB\nC", "help.py": "h"}
    for files in (first, second, second):
        grade(workspace, files, samples.starter(), starter)

    lines = parse((workspace / FILE).read_bytes())
    grades = [line for line in lines.lines if isinstance(line, Graded)]
    assert lines.troubles == ()
    assert [[(each.file, each.added, each.removed) for each in line.changes] for line in grades] == [
        [("model.py", 1, 1)],
        [("help.py", 1, 0), ("model.py", 1, 1)],
        [],
    ]
    assert "-c\n+C" in grades[1].changes[1].diff


def test_follow_ups_that_nobody_has_begun_are_not_written(workspace: Path, samples: ModuleType) -> None:
    grade(workspace, {"model.py": "a"}, samples.followed_up(), {"model.py": "a"})

    assert [story.id for story in timeline(workspace).items][-1] == "heads"


def test_a_full_history_says_so_and_is_left_as_it_is(workspace: Path, samples: ModuleType) -> None:
    (workspace / FILE).write_bytes(b"x" * HISTORY_MAX_BYTES)

    with pytest.raises(CannotJudge, match=r"the history is full \(4 MiB\)"):
        grade(workspace, {"model.py": "a"}, samples.starter(), {"model.py": "a"})
    assert (workspace / FILE).stat().st_size == HISTORY_MAX_BYTES


def test_of_a_long_history_only_the_numbers_of_lines_are_kept(workspace: Path, samples: ModuleType) -> None:
    (workspace / FILE).write_bytes(b"x" * (HISTORY_MAX_BYTES // 2) + b"\n")
    starter = {"model.py": "a", "train.py": "t"}
    grade(workspace, starter | {"model.py": "b"}, samples.starter(), starter)

    (line,) = parse((workspace / FILE).read_bytes()).lines
    assert isinstance(line, Graded)
    assert [(change.added, change.removed, change.diff) for change in line.changes] == [(1, 1, "")]


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_not_written_to(kind: str, workspace: Path, samples: ModuleType, tmp_path: Path) -> None:
    (workspace / FILE).unlink()
    (tmp_path / "other").write_text("years of work")
    match kind:
        case "pipe":
            os.mkfifo(workspace / FILE)
        case "link":
            (workspace / FILE).symlink_to(tmp_path / "other")
        case _:
            (workspace / FILE).mkdir()

    assert history.record(workspace, submission_of("m", {"model.py": "a"}), samples.starter(), {}, "grade") != ()
    assert (tmp_path / "other").read_text() == "years of work"


def test_a_line_that_was_torn_off_does_not_swallow_the_next(workspace: Path, samples: ModuleType) -> None:
    with (workspace / FILE).open("ab") as file:
        file.write(b'{"what":"gra')
    grade(workspace, {"model.py": "a"}, samples.starter(), {"model.py": "a"})

    assert timeline(workspace).grades == 1
    assert timeline(workspace).troubles == ("line 2 cannot be read",)


def test_what_was_kept_of_the_last_grade_may_be_anything(workspace: Path, samples: ModuleType) -> None:
    (workspace / LAST).write_bytes(b"\xff[")
    grade(workspace, {"model.py": "b"}, samples.starter(), {"model.py": "a"})

    assert timeline(workspace).events[0].changes[0].file == "model.py"


# grader history


def test_the_history_is_printed_with_the_items_titles(
    workspace: Path, samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    hint.run(Namespace(directory=workspace, item="masking", exercise=None))
    grade(workspace, {"model.py": "a"}, samples.perfect(), {"model.py": "a"})
    capsys.readouterr()

    assert history.run(Namespace(directory=workspace, exercise=None)) == 0
    out = capsys.readouterr().out
    assert "1 grade and 1 hint in 0 min" in out
    assert "the clock was set to 90 minutes." in " ".join(out.split())
    assert "  Attention masking                        after 0 min               1        1\n" in out
    assert "hint 1 for Attention masking" in out
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_a_broken_history_is_exit_code_1(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hint.run(Namespace(directory=workspace, item="masking", exercise=None))
    data = (workspace / FILE).read_bytes()
    (workspace / FILE).write_bytes(data.replace(b'"minutes":90', b'"minutes":99'))
    capsys.readouterr()

    assert history.run(Namespace(directory=workspace, exercise=None)) == 1
    assert "does not hold together: line 2 does not follow the line before it" in " ".join(
        capsys.readouterr().out.split()
    )


def test_after_a_history_was_deleted_it_begins_anew_and_says_so(
    workspace: Path, samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / FILE).unlink()
    hint.run(Namespace(directory=workspace, item="masking", exercise=None))
    grade(workspace, {"model.py": "a"}, samples.starter(), {"model.py": "a"})
    capsys.readouterr()

    assert history.run(Namespace(directory=workspace, exercise=None)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "begins anew, without the start of the workspace: an earlier one was deleted, or there was none." in said
    assert "whether a clock was set is not known" in said
    assert "does not hold together" not in said


def test_a_folder_without_a_history_is_told(tmp_path: Path, exercise: StoredExercise) -> None:
    for name, text in exercise.starter().items():
        (tmp_path / name).write_text(text)

    with pytest.raises(UsageError, match=r"no history in .*; `grader start` makes a workspace with one"):
        history.run(Namespace(directory=tmp_path, exercise=None))
    with pytest.raises(UsageError, match="no such directory"):
        history.run(Namespace(directory=tmp_path / "absent", exercise=None))


def test_late_grades_are_marked(workspace: Path, samples: ModuleType) -> None:
    from grader.report.timeline_words import render_timeline

    late: Result = samples.half_done()
    assert late.timeline is not None
    text = render_timeline(replace(late.timeline, troubles=()), {})

    assert "the clock was set to 45 minutes; 1 grade after that." in " ".join(text.split())
    assert "(after the time)" in text


def test_the_clock_ends_so_many_minutes_after_the_start(workspace: Path, tmp_path: Path) -> None:
    (line,) = parse((workspace / FILE).read_bytes()).lines

    assert time_limit(workspace) == TimeLimit(90, line.at.timestamp() + 90 * 60)
    assert time_limit(tmp_path) is None
