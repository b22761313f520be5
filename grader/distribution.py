"""What pip knows the grader by. On package indexes ``grader`` is somebody else's, with a command of that name too."""

from typing import Final

DISTRIBUTION: Final = "gpt-bug-grader"


def install(extra: str) -> str:
    """What to type for the libraries of an extra. It asks for them alone where the grader is installed already."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
