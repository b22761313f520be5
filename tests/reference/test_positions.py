"""Each position scheme is what was published, alone and with several heads, cached and not."""

import math

import pytest
import torch
from torch.nn import functional as F

EPSILON = torch.finfo(torch.float64).eps
SCHEMES = ["sinusoidal", "rotary", "alibi", "relative"]

each_scheme = pytest.mark.parametrize("position", SCHEMES)
each_head_count = pytest.mark.parametrize("n_head", [1, 2, 3], ids=lambda count: f"{count}-heads")


@pytest.fixture
def build(gpt):
    def build(position, n_head=1, n_layer=2, block_size=9):
        torch.manual_seed(0)
        config = gpt.GPTConfig(
            vocab_size=11, block_size=block_size, n_layer=n_layer, n_head=n_head, d_model=12, position=position
        )
        torch.set_default_dtype(torch.float64)
        try:
            model = gpt.GPT(config)
        finally:
            torch.set_default_dtype(torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(0.0, 0.5)
        return model.requires_grad_(False)

    return build


@pytest.fixture
def tokens():
    return torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(1))


@each_scheme
@each_head_count
@pytest.mark.parametrize("chunks", [[9], [1] * 9, [5, 1, 3]], ids=str)
def test_cached_logits_equal_full_logits_up_to_a_full_block(build, tokens, position, n_head, chunks):
    model = build(position, n_head)
    full = model(tokens)
    logits, cache = [], None
    for chunk in tokens.split(chunks, dim=1):
        part, cache = model.forward_incremental(chunk, cache)
        logits.append(part)

    assert (torch.cat(logits, dim=1) - full).abs().max() <= 64 * EPSILON * full.abs().max()


@each_scheme
@each_head_count
def test_logits_before_a_changed_token_keep_every_bit(build, tokens, position, n_head):
    model = build(position, n_head)
    before = model(tokens).numpy()
    for t in range(1, 9):
        changed = tokens.clone()
        changed[:, t:] = (changed[:, t:] + 1) % 11

        assert before[:, :t].tobytes() == model(changed).numpy()[:, :t].tobytes()


@each_scheme
def test_the_order_of_earlier_tokens_matters_in_one_layer(build, position):
    model = build(position, n_layer=1)
    said = [model(torch.tensor([row])) for row in ([1, 2, 3, 4], [2, 1, 3, 4])]

    assert (said[0] - said[1])[:, -1].abs().max() > 1e-5  # one slope of 2^-8 says little


@each_scheme
def test_only_relative_positions_are_learned(gpt, build, position):
    plain = {name for name, _ in build("learned").named_parameters()} - {"position_embedding.weight"}
    own = {name for name, _ in build(position).named_parameters()} - plain

    assert own == ({f"blocks.{i}.attn.bias" for i in range(2)} if position == "relative" else set())


def test_the_sinusoidal_table_is_the_published_one(build):
    table = build("sinusoidal").position_embedding(torch.arange(9))
    for p in range(9):
        for i in range(6):
            angle = p / 10000 ** (2 * i / 12)
            expected = torch.tensor([math.sin(angle), math.cos(angle)], dtype=torch.float64)

            torch.testing.assert_close(table[p, 2 * i : 2 * i + 2], expected, rtol=0, atol=1e-14)


def test_a_vector_is_turned_by_its_position_and_keeps_its_length(followups):
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    turned = followups.rotate(x, torch.arange(5))
    pairs = torch.complex(turned[..., :4], turned[..., 4:]) / torch.complex(x[..., :4], x[..., 4:])
    rates = 10000.0 ** (-torch.arange(0, 8, 2).double() / 8)
    expected = torch.exp(1j * torch.arange(5).double()[:, None] * rates)

    torch.testing.assert_close(pairs, expected.expand_as(pairs), rtol=0, atol=1e-12)


def test_the_product_of_turned_vectors_depends_on_the_distance_alone(followups):
    generator = torch.Generator().manual_seed(3)
    q, k = (torch.randn(1, 1, 1, 6, dtype=torch.float64, generator=generator).expand(1, 1, 9, 6) for _ in range(2))
    scores = followups.rotate(q, torch.arange(9)) @ followups.rotate(k, torch.arange(9)).mT
    for distance in range(-8, 9):
        diagonal = scores[0, 0].diagonal(distance)

        assert (diagonal - diagonal[0]).abs().max() < 1e-13


@pytest.mark.parametrize(
    ("n_head", "exponents"),
    [
        (1, [8]),
        (2, [4, 8]),
        (3, [4, 8, 2]),
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (12, [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5]),
    ],
)
def test_slopes_are_those_of_the_power_of_two_below_and_every_other_one_of_the_next(followups, n_head, exponents):
    torch.testing.assert_close(
        followups.alibi_slopes(n_head), torch.tensor([2.0**-e for e in exponents]), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("position", ["alibi", "relative"])
def test_each_head_has_its_bias_for_each_distance(gpt, build, position):
    attention = build(position, n_head=3, n_layer=1).blocks[0].attn
    x = torch.randn(2, 7, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    D, total = 4, attention.proj.bias
    distance = torch.arange(7)[:, None] - torch.arange(7)
    for head, slope in enumerate((2.0**-4, 2.0**-8, 2.0**-2)):
        own = slice(head * D, (head + 1) * D)
        q, k, v = (
            F.linear(x, layer.weight[own], layer.bias[own])
            for layer in (attention.query, attention.key, attention.value)
        )
        bias = -slope * distance if position == "alibi" else attention.bias[distance.clamp(min=0), head]
        scores = (q @ k.mT / math.sqrt(D) + bias).masked_fill(distance < 0, float("-inf"))
        total = total + F.linear(scores.softmax(dim=-1) @ v, attention.proj.weight[:, own])

    torch.testing.assert_close(attention(x, gpt.causal_mask(7, x.device)), total, rtol=0, atol=1e-13)


@each_scheme
def test_rows_of_different_lengths_are_decoded_as_if_alone(build, tokens, position):
    model = build(position, n_head=2)
    lengths = torch.tensor([4, 2, 3])
    _, cache = model.forward_incremental(tokens[:, :4], lengths=lengths)
    logits, _ = model.forward_incremental(tokens[:, 4:7], cache, lengths=torch.tensor([3, 3, 2]))
    for row, (first, then) in enumerate(zip(lengths.tolist(), [3, 3, 2], strict=True)):
        alone = model(torch.cat((tokens[row, :first], tokens[row, 4 : 4 + then]))[None])[0, first:]

        assert (logits[row, :then] - alone).abs().max() <= 64 * EPSILON * alone.abs().max()
