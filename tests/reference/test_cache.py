"""Decoding with a cache is decoding without one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

EPSILON = torch.finfo(torch.float64).eps


@st.composite
def chunkings(draw: st.DrawFn) -> list[int]:
    """Lengths of chunks that together fit the 13 positions of the model."""
    chunks = [draw(st.integers(1, 13))]
    while sum(chunks) < 13 and draw(st.booleans()):
        chunks.append(draw(st.integers(1, 13 - sum(chunks))))
    return chunks


def decode(model, tokens, chunks):
    logits, cache = [], None
    for chunk in tokens.split(chunks, dim=1):
        part, cache = model.forward_incremental(chunk, cache)
        logits.append(part)
    return torch.cat(logits, dim=1), cache


@given(chunks=chunkings(), batch=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60, derandomize=True, database=None)
def test_cached_logits_equal_full_logits_for_every_split(model, chunks, batch, seed):
    tokens = torch.randint(11, (batch, sum(chunks)), generator=torch.Generator().manual_seed(seed))
    full = model(tokens)
    cached, _ = decode(model, tokens, chunks)

    assert (cached - full).abs().max() <= 64 * EPSILON * full.abs().max()


def test_every_layer_grows_by_the_new_tokens_only(model):
    _, cache = decode(model, torch.zeros(2, 9, dtype=torch.long), [4, 5])
    _, longer = model.forward_incremental(torch.ones(2, 3, dtype=torch.long), cache)

    assert len(longer.layers) == 3
    for old, new in zip(cache.layers, longer.layers, strict=True):
        for held, grown in zip(old, new, strict=True):
            assert grown.shape == (2, 1, 12, 20)
            assert torch.equal(held, grown[:, :, :9])


def test_two_continuations_of_one_cache_do_not_disturb_each_other(model):
    _, cache = model.forward_incremental(torch.tensor([[1, 2, 3]]))
    before = [tensor.clone() for layer in cache.layers for tensor in layer]
    first, _ = model.forward_incremental(torch.tensor([[4, 5]]), cache)
    model.forward_incremental(torch.tensor([[6, 7]]), cache)
    again, _ = model.forward_incremental(torch.tensor([[4, 5]]), cache)

    assert torch.equal(first, again)
    assert all(torch.equal(*pair) for pair in zip(before, (t for layer in cache.layers for t in layer), strict=True))


def test_the_cache_is_what_is_read(gpt, model):
    _, cache = model.forward_incremental(torch.tensor([[1, 2, 3]]))
    next_token = torch.tensor([[4]])
    expected, _ = model.forward_incremental(next_token, cache)
    for i in range(3):
        for field in ("k", "v"):
            layers = list(cache.layers)
            held = getattr(layers[i], field).clone()
            held[:, :, 0] += 1  # one position only: softmax is blind to a shift that all keys share
            layers[i] = layers[i]._replace(**{field: held})
            altered, _ = model.forward_incremental(next_token, gpt.KVCache(tuple(layers)))

            assert not torch.equal(expected, altered)


@pytest.mark.parametrize("new_tokens", [0, 1, 9], ids=lambda count: f"{count}-new")
def test_generation_is_the_same_with_and_without_a_cache(model, new_tokens):
    prompt = torch.randint(11, (3, 4), generator=torch.Generator().manual_seed(0))
    cached = model.generate(prompt, new_tokens)

    assert cached.shape == (3, 4 + new_tokens)
    assert torch.equal(prompt, cached[:, :4])
    assert torch.equal(model.generate(prompt, new_tokens, use_cache=False), cached)
