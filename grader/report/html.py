"""A result as one self-contained HTML file."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from grader.printable import printable
from grader.record import Exhibits, Result
from grader.report import influence, words
from grader.report.figures import flops_figure, loss_figure
from grader.report.grid import token_table
from grader.report.verdict import is_full, verdict, what_was_seen

MAX_BYTES = 1_000_000
# How much of one text is shown. Only a flood makes the page too big at the first of these.
_LIMITS = (20_000, 4_000, 800, 160)


def render_html(result: Result) -> str:
    """The report: one file, no script, nothing loaded, and below a megabyte however much a candidate printed."""
    pictures = _pictures(result.exhibits)
    page = ""
    for limit in _LIMITS:
        page = _template().render(result=result, pictures=pictures, text_limit=limit)
        if len(page.encode()) < MAX_BYTES:
            break
    return page


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    stylesheet = (folder / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(stylesheet.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(folder),
        # Not select_autoescape: it goes by the end of the file name and leaves `.jinja` unescaped.
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = words.number
    environment.globals.update(
        stylesheet=stylesheet,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        status=words.STATUS,
        outcome=words.OUTCOME,
        lane=words.lane,
        points=words.points,
        verdict=verdict,
        is_full=is_full,
        what_was_seen=what_was_seen,
        token_table=token_table,
        panels=influence.panels,
        leaks=influence.leaks,
        leak_symbol=influence.LEAK,
        levels=range(1, influence.LEVELS + 1),
    )
    return environment.get_template("report.html.jinja")


@pass_context
def _shown(context: Context, value: object) -> object:
    """Every text on its way into the page: harmless, and cut where it floods. What is left out is said."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text, limit = printable(value), context["text_limit"]
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters; the JSON result has them)"


def _pictures(exhibits: Exhibits) -> dict[str, Markup]:
    """The drawings that the result has data for. They are ours, and the only markup that is not the template's."""
    drawings = {}
    if exhibits.training is not None:
        drawings["training"] = loss_figure(exhibits.training)
    if exhibits.flops is not None:
        drawings["flops"] = flops_figure(exhibits.flops)
    return {name: Markup(drawing) for name, drawing in drawings.items()}
