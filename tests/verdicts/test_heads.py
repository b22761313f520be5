"""The checks of models with several heads: what a bug of heads breaks is what fails, and what is right passes.

No item of the built-in exercise asks them, so they are put to the packages directly.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Check, Context
from grader.exercise.model import Exercise
from grader.grading.search import Search, search
from grader.injection.choose import mutants
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.questions import Snippet
from mutations.catalogue import operator

pytestmark = pytest.mark.slow  # a second or two for each search

SEPARATE, CAUSAL, CACHED = "heads-are-separate", "heads-are-causal", "cached-heads-equal-full"
ROWS, ONE, START = "rows-ignore-each-other", "one-head-is-plain", "heads-leave-the-start"
CHECKS = [BY_ID[check] for check in (SEPARATE, CAUSAL, CACHED, ROWS, ONE, START)]
TIMEOUT = 120.0

Files = Mapping[str, str]
Ask = Callable[[Files, Check], Search]
Edited = Callable[..., dict[str, str]]

# Operator, site in the reference, and the checks that fail. A cache that agrees with a right forward is right, whatever
# the candidate's own forward does.
PLANTED = [
    pytest.param("heads-merged-untransposed", 0, {SEPARATE, CAUSAL, CACHED}, id="merged-untransposed"),
    pytest.param("heads-cut-across-time", 0, {SEPARATE, CAUSAL, CACHED}, id="cut-across-time"),
    pytest.param("heads-counted-as-layers", 0, {SEPARATE}, id="counted-as-layers"),
    pytest.param("keys-of-first-head-only", 0, {SEPARATE}, id="first-keys-in-both-paths"),
]
SPLIT = "        return x.view(B, T, H, C // H).transpose(1, 2)  # (B, H, T, D)\n"
MERGE = "        return y.transpose(1, 2).reshape(B, T, H * D)  # (B, T, C)\n"
FULL = "        y = self._merge(self.attend(q, k, v, mask, positions))  # (B, T, C)\n"
WHEN_CACHED = "self.attend(q, k, v, chunk.mask, chunk.positions)"
OWN = "        self.n_head = config.n_head\n"
CHOICE = 'is_plain = config.n_head == 1 and config.position == "learned"'
WRONG = [
    pytest.param(FULL, FULL.replace("attend(q,", "attend(q / self.n_head**0.5,"), {SEPARATE}, id="model-width"),
    pytest.param(MERGE, MERGE.replace("y.", "y.flip(1)."), {SEPARATE}, id="joined-in-reverse"),
    pytest.param(MERGE, MERGE.replace("(1, 2)", "(0, 1)"), {SEPARATE, ROWS, CAUSAL, CACHED}, id="over-batch"),
    pytest.param(WHEN_CACHED, WHEN_CACHED.replace("k,", "k[:, :1],"), {CACHED}, id="first-keys-when-cached"),
    pytest.param(OWN, OWN + "        self.mix = torch.rand(())\n", {START}, id="draws-of-its-own"),
    # What attention of PyTorch adds up in another order is right, and not the same bits.
    pytest.param(
        FULL,
        "        y = self._merge(F.scaled_dot_product_attention(q, k, v, is_causal=True))\n",
        {ONE},
        id="attention-of-pytorch-for-several-heads-alone",
    ),
]
HONEST = [
    pytest.param(SPLIT, "        return torch.stack(x.split(C // H, dim=-1), dim=1)\n", id="cut-by-split"),
    pytest.param(MERGE, "        return torch.cat(y.unbind(1), dim=-1)\n", id="joined-by-cat"),
    pytest.param(MERGE, "        return torch.einsum('bhtd->bthd', y).flatten(2)\n", id="joined-by-einsum"),
    pytest.param(CHOICE, "is_plain = False", id="one-class-for-any-number-of-heads"),
    pytest.param(OWN, OWN + "        assert config.n_head > 1\n", id="a-class-that-cannot-have-one-head"),
]


@pytest.fixture
def ask(judged: Callable[..., AbstractContextManager[Context]]) -> Ask:
    """``ask(files, check)``: what the search for a failing case has found."""

    def ask(files: Files, check: Check) -> Search:
        with judged(files, "heads") as context:
            found = search(
                check.cases, lambda case: check.holds(case, context), seed=1, examples=check.examples, shrink=False
            )
            if found.failure is None and check.confirm is not None:
                check.confirm(found.case, context)
            return found

    return ask


def planted(files: Files, operator_id: str, site: int) -> dict[str, str]:
    return list(mutants(files, [operator(operator_id)]))[site].files(files)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_reference_passes(check: Check, ask: Ask, exercise: Exercise) -> None:
    assert ask(exercise.reference, check).failure is None


@pytest.mark.parametrize(("operator_id", "site", "failing"), PLANTED)
def test_a_planted_bug_fails_what_it_breaks(
    operator_id: str, site: int, failing: set[str], ask: Ask, exercise: Exercise
) -> None:
    files = planted(exercise.reference, operator_id, site)

    assert {check.id for check in CHECKS if ask(files, check).failure is not None} == failing


@pytest.mark.parametrize(("old", "new", "failing"), WRONG)
def test_a_bug_that_no_operator_plants_here_fails_too(
    old: str, new: str, failing: set[str], ask: Ask, edited: Edited, exercise: Exercise
) -> None:
    files = edited(exercise.reference, [(old, new)])

    assert {check.id for check in CHECKS if ask(files, check).failure is not None} == failing


@pytest.mark.parametrize(("old", "new"), HONEST)
def test_what_is_right_and_written_otherwise_passes(
    old: str, new: str, ask: Ask, edited: Edited, exercise: Exercise
) -> None:
    files = edited(exercise.reference, [(old, new)])

    assert {check.id: ask(files, check).failure for check in CHECKS} == {check.id: None for check in CHECKS}


# A bug that the snippets of the checks show.
SHOWN = {
    SEPARATE: [(MERGE, MERGE.replace(".transpose(1, 2)", ""))],
    ROWS: [(MERGE, MERGE.replace("(1, 2)", "(0, 1)"))],
    ONE: [(FULL, FULL.replace("attend(q,", "attend(2 * q,"))],
}


@pytest.mark.parametrize("check", [check for check in CHECKS if check.snippet], ids=lambda check: check.id)
def test_a_snippet_shows_the_bug_and_nothing_where_there_is_none(
    check: Check, ask: Ask, edited: Edited, worker_pool: WorkerPool, exercise: Exercise
) -> None:
    files = edited(exercise.reference, SHOWN.get(check.id, SHOWN[SEPARATE]))
    case = ask(files, check).case
    assert check.snippet is not None
    script = Snippet(source=check.snippet(case))
    wrong = Package(worker_pool, "candidate", files, TIMEOUT)
    with pytest.raises(PackageRaised, match="AssertionError"):
        wrong.ask(script, {})
    right = Package(worker_pool, "candidate", exercise.reference, TIMEOUT)
    right.ask(script, {})


def test_heads_that_are_not_built_yet_say_so(ask: Ask, exercise: Exercise) -> None:
    failure = ask(exercise.starter(), BY_ID[SEPARATE]).failure

    assert isinstance(failure, PackageRaised)
    assert failure.unbuilt
