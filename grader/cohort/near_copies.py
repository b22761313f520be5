"""The page that has near copies side by side: what two of them have in common, line by line, beyond the starter."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from rapidfuzz.distance import Indel

from grader.cohort.page import environment, shown_titles
from grader.cohort.similarity import Alphabet, Group, Pair
from grader.cohort.summary import Summary
from grader.files.printable import printable

MOST_PAIRS: Final = 60  # that are shown side by side; the most alike of the largest groups come first
MOST_LINES: Final = 3_000  # of one file that are compared: what takes time is their square
MOST_SHOWN: Final = 400  # lines of one file beside the other's
MOST_CHARACTERS: Final = 160  # of one line
CONTEXT: Final = 1  # lines of the starter that are shown around what is not the starter's


class SideBySide(NamedTuple):
    """One line of each of two texts, or a stretch of lines that both have from the starter.

    Attributes:
        kind: "same" to the letter; "alike" but for names, numbers, strings, comments and layout; "left" or "right" for
            a line that the other has nothing for; "starter" for what both were handed; "skipped" for a stretch of that.
        left: the line's number, from 1, or 0; of what is skipped, how many lines that are.
    """

    kind: str
    left: int
    left_text: str
    right: int
    right_text: str


class FilePair(NamedTuple):
    """A file of two submissions.

    Attributes:
        left_out: lines that are not shown, since there are too many.
    """

    name: str
    lines: list[SideBySide]
    left_out: int


class Compared(NamedTuple):
    """Two submissions whose texts are shown side by side."""

    pair: Pair
    files: list[FilePair]


def compared_groups(groups: Sequence[Group]) -> dict[int, tuple[Pair, ...]]:
    """The pairs that are shown side by side, by the numbers of their groups, as many as the page has room for."""
    found: dict[int, tuple[Pair, ...]] = {}
    room = MOST_PAIRS
    for number, group in enumerate(groups, 1):
        if shown := group.pairs[:room]:
            found[number] = shown
        room -= len(shown)
    return found


def render_near_copies(
    summary: Summary, submissions: Mapping[str, Mapping[str, str]], starter: Mapping[str, str]
) -> str:
    """The page: one file, no script, nothing loaded, and every line of a submission a text.

    Args:
        submissions: the files of those that are in a group, by folder.
    """
    alphabet = Alphabet()
    handed_out = {name: frozenset(map(str.strip, text.splitlines())) for name, text in starter.items()}
    sections = {
        number: [
            Compared(pair, list(_files(submissions[pair.first], submissions[pair.second], handed_out, alphabet)))
            for pair in pairs
        ]
        for number, pairs in compared_groups(summary.groups).items()
    }
    return (
        environment()
        .get_template("near-copies.html.jinja")
        .render(
            summary=summary, titles=shown_titles(summary), sections=sections, graded={r.folder for r in summary.graded}
        )
    )


def _files(
    one: Mapping[str, str], other: Mapping[str, str], starter: Mapping[str, frozenset[str]], alphabet: Alphabet
) -> Iterator[FilePair]:
    for name in sorted({*one, *other}):
        left, right = (files.get(name, "").splitlines()[:MOST_LINES] for files in (one, other))
        lines = list(_folded(list(_lines(left, right, starter.get(name, frozenset()), alphabet))))
        if any(line.kind != "skipped" for line in lines):
            yield FilePair(name, lines[:MOST_SHOWN], max(len(lines) - MOST_SHOWN, 0))


def _lines(
    left: Sequence[str], right: Sequence[str], starter: frozenset[str], alphabet: Alphabet
) -> Iterator[SideBySide]:
    """Both texts, line by line, put beside each other by what is the same once names are not looked at."""
    keys = [[_key(line, alphabet) for line in text] for text in (left, right)]
    for step in Indel.opcodes(*keys):
        olds, news = range(step.src_start, step.src_end), range(step.dest_start, step.dest_end)
        if step.tag == "equal":
            for old, new in zip(olds, news, strict=True):
                yield SideBySide(
                    _kind(left[old], right[new], starter), old + 1, _cut(left[old]), new + 1, _cut(right[new])
                )
        for old in olds if step.tag == "delete" else ():
            yield SideBySide("left", old + 1, _cut(left[old]), 0, "")
        for new in news if step.tag == "insert" else ():
            yield SideBySide("right", 0, "", new + 1, _cut(right[new]))


def _key(line: str, alphabet: Alphabet) -> str:
    """What lines are put beside each other by: their tokens, or where there are none what is written."""
    return alphabet.written(line) or line.strip()


def _kind(left: str, right: str, starter: frozenset[str]) -> str:
    if left.strip() in starter and right.strip() in starter:
        return "starter"
    return "same" if left.strip() == right.strip() else "alike"


def _folded(lines: Sequence[SideBySide]) -> Iterator[SideBySide]:
    """The same, with each stretch of what both have from the starter cut to what is around the rest."""
    for is_starters, stretch in groupby(lines, key=lambda line: line.kind == "starter"):
        found = list(stretch)
        if not is_starters or len(found) <= 2 * CONTEXT + 1:
            yield from found
            continue
        yield from found[:CONTEXT]
        yield SideBySide("skipped", len(found) - 2 * CONTEXT, "", 0, "")
        yield from found[-CONTEXT:]


def _cut(line: str) -> str:
    shown = printable(line.expandtabs(4)).rstrip()
    return shown if len(shown) <= MOST_CHARACTERS else f"{shown[:MOST_CHARACTERS]}…"
