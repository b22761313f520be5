"""Several heads are several small attentions side by side, and one head is what it always was."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

EPSILON = torch.finfo(torch.float64).eps
C = 12

each_head_count = pytest.mark.parametrize("n_head", [2, 3, 6, 12], ids=lambda count: f"{count}-heads")


@pytest.fixture
def build(gpt):
    def build(n_head, dtype=torch.float64):
        torch.manual_seed(0)
        config = gpt.GPTConfig(vocab_size=11, block_size=13, n_layer=2, n_head=n_head, d_model=C)
        model = gpt.GPT(config).to(dtype)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(0.0, 0.5)
        return model.requires_grad_(False)

    return build


@pytest.fixture
def tokens():
    return torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(1))


def head_by_head(attention, x, n_head):
    """What attention adds, each head computed from its own rows of the weights, and projected by its own columns."""
    D = x.size(-1) // n_head
    total = attention.proj.bias
    for head in range(n_head):
        own = slice(head * D, (head + 1) * D)
        q, k, v = (
            F.linear(x, layer.weight[own], layer.bias[own])
            for layer in (attention.query, attention.key, attention.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        total = total + F.linear(y, attention.proj.weight[:, own])
    return total


@each_head_count
def test_each_head_attends_within_its_own_channels(gpt, build, n_head):
    x = torch.randn(3, 7, C, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    mask = gpt.causal_mask(7, x.device)
    for block in build(n_head).blocks:
        torch.testing.assert_close(
            block.attn(x, mask), head_by_head(block.attn, x, n_head), rtol=0, atol=64 * EPSILON * 10
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_many_headed_class_with_one_head_gives_the_bits_of_the_simple_one(gpt, followups, build, tokens, dtype):
    model = build(1, dtype)
    many = build(1, dtype)
    for block in many.blocks:
        simple, block.attn = block.attn, followups.MultiHeadSelfAttention(many.config).to(dtype).requires_grad_(False)
        block.attn.load_state_dict(simple.state_dict())
    first, cache = model.forward_incremental(tokens[:, :4])
    second, _ = model.forward_incremental(tokens[:, 4:], cache)
    first_of_many, cache_of_many = many.forward_incremental(tokens[:, :4])
    second_of_many, _ = many.forward_incremental(tokens[:, 4:], cache_of_many)

    assert type(model.blocks[0].attn) is gpt.SimpleSelfAttention
    assert model(tokens).numpy().tobytes() == many(tokens).numpy().tobytes()
    assert first.numpy().tobytes() == first_of_many.numpy().tobytes()
    assert second.numpy().tobytes() == second_of_many.numpy().tobytes()


@each_head_count
def test_the_number_of_heads_changes_no_parameter(gpt, n_head):
    parameters = []
    for count in (1, n_head):
        torch.manual_seed(0)
        model = gpt.GPT(gpt.GPTConfig(n_head=count, d_model=C))
        parameters.append([(name, p.detach().numpy().tobytes()) for name, p in model.named_parameters()])

    assert parameters[0] == parameters[1]


@each_head_count
@pytest.mark.parametrize("chunks", [[9], [1] * 9, [5, 1, 3]], ids=str)
def test_cached_logits_equal_full_logits(build, tokens, n_head, chunks):
    model = build(n_head)
    full = model(tokens)
    logits: list[torch.Tensor] = []
    cache: Any = None
    for chunk in tokens.split(chunks, dim=1):
        part, cache = model.forward_incremental(chunk, cache)
        logits.append(part)

    assert (torch.cat(logits, dim=1) - full).abs().max() <= 64 * EPSILON * full.abs().max()
    assert {tuple(held.shape) for layer in cache.layers for held in layer} == {(3, n_head, 9, C // n_head)}


def test_the_number_of_heads_changes_what_the_model_says(build, tokens):
    said = [build(count)(tokens) for count in (1, 2, 3, 6)]

    assert all((left - right).abs().max() > 0.01 for i, left in enumerate(said) for right in said[:i])


@each_head_count
def test_logits_before_a_changed_token_keep_every_bit(build, tokens, n_head):
    model = build(n_head)
    before = model(tokens).numpy()
    for t in range(1, 9):
        changed = tokens.clone()
        changed[:, t:] = (changed[:, t:] + 1) % 11

        assert before[:, :t].tobytes() == model(changed).numpy()[:, :t].tobytes()
