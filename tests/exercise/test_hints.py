"""What a hint claims holds with every combination of the other bugs still in, and only while its own bug is."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module, invalidate_caches
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

import pytest
import torch
from torch.nn import functional as F

from grader.exercise.model import Exercise

BUGS: Final = ("masking", "position", "projection", "training-step")
SUBSETS: Final = [frozenset(left) for size in range(len(BUGS) + 1) for left in combinations(BUGS, size)]


class Code(NamedTuple):
    """A variant of the reference, loaded."""

    model: ModuleType
    train: ModuleType

    def new_model(self, **sizes: int) -> torch.nn.Module:
        self.train.seed_everything(0)
        model: torch.nn.Module = self.model.GPT(self.model.GPTConfig(**{"vocab_size": 16} | sizes))
        return model

    def batch(self, vocabulary: int = 16) -> object:
        return self.train.make_batch(self.train.TrainConfig(vocab_size=vocabulary), torch.Generator().manual_seed(0))


def a_changed_token_moves_scores_before_it(code: Code) -> bool:
    model, tokens = code.new_model(), torch.arange(12)[None]
    changed = tokens.clone()
    changed[0, 8] = 15
    return bool((model(changed) != model(tokens))[0, :8].any())


def one_token_repeated_has_the_same_scores_everywhere(code: Code) -> bool:
    scores = code.new_model()(torch.full((1, 12), 3))[0]
    return torch.allclose(scores, scores[:1].expand_as(scores), rtol=0, atol=1e-6)


def one_parameter_has_no_gradient(code: Code) -> bool:
    model = code.new_model()
    code.train.loss_fn(model, code.batch())[0].backward()
    return [name for name, parameter in model.named_parameters() if parameter.grad is None] == [
        "position_embedding.weight"
    ]


def the_loss_complains_for_some_sizes(code: Code) -> bool:
    code.train.loss_fn(code.new_model(), code.batch())  # for others it can be computed, whatever is broken
    try:
        code.train.loss_fn(code.new_model(vocab_size=64), code.batch(vocabulary=64))
    except IndexError as error:
        return "Target" in str(error)
    return False


def scores_are_not_as_many_as_tokens(code: Code) -> bool:
    return bool(code.new_model()(torch.zeros(1, 4, dtype=torch.long)).size(-1) != 16)


def the_loss_stays_whatever_the_rate(code: Code) -> bool:
    def losses(rate: float) -> set[float]:
        config = code.train.TrainConfig(lr=rate, warmup=1)
        return {step["loss"] for step in code.train.train(code.new_model(), config, [code.batch()] * 5)}

    return losses(3e-3) == losses(0.3) and len(losses(3e-3)) == 1


CLAIMS: Final[dict[str, Callable[[Code], bool]]] = {
    "A token that is changed moves scores that stand before it.": a_changed_token_moves_scores_before_it,
    "A text of one token repeated gets the same scores at every position.": (
        one_token_repeated_has_the_same_scores_everywhere
    ),
    "Follow one token into the first block. After one backward pass, which parameter has no gradient?": (
        one_parameter_has_no_gradient
    ),
    "For some sizes the loss can be computed; for others it complains about its targets.": (
        the_loss_complains_for_some_sizes
    ),
    "Count the scores that each position gets, and count the tokens that there are to choose from.": (
        scores_are_not_as_many_as_tokens
    ),
    "The loss stays where it began, however long the training and whatever the learning rate.": (
        the_loss_stays_whatever_the_rate
    ),
}
CLAIMS_NOTHING: Final = {
    "Look at which positions may attend to which. How far ahead of a position does its sight reach?",
    "Write out what is forbidden for a sequence of three tokens and read the row of the first one.",
    "Something is computed there, and its result is not kept.",
    "Look at what the model returns, for a vocabulary smaller and for one larger than its width.",
    "Follow one update from the loss to the parameters.",
    "Gradients are computed and clipped. List what then reads them.",
}


@pytest.fixture(autouse=True)
def _as_in_the_handout() -> Iterator[None]:
    """One thread, and what was imported by plain name forgotten."""
    threads, modules = torch.get_num_threads(), set(sys.modules)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for name in set(sys.modules) - modules:
        if name.partition(".")[0].startswith("variant_"):
            del sys.modules[name]


def load(exercise: Exercise, left: frozenset[str], folder: Path) -> Code:
    """The reference with these bugs left in, as a package of a name of its own."""
    package = folder / f"variant_{'_'.join(sorted(left)).replace('-', '_')}"
    package.mkdir()
    for name, text in exercise.variant(left).items():
        (package / name).write_text(text, encoding="utf-8")
    invalidate_caches()
    return Code(import_module(f"{package.name}.model"), import_module(f"{package.name}.train"))


@pytest.mark.parametrize("left", SUBSETS, ids=lambda left: "+".join(sorted(left)) or "none")
def test_a_hint_is_true_while_its_bug_is_in_and_at_no_other_time(
    left: frozenset[str], exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = load(exercise, left, tmp_path)
    claimed = {bug.item: [CLAIMS[hint](code) for hint in bug.hints if hint in CLAIMS] for bug in exercise.key.bugs}

    assert {item: set(held) for item, held in claimed.items()} == {item: {item in left} for item in BUGS}


def test_each_hint_for_a_bug_is_either_measured_or_known_to_claim_nothing(exercise: Exercise) -> None:
    hints = {hint for bug in exercise.key.bugs for hint in bug.hints}

    assert hints == CLAIMS.keys() | CLAIMS_NOTHING


def test_what_a_learner_is_told_of_a_loss_that_falls_is_not_true_of_the_starter(
    exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint as there was one: a claim that only holds with the training step right would fail the test above."""
    monkeypatch.syspath_prepend(tmp_path)
    code = load(exercise, frozenset(BUGS), tmp_path)
    losses = [
        step["loss"] for step in code.train.train(code.new_model(), code.train.TrainConfig(), [code.batch()] * 20)
    ]

    assert losses[-1] >= losses[0] > 0.9 * float(F.cross_entropy(torch.zeros(1, 16), torch.tensor([0])))


@pytest.mark.parametrize("kind", ["item", "followup"])
def test_everything_that_can_be_built_or_fixed_has_three_hints(kind: str, exercise: Exercise) -> None:
    parts = exercise.rubric.item if kind == "item" else exercise.rubric.followup
    hints = {part.id: exercise.hints_of(part.id) for part in parts}

    assert [id_ for id_, three in hints.items() if three is None or len(set(three)) != 3] == []
    assert len({text for three in hints.values() if three for text in three}) == 3 * len(parts)
