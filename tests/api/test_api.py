"""The library as its users meet it: what it offers, what it asks for, and what it raises."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import grader
from grader import CannotJudge, Exercise, Grader, UsageError, grade, inject, load_exercise, starter_files
from grader.exercise.model import StoredExercise
from grader.injection.build import Built
from grader.result.record import Result, Status

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"only": ["projection"], "explain": False, "seed": 1}

CONSUMER = """\
from pathlib import Path

from grader import CannotJudge, Exercise, Grader, GraderError, Result, UsageError
from grader import grade, inject, load_exercise, starter_files

exercise: Exercise = load_exercise()
files: dict[str, str] = starter_files(exercise)
result: Result = grade(files, exercise, only=("masking",), followups=False, seed=1, isolation="strict", timeout=5)
result = grade("submission")
result = grade(Path("submission"), thorough=True, explain=False)
reward: float | None = result.reward
judged: bool = result.judged
per_item: dict[str, float] = {item.id: item.score / item.max_score for item in result.items}
fresh: Exercise = inject("ex", seed=7, bugs=3, difficulty="easy", keep_extensions=True)
fresh = inject(seed=7, operators=["mask-flipped"], source="reference")
try:
    with Grader(exercise, shared=True) as many:
        result = many.grade(files, only=["masking"])
except (UsageError, CannotJudge) as error:
    parent: GraderError = error
