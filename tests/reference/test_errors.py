"""What the contract forbids is refused with a ValueError that holds the value."""

import pytest
import torch


def tokens(B, T):
    return torch.zeros(B, T, dtype=torch.long)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"d_model": 30, "n_head": 4}, r"d_model=30 .*n_head=4", id="width-not-divided"),
        pytest.param({"position": "absolute"}, "position='absolute'", id="unknown-positions"),
        pytest.param({"position": "rotary", "d_model": 6, "n_head": 2}, "'rotary'.* has 3", id="odd-heads-turned"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused(gpt, settings, message):
    with pytest.raises(ValueError, match=message):
        gpt.GPT(gpt.GPTConfig(**settings))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda model: model(tokens(1, 14)), "length=14 .*block_size=13", id="forward"),
        pytest.param(lambda model: model.forward_incremental(tokens(1, 14)), "length=14", id="first-chunk"),
        pytest.param(
            lambda model: model.forward_incremental(tokens(1, 4), model.forward_incremental(tokens(1, 10))[1]),
            "length=14",
            id="later-chunk",
        ),
        pytest.param(lambda model: model.generate(tokens(1, 4), 10), "length=14", id="generate"),
        pytest.param(
            lambda model: model.generate(tokens(1, 4), 10, use_cache=False), "length=14", id="generate-without-cache"
        ),
        pytest.param(lambda model: model(tokens(1, 4), classify=True), "n_classes=0", id="no-head"),
        pytest.param(
            lambda model: model.forward_incremental(tokens(3, 1), model.forward_incremental(tokens(2, 4))[1]),
            "batch_size=2.* batch_size=3",
            id="another-batch-size",
        ),
        pytest.param(
            lambda model: model.forward_incremental(tokens(2, 3), lengths=torch.tensor([1, 4])),
            r"lengths=\[1, 4\]",
            id="longer-than-the-chunk",
        ),
        pytest.param(
            lambda model: model.forward_incremental(tokens(2, 3), lengths=torch.tensor([1, 3, 2])),
            r"lengths=\[1, 3, 2\]",
            id="lengths-of-another-batch",
        ),
    ],
)
def test_a_call_outside_the_contract_is_refused(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_the_whole_block_can_be_used(model):
    assert model(tokens(1, 13)).shape == (1, 13, 11)
    assert model.generate(tokens(1, 4), 9).shape == (1, 13)
