"""The taskset for verifiers, run by verifiers itself: with an agent that is a script, in a runtime that is a folder."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verifiers", reason="the extra `verifiers` is not installed; `make environments` tests with it")

import verifiers.v1 as vf
from verifiers.v1.cli.eval.runner import run_eval
from verifiers.v1.cli.validate import run_validate
from verifiers.v1.configs.cli.eval import EvalConfig
from verifiers.v1.configs.cli.validate import ValidateConfig
from verifiers.v1.utils.compile import resolve_runtime_config

from grader import CannotJudge, Exercise, UsageError, api, load_exercise
from grader.environments import episode
from grader.environments.episode import NO_MODEL, agents_files
from grader.environments.exported import verifiers_package
from grader.environments.verifiers_taskset import ExerciseConfig, ExerciseTaskset
from grader.exercise.model import StoredExercise
from grader.files.write import write_folder

pytestmark = pytest.mark.filterwarnings("ignore")  # of verifiers' own

HARNESS = """
import verifiers.v1 as vf

class ScriptConfig(vf.HarnessConfig):
    commands: str = "true"

class ScriptHarness(vf.Harness[ScriptConfig]):
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, **_):
        return await runtime.run(["sh", "-ec", self.config.commands], {})

__all__ = ["ScriptHarness"]
"""

Run = Callable[..., vf.Trace]


@pytest.fixture
def package(anonymous: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredExercise:
    """The exercise of the package `gpt-held`, which can be imported from here on, as `script`, a harness, can."""
    exercise = load_exercise(anonymous)
    write_folder(tmp_path / "gpt-held", verifiers_package(exercise, "gpt-held"))
    (tmp_path / "script.py").write_text(HARNESS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "gpt-held")
    monkeypatch.chdir(tmp_path)
    for name in ("gpt_held", "script"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert isinstance(exercise, StoredExercise)
    return exercise


@pytest.fixture
def run(package: StoredExercise, tmp_path: Path) -> Run:
    """``run("cp ... model.py")``: have an agent run these commands where it starts; the trace of its rollout."""

    def act(commands: str = "true", **taskset: Any) -> vf.Trace:
        agent = {"harness": {"id": "script", "commands": commands}, "runtime": {"type": "subprocess"}}
        environment = {"taskset": {"id": "gpt-held", **taskset}, "agent": agent}
        config = EvalConfig.model_validate(
            {"env": environment, "model": "none", "push": False, "rich": None, "output_dir": tmp_path / "out"}
        )
        [episode] = asyncio.run(run_eval(config))
        [trace] = episode.traces
        return trace

    return act


def earned(trace: vf.Trace) -> dict[str, float]:
    assert trace.ok, trace.errors
    scores: dict[str, float] = {name: reward.score for name, reward in trace.rewards.items() if reward is not None}
    metrics: dict[str, float] = trace.metrics
    return scores | metrics


def unjudged(trace: vf.Trace) -> str:
    """Why there is no reward, after seeing that there is none."""
    assert not trace.ok
    assert trace.rewards == {"reward": None}
    assert trace.metrics == {}
    return str(trace.errors[-1].message)


@pytest.mark.slow
def test_the_solution_earns_everything(run: Run, package: StoredExercise) -> None:
    trace = run(f"cp {shlex.quote(str(package.reference_directory))}/*.py .")

    assert earned(trace) == dict.fromkeys(["reward", "solved", *package.items], 1.0)
    assert trace.reward == 1.0
    assert trace.info["grader"]["remaining_bugs"] == []


@pytest.mark.slow
def test_the_starter_earns_nothing(run: Run, package: StoredExercise) -> None:
    trace = run()

    assert earned(trace) == dict.fromkeys(["reward", "solved", *package.items], 0.0)


@pytest.fixture
def handed_in(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bytes]]:
    """The files of each submission that is graded from now on, in place of its grade."""
    seen: list[dict[str, bytes]] = []

    def grade(files: dict[str, bytes], *_: object, **__: object) -> None:
        seen.append(files)
        raise CannotJudge("it was not to be graded")

    monkeypatch.setattr(api, "grade", grade)
    return seen


def test_without_a_verdict_there_is_no_reward(
    run: Run, package: StoredExercise, handed_in: list[dict[str, bytes]]
) -> None:
    trace = run("echo '# mine' > helper.py; rm train.py")

    assert "not judged: it was not to be graded" in unjudged(trace)
    assert handed_in[0]["helper.py"] == b"# mine\n"
    assert "train.py" not in handed_in[0]
    assert handed_in[0]["model.py"].decode() == agents_files(package)["model.py"]


def test_a_model_that_is_no_file_is_graded_as_none(run: Run, handed_in: list[dict[str, bytes]]) -> None:
    run("rm model.py; mkfifo model.py")

    assert handed_in[0]["model.py"] == NO_MODEL


def test_nothing_of_the_solution_reaches_the_agent(
    run: Run, package: StoredExercise, handed_in: list[dict[str, bytes]], tmp_path: Path
) -> None:
    loot = tmp_path / "loot"
    trace = run(f"(env; find . -type f -exec cat {{}} +) > {shlex.quote(str(loot))}")
    seen = loot.read_text("utf-8") + trace.model_dump_json()
    secrets = [bug.operator for bug in package.key.bugs] + [hint for bug in package.key.bugs for hint in bug.hints]
    before = [bug.before.strip() for bug in package.key.bugs if bug.before.strip() not in package.starter()[bug.file]]

    assert "class GPT(" in seen
    assert [secret for secret in (*secrets, *before, "exercise.toml", "key.json") if secret in seen] == []
    assert str(trace.task.data.prompt).endswith(agents_files(package)["README.md"])


def test_an_exercise_that_was_changed_since_is_no_reward(
    run: Run, package: StoredExercise, handed_in: list[dict[str, bytes]], tmp_path: Path
) -> None:
    reference = tmp_path / "gpt-held" / "gpt_held" / "exercise" / "reference" / "model.py"

    assert "is not the one that was handed out" in unjudged(run(f"echo '# another' >> {shlex.quote(str(reference))}"))
    assert handed_in == []


def test_its_validation_hands_in_the_solution_and_then_the_starter(
    package: StoredExercise, handed_in: list[dict[str, bytes]], tmp_path: Path
) -> None:
    config = ValidateConfig.model_validate(
        {
            "taskset": {"id": "gpt-held"},
            "runtime": {"type": "subprocess"},
            "output_dir": tmp_path / "out",
            "rich": False,
        }
    )
    [row] = asyncio.run(run_validate(config))

    assert row["reason"] == "error"  # it was not to be graded
    assert [files["model.py"].decode() for files in handed_in] == [
        package.reference["model.py"],
        agents_files(package)["model.py"],
    ]


# Which tasks there are


def test_a_package_of_the_built_in_exercise_holds_no_copy(exercise: Exercise) -> None:
    files = verifiers_package(exercise, "gpt-debug")

    assert sorted(files) == ["README.md", "gpt_debug/__init__.py", "pyproject.toml"]
    [task] = ExerciseTaskset(ExerciseConfig())
    assert (task.data.sha256, task.data.exercise) == (exercise.sha256, "")


def test_seeds_draw_an_exercise_each_and_need_not_end(
    anonymous: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def build(target: Path, *, seed: int, bugs: int, **_: object) -> None:
        asked.append((seed, bugs))
        write_folder(target, {
            path.relative_to(anonymous).as_posix(): path.read_bytes() for path in anonymous.rglob("*") if path.is_file()
        })  # fmt: skip

    monkeypatch.setattr(episode, "inject", build)
    some = ExerciseTaskset(ExerciseConfig(seeds="3,5-6", bugs=2, cache=tmp_path))
    endless = ExerciseTaskset(ExerciseConfig(seeds="7-", bugs=2, cache=tmp_path))

    assert (some.bounded, endless.bounded) == (True, False)
    assert len(list(some)) == 3
    assert [task.data.idx for task in endless.take(2)] == [0, 1]
    assert asked == [(3, 2), (5, 2), (6, 2), (7, 2), (8, 2)]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"seeds": "x"}, "expected numbers and ranges"),
        ({"seeds": "-"}, "expected numbers"),
        ({"exercise": "no"}, "no such"),
    ],
    ids=["seeds", "dash", "exercise"],
)
def test_what_names_no_exercise_is_a_usage_error(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        list(ExerciseTaskset(ExerciseConfig.model_validate(given)))


def test_one_source_of_exercises_is_enough() -> None:
    with pytest.raises(ValueError, match="exercise='ex' with seeds='0-9'; expected one of the two"):
        ExerciseConfig(exercise=Path("ex"), seeds="0-9")


def test_in_an_image_the_agent_is_alone() -> None:
    [task] = ExerciseTaskset(ExerciseConfig(image="grader-agent", user="agent"))
    box = resolve_runtime_config(vf.DockerConfig(), task)

    assert isinstance(box, vf.DockerConfig)
    assert (box.image, box.allow, task.data.agent_user) == ("grader-agent", [], "agent")


def test_what_travels_of_a_task_says_only_where_its_exercise_is(package: StoredExercise) -> None:
    [task] = ExerciseTaskset(ExerciseConfig(exercise=package.reference_directory.parent))
    told = json.loads(task.data.model_dump_json(exclude_defaults=True))

    assert told.keys() == {"idx", "id", "name", "description", "prompt", "exercise", "sha256"}
    assert task.key == package.sha256
    assert os.path.samefile(told["exercise"], package.reference_directory.parent)
