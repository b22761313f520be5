"""Results side by side, in a terminal and as a page: within 80 columns, harmless, and nothing hidden for a learner."""

import html.parser
from types import ModuleType

import pytest
from msgspec.structs import replace

from grader.report.side_by_side import render_series, render_series_page
from grader.report.terminal import width
from grader.result.audience import for_audience
from grader.result.record import Audience, Result
from grader.result.series import Named, Series, series


def compared(samples: ModuleType, *names: str, audience: Audience = Audience.INSTRUCTOR) -> Series:
    made: list[Result] = [for_audience(getattr(samples, name)(), audience) for name in names]
    return series([Named(f"{names[number]}.json", told_apart(each, number)) for number, each in enumerate(made)])


def told_apart(result: Result, number: int) -> Result:
    """The result as that of other files than the others, with its diffs whole."""
    changes = tuple(replace(change, left_out=0) for change in result.changes or ())
    return replace(result, candidate=replace(result.candidate, sha256=f"{number:064x}"), changes=changes)


@pytest.mark.parametrize("names", [("starter", "half_done"), ("starter", "half_done", "perfect", "starter")], ids=len)
def test_no_line_is_longer_than_a_terminal_is_wide(names: tuple[str, ...], samples: ModuleType) -> None:
    lines = render_series(compared(samples, *names)).splitlines()

    assert [line for line in lines if width(line) > 80] == []
    assert lines[0] == "Four bugs in a small GPT, and two extensions"


def test_both_say_points_items_divergence_and_the_changed_lines(samples: ModuleType) -> None:
    found = compared(samples, "starter", "half_done")
    text, page = render_series(found), render_series_page(found)

    for shown in (text, page):
        assert "blocks.0.attn.query.weight" in shown
        assert "model.py" in shown
        assert "new" in shown
    assert "A to B (+" in text
    assert "  model.py +2 -1\n" in text
    assert "    +    return allowed.triu(diagonal=1)  # <b>bold</b>\n" in text
    assert "<ins>+    return allowed.triu(diagonal=1)  # &lt;b&gt;bold&lt;/b&gt;</ins>" in page


def test_a_learners_copy_holds_nothing_hidden(samples: ModuleType) -> None:
    found = compared(samples, "starter", "perfect", audience=Audience.LEARNER)

    for shown in (render_series(found), render_series_page(found)):
        assert samples.CANARY not in shown
        assert str(samples.SEED) not in shown
        assert "48,213" not in shown
        assert "off by about" not in shown
    assert "off by about 0.6%" in render_series(compared(samples, "starter", "perfect"))
    assert "48,213" in render_series_page(compared(samples, "starter", "perfect"))


def test_texts_of_a_submission_stay_texts(samples: ModuleType) -> None:
    class Tags(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.add(tag)

    reader = Tags()
    attack = samples.with_every_text(samples.ATTACK.replace("\ud800", ""))  # no result that was read holds such a one
    found = series([Named(samples.ATTACK, attack), Named("<b>", told_apart(attack, 2))])
    page = render_series_page(found)
    reader.feed(page)

    assert reader.found.isdisjoint({"script", "img", "b", "iframe"})
    assert "default-src &#39;none&#39;" in page
    assert "\x1b" not in page + render_series(found)
