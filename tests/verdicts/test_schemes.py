"""The checks of position schemes: each sees what is wrong, and what is right passes, however it is written.

Most are put to the packages directly, which is faster than a grade.
"""

import ast
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID, CHECKS
from grader.checks.check import Check, Context
from grader.exercise.model import Exercise
from grader.grading.search import Search, search
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.result.record import FollowUp, Outcome, Result, Status
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Snippet
from grader.seeds import Seeds

pytestmark = pytest.mark.slow  # a second for each of the right ones, less for each of the wrong

ID = "position-schemes"
HERE = Path(__file__).parent
HONEST = runpy.run_path(str(HERE / "honest" / "schemes.py"))["CASES"]
WRONG = runpy.run_path(str(HERE / "wrong" / "schemes.py"))["CASES"]
OF_SCHEMES = [check for check in CHECKS if check.family == "position-schemes"]
SMOKE = {"turned-backwards", "rotary-by-complex-numbers-cached-turned"}
TIMEOUT = 120.0

Files = Mapping[str, str]
Ask = Callable[[Files, Check], Search]
Edited = Callable[..., dict[str, str]]
FILE = "followups.py"
NOT_YET = '    raise NotImplementedError(f"position={config.position!r}")\n'
ALL = ("sinusoidal", "rotary", "alibi", "relative")
OWN = {
    "sinusoidal": {"sinusoidal-by-formula"},
    "rotary": {"rotary-by-distance", "rotary-as-published", "rotary-far-positions"},
    "alibi": {"alibi-falls-evenly", "alibi-slopes"},
    "relative": {"relative-by-distance", "relative-is-learned"},
}


@pytest.fixture(scope="module")
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def ask(worker_pool: WorkerPool, reference: Package, exercise: Exercise) -> Iterator[Ask]:
    """``ask(files, check)``: what the search for a failing case has found."""
    packages: dict[str, Package] = {}

    def ask(files: Files, check: Check) -> Search:
        key = repr(sorted(files.items()))
        if key not in packages:
            packages[key] = Package(worker_pool, "candidate", files, TIMEOUT)
        candidate = packages[key]
        with candidate.another() as fresh_candidate:
            context = Context(
                candidate=candidate,
                variant=reference,
                reference=reference,
                fresh_candidate=fresh_candidate,
                seeds=Seeds(1, "schemes"),
                variants=lambda: [reference],
            )
            found = search(
                check.cases, lambda case: check.holds(case, context), seed=1, examples=check.examples, shrink=False
            )
            if found.failure is None and check.confirm is not None:
                check.confirm(found.case, context)
            return found

    yield ask
    for package in packages.values():
        package.close()


def redefined(files: Files, definitions: str) -> dict[str, str]:
    """followups.py with these classes and functions in place of its own, and others below the kinds of attention."""
    text = files[FILE].replace("import torch\n", "import math\n\nimport torch\n", 1)
    for node in reversed(ast.parse(definitions).body):
        assert isinstance(node, ast.ClassDef | ast.FunctionDef)
        lines = text.splitlines(keepends=True)
        own = {each.name: each for each in ast.parse(text).body if isinstance(each, ast.ClassDef | ast.FunctionDef)}
        at = own.get(node.name, own["SinusoidalPositions"])
        end = at.end_lineno if node.name in own else at.lineno - 1
        text = "".join([*lines[: at.lineno - 1], f"{ast.unparse(node)}\n\n\n", *lines[end:]])
    return {**files, FILE: text}


def followup(result: Result) -> FollowUp:
    return next(each for each in result.followups if each.id == ID)


def outcomes(result: Result) -> dict[str, Outcome]:
    return {check.id: check.outcome for check in followup(result).checks}


def with_schemes_alone(files: Files, schemes: Sequence[str], refusal: str = NOT_YET) -> dict[str, str]:
    """A model that has these schemes and no others."""
    text = files[FILE]
    for name in ("build_positions", "build_attention"):
        head = f"def {name}(config: GPTConfig) -> nn.Module:\n"
        start = text.index('"""', text.index(head) + len(head) + 7) + 4
        guard = f"    if config.position not in {('learned', *schemes)}:\n    {refusal}"
        text = text[:start] + guard + text[start:]
    return {**files, FILE: text}


def named(cases: Mapping[str, object], kind: str) -> list[object]:
    """The names of these solutions, as parameters."""
    marked = {name: [pytest.mark.smoke(kind)] if name in SMOKE else [] for name in cases}
    return [pytest.param(name, id=name, marks=marks) for name, marks in marked.items()]


@pytest.mark.parametrize("name", named(HONEST, "honest rewrite"))
def test_what_is_right_and_written_otherwise_passes(name: str, ask: Ask, edited: Edited, exercise: Exercise) -> None:
    definitions, pairs = HONEST[name]
    files = edited(redefined(exercise.reference, definitions), pairs)

    assert {check.id: ask(files, check).failure for check in OF_SCHEMES} == {check.id: None for check in OF_SCHEMES}


@pytest.mark.parametrize("name", named(WRONG, "wrong solution"))
def test_what_is_wrong_is_seen_by_the_check_meant_for_it(
    name: str, ask: Ask, edited: Edited, exercise: Exercise
) -> None:
    check, pairs = WRONG[name]

    assert ask(edited(exercise.reference, pairs), BY_ID[check]).failure is not None


