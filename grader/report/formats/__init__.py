"""A result as other systems read it; every format by its name on the command line."""

from collections.abc import Callable, Mapping
from typing import Final

from grader.report.formats import check50, classroom, gradescope, junit, markdown
from grader.result.record import Result

Renderer = Callable[[Result], bytes]

FORMATS: Final[Mapping[str, Renderer]] = {
    "junit": junit.render,
    "gradescope": gradescope.render,
    "markdown": markdown.render,
    "classroom": classroom.render,
    "check50": check50.render,
}
