"""Hashes that say what a verdict was reached with, so that it can be reached again or doubted."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("deepdiff", "hypothesis", "msgspec", "numpy")  # beside torch: what draws, carries and compares


def digest(parts: Mapping[str, bytes]) -> str:
    """SHA-256, in hexadecimal, of named contents in whatever order they come."""
    found = hashlib.sha256()
    for name, content in sorted(parts.items()):
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


@cache
def grader_digest() -> str:
    """The hash of the code that grades: every module of this package and of the one that makes variants."""
    package = Path(__file__).resolve().parents[1]
    root = package.parent
    sources = [path for folder in (package, root / "mutations") for path in folder.rglob("*.py")]
    # The built-in exercise lies inside the package in a wheel, and is hashed as an exercise.
    ours = (path for path in sources if package / "builtin" not in path.parents)
    return digest({path.relative_to(root).as_posix(): path.read_bytes() for path in ours})


@cache
def package_versions() -> dict[str, str]:
    """The versions of the packages that a verdict rests on."""
    return {name: version(name) for name in PACKAGES}
