"""What is wrong in larger models alone is seen at sizes beyond the defaults, and shown at the smallest that has it."""

import runpy
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Check, Context
from grader.checks.families.projection import CONTRACT
from grader.checks.strategies import model_case
from grader.checks.training_cases import train_case
from grader.exercise.model import Exercise
from grader.grading.run_check import ask_case
from grader.grading.search import Search, search, search_sizes
from grader.sizes import MODEL, RUN, extents

Judged = Callable[..., AbstractContextManager[Context]]
HERE = Path(__file__).parent
WRONG = runpy.run_path(str(HERE / "wrong" / "sizes.py"))["CASES"]


def asked(check: Check, context: Context, *, shrink: bool = True) -> Search:
    """A check at sizes, as a grade asks it."""
    assert check.at_size is not None
    sizes = extents(check.default, context.seeds.derive("sizes"), thorough=False)
    return search_sizes(check.at_size, sizes, lambda case: ask_case(check, case, context), shrink=shrink)


def drawn(check: Check, context: Context) -> Search:
    """A check's small cases, as a grade asks them."""
    seed = context.seeds.derive("cases", check.id)
    return search(
        check.cases, lambda case: ask_case(check, case, context), seed=seed, examples=check.examples, shrink=False
    )


PAST = {"tokens": 32, "rows": 16, "layers": 4, "width": 32, "vocabulary": 64}
PAST_IN_A_RUN = {"tokens": 16, "rows": 16, "width": 32, "vocabulary": 16, "steps": 20}


@pytest.mark.parametrize("item", ["masking", "position", "projection", "training-step", "kv-cache", "classifier"])
def test_every_item_is_asked_past_every_default(item: str, exercise: Exercise, judged: Judged) -> None:
    listed = exercise.items[item]
    checks = [BY_ID[check] for check in (*listed.earns, *listed.takes)]

    with judged(exercise.reference, item) as context:
        for check in checks:
            if check.at_size is not None:
                assert asked(check, context).failure is None, check.id
        scope = context.candidate.scope

    past = PAST_IN_A_RUN if item == "training-step" else PAST
    assert {name: size for name, size in past.items() if not getattr(scope, name) > size} == {}
    assert any(check.default is not None for check in checks)


def test_the_default_sizes_are_those_of_the_contract() -> None:
    run = {
        "seq_len": 16,
        "batch_size": 16,
        "steps": 200,
        "lr": 3e-3,
        "weight_decay": 0.1,
        "grad_clip": 1.0,
        "warmup": 10,
    }

    assert model_case(MODEL).config == {name: CONTRACT[name] for name in model_case(MODEL).config}
    assert model_case(MODEL).token_array().shape == (16, CONTRACT["block_size"])
    assert train_case(RUN).config == run | {"vocab_size": 16}


def test_steps_are_asked_by_their_number_past_those_of_the_default_run() -> None:
    case = train_case(next(extents(None, 1, thorough=False)))

    assert case.made[:5] == (0, 1, 2, 3, 4)
    assert case.made[-1] == case.steps - 1 >= 200


@pytest.mark.parametrize("name", WRONG)
def test_small_cases_do_not_see_it(name: str, rewritten: Callable[..., dict[str, str]], judged: Judged) -> None:
    """Or it would say nothing of sizes."""
    _, check, change = WRONG[name]

    with judged(rewritten(change), "sizes") as context:
        assert drawn(BY_ID[check], context).failure is None


@pytest.mark.parametrize("name", WRONG)
def test_it_is_seen_at_its_size(name: str, rewritten: Callable[..., dict[str, str]], judged: Judged) -> None:
    _, check, change = WRONG[name]

    with judged(rewritten(change), "sizes") as context:
        found = asked(BY_ID[check], context, shrink=False)

    assert found.failure is not None
