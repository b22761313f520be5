"""Checks beyond the built-in rubric: of training, its parts, and what the classifier and the cache have left open.

Each is put to the packages directly: what an operator plants fails the check that is meant for it, what is right and
written otherwise passes them all.
"""

import runpy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Check, CheckFailed, Context
from grader.exercise.model import Exercise
from grader.grading.search import Search, search
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.questions import Snippet
from mutations.catalogue import operator
from mutations.edit import Edit, splice
from mutations.sites import sites
from mutations.source import together

pytestmark = pytest.mark.slow  # dozens of packages, a second for each

TIMEOUT = 120.0

# The check that is meant for each operator; by the site in the reference where there are several.
MEANT = {
    "loss-reported-after-update": ["loss-is-from-before"],
    "one-batch-repeated": ["own-batches-differ"],
    "decay-groups-swapped": ["decay-spares-vectors"],
    "decay-on-everything": ["decay-spares-vectors"],
    "decay-under-a-wrong-key": ["decay-spares-vectors"],
    "given-optimizer-ignored": ["given-optimizer-is-used"],
    "vectors-never-trained": ["optimizer-holds-every-parameter"],
    "clip-after-step": ["gradient-norm-is-clipped"],
    "clip-by-largest-entry": ["gradient-norm-is-clipped"],
    "clip-by-value": ["gradient-norm-is-clipped"],
    "clip-each-tensor-alone": ["gradient-norm-is-clipped"],
    "first-step-at-rate-zero": ["learning-rate-schedule"],
    "rate-in-whole-numbers": ["learning-rate-schedule"],
    "rate-written-to-defaults": ["every-group-at-the-rate"],
    "schedule-for-one-group": ["every-group-at-the-rate"],
    "warm-up-never-ends": ["learning-rate-schedule"],
    "dropout-never-off": [
        "dropout-follows-the-mode",
        "decoding-without-dropout",
        "dropout-follows-the-mode",
        "dropout-follows-the-mode",
        "heads-without-dropout",
        "heads-without-dropout",
    ],
    "eval-mode-left-behind": ["evaluate-in-eval-mode"],
    "evaluated-in-training-mode": ["evaluate-in-eval-mode"],
    "trained-in-eval-mode": ["train-in-training-mode"],
    "batches-ignore-the-generator": ["batches-follow-the-generator", "batches-follow-the-generator"],
    "generator-reseeded-for-each-batch": ["batches-follow-the-generator"],
    "seed-is-always-the-same": ["seed-decides", "own-batches-follow-the-seed"],
    "torch-never-seeded": ["seed-decides"],
    "labels-smoothed": ["lm-loss-by-formula"],
    "logits-reshaped-for-transposed": ["lm-loss-by-formula"],
    "loss-summed-over-tokens": ["lm-loss-by-formula"],
    "softmax-before-cross-entropy": ["lm-loss-by-formula"],
    "targets-not-shifted": ["targets-come-next"],
    "targets-shifted-twice": ["lm-loss-by-formula"],
    "targets-wrap-around": ["targets-come-next"],
    "token-zero-ignored": ["lm-loss-by-formula"],
    "label-of-the-next-token": ["labels-are-parity"],
    "head-draws-from-the-callers-stream": ["head-leaves-the-stream"],
    "cache-changed-in-place": ["cache-unchanged", "cached-heads-unchanged"],
    "first-position-picked": ["generate-is-greedy"],
    "one-batch-too-many": ["train-takes-its-batches"],
    "upper-bound-never-drawn": ["batches-are-as-specified"],
    "loss-keeps-its-graph": ["losses-are-numbers"],
    "absent-loss-reported-as-zero": ["losses-are-numbers"],
    "rate-a-tenth-by-default": ["train-config-defaults"],
    "python-generator-thrown-away": ["seed-decides"],
    "seeded-again-at-each-step": ["step-leaves-no-trace"],
    "forward-seeds-torch": ["forward-leaves-no-trace"],
    "evaluated-with-gradients-on": ["evaluate-leaves-no-trace"],
    "generated-with-gradients-on": ["generate-leaves-no-trace"],
    "generation-ends-in-eval-mode": ["generate-leaves-no-trace"],
    "mode-of-the-whole-kept-alone": ["evaluate-leaves-no-trace"],
    "total-reported-as-lm-loss": ["joint-training-step"],
    "clip-of-the-first-group": ["gradient-norm-is-clipped"],
}
CHECKS = [BY_ID[check] for check in dict.fromkeys(check for checks in MEANT.values() for check in checks)]
PLANTED = [
    pytest.param(operator_id, site, BY_ID[check], id=f"{operator_id}-{site}")
    for operator_id, checks in MEANT.items()
    for site, check in enumerate(checks)
]

