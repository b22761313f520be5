"""The server for OpenEnv, behind its own app and client: with an agent that is a script."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openenv", reason="the extra `openenv` is not installed; `make environments` tests with it")

import uvicorn
from fastapi import FastAPI
from openenv.core import GenericEnvClient

from grader import CannotJudge, Exercise, UsageError, api, load_exercise
from grader.environments import episode
from grader.environments.episode import agents_files
from grader.environments.exported import openenv_folder
from grader.environments.openenv_client import ExerciseAction, ExerciseEnv
from grader.environments.openenv_server import ExerciseEnvironment, main, make_app
from grader.files.write import write_folder

pytestmark = pytest.mark.filterwarnings("ignore")  # of OpenEnv's own

Serve = Callable[[FastAPI], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(app)``: have it listen on a free port of this machine; its address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: FastAPI) -> str:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio")
        server = uvicorn.Server(config)
        socket = config.bind_socket()
        thread = threading.Thread(target=server.run, args=([socket],))
        thread.start()
        running.append((server, thread))
        while not server.started:  # bound already: a client may connect, and would wait
            thread.join(0.05)
        return f"http://127.0.0.1:{socket.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def environment(anonymous: Path) -> ExerciseEnvironment:
    """That of a session, without a server around it."""
    exercise = load_exercise(anonymous)
    return ExerciseEnvironment(exercise, threading.BoundedSemaphore(1))  # type: ignore[arg-type]


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The files of each submission that is graded from now on, in place of its grade."""
    seen: list[dict[str, str]] = []

    def grade(files: dict[str, str], *_: object, **__: object) -> None:
        seen.append(files)
        raise CannotJudge("the disk is full")

    monkeypatch.setattr(api, "grade", grade)
    return seen


@pytest.mark.slow
def test_the_starter_earns_nothing_and_the_solution_everything(anonymous: Path, serve: Serve) -> None:
    exercise = load_exercise(anonymous)
    with ExerciseEnv(serve(make_app(anonymous))).sync() as env:
        begun = env.reset()
        nothing = env.step(ExerciseAction(submit=True))
        env.reset(seed=3)
        written = env.step(ExerciseAction(files=exercise.reference))
        everything = env.step(ExerciseAction(submit=True))
        state = env.state()

    assert (begun.reward, begun.done, begun.observation.files) == (None, False, agents_files(exercise))
    assert (written.reward, written.done) == (None, False)
    assert (nothing.reward, nothing.done, nothing.observation.items) == (0.0, True, dict.fromkeys(exercise.items, 0.0))
    assert (everything.reward, everything.done) == (1.0, True)
    assert everything.observation.items == dict.fromkeys(exercise.items, 1.0)
    assert (nothing.observation.solved, everything.observation.solved) == (False, True)
    assert (state.step_count, state.done, state.judged, state.exercise) == (2, True, True, exercise.rubric.id)


def test_without_a_verdict_there_is_no_reward(anonymous: Path, serve: Serve, graded: list[dict[str, str]]) -> None:
    with GenericEnvClient(serve(make_app(anonymous))).sync() as env:  # what stands on the wire
        env.reset()
        env.step({"files": {"helper.py": "# mine\n"}})
        over = env.step({"submit": True})
        state = env.state()

    assert (over.reward, over.done) == (None, True)
    assert over.observation["message"] == "not judged: the disk is full"
    assert (over.observation["items"], over.observation["solved"]) == (None, None)
    assert (state["done"], state["judged"]) == (True, False)
    assert graded[0]["helper.py"] == "# mine\n"