"""


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


# What there is


def test_importing_the_package_loads_none_of_it(tmp_path: Path) -> None:
    code = "import sys, grader; print(sorted(name for name in sys.modules if name.startswith(('grader', 'typing'))))"

    assert run("-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", cwd=tmp_path).stdout == (
        "['grader']\n"
    )


@pytest.mark.parametrize("name", grader.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    offered = getattr(grader, name)

    assert name in dir(grader)
    assert name == "__version__" or len(offered.__doc__) > 10


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'grader' has no attribute 'grades'"):
        grader.grades  # noqa: B018


def test_every_name_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "library.md").read_text("utf-8")

    assert [name for name in grader.__all__ if f"`{name}" not in page and name != "__version__"] == []


@pytest.mark.slow
def test_code_that_uses_it_is_type_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER)
    (tmp_path / "wrong.py").write_text('from grader import grade\n\ngrade("x", seed="1").score.upper()\n')
    strict = ("-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", "--config-file=")
    right, wrong = (run(*strict, tmp_path / name, cwd=ROOT) for name in ("consumer.py", "wrong.py"))

    assert (right.returncode, right.stdout) == (0, "Success: no issues found in 1 source file\n")
    assert wrong.returncode == 1
    assert 'Argument "seed" to "grade" has incompatible type "str"' in wrong.stdout
    assert '"float" has no attribute "upper"' in wrong.stdout


# Exercises


def test_the_built_in_exercise_is_the_one_without_a_directory(exercise: Exercise) -> None:
    assert load_exercise().sha256 == exercise.sha256


def test_an_exercise_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no such exercise: 'absent'"):
        load_exercise("absent")


def test_the_starter_is_what_a_learner_is_handed(exercise: Exercise) -> None:
    committed = {name: (ROOT / "candidate" / name).read_text("utf-8") for name in starter_files(exercise)}

    assert sorted(committed) == ["README.md", "followups.py", "model.py", "test_visible.py", "train.py"]
    assert starter_files(exercise) == committed


@pytest.fixture
def copied(exercise: StoredExercise, tmp_path: Path) -> Exercise:
    """The built-in exercise with a starter of its own."""
    starter = tmp_path / "starter"
    starter.mkdir()
    for name, text in starter_files(exercise).items():
        (starter / name).write_text(text, "utf-8")
    return replace(exercise, starter_directory=starter)


def test_what_else_lies_beside_the_starter_is_not_handed_out(copied: StoredExercise, exercise: StoredExercise) -> None:
    (copied.starter_directory / "solution.py").write_text("secret = 1\n")
    (copied.starter_directory / "key.json").symlink_to(exercise.reference_directory / "key.json")
    (copied.starter_directory / "core").write_bytes(b"\xff")

    assert starter_files(copied) == starter_files(exercise)


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to(ROOT / "reference" / "model.py")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (Path.unlink, "model.py is missing"),
        (linked, "model.py cannot be handed out: it is a symbolic link"),
        (lambda path: path.write_bytes(b"x = '\xff'"), r"model.py is not UTF-8 text \(byte 5\)"),
        (lambda path: path.write_bytes(b" " * (1 << 21)), "model.py is larger than 1 MiB"),
        (lambda path: path.parent.rename(path.parents[1] / "other"), "cannot read .*: No such file or directory"),
    ],
    ids=["missing", "link", "no-text", "large", "no-folder"],
)
def test_a_starter_that_cannot_be_handed_out_is_a_usage_error(
    spoil: Callable[[Path], None], complaint: str, copied: StoredExercise
) -> None:
    spoil(copied.starter_directory / "model.py")

    with pytest.raises(UsageError, match=complaint):
        starter_files(copied)


@pytest.fixture(scope="module")
def injected(tmp_path_factory: pytest.TempPathFactory) -> Exercise:
    return inject(tmp_path_factory.mktemp("injected") / "ex", seed=3, operators=["mask-flipped"])


@pytest.mark.slow
def test_an_exercise_is_built_written_and_graded(injected: StoredExercise) -> None:
    folder = injected.starter_directory.parent

    assert load_exercise(folder).sha256 == injected.sha256
    assert [bug.operator for bug in injected.key.bugs] == ["mask-flipped"]
    assert starter_files(injected) == {path.name: path.read_text("utf-8") for path in (folder / "starter").iterdir()}
    assert [grade(files, injected, explain=False).reward for files in (folder / "starter", injected.reference)] == [
        0,
        1,
    ]


@pytest.mark.slow
def test_an_exercise_is_found_and_hidden_where_one_stands(
    injected: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(injected.starter_directory.parents[1])

    assert grade("ex/starter", load_exercise("ex"), only=["bug-1"], explain=False).reward == 0


@pytest.mark.slow
def test_without_a_directory_it_is_kept_in_memory(injected: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    as_built = Exercise(injected.reference, injected.visible_tests, injected.rubric, injected.key)
    monkeypatch.setattr("grader.injection.build.build", lambda *_: Built(as_built, injected.starter(), ()))
    kept = inject(seed=3, operators=["mask-flipped"])

    assert starter_files(kept) == starter_files(injected)
    assert grade(starter_files(kept), kept, only=["bug-1"], explain=False).reward == 0


def test_a_recipe_that_contradicts_itself_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bugs=2 with operators=\('mask-flipped',\); expected one of the two"):
        inject(seed=1, bugs=2, operators=["mask-flipped"])
    with pytest.raises(UsageError, match="7 bugs asked for; an exercise has 1 to 6"):
        inject(seed=1, bugs=7)
    with pytest.raises(UsageError, match=r"exists; choose another name, or .* \(in Python force=True\)"):
        inject(tmp_path, seed=1)
    with pytest.raises(UsageError, match="operators='mask-flipped'; expected a list of names, such as"):
        inject(seed=1, operators="mask-flipped")
    with pytest.raises(UsageError, match="directory=3; expected a directory"):
        inject(3, seed=1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="difficulty='nonsense'; expected one of 'easy'"):
        inject(seed=1, difficulty="nonsense")  # type: ignore[arg-type]


# Grades


@pytest.mark.slow
def test_a_directory_and_its_texts_get_the_grade_that_the_command_gives(
    grade_files: Callable[..., Result], exercise: Exercise
) -> None:
    directory = ROOT / "reference"
    texts = {path.name: path.read_text("utf-8") for path in directory.glob("*.py")}
    results = [grade(directory, **QUICK)]  # type: ignore[arg-type]
    with Grader() as grader:
        results += [grader.grade(each, **QUICK) for each in (str(directory), texts)]  # type: ignore[arg-type]
    command = grade_files(exercise.reference, only=("projection",), explain=False)

    assert [result.reward for result in results] == [1.0] * 3
    assert {result.candidate.sha256 for result in results} == {command.candidate.sha256}
    assert {result.candidate.tests for result in results} == {("test_end_to_end.py",)}
    assert {result.environment.seed for result in results} == {1}
    assert [result.environment.isolation.mode for result in results] == [
        "strict" if sys.platform == "linux" else "process"
    ] * 3


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no model.py in the files given; expected a directory that holds model.py and train.py"),
        ({"Model.py": ""}, "no model.py in the files given, only 'Model.py'"),
        ({"model.py": "", "train.py": 3}, r"submission\['train.py'\]=3; expected the file's content, as text or bytes"),
        ({3: ""}, "submission has a file 3; expected names such as 'model.py'"),
        (b"x", "submission=b'x'; expected a directory, as text or a path"),
        ("a\0b", "submission='a.*b'; expected a directory"),
        (None, "submission=None; expected a directory"),
    ],
    ids=["nothing", "other-case", "number", "number-as-name", "bytes", "zero-byte", "none"],
)
def test_what_is_no_submission_is_a_usage_error(files: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        grade(files)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed=-1; expected a whole number from 0"),
        ({"timeout": float("nan")}, "timeout=nan; expected a number of seconds above 0"),
        ({"isolation": "none"}, "isolation='none'; expected 'strict', 'process' or None"),
        ({"only": ["masks"]}, "no such item: 'masks'; this exercise has masking, "),
        ({"seed": 1.5}, "seed=1.5; expected a whole number from 0"),
        ({"timeout": "3"}, "timeout='3'; expected a number of seconds above 0"),
        ({"only": "masking"}, r"only='masking'; expected a list of names, such as \['masking'\]"),
        ({"only": [3]}, r"only=\[3\]; expected a list of names"),
        ({"exercise": "ex"}, r"exercise='ex'; expected an Exercise, as load_exercise\(directory\) gives"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_is_a_usage_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        grade(ROOT / "candidate", **options)  # type: ignore[arg-type]


def test_a_machine_that_fails_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr("grader.sandbox.client.subprocess.Popen", fails)
    with pytest.raises(CannotJudge, match="nothing could be judged: no more processes"):
        grade(ROOT / "candidate")


# Rewards


@pytest.mark.slow
def test_a_reward_is_the_share_of_the_points_or_nothing_at_all(grade_files: Callable[..., Result]) -> None:
    starter = {name: (ROOT / "candidate" / name).read_text("utf-8") for name in ("model.py", "train.py")}
    result = grade_files(starter, only=("masking", "projection"), explain=False)
    first, second = result.items
    change = msgspec.structs.replace
    half = change(result, items=(change(first, score=first.max_score), second))
    unknown = change(result, items=(change(first, status=Status.NOT_JUDGED), second))

    assert (result.reward, half.reward, unknown.reward) == (0.0, 0.5, None)
