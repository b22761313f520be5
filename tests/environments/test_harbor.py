"""A task folder for Harbor: what it holds, who sees what of it, and its verifier, run here with other paths."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from grader import CannotJudge, Exercise, Result, UsageError, load_exercise, starter_files
from grader.environments import exported, verify
from grader.environments.episode import agents_files
from grader.environments.exported import harbor_task
from grader.files.digest import digest, grader_digest
from grader.hand_ins.read_hand_ins import read_hand_in
from grader.preconditions import DISTRIBUTION
from grader.result.record import Status

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")

# The fields of schema 1.4 that a task of ours may have, and what each holds; Harbor itself passes over what it does not
# know, so that a name that is spelt wrong would be no error there.
MACHINE = {
    "docker_image": str,
    "build_timeout_sec": float,
    "cpus": int,
    "memory_mb": int,
    "storage_mb": int,
    "network_mode": str,
}
SCHEMA: dict[str, Any] = {
    "schema_version": str,
    "artifacts": [{"source": str, "exclude": [str]}],
    "task": {"name": str, "description": str, "keywords": [str]},
    "metadata": dict,
    "verifier": {"timeout_sec": float, "environment_mode": str, "environment": MACHINE},
    "agent": {"timeout_sec": float},
    "environment": MACHINE,
}


def faults(value: Any, schema: Any, where: str = "task.toml") -> list[str]:
    """What in a value is not as the schema says."""
    if isinstance(schema, dict) and isinstance(value, dict):
        unknown = [f"{where} has an unknown {name!r}" for name in value if name not in schema]
        return unknown + [
            fault for name in value if name in schema for fault in faults(value[name], schema[name], f"{where}.{name}")
        ]
    if isinstance(schema, list) and isinstance(value, list):
        return [fault for each in value for fault in faults(each, schema[0], where)]
    return [] if isinstance(schema, type) and type(value) is schema else [f"{where} is {value!r}"]


@pytest.fixture(scope="module")
def task(anonymous: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbor") / "task"
    done = export(anonymous, "-o", folder, cwd=folder.parent)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@dataclass(frozen=True)
class Verified:
    code: int
    said: str
    rewards: dict[str, float] | None


@pytest.fixture
def verified(task: Path, tmp_path: Path) -> Callable[[str], Verified]:
    """``verified(commands) -> Verified``: let an agent run these in a copy of its folder, then run test.sh."""

    def run(commands: str) -> Verified:
        app, logs = tmp_path / "app", tmp_path / "logs" / "verifier"
        shutil.copytree(task / "environment" / "files", app, dirs_exist_ok=True)
        names = {"PYTHON": sys.executable, "APP": app, "EXERCISE": task / "tests" / "exercise", "LOGS": logs}
        names["SOLUTION"] = task / "solution"
        environment = os.environ | {f"GRADER_{name}": str(value) for name, value in names.items()}
        subprocess.run([str(BASH), "-ec", commands], cwd=app, env=environment | {"TASK": str(task)}, check=True)
        logs.mkdir(parents=True)
        (logs / "reward.json").write_text('{"reward": 1}')
        test = [task / "tests" / "test.sh"]
        done = subprocess.run(test, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        reward = logs / "reward.json"
        return Verified(
            done.returncode, done.stdout + done.stderr, json.loads(reward.read_text()) if reward.exists() else None
        )

    return run


def export(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "export", "--format", "harbor", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100)


# What it holds


def test_the_settings_are_those_that_harbor_knows(task: Path) -> None:
    settings = tomllib.loads((task / "task.toml").read_text("utf-8"))

    assert faults(settings, SCHEMA) == []
    assert settings["schema_version"] == "1.4"
    assert re.fullmatch(r"[a-zA-Z0-9][\w.-]*/[a-zA-Z0-9][\w.-]*", settings["task"]["name"])
    assert settings["verifier"]["environment_mode"] == "separate"
    assert settings["verifier"]["environment"]["network_mode"] == "no-network"
    assert settings["artifacts"][0]["source"] == "/app"
    assert settings["metadata"]["exercise_sha256"] == load_exercise(task / "tests" / "exercise").sha256


def test_a_misspelt_setting_is_seen() -> None:
    assert faults({"verifier": {"timeout": 1.0}}, SCHEMA) == ["task.toml.verifier has an unknown 'timeout'"]
    assert faults({"agent": {"timeout_sec": "1"}}, SCHEMA) == ["task.toml.agent.timeout_sec is '1'"]


def test_every_file_that_harbor_looks_for_is_there(task: Path) -> None:
    files = {str(path.relative_to(task)) for path in task.rglob("*") if path.is_file() and "source" not in path.parts}

    assert {"instruction.md", "task.toml", "environment/Dockerfile"} <= files
    assert {"tests/test.sh", "tests/Dockerfile", "solution/solve.sh"} <= files
    for script in ("tests/test.sh", "solution/solve.sh"):
        assert (task / script).stat().st_mode & stat.S_IXUSR
    for image in ("environment", "tests"):
        assert re.search(r"torch==\d[\d.]*\n", (task / image / "Dockerfile").read_text())


def test_the_agent_is_handed_the_starter_and_nothing_hidden(task: Path, anonymous: Path) -> None:
    exercise = load_exercise(anonymous)
    seen = {path: path.read_text("utf-8") for path in (task / "environment").rglob("*") if path.is_file()}
    seen[task / "instruction.md"] = (task / "instruction.md").read_text("utf-8")
    handed_out = {path.name: text for path, text in seen.items() if path.parent.name == "files"}
    before = [
        bug.before.strip() for bug in exercise.key.bugs if bug.before.strip() not in starter_files(exercise)[bug.file]
    ]
    secrets = [bug.operator for bug in exercise.key.bugs] + [hint for bug in exercise.key.bugs for hint in bug.hints]

    assert handed_out == agents_files(exercise)
    assert len(before) > 1
    for secret in (*secrets, *before, exercise.sha256, "exercise.toml", "key.json", "grader.environments"):
        assert [path.name for path, text in seen.items() if secret in text] == [], secret


def test_the_agent_reads_of_nothing_that_is_not_there_or_does_not_count(task: Path, exercise: Exercise) -> None:
    held = harbor_task(exercise)
    texts = [held["instruction.md"].decode(), held["environment/files/README.md"].decode()]
    texts += [(task / "instruction.md").read_text("utf-8"), (task / "environment/files/README.md").read_text("utf-8")]
    commands = [line for text in texts for line in text.splitlines() if line.startswith(("grader ", "`DIR`"))]

    assert len(exercise.followups) > 1
    assert commands == []
    assert [text for text in texts if "python train.py" not in text] == []
    for followup in (*exercise.followups, "ollow-up", "sinusoidal", "grader grade"):
        assert [text for text in texts if followup in text] == []


def test_a_readme_that_was_written_by_hand_stays(anonymous: Path, tmp_path: Path) -> None:
    shutil.copytree(anonymous, tmp_path / "ex")
    (tmp_path / "ex" / "starter" / "README.md").write_text("# Ours\n\nAsk for help with `grader hint`.\n")
    files = harbor_task(load_exercise(tmp_path / "ex"))

    assert files["environment/files/README.md"] == b"# Ours\n\nAsk for help with `grader hint`.\n"
    assert b"There is no command `grader` here" in files["instruction.md"]


def test_images_that_are_built_already_can_be_named(exercise: Exercise, anonymous: Path, tmp_path: Path) -> None:
    names = ["--agent-image", "there/agent:1", "--verifier-image", "there/verifier:1"]
    done = export(anonymous, "-o", "task", *names, cwd=tmp_path)
    settings = tomllib.loads((tmp_path / "task" / "task.toml").read_text("utf-8"))

    assert done.returncode == 0, done.stderr
    assert faults(settings, SCHEMA) == []
    assert settings["environment"]["docker_image"] == "there/agent:1"
    assert settings["verifier"]["environment"]["docker_image"] == "there/verifier:1"
    assert "docker_image" not in harbor_task(exercise)["task.toml"].decode()


def test_the_verifier_brings_the_grader_that_wrote_it(task: Path) -> None:
    source = task / "tests" / "source"
    code = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*.py")}

    assert digest(code) == grader_digest()
    assert not (source / "grader" / "builtin").exists()


def test_the_built_in_exercise_is_the_one_without_a_name(exercise: Exercise, tmp_path: Path) -> None:
    assert export("-o", "task", cwd=tmp_path).stdout.startswith("A GPT with four bugs and two things to build (gpt-")

    written = {
        str(path.relative_to(tmp_path / "task")): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == harbor_task(exercise)
    assert load_exercise(tmp_path / "task" / "tests" / "exercise").sha256 == exercise.sha256


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What packages are taken to be installed, at version 1.0, and what each of them requires."""
    known: dict[str, list[str]] = {}

    def look_up(name: str) -> list[str]:
        if name not in known:
            raise PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(exported, "requires", look_up)
    monkeypatch.setattr(exported, "version", lambda name: "1.0" if look_up(name) is not None else "")
    return known


