"""What images for agents and for their verifiers are made of: the versions that are here, the grader, an exercise."""

import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.exercise.starter import starter_files
from grader.injection.folder import to_json, to_toml
from grader.preconditions import DISTRIBUTION

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
