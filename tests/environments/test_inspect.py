"""The tasks for Inspect, from end to end: with a model that is a script, in a sandbox that is a folder."""

import gc
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="the extra `inspect-ai` is not installed")

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.log import EvalLog, read_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.util import SandboxUnavailableError
from inspect_ai.util._sandbox.local import LocalSandboxEnvironment

from grader import CannotJudge, UsageError, api, load_exercise
from grader.environments import episode, inspect_task, sandbox_files
from grader.environments.episode import NO_MODEL, agents_files, drawn_exercise
from grader.environments.inspect_task import COMPOSE, debug_gpt, debug_gpt_builtin, hand_in
from grader.exercise.model import Exercise, StoredExercise
from grader.injection.recipe import seeds_named

pytestmark = pytest.mark.filterwarnings("ignore")  # of Inspect's own, which leaves streams open


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EvalLog]:
    """``run(task, "cp ... model.py")``: have the model type these commands, and submit."""
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def act(task: Task, *commands: str) -> EvalLog:
        outputs = [ModelOutput.for_tool_call("mockllm", "bash", {"command": command}) for command in commands]
        outputs.append(ModelOutput.for_tool_call("mockllm", "submit", {"answer": "done"}))
        for output in outputs:  # without it Inspect counts tokens, for which it goes to the network
            output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        [log] = evaluate(task, model=get_model("mockllm/model", custom_outputs=outputs), display="none")
        gc.collect()  # what it leaves open is to warn here, and not in the middle of another test
        assert log.status == "success", log.error
        return log

    return act


