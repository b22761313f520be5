"""Hypothesis is changed for the grader's searches alone, and unchanged for other users in the process."""

import random
import subprocess
import sys
import threading
from typing import Any

import hypothesis
import pytest
from hypothesis import core, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from grader.errors import CannotJudge
from grader.grading import hypothesis_patch as drawing
from grader.grading.hypothesis_patch import drawing_alike
from grader.grading.search import search

TELLING = {number for number in providers.GLOBAL_CONSTANTS.integers if abs(number) > 1 << 40}
"""Numbers that hypothesis draws now and then on purpose, and that are rare otherwise."""


def patched() -> tuple[object, object]:
    return providers.HypothesisProvider._maybe_draw_constant, vars(core)["deterministic_PRNG"]


def elsewhere() -> list[int]:
    """What a test of somebody else's draws."""
    drawn: list[int] = []

    @settings(max_examples=500, database=None, derandomize=True, phases=(hypothesis.Phase.generate,))
    @given(st.integers())
    def test(number: int) -> None:
        drawn.append(number)

    test()
    return drawn


def test_importing_the_library_changes_nothing_of_hypothesis() -> None:
    code = """
from hypothesis import core
from hypothesis.internal.conjecture import providers
before = [dict(vars(module)) for module in (core, providers, providers.HypothesisProvider)]
import grader, grader.api, grader.grading.search
after = [dict(vars(module)) for module in (core, providers, providers.HypothesisProvider)]
print([name for old, new in zip(before, after) for name in new if new[name] is not old.get(name)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_search_puts_everything_back_however_it_ends() -> None:
    before = patched()
    during: list[object] = []

    def ask(_: object) -> None:
        during.append(patched())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(st.integers(), ask, seed=1, examples=5)

    assert patched() == before
    assert during
    assert before not in during


def test_what_others_draw_is_the_same_after_a_search_of_ours() -> None:
    first = elsewhere()
    search(st.integers(), lambda _: None, seed=1, examples=500)

    assert elsewhere() == first
    assert TELLING & set(first)


def test_another_thread_draws_as_ever_while_a_search_is_under_way() -> None:
    expected = elsewhere()
    drawn: list[int] = []

    with drawing_alike():
        other = threading.Thread(target=lambda: drawn.extend(elsewhere()))
        other.start()
        other.join()

        assert drawn == expected
        assert not TELLING & set(elsewhere())


def test_two_searches_at_once_end_in_any_order() -> None:
    before = patched()
    first, second = drawing_alike(), drawing_alike()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)

    assert patched() != before
    second.__exit__(None, None, None)
    assert patched() == before


def test_a_search_leaves_the_random_generators_alone() -> None:
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    drawn: list[float] = []
    search(st.integers(), lambda _: drawn.append(random.random()), seed=1, examples=3)

    assert drawn[:3] == expected


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        (lambda patch: patch.delattr(providers.HypothesisProvider, "_maybe_draw_constant"), "_maybe_draw_constant"),
        (lambda patch: patch.setattr(providers.HypothesisProvider, "_maybe_draw_constant", lambda self, kind: None),
         "_maybe_draw_constant"),
        (lambda patch: patch.delattr(core, "deterministic_PRNG"), "deterministic_PRNG"),
    ],
    ids=["renamed", "another-signature", "no-generators"],
)  # fmt: skip
def test_a_version_that_it_cannot_work_with_is_refused_by_its_number(
    change: Any, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)

    with pytest.raises(CannotJudge, match=rf"hypothesis {hypothesis.__version__} is not one .* no \S*{lacking}"):
        drawing._check_version()
