"""Bug-hunting exercises on GPT-style transformers, and the harness that grades them.

What is listed in ``__all__`` is the library, and is kept stable; docs/library.md shows it at work. All the rest is the
grader's own. ``import grader`` loads none of it: each name is loaded when it is first used.
"""

# Not typing's: `python -m grader` comes by here while a submission's directory, and a typing.py in it, is on the path.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from grader.api import (
        Attempt,
        CannotJudge,
        Exercise,
        Grader,
        GraderError,
        Result,
        UsageError,
        grade,
        inject,
        load_exercise,
        starter_files,
    )

__version__ = "0.1.0"
__all__ = [
    "Attempt",
    "CannotJudge",
    "Exercise",
    "Grader",
    "GraderError",
    "Result",
    "UsageError",
    "__version__",
    "grade",
    "inject",
    "load_exercise",
    "starter_files",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from grader import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
