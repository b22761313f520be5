"""The classifier head sits beside the language model and leaves no mark on it."""

import torch


def build(gpt, n_classes):
    torch.manual_seed(3)
    model = gpt.GPT(gpt.GPTConfig(vocab_size=11, n_classes=n_classes))
    return model, torch.rand(4)


def test_a_head_changes_neither_the_initial_parameters_nor_what_is_drawn_next(gpt):
    plain, next_draw = build(gpt, 0)
    headed, next_draw_with_head = build(gpt, 3)
    parameters = headed.state_dict()

    assert torch.equal(next_draw, next_draw_with_head)
    assert all(torch.equal(parameter, parameters[name]) for name, parameter in plain.state_dict().items())
    assert len(parameters) == len(plain.state_dict()) + 2


def test_a_head_changes_no_logit(gpt):
    tokens = torch.arange(8).reshape(2, 4)
    expected = build(gpt, 0)[0](tokens)
    headed = build(gpt, 3)[0]
    logits, class_logits = headed(tokens, classify=True)

    assert torch.equal(expected, headed(tokens))
    assert torch.equal(expected, logits)
    assert class_logits.shape == (2, 4, 3)


def test_the_total_loss_is_the_weighted_sum_and_reaches_head_and_trunk(gpt, harness):
    config = harness.TrainConfig(vocab_size=11)
    batch = harness.make_batch(config, torch.Generator().manual_seed(0))
    model, _ = build(gpt, 2)
    total, lm_loss, class_loss = harness.loss_fn(model, batch, class_weight=0.25)
    expected = torch.nn.functional.cross_entropy(model(batch.tokens, classify=True)[1].mT, batch.labels)
    class_loss.backward(retain_graph=True)

    assert torch.equal(total, lm_loss + 0.25 * class_loss)
    torch.testing.assert_close(class_loss, expected)
    assert model.token_embedding.weight.grad.any()
    assert model.class_head.weight.grad.any()


def test_without_a_weight_there_is_no_class_loss(gpt, harness):
    batch = harness.make_batch(harness.TrainConfig(vocab_size=11), torch.Generator().manual_seed(0))
    total, lm_loss, class_loss = harness.loss_fn(build(gpt, 2)[0], batch)

    assert torch.equal(total, lm_loss)
    assert class_loss is None


def test_a_trained_head_knows_the_parity_of_tokens(gpt, harness):
    config = harness.TrainConfig(vocab_size=11, steps=60, class_weight=1.0)
    model, _ = build(gpt, 2)
    steps = harness.train(model, config)
    held_out = harness.make_batch(config, torch.Generator().manual_seed(9))

    assert steps[-1]["class_loss"] < 0.1 * steps[0]["class_loss"]
    assert harness.evaluate(model, [held_out])["class_accuracy"] == 1.0
