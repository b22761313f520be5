"""The page is sound, self-contained and harmless, whatever is in the result."""

import base64
import hashlib
import re
from enum import StrEnum
from html.parser import HTMLParser
from itertools import pairwise
from types import ModuleType
from typing import get_type_hints

import pytest
from msgspec.structs import replace

from grader.report import render_html
from grader.report.html import MAX_BYTES
from grader.report.text import next_step
from grader.report.verdict import first_step
from grader.result import record
from grader.result.audience import for_audience
from grader.result.record import (
    Audience,
    CacheExhibit,
    Counterexample,
    Curve,
    Exhibits,
    FlopsExhibit,
    Frozen,
    InfluenceExhibit,
    Lane,
    ObjectivesRun,
    Outcome,
    ParameterExhibit,
    Result,
    Role,
    Status,
    TrainingExhibit,
    UlpExhibit,
    WeightingExhibit,
)

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Elements, ids and text of a page; notes every tag that does not close in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.misplaced: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.misplaced.append(f"{tag}: an attribute twice")
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.misplaced.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def tags(self, *names: str) -> list[str]:
        return [tag for tag, _ in self.elements if tag in names]

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


def test_every_element_is_closed_in_order(result: Result) -> None:
    page = Page(render_html(result))

    assert (page.misplaced, page.open) == ([], [])


def test_headings_start_with_one_h1_and_skip_no_level(result: Result) -> None:
    levels = [int(tag[1]) for tag in Page(render_html(result)).tags("h1", "h2", "h3", "h4", "h5", "h6")]

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1] == []


def test_ids_are_unique_and_every_reference_has_its_target(result: Result) -> None:
    markup = render_html(result)
    page = Page(markup)
    ids = page.values("id")
    wanted = [reference.removeprefix("#") for reference in page.values("href")]
    wanted += page.values("aria-labelledby") + page.values("aria-describedby") + re.findall(r"url\(#([^)]+)\)", markup)

    assert len(ids) == len(set(ids))
    assert set(wanted) <= set(ids)


def test_nothing_runs_and_nothing_is_loaded(result: Result) -> None:
    markup = render_html(result)
    page = Page(markup)

    assert page.tags("script", "img", "link", "iframe", "object", "embed", "base", "form") == []
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    assert page.values("src") + page.values("xlink:href") + page.values("style") == []
    assert all(target.startswith("#") for target in page.values("href"))
    assert re.findall(r"https?://[^\s\"<]*", markup) == []
    assert "@import" not in markup


def test_the_policy_allows_this_stylesheet_and_nothing_else(result: Result) -> None:
    markup = render_html(result)
    (stylesheet,) = re.findall(r"<style>(.*?)</style>", markup, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(stylesheet.encode()).digest()).decode()
    (policy,) = [a["content"] for _, a in Page(markup).elements if a.get("http-equiv") == "Content-Security-Policy"]

    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_hostile_text_is_shown_as_text(samples: ModuleType) -> None:
    markup = render_html(samples.hostile())

    assert "<script" not in markup
    assert "onerror" not in {name for _, attributes in Page(markup).elements for name in attributes}
    assert "<script>alert(1)</script>\"'></pre></style><img src=x onerror=alert(2)> {{ 7*7 }}" in Page(markup).text


def texts_of(value: object) -> set[str]:
    """The fields, as Struct.field, in which there is a text."""
    if isinstance(value, Frozen):
        own = {name: getattr(value, name) for name in value.__struct_fields__}
        held = {f"{type(value).__name__}.{name}" for name, inner in own.items() if holds_text(inner)}
        return held.union(*map(texts_of, own.values()))
    return set().union(*map(texts_of, value)) if isinstance(value, tuple) else set()


def holds_text(value: object) -> bool:
    if isinstance(value, tuple):
        return any(map(holds_text, value))
    return isinstance(value, dict) or (isinstance(value, str) and not isinstance(value, StrEnum) and value != "")


def test_the_samples_have_something_in_every_field_that_can_hold_a_text(samples: ModuleType) -> None:
    kinds = [kind for kind in vars(record).values() if isinstance(kind, type) and issubclass(kind, Frozen)]
    able = {
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name, hint in get_type_hints(kind).items()
        if re.search(r"\bstr\b", str(hint))
    }

    assert texts_of(samples.half_done()) == able  # else an attack in every text would leave one out


