"""End-to-end tests of what breaks in silence: the mask, the cache, the training loop, and that a run can be repeated.

The code runs and the loss falls with any of the bugs that these tests are for. Each test says what has to hold for
every right implementation, and compares two ways to the same numbers: no number is written down here.

python -m pytest test_end_to_end.py
"""

import random
from copy import deepcopy
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
import torch
from model import GPT, GPTConfig
from torch import nn
from train import (
    MAX_STRIDE,
    TrainConfig,
    learning_rate,
    loss_fn,
    make_batch,
    make_optimizer,
    seed_everything,
    train,
    train_step,
)

CONFIG = TrainConfig(vocab_size=11, seq_len=8, batch_size=4, steps=4, lr=1e-2, weight_decay=0.1, warmup=2)
T, BLOCK_SIZE = 12, 16


@pytest.fixture(params=[1, 2], ids=["one head", "two heads"])
def model(request):
    """In float64, where rounding is far below any bug, and with large weights: small ones hide what attention does."""
    model = GPT(GPTConfig(vocab_size=11, block_size=BLOCK_SIZE, n_layer=2, n_head=request.param, d_model=16)).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return model.eval().requires_grad_(False)


@pytest.fixture
def tokens():
    return torch.randint(11, (3, T), generator=torch.Generator().manual_seed(1))


def decode(model, tokens, sizes):
    """The logits of tokens that are read chunk by chunk, and the cache after each chunk."""
    logits, caches = [], [None]
    for start, end in pairwise(accumulate(sizes, initial=0)):
        new, cache = model.forward_incremental(tokens[:, start:end], caches[-1])
        logits.append(new)
        caches.append(cache)
    return torch.cat(logits, dim=1), caches[1:]


def same(first, second):
    torch.testing.assert_close(first, second, rtol=0, atol=1e-10)


# The mask


@pytest.mark.parametrize("t", range(T))
def test_a_token_moves_the_scores_from_its_position_on_and_none_before(model, tokens, t):
    changed = tokens.clone()
    changed[:, t] = (changed[:, t] + 1) % 11
    moved = (model(changed) != model(tokens)).any(dim=-1)  # (B, T)

    assert not moved[:, :t].any(), "a position sees its future"
    assert moved[:, t:].all(), "a position does not see all of its past"


# The cache


@pytest.mark.parametrize("sizes", [(T,), (1,) * T, (5, 1, 6), (1, 4, 4, 3)], ids=str)
def test_however_a_text_is_cut_its_scores_are_those_of_the_whole(model, tokens, sizes):
    logits, _ = decode(model, tokens, sizes)

    same(logits, model(tokens))


def test_two_continuations_of_one_cache_do_not_disturb_each_other(model, tokens):
    _, [cache] = decode(model, tokens, (5,))
    before = deepcopy(cache)
    first, _ = model.forward_incremental(tokens[:, 5:], cache)
    model.forward_incremental(tokens[:, :3], cache)
    again, _ = model.forward_incremental(tokens[:, 5:], cache)

    same(again, first)
    for kept, layer in zip(before.layers, cache.layers, strict=True):
        same(layer, kept)


def test_the_cache_does_not_lead_past_the_last_position(model, tokens):
    _, caches = decode(model, tokens, (T,))

    with pytest.raises(ValueError, match=str(BLOCK_SIZE)):
        model.forward_incremental(tokens[:, : BLOCK_SIZE - T + 1], caches[-1])


def test_a_cache_of_another_batch_is_refused(model, tokens):
    _, caches = decode(model, tokens[:1], (4,))

    with pytest.raises(ValueError, match="1"):
        model.forward_incremental(tokens, caches[-1])


def test_the_cache_changes_nothing_of_what_is_generated(model, tokens):
    with_cache = model.generate(tokens[:, :6], 8)

    assert torch.equal(with_cache, model.generate(tokens[:, :6], 8, use_cache=False))
    assert torch.equal(with_cache[:, :6], tokens[:, :6])


# The training loop


def new_model(seed=0):
    seed_everything(seed)
    return GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=1, d_model=8))


def make_batches(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [make_batch(CONFIG, generator) for _ in range(CONFIG.steps)]


def assert_same_parameters(first, second):
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_step_is_one_update_by_the_gradient_of_its_batch():
    model = new_model()
    by_hand = deepcopy(model)
    optimizer, optimizer_by_hand = make_optimizer(model, CONFIG), make_optimizer(by_hand, CONFIG)
    for step, batch in enumerate(make_batches()):
        loss, _, _ = loss_fn(by_hand, batch)
        by_hand.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(by_hand.parameters(), CONFIG.grad_clip)
        for group in optimizer_by_hand.param_groups:
            group["lr"] = learning_rate(step, CONFIG)
        optimizer_by_hand.step()

        losses = train_step(model, optimizer, batch, CONFIG, step)
        assert losses == {"loss": loss.item(), "lm_loss": loss.item(), "class_loss": None}
        assert_same_parameters(model, by_hand)


def test_a_step_draws_no_random_numbers_and_seeds_no_generator():
    model = new_model()
    optimizer, batch = make_optimizer(model, CONFIG), make_batches()[0]
    before = torch.get_rng_state(), random.getstate()
    train_step(model, optimizer, batch, CONFIG, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_a_run_is_as_many_steps_as_were_asked_for_each_on_a_batch_of_its_own():
    model, step_by_step = new_model(), new_model()
    optimizer = make_optimizer(step_by_step, CONFIG)
    batches = make_batches()
    losses = train(model, CONFIG, iter(batches))

    assert losses == [train_step(step_by_step, optimizer, batch, CONFIG, i) for i, batch in enumerate(batches)]
    assert_same_parameters(model, step_by_step)


# That a run can be repeated


def test_a_generator_decides_what_it_makes_and_goes_on():
    first, second, *_ = make_batches()
    torch.manual_seed(7)  # other draws change nothing
    again, *_ = make_batches()

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.tokens, second.tokens)


def test_rows_start_anywhere_and_count_up_by_any_stride():
    tokens = make_batch(replace(CONFIG, batch_size=500), torch.Generator().manual_seed(0)).tokens

    assert set(tokens[:, 0].tolist()) == set(range(11))
    assert set(((tokens[:, 1] - tokens[:, 0]) % 11).tolist()) == set(range(1, MAX_STRIDE + 1))


def test_a_seed_decides_all_that_is_drawn_and_another_seed_draws_otherwise():
    def drawn(seed):
        seed_everything(seed)
        return random.random(), torch.rand(3).tolist()

    first, again, other = drawn(1), drawn(1), drawn(2)

    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_a_run_follows_from_its_seed_and_makes_a_new_batch_for_each_step():
    first, again, other = (train(new_model(), replace(CONFIG, seed=seed)) for seed in (5, 5, 6))

    assert first == again
    assert first != other
    assert first == train(new_model(), CONFIG, make_batches(seed=5))
