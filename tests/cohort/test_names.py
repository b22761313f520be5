"""No two candidates of a cohort are shown by one name, and no choice of a name changes another's."""

import csv
import io
import re
import unicodedata

import pytest

from grader.cohort.entries import folder_of
from grader.cohort.page import render_index
from grader.cohort.row import Row
from grader.cohort.summary import Summary
from grader.cohort.table import render_table
from grader.files.printable import one_line


def cohort(*names: str) -> Summary:
    """A cohort of candidates that handed in under these names."""
    rows = [Row(folder=folder_of(name), title=one_line(name) or "candidate", score=1.0, cells={}) for name in names]
    return Summary(exercise="", items=(), rows=tuple(rows), pairs=())


def in_the_table(summary: Summary) -> list[str]:
    return [row[0] for row in csv.reader(io.StringIO(render_table(summary).decode("utf-8-sig")))][1:]


def on_the_page(summary: Summary) -> list[str]:
    page = render_index(summary)
    return re.findall(r'<tr id="c-.*?<th scope="row"><(?:a|span).*?>(.*?)<', page)


@pytest.mark.parametrize(
    "names",
    [
        ("alice.zip", "ali\u200bce.zip"),
        ("alice.zip", "alice.zip\u3164", "\u115falice.zip", "alice.zip "),
        ("a\u200bb", "a\u200cb", "a\u200db"),
        ("jos\u00e9", "jose\u0301"),
        ("\uff41lice", "alice"),
        ("\ufb01le", "file"),
        ("a;b", "a,b"),
        ("=1+1", "'=1+1"),
        ("x" * 130 + "a", "x" * 130 + "b"),
        ("ann b", "ann  b", "annb"),
        ("\u200b", "\u200c", "candidate"),
        ("o" + "\u0301" * 8, "o" + "\u0301" * 9),
    ],
    ids=ascii,
)
def test_names_that_look_alike_are_told_apart(names: tuple[str, ...]) -> None:
    summary = cohort(*names)

    for shown in (in_the_table(summary), on_the_page(summary)):
        looks = {"".join(unicodedata.normalize("NFKC", name).split()).lstrip("'") for name in shown}
        assert len(looks) == len(names)


def test_who_has_a_plain_name_keeps_it_whatever_others_are_called() -> None:
    names = ["alice.zip", "ali\u200bce.zip", "bob", "Bob", "J\u00fcrgen"]
    told = in_the_table(cohort(*names))

    assert [told[0], *told[2:]] == [names[0], *names[2:]]
    assert re.fullmatch("alice.zip ~[0-9a-f]{12}", told[1])


def test_nobody_takes_the_name_that_another_was_given() -> None:
    given = in_the_table(cohort("alice.zip", "ali\u200bce.zip"))[1]
    told = in_the_table(cohort("alice.zip", "ali\u200bce.zip", given, given.replace(" ", "\u00a0")))

    assert len(set(told)) == 4
    assert told[1] == given
