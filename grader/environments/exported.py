"""An exercise exported: as a task folder for Harbor, as a package for verifiers, as a folder for OpenEnv.

Harbor's is written by schema 1.4 of task.toml. Its verifier has an image of its own, built from tests/, so that neither
the grader nor the solution is ever where the agent is. The package and OpenEnv's folder are a few files that name what
is in the grader. Images are made of the versions that are here, the grader and an exercise; nothing is taken from a
registry but Python and the libraries.
"""

import json
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

import tomli_w

from grader import __version__
from grader.environments.episode import agents_files, instruction
from grader.errors import UsageError
from grader.exercise.model import Exercise, builtin_exercise
from grader.exercise.starter import starter_files
from grader.injection.folder import to_json, to_toml
from grader.preconditions import DISTRIBUTION

OPENENV_CLIENT: Final = Path(__file__).with_name("openenv_client.py")
NAME: Final = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")

PYPROJECT: Final = """\
[project]
name = "{name}"
version = "0.1.0"
description = {title}
requires-python = ">=3.11"
dependencies = ["gpt-bug-grader[{extra}]"]  # from its checkout: it is on no index

[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
packages = [{packages}]
{more}"""
WITH_EXERCISE: Final = """
[tool.setuptools.package-data]
"*" = ["exercise/*/*"]
"""
TASKSET: Final = '''\
"""The taskset `{name}` for verifiers."""

from pathlib import Path

from grader.environments.verifiers_taskset import ExerciseTaskset

HELD = Path(__file__).with_name("exercise")


class Exercises(ExerciseTaskset):
    """The exercise that lies beside this file, if one does; `--env.taskset.seeds 0-9` draws fresh ones."""

    HELD = HELD if HELD.is_dir() else None


__all__ = ["Exercises"]
'''
OPENENV_YAML: Final = """\
spec_version: 1
name: {name}
type: space
runtime: fastapi
app: server.app:app
port: 8000
validation:
  reward:
    range: [0.0, 1.0]
    oracle_tolerance: 0.0
    floor_margin: 0.9
  resources:
    cpu: 2.0
    memory_mb: 6144
    disk_mb: 10240
    episode_timeout_s: 3600.0
  capabilities:
    verifier:
      kind: reward_channel
  types:
    tags: [debugging, pytorch, transformers]
"""
OPENENV_APP: Final = '''\
"""The server."""

import sys
from pathlib import Path

from grader.environments import openenv_server

EXERCISE = Path(__file__).resolve().parents[1] / "exercise"
HELD = EXERCISE if EXERCISE.is_dir() else None
app = openenv_server.make_app(HELD)


def main() -> int:
    """Serve on the port that the arguments name."""
    return openenv_server.main(exercise=HELD)


if __name__ == "__main__":
    sys.exit(main())
'''
OPENENV_INIT: Final = '''\
"""What an agent's side needs of the environment `{name}`."""

from .client import ExerciseAction, ExerciseEnv, ExerciseObservation, ExerciseState

__all__ = ["ExerciseAction", "ExerciseEnv", "ExerciseObservation", "ExerciseState"]
'''
OPENENV_IMAGE: Final = """\
RUN pip install --no-cache-dir {libraries} "openenv=={openenv}"
COPY . /app/env
# Where an isolated Python looks, as all processes of the grader are.
RUN cp -r /app/env/source/. "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \\
    && rm -r /app/env/source && python -I -m grader --version
WORKDIR /app/env
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://localhost:8000/health')"
CMD ["python", "-m", "server.app", "--host", "0.0.0.0"]
"""
OPENENV_TESTED: Final = "0.10.0"
README: Final = """\
# {name}

{what}, written by `grader export`. {commands}

{secret}
"""
SECRET: Final = "`exercise/reference` is the solution: do not publish what is to stay hidden."
PUBLIC: Final = "It holds no exercise: fresh ones are built where it runs."
APP: Final = "/app"
HARDEST_LAST: Final = ("easy", "medium", "hard")
FOR_AGENTS: Final = ("numpy", "pytest")  # beside torch
AGENTS_IMAGE: Final = """\
RUN pip install --no-cache-dir {packages}
WORKDIR /app
COPY files/ /app/
"""
VERIFIERS_IMAGE: Final = """\
RUN pip install --no-cache-dir {packages}
COPY . /tests/
# Where an isolated Python looks, as all processes of the grader are.
RUN cp -r /tests/source/. "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \\
    && rm -r /tests/source && python -I -m grader --version
WORKDIR /app
"""
TEST: Final = """\
#!/usr/bin/env bash
# Harbor runs this in the verifier's container once the agent is done. It runs no line of the agent's: the grader does,
# in a locked process. Without a verdict there is no reward.json, and the exit code is not 0: no verdict is no 0.
set -euo pipefail
exec "${GRADER_PYTHON:-python}" -I -B -m grader.environments.verify \\
    "${GRADER_APP:-/app}" "${GRADER_EXERCISE:-/tests/exercise}" "${GRADER_LOGS:-/logs/verifier}"
"""
SOLVE: Final = """\
#!/usr/bin/env bash
# What an oracle does: puts the solution in the place of the starter.
set -euo pipefail
cp "${GRADER_SOLUTION:-/solution}"/*.py "${GRADER_APP:-/app}"/
"""
REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)[^;]*(?:;(?P<marker>.*))?")  # as in a package's metadata
EXTRA: Final = re.compile(r"\bextra\b")
PACKAGE: Final = Path(__file__).resolve().parents[1]
CODE: Final = (".py", ".toml", ".json", ".md", ".jinja", ".css", ".js", ".typed")
TORCH: Final = """\
FROM python:{python}-slim
# The CPU build; the usual one for Linux brings gigabytes of libraries for GPUs.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" torch=={torch}
"""


