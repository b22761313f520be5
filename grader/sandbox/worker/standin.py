"""What the grader brings so that a training loop is judged apart from model.py: a small model, and an optimizer that
records how it is used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.sandbox.questions import GivenOptimizer


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
    """Embedding, a mixture with the neighbour, layer norm, linear: a next-token model in a few layers.

    Its names are no GPT's, but for the head's, which tells what both objectives share. A parameter of three dimensions
    and one of a single one are no layer's: a training loop that goes by names or by kinds of layers passes over them.
    """

    def __init__(self, config: StandInConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.d_model)
        self.mixture = nn.Parameter(torch.ones(2, config.d_model, config.d_model))
        self.norm = nn.LayerNorm(config.d_model)
        self.offset = nn.Parameter(torch.zeros(config.d_model))
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
        hidden = self.words(tokens)  # (B, T, C)
        own, other = self.mixture.unbind()
        # The neighbour's embedding makes rows depend on their context, as in a real model.
        hidden = hidden @ own + torch.roll(hidden, 1, dims=1) @ other
        hidden = self.dropout(self.norm(hidden) + self.offset)
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


class Slight(nn.Module):
    """Scores that are looked up by the token: as little as a model can be, so that a thousand steps take no time."""

    def __init__(self, config: StandInConfig) -> None:
        super().__init__()
        self.config = config
        self.scores = nn.Parameter(torch.zeros(config.vocab_size, config.vocab_size))
        self.modes: list[bool] = []  # whether it was in training mode, at each call

    def forward(self, tokens: Tensor, *, classify: bool = False) -> Tensor:
        """tokens (B, T) -> logits (B, T, V)."""
        self.modes.append(self.training)
        return F.embedding(tokens, self.scores)


def optimizer_of(kind: GivenOptimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """An optimizer of two groups that a caller may bring, with settings that no loop has by itself."""
    held = list(parameters)
    groups = [{"params": held[::2], "weight_decay": 0.03}, {"params": held[1::2], "weight_decay": 0.3}]
    match kind:
        case "momentum":
            return torch.optim.SGD(groups, lr=0.5, momentum=0.8, nesterov=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=0.5, betas=(0.7, 0.9), eps=1e-3)
        case "amsgrad":
            return torch.optim.AdamW(groups, lr=0.5, betas=(0.8, 0.99), amsgrad=True)
        case "rms":
            return torch.optim.RMSprop(groups, lr=0.5, alpha=0.9, eps=1e-2)


class EnoughSteps(Exception):
    """The optimizer was stepped as often as it was to be recorded."""


FURTHEST: Final = 0.1  # rate at which a recording optimizer moves: further, and rounding grows from step to step


class RecordingOptimizer(torch.optim.Optimizer):
    """Plain gradient descent that remembers, for each call of ``step``, each group's learning rate and the gradients.

    It moves the parameters, so that a gradient left over from an earlier batch shows in the next record; at no large
    rate, whatever it is told.

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
                        parameter.sub_(parameter.grad, alpha=min(float(group["lr"]), FURTHEST))
        return result
