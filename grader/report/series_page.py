"""Several results of one exercise side by side, as one self-contained page."""

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from grader.files.printable import one_line, printable
from grader.report import words
from grader.report.content_policy import content_policy
from grader.report.curve import score_curve
from grader.report.diff_lines import diff_lines
from grader.report.series_text import letter
from grader.result.record import Audience
from grader.result.series import Series, divergence

TEXT_LIMIT: Final = 40_000  # characters of one file's diff
CURVE_FROM: Final = 3  # results: of two there is no line worth drawing


def render_series_page(found: Series) -> str:
    """The page: one file, no script, nothing loaded."""
    last = found.results[-1].result
    scores = [
        (f"{letter(index)}: {each.result.score:g}", each.result.score) for index, each in enumerate(found.results)
    ]
    return _template().render(
        found=found,
        title=last.exercise.title,
        instructor=any(each.result.audience is Audience.INSTRUCTOR for each in found.results),
        drawn=score_curve(scores, last.max_score) if len(scores) >= CURVE_FROM else None,
        text_limit=TEXT_LIMIT,
    )


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    stylesheet = "".join((folder / name).read_text(encoding="utf-8") for name in ("report.css", "series.css"))
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,  # not select_autoescape: it leaves `.jinja` unescaped
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=words.number, one_line=one_line)
    environment.globals.update(
        stylesheet=stylesheet,
        policy=content_policy(stylesheet),
        label=words.STATUS,
        outcome=words.OUTCOME,
        letter=letter,
        divergence=divergence,
        diff_lines=diff_lines,
    )
    return environment.get_template("series.html.jinja")