def verifiers_package(exercise: Exercise, name: str) -> dict[str, bytes]:
    """The files of a package that verifiers' loader takes, by path. The built-in exercise is not copied into it.

    Raises:
        UsageError: a package cannot have this name.
    """
    package = _package(name)
    files = {
        "pyproject.toml": _pyproject(exercise, package, "verifiers", [package]),
        "README.md": _readme(exercise, name, f"`vf-validate {name}` tries it, `vf-eval {name} -m MODEL` runs it."),
        f"{package}/__init__.py": TASKSET.format(name=name),
    }
    files |= {f"{package}/exercise/{path}": text for path, text in _held(exercise).items()}
    return {path: text.encode() for path, text in files.items()}


def openenv_folder(exercise: Exercise, name: str) -> dict[str, bytes]:
    """The files of an environment for OpenEnv, its image included, by path.

    Raises:
        UsageError: an environment cannot have this name, or a version that the image needs is not known.
    """
    package = _package(name)
    image = from_torch() + OPENENV_IMAGE.format(libraries=pinned(libraries()), openenv=OPENENV_TESTED)
    layout = f'package-dir = {{ "{package}" = ".", "{package}.server" = "server" }}\n'
    command = f'\n[project.scripts]\nserver = "{package}.server.app:main"\n'
    files = {
        "openenv.yaml": OPENENV_YAML.format(name=package),
        "pyproject.toml": _pyproject(exercise, package, "openenv", [package, f"{package}.server"], layout) + command,
        "README.md": _readme(
            exercise, name, "`python -m server.app` serves it; `docker build -f server/Dockerfile .` makes its image."
        ),
        "__init__.py": OPENENV_INIT.format(name=package),
        "client.py": OPENENV_CLIENT.read_text("utf-8"),
        "server/__init__.py": '"""The server of the environment."""\n',
        "server/app.py": OPENENV_APP,
        "server/Dockerfile": image,
    }
    files |= {f"exercise/{path}": text for path, text in _held(exercise).items()}
    # Fresh exercises are made of the built-in one.
    builtin = {f"source/grader/builtin/{path}": text for path, text in exercise_files(builtin_exercise()).items()}
    return source("source") | {path: text.encode() for path, text in (files | builtin).items()}


def _package(name: str) -> str:
    """The module's name for a folder's. Raises ``UsageError`` for one that none can have."""
    if not NAME.fullmatch(name) or name.replace("-", "_") in ("grader", "verifiers", "openenv", "server"):
        raise UsageError(
            f"the folder's name {name!r} is to be a package's; expected lower-case letters, digits and dashes, such as "
            "gpt-debug"
        )
    return name.replace("-", "_")


def _held(exercise: Exercise) -> dict[str, str]:
    return {} if exercise.sha256 == builtin_exercise().sha256 else exercise_files(exercise)


def _what(exercise: Exercise) -> str:
    title = exercise.rubric.title
    return f"{title} ({exercise.rubric.id})" if _held(exercise) else f"{title}, or a fresh exercise for each seed"


def _pyproject(exercise: Exercise, package: str, extra: str, packages: list[str], layout: str = "") -> str:
    more = layout + (WITH_EXERCISE if _held(exercise) else "")
    listed = ", ".join(f'"{name}"' for name in packages)
    title = json.dumps(exercise.rubric.title)  # which TOML reads too
    return PYPROJECT.format(name=package.replace("_", "-"), title=title, extra=extra, packages=listed, more=more)


def _readme(exercise: Exercise, name: str, commands: str) -> str:
    secret = SECRET if _held(exercise) else PUBLIC
    return README.format(name=name, what=_what(exercise), commands=commands, secret=secret)


