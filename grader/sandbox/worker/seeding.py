"""What a seed decides: weights, by a name and a shape and nothing else, and what every generator draws."""

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import init

from grader.sandbox.questions import Weights
from grader.sandbox.worker.contract import ContractError, Parts, whole

QUERIES: Final = ".query."  # in the names of a layer's queries
INITIALISERS: Final = tuple(name for name in vars(init) if name.endswith("_") and not name.startswith("_"))


@lru_cache(maxsize=512)
def keyed_normal(seed: int, name: str, shape: tuple[int, ...], scale: float) -> Tensor:
    """float32 draws N(0, scale) of that shape, from a stream of their own. To be copied from, never written to."""
    key = hashlib.blake2b(f"{seed}|{name}|{shape}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key, "little"))
    return torch.empty(shape, dtype=torch.float32).normal_(0.0, scale, generator=generator)


@torch.no_grad()
def set_weights(model: nn.Module, weights: Weights, *, frozen: bool = True, parts: Parts = whole) -> None:
    """Overwrite every parameter of ``model``, or without ``frozen`` those that are there to be trained."""
    for own_name, own in model.named_parameters():
        if not (frozen or own.requires_grad):
            continue
        for name, parameter in parts(own_name, own):
            scale = weights.scale * (weights.query_scale if QUERIES in name else 1.0)
            scale *= prod(factor for end, factor in weights.factors.items() if name.endswith(end))
            parameter.copy_(keyed_normal(weights.seed, name, tuple(parameter.shape), abs(scale)))
            if scale < 0:
                parameter.neg_()


def require_named(model: nn.Module, weights: Weights, parts: Parts) -> None:
    """Complain of a factor that no parameter would get: the question would compare the model with itself."""
    names = [name for own_name, own in model.named_parameters() for name, _ in parts(own_name, own)]
    if weights.query_scale != 1.0 and not any(QUERIES in name for name in names):
        raise ContractError("no parameter is called blocks.{i}.attn.query.weight")
    for end, factor in weights.factors.items():
        # A map without a bias is as silent as one whose bias is zero.
        ends = (end, end.removesuffix("bias") + "weight") if end.endswith("bias") and not factor else (end,)
        if not any(name.endswith(ends) for name in names):
            raise ContractError(f"no parameter has a name that ends in {end!r}")


@torch.no_grad()
def split_pairs(model: nn.Module, n_head: int, parts: Parts = whole) -> None:
    """Reorder each head's queries and keys, so that who turns pairs half a head apart turns what others pair as
    neighbours."""
    for name, parameter in (part for named in model.named_parameters() for part in parts(*named)):
        if QUERIES in name or ".key." in name:
            pairs = parameter.reshape(n_head, -1, 2, *parameter.shape[1:])  # (H, D/2, 2, ...)
            parameter.copy_(pairs.transpose(1, 2).reshape(parameter.shape).clone())


@contextmanager
def parameters_unset() -> Iterator[None]:
    """Let ``torch.nn.init`` pass over parameters: they are all about to be overwritten, and drawing them takes
    half the time of building a small model. Other tensors are initialised as ever."""
    originals = {name: getattr(init, name) for name in INITIALISERS}
    vars(init).update({name: _only_others(function) for name, function in originals.items()})
    try:
        yield
    finally:
        vars(init).update(originals)


def _only_others(initialise: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def wrapped(tensor: Tensor, *args: Any, **options: Any) -> Tensor:
        return tensor if isinstance(tensor, nn.Parameter) else initialise(tensor, *args, **options)

    return wrapped


def seed_all(seed: int) -> None:
    """Seed every generator a model may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
