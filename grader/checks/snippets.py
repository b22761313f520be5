"""Plain PyTorch that a learner can paste next to model.py and train.py to see a failure."""

import re
from typing import Final

from grader.checks.strategies import ModelCase
from grader.checks.training_cases import TrainCase


def model_snippet(case: ModelCase, body: str, *, query_scale: float = 1.0, n_classes: int = 0) -> str:
    """A script that builds the case's model with its own weights, then runs ``body`` over ``model`` and ``tokens``."""
    settings = ", ".join(f"{name}={value!r}" for name, value in case.config.items())
    extra = f", n_classes={n_classes}" if n_classes else ""
    scaled = ""
    if query_scale != 1.0:
        scaled = f"\nfor block in model.blocks:\n    block.attn.query.weight.data *= {query_scale:g}"
    return f"""import torch
from model import GPT, GPTConfig

torch.manual_seed(0)
model = GPT(GPTConfig({settings}{extra})).double().eval()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5){scaled}
tokens = torch.tensor({[list(row) for row in case.tokens]})
with torch.no_grad():
{_indented(body)}"""


def _indented(body: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in body.strip("\n").splitlines())


_BUILT: Final = re.compile(r"^model = GPT\(GPTConfig\((.*)\)\)(.*)$", re.MULTILINE)
_BY_NAME: Final = re.compile(r"\bmodel\.|GPTConfig|^from train ", re.MULTILINE)
_REST: Final = {"n_head": "1", "dropout": "0.0", "n_classes": "0"}  # sizes that a script leaves to the defaults


def with_adapter(source: str) -> str | None:
    """The same script for a model that an adapter.py builds and calls; None where it goes by names of the contract."""
    built = _BUILT.search(source)
    if built is None:
        return None
    sizes = ", ".join([built[1], *(f"{name}={value}" for name, value in _REST.items() if f"{name}=" not in built[1])])
    after = source[built.end() :].replace("for p in model.parameters():", "for p in net.parameters():")
    if _BY_NAME.search(after):
        return None
    return f"""from types import SimpleNamespace

import adapter
import model as source
import torch

torch.manual_seed(0)
net = adapter.build(source, SimpleNamespace({sizes})){built[2]}


def model(tokens):
    return adapter.logits(net, tokens)


{after.lstrip()}"""


# Plain PyTorch that a learner can paste next to train.py to see a failure.


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
