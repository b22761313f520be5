"""What the grader brings so that a training loop is judged apart from model.py: a small model, and an optimizer that
records how it is used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class StandInConfig:
    """What a training loop may read from ``model.config``; the names of GPTConfig."""

    vocab_size: int
    block_size: int
    d_model: int
    n_classes: int = 0
    n_layer: int = 1
    n_head: int = 1
    dropout: float = 0.0
    position: str = "learned"


class StandIn(nn.Module):
    """Embedding, layer norm, linear: a next-token model in three layers."""

    def __init__(self, config: StandInConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.ln_f = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size)
        self.class_head = nn.Linear(config.d_model, config.n_classes) if config.n_classes else None
        self.modes: list[bool] = []  # whether all of it was in training mode, at each call
        self.read: list[Tensor] = []  # the tokens of each call

    def forward(self, tokens: Tensor, *, classify: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """tokens (B, T) -> logits (B, T, V); classify=True -> also class logits (B, T, n_classes)."""
        if classify and self.class_head is None:
            raise ValueError(f"classify=True needs a classifier head, but n_classes={self.config.n_classes!r}")
        self.modes.append(all(module.training for module in self.modules()))
        self.read.append(tokens.clone())
        hidden = self.token_embedding(tokens)  # (B, T, C)
        # The neighbour's embedding makes rows depend on their context, as in a real model.
        hidden = hidden + torch.roll(hidden, 1, dims=1) * 0.5
        hidden = self.dropout(self.ln_f(hidden))
        logits: Tensor = self.lm_head(hidden)  # (B, T, V)
        return (logits, self.class_head(hidden)) if classify and self.class_head is not None else logits


class StandInWithLoss(StandIn):
    """The same for loops that leave the loss to the model, as most do that keep no contract."""

    def forward(  # type: ignore[override]
        self, tokens: Tensor, targets: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """tokens (B, T) -> logits (B, T, V); with targets (B, T) -> (logits, their mean cross-entropy)."""
        logits = super().forward(tokens)
        assert isinstance(logits, Tensor)
        return logits if targets is None else (logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))


class EnoughSteps(Exception):
    """The optimizer was stepped as often as it was to be recorded."""


class RecordingOptimizer(torch.optim.Optimizer):
    """Plain gradient descent that remembers, for each call of ``step``, each group's learning rate and the gradients.

    It moves the parameters, so that a gradient left over from an earlier batch shows in the next record.

    Attributes:
        enough: if it is a number, ``EnoughSteps`` is raised of a step beyond so many.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, groups: int = 1) -> None:
        held = list(parameters)
        cuts = [len(held) * i // groups for i in range(groups + 1)]
        super().__init__([{"params": held[a:b]} for a, b in pairwise(cuts)], {"lr": lr})
        self.enough: int | None = None
        self.rates: list[list[float]] = []
        self.gradients: list[list[Tensor | None]] = []

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if len(self.rates) == self.enough:
            raise EnoughSteps
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        with torch.no_grad():
            self.rates.append([float(group["lr"]) for group in self.param_groups])
            parameters = [p for group in self.param_groups for p in group["params"]]
            self.gradients.append([None if p.grad is None else p.grad.clone() for p in parameters])
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.sub_(parameter.grad, alpha=float(group["lr"]))
        return result
