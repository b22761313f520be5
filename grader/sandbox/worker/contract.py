"""The contract (docs/contract.md): how a package that keeps it is built, called and trained, and what it may return."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from grader.sandbox.questions import Settings
from grader.sandbox.wire import DTYPES, Array


class ContractError(Exception):
    """The candidate returned something that the contract does not allow."""


def as_array(value: object, what: str) -> Array:
    """The tensor's values as a numpy array with storage of its own.

    A subclass of Tensor is refused: it decides for itself what comparisons and conversions answer.
    """
    if type(value) is not Tensor and type(value) is not torch.nn.Parameter:
        raise ContractError(f"{what} is a {type(value).__name__}; expected a plain torch.Tensor")
    assert isinstance(value, Tensor)
    if value.layout is not torch.strided or value.device.type != "cpu":
        raise ContractError(f"{what} is a {value.layout} tensor on {value.device}; expected a dense CPU tensor")
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise ContractError(f"{what} has dtype {dtype}; expected float32 (or float64 in a float64 model)")
    array: Array = value.detach().resolve_conj().resolve_neg().contiguous().numpy()
    return array


def as_scalar(value: object, what: str) -> float:
    """A Python or tensor scalar as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Tensor)):
        raise ContractError(f"{what} is a {type(value).__name__}; expected a number")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ContractError(f"{what} has shape {tuple(value.shape)}; expected one number")
    return float(value.detach() if isinstance(value, Tensor) else value)


def field(record: object, key: str, what: str) -> Any:
    """``record[key]`` of a dict, or a readable complaint."""
    if not isinstance(record, dict):
        raise ContractError(f"{what} returned a {type(record).__name__}; expected a dict")
    if key not in record:
        raise ContractError(f"{what} returned a dict without {key!r}; it has {sorted(map(str, record))}")
    return record[key]


Parts = Callable[[str, Tensor], Iterable[tuple[str, Tensor]]]
"""Cuts a parameter, or a gradient of it, into views by the names that questions have for them."""

Layers = Sequence[tuple[Tensor, Tensor]]
"""Keys and values (B, H, T, D) of each layer."""


