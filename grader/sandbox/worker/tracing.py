"""Where in a model numbers stop being finite."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn


def first_strange(model: nn.Module, call: Callable[[], object]) -> tuple[object, str]:
    """What a call returns, and the name of the first module that makes NaN or infinities of finite numbers in it; empty
    where none does.

    What comes of plain functions is put down to the module that they stand in.
    """
    found: list[str] = []
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if name:
                hook = module.register_forward_hook(partial(_note, found, name), with_kwargs=True)
                hooks.callback(hook.remove)
        returned = call()
    return returned, found[0] if found else ""


def _note(
    found: list[str], name: str, module: nn.Module, given: tuple[object, ...], named: dict[str, object], made: object
) -> None:
    if not found and _all_finite((*given, *named.values())) and not _all_finite((made,)):
        found.append(name)


def _all_finite(values: Iterable[object]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in _tensors(values))


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    """Those among some values, and in the tuples among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple):
            yield from _tensors(value)