def test_no_control_character_reaches_the_page(samples: ModuleType) -> None:
    markup = render_html(samples.hostile())

    assert [c for c in set(markup) if not c.isprintable() and c not in "\n\t"] == []


def test_a_flood_is_cut_and_the_cut_is_said(samples: ModuleType) -> None:
    markup = render_html(samples.hostile())

    assert "more characters; the JSON result has them)" in markup


def test_the_page_stays_below_a_megabyte(result: Result) -> None:
    assert len(render_html(result).encode()) < MAX_BYTES


def test_the_page_stays_below_a_megabyte_when_every_text_is_a_flood(samples: ModuleType) -> None:
    result = samples.half_done()
    flood = "<&\"'" * 20_000
    items = tuple(
        replace(item, checks=tuple(replace(check, output=flood, message=flood) for check in item.checks * 5))
        for item in result.items
    )

    assert len(render_html(replace(result, items=items)).encode()) < MAX_BYTES


def test_a_learner_sees_nothing_of_the_reference(samples: ModuleType, result: Result) -> None:
    instructor = render_html(result)
    learner = render_html(for_audience(result, Audience.LEARNER))

    assert samples.CANARY not in learner
    assert "instructor only" not in learner
    assert str(samples.SEED) not in learner
    assert str(samples.SEED) in instructor


def test_an_instructor_sees_the_reference_in_a_block_of_its_own(samples: ModuleType) -> None:
    markup = render_html(samples.starter())

    assert "Reference (instructor only)" in markup
    assert samples.CANARY in markup


def test_the_same_result_gives_the_same_bytes(result: Result) -> None:
    assert render_html(result) == render_html(result)


@pytest.mark.parametrize("audience", Audience)
def test_how_far_the_questions_went_is_told_of_each_item(samples: ModuleType, audience: Audience) -> None:
    page = render_html(for_audience(samples.perfect(), audience))

    assert ">Tested up to 77 tokens, 17 rows, 5 layers, 123 words, width 34, in eval mode.<" in page


def open_items(page: Page) -> list[bool]:
    kinds = [a for tag, a in page.elements if tag == "details" and "item" in str(a.get("class", "")).split()]
    return ["open" in attributes for attributes in kinds]


def test_of_many_unfinished_items_the_one_to_begin_with_is_open(samples: ModuleType) -> None:
    result = samples.half_done()
    first = first_step(result)
    assert first is not None

    assert open_items(Page(render_html(result))) == [item.id == first.id for item in result.items]


def test_a_few_unfinished_items_are_open_and_finished_ones_closed(samples: ModuleType) -> None:
    result = samples.half_done()
    right = samples.perfect().items[0]
    fewer = [item if number < 2 else replace(right, id=item.id) for number, item in enumerate(result.items)]

    assert open_items(Page(render_html(replace(result, items=tuple(fewer))))) == [True, True, *[False] * 4]


def test_changed_tokens_and_moved_logits_are_told_in_words(samples: ModuleType) -> None:
    text = Page(render_html(samples.starter())).text

    assert "✎ 4 → 5, token that was changed, old → new" in text
    assert text.count("✗ moved, logits that moved, and must not") == 2 * text.count(
        "≠ moved, logits that moved, as they may"
    )


def test_every_entry_that_leaks_is_counted_and_marked(samples: ModuleType) -> None:
    markup = render_html(samples.starter())

    assert "28 entries above the diagonal should be zero and are not." in markup
    assert Page(markup).text.count("leak from the future") == 28 + 1  # and once in the legend


def test_a_learner_sees_the_zero_pattern_in_place_of_the_reference(samples: ModuleType) -> None:
    text = Page(render_html(for_audience(samples.starter(), Audience.LEARNER))).text

    assert "What a causal model looks like" in text
    assert text.count("may have influence") == 36


def test_only_what_is_not_right_has_hints_each_inside_the_one_before(samples: ModuleType) -> None:
    result = for_audience(samples.half_done(), Audience.LEARNER)
    page = Page(render_html(result))
    summaries = [text for text in ("Hint 1 of 3", "hint 2 of 3", "hint 3 of 3") if text in page.text]

    assert len(summaries) == 3
    assert page.values("class").count("hint") == 3 * sum(bool(item.hints) for item in result.items)
    assert [hint for hint in samples.HINTS if hint in Page(render_html(samples.perfect())).text] == []


