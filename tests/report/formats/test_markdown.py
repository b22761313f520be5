"""The summary shows what came out, and no word from elsewhere is markup in it."""

import html
import re
from types import ModuleType

from msgspec.structs import replace

from grader.report.formats import markdown
from grader.result.record import Result

PRE = re.compile(r"^<pre><code>(.*?)</code></pre>$", re.MULTILINE | re.DOTALL)
TAG = re.compile(r"</?(?:code|details|summary|sub)>")


def page(result: Result) -> str:
    return markdown.render(result).decode("utf-8")


def outside_of_code(text: str) -> str:
    """The page without its blocks of code, its references and its own tags: what Markdown would still act on."""
    text = re.sub(r"<code>[^<`|\n]*(?:<!-- -->[^<`|\n]*)*</code>", "", PRE.sub("", text))
    return re.sub(r"&#\d+;(?:<!-- -->)?", "", TAG.sub("", text))


def test_the_table_has_every_item_and_what_it_stumbles_over(samples: ModuleType) -> None:
    lines = page(samples.half_done()).splitlines()

    assert lines[0] == "## Four bugs in a small GPT, and two extensions: 41.66 of 100"
    assert "| Output projection | ✓ Fixed | 15 of 15 |  |" in lines
    [row] = [line for line in lines if line.startswith("| Positional addition")]
    assert row.endswith("<code>Rows 0 and 1 are equal&#58; 0.4181 -1.2092 0.4181 -1.2092</code> |")


def test_only_what_is_unfinished_is_folded_below(samples: ModuleType) -> None:
    assert page(samples.half_done()).count("<details>") == page(samples.half_done()).count("</details>") == 4
    assert "<details>" not in page(samples.perfect())


def test_what_is_not_built_is_shown_once_not_check_by_check(samples: ModuleType) -> None:
    text = page(samples.half_done())

    assert "**◔ Ran out of time&#58; Decoding in chunks equals the full forward" in text
    assert "A cache handed to a fresh process" not in text


def test_blocks_keep_their_lines_and_say_what_was_written(samples: ModuleType) -> None:
    blocks = [html.unescape(block) for block in PRE.findall(page(samples.starter()))]

    assert samples.SNIPPET.rstrip() in blocks
    (grid, *_) = [block for block in blocks if block.startswith("row 0")]
    assert grid.splitlines()[:2] == ["row 0, tokens: 3 | 1 | ✎ 4 → 5", "row 0, logits: ✗ moved | ✗ moved | ≠ moved"]


def test_no_word_from_elsewhere_is_markup(samples: ModuleType) -> None:
    text = page(samples.hostile())
    left = outside_of_code(text)

    # The stars, the table and the hyphens of its second line are the summary's own.
    assert re.findall(r"[<>`\[\]\\$~@#]", left.replace("## ", "", 1).replace("### ", "")) == []
    assert "evil.example" in text
    assert re.search(r"www\.|\w:\w|javascript:", left) is None
    assert {line.count("|") for line in left.splitlines() if "|" in line} == {5}
    assert [line for line in left.splitlines() if line.count("*") not in (0, 4)] == []


def test_blocks_cannot_be_left_from_within(samples: ModuleType) -> None:
    text = page(samples.hostile())

    assert [block for block in PRE.findall(text) if "<" in block or ">" in block] == []
    assert text.count("<pre>") == text.count("</pre>") == len(PRE.findall(text))


def test_names_and_numbers_are_no_mentions_even_once_references_are_resolved(samples: ModuleType) -> None:
    resolved = html.unescape(PRE.sub("", page(samples.hostile())))

    assert "@<!-- -->octocat" in resolved
    assert re.search(r"@\w|#\w", resolved) is None


def test_the_summary_stays_below_a_megabyte_when_every_text_is_a_flood(samples: ModuleType) -> None:
    result = samples.starter()
    flood = "<&\"'" * 2_500
    items = tuple(
        replace(item, checks=tuple(replace(check, output=flood, message=flood) for check in item.checks * 10))
        for item in result.items
    )

    assert len(markdown.render(replace(result, items=items))) < markdown.MAX_BYTES
