"""The reference keeps to numbers: large scores, short floats, long blocks, and rows that attend to nothing."""

import pytest
import torch

DTYPES = [torch.float32, torch.float64, torch.bfloat16]

each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.fixture
def build(gpt):
    def build(dtype, scale=1.0, **settings):
        torch.manual_seed(0)
        model = gpt.GPT(gpt.GPTConfig(**{"vocab_size": 11, "block_size": 13, "d_model": 12} | settings)).to(dtype)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.normal_(0.0, 0.5).mul_(scale if ".query." in name else 1.0)
        return model

    return build


@pytest.fixture
def tokens():
    return torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(1))


def gradients(model, loss):
    return torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


def all_finite(*tensors):
    return all(tensor.isfinite().all() for tensor in tensors if tensor is not None)


@each_dtype
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4, -1e4])
def test_scores_of_any_size_give_finite_logits_and_gradients(build, tokens, dtype, scale):
    model = build(dtype, scale)
    logits = model(tokens)

    assert all_finite(logits, *gradients(model, logits.sum()))


@each_dtype
def test_a_row_of_padding_gives_finite_logits_and_no_gradient(build, tokens, dtype):
    model = build(dtype)
    lengths = torch.tensor([0, 4, 7])
    real = torch.arange(9) < lengths[:, None]
    logits, _ = model.forward_incremental(tokens, lengths=lengths)
    found = gradients(model, logits[real].square().sum())
    without, _ = model.forward_incremental(tokens[1:], lengths=lengths[1:])
    expected = gradients(model, without[real[1:]].square().sum())

    assert all_finite(logits, *found)
    if dtype is torch.float64:
        for gradient, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-9)


def test_a_row_that_begins_later_does_not_notice_what_it_was_padded_with(build, tokens):
    model = build(torch.float64).requires_grad_(False)
    padded = tokens[:, :4].clone()
    padded[0] = (padded[0] + 5) % 11
    answers = []
    for first in (tokens[:, :4], padded):
        _, cache = model.forward_incremental(first, lengths=torch.tensor([0, 2, 4]))
        answers.append(model.forward_incremental(tokens[:, 4:], cache, lengths=torch.tensor([5, 1, 5]))[0])

    torch.testing.assert_close(answers[0][0], answers[1][0], rtol=0, atol=1e-12)
    torch.testing.assert_close(answers[0][:1], model(tokens[:1, 4:]), rtol=0, atol=1e-12)


def test_positions_beyond_256_are_told_apart_in_bfloat16(build):
    tokens = torch.arange(300)[None] * 7 % 11
    settings = {"block_size": 320, "n_layer": 1}
    exact = build(torch.float32, **settings)(tokens)
    short = build(torch.float32, **settings).bfloat16()(tokens).float()

    assert (short - exact).abs().max() <= 8 * 2**-7 * exact.abs().max()
