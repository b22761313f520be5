"""What is looked at around a call: what it may not change nor leave behind, and where its numbers stop being finite."""

import hashlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from grader.sandbox.questions import Modes
from grader.sandbox.wire import Array
from grader.sandbox.worker.contract import as_array
from grader.sandbox.worker.lean_torch import SEEMING_THREADS
from grader.sandbox.worker.seeding import seed_all


def watched_state(model: nn.Module, prefix: str) -> dict[str, Array]:
    """What has to be as it was after a function that only looks: parameters, gradients, modes, random state."""
    state = {f"{prefix}.param.{n}": as_array(p, n).copy() for n, p in model.named_parameters()}
    state |= {
        f"{prefix}.grad.{n}": as_array(p.grad, n).copy() for n, p in model.named_parameters() if p.grad is not None
    }
    state[f"{prefix}.mode"] = np.array([module.training for module in model.modules()])
    state[f"{prefix}.trains"] = np.array([parameter.requires_grad for parameter in model.parameters()])
    state[f"{prefix}.rng"] = torch.get_rng_state().numpy().copy()
    return state


def all_state(model: nn.Module, prefix: str) -> dict[str, Array]:
    """The same, and what all of a program shares: Python's generator and torch's settings."""
    python = hashlib.blake2b(repr(random.getstate()).encode(), digest_size=16).digest()
    shared = {f"{prefix}.python": np.frombuffer(python, np.uint8), f"{prefix}.settings": as_text(all_settings())}
    return watched_state(model, prefix) | shared


def settings() -> str:
    """Those of torch's settings that an import may not change."""
    dtype = str(torch.get_default_dtype()).removeprefix("torch.")
    return f"{dtype}, gradients {'on' if torch.is_grad_enabled() else 'off'}"


def all_settings() -> str:
    """Those that a call may not change: they decide what every other program of the process computes, or how fast."""
    rest = {
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "anomaly detection": torch.is_anomaly_enabled(),
        "denormals flushed": _are_flushed(sys.float_info.min),
        "autocast": torch.is_autocast_enabled("cpu"),
        "inference mode": torch.is_inference_mode_enabled(),
    }
    threads = torch.get_num_threads()
    products = torch.get_float32_matmul_precision()
    more = [name for name, on in rest.items() if on]
    more += [f"{threads} threads"] if threads != SEEMING_THREADS else []
    more += [f"products in {products} precision"] if products != "highest" else []
    return ", ".join([settings(), *more])


def _are_flushed(least_normal: float) -> bool:
    """Whether numbers below the least normal one are taken for zero. (Nothing but the effect tells.)"""
    return least_normal / 2.0 == 0.0


def settle() -> None:
    """Undo what an earlier call, or import, may have left behind in torch's settings."""
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    # The public function also tells the compiler, which is not there.
    torch._C._set_deterministic_algorithms(False)
    torch.autograd.set_detect_anomaly(False)
    torch.set_flush_denormal(False)
    torch.set_autocast_enabled("cpu", False)
    torch.set_num_threads(SEEMING_THREADS)
    torch.set_float32_matmul_precision("highest")


def as_text(text: str) -> Array:
    """A text as its bytes."""
    return np.frombuffer(text.encode(), np.uint8)


def set_modes(model: nn.Module, modes: Modes) -> None:
    """Put all modules into one mode, or every other one."""
    model.train(modes != "eval")
    if modes == "mixed":
        for index, module in enumerate(model.modules()):
            module.training = index % 2 == 0


def begin(model: nn.Module, seed: int) -> dict[str, Array]:
    """Gradients that must not be lost and random states that no caller expects, and all that is so before the call."""
    give_gradients(model)
    seed_all(seed)  # a generator that every call seeds alike is moved by none but the first
    return all_state(model, "before")


def give_gradients(model: nn.Module) -> None:
    """Something in every ``.grad`` that must not be lost, but of parameters that need none."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 0.25)


def freeze(model: nn.Module, every: int = 2) -> None:
    """Every so many parameters, from the first on, need no gradient."""
    for parameter in list(model.parameters())[::every]:
        parameter.requires_grad_(False)


def counted(batches: Iterable[Any]) -> tuple[Iterator[Any], list[Any]]:
    """Batches that can be read once, and a list that grows as they are: of a kind that says nothing of who counts."""
    taken: list[Any] = []

    def take(batch: Any) -> Any:
        taken.append(batch)
        return batch

    return map(take, batches), taken


@dataclass(slots=True)
class Graph:
    """How many tensors were saved for a backward pass."""

    saved: int = 0


@contextmanager
def graph_watched() -> Iterator[Graph]:
    """Count what autograd saves."""
    graph = Graph()

    def saved(tensor: Tensor) -> Tensor:
        graph.saved += 1
        return tensor

    with saved_tensors_hooks(saved, lambda tensor: tensor):
        yield graph


@contextmanager
def calls_counted(model: nn.Module) -> Iterator[list[str]]:
    """A list that grows as modules of a model are called."""
    calls: list[str] = []

    def called(module: nn.Module, _: Any) -> None:
        calls.append(type(module).__name__)

    handles = [module.register_forward_pre_hook(called) for module in model.modules()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


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
