"""The ways to weigh two losses do what they say, and leave alone what they only look at."""

import math

import pytest
import torch


@pytest.fixture
def losses(gpt, harness):
    """A model with a classifier, and its two losses."""
    torch.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(vocab_size=12, block_size=8, n_layer=2, d_model=16, n_classes=2))
    config = harness.TrainConfig(vocab_size=12, seq_len=8, batch_size=4)
    batch = harness.make_batch(config, torch.Generator().manual_seed(0))
    return model, *harness.loss_fn(model, batch, 1.0)[1:]


def test_a_constant_weight_is_the_same_at_every_step(harness):
    config = harness.TrainConfig(class_weight=0.3, warmup=4)

    assert {harness.constant_weight(step, config) for step in range(10)} == {0.3}


@pytest.mark.parametrize("lr", [1e-4, 3e-3, 2.0])
def test_a_warm_up_rises_from_above_zero_to_the_full_weight_whatever_the_learning_rate(harness, lr):
    config = harness.TrainConfig(class_weight=0.8, warmup=4, lr=lr)
    weights = [harness.warmup_weight(step, config) for step in (0, 1, 2, 3, 4, 1000)]

    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_log_variances_come_to_rest_where_an_uncertain_loss_counts_less(harness):
    lm_loss, class_loss = torch.tensor(0.25), torch.tensor(4.0)
    log_variances = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([log_variances], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        harness.uncertainty_weighting(lm_loss, class_loss, log_variances).backward()
        optimizer.step()

    # Where -exp(-s) * loss + 1 / 2 is zero.
    assert log_variances.tolist() == pytest.approx([math.log(0.5), math.log(8.0)], abs=1e-4)


def test_with_its_weight_one_objective_pulls_as_hard_as_the_other_at_what_both_share(harness, losses):
    model, lm_loss, class_loss = losses
    weight = harness.gradient_norm_weight(model, lm_loss, class_loss)
    shared = [p for name, p in model.named_parameters() if "head" not in name]
    lm, classes = (
        torch.nn.utils.parameters_to_vector(torch.autograd.grad(loss, shared, retain_graph=True)).norm()
        for loss in losses[1:]
    )

    assert weight * classes.item() == pytest.approx(lm.item(), rel=1e-4)
    assert abs(weight - 1) > 0.05


def test_to_measure_gradients_changes_none_and_the_losses_can_be_differentiated_afterwards(harness, losses):
    model, lm_loss, class_loss = losses
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    weight = harness.gradient_norm_weight(model, lm_loss, class_loss)

    assert all(bool((parameter.grad == 2).all()) for parameter in model.parameters())
    assert harness.gradient_norm_weight(model, lm_loss, class_loss) == weight
    (lm_loss + weight * class_loss).backward()
