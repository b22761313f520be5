"""The checks of the parts of a model: each sees the bugs that it is meant for, and no right solution in any form.

No item of the built-in exercise asks them, so they are put to the packages directly.
"""

import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Check, Context
from grader.exercise.model import Exercise, StoredExercise
from grader.grading.search import Search, search
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Forward, Settings, Snippet, Weights
from grader.seeds import Seeds
from mutations.catalogue import operator
from mutations.edit import splice

pytestmark = pytest.mark.slow  # hundreds of searches of some 60 ms, each with a worker of its own

TIMEOUT = 120.0

# By check: the bugs that it is there for, and where in the reference; all but the last two in the plain forward.
MEANT = {
    "attention-alone": (
        ("scale-missing", 0),
        ("scale-inverted", 0),
        ("scale-without-root", 0),
        ("scale-by-sequence-length", 0),
        ("query-and-key-swapped", 0),
        ("values-from-the-key-map", 0),
        ("output-projection-skipped", 0),
        ("softmax-over-queries", 0),
    ),
    "attention-roles": (
        ("query-and-key-swapped", 0),
        ("values-from-the-key-map", 0),
        ("output-projection-skipped", 0),
        ("softmax-over-queries", 0),
    ),
    "prefix-stands-alone": (
        ("scale-by-sequence-length", 0),
        ("softmax-over-queries", 0),
        ("positions-run-backwards", 0),
    ),
    "residual-stream": (
        ("residual-dropped", 0),
        ("residual-dropped", 1),
        ("residual-doubled", 0),
        ("residual-doubled", 1),
        ("stream-normed-before-the-sum", 0),
        ("stream-normed-before-the-sum", 1),
        ("norm-after-the-sum", 0),
        ("norm-after-the-sum", 1),
    ),
    "norms-read-the-stream": (
        ("final-norm-skipped", 0),
        ("first-norm-used-twice", 0),
        ("mlp-input-not-normed", 0),
        ("norm-after-the-sum", 0),
        ("norm-after-the-sum", 1),
    ),
    "activation-is-gelu": (("gelu-by-tanh", 0), ("relu-for-gelu", 0)),
    "weights-sum-to-one": (
        ("attention-weights-in-bfloat16", 0),
        ("mask-after-softmax", 0),
        ("softmax-over-queries", 0),
    ),
    "score-shifts-cancel": (("mask-fill-too-weak", 0), ("masked-scores-become-zero", 0)),
    "small-vectors-are-normed": (
        ("norm-epsilon-too-large", 0),
        ("norm-epsilon-too-large", 1),
        ("norm-epsilon-too-large", 2),
    ),
    "every-parameter-learns": (
        ("position-table-detached", 0),
        ("token-zero-taken-for-padding", 0),
        ("blocks-in-a-plain-list", 0),
        ("one-block-for-all-layers", 0),
        ("one-norm-for-both-halves", 0),
        ("head-tied-to-embedding", 0),
    ),
    "parameters-are-separate": (
        ("one-block-for-all-layers", 0),
        ("one-norm-for-both-halves", 0),
        ("head-tied-to-embedding", 0),
    ),
    "initial-constants": (("biases-keep-their-first-draw", 0), ("norm-gains-drawn", 0)),
    "initial-spread": (
        ("residual-scale-never-applied", 0),
        ("residual-scale-counts-each-block-once", 0),
        ("std-given-as-mean", 0),
    ),
    "positions-are-added": (
        ("positions-multiplied", 0),
        ("positions-run-backwards", 0),
        ("positions-count-rows-of-the-batch", 0),
        ("every-token-at-position-zero", 0),
        ("position-sum-discarded", 0),
    ),
    "head-alone-scores": (("logits-from-token-table", 0), ("head-with-bias", 0)),
    "chunk-is-causal": (("mask-row-shared-by-chunk", 0),),
    "chunks-keep-positions": (("positions-restart-with-each-chunk", 0),),
}
CHECKS = [BY_ID[check] for check in MEANT]

SOFTMAX = 'scores.masked_fill(mask, float("-inf")).softmax(dim=-1)'
SPREAD = "                nn.init.normal_(parameter, std=std)\n"
LOOP = "        for name, parameter in self.named_parameters():\n"
BLOCKS = "        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))\n"
ADD = "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(self.ln_2(x))\n"
GELU = "F.gelu(self.fc(x))"
HONEST: dict[str, list[tuple[str, str]]] = {
    "softmax-in-float32": [(SOFTMAX, 'scores.masked_fill(mask, float("-inf")).float().softmax(-1).type_as(q)')],
    "drawn-in-another-order": [(LOOP, LOOP.replace("self.named_parameters()", "[*self.named_parameters()][::-1]"))],
    "normal-draws-cut-off": [
        (SPREAD, SPREAD.replace("normal_", "trunc_normal_").replace("=std", "=std, a=-0.04, b=0.04"))
    ],
    "blocks-appended": [
        (
            BLOCKS,
            "        self.blocks = nn.ModuleList()\n        for _ in range(config.n_layer):\n"
            "            self.blocks.append(Block(config))\n",
        ),
    ],
    "sums-in-one-line": [
        (
            ADD,
            "        attended = self.attn(self.ln_1(x), mask)\n"
            "        return x + attended + self.mlp(self.ln_2(x + attended))\n",
        )
    ],
    "gelu-as-a-module": [(GELU, "nn.GELU()(self.fc(x))")],
    "gelu-by-the-normal-distribution": [(GELU, "(lambda h: h * torch.special.ndtr(h))(self.fc(x))")],
    "smaller-epsilons": [("self.ln_f = nn.LayerNorm(C)", "self.ln_f = nn.LayerNorm(C, eps=1e-6)")],
}
# No exercise takes another epsilon for right where bits are compared, but these checks are about something else.
FREE = {
    "smaller-epsilons": {"small-vectors-are-normed", "residual-stream", "attention-roles", "prefix-stands-alone"},
}