def test_a_learner_finds_the_usual_causes_behind_the_third_hint_alone(samples: ModuleType) -> None:
    markup = render_html(for_audience(samples.half_done(), Audience.LEARNER))
    cause = samples.half_done().items[0].checks[0].usual_causes[0]

    assert markup.count(cause) == 1
    assert markup.index("hint 3 of 3") < markup.index(cause)
    assert "Usual causes" not in markup


def test_the_first_item_that_something_was_seen_of_is_the_one_to_start_with(samples: ModuleType) -> None:
    text = Page(render_html(replace(samples.half_done(), load_faults=()))).text

    assert "Start with Attention masking" in text
    assert "Start with" not in Page(render_html(samples.perfect())).text


def test_what_to_start_with_is_what_the_terminal_says_where_a_file_does_not_run(samples: ModuleType) -> None:
    result = samples.half_done()
    text = " ".join(Page(render_html(result)).text.split())

    assert "Start with making train.py run: what stops it is shown above." in text
    assert text.count("Start with") == 1
    assert next_step(result) == "Next: make train.py run."


def test_a_file_that_does_not_run_comes_before_everything_else(samples: ModuleType) -> None:
    text = " ".join(Page(render_html(samples.half_done())).text.split())
    before, _, after = text.partition("Does not run train.py, line 12, in main: RuntimeError: no data ")

    assert "At a glance" not in before
    assert after.startswith('raise RuntimeError("no data") ^ What needs train.py waits until it runs.')


def test_lines_added_and_removed_are_told_by_sign_colour_and_number(samples: ModuleType) -> None:
    page = Page(render_html(replace(samples.half_done(), timeline=None)))

    assert "model.py +2 \N{MINUS SIGN}1" in " ".join(page.text.split())
    assert (page.tags("ins"), page.tags("del")) == (["ins"] * 3, ["del"] * 2)
    assert "+    return allowed.triu(diagonal=1)  # <b>bold</b>" in page.text
    assert "3 more lines are not shown" in page.text


def test_no_line_of_a_diff_becomes_markup(samples: ModuleType) -> None:
    diff = "@@ -1 +1 @@\n" + "\n".join(f"{sign}{samples.ATTACK}" for sign in "+- ")
    (change, *_) = samples.half_done().changes
    markup = render_html(replace(samples.half_done(), changes=(replace(change, diff=diff, file=samples.ATTACK),)))
    page = Page(markup)

    assert page.tags("script", "img", "b") == []
    assert page.misplaced == []


def test_the_page_stays_below_a_megabyte_however_much_was_changed(samples: ModuleType) -> None:
    (change, *_) = samples.half_done().changes
    flood = replace(change, diff="@@ -1 +1 @@\n" + "+\n" * 40_000)

    markup = render_html(replace(samples.half_done(), changes=(flood,) * 64))

    assert len(markup.encode()) < MAX_BYTES
    assert "more lines are not shown" in markup


@pytest.mark.parametrize(
    "losses", [(), (None,), (None, None), (1.0,), (1e308, -1e308), (1e-9, 1e9), (float("nan"), float("inf"))], ids=str
)
def test_any_losses_can_be_drawn(samples: ModuleType, losses: tuple[float | None, ...]) -> None:
    training = TrainingExhibit(
        candidate=Curve(label="this candidate", losses=losses),
        reference=None,
        variant=None,
        first_divergence=None,
        note="",
    )

    page = Page(render_html(replace(samples.bare(), exhibits=Exhibits(training=training))))

    assert page.tags("svg").count("svg") == 2  # the picture and the key of its only line
    assert page.misplaced == []


@pytest.mark.parametrize(
    "matrix",
    [(), ((),), ((0.0,),), ((1.0, float("nan")), (float("inf"), 0.0)), ((1e300, 5e-324), (1e-300, -1.0))],
    ids=str,
)
def test_any_influence_can_be_shown(samples: ModuleType, matrix: tuple[tuple[float, ...], ...]) -> None:
    influence = InfluenceExhibit(tokens=(1, 2), candidate=matrix, reference=None)

    page = Page(render_html(replace(samples.bare(), exhibits=Exhibits(influence=influence))))

    assert page.misplaced == []


