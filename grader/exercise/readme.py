"""The README that a learner is handed with a starter."""

from collections.abc import Collection, Sequence
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from grader.exercise.model import Item, Rubric

ABOUT: Final = {  # families of checks, as a learner would say it
    "kv-cache": "decoding with a cache",
    "ragged": "rows of different lengths",
    "position-schemes": "other schemes of positions",
    "classifier": "a classifier",
    "loss-weighting": "the weighing of two losses",
    "learning-rate": "the learning rate by itself",
    "training-loop": "the training loop",
    "loss": "the loss",
    "optimizer": "the optimizer",
    "clipping": "the clipping of gradients",
    "heads": "several heads",
    "determinism": "seeds",
    "modes": "training and evaluation mode",
}
FOLLOWUPS: Final = "followups.py"  # where the built-in reference has code for follow-ups
WHERE: Final = ": three in `model.py`, one in `train.py`"  # the bugs of the built-in exercise
NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six")


def readme(
    rubric: Rubric, where: str = "", *, files: Collection[str] = (), built_in: bool = False, agent: bool = False
) -> str:
    """The task as an interviewer would state it.

    Args:
        where: what is said of where the bugs are, to follow their number.
        files: of the starter, by name.
        built_in: whether the commands find this exercise without a path.
        agent: whether the reader has no command ``grader``, and is graded by the items alone.
    """
    bugs = [item for item in rubric.item if item.kind == "bug"]
    extensions = [item for item in rubric.item if item.kind == "extension"]
    return _template("README.md.jinja").render(
        bugs=_number_of(bugs),
        where=where,
        built_in=built_in,
        agent=agent,
        extensions=bool(extensions),
        followups=rubric.followup,
        apart=FOLLOWUPS in files,
        total=f"{sum(item.points for item in rubric.item):g}",
        several=len(bugs) > 1,
        exact=_exact(bugs),
        grade=_grade([item.points for item in bugs], [item.points for item in extensions]),
    )


def adapted_readme(rubric: Rubric, files: Sequence[str], library: str = "", *, agent: bool = False) -> str:
    """The task with a GPT that keeps no contract.

    Args:
        files: of the starter that bugs may be in, by name.
        library: that its model imports, if there is one.
        agent: whether the reader has no command ``grader``.
    """
    bugs = [item for item in rubric.item if item.kind == "bug"]
    return _template("README.adapted.md.jinja").render(
        files=_listed([f"`{file}`" for file in files]),
        library=library,
        agent=agent,
        bugs=_number_of(bugs),
        several=len(bugs) > 1,
        exact=_exact(bugs),
        unasked=_listed([ABOUT.get(family, family) for family in rubric.unasked or ()]),
        grade=_grade([item.points for item in bugs], []),
    )


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("grader.exercise", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, made of trusted text alone
    )
    return environment.get_template(name)


def _number_of(bugs: Sequence[Item]) -> str:
    return f"{NUMBERS[len(bugs)]} bug{'s' if len(bugs) > 1 else ''}"


def _listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _exact(bugs: Sequence[Item]) -> str:
    """What of a bug's points is for identical bits: ``Of the 15 points of each bug, 3``."""
    kinds = list(dict.fromkeys((item.points, item.exact) for item in bugs))
    if len(kinds) > 1:
        return f"Of a bug's points, {' or '.join(f'{exact:g} of {points:g}' for points, exact in kinds)}"
    [(points, exact)] = kinds
    return f"Of the {points:g} points of {'each bug' if len(bugs) > 1 else 'the bug'}, {exact:g}"


def _grade(bugs: list[float], extensions: list[float]) -> list[tuple[str, str]]:
    """The lines of the table of points."""
    lines = []
    for what, points in (("bug", bugs), ("extension", extensions)):
        if len(points) == 1:
            lines.append((f"the {what}", f"{points[0]:g}"))
        elif len(set(points)) == 1:
            lines.append((f"each of the {NUMBERS[len(points)]} {what}s", f"{points[0]:g}"))
        elif points:
            lines.append((f"each of the {NUMBERS[len(points)]} {what}s", f"{min(points):g} or {max(points):g}"))
    return [*lines, ("together", f"{sum(bugs + extensions):g}")]