@pytest.fixture(scope="module")
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def ask(worker_pool: WorkerPool, reference: Package) -> Callable[[Package, Check], Search]:
    """``ask(package, check)``: what the search for a failing case has found."""

    def ask(package: Package, check: Check) -> Search:
        context = Context(
            candidate=package, variant=reference, reference=reference, fresh_candidate=package, seeds=Seeds(1, "parts")
        )
        return search(
            check.cases, lambda case: check.holds(case, context), seed=1, examples=check.examples, shrink=False
        )

    return ask


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


def planted(files: Mapping[str, str], operator_id: str, site: int) -> dict[str, str]:
    """The package with that bug at that site."""
    return {**files, "model.py": splice(files["model.py"], [operator(operator_id).find(files["model.py"])[site]])}


def failing(ask: Callable[[Package, Check], Search], package: Package, checks: list[Check]) -> dict[str, str]:
    """The checks that fail, with how."""
    found = {check.id: ask(package, check).failure for check in checks}
    return {check: str(failure) for check, failure in found.items() if failure is not None}


def test_the_reference_passes(reference: Package, ask: Callable[[Package, Check], Search]) -> None:
    assert failing(ask, reference, CHECKS) == {}


@pytest.mark.parametrize(
    ("check", "operator_id", "site"),
    [
        pytest.param(BY_ID[check], *bug, id=f"{check}-{bug[0]}-{bug[1]}")
        for check, bugs in MEANT.items()
        for bug in bugs
    ],
)
def test_a_bug_fails_the_checks_that_are_meant_for_it(
    check: Check,
    operator_id: str,
    site: int,
    exercise: Exercise,
    reference: Package,
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
) -> None:
    wrong = package(planted(exercise.reference, operator_id, site))

    found = ask(wrong, check)

    assert found.failure is not None
    if check.snippet is not None:
        script = Snippet(source=check.snippet(found.case))
        reference.ask(script, {})  # raises nothing where there is nothing wrong


@pytest.mark.parametrize("check", [check for check in CHECKS if check.snippet], ids=lambda check: check.id)
def test_a_snippet_shows_some_of_its_bugs(
    check: Check,
    exercise: Exercise,
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
) -> None:
    operator_id, site = MEANT[check.id][0]
    wrong = package(planted(exercise.reference, operator_id, site))
    case = ask(wrong, check).case
    assert check.snippet is not None

    with pytest.raises(PackageRaised, match="AssertionError"):
        wrong.ask(Snippet(source=check.snippet(case)), {})


def rewrites() -> Iterator[object]:
    """Right solutions in other forms, each with its id."""
    for subject in ("attention", "model", "cache"):
        tables = runpy.run_path(str(Path(__file__).with_name("honest") / f"{subject}.py"))
        for table in ("SAME_BITS", "OTHER_BITS"):
            for name, change in tables[table].items():
                yield pytest.param(change, CHECKS, id=f"{subject}-{name}")
    for name, change in HONEST.items():
        yield pytest.param({"model.py": change}, [c for c in CHECKS if c.id in FREE.get(name, MEANT)], id=name)


@pytest.mark.parametrize(("change", "checks"), [*rewrites()])
def test_what_is_right_and_written_otherwise_passes(
    change: dict[str, object],
    checks: list[Check],
    rewritten: Callable[..., dict[str, str]],
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
) -> None:
    assert failing(ask, package(rewritten(change)), checks) == {}


@pytest.mark.parametrize("check", ["chunk-is-causal", "chunks-keep-positions"])
def test_where_no_cache_is_built_yet_no_chunk_is_wrong(
    check: str,
    exercise: StoredExercise,
    package: Callable[[Mapping[str, str]], Package],
    ask: Callable[[Package, Check], Search],
) -> None:
    starter = {"model.py": (exercise.starter_directory / "model.py").read_text("utf-8")}

    assert ask(package({**exercise.reference, **starter}), BY_ID[check]).failure is None


def test_a_silenced_parameter_is_zero_and_the_others_are_as_ever(reference: Package) -> None:
    config: Settings = {"vocab_size": 5, "block_size": 4, "n_layer": 1, "d_model": 6}
    tokens = {"tokens.0": np.array([[0, 3, 1], [4, 4, 2]])}
    plain = reference.ask(Forward(config=config, weights=Weights(seed=1)), tokens)["logits.0"]
    double = reference.ask(Forward(config=config, weights=Weights(1, factors={"lm_head.weight": 2.0})), tokens)
    silent = reference.ask(Forward(config=config, weights=Weights(1, factors={"lm_head.weight": 0.0})), tokens)

    assert (double["logits.0"] == 2 * plain).all()
    assert not silent["logits.0"].any()