def test_what_is_no_number_is_neither_a_leak_nor_zero(samples: ModuleType) -> None:
    influence = InfluenceExhibit(tokens=(1, 2), candidate=((None, None), (0.5, 1.0)), reference=None)

    text = render_html(replace(samples.bare(), exhibits=Exhibits(influence=influence)))

    assert "2 entries are no finite number" in text
    assert "Everything above the diagonal is exactly zero" not in text
    assert '<td class="leak">' not in text


def test_values_on_several_lines_keep_their_lines(samples: ModuleType) -> None:
    result = samples.starter()
    seen = "rows differ:\n  0.1  0.2"
    case = Counterexample(claim="rows are equal", seen=seen)
    check = replace(result.items[0].checks[0], counterexample=case)
    item = replace(result.items[0], checks=(check,))

    assert f"<code>{seen}</code></pre>" in render_html(replace(result, items=(item,)))


HUGE = 2**40


def objectives(*values: float | None) -> ObjectivesRun:
    """A run in which everything measured is the same."""
    return ObjectivesRun(
        label="a run",
        lm_norms=values,
        class_norms=values,
        weights=values,
        cosines=values,
        lm_losses=values,
        accuracies=values,
    )


@pytest.mark.parametrize(
    "exhibits",
    [
        Exhibits(cache=CacheExhibit(lengths=(), layers=(), expected=(), element_bytes=4)),
        Exhibits(cache=CacheExhibit(lengths=(1, 2), layers=((HUGE, -1),) * 9, expected=(0, 0), element_bytes=4)),
        Exhibits(ulps=UlpExhibit(forwards=0, counts=(), largest=None, incomparable=0)),
        Exhibits(ulps=UlpExhibit(forwards=1, counts=(0,) * 64 + (HUGE,), largest=HUGE, incomparable=HUGE)),
        Exhibits(flops=FlopsExhibit(lengths=(), cached=(), full=())),
        Exhibits(parameters=ParameterExhibit(config={}, rows=())),
        Exhibits(weighting=WeightingExhibit(steps=(), constant=objectives(), balanced=objectives())),
        Exhibits(
            weighting=WeightingExhibit(
                steps=(0, 4, 8), constant=objectives(None, 1e300, -1.0), balanced=objectives(0.0, 5e-324, None)
            )
        ),
    ],
    ids=["no-cache", "odd-cache", "no-logits", "far-logits", "no-lengths", "no-parameters", "no-steps", "odd-runs"],
)
def test_any_other_evidence_can_be_shown(samples: ModuleType, exhibits: Exhibits) -> None:
    page = Page(render_html(replace(samples.bare(), exhibits=exhibits)))

    assert page.misplaced == []


# What has one reason is told once


def waiting(result: Result) -> Result:
    """The same result with an item of which nothing can be told before two others are right."""
    item = result.items[1]
    checks = tuple(
        replace(check, outcome=Outcome.BLOCKED, blocked_by=("masking", "projection"), counterexample=None, message="?")
        for check in item.checks * 2
    )
    return replace(
        result, items=(result.items[0], replace(item, checks=checks, score=0, status=Status.WAITS), *result.items[2:])
    )


def test_an_item_that_waits_for_others_says_so_once_and_names_them_by_title(samples: ModuleType) -> None:
    page = Page(render_html(waiting(samples.starter())))
    text = " ".join(page.text.split())
    _, _, item = text.partition("Link to this item: Positional addition ")
    body = item.removeprefix("Positional addition").partition("Output projection ✗")[0]

    assert body.startswith(" ⊘ Waits 0 of 15 Not graded yet. First fix Attention masking, Output projection.")
    assert "⊘ Waits 2 checks wait for Attention masking, Output projection" in body
    assert (body.count("First fix"), "projection," in body, "?" in body) == (1, False, False)


def test_no_id_of_an_item_stands_in_the_prose(samples: ModuleType) -> None:
    result = samples.half_done()
    items = [replace(item, id=f"id-{number}") for number, item in enumerate(result.items)]
    blocked = replace(items[1].checks[0], outcome=Outcome.BLOCKED, blocked_by=("id-0", "id-2"), counterexample=None)
    items[1] = replace(items[1], checks=(blocked,))
    asked = replace(result.asked, only=("id-0", "id-1"))
    markup = render_html(replace(result, items=tuple(items), asked=asked, remaining_bugs=("id-0",)))

    assert re.findall(r"id-\d", Page(markup).text) == []


