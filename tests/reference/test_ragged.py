"""Rows of different lengths, read together, are what each of them is alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

EPSILON = torch.finfo(torch.float64).eps
BLOCK = 13
MODELS = [
    pytest.param(1, "learned", id="one-head"),
    pytest.param(2, "learned", id="two-heads"),
    pytest.param(1, "sinusoidal", id="sinusoidal"),
    pytest.param(2, "rotary", id="rotary"),
    pytest.param(3, "alibi", id="alibi"),
    pytest.param(2, "relative", id="relative"),
]


@st.composite
def schedules(draw: st.DrawFn) -> list[list[int]]:
    """By chunk, how many tokens each of three rows reads; no row more than there are positions."""
    left, chunks = [BLOCK] * 3, []
    for _ in range(draw(st.integers(1, 4))):
        chunk = [draw(st.integers(0, min(5, most))) for most in left]
        if any(chunk):
            chunks.append(chunk)
            left = [most - read for most, read in zip(left, chunk, strict=True)]
    return chunks or [[1, 2, 3]]


def make(gpt, n_head, position):
    torch.manual_seed(0)
    config = gpt.GPTConfig(vocab_size=11, block_size=BLOCK, n_layer=2, n_head=n_head, d_model=12, position=position)
    model = gpt.GPT(config).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.requires_grad_(False)


def read_together(model, rows, chunks, padding=0):
    """What each row gets where it has tokens, and the cache in the end."""
    read, cache = [0] * len(rows), None
    got: list[list[torch.Tensor]] = [[] for _ in rows]
    for lengths in chunks:
        tokens = torch.full((len(rows), max(lengths) + 1), padding)
        for b, length in enumerate(lengths):
            tokens[b, :length] = rows[b, read[b] : read[b] + length]
            read[b] += length
        logits, cache = model.forward_incremental(tokens, cache, lengths=torch.tensor(lengths))
        for b, length in enumerate(lengths):
            got[b].append(logits[b, :length])
    return [torch.cat(parts) for parts in got], cache


@pytest.mark.parametrize(("n_head", "position"), MODELS)
def test_every_row_is_what_it_is_alone(gpt, n_head, position):
    model = make(gpt, n_head, position)
    rows = torch.randint(11, (3, BLOCK), generator=torch.Generator().manual_seed(1))

    @given(chunks=schedules())
    @settings(deadline=None, max_examples=25, derandomize=True, database=None)
    def holds(chunks):
        together, cache = read_together(model, rows, chunks)
        assert cache.lengths.tolist() == [sum(row) for row in zip(*chunks, strict=True)]
        for row, got in zip(rows, together, strict=True):
            if len(got):
                alone = model(row[None, : len(got)])[0]
                assert (got - alone).abs().max() <= 64 * EPSILON * alone.abs().max()

    holds()


def test_no_padding_is_ever_read(gpt):
    model = make(gpt, 1, "learned")
    rows = torch.randint(11, (3, BLOCK), generator=torch.Generator().manual_seed(2))
    chunks = [[3, 1, 0], [0, 2, 4]]
    first, cache = read_together(model, rows, chunks)
    other, _ = read_together(model, rows, chunks, padding=7)
    poisoned = [gpt.LayerKV(*(kept.clone() for kept in layer)) for layer in cache.layers]
    for layer in poisoned:
        for b, length in enumerate(cache.lengths.tolist()):
            layer.k[b, :, length:], layer.v[b, :, length:] = 1e30, -1e30
    one = torch.ones(3, 1, dtype=torch.int64)
    after, _ = model.forward_incremental(one, cache)
    after_poison, _ = model.forward_incremental(one, gpt.KVCache(tuple(poisoned), cache.lengths))

    assert all(torch.equal(*pair) for pair in zip(first, other, strict=True))
    assert torch.equal(after, after_poison)


def test_only_what_is_real_has_to_fit(gpt):
    model = make(gpt, 1, "learned")
    _, cache = model.forward_incremental(torch.ones(2, BLOCK - 1, dtype=torch.int64), lengths=torch.tensor([12, 3]))
    model.forward_incremental(torch.ones(2, 6, dtype=torch.int64), cache, lengths=torch.tensor([1, 6]))

    with pytest.raises(ValueError, match="sequence length=14"):
        model.forward_incremental(torch.ones(2, 6, dtype=torch.int64), cache, lengths=torch.tensor([2, 6]))