def harbor_task(
    exercise: Exercise, agent_image: str | None = None, verifier_image: str | None = None
) -> dict[str, bytes]:
    """Every file of the task folder, by path.

    Args:
        agent_image: the name under which environment/ is to be found built, for who pulls images and builds none.
        verifier_image: the same of tests/.

    Raises:
        UsageError: the grader, or something that it needs, is not installed as a package: its version is not known.
    """
    starter = agents_files(exercise)
    texts = {
        "instruction.md": instruction(starter, APP),
        "task.toml": tomli_w.dumps(_settings(exercise, agent_image, verifier_image)),
        "environment/Dockerfile": from_torch() + AGENTS_IMAGE.format(packages=pinned(FOR_AGENTS)),
        "tests/Dockerfile": from_torch() + VERIFIERS_IMAGE.format(packages=pinned(libraries())),
        "tests/test.sh": TEST,
        "solution/solve.sh": SOLVE,
    }
    texts |= {f"environment/files/{name}": text for name, text in starter.items()}
    texts |= {f"tests/exercise/{name}": text for name, text in exercise_files(exercise).items()}
    texts |= {f"solution/{name}": text for name, text in exercise.reference.items()}
    return {name: text.encode() for name, text in texts.items()} | source("tests/source")


def _settings(exercise: Exercise, agent_image: str | None, verifier_image: str | None) -> dict[str, Any]:
    """task.toml, of which Harbor shows the agent nothing."""
    rubric = exercise.rubric
    machine = {"build_timeout_sec": 1800.0, "cpus": 2, "memory_mb": 6144, "storage_mb": 10240}
    return {
        "schema_version": "1.4",
        "artifacts": [{"source": APP, "exclude": ["__pycache__", ".pytest_cache"]}],
        "task": {
            "name": f"grader/{rubric.id}",
            "description": rubric.title,
            "keywords": ["debugging", "pytorch", "transformers"],
        },
        "metadata": {
            "category": "debugging",
            "difficulty": _difficulty(exercise),
            "bugs": len(exercise.key.bugs),
            "items": [item.id for item in rubric.item],
            "grader": __version__,
            "exercise_sha256": exercise.sha256,
        },
        "verifier": {
            "timeout_sec": 900.0,
            "environment_mode": "separate",
            "environment": {**machine, **_pulled(verifier_image), "network_mode": "no-network"},
        },
        "agent": {"timeout_sec": 3600.0},
        "environment": {**machine, **_pulled(agent_image)},
    }


def _pulled(image: str | None) -> dict[str, str]:
    return {} if image is None else {"docker_image": image}


def _difficulty(exercise: Exercise) -> str:
    """That of the hardest bug."""
    known = [bug.difficulty.bucket for bug in exercise.key.bugs if bug.difficulty is not None]
    return max(known, key=HARDEST_LAST.index, default="unknown")


def exercise_files(exercise: Exercise) -> dict[str, str]:
    """An exercise's folder, the solution included, as ``read_exercise`` takes it: text by path."""
    hidden = {**exercise.reference, "exercise.toml": to_toml(exercise.rubric), "key.json": to_json(exercise.key)}
    files = {f"starter/{name}": text for name, text in starter_files(exercise).items()}
    return files | {f"reference/{name}": text for name, text in hidden.items()}


def from_torch() -> str:
    """The first lines of a Dockerfile: Python and PyTorch as they are here. Raises ``UsageError`` without PyTorch."""
    python = ".".join(platform.python_version_tuple()[:2])
    return TORCH.format(python=python, torch=_version("torch").partition("+")[0])


def libraries() -> list[str]:
    """What the grader needs beside torch, on such a machine. Raises ``UsageError`` where that is not known."""
    try:
        needed = [REQUIREMENT.fullmatch(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        raise UsageError("the grader is not installed, only its source is here; try `pip install -e .` there") from None
    found = {match["name"]: match["marker"] for match in needed if match is not None}
    # One that is needed on some machines alone is needed on this one if it is here.
    wanted = {name for name, marker in found.items() if marker is None or (not EXTRA.search(marker) and _here(name))}
    return sorted(wanted - {"torch"})


def pinned(names: Sequence[str]) -> str:
    """These packages at the versions that are here, for pip. Raises ``UsageError`` where one is not."""
    return " ".join(f"{name}=={_version(name)}" for name in names)


def _here(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        raise UsageError(f"{name} is not installed; the task would name the version of it that is here") from None


def source(folder: str) -> dict[str, bytes]:
    """The grader itself, into this folder: the code as it is installed here, without the built-in exercise."""
    root = PACKAGE.parent
    paths = [path for folder in (PACKAGE, root / "mutations") for path in sorted(folder.rglob("*"))]
    return {
        f"{folder}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in paths
        if path.is_file() and path.suffix in CODE and PACKAGE / "builtin" not in path.parents
    }
