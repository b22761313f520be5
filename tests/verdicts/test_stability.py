"""The checks of numerical stability: each sees what it is there for, and no right solution in any form.

Rows that attend to nothing, scores of any size, three precisions and long blocks are put to the packages directly; that
none of the four bugs is judged a second time is seen in grades.
"""

import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Check, Context
from grader.exercise.model import Exercise
from grader.grading.search import Search, search
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Outcome, Result, Status
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Snippet
from grader.seeds import Seeds
from mutations.edit import splice

pytestmark = pytest.mark.slow  # many searches, some of them over blocks of 4096

WEIGH, GRADIENT = "empty-rows-weigh-nothing", "empty-rows-give-no-gradient"
SCORES, FLAT, PRECISIONS, LONG = (
    "scores-of-any-size",
    "flat-vectors-stay-finite",
    "precisions-agree",
    "long-blocks",
)
DECODED = "cached-precisions-agree"
CHECKS = [BY_ID[check] for check in (WEIGH, GRADIENT, DECODED, SCORES, FLAT, PRECISIONS, LONG)]
GUARDS = [BY_ID[check] for check in (SCORES, FLAT, PRECISIONS)]
TIMEOUT = 120.0
BUGS = ("masking", "position", "projection", "training-step")

HONEST = Path(__file__).with_name("honest")
TABLES = {name: runpy.run_path(str(HONEST / f"{name}.py")) for name in ("attention", "model", "stability")}
ATTEND, OPEN = (TABLES["stability"][name] for name in ("ATTEND", "OPEN"))
WEIGHTS = TABLES["stability"]["WEIGHTS"]
ARANGE = "        x = self.embed(tokens, torch.arange(T, device=tokens.device))  # (B, T, C)\n"
WHEN_CACHED = "        positions = torch.arange(T_past, T, device=tokens.device)"
INCREMENTAL = "        B, T_new = tokens.shape\n        T_past = 0\n"
SCORES_MADE = "scores = q @ k.transpose(-2, -1)"
NORM = "self.ln_1 = nn.LayerNorm(config.d_model)"
EMBEDDED = "self.embed(tokens, position)"
ADDED = (
    '    weights = (scores + torch.zeros_like(scores).masked_fill(mask, float("-inf"))).softmax(dim=-1)'
    ".masked_fill(mask, 0.0)\n"
)
BY_HAND = """    weights = scores.masked_fill(mask, float("-inf")).exp()
    weights = weights / weights.sum(dim=-1, keepdim=True)
"""

# What is replaced, and the checks that fail.
Change = list[tuple[str, str]]
WRONG: dict[str, tuple[Change, set[str]]] = {
    "a-softmax-over-nothing": ([(OPEN, "")], {WEIGH, GRADIENT}),
    "lengths-that-are-not-used": ([(INCREMENTAL, INCREMENTAL + "        lengths = None\n")], {WEIGH}),
    "nan-on-the-way-back-alone": ([(OPEN, ""), (WEIGHTS, ADDED)], {GRADIENT}),
    "centred-over-the-batch": (
        [(EMBEDDED, f"{EMBEDDED} - {EMBEDDED}.mean(dim=(0, 1))")],
        {WEIGH, GRADIENT},
    ),
    "exponentials-as-they-are": ([(WEIGHTS, BY_HAND)], {SCORES}),
    "a-fill-that-is-too-weak": (
        [('scores.masked_fill(mask, float("-inf"))', "scores.masked_fill(mask, -1e4)")],
        {SCORES},
    ),
    "a-fill-that-bfloat16-cannot-hold": (
        [(WEIGHTS, WEIGHTS.replace('float("-inf")', "torch.finfo(torch.float32).min"))],
        {GRADIENT, DECODED, SCORES, FLAT, PRECISIONS, LONG},
    ),
    "scores-in-float16": (
        [(SCORES_MADE, "scores = (q.half() @ k.half().transpose(-2, -1)).type_as(q)")],
        {SCORES},
    ),
    "positions-in-the-numbers-of-the-model": (
        [(ARANGE, ARANGE.replace("device))", "device).to(self.lm_head.weight.dtype).long())"))],
        {PRECISIONS, LONG},
    ),
    "positions-in-the-numbers-of-the-model-when-cached": (
        [(WHEN_CACHED, WHEN_CACHED.replace("device=tokens.device)", "dtype=self.lm_head.weight.dtype).long()"))],
        {DECODED},
    ),
    "positions-in-float16": ([(ARANGE, ARANGE.replace("device))", "device).half().long())"))], {LONG}),
    "a-norm-without-epsilon": ([(NORM, NORM.replace(")", ", eps=0.0)"))], {FLAT}),
}


@pytest.fixture(scope="module")
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def package(worker_pool: WorkerPool) -> Iterator[Callable[[Mapping[str, str]], Package]]:
    """``package(files)``: an oracle that is closed after the test."""
    made: list[Package] = []

    def package(files: Mapping[str, str]) -> Package:
        made.append(Package(worker_pool, "candidate", files, TIMEOUT))
        return made[-1]

    yield package
    for oracle in made:
        oracle.close()


