"""An exercise as a task folder for Harbor: what the agent's image holds, and apart from it what the verifier's does.

Schema 1.4 of task.toml. The verifier has an image of its own, built from tests/, so that neither the grader nor the
solution is ever where the agent is. Nothing here is taken from a registry but Python and the libraries.
"""

import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

import tomli_w

from grader import __version__
from grader.environments.instruction import instruction
from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.exercise.starter import starter_files
from grader.injection.folder import to_json, to_toml
from grader.preconditions import DISTRIBUTION

APP: Final = "/app"
HARDEST_LAST: Final = ("easy", "medium", "hard")
FOR_AGENTS: Final = ("numpy", "pytest")  # beside torch
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


def harbor_task(exercise: Exercise) -> dict[str, bytes]:
    """Every file of the task folder, by path.

    Raises:
        UsageError: the grader, or something that it needs, is not installed as a package: its version is not known.
    """
    starter = starter_files(exercise)
    hidden = {**exercise.reference, "exercise.toml": to_toml(exercise.rubric), "key.json": to_json(exercise.key)}
    texts = {
        "instruction.md": instruction(starter, APP),
        "task.toml": tomli_w.dumps(_settings(exercise)),
        "environment/Dockerfile": _from_torch() + AGENTS_IMAGE.format(packages=_pinned(FOR_AGENTS)),
        "tests/Dockerfile": _from_torch() + VERIFIERS_IMAGE.format(packages=_pinned(_libraries())),
        "tests/test.sh": TEST,
        "solution/solve.sh": SOLVE,
    }
    texts |= {f"environment/files/{name}": text for name, text in starter.items()}
    texts |= {f"tests/exercise/starter/{name}": text for name, text in starter.items()}
    texts |= {f"tests/exercise/reference/{name}": text for name, text in hidden.items()}
    texts |= {f"solution/{name}": text for name, text in exercise.reference.items()}
    return {name: text.encode() for name, text in texts.items()} | _source()


def _settings(exercise: Exercise) -> dict[str, Any]:
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
            "environment": {**machine, "network_mode": "no-network"},
        },
        "agent": {"timeout_sec": 3600.0},
        "environment": machine,
    }


def _difficulty(exercise: Exercise) -> str:
    """That of the hardest bug."""
    known = [bug.difficulty.bucket for bug in exercise.key.bugs if bug.difficulty is not None]
    return max(known, key=HARDEST_LAST.index, default="unknown")


def _from_torch() -> str:
    python = ".".join(platform.python_version_tuple()[:2])
    return TORCH.format(python=python, torch=_version("torch").partition("+")[0])


def _libraries() -> list[str]:
    """What the grader needs beside torch, on a machine such as this one."""
    try:
        needed = [REQUIREMENT.fullmatch(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        raise UsageError("the grader is not installed, only its source is here; try `pip install -e .` there") from None
    found = {match["name"]: match["marker"] for match in needed if match is not None}
    # One that is needed on some machines alone is needed on this one if it is here.
    wanted = {name for name, marker in found.items() if marker is None or (not EXTRA.search(marker) and _here(name))}
    return sorted(wanted - {"torch"})


def _pinned(names: Sequence[str]) -> str:
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


def _source() -> dict[str, bytes]:
    """The grader itself, for the verifier: the code as it is installed here, without the built-in exercise."""
    root = PACKAGE.parent
    paths = [path for folder in (PACKAGE, root / "mutations") for path in sorted(folder.rglob("*"))]
    return {
        f"tests/source/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in paths
        if path.is_file() and path.suffix in CODE and PACKAGE / "builtin" not in path.parents
    }
