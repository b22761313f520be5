"""A learner's folder: the starter and nothing of the rest, and hints one after the other."""

import errno
import json
import os
import re
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace as changed

from grader.cli import hint, start
from grader.cli.exercises import starter_digest
from grader.cli.main import parser
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise, StoredExercise
from grader.learner.hints import WHEN_STOPPED, right_now
from grader.learner.workspace import RECORD, Workspace, feedback_in, read_workspace, record_grade, write_workspace
from grader.result.record import Feedback, ItemResult, Lane, LoadFault, Result, Status
from grader.submission.history import FILE as HISTORY
from grader.submission.read import read_submission


@pytest.fixture
def workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A workspace of the built-in exercise."""
    directory = tmp_path / "mine"
    assert start.run(Namespace(directory=directory, exercise=None, minutes=None, feedback=None)) == 0
    capsys.readouterr()
    return directory


def shown(capsys: pytest.CaptureFixture[str], directory: Path, item: str, **options: Path | None) -> str:
    assert hint.run(Namespace(**{"directory": directory, "item": item, "exercise": None} | options)) == 0
    return " ".join(capsys.readouterr().out.split())


# Starting


def test_a_workspace_is_the_starter_and_nothing_else(workspace: Path, exercise: StoredExercise) -> None:
    names = {"README.md", "followups.py", "model.py", "test_visible.py", "train.py"}

    assert {*names, RECORD, HISTORY} == set(os.listdir(workspace))
    for name in names:
        assert (workspace / name).read_bytes() == (exercise.starter_directory / name).read_bytes()
    assert read_workspace(workspace) == Workspace(starter=starter_digest(exercise.starter()))


def test_an_empty_folder_becomes_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    start.run(Namespace(directory=tmp_path / "mine", exercise=None, minutes=None, feedback=None))

    assert (tmp_path / "mine" / "model.py").is_file()
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_there_is_not_overwritten(what: str, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    if what == "file":
        target.write_text("years of work")
    elif what == "folder":
        target.mkdir()
        (target / "model.py").write_text("years of work")
    else:
        target.symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(UsageError, match=r"mine' exists and is not an empty directory"):
        start.run(Namespace(directory=target, exercise=None, minutes=None, feedback=None))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no directory '.*absent'"):
        start.run(Namespace(directory=tmp_path / "absent" / "mine", exercise=None, minutes=None, feedback=None))
    with pytest.raises(UsageError, match="cannot write '/proc/mine'"):
        start.run(Namespace(directory=Path("/proc/mine"), exercise=None, minutes=None, feedback=None))
    with pytest.raises(UsageError, match="no such exercise"):
        start.run(Namespace(directory=tmp_path / "mine", exercise=tmp_path / "absent", minutes=None, feedback=None))
    assert os.listdir(tmp_path) == []


def test_what_can_be_done_in_a_workspace_is_said_one_below_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    start.run(Namespace(directory=Path("my work"), exercise=None, minutes=None, feedback=None))

    *lines, empty, begins = capsys.readouterr().out.splitlines()
    assert (empty, begins[:24]) == ("", "Its history begins with ")
    assert lines == [
        "A GPT with four bugs and two things to build",
        "Written to 'my work': README.md, followups.py, model.py, test_visible.py, train.py",
        "",
        "Read its README.md first. Then:",
        "",
        "  grader watch 'my work'         grades again whenever you save",
        "  grader hint 'my work'          which hints there are",
        "  grader hint 'my work' masking  the next hint for an item",
        "  grader grade 'my work'         the grade",
        "  grader history 'my work'       what was found when, and with which hints",
    ]


# Hints


def test_without_an_item_it_is_told_how_many_hints_of_each_were_shown(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(capsys, workspace, "position")
    shown(capsys, workspace, "position")
    before = (workspace / RECORD).read_bytes()
    options = parser().parse_args(["hint", str(workspace)])

    assert options.run(options) == 0
    assert capsys.readouterr().out.splitlines() == [
        "A GPT with four bugs and two things to build: hints",
        "",
        "  masking              Attention masking                  0 of 3 shown",
        "  position             Positional addition                2 of 3 shown",
        "  projection           Output projection                  0 of 3 shown",
        "  training-step        Training step                      0 of 3 shown",
        "  kv-cache             KV cache and incremental decoding  0 of 3 shown",
        "  classifier           Token classifier                   0 of 3 shown",
        "  multi-head           Multi-head attention               0 of 3 shown",
        "  numerical-stability  Numerical stability                0 of 3 shown",
        "  ragged-cache         Rows of different lengths          0 of 3 shown",
        "  loss-weighting       Weighting two losses               0 of 3 shown",
        "  position-schemes     Position schemes                   0 of 3 shown",
        "  own-tests            Tests of your own                  0 of 3 shown",
        "  does-not-run         Code that does not run             0 of 3 shown",
        "",
        f"For the next one: grader hint {workspace} ITEM",
    ]
    assert (workspace / RECORD).read_bytes() == before


def test_hints_come_one_by_one_and_the_last_one_stays(
    workspace: Path, exercise: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    hints = exercise.hints_of("masking")
    assert hints is not None

    for number, rest in ((1, "2 more"), (2, "1 more"), (3, "that was the last one"), (3, "that was the last one")):
        text = shown(capsys, workspace, "masking")
        assert text.startswith(f"Attention masking, hint {number} of 3: ")
        assert text.endswith(f"({rest})")
        assert [words in text for words in hints] == [number == 1, number == 2, number == 3]
    assert shown(capsys, workspace, "kv-cache").startswith("KV cache and incremental decoding, hint 1 of 3: ")
    assert read_workspace(workspace).hints == {"masking": 3, "kv-cache": 1}


def test_every_item_has_three_hints_and_none_of_them_is_the_fix(exercise: StoredExercise) -> None:
    starter = "".join((exercise.starter_directory / name).read_text() for name in exercise.reference)
    hidden = [line for text in exercise.reference.values() for line in text.splitlines() if line not in starter]
    for item in exercise.items:
        hints = exercise.hints_of(item)
        assert hints is not None
        assert len(set(hints)) == 3
        for text in hints:
            words = text.replace(",", "").replace(".", "").split()
            runs = [" ".join(words[i : i + 6]) for i in range(len(words) - 5)]
            assert [run for run in runs if any(run in line for line in hidden)] == []
    for bug in exercise.key.bugs:
        assert not any(code in text for text in bug.hints for code in (bug.before, bug.after) if code.strip())


def graded(
    exercise: Exercise, directory: Path, *, right: tuple[str, ...], faults: tuple[LoadFault, ...] = ()
) -> Result:
    """A result of the workspace as it is, in which these items are right, as far as the workspace keeps it."""
    items = tuple(
        ItemResult(
            id=name,
            title=item.title,
            status=Status.FIXED if name in right else Status.NOT_FIXED,
            score=0,
            max_score=item.points,
            lane=Lane.BITWISE,
            summary="",
            checks=(),
        )
        for name, item in exercise.items.items()
    )
    submission = read_submission(directory)
    result: Result = msgspec.convert(
        {
            "exercise": {"id": "x", "title": "x"},
            "candidate": {"name": "mine", "sha256": submission.sha256},
            "score": 0,
            "max_score": 100,
            "items": msgspec.to_builtins(items),
            "remaining_bugs": None,
            "environment": {
                **dict.fromkeys(("grader", "torch", "python", "platform", "cpu"), ""),
                "threads": 1,
                "packages": {},
                "seed": 1,
                "isolation": {"mode": "strict", "layers": [], "missing": []},
            },
            "load_faults": msgspec.to_builtins(faults),
            "asked": {"only": [], "thorough": False, "timeout": 10.0},
            "integrity": {"exercise": "", "grader": "", "environment": ""},
            "seconds": 1.0,
        },
        Result,
    )
    return result


def remember(workspace: Path, exercise: Exercise, result: Result) -> None:
    """As every command does that grades a workspace."""
    record_grade(workspace, read_submission(workspace), result, exercise.starter(), "grade")


def test_what_the_last_grade_found_right_gets_no_hint_until_the_files_change(
    workspace: Path, exercise: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(workspace, exercise, graded(exercise, workspace, right=("masking",)))

    assert shown(capsys, workspace, "masking").startswith("Attention masking: right already")
    assert shown(capsys, workspace, "does-not-run").startswith("Code that does not run: nothing stops it, by the last")
    assert "hint 1 of 3" in shown(capsys, workspace, "position")
    assert read_workspace(workspace).hints == {"position": 1}
    with (workspace / "train.py").open("a") as file:
        file.write("# one more line\n")
    assert "hint 1 of 3" in shown(capsys, workspace, "masking")


def test_code_that_runs_has_no_line_of_hints_for_code_that_does_not(
    workspace: Path, exercise: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    options = parser().parse_args(["hint", str(workspace)])
    fault = LoadFault(file="model.py", reason="SyntaxError: invalid syntax")
    remember(workspace, exercise, graded(exercise, workspace, right=(), faults=(fault,)))
    options.run(options)
    assert "does-not-run" in capsys.readouterr().out
    remember(workspace, exercise, graded(exercise, workspace, right=("masking",)))
    options.run(options)

    text = capsys.readouterr().out
    assert "does-not-run" not in text
    assert "right, 0 of 3 shown" in text


def test_an_item_alone_in_a_workspace_is_told_what_was_meant(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = parser().parse_args(["hint", "masking"])
    monkeypatch.chdir(workspace)
    with pytest.raises(UsageError, match=r"no such directory: 'masking'; .*; did you mean `grader hint \. masking`\?$"):
        options.run(options)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"no such directory: 'masking'; expected a workspace, .*makes it$"):
        options.run(options)


def test_hints_for_code_that_does_not_run_are_there_when_it_does_not(
    workspace: Path, exercise: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = LoadFault(file="model.py", reason="SyntaxError: invalid syntax")
    remember(workspace, exercise, graded(exercise, workspace, right=(), faults=(fault,)))

    texts = [shown(capsys, workspace, "does-not-run") for _ in range(3)]
    assert [hint in text for hint, text in zip(WHEN_STOPPED, texts, strict=True)] == [True] * 3


def test_a_grade_leaves_the_count_of_hints_and_a_damaged_record_alone(
    workspace: Path, exercise: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(capsys, workspace, "position")
    remember(workspace, exercise, graded(exercise, workspace, right=("masking",)))

    assert read_workspace(workspace).hints == {"position": 1}
    assert right_now(workspace) == {"masking", "does-not-run"}
    (workspace / RECORD).write_text("{")
    remember(workspace, exercise, graded(exercise, workspace, right=()))
    assert (workspace / RECORD).read_text() == "{"


def test_a_grade_of_some_items_keeps_what_is_known_of_the_others(workspace: Path, exercise: Exercise) -> None:
    whole = graded(exercise, workspace, right=("masking", "position"))
    remember(workspace, exercise, whole)
    some = msgspec.structs.replace(
        whole, items=tuple(item for item in graded(exercise, workspace, right=()).items if item.id == "position")
    )
    remember(workspace, exercise, some)

    assert right_now(workspace) == {"masking", "does-not-run"}


def test_where_no_history_can_be_read_nothing_is_known_to_be_right(workspace: Path, exercise: Exercise) -> None:
    remember(workspace, exercise, graded(exercise, workspace, right=("masking",)))
    (workspace / HISTORY).write_text("{")
    assert right_now(workspace) == frozenset()
    (workspace / HISTORY).unlink()
    assert right_now(workspace) == frozenset()


def test_an_unknown_item_is_told_with_those_there_are(workspace: Path) -> None:
    with pytest.raises(UsageError, match="no such item: 'mask'; this exercise has masking, position, projection"):
        hint.run(Namespace(directory=workspace, item="mask", exercise=None))
    assert read_workspace(workspace).hints == {}


@pytest.mark.parametrize("text", ["", "{", '{"hints": {"masking": 4}}', '{"hints": [], "more": 1}', "\udcff"])
def test_a_damaged_record_is_told_and_left_alone(text: str, workspace: Path) -> None:
    data = text.encode("utf-8", "surrogateescape")
    (workspace / RECORD).write_bytes(data)

    with pytest.raises(UsageError, match=r"\.grader\.json' is damaged .*; remove it to begin the hints anew"):
        hint.run(Namespace(directory=workspace, item="masking", exercise=None))
    assert (workspace / RECORD).read_bytes() == data


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_a_record_that_is_no_file_keeps_nobody_waiting(kind: str, tmp_path: Path) -> None:
    record = tmp_path / RECORD
    match kind:
        case "pipe":
            os.mkfifo(record)
        case "link":
            record.symlink_to("/dev/zero")
        case _:
            record.mkdir()

    with pytest.raises(UsageError, match=r"cannot read '.*\.grader\.json': it is (not a regular file|a symbolic link)"):
        read_workspace(tmp_path)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Workspace(exercise="/somewhere/ex", hints={"masking": 2})
    write_workspace(tmp_path, written)

    assert read_workspace(tmp_path) == written
    assert json.loads((tmp_path / RECORD).read_text()) == {"exercise": "/somewhere/ex", "hints": {"masking": 2}}


@pytest.mark.slow
def test_a_workspace_of_another_exercise_remembers_which(
    generated: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder: Path = generated(seed=3, bugs=2)  # type: ignore[operator]
    start.run(Namespace(directory=tmp_path / "mine", exercise=folder, minutes=None, feedback=None))

    assert re.search(rf"grader grade {tmp_path / 'mine'} +the grade\n", capsys.readouterr().out)
    assert read_workspace(tmp_path / "mine").exercise == str(folder)
    for item in ("bug-1", "bug-2", "kv-cache", "classifier"):
        assert "hint 1 of 3" in shown(capsys, tmp_path / "mine", item)
    with pytest.raises(UsageError, match="no such item: 'masking'; this exercise has bug-1, bug-2"):
        hint.run(Namespace(directory=tmp_path / "mine", item="masking", exercise=None))


@pytest.mark.parametrize("item", [None, "masking"])
def test_a_folder_that_is_no_workspace_gets_no_hints_and_nothing_is_written_into_it(
    item: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    options = parser().parse_args(["hint", str(tmp_path), *([item] if item else [])])

    with pytest.raises(
        UsageError, match=r"not a workspace: .* has no model\.py; expected a directory as `grader start`"
    ):
        options.run(options)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    assert capsys.readouterr().out == ""


def test_a_copy_of_the_starter_is_a_workspace_too(
    exercise: StoredExercise, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not everybody gets it by ``grader start``."""
    for name, text in exercise.starter().items():
        (tmp_path / name).write_text(text)

    assert shown(capsys, tmp_path, "masking").startswith("Attention masking, hint 1 of 3: ")
    assert shown(capsys, tmp_path, "masking").startswith("Attention masking, hint 2 of 3: ")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EMFILE])
def test_a_machine_without_room_is_not_the_users_fault(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("grader.files.write.tempfile.TemporaryDirectory", fail)

    with pytest.raises(CannotJudge, match=os.strerror(error)):
        start.run(Namespace(directory=tmp_path / "mine", exercise=None, minutes=None, feedback=None))


def test_a_workspace_shows_less_than_its_exercise_and_never_more(
    tmp_path: Path, exercise: StoredExercise, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "mine"
    start.run(Namespace(directory=directory, exercise=None, minutes=None, feedback="items"))
    strict = replace(exercise, rubric=changed(exercise.rubric, feedback="score"))

    assert "grader hint" not in capsys.readouterr().out
    assert feedback_in(directory, exercise) is Feedback.ITEMS
    assert feedback_in(directory, strict) is Feedback.SCORE
    assert strict.sha256 == exercise.sha256  # what is shown decides no verdict
    with pytest.raises(UsageError, match="no hints here: a learner is shown no more than feedback = 'items'"):
        hint.run(Namespace(directory=directory, item="masking", exercise=None))
