"""The visible tests: a first look at whether things work. Run them here with `python -m pytest test_visible.py`."""

from functools import cache, wraps

import pytest
import torch
from model import GPT, GPTConfig
from train import TrainConfig, evaluate, learning_rate, loss_fn, make_batch, seed_everything, train

torch.set_num_threads(1)  # the model is small: two threads would spend their time waiting for each other

CONFIG = TrainConfig(
    vocab_size=12, seq_len=10, batch_size=16, steps=150, lr=3e-3, weight_decay=0.1, grad_clip=1.0, warmup=10
)


def make_model(n_classes=0):
    seed_everything(0)
    return GPT(GPTConfig(vocab_size=12, block_size=16, d_model=32, n_classes=n_classes))


def make_batches(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [make_batch(CONFIG, generator) for _ in range(count)]


def extension(test):
    """A test of what is yours to build: it is skipped, and says so, until you have."""

    @wraps(test)
    def run():
        try:
            test()
        except NotImplementedError as missing:
            pytest.skip(str(missing))  # "... is yours to build"

    return run


@cache
def trained():
    """A model that was trained as CONFIG says, and the loss of each step."""
    model = make_model()
    return model, [step["loss"] for step in train(model, CONFIG)]


# The model


def test_a_forward_pass_gives_finite_scores_for_every_position():
    logits = make_model()(torch.randint(12, (3, 7)))

    assert logits.shape[:2] == (3, 7)
    assert logits.isfinite().all()


def test_the_same_seed_builds_the_same_model():
    first, second = make_model().state_dict(), make_model().state_dict()

    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_sequence_longer_than_the_block_is_refused():
    with pytest.raises(ValueError, match="17"):
        make_model()(torch.zeros(1, 17, dtype=torch.long))


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="30"):
        GPT(GPTConfig(d_model=30, n_head=4))


# Training


def test_targets_are_the_tokens_that_follow():
    [batch] = make_batches(1)

    assert batch.tokens.shape == batch.targets.shape == batch.labels.shape == (16, 10)
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    assert torch.equal(batch.tokens % 2, batch.labels)


def test_the_learning_rate_warms_up_from_above_zero():
    assert 0 < learning_rate(0, CONFIG) < learning_rate(5, CONFIG) < learning_rate(50, CONFIG) == CONFIG.lr


def test_evaluation_leaves_the_mode_alone():
    model = make_model().train()
    result = evaluate(model, make_batches(2))

    assert model.training
    assert result["class_accuracy"] is None


def test_training_lowers_the_loss():
    _, losses = trained()

    assert len(losses) == CONFIG.steps
    assert losses[-1] < 0.5 * losses[0], f"the loss went from {losses[0]:.2f} to {losses[-1]:.2f}"


def test_a_trained_model_continues_what_it_was_trained_on():
    model, _ = trained()
    [batch] = make_batches(1, seed=2)
    sequence = torch.cat((batch.tokens, batch.targets[:, -1:]), dim=1)

    continued = model.generate(sequence[:, :6], 5, use_cache=False)

    right = (continued == sequence).double().mean().item()
    assert right > 0.9, f"{right:.0%} of the tokens are right"


# The extensions: skipped for as long as they are not built


@extension
def test_decoding_in_chunks_agrees_with_one_forward_pass():
    model = make_model().double()
    tokens = torch.randint(12, (2, 9))

    first, cache = model.forward_incremental(tokens[:, :4])
    second, cache = model.forward_incremental(tokens[:, 4:], cache)

    torch.testing.assert_close(torch.cat((first, second), dim=1), model(tokens), rtol=0, atol=1e-10)


@extension
def test_generation_is_the_same_with_and_without_a_cache():
    model = make_model()
    prompt = torch.randint(12, (2, 4))

    assert torch.equal(model.generate(prompt, 8), model.generate(prompt, 8, use_cache=False))


@extension
def test_a_classifier_scores_every_class_of_every_token():
    logits, class_logits = make_model(n_classes=3)(torch.randint(12, (2, 5)), classify=True)

    assert logits.shape[:2] == class_logits.shape[:2] == (2, 5)
    assert class_logits.shape[2] == 3


@extension
def test_the_class_loss_is_part_of_the_total():
    [batch] = make_batches(1)
    total, lm_loss, class_loss = loss_fn(make_model(n_classes=2), batch, class_weight=0.5)

    torch.testing.assert_close(total, lm_loss + 0.5 * class_loss)


@extension
def test_a_model_without_a_classifier_refuses_to_classify():
    with pytest.raises(ValueError, match="n_classes=0"):
        make_model()(torch.zeros(1, 4, dtype=torch.long), classify=True)