def test_a_bug_that_was_not_asked_for_is_named_by_its_title(samples: ModuleType) -> None:
    result = samples.half_done()
    exercise = replace(result.exercise, unasked={"id-9": "Training step"})
    page = Page(render_html(replace(result, exercise=exercise, remaining_bugs=("id-9",))))

    assert "Known bugs still in: Training step (not asked for)." in " ".join(page.text.split())


def test_what_is_not_built_is_said_once_with_what_the_code_says_and_its_checks_are_folded(samples: ModuleType) -> None:
    result = samples.starter()
    *others, classifier = result.items
    page = Page(render_html(replace(result, items=(*others, replace(classifier, checks=classifier.checks * 8)))))
    text = " ".join(page.text.split())

    assert text.count("NotImplementedError: build me") == 1
    assert "✗ Not built 8 checks will ask about it once it is built" in text
    assert "not built yet: NotImplementedError" not in text


def test_what_worked_before_and_does_no_longer_is_told_before_all_else_that_failed(samples: ModuleType) -> None:
    result = samples.starter()
    masking = result.items[0]
    checks = [replace(check, outcome=Outcome.FAILED) for check in masking.checks]
    text = Page(render_html(replace(result, items=(replace(masking, checks=tuple(checks)),)))).text
    guard = next(check.title for check in checks if check.role is Role.GUARD)

    assert min((text.index(check.title), check.title) for check in checks)[1] == guard


def test_of_a_bug_that_is_still_in_what_it_is_worth_to_fix_is_told_first(samples: ModuleType) -> None:
    result = samples.starter()
    masking = result.items[0]
    checks = tuple(replace(check, outcome=Outcome.FAILED) for check in masking.checks)
    still_in = replace(masking, checks=checks, status=Status.NOT_FIXED, lane=Lane.BITWISE)
    text = Page(render_html(replace(result, items=(still_in,)))).text

    first = min((text.index(check.title), check.role) for check in checks)[1]
    assert first is Role.EARNS


# Follow-up questions


def test_follow_ups_have_a_row_each_after_the_items_and_outside_their_total(samples: ModuleType) -> None:
    markup = render_html(samples.followed_up())
    text = " ".join(Page(markup).text.split())
    section = text.partition("Follow-up questions")[2].partition("A closer look")[0]

    assert markup.index('id="items"') < markup.index('id="followups"') < markup.index('id="closer"')
    assert "Beside the 100 points, not part of them." in section
    assert "Several heads ◐ Partly 3 of 5" in section
    assert "Rotary positions ? Could not judge not counted" in section
    assert "Batches of prompts of different lengths ✗ Not built 0 of 5" in section
    assert 'class="bar-got" width="60"' in markup


def test_follow_ups_none_of_which_is_built_take_one_line(samples: ModuleType) -> None:
    result = samples.starter()
    (one,) = result.followups
    markup = render_html(replace(result, followups=(one, replace(one, title="Rotary positions"))))
    text = Page(markup).text

    listed = "they lie beside the 100 points: Batches of prompts of different lengths, Rotary positions."
    assert f"None of them is built yet; {listed}" in text
    assert "slim" not in " ".join(Page(markup).values("class"))


def test_without_follow_ups_there_is_no_word_of_them(samples: ModuleType) -> None:
    assert "Follow-up" not in Page(render_html(replace(samples.starter(), followups=()))).text


def test_how_it_came_about_is_told_to_instructors_alone(samples: ModuleType) -> None:
    half = samples.half_done()
    markup = render_html(half)
    text = " ".join(Page(markup).text.split())

    assert "How it came about 2 grades and 1 hint in 52 min, from 2026-11-29 19:00 UTC to 2026-11-29 19:52 UTC" in text
    assert "the clock was set to 45 minutes; 1 grade after that." in text
    assert "The history does not hold together: line 7 cannot be read." in text
    assert '<th scope="row">Output projection</th><td>after 20 min</td><td>1</td><td>0</td>' in markup
    assert "52 min 0 of 100; no change; does not run; lost Output projection after the time" in text
    assert "How it came about" not in render_html(for_audience(half, Audience.LEARNER))
    assert "How it came about" not in render_html(samples.perfect())


def test_when_it_was_graded_stands_at_the_top(samples: ModuleType) -> None:
    assert "graded 2026-11-29 19:52 UTC" in Page(render_html(samples.half_done())).text
    assert "· graded" not in Page(render_html(samples.perfect())).text
