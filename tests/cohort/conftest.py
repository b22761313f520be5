"""A cohort made up, with names that would rather be something else."""

import pytest

from grader.cohort.row import Cell, Row
from grader.cohort.similarity import Pair
from grader.cohort.summary import Summary
from grader.result.record import Status

ITEMS = (("masking", "Attention masking"), ("kv-cache", "KV cache <b>and</b> more"))
NAMES = (
    "ann",
    "=HYPERLINK(1)",
    "\uff1d1+1",
    "x;=1+1",
    " +1",
    "@SUM(A1)",
    "-2",
    "</script><script>document.title = 'loud'</script>",
    '" onmouseover="alert(1)" x="',
    "javascript:alert(1)",
    "{{ 7*7 }}",
    '\x1b]0;loud\x07 red\u202e\n,"quoted"',
)


@pytest.fixture
def summary() -> Summary:
    """A row for each name, the last of them without a verdict, and two that are alike."""
    rows = [
        Row(
            folder=f"c{number}",
            title=name,
            score=float(10 * number % 40),
            max_score=40.0,
            cells={
                "masking": Cell(Status.FIXED if number % 2 else Status.NOT_FIXED, 15.0 * (number % 2), 15.0),
                "kv-cache": Cell(Status.PARTLY if number % 3 else Status.NOT_BUILT, 5.0 * (number % 3), 20.0),
            },
            remaining_bugs=() if number % 2 else ("masking",),
        )
        for number, name in enumerate(NAMES)
    ]
    rows.append(Row(folder="none", title="none", cells={}, reason="=no model.py in <it>"))
    return Summary(exercise="An <i>exercise</i>", items=ITEMS, rows=tuple(rows), pairs=(Pair("c0", "c7", 0.953),))
