"""What is wrong in larger models alone is seen at sizes beyond the defaults, and shown at the smallest that has it."""

import runpy
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Bench, Check
from grader.extent import extents
from grader.judge import ask_case
from grader.search import Search, search, search_sizes

Judged = Callable[..., AbstractContextManager[Bench]]
HERE = Path(__file__).parent
WRONG = runpy.run_path(str(HERE / "wrong" / "sizes.py"))["CASES"]


def asked(check: Check, bench: Bench, *, shrink: bool = True) -> Search:
    """A check at sizes, as a grade asks it."""
    assert check.at_size is not None
    sizes = extents(check.default, bench.seeds.derive("sizes"), thorough=False)
    return search_sizes(check.at_size, sizes, lambda case: ask_case(check, case, bench), shrink=shrink)


def drawn(check: Check, bench: Bench) -> Search:
    """A check's small cases, as a grade asks them."""
    seed = bench.seeds.derive("cases", check.id)
    return search(
        check.cases, lambda case: ask_case(check, case, bench), seed=seed, examples=check.examples, shrink=False
    )


@pytest.mark.parametrize("name", WRONG)
def test_it_is_seen_at_its_size(name: str, rewritten: Callable[..., dict[str, str]], judged: Judged) -> None:
    _, check, change = WRONG[name]

    with judged(rewritten(change), "sizes") as bench:
        found = asked(BY_ID[check], bench, shrink=False)

    assert found.failure is not None
