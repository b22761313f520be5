"""The harness makes a model better, does what it says to the optimizer, and leaves alone what it only looks at."""

import pytest
import torch


def build(gpt, seed=0, **settings):
    torch.manual_seed(seed)
    return gpt.GPT(gpt.GPTConfig(vocab_size=16, **settings))


def test_training_learns_to_read_the_stride_off_the_past(gpt, harness):
    config = harness.TrainConfig()
    model = build(gpt)
    steps = harness.train(model, config)
    held_out = harness.make_batch(config, torch.Generator().manual_seed(9))
    sequence = torch.cat((held_out.tokens, held_out.targets[:, -1:]), dim=1)

    assert len(steps) == config.steps
    assert harness.evaluate(model, [held_out])["lm_loss"] < 0.1 * steps[0]["loss"]
    assert (model.generate(sequence[:, :6], 11) == sequence).double().mean() > 0.95


def test_two_runs_from_one_seed_agree_in_every_bit(gpt, harness):
    config = harness.TrainConfig(steps=5)
    first, second = build(gpt), build(gpt)

    assert harness.train(first, config) == harness.train(second, config)
    assert all(torch.equal(*pair) for pair in zip(first.parameters(), second.parameters(), strict=True))


def test_a_step_moves_every_parameter(gpt, harness):
    config = harness.TrainConfig(seq_len=32)
    model = build(gpt)
    before = [parameter.clone() for parameter in model.parameters()]
    batch = harness.make_batch(config, torch.Generator().manual_seed(0))
    harness.train_step(model, harness.make_optimizer(model, config), batch, config, 0)

    assert not any(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_a_step_uses_the_clipped_gradient_of_its_own_batch(gpt, harness):
    config = harness.TrainConfig(grad_clip=0.01, lr=0.5, warmup=4)
    model, twin = build(gpt), build(gpt)
    batch = harness.make_batch(config, torch.Generator().manual_seed(0))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)  # stale
    harness.train_step(model, torch.optim.SGD(model.parameters(), lr=9.0), batch, config, 1)

    harness.loss_fn(twin, batch)[0].backward()
    torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.01)
    torch.optim.SGD(twin.parameters(), lr=0.25).step()
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), twin.parameters(), strict=True))


def test_rows_count_up_by_strides_of_their_own(harness):
    config = harness.TrainConfig(vocab_size=7, seq_len=9, batch_size=32)
    batch = harness.make_batch(config, torch.Generator().manual_seed(0))
    strides = (batch.targets - batch.tokens) % 7

    assert all(tensor.shape == (32, 9) and tensor.dtype == torch.int64 for tensor in batch)
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    assert torch.equal(batch.tokens % 2, batch.labels)
    assert (strides == strides[:, :1]).all()
    assert {1, 2, 3, 4} == set(strides.flatten().tolist())


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [pytest.param(0, [1.0, 1.0, 1.0], id="none"), pytest.param(2, [0.5, 1.0, 1.0], id="two-steps")],
)
def test_the_learning_rate_warms_up_and_stays(harness, warmup, expected):
    config = harness.TrainConfig(lr=1.0, warmup=warmup)

    assert expected == [harness.learning_rate(step, config) for step in range(3)]


def test_only_matrices_decay(gpt, harness):
    groups = harness.make_optimizer(build(gpt), harness.TrainConfig(weight_decay=0.3)).param_groups
    decays = {parameter.dim(): group["weight_decay"] for group in groups for parameter in group["params"]}

    assert decays == {2: 0.3, 1: 0.0}
    assert sum(len(group["params"]) for group in groups) == len(list(build(gpt).parameters()))


def test_training_takes_the_batches_and_the_optimizer_it_is_given(gpt, harness):
    config = harness.TrainConfig(steps=3)
    model = build(gpt).eval()
    generator = torch.Generator().manual_seed(0)
    endless = iter(lambda: harness.make_batch(config, generator), None)
    frozen = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    before = [parameter.clone() for parameter in model.parameters()]

    assert len(harness.train(model, config, endless, frozen)) == 3
    assert model.training
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_evaluate_leaves_mode_gradients_parameters_and_generators_alone(gpt, harness):
    config = harness.TrainConfig()
    model = build(gpt, dropout=0.5, n_classes=2).train()
    model.blocks[0].eval()
    batches = [harness.make_batch(config, torch.Generator().manual_seed(seed)) for seed in range(2)]
    harness.loss_fn(model, batches[0], 1.0)[0].backward()
    state = [parameter.clone() for parameter in model.parameters()]
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    random_state = torch.get_rng_state()
    first = harness.evaluate(model, batches)

    assert first == harness.evaluate(model, batches)
    assert torch.equal(random_state, torch.get_rng_state())
    assert model.training
    assert not model.blocks[0].attn.training
    assert all(torch.equal(*pair) for pair in zip(state, model.parameters(), strict=True))
    assert all(torch.equal(g, p.grad) for g, p in zip(gradients, model.parameters(), strict=True))


def test_evaluate_restores_the_mode_when_the_model_raises(gpt, harness):
    model = build(gpt, block_size=4).train()
    batch = harness.make_batch(harness.TrainConfig(), torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="block_size=4"):
        harness.evaluate(model, [batch])

    assert model.training


def test_seeding_restarts_every_generator(harness):
    import random

    harness.seed_everything(5)
    first = (random.random(), torch.rand(1).item())
    harness.seed_everything(5)

    assert first == (random.random(), torch.rand(1).item())