def test_an_item_that_could_not_be_judged_is_no_reward(
    environment: ExerciseEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doubtful:
        reward = None
        items = ()

    monkeypatch.setattr(api, "grade", lambda *_, **__: Doubtful())
    environment.reset()
    over = environment.step(ExerciseAction(submit=True))

    assert (over.reward, over.done, over.items, environment.state.judged) == (None, True, None, False)


def test_nothing_of_the_solution_is_told(anonymous: Path, serve: Serve, graded: list[dict[str, str]]) -> None:
    exercise = load_exercise(anonymous)
    with GenericEnvClient(serve(make_app(anonymous))).sync() as env:
        told = [
            env.reset(seed=41),
            env.state(),
            env.step({"files": {"a.py": ""}}),
            env.step({"submit": True}),
            env.state(),
        ]
    seen = json.dumps([vars(each) if hasattr(each, "observation") else each for each in told])
    secrets = [bug.operator for bug in exercise.key.bugs] + [hint for bug in exercise.key.bugs for hint in bug.hints]
    before = [bug.before.strip() for bug in exercise.key.bugs if bug.before.strip() not in exercise.starter()[bug.file]]

    assert "class GPT(" in seen
    everything = (*secrets, *before, exercise.sha256, str(anonymous), "exercise.toml", "key.json")
    assert [secret for secret in everything if json.dumps(secret)[1:-1] in seen] == []


def test_what_an_agent_writes_is_not_run_in_the_server(environment: ExerciseEnvironment, tmp_path: Path) -> None:
    trace = tmp_path / "was-here"
    environment.reset()
    environment.step(ExerciseAction(files={"conftest.py": f"open({str(trace)!r}, 'w')", "model.py": "1/0"}))

    assert not trace.exists()
    assert not (set(sys.modules) & {"model", "conftest"})


# What is asked of it


def test_a_server_without_an_exercise_draws_one_by_the_seed(
    anonymous: Path, exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def build(target: Path, **recipe: Any) -> None:
        asked.append(recipe)
        shutil.copytree(anonymous, target)

    monkeypatch.setattr(episode, "inject", build)
    environment = ExerciseEnvironment(None, threading.BoundedSemaphore(1), cache=tmp_path / "kept")
    first = environment.reset(seed=7, bugs=2, difficulty="hard")
    again = environment.reset(seed=7, bugs=2, difficulty="hard")
    builtin = environment.reset()

    assert asked == [{"seed": 7, "bugs": 2, "difficulty": "hard"}]
    assert first.files == again.files == agents_files(load_exercise(anonymous))
    assert builtin.files == agents_files(exercise)


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"files": {"../model.py": ""}}, r"files has '\.\./model\.py'; expected names such as 'model\.py'"),
        ({"files": {f"m{number}.py": "" for number in range(70)}}, "expected 65 at most"),
        ({"files": {"model.py": "#" * (5 << 20)}}, "of 4 MiB together"),
    ],
    ids=["folder", "many", "large"],
)
def test_what_cannot_be_written_changes_nothing(
    action: dict[str, Any], complaint: str, environment: ExerciseEnvironment
) -> None:
    environment.reset()
    before = environment.state.model_copy(deep=True)

    with pytest.raises(UsageError, match=complaint):
        environment.step(ExerciseAction.model_validate(action))
    assert environment.state == before


@pytest.mark.parametrize("action", [{}, {"files": {"a.py": ""}, "submit": True}], ids=["neither", "both"])
def test_a_step_writes_or_hands_in(action: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected one of the two: files to write, or submit=true"):
        ExerciseAction.model_validate(action)


def test_steps_are_for_an_episode(environment: ExerciseEnvironment, graded: list[dict[str, str]]) -> None:
    with pytest.raises(UsageError, match="no episode has begun; call reset first"):
        environment.step(ExerciseAction(submit=True))
    environment.reset()
    environment.step(ExerciseAction(submit=True))
    with pytest.raises(UsageError, match="this episode is over"):
        environment.step(ExerciseAction(submit=True))
    assert len(graded) == 1


def test_a_fault_is_told_and_the_session_goes_on(anonymous: Path, serve: Serve) -> None:
    with GenericEnvClient(serve(make_app(anonymous))).sync() as env:
        with pytest.raises(RuntimeError, match=r"reset got \['bug'\]; expected seed, bugs"):
            env.reset(bug=1)
        env.reset()
        with pytest.raises(RuntimeError, match="expected names such as"):
            env.step({"files": {"a/b.py": ""}})

        assert env.step({"files": {"b.py": ""}}).observation["message"] == "written: b.py"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--exercise", "no"], "no such exercise: 'no'"), (["--at-once", "0"], "at_once=0; expected 1 or more")],
    ids=["exercise", "at-once"],
)
def test_what_cannot_be_served_is_a_usage_error(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err


# What is exported


def test_the_folder_is_one_that_openenv_takes(anonymous: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gpt-held"
    write_folder(folder, openenv_folder(load_exercise(anonymous), "gpt-held"))
    command = [sys.executable, "-m", "openenv.cli", "validate", str(folder), "--level", "static"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert (ran.returncode, "Verdict: PASS" in ran.stdout) == (0, True), ran.stdout


def test_the_folder_serves_its_exercise(anonymous: Path, tmp_path: Path, serve: Serve) -> None:
    exercise = load_exercise(anonymous)
    folder = tmp_path / "gpt_held"
    write_folder(folder, openenv_folder(exercise, "gpt_held"))
    (spec,) = [importlib.util.spec_from_file_location("served", folder / "server" / "app.py")]
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with GenericEnvClient(serve(module.app)).sync() as env:
        begun = env.reset(seed=5)

    assert begun.observation["files"] == agents_files(exercise)
    assert (folder / "client.py").read_text("utf-8").count("class ExerciseEnv(") == 1
    builtin = folder / "source" / "grader" / "builtin"
    assert {path.name for path in builtin.iterdir()} == {"reference", "starter"}


@pytest.mark.slow
def test_the_code_of_the_page_runs(anonymous: Path, tmp_path: Path, serve: Serve, graded: list[dict[str, str]]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "environments.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    write_folder(tmp_path / "gpt_env", openenv_folder(load_exercise(anonymous), "gpt_env"))
    code = code.replace("http://127.0.0.1:8000", serve(make_app(anonymous)))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "gpt_env", capture_output=True, text=True, timeout=300
    )

    # It is not to be graded here: what a grade gives is seen above.
    assert ran.stdout.splitlines()[-2:] == ["None True None", "False"], ran.stderr
    assert "notes.py" in graded[0]