def test_what_the_verifier_installs_is_what_the_grader_needs_here(
    metadata: dict[str, list[str]], exercise: Exercise
) -> None:
    metadata |= {name: [] for name in ("torch", "numpy", "pytest", "jinja2", "here")}
    metadata[DISTRIBUTION] = [
        "torch<3,>=2.6", "numpy", "jinja2[i18n]>=3.1", 'here>=1; sys_platform == "linux"',
        'absent>=1 ; python_version < "3"', "ruff; extra=='dev'", 'dask; (python_version > "3") and extra == "cluster"',
    ]  # fmt: skip
    dockerfile = harbor_task(exercise)["tests/Dockerfile"].decode()

    assert "pip install --no-cache-dir here==1.0 jinja2==1.0 numpy==1.0\n" in dockerfile


@pytest.mark.parametrize(
    ("installed", "message"),
    [
        (["torch", "numpy", "pytest"], "the grader is not installed, only its source is here"),
        (["torch", "numpy", "pytest", DISTRIBUTION], "msgspec is not installed"),
        ([DISTRIBUTION], "torch is not installed"),
    ],
    ids=["grader", "library", "torch"],
)
def test_without_versions_there_is_no_task(
    installed: list[str], message: str, metadata: dict[str, list[str]], exercise: Exercise
) -> None:
    metadata |= {name: ["msgspec>=0.19"] for name in installed}

    with pytest.raises(UsageError, match=message):
        harbor_task(exercise)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "."], "exists; choose another name"),
        (["-o", "absent/task"], "there is no directory"),
        (["absent", "-o", "task"], "no such exercise: 'absent'"),
        (["--format", "verifiers", "-o", "Task"], "expected lower-case letters, digits and dashes, such as gpt-debug"),
        (["--format", "openenv", "-o", "grader"], "the folder's name 'grader' is to be a package's"),
        (["--format", "openenv", "--agent-image", "x", "-o", "task"], "are Harbor's; format='openenv' has none"),
    ],
    ids=["taken", "no-parent", "no-exercise", "name", "taken-name", "images"],
)
def test_what_cannot_be_exported_is_a_usage_error(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = export(*arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


# The verifier


@pytest.mark.slow
@pytest.mark.skipif(BASH is None, reason="no bash on this machine")
@pytest.mark.parametrize(
    ("commands", "reward"),
    [("true", 0.0), ('bash "$TASK"/solution/solve.sh', 1.0), ("rm model.py", 0.0)],
    ids=["starter", "oracle", "removed"],
)
def test_the_verifier_gives_what_was_earned(commands: str, reward: float, verified: Callable[[str], Verified]) -> None:
    done = verified(commands)
    items = ["bug-1", "bug-2", "bug-3", "bug-4", "kv-cache", "classifier"]

    assert (done.code, done.rewards) == (0, dict.fromkeys(["reward", "solved", *items], reward)), done.said


@pytest.mark.parametrize("place", ["link", "dangling", "file", "inside"])
def test_what_is_no_folder_of_the_agents_is_as_if_nothing_was_left(
    place: str, anonymous: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graded: list[object] = []

    def grade(left: object, *_: object, **__: object) -> Result:
        graded.append(left)
        raise CannotJudge("it was not to be graded")

    monkeypatch.setattr(verify, "grade", grade)
    app = tmp_path / "app"
    if place == "file":
        app.write_text("")
    else:
        app.symlink_to(tmp_path / "absent" if place == "dangling" else anonymous / "reference")
    inside = anonymous / "reference"

    assert verify.main([str(inside if place == "inside" else app), str(anonymous), str(tmp_path / "logs")]) == 3
    assert graded == [{"model.py": 'raise ImportError("there is no model.py")\n'}]


def test_what_cannot_be_read_does_not_go_without_a_reward(
    anonymous: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graded: list[object] = []

    def grade(left: object, *_: object, **__: object) -> Result:
        graded.append(left if isinstance(left, dict) else read_hand_in(Path(str(left))))
        raise CannotJudge("it was not to be graded")

    monkeypatch.setattr(verify, "grade", grade)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "model.py").symlink_to(anonymous / "reference" / "model.py")

    assert verify.main([str(tmp_path / "app"), str(anonymous), str(tmp_path / "logs")]) == 3
    (left,) = graded
    assert isinstance(left, dict)
    with pytest.raises(ImportError, match=r"model\.py in .* cannot be read: it is a symbolic link"):
        exec(left["model.py"])


def test_what_was_not_handed_over_is_not_verified(verified: Callable[[str], Verified]) -> None:
    done = verified('rm -r "$GRADER_APP"')

    assert (done.code, done.rewards) == (3, None)
    assert "nothing was handed over" in done.said


@pytest.mark.slow
@pytest.mark.parametrize("fails", ["all", "one"])
def test_without_a_verdict_there_is_no_reward(
    fails: str, grade_files: Callable[..., Result], anonymous: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grade(*_: object, **__: object) -> Result:
        if fails == "all":
            raise CannotJudge("nothing could be judged: the disk is full")
        result = grade_files(load_exercise(anonymous).reference, only=("projection",), explain=False)
        return replace(result, items=tuple(replace(item, status=Status.NOT_JUDGED) for item in result.items))

    monkeypatch.setattr(verify, "grade", grade)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "reward.txt").write_text("1")
    handed_in = shutil.copytree(anonymous / "starter", tmp_path / "app")

    assert verify.main([str(handed_in), str(anonymous), str(logs)]) == 3
    assert [path.name for path in logs.iterdir()] == ([] if fails == "all" else ["result.json"])
