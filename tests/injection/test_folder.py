"""An exercise is written as a folder that reads back as it was, in the place of another exercise, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from grader.checks.catalogue import CHECKS
from grader.errors import UsageError
from grader.exercise.key import Certificate, Difficulty, Key, Row
from grader.exercise.model import Exercise, Item, Rubric, StoredExercise, builtin_exercise, read_exercise
from grader.injection.build import Built
from grader.injection.folder import check_target, contents, to_json, to_toml, write
from grader.injection.observe import Observation
from grader.injection.rubric_and_key import rubric
from mutations.operator import Category

FILES = {
    "starter": ["README.md", "followups.py", "model.py", "test_visible.py", "train.py"],
    "reference": ["exercise.toml", "followups.py", "key.json", "model.py", "train.py"],
}


@pytest.fixture(scope="module")
def built(exercise: StoredExercise) -> Built:
    """The built-in exercise, as if it had just been made."""
    starter = {name: (exercise.starter_directory / name).read_text("utf-8") for name in exercise.reference}
    return Built(exercise, starter, ())


def everything(directory: Path) -> dict[str, bytes]:
    """Every file under a directory, hidden ones too."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An earlier exercise in the place of the one to be written."""
    (tmp_path / "ex" / "reference").mkdir(parents=True)
    (tmp_path / "ex" / "reference" / "key.json").write_text("{}")
    (tmp_path / "ex" / "mine.txt").write_text("of an earlier exercise")
    return tmp_path / "ex"


# Where it may be written


def test_a_free_name_in_a_directory_is_a_target(tmp_path: Path) -> None:
    check_target(tmp_path / "ex", force=False)
    check_target(tmp_path / "ex", force=True)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("force", [False, True], ids=["plain", "force"])