@pytest.fixture
def drawn_one(anonymous: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    """The exercise that every seed builds."""

    def build(target: Path, **_: object) -> Exercise:
        shutil.copytree(anonymous, target)
        return load_exercise(target)

    monkeypatch.setattr(episode, "inject", build)
    return load_exercise(anonymous)


def copied(exercise: StoredExercise) -> list[str]:
    """Commands that put the reference in the place of the starter."""
    return [f"cp {shlex.quote(str(exercise.reference_directory / name))} ." for name in ("model.py", "train.py")]


def value(log: EvalLog) -> Any:
    assert log.samples is not None
    assert log.samples[0].scores is not None
    return log.samples[0].scores["rubric"].value


def metrics(log: EvalLog) -> dict[str, float]:
    assert log.results is not None
    return {score.name: score.metrics["mean"].value for score in log.results.scores}


def unscored(log: EvalLog) -> str:
    """Why a sample has no score, after seeing that it has none."""
    assert log.samples is not None
    assert log.samples[0].scores is not None
    score = log.samples[0].scores["rubric"]
    assert isinstance(score.value, float)
    assert math.isnan(score.value)
    assert score.reason == "scoring_failed"
    return str(score.explanation)


@pytest.mark.slow
def test_who_mends_everything_gets_everything(
    run: Callable[..., EvalLog], drawn_one: StoredExercise, tmp_path: Path
) -> None:
    log = run(debug_gpt(seeds=5, bugs=1, cache=str(tmp_path / "kept"), sandbox="local"), *copied(drawn_one))
    everything = dict.fromkeys(["score", "solved", *(f"bug-{n}" for n in (1, 2, 3, 4)), "kv-cache", "classifier"], 1.0)

    assert value(log) == everything
    assert metrics(log) == everything
    assert log.samples is not None
    assert log.samples[0].scores is not None
    assert (log.samples[0].scores["rubric"].metadata or {})["remaining_bugs"] == []


@pytest.mark.slow
def test_who_does_nothing_gets_nothing(run: Callable[..., EvalLog], exercise: Exercise) -> None:
    log = run(debug_gpt_builtin(sandbox="local"))

    assert value(log) == dict.fromkeys(["score", "solved", *exercise.items], 0.0)
    assert metrics(log) == value(log)


@pytest.mark.slow
def test_who_removes_the_model_gets_nothing_and_not_no_score(run: Callable[..., EvalLog]) -> None:
    log = run(debug_gpt_builtin(sandbox="local"), "rm model.py; mkdir model.py")

    assert set(value(log).values()) == {0.0}


COMMAND = """
import sys
from inspect_ai._cli.main import main
sys.argv = ["inspect", "eval", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
def test_a_solution_passes_through_the_built_in_task_without_a_model_and_a_network(
    exercise: StoredExercise, tmp_path: Path
) -> None:
    options = ["--model", "mockllm/model", "-T", "sandbox=local", "--display", "none", "--log-format", "json"]
    given = ["--solver", "grader/hand_in", "-S", f"folder={exercise.reference_directory}"]
    command = [sys.executable, "-c", COMMAND, "grader/debug_gpt_builtin", *given, *options]
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    ran = subprocess.run(command, cwd=tmp_path, env=os.environ | home, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [log] = map(read_eval_log, map(str, tmp_path.glob("logs/*.json")))

    assert log.status == "success"
    assert value(log) == dict.fromkeys(["score", "solved", *exercise.items], 1.0)
    assert log.stats.model_usage == {}


def test_what_is_handed_in_without_a_model_is_what_the_folder_holds(
    run: Callable[..., EvalLog], handed_in: list[dict[str, bytes]], exercise: StoredExercise
) -> None:
    task = debug_gpt_builtin(sandbox="local")
    evaluate(task, model="mockllm/model", solver=hand_in(str(exercise.reference_directory)), display="none")

    assert handed_in[0]["model.py"].decode() == exercise.reference["model.py"]
    assert handed_in[0]["train.py"].decode() == exercise.reference["train.py"]


@pytest.fixture
def handed_in(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bytes]]:
    """The files of each submission that is graded from now on, in place of its grade."""
    seen: list[dict[str, bytes]] = []

    def grade(files: dict[str, bytes], *_: object, **__: object) -> None:
        seen.append(files)
        raise CannotJudge("it was not to be graded")

    monkeypatch.setattr(api, "grade", grade)
    return seen


TRICKS = {
    "bad-name": "touch $'\\xff.py'",
    "pipe": "touch $'\\xff.py'; rm model.py; mkfifo model.py",
    "gone": 'rm -r "$PWD"',
    "link": "rm model.py; ln -s model.py model.py",
    "folder": "rm model.py; mkdir model.py",
}


@pytest.mark.parametrize("commands", TRICKS.values(), ids=TRICKS)
def test_whoever_hampers_the_reading_is_graded_by_what_is_read(
    commands: str, run: Callable[..., EvalLog], handed_in: list[dict[str, bytes]], exercise: Exercise
) -> None:
    log = run(debug_gpt_builtin(sandbox="local"), commands)
    starter = {name: text.encode() for name, text in api.starter_files(exercise).items()}

    assert unscored(log) == "Not judged: it was not to be graded"
    [files] = handed_in
    assert files["model.py"] == (
        starter["model.py"] if "model.py" not in commands and "PWD" not in commands else NO_MODEL
    )
    assert files.get("train.py") == (None if "PWD" in commands else starter["train.py"])


@pytest.mark.parametrize(
    "listing", [("false",), ("no-such-program",), pytest.param(("sleep", "1000"), marks=pytest.mark.slow)], ids=str
)
def test_where_the_files_cannot_be_listed_those_that_count_are_read(
    listing: tuple[str, ...],
    run: Callable[..., EvalLog],
    handed_in: list[dict[str, bytes]],
    exercise: Exercise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox_files, "LISTINGS", (listing,))
    monkeypatch.setattr(sandbox_files, "AGENT_SANDBOX_SECONDS", 5.0)
    run(debug_gpt_builtin(sandbox="local"))
    starter = api.starter_files(exercise)

    assert handed_in == [{name: starter[name].encode() for name in ("model.py", "train.py")}]


@pytest.mark.parametrize("error", [RuntimeError, SandboxUnavailableError, TimeoutError, ConnectionError])
def test_a_sandbox_that_does_not_answer_is_no_score(
    error: type[Exception], run: Callable[..., EvalLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise error("the container is gone")

    monkeypatch.setattr(LocalSandboxEnvironment, "exec", fails)
    monkeypatch.setattr(LocalSandboxEnvironment, "read_file", fails)
    log = run(debug_gpt_builtin(sandbox="local"))

    assert re.fullmatch(r"Not judged: the sandbox does not answer: \w+: the container is gone", unscored(log))


def test_a_file_that_the_sandbox_stumbles_over_is_missing(
    run: Callable[..., EvalLog], handed_in: list[dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_file = LocalSandboxEnvironment.read_file

    async def stumbles(self: LocalSandboxEnvironment, file: str, text: bool = True) -> Any:
        if file == "model.py":
            raise RuntimeError("an invalid archive")
        return await read_file(self, file, text)  # type: ignore[call-overload]

    monkeypatch.setattr(LocalSandboxEnvironment, "read_file", stumbles)
    run(debug_gpt_builtin(sandbox="local"))

    assert [files["model.py"] for files in handed_in] == [NO_MODEL]


def test_no_error_leaves_the_scorer(run: Callable[..., EvalLog], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(api, "grade", fails)

    assert unscored(run(debug_gpt_builtin(sandbox="local"))) == "Not judged: RuntimeError: can't start new thread"


def test_a_grader_that_cannot_judge_is_no_score(run: Callable[..., EvalLog], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise CannotJudge("nothing could be judged: the disk is full")

    monkeypatch.setattr(api, "grade", fails)
    log = run(debug_gpt_builtin(sandbox="local"))

    assert unscored(log) == "Not judged: nothing could be judged: the disk is full"
    assert log.results is not None
    assert {score.unscored_samples for score in log.results.scores} == {1}


@pytest.mark.slow
def test_an_item_that_could_not_be_judged_leaves_the_sample_without_a_score(
    run: Callable[..., EvalLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    from msgspec.structs import replace

    from grader.result.record import Status

    grade = api.grade

    def doubtful(*given: Any, **options: Any) -> Any:
        result = grade(*given, only=["projection"], **options)
        return replace(result, items=tuple(replace(item, status=Status.NOT_JUDGED) for item in result.items))

    monkeypatch.setattr(api, "grade", doubtful)

    assert "projection: not-judged" in unscored(run(debug_gpt_builtin(sandbox="local")))


def test_an_exercise_that_was_changed_since_it_was_handed_out_is_no_score(
    run: Callable[..., EvalLog], drawn_one: Exercise, tmp_path: Path
) -> None:
    task = debug_gpt(seeds="5", bugs=1, cache=str(tmp_path / "kept"), sandbox="local")
    [reference] = tmp_path.glob("kept/*/reference/model.py")
    reference.write_text(reference.read_text() + "# another\n")

    assert "is not the one that was handed out" in unscored(run(task))


# What the agent is handed


def test_the_agent_gets_the_starter_and_nothing_hidden_is_named(drawn_one: Exercise, tmp_path: Path) -> None:
    task = debug_gpt(seeds="41,42-43", bugs=1, cache=str(tmp_path / "kept"))
    samples = list(task.dataset)
    operators = [bug.operator for bug in drawn_one.key.bugs]
    seen = [str(samples[0].input), str(samples[0].target), *(samples[0].files or {}).values()]

    assert len(samples) == 3
    assert samples[0].files == agents_files(drawn_one)
    assert str(samples[0].input).endswith((samples[0].files or {})["README.md"])
    for secret in (*operators, str(tmp_path), "seed-41", drawn_one.sha256, drawn_one.reference["model.py"]):
        assert [text for text in seen if secret in text] == []


def test_agents_work_in_a_container_without_network_unless_told_otherwise(exercise: Exercise) -> None:
    sandbox = debug_gpt_builtin().sandbox

    assert sandbox is not None
    assert (sandbox.type, sandbox.config) == ("docker", str(COMPOSE))
    assert "network_mode: none" in COMPOSE.read_text()
    assert (COMPOSE.parent / "Dockerfile").is_file()


def test_agents_are_an_ordinary_user_there_to_whom_the_files_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    users: list[object] = []

    def seen(tool: Callable[..., Any]) -> Callable[..., Any]:
        def made(**given: Any) -> Any:
            users.append(given.get("user"))
            return tool(**given)

        return made

    for name in ("bash", "text_editor"):
        monkeypatch.setattr(inspect_task, name, seen(getattr(inspect_task, name)))
    samples = [next(iter(debug_gpt_builtin(sandbox=where).dataset)) for where in ("docker", "local")]

    assert users == ["agent", "agent", None, None]
    assert [sample.setup for sample in samples] == ["#!/bin/sh\nchown -R agent: /work\n", None]
    assert "useradd --create-home agent" in (COMPOSE.parent / "Dockerfile").read_text()


REGISTERED = """
from importlib.metadata import entry_points
from inspect_ai._util.registry import registry_info

(point,) = (point for point in entry_points(group="inspect_ai") if point.name == "grader")
tasks = point.load()
print(*(registry_info(task).name for task in (tasks.debug_gpt, tasks.debug_gpt_builtin)))
"""


def test_inspect_finds_the_tasks_by_their_names(tmp_path: Path) -> None:
    # Elsewhere: what an editable install leaves in a checkout is taken for another installation that is no package.
    ran = subprocess.run([sys.executable, "-c", REGISTERED], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["grader/debug_gpt", "grader/debug_gpt_builtin"]


# Exercises by seed


def test_an_exercise_is_built_once(drawn_one: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = drawn_exercise(1, 1, None, tmp_path)
    monkeypatch.setattr(episode, "inject", None)
    again = drawn_exercise(1, 1, None, tmp_path)

    assert first.sha256 == again.sha256 == drawn_one.sha256


def test_of_two_that_build_the_same_exercise_both_get_the_one_that_was_there_first(
    drawn_one: StoredExercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build: Callable[..., Exercise] = vars(episode)["inject"]  # drawn_one has put it there
    monkeypatch.setattr(episode, "grader_digest", lambda: "0" * 64)
    folder = tmp_path / "seed-1-bugs-1-any-000000000000"

    def slowly(target: Path, **given: Any) -> Exercise:
        assert not folder.exists()  # none is seen before it is complete
        monkeypatch.setattr(episode, "inject", build)
        drawn_exercise(1, 1, None, tmp_path)
        (folder / "first").touch()
        return build(target, **given)

    monkeypatch.setattr(episode, "inject", slowly)
    second = drawn_exercise(1, 1, None, tmp_path)

    assert second.sha256 == drawn_one.sha256
    assert second.starter_directory == folder / "starter"
    assert (folder / "first").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_where_nothing_can_be_kept_is_said(drawn_one: Exercise, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotJudge, match=r"cannot write .*file"):
        drawn_exercise(1, 1, None, tmp_path / "file" / "kept")


@pytest.mark.parametrize(
    ("bugs", "difficulty", "complaint"),
    [(1, "../../x", "difficulty='../../x'; expected one of"), ("1/2", None, "bugs='1/2'"), (7, None, "7 bugs")],
)
def test_what_cannot_be_built_is_refused_before_anything_is_looked_up(
    bugs: Any, difficulty: Any, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=complaint):
        drawn_exercise(1, bugs, difficulty, tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seeds"),
    [(7, [7]), ("7", [7]), ("0-3", [0, 1, 2, 3]), (["0-1", "7"], [0, 1, 7]), ("3, 5-6", [3, 5, 6]), ([2, 1], [2, 1])],
    ids=str,
)
def test_seeds_are_numbers_and_ranges(text: object, seeds: list[int]) -> None:
    assert seeds_named(text) == seeds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x", "expected numbers"),
        ("-1", "expected numbers"),
        ("1-", "expected numbers"),
        ("3-1", "names none"),
        ("1,1", "twice"),
    ],
    ids=str,
)
def test_what_names_no_seeds_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        seeds_named(text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"isolation": "none"}, "isolation='none'; expected 'strict' or 'process'"),
        ({"at_once": 0}, "at_once=0; expected 1 or more"),
    ],
)
def test_how_to_grade_is_said_to_the_task_and_looked_at_before_anything_is_run(
    arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        debug_gpt_builtin(**arguments)


@pytest.mark.slow
def test_submissions_are_isolated_as_the_task_says(
    run: Callable[..., EvalLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    grade = api.grade

    def noted(*arguments: Any, **options: Any) -> Any:
        asked.append(options["isolation"])
        return grade(*arguments, only=["projection"], **options)

    monkeypatch.setattr(api, "grade", noted)
    log = run(debug_gpt_builtin(sandbox="local", isolation="process"), "true")

    assert asked == ["process"]
    assert log.samples is not None
    assert log.samples[0].scores is not None