@pytest.fixture
def ask(reference: Package) -> Callable[[Package, Check], Search]:
    """``ask(package, check)``: what the search for a failing case has found."""

    def ask(package: Package, check: Check) -> Search:
        context = Context(
            candidate=package,
            variant=reference,
            reference=reference,
            fresh_candidate=package,
            seeds=Seeds(1, "stability"),
        )
        return search(
            check.cases, lambda case: check.holds(case, context), seed=1, examples=check.examples, shrink=False
        )

    return ask


def failing(ask: Callable[[Package, Check], Search], package: Package, checks: list[Check]) -> dict[str, str]:
    """The checks that fail, with how."""
    found = {check.id: ask(package, check).failure for check in checks}
    return {check: str(failure) for check, failure in found.items() if failure is not None}


def test_the_reference_passes(reference: Package, ask: Callable[[Package, Check], Search]) -> None:
    assert failing(ask, reference, CHECKS) == {}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails_the_checks_that_are_there_for_it(
    name: str,
    edited: Callable[..., dict[str, str]],
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
    exercise: Exercise,
) -> None:
    change, expected = WRONG[name]

    assert failing(ask, package(edited(exercise.reference, change)), CHECKS).keys() == expected


@pytest.mark.parametrize("name", TABLES["stability"]["OTHER_BITS"])
def test_rows_that_attend_to_nothing_may_be_dealt_with_otherwise(
    name: str,
    rewritten: Callable[..., dict[str, str]],
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
) -> None:
    files = rewritten(TABLES["stability"]["OTHER_BITS"][name])

    assert failing(ask, package(files), [check for check in CHECKS if not check.costly]) == {}


@pytest.mark.parametrize(
    ("subject", "table", "name"),
    [
        pytest.param(subject, table, name, id=f"{subject}-{name}")
        for subject, table in (("attention", "SAME_BITS"), ("attention", "OTHER_BITS"), ("model", "OTHER_BITS"))
        for name in TABLES[subject][table]
    ],
)
def test_a_model_that_is_right_and_written_otherwise_keeps_its_numbers(
    subject: str,
    table: str,
    name: str,
    rewritten: Callable[..., dict[str, str]],
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
) -> None:
    checks = [*GUARDS, BY_ID[LONG]] if name in HEAVY else GUARDS

    assert failing(ask, package(rewritten(TABLES[subject][table][name])), checks) == {}


# Those that take the most memory or time at a length of 4096.
HEAVY = (
    "one-position-at-a-time",
    "masked-after-an-exponential-by-hand",
    "scaled-dot-product-attention-with-a-head-axis",
)

# A change that the snippet of each check shows; a long block has none.
SHOWN = {
    WEIGH: "a-softmax-over-nothing",
    GRADIENT: "nan-on-the-way-back-alone",
    SCORES: "exponentials-as-they-are",
    FLAT: "a-norm-without-epsilon",
    PRECISIONS: "positions-in-the-numbers-of-the-model",
}


@pytest.mark.parametrize("check", [check for check in CHECKS if check.snippet], ids=lambda check: check.id)
def test_a_snippet_shows_what_is_wrong_and_nothing_where_nothing_is(
    check: Check,
    reference: Package,
    edited: Callable[..., dict[str, str]],
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
    exercise: Exercise,
) -> None:
    wrong = package(edited(exercise.reference, WRONG[SHOWN[check.id]][0]))
    found = ask(wrong, check)
    assert found.failure is not None
    assert check.snippet is not None
    script = Snippet(source=check.snippet(found.case))

    with pytest.raises(PackageRaised, match="AssertionError"):
        wrong.ask(script, {})
    reference.ask(script, {})


@pytest.mark.parametrize("left", [*((bug,) for bug in BUGS), BUGS], ids="+".join)
def test_a_bug_that_is_left_is_never_judged_here(
    left: tuple[str, ...], exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    edits = [bug.edit for bug in exercise.key.bugs if bug.item in left]
    files = {
        name: splice(text, [edit for edit in edits if edit.file == name]) for name, text in exercise.reference.items()
    }

    result = grade_files(files, only=("multi-head", "numerical-stability"), explain=False)

    assert {found.id: (found.status, found.score) for found in result.followups} == {
        "multi-head": (Status.BUILT, 10.0),
        "numerical-stability": (Status.BUILT, 10.0),
    }
    open_ = [check for found in result.followups for check in found.checks if check.outcome is not Outcome.PASSED]
    assert all(check.outcome is Outcome.BLOCKED and set(check.blocked_by) <= set(left) for check in open_)


def test_the_starter_has_built_neither(exercise: Exercise, grade_files: Callable[..., Result]) -> None:
    result = grade_files(exercise.starter(), only=("multi-head", "numerical-stability"))

    assert {found.id: found.status for found in result.followups} == {
        "multi-head": Status.NOT_BUILT,
        "numerical-stability": Status.NOT_BUILT,
    }
    assert [len(found.checks) for found in result.followups] == [1, 1]
