"""Plain PyTorch that a learner can paste next to train.py to see a failure."""

from grader.checks.training.cases import TrainCase


def config_of(case: TrainCase) -> str:
    """The case's configuration as code, on two lines: one would run off a page."""
    settings = [f"{name}={value}" for name, value in case.config.items()]
    half = len(settings) // 2
    return f"TrainConfig(\n    {', '.join(settings[:half])},\n    {', '.join(settings[half:])},\n)"


def training_snippet(case: TrainCase, body: str) -> str:
    """A script with a small model, an optimizer and a batch, then ``body``."""
    return f"""import torch
from torch import nn
from train import Batch, TrainConfig, make_optimizer, train_step

torch.manual_seed(0)
config = {config_of(case)}
model = nn.Sequential(nn.Embedding({case.vocab_size}, 6), nn.LayerNorm(6), nn.Linear(6, {case.vocab_size}))
optimizer = make_optimizer(model, config)
tokens = torch.randint({case.vocab_size}, ({case.batch_size}, {case.seq_len} + 1))
batch = Batch(tokens[:, :-1], tokens[:, 1:], tokens[:, :-1] % 2)
{body.strip()}
"""