def pair(value: object, what: str) -> tuple[object, object]:
    """A result of two, or a readable complaint."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise ContractError(f"{what} returned a {type(value).__name__}; expected a tuple (logits, class_logits)")
    return value[0], value[1]


def whole(name: str, tensor: Tensor) -> tuple[tuple[str, Tensor]]:
    """A parameter as it is, under its own name."""
    return ((name, tensor),)


class ContractAdapter:
    """The names of the contract.

    Attributes:
        parts: cuts a parameter into what it is made of, by the names that the grader's questions have.
        makes_single_steps: whether a step can be asked for by itself.

    Args:
        module: imports model.py or train.py, by name.
    """

    parts: Final[Parts] = staticmethod(whole)
    makes_single_steps: Final = True

    def __init__(self, module: Callable[[str], ModuleType]) -> None:
        self._module = module

    # The model

    def new_model(self, config: Settings) -> Any:
        """``GPT(GPTConfig(**config))``."""
        module = self._module("model")
        model = module.GPT(module.GPTConfig(**config))
        if not isinstance(model, nn.Module):
            raise ContractError(f"GPT(...) is a {type(model).__name__}; expected a torch.nn.Module")
        return model

    def logits(self, model: Any, tokens: Tensor) -> Any:
        """(B, T) -> (B, T, V)"""
        return model(tokens)

    def classified(self, model: Any, tokens: Tensor) -> tuple[object, object]:
        """(B, T) -> (B, T, V), and class logits (B, T, n_classes)"""
        return pair(model(tokens, classify=True), "forward(tokens, classify=True)")

    def position_table(self, model: Any) -> Tensor:
        """(block_size, C)"""
        return cast(Tensor, model.position_embedding.weight.data)

    def embedded(self, model: Any, tokens: Tensor, *, alike: bool) -> tuple[Any, Tensor, Callable[[Tensor], Tensor]]:
        """The logits; a tensor that stands for what the tokens are embedded as; and what of its gradient belongs to
        each of the tokens (1, T): (T, C).

        Args:
            alike: all tokens are embedded as the first is, though each in a row of its own.
        """
        table = model.token_embedding.weight
        if alike:
            table.data[:] = table.data[:1].clone()
        return model(tokens), table, lambda gradient: gradient[tokens[0]]

    # Its cache

    def decoded(self, model: Any, tokens: Tensor, *cache: Any, **ragged: Tensor) -> tuple[Any, Any]:
        """Logits of the tokens that are new to a cache, and the cache that has them too."""
        return pair(model.forward_incremental(tokens, *cache, **ragged), "forward_incremental")

    def cache_of(self, layers: Layers, lengths: Tensor | None) -> Any:
        """A cache of these keys and values."""
        module = self._module("model")
        ragged = () if lengths is None else (lengths,)
        return module.KVCache(tuple(module.LayerKV(k, v) for k, v in layers), *ragged)

    def rows_of(self, cache: Any, rows: Tensor) -> Any:
        """A cache of some of the rows of another, by indexing: what plain tensors are good for."""
        module = self._module("model")
        layers = tuple(module.LayerKV(layer.k[rows], layer.v[rows]) for layer in cache.layers)
        return module.KVCache(layers, None if cache.lengths is None else cache.lengths[rows])

    def layers_of(self, cache: Any) -> list[tuple[Any, Any]]:
        """What should be the keys and values of each layer."""
        layers = getattr(cache, "layers", None)
        if not isinstance(layers, tuple):
            raise ContractError(f"the cache is a {type(cache).__name__} without a tuple .layers; expected a KVCache")
        return [(getattr(layer, "k", None), getattr(layer, "v", None)) for layer in layers]

    def numbers_kept(self, cache: Any) -> list[int]:
        """How many numbers each layer keeps."""
        return [layer.k.numel() + layer.v.numel() for layer in cache.layers]

    def lengths_of(self, cache: Any) -> Any:
        """How many tokens of each row have been read, where rows differ in that."""
        return getattr(cache, "lengths", None)

    def generated(self, model: Any, prompt: Tensor, count: int, *, use_cache: bool) -> Any:
        """(B, T) -> (B, T + count)"""
        return model.generate(prompt, count, use_cache=use_cache)

    # Training

    def settings(self, train: Mapping[str, Any]) -> Any:
        """``TrainConfig(**train)``."""
        return self._module("train").TrainConfig(**train)

    def batch(self, *tensors: Tensor) -> Any:
        """tokens, targets, labels (B, T)."""
        return self._module("train").Batch(*tensors)

    def make_batch(self, config: Any, generator: Any) -> Any:
        """A batch of its own."""
        return self._module("train").make_batch(config, generator)

    def seed(self, seed: int) -> None:
        """All generators start anew."""
        self._module("train").seed_everything(seed)

    def stand_in(self, small: nn.Module) -> Any:
        """A model of the grader's own, as its loop calls one."""
        return small

    def optimizer(self, model: Any, config: Any) -> Any:
        """Its own optimizer."""
        return self._module("train").make_optimizer(model, config)

    def stepped(self, model: Any, optimizer: Any, batch: Any, config: Any, step: int) -> Any:
        """One update; what it says of it."""
        return self._module("train").train_step(model, optimizer, batch, config, step)

    def trained(self, model: Any, config: Any, **given: Any) -> Any:
        """A whole run, of batches and with an optimizer where they are given; what it says of each step."""
        return self._module("train").train(model, config, **given)

    ran = trained

    def rate(self, step: int, config: Any) -> Any:
        """The learning rate of a step."""
        return self._module("train").learning_rate(step, config)

    def losses(self, model: Any, batch: Any, class_weight: float | None) -> Any:
        """(total, lm_loss, class_loss); without a weight, by its default."""
        weight = () if class_weight is None else (class_weight,)
        return self._module("train").loss_fn(model, batch, *weight)

    def evaluated(self, model: Any, batches: Iterable[Any]) -> Any:
        """{lm_loss, class_accuracy}"""
        return self._module("train").evaluate(model, batches)
