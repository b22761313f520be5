"""What pip knows the grader by. On package indexes ``grader`` is somebody else's, with a command of that name too."""

import re
from typing import Final

DISTRIBUTION: Final = "gpt-bug-grader"
_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)[^;]*")


def install(extra: str) -> str:
    """What to type for the libraries of an extra. It asks for them alone where the grader is installed already."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def requirement(module: str) -> str:
    """What to have pip install for a module that the grader imports, quoted for a shell: ``'msgspec>=0.19'``."""
    from importlib.metadata import PackageNotFoundError, requires  # takes longer to import than all of a command's help

    name = module.replace("_", "-")
    try:
        needed = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:  # only the source is here
        needed = ()
    matches = (_REQUIREMENT.match(line) for line in needed)
    return next((f"'{match[0].strip()}'" for match in matches if match is not None and match["name"] == name), name)
