"""Plain PyTorch that a learner can paste next to model.py to see a failure."""

from grader.checks.strategies import ModelCase


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
