"""The live page as it is first loaded: all that is known by then, and the script that keeps it up to date."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader import report
from grader.files.printable import printable
from grader.live.board import View
from grader.report import words
from grader.report.content_policy import content_policy

_FOLDER = Path(__file__).parent
_REPORT = Path(report.__file__).parent


def render_shell(view: View) -> str:
    """The whole page. What it shows of a submission was escaped when its parts were rendered."""
    return (
        environment()
        .get_template("live.html.jinja")
        .render(
            view=view,
            report=Markup(view.report),
            side=Markup(view.side),
            stylesheet=Markup(_stylesheet()),
            script=Markup(_script()),
        )
    )


def policy() -> str:
    """What the page may do: hold its own style and script, and ask its own server."""
    return f"{content_policy(_stylesheet(), _script())}; connect-src 'self'; frame-ancestors 'none'"


@cache
def environment() -> Environment:
    """Of all templates of the live page, which use some of the report's."""
    made = Environment(
        loader=FileSystemLoader([_FOLDER, _REPORT]),
        autoescape=True,  # not select_autoescape: it leaves `.jinja` unescaped
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = words.number
    return made


@cache
def _stylesheet() -> str:
    return "".join(file.read_text("utf-8") for file in (_REPORT / "report.css", _FOLDER / "live.css"))


@cache
def _script() -> str:
    return (_FOLDER / "live.js").read_text("utf-8")