DROP_MLP = "        return self.dropout(self.proj(x))  # (B, T, C)\n"
TRAIN_MODE = "    model.train()\n"
CLEAR = "    optimizer.zero_grad()\n"
RATE = '        group["lr"] = learning_rate(step, config)\n'
OWN = "        batches = (make_batch(config, generator) for _ in range(config.steps))\n"
SEQUENCE = """    sequence = (start + stride * torch.arange(T + 1)) % V  # (B, T + 1)
    tokens, targets = sequence[:, :-1], sequence[:, 1:]  # (B, T) each
"""
ADAMW = "    return AdamW(groups, lr=config.lr)\n"
HONEST = {
    "dropout-by-function": {
        "model.py": [
            (
                DROP_MLP,
                "        return F.dropout(self.proj(x), self.dropout.p, self.training)\n",
            )
        ]
    },
    "dropout-on-attention-weights-too": {
        "model.py": [
            (
                "        y = attend(self.query(x), self.key(x), self.value(x), mask)  # (B, T, C)\n",
                "        drop = self.dropout.p if self.training else 0.0\n"
                "        y = F.scaled_dot_product_attention(\n"
                "            self.query(x), self.key(x), self.value(x), attn_mask=~mask, dropout_p=drop\n        )\n",
            )
        ]
    },
    "mode-set-in-each-step": {"train.py": [(TRAIN_MODE, ""), (CLEAR, TRAIN_MODE + CLEAR)]},
    "rate-updated-in-the-group": {
        "train.py": [(RATE, "        group.update(lr=learning_rate(step, config), started=step)\n")]
    },
    "own-batches-in-a-list": {
        "train.py": [(OWN, "        batches = [make_batch(config, generator) for _ in range(config.steps)]\n")]
    },
    "own-batches-from-a-seeded-torch": {
        "train.py": [
            (
                "        generator = torch.Generator().manual_seed(config.seed)\n",
                "        generator = torch.default_generator.manual_seed(config.seed)\n",
            )
        ]
    },
    "targets-by-the-next-term": {
        "train.py": [
            (
                SEQUENCE,
                "    tokens = (start + stride * torch.arange(T)) % V  # (B, T)\n    targets = (tokens + stride) % V\n",
            )
        ]
    },
    "loss-in-float32": {
        "train.py": [
            (
                "    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())\n",
                "    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())\n",
            )
        ]
    },
    "decay-by-hand-after-the-step": {
        "train.py": [
            (
                ADAMW,
                """    class Decayed(torch.optim.Adam):
        @torch.no_grad()
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.mul_(1 - group["lr"] * group["pull"])

    held = [{"params": g["params"], "pull": g["weight_decay"]} for g in groups]
    return Decayed(held, lr=config.lr)
""",
            )
        ]
    },
}


def searched(check: Check, context: Context) -> Search:
    """What the search for a failing case has found."""
    return search(check.cases, lambda case: check.holds(case, context), seed=1, examples=check.examples, shrink=False)


