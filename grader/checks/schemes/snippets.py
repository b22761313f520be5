"""Plain PyTorch about position schemes that a learner can paste next to model.py."""

from grader.checks.schemes.cases import SCHEMES, SchemeCase, SchemeDecodeCase


def scheme_snippet(case: SchemeCase | SchemeDecodeCase, body: str) -> str:
    """A script that runs ``body`` over ``position``, ``model`` and ``tokens`` for each scheme that is built."""
    settings = ", ".join(f"{name}={value!r}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig

tokens = torch.tensor({[list(row) for row in case.tokens]})
for position in {SCHEMES}:
    torch.manual_seed(0)
    try:
        model = GPT(GPTConfig({settings}, position=position)).double().eval()
        model(tokens[:, :1])
    except (NotImplementedError, ValueError):
        continue
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    with torch.no_grad():
{"".join(f"        {line}".rstrip() + chr(10) for line in body.strip().splitlines())}"""
