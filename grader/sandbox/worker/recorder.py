"""An optimizer that records how it is used."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class RecordingOptimizer(torch.optim.Optimizer):
    """Plain gradient descent that remembers, for each call of ``step``, each group's learning rate and the gradients.

    It moves the parameters, so that a gradient left over from an earlier batch shows in the next record.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, groups: int = 1) -> None:
        held = list(parameters)
        cuts = [len(held) * i // groups for i in range(groups + 1)]
        super().__init__([{"params": held[a:b]} for a, b in pairwise(cuts)], {"lr": lr})
        self.rates: list[list[float]] = []
        self.gradients: list[list[Tensor | None]] = []

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
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