@pytest.fixture
def ask(judged: Callable[..., AbstractContextManager[Context]]) -> Callable[[Mapping[str, str], Check], Search]:
    """``ask(files, check)``: what the search for a failing case has found."""

    def run(files: Mapping[str, str], check: Check) -> Search:
        with judged(files, "training") as context:
            return searched(check, context)

    return run


@pytest.fixture
def failing(
    judged: Callable[..., AbstractContextManager[Context]],
) -> Callable[[Mapping[str, str], Sequence[Check]], dict[str, Exception]]:
    """``failing(files, checks)``: those of the checks that fail, with how."""

    def run(files: Mapping[str, str], checks: Sequence[Check]) -> dict[str, Exception]:
        with judged(files, "training") as context:
            found = {check.id: searched(check, context).failure for check in checks}
        return {check: failure for check, failure in found.items() if failure is not None}

    return run


def planted(files: Mapping[str, str], operator_id: str, site: int) -> dict[str, str]:
    edit = sites_of(files, operator_id)[site]
    return {**files, edit.file: splice(files[edit.file], [edit])}


def sites_of(files: Mapping[str, str], operator_id: str) -> list[Edit]:
    """Those in all files."""
    return [site.edit for site in sites(together(files), [operator(operator_id)])]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_reference_passes(check: Check, ask: Callable[..., Search], exercise: Exercise) -> None:
    assert ask(exercise.reference, check).failure is None


@pytest.mark.parametrize("operator_id", MEANT)
def test_every_site_has_its_check(operator_id: str, exercise: Exercise) -> None:
    assert len(sites_of(exercise.reference, operator_id)) == len(MEANT[operator_id])


@pytest.mark.parametrize(("operator_id", "site", "check"), PLANTED)
def test_a_planted_bug_fails_the_check_that_is_meant_for_it(
    operator_id: str, site: int, check: Check, ask: Callable[..., Search], worker_pool: WorkerPool, exercise: Exercise
) -> None:
    files = planted(exercise.reference, operator_id, site)
    found = ask(files, check)

    assert found.failure is not None
    if check.snippet is not None:
        script = Snippet(source=check.snippet(found.case))
        with pytest.raises(PackageRaised, match="AssertionError"):
            Package(worker_pool, "candidate", files, TIMEOUT).ask(script, {})
        Package(worker_pool, "candidate", exercise.reference, TIMEOUT).ask(script, {})


def test_a_model_that_never_drops_anything_is_seen_in_training_mode(
    ask: Callable[..., Search], exercise: Exercise
) -> None:
    files = exercise.reference | {
        "model.py": exercise.reference["model.py"].replace("nn.Dropout(config.dropout)", "nn.Dropout(0.0)")
    }
    failure = ask(files, BY_ID["dropout-follows-the-mode"]).failure

    assert isinstance(failure, CheckFailed)
    assert "in training mode give the same logits" in str(failure)


@pytest.mark.parametrize("change", HONEST.values(), ids=list(HONEST))
def test_what_is_right_and_written_otherwise_passes(
    change: dict[str, object], failing: Callable[..., object], rewritten: Callable[..., dict[str, str]]
) -> None:
    assert failing(rewritten(change), CHECKS) == {}


# Heads that are right for the built-in exercise, which asks what they compute and not what they draw.
DRAWING = ("head-built-last-without-a-fork", "head-of-zeros", "head-of-two-layers", "head-without-bias")


@pytest.mark.parametrize("subject", ["training", "classifier", "contract"])
def test_the_rewrites_of_the_built_in_exercise_pass(
    subject: str, failing: Callable[..., object], rewritten: Callable[..., dict[str, str]]
) -> None:
    tables = runpy.run_path(str(Path(__file__).with_name("honest") / f"{subject}.py"))
    failures = {}
    for name, change in (tables["SAME_BITS"] | tables["OTHER_BITS"]).items():
        asked = [each for each in CHECKS if each.id != "head-leaves-the-stream" or not name.startswith(DRAWING)]
        failures[name] = failing(rewritten(change), asked)

    assert {name: found for name, found in failures.items() if found} == {}
