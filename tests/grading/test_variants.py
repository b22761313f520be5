"""A candidate agrees with a variant on every question of a comparison, or it does not agree with it."""

from collections.abc import Iterator, Mapping
from functools import partial

import pytest

from grader.comparisons.catalogue import BY_ID
from grader.exercise.model import Exercise
from grader.grading.answer_cache import trusted
from grader.grading.variants import Match, Variants
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Lane
from grader.sandbox.client import Launcher
from grader.seeds import Seeds

REFUSAL = "if config.d_model % config.n_head != 0:"


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


def match(comparison: str, files: Mapping[str, str], exercise: Exercise, worker_pool: WorkerPool) -> Match:
    variants = Variants(exercise, Seeds(1, "candidate"), partial(trusted, worker_pool))
    candidate = Package(worker_pool, "the candidate", files, 30.0)
    return variants.match(BY_ID[comparison], candidate, variants.put(BY_ID[comparison], candidate))


def test_a_candidate_has_the_bugs_of_the_variant_that_it_agrees_with(
    exercise: Exercise, worker_pool: WorkerPool
) -> None:
    for bugs in (frozenset[str](), frozenset({"position"}), frozenset({"position", "projection"})):
        found = match("forward", exercise.variant(bugs), exercise, worker_pool)

        assert (found.bugs, found.lane) == (bugs, Lane.BITWISE)
        assert (found.difference is None) is (not bugs)


def test_to_agree_on_some_questions_of_a_facet_is_not_to_agree(exercise: Exercise, worker_pool: WorkerPool) -> None:
    """The first thing that has to be refused is refused, the second is not."""
    text = exercise.reference["model.py"]
    assert text.count(REFUSAL) == 1
    found = match(
        "errors", {**exercise.reference, "model.py": text.replace(REFUSAL, "if False:")}, exercise, worker_pool
    )

    assert (found.bugs, found.lane) == (None, Lane.BEHAVIOUR)
    assert found.where.startswith("what has to be refused with ")
    assert "n_head=7" in found.where


def test_another_order_of_adding_up_agrees_in_float64(exercise: Exercise, worker_pool: WorkerPool) -> None:
    plain = "scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))"
    other = "scores = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)"
    text = exercise.reference["model.py"]
    assert text.count(plain) == 1
    found = match("forward", {**exercise.reference, "model.py": text.replace(plain, other)}, exercise, worker_pool)

    assert (found.bugs, found.lane) == (frozenset(), Lane.FLOAT64)
    assert found.difference is not None


def test_a_candidate_that_gives_no_answer_agrees_with_nothing(exercise: Exercise, worker_pool: WorkerPool) -> None:
    found = match("forward", {**exercise.reference, "model.py": "raise RuntimeError('none')\n"}, exercise, worker_pool)

    assert (found.bugs, found.lane) == (None, Lane.BEHAVIOUR)
    assert isinstance(found.trouble, PackageRaised)


HEAD = "        logits = self.lm_head(x)  # (B, T, V)\n"
KEPT = "        return self.dropout(self.proj(y)), LayerKV(k, v)\n"
IN_FLOAT32_ALONE = {
    "gradients": (HEAD, HEAD + "        if x.dtype == torch.float32 and logits.requires_grad:\n"
        "            logits.register_hook(lambda g: 2 * g)\n"),
    "decoding": (KEPT, KEPT.replace("self.proj(y)", "self.proj(y) * (1.05 if x.dtype == torch.float32 else 1.0)")),
}  # fmt: skip


@pytest.mark.parametrize("comparison", IN_FLOAT32_ALONE)
def test_what_is_right_in_float64_alone_is_no_rounding(
    comparison: str, exercise: Exercise, worker_pool: WorkerPool
) -> None:
    before, after = IN_FLOAT32_ALONE[comparison]
    text = exercise.reference["model.py"]
    assert text.count(before) == 1

    found = match(comparison, {**exercise.reference, "model.py": text.replace(before, after)}, exercise, worker_pool)

    assert (found.bugs, found.lane) == (None, Lane.BEHAVIOUR)