def test_every_check_has_caught_something(exercise: Exercise) -> None:
    item = exercise.followups[ID]

    assert {check for check, _ in WRONG.values()} == {*item.earns, *item.takes} == {check.id for check in OF_SCHEMES}


def test_the_reference_has_full_marks_and_the_starter_has_built_nothing(
    exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    built = followup(grade_files(exercise.reference, only=(ID,)))
    unbuilt = followup(grade_files(exercise.starter(), only=(ID,)))

    assert (built.status, built.score) == (Status.BUILT, 10)
    assert {check.outcome for check in built.checks} == {Outcome.PASSED}
    assert (unbuilt.status, unbuilt.score, unbuilt.summary) == (Status.NOT_BUILT, 0, "Not built yet.")
    assert [check.id for check in unbuilt.checks] == ["scheme-is-built"]


@pytest.mark.parametrize(
    ("bug", "blocked"),
    [
        ("masking", {"schemes-are-causal"}),
        ("position", {"sinusoidal-by-formula"}),
        ("projection", set()),
        ("training-step", set()),
    ],
)
def test_a_bug_that_is_left_costs_nothing_here(
    bug: str, blocked: set[str], exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    result = grade_files(exercise.variant(frozenset({bug})), only=(bug, ID))

    found = followup(result)
    assert (found.status, found.score) == (Status.BUILT, 10)
    assert {check for check, outcome in outcomes(result).items() if outcome is not Outcome.PASSED} == blocked
    assert all(check.blocked_by == (bug,) for check in found.checks if check.id in blocked)


def test_schemes_that_are_right_beside_plain_attention_that_is_not_are_right(
    edited: Edited, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    masked = "self.attend(q, k, v, mask, positions)"
    own = masked.replace("mask", "torch.ones_like(mask).triu(diagonal=1)")
    result = grade_files(edited(exercise.variant(frozenset({"masking"})), [(masked, own)]), only=("masking", ID))

    assert (followup(result).status, followup(result).score) == (Status.BUILT, 10)


@pytest.mark.parametrize("refusal", [NOT_YET, NOT_YET.replace("NotImplementedError", "ValueError")])
def test_who_builds_two_schemes_is_judged_by_these_two(
    refusal: str, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    files = with_schemes_alone(exercise.reference, ("rotary", "alibi"), refusal)
    result = grade_files(files, only=(ID,))

    found = followup(result)
    assert (found.status, found.score) == (Status.PARTLY, 5)
    assert {check for check, outcome in outcomes(result).items() if outcome is not Outcome.PASSED} == (
        OWN["sinusoidal"] | OWN["relative"]
    )


@pytest.mark.parametrize("missing", ["multi-head", "kv-cache"])
def test_schemes_can_be_built_before_heads_or_a_cache(
    missing: str, edited: Edited, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    files = exercise.reference
    if missing == "kv-cache":
        signature = "def forward_incremental(self, tokens, cache=None, *, lengths=None):\n"
        unbuilt = f"class GPT(GPT):\n    {signature}        raise NotImplementedError\n"
        files = {**files, "model.py": f"{files['model.py']}\n\nclass _Whole(GPT):\n    pass\n\n\n{unbuilt}"}
    else:
        check = 'raise ValueError(f"d_model={config.d_model!r} is not a multiple of n_head={config.n_head!r}")\n'
        several = "        if config.n_head > 1:\n            raise NotImplementedError\n"
        files = edited(files, [(check, check + several)])
    result = grade_files(files, only=(ID,))

    lost = {check for check, outcome in outcomes(result).items() if outcome is not Outcome.PASSED}
    assert lost == ({"alibi-slopes"} if missing == "multi-head" else set())
    assert followup(result).score == (9 if missing == "multi-head" else 10)


@pytest.mark.parametrize("instead", ["nn.Embedding(config.block_size, config.d_model)", "NoPositions()"])
def test_another_name_for_learned_positions_or_for_none_earns_nothing(
    instead: str, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    files = redefined(
        exercise.reference,
        f"def build_positions(config):\n    return {instead}\n\n"
        "def build_attention(config):\n    return MultiHeadSelfAttention(config)\n",
    )
    result = grade_files(files, only=(ID,))

    assert followup(result).score == 0


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("sinusoids-in-halves", "sinusoidal-by-formula"),
        ("no-mask-beside-a-bias", "schemes-are-causal"),
        ("neither-turned", "schemes-tell-order"),
        ("chunks-start-at-zero", "schemes-decode-alike"),
    ],
)
def test_a_snippet_shows_the_bug_and_nothing_where_there_is_none(
    name: str, check: str, ask: Ask, edited: Edited, worker_pool: WorkerPool, exercise: Exercise
) -> None:
    files = edited(exercise.reference, WRONG[name][1])
    snippet = BY_ID[check].snippet
    assert snippet is not None
    script = Snippet(source=snippet(ask(files, BY_ID[check]).case))
    wrong = Package(worker_pool, "candidate", files, TIMEOUT)
    with pytest.raises(PackageRaised, match="AssertionError"):
        wrong.ask(script, {})
    Package(worker_pool, "candidate", exercise.reference, TIMEOUT).ask(script, {})