def test_a_missing_parent_is_refused(force: bool, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no directory '.*absent'"):
        check_target(tmp_path / "absent" / "ex", force=force)


def test_what_exists_is_refused_without_force(old: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for target in (old, tmp_path / "file", tmp_path / "dangling", tmp_path):
        with pytest.raises(UsageError, match="exists; choose another name, or replace it with --force"):
            check_target(target, force=False)


def test_force_replaces_exercises_and_nothing_else(old: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("")
    (tmp_path / "link").symlink_to(old)
    for name in ("file", "folder", "link"):
        with pytest.raises(UsageError, match=f"{name}' is not an exercise, and nothing else is replaced"):
            check_target(tmp_path / name, force=True)

    check_target(old, force=True)


def test_where_nothing_can_be_written_is_found_before_the_work_is_done() -> None:
    with pytest.raises(UsageError, match="cannot write '/proc/ex'"):
        check_target(Path("/proc/ex"), force=False)


# What is written


def test_it_reads_back_as_it_was(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path / "ex")
    read = read_exercise(tmp_path / "ex")

    assert read.rubric == built.exercise.rubric
    assert read.key == built.exercise.key
    assert read.reference == built.exercise.reference


def test_the_learner_gets_four_files_and_the_grader_four(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path / "ex")

    assert {name: sorted(os.listdir(tmp_path / "ex" / name)) for name in os.listdir(tmp_path / "ex")} == FILES
    assert os.listdir(tmp_path) == ["ex"]
    for name, text in built.starter.items():
        assert (tmp_path / "ex" / "starter" / name).read_text("utf-8") == text


def test_the_folder_can_be_read_by_whom_the_umask_lets(built: Built, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(built, tmp_path / "ex")
    finally:
        os.umask(before)

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "ex").rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "ex", tmp_path / "ex" / "starter")} == {0o755}


def test_no_time_tells_which_file_was_edited(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path / "ex")
    paths = [tmp_path / "ex", *(tmp_path / "ex").rglob("*")]

    assert len(paths) == 1 + 2 + 10
    assert len({path.stat().st_mtime_ns for path in paths}) == 1


def test_the_same_exercise_is_the_same_bytes(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path / "one")
    write(built, tmp_path / "two")

    assert everything(tmp_path / "one") == everything(tmp_path / "two")
    assert everything(tmp_path / "one") == {name: text.encode() for name, text in contents(built).items()}


def seen(*killed_by: str) -> Observation:
    return Observation(shows_in=("forward",), killed_by=killed_by, crashes_in=(), effect=0.5, detections=(1,))


RUBRICS = {
    "built-in": builtin_exercise().rubric,
    "one-bug": rubric("gpt-1", "A GPT with 1 bug", [(Category.MASKING, seen("future-is-hidden"))], (), CHECKS),
    "six-bugs": rubric(
        "gpt-6",
        'A "GPT"\nwith six',
        [(Category.POSITION, seen("order-matters", "future-is-hidden"))] * 6,
        [item for item in builtin_exercise().rubric.item if item.kind == "extension"],
        CHECKS,
    ),
    "uneven": Rubric(
        id="x",
        title="Ü",
        comparisons=("forward", "training"),
        item=(Item(id="a", title="A", kind="bug", points=12.5, earns={"order-matters": 12.5}, exact=0),),
    ),
}


@pytest.mark.parametrize("name", RUBRICS)
def test_a_rubric_as_toml_reads_back(name: str) -> None:
    read = msgspec.toml.decode(to_toml(RUBRICS[name]), type=Rubric)

    assert read == RUBRICS[name]
    assert ".0\n" not in to_toml(RUBRICS[name])
    assert "[item.takes]\n\n" not in f"{to_toml(RUBRICS[name])}\n"  # a table with nothing in it


def test_a_key_as_json_reads_back_with_all_that_it_can_hold(exercise: Exercise) -> None:
    features = {"visibility": 2, "killers": 1}
    bug = msgspec.structs.replace(
        exercise.key.bugs[0],
        killed_by=("order-matters",),
        effect=1.25e-5,
        difficulty=Difficulty(score=3, bucket="easy", features=features),
    )
    row = Row(left=("masking",), statuses={"masking": "not-fixed"}, remaining=None, scores={"masking": 0.5})
    proof = Certificate(grader="1", torch="2", cpu="a", seeds=(1, 2**53 - 1), rows=(row,))
    key = Key(bugs=(bug,), stubs=exercise.key.stubs, hashes={"model.py": "0"}, certificate=proof)

    assert msgspec.json.decode(to_json(key), type=Key) == key
    assert to_json(key) == to_json(msgspec.json.decode(to_json(key), type=Key))


# All of it or nothing


class Interrupted(BaseException):
    """As a signal would: no ``Exception``."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """``interrupt(2, "after")``: a signal arrives right after the second rename."""

    def at(number: int, moment: str) -> None:
        rename, calls = Path.rename, []

        def interrupted(path: Path, target: Path) -> Path:
            calls.append(target)
            if len(calls) == number and moment == "before":
                raise Interrupted
            done = rename(path, target)
            if len(calls) == number:
                raise Interrupted
            return done

        monkeypatch.setattr(Path, "rename", interrupted)

    return at


@pytest.mark.parametrize(("number", "moment"), [(1, "before"), (1, "after"), (2, "before")])
def test_interrupted_while_it_replaces_the_old_one_is_still_there(
    number: int, moment: str, interrupt: Callable[[int, str], None], built: Built, old: Path, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    interrupt(number, moment)

    with pytest.raises(Interrupted):
        write(built, old)

    assert everything(tmp_path) == before
    assert os.listdir(tmp_path) == ["ex"]


def test_interrupted_when_all_is_done_the_new_one_is_there_whole(
    interrupt: Callable[[int, str], None], built: Built, old: Path, tmp_path: Path
) -> None:
    interrupt(2, "after")

    with pytest.raises(Interrupted):
        write(built, old)

    assert everything(old) == {name: text.encode() for name, text in contents(built).items()}
    assert os.listdir(tmp_path) == ["ex"]


@pytest.mark.parametrize("replaces", [True, False], ids=["replaces", "new"])
def test_interrupted_while_it_is_filled_nothing_of_it_is_left(
    replaces: bool, monkeypatch: pytest.MonkeyPatch, built: Built, old: Path, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    utime, calls = os.utime, []

    def interrupted(path: Path, times: tuple[float, float]) -> None:
        calls.append(path)
        if len(calls) == 4:
            raise Interrupted
        utime(path, times)

    monkeypatch.setattr(os, "utime", interrupted)
    with pytest.raises(Interrupted):
        write(built, old if replaces else tmp_path / "new")

    assert len(calls) == 4
    assert everything(tmp_path) == before
    assert os.listdir(tmp_path) == ["ex"]


def test_force_leaves_nothing_of_the_old_one(built: Built, old: Path, tmp_path: Path) -> None:
    write(built, old)

    assert everything(old) == {name: text.encode() for name, text in contents(built).items()}
    assert os.listdir(tmp_path) == ["ex"]
