"""What callers of the library give: looked at before anything is done with it, and said in one line what is wrong."""

import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from grader.errors import UsageError
from grader.limits import DEFAULT_ISOLATION, QUESTION_MAX_SECONDS


def directory_given(name: str, value: object) -> Path:
    """The path of the argument ``name``. Raises ``UsageError`` for what is none."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str) or "\0" in path:
        raise UsageError(f"{name}={value!r}; expected a directory, as text or a path")
    return Path(path)


def isolation_given(value: object) -> Literal["strict", "process"]:
    """How to isolate; strict on Linux for None, and process elsewhere. Raises ``UsageError`` for what is neither."""
    match value:
        case None:
            return DEFAULT_ISOLATION
        case "strict" | "process":
            return value
        case _:
            raise UsageError(f"isolation={value!r}; expected 'strict', 'process' or None")


def names_given(name: str, value: object) -> tuple[str, ...]:
    """The names of the argument ``name``. Raises ``UsageError`` for text, which would be taken letter by letter."""
    if (
        isinstance(value, str | bytes)
        or not isinstance(value, Collection)
        or not all(isinstance(n, str) for n in value)
    ):
        wrapped = f", such as [{value!r}]" if isinstance(value, str) else ""
        raise UsageError(f"{name}={value!r}; expected a list of names{wrapped}")
    return tuple(value)


def files_given(value: Mapping[Any, Any]) -> dict[str, str | bytes]:
    """The submission that the texts of ``value`` make. Raises ``UsageError`` where one is no text."""
    files: dict[str, str | bytes] = {}
    for name, text in value.items():
        if not isinstance(name, str):
            raise UsageError(f"submission has a file {name!r}; expected names such as 'model.py'")
        if not isinstance(text, str | bytes):
            raise UsageError(f"submission[{name!r}]={text!r}; expected the file's content, as text or bytes")
        files[name] = text
    return files


def timeout_given(value: object) -> float:
    """Seconds for a question. Raises ``UsageError`` for what is none."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < number <= QUESTION_MAX_SECONDS:  # not a number is neither
        raise UsageError(f"timeout={value!r}; expected a number of seconds above 0 and up to {QUESTION_MAX_SECONDS:g}")
    return float(number)
