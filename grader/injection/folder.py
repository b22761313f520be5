"""An exercise as a folder: starter/ for the learner, reference/ for the grader; all of it or nothing."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from grader.errors import UsageError
from grader.exercise.key import Key
from grader.exercise.model import Rubric
from grader.exercise.starter import starter_contents
from grader.files.write import Existing, check_place, write_folder
from grader.injection.build import Built

HEADER: Final = """\
# The rubric of a generated exercise. Checks are listed with the points they earn; `takes` is what a guard (a check that
# the starter passes) can take; `exact` is for being identical to the reference bit for bit.

"""


def check_target(directory: Path, *, force: bool, replacing: str = "--force (in Python force=True)") -> None:
    """Complain before the work is done, not after it.

    Args:
        replacing: how to ask for ``force``.

    Raises:
        UsageError: nothing can be written there, or something is there that would be lost.
    """
    check_place(directory)
    try:
        # Tried, not asked for: permission bits do not tell of read-only and virtual file systems.
        with tempfile.TemporaryDirectory(dir=directory.resolve().parent, prefix=f".{directory.name}."):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {str(directory)!r}: {error.strerror}") from None
    if not os.path.lexists(directory):
        return
    if not force:
        raise UsageError(f"{str(directory)!r} exists; choose another name, or replace it with {replacing}")
    if directory.is_symlink() or not (directory / "reference" / "key.json").is_file():
        raise UsageError(f"{str(directory)!r} is not an exercise, and nothing else is replaced; choose another name")


def write(built: Built, directory: Path) -> None:
    """Put the exercise in the place of ``directory``; interrupted, what was there is still there."""
    files = {name: text.encode() for name, text in contents(built).items()}
    write_folder(directory, files, Existing.REPLACED, same_times=True)


def contents(built: Built) -> dict[str, str]:
    """Every file of the folder, by path."""
    exercise = built.exercise
    hidden = {**exercise.reference, "exercise.toml": to_toml(exercise.rubric), "key.json": to_json(exercise.key)}
    return {f"starter/{name}": text for name, text in starter_contents(exercise).items()} | {
        f"reference/{name}": text for name, text in hidden.items()
    }


def to_toml(rubric: Rubric) -> str:
    """exercise.toml."""
    plain: dict[str, Any] = msgspec.to_builtins(rubric)
    for kind in ("item", "followup"):
        plain[kind] = [_tidy(item) for item in plain[kind]]
    return HEADER + tomli_w.dumps(plain)


def _tidy(item: Mapping[str, Any]) -> dict[str, Any]:
    """Whole points without a decimal point, and nothing empty."""
    tidy = {}
    for name, value in item.items():
        if isinstance(value, Mapping):
            value = {check: _whole(points) for check, points in value.items()}
        if value or name == "exact":
            tidy[name] = _whole(value)
    return tidy


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def to_json(key: Key) -> str:
    """key.json."""
    return json.dumps(msgspec.to_builtins(key), indent=2, sort_keys=True) + "\n"
