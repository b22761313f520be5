"""What a Python worker has to read to import and to run, and nothing of the grader that may be installed beside it."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .landlock import HiddenPaths

_OWN_PACKAGES: Final = ("grader", "mutations", "gpt_bug_grader")  # the last is what pip names their metadata after
_SITE_NAMES: Final = ("site-packages", "dist-packages")
_LIBRARY_NAMES: Final = ("lib", "lib64")
_SINGLE_PATHS: Final = (
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterPaths:
    """The arguments of `readable_ruleset` that let Python work."""

    allowed: tuple[Path, ...]
    listed: tuple[Path, ...]


def interpreter_paths(hidden: Iterable[Path]) -> InterpreterPaths:
    """The standard library, the installed packages and the shared libraries, without what is hidden and what is ours.

    A directory that may hold something of ours is listed, because the import system must see the names in it, and its
    children are allowed one by one. Names of hidden files can therefore be learnt; their contents cannot.
    """
    secrets = HiddenPaths(hidden)
    sites = _existing(Path(entry) for entry in sys.path if Path(entry).name in _SITE_NAMES)
    standard = Path(os.__file__).resolve().parent
    extensions = _existing(Path(entry) for entry in sys.path if Path(entry).name == "lib-dynload")
    for directory in (*sites, standard):
        if (secret := secrets.holding(directory)) is not None:
            raise ValueError(
                f"hidden={str(secret)!r} holds Python's own directory {str(directory)!r}, which a worker must read. "
                "Hide the folders beside it one by one, or move the virtual environment."
            )
    # Python directories below a library directory have rules of their own: here they count as hidden.
    apart = HiddenPaths([*secrets.paths, *sites, standard])

    allowed = [child for site in sites for child in _children(site, secrets) if not _is_ours(child)]
    allowed += [child for child in _children(standard, secrets) if child.name not in _SITE_NAMES]
    allowed += [path for path in extensions if secrets.given_away_by(path) is None]
    for directory in _library_directories():
        allowed += [child for child in _children(directory, apart) if not child.name.startswith("python")]
    allowed += _existing(Path(path) for path in _SINGLE_PATHS)
    return InterpreterPaths(allowed=tuple(dict.fromkeys(allowed)), listed=(*sites, standard))


def _library_directories() -> list[Path]:
    prefixes = (Path("/"), Path("/usr"), Path("/usr/local"), Path(sys.base_prefix))
    return _existing(prefix / name for prefix in prefixes for name in _LIBRARY_NAMES)


def _existing(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in paths if path.exists()))


def _children(directory: Path, hidden: HiddenPaths) -> Iterator[Path]:
    for child in sorted(directory.iterdir()):
        if child.exists() and hidden.given_away_by(child) is None:
            yield child


def _is_ours(child: Path) -> bool:
    """Whether an entry of a site directory is the grader itself, its metadata, or says where its source lies.

    The bytecode of an editable install's finder lies in __pycache__, which holds nothing that cannot be made again.
    """
    distribution = child.name.split("-")[0].split(".")[0]
    return distribution in _OWN_PACKAGES or child.name.startswith("__editable__") or child.name == "__pycache__"
