"""An exercise as a task folder for Harbor: what the agent's image holds, and apart from it what the verifier's does.

Schema 1.4 of task.toml. The verifier has an image of its own, built from tests/, so that neither the grader nor the
solution is ever where the agent is. Nothing here is taken from a registry but Python and the libraries.
"""

from typing import Any, Final

import tomli_w

from grader import __version__
from grader.environments.episode import agents_files, instruction
from grader.environments.image_parts import exercise_files, from_torch, libraries, pinned, source
from grader.exercise.model import Exercise

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
