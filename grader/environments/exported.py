"""An exercise as a package for verifiers, and as a folder for OpenEnv: a few files that name what is in the grader."""

import json
import re
from pathlib import Path
from typing import Final

from grader.environments.image_parts import exercise_files, from_torch, libraries, pinned, source
from grader.errors import UsageError
from grader.exercise.model import Exercise, builtin_exercise

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
