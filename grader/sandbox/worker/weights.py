"""Weights that depend on a seed, a name and a shape, and on nothing else."""

import hashlib

import torch
from torch import Tensor, nn

from grader.sandbox.questions import Weights


def keyed_normal(seed: int, name: str, shape: tuple[int, ...], scale: float) -> Tensor:
    """float32 draws N(0, scale) of that shape, from a stream of their own."""
    key = hashlib.blake2b(f"{seed}|{name}|{shape}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key, "little"))
    return torch.empty(shape, dtype=torch.float32).normal_(0.0, scale, generator=generator)


@torch.no_grad()
def set_weights(model: nn.Module, weights: Weights) -> None:
    """Overwrite every parameter of ``model``."""
    for name, parameter in model.named_parameters():
        scale = weights.scale * (weights.query_scale if ".query." in name else 1.0)
        parameter.copy_(keyed_normal(weights.seed, name, tuple(parameter.shape), scale))
