"""A result as one self-contained HTML file."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from grader.files.printable import printable
from grader.report import timeline_words, verdict, words
from grader.report.exhibits import LEAK, LEVELS, leaks, panels, parameter_rows, strange
from grader.report.grid import token_table
from grader.report.page_parts import ScoreCurve, content_policy, diff_lines, score_curve
from grader.report.pictures import pictures
from grader.result.record import Audience, CheckResult, FollowUp, ItemResult, Result, TimelineEvent

MAX_BYTES = 1_000_000
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]")
# How much of one text is shown. Only a flood makes the page too big at the first of these.
_LIMITS = (20_000, 4_000, 800, 160)


def render_html(result: Result, *, back: str = "", so_far: bool = False) -> str:
    """The report: one file, no script, nothing loaded, and below a megabyte however much a candidate printed.

    Args:
        back: where the page about all candidates is.
        so_far: whether the submission's own models and runs are still being compared with the solution's.
    """
    pictured = pictures(result.exhibits)
    exhibits = result.exhibits
    fixed = {
        "result": result,
        "back": back,
        "so_far": so_far,
        "instructor": result.audience is Audience.INSTRUCTOR,
        "places": _places(result),
        "pictures": pictured,
        "anchor": _anchors(result),
        "places_shown": result.has_checks and (bool(verdict.explained(result.items)) or not result.load_faults),
        "followups_shown": bool(verdict.explained(result.followups)),
        "shows_closer": bool(pictured) or exhibits.influence is not None or exhibits.parameters is not None,
        "titles": {item.id: item.title for item in result.items} | {each.id: each.title for each in result.followups},
    }
    page = ""
    for limit in _LIMITS:
        page = _template().render(fixed, text_limit=limit)
        if len(page.encode()) < MAX_BYTES:
            break
    return page


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    stylesheet = (folder / "report.css").read_text(encoding="utf-8")
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
        policy=content_policy(stylesheet),
        outcome=words.OUTCOME,
        lane=words.lane,
        points=words.points,
        tested=verdict.tested,
        verdict=verdict.verdict,
        is_full=verdict.is_full,
        is_bug=verdict.is_bug,
        shows_followups=verdict.shows_followups,
        first_step=verdict.first_step,
        item_title=verdict.item_title,
        unfolded=verdict.unfolded,
        stops=verdict.stops,
        withheld=verdict.withheld,
        does_not_run=verdict.DOES_NOT_RUN,
        waits_for_the_code=verdict.waits_for_the_code,
        explained=verdict.explained,
        first_failing=verdict.first_failing,
        groups=verdict.groups,
        standing=verdict.standing,
        status_label=words.STATUS,
        blockers=verdict.blockers,
        check_label=words.label,
        share=words.share,
        what_was_seen=verdict.what_was_seen,
        usual_causes=verdict.usual_causes,
        brief=words.brief,
        token_table=token_table,
        diff_lines=diff_lines,
        timeline_words=timeline_words,
        timeline_curve=_timeline_curve,
        when=words.when,
        parameter_rows=parameter_rows,
        panels=panels,
        leaks=leaks,
        strange=strange,
        leak_symbol=LEAK,
        levels=range(1, LEVELS + 1),
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


def _timeline_curve(grades: Sequence[TimelineEvent]) -> ScoreCurve:
    scores = [(f"{grade.score:g} after {timeline_words.minutes(grade.minute)}", grade.score) for grade in grades]
    return score_curve(scores, max(grade.max_score for grade in grades))


class _Place(NamedTuple):
    """Where an item stands on the page."""

    number: int
    title: str


def _anchors(result: Result) -> Callable[[ItemResult | FollowUp, CheckResult], str]:
    """What leads to a check of an item: made of their ids, so that it stays the same from grade to grade."""
    found: dict[tuple[int, int], str] = {}  # by which object it is: ids of a result from elsewhere may be alike
    taken: set[str] = set()
    parts: tuple[ItemResult | FollowUp, ...] = (*result.items, *result.followups)
    for part in parts:
        for check in part.checks:
            name = f"{_plain_id(part.id)}.{_plain_id(check.id)}"
            name = next(
                each for number in count(1) if (each := name if number == 1 else f"{name}.{number}") not in taken
            )
            taken.add(name)
            found[id(part), id(check)] = name
    return lambda part, check: found[id(part), id(check)]


def _plain_id(text: str) -> str:
    """The text as it may stand in an address: what is not a letter, a digit or a hyphen is a hyphen."""
    return _NOT_PLAIN.sub("-", text)[:80]


def _places(result: Result) -> dict[str, _Place]:
    return {item.id: _Place(number, item.title) for number, item in enumerate(result.items, 1)}
