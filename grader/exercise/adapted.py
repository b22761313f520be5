"""What the learner of an exercise with an adapter.py is handed beside the code: visible tests of any decoder."""

from typing import Final

VISIBLE_TESTS: Final = '''\
"""The visible tests: a first look at whether things work. Run them here with `python -m pytest test_visible.py`."""

from importlib.util import find_spec
from types import SimpleNamespace

import adapter
import model
import pytest
import torch
from torch.nn import functional as F

train = __import__("train") if find_spec("train") else model
torch.set_num_threads(1)  # the model is small: two threads would spend their time waiting for each other

SIZES = dict(vocab_size=12, block_size=16, n_layer=2, n_head=2, d_model=32, dropout=0.0, n_classes=0)
SETTINGS = dict(
    vocab_size=12, seq_len=10, batch_size=16, steps=60, lr=3e-3, weight_decay=0.1, grad_clip=1.0, warmup=5,
    class_weight=0.0, seed=0,
)  # fmt: skip


def make_model():
    torch.manual_seed(0)
    return adapter.build(model, SimpleNamespace(**SIZES))


def scores(net, tokens):
    with torch.no_grad():
        return adapter.logits(net.eval(), tokens)


def make_batch():
    """Rows that count up, each from a start and by a stride of its own."""
    start, stride = torch.randint(12, (16, 1)), torch.randint(1, 5, (16, 1))
    sequence = (start + stride * torch.arange(11)) % 12
    tokens, targets = sequence[:, :-1].contiguous(), sequence[:, 1:].contiguous()
    return SimpleNamespace(tokens=tokens, targets=targets, labels=tokens % 2)


def fit(net, batches):
    """Train by `run` of adapter.py, or step by step."""
    settings = SimpleNamespace(**SETTINGS)
    if hasattr(adapter, "run"):
        adapter.run(train, net, batches, settings)
        return
    optimizer = adapter.optimizer(train, net, settings)
    for number, batch in enumerate(batches):
        adapter.step(train, net, optimizer, batch, settings, number)


def loss_of(net, batch):
    return F.cross_entropy(scores(net, batch.tokens).flatten(0, 1), batch.targets.flatten()).item()


def test_a_forward_pass_gives_finite_scores_for_every_position():
    logits = scores(make_model(), torch.randint(12, (3, 7)))

    assert logits.shape == (3, 7, 12)
    assert logits.isfinite().all()


def test_a_later_token_changes_no_score_before_it():
    net, tokens = make_model(), torch.randint(12, (2, 8))
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 12

    assert torch.allclose(scores(net, tokens)[:, :5], scores(net, changed)[:, :5], atol=1e-5)


@pytest.mark.skipif(not any(hasattr(adapter, name) for name in ("run", "step")), reason="adapter.py trains nothing")
def test_the_loss_falls_in_training():
    net = make_model()
    batches = [make_batch() for _ in range(SETTINGS["steps"])]
    before = loss_of(net, batches[0])
    fit(net.train(), batches)

    assert loss_of(net, batches[0]) < 0.9 * before
'''
