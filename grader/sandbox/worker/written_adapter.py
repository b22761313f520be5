"""How a package is built, called and trained that keeps no contract, as the exercise's adapter.py says it.

docs/bring-your-own.md has what may stand in an adapter.py. What it has no function for cannot be asked: the question is
answered by a complaint, so that a check which needs it is left out of the exercise.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from grader.sandbox.questions import ADAPTER, Settings
from grader.sandbox.worker.contract import ContractError, Layers, pair
from grader.sandbox.worker.seeding import seed_all

REQUIRED: Final = ("build", "logits")
OPTIONAL: Final = (
    "decode", "pack", "unpack", "classify", "generate",
    "optimizer", "step", "rate", "loss", "evaluate", "run", "stand_in",
)  # fmt: skip
TOKENS: Final = "token_embedding.weight"
POSITIONS: Final = "position_embedding.weight"
MAX_STRIDE: Final = 4


@dataclass(frozen=True)
class Sizes:
    """What a model is built for."""

    vocab_size: int = 64
    block_size: int = 32
    n_layer: int = 2
    n_head: int = 1
    d_model: int = 32
    dropout: float = 0.0
    n_classes: int = 0


@dataclass(frozen=True)
class RunSettings:
    """What a run is made of; the names, and the values that are not given, of TrainConfig."""

    vocab_size: int = 16
    seq_len: int = 16
    batch_size: int = 16
    steps: int = 200
    lr: float = 3e-3
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    warmup: int = 10
    class_weight: float = 0.0
    seed: int = 0


class Batch(NamedTuple):
    """int64 (B, T) each; the labels are the parities of the tokens."""

    tokens: Tensor
    targets: Tensor
    labels: Tensor


class WrittenAdapter:
    """What an adapter.py says.

    Args:
        module: imports model.py or train.py, by name.
        written: the adapter.py, imported.
    """

    def __init__(self, module: Callable[[str], ModuleType], written: ModuleType) -> None:
        self._module = module
        self._written = written
        for name in REQUIRED:
            self._function(name)
        self._names = _patterns(getattr(written, "NAMES", None))
        self._transposed = [_pattern(text, "TRANSPOSED") for text in _texts(getattr(written, "TRANSPOSED", ()))]
        self._unequal: dict[tuple[str, torch.Size], list[int]] = {}  # rows of each part, of models built so far

    def offers(self) -> dict[str, Any]:
        """Which of the optional functions there are, and the facts."""
        facts = getattr(self._written, "FACTS", {})
        if not isinstance(facts, dict) or not all(isinstance(text, str) for pair in facts.items() for text in pair):
            raise ContractError(f"FACTS of {ADAPTER} is {facts!r}; expected a dict of strings")
        functions = [name for name in OPTIONAL if hasattr(self._written, name)]
        return {"functions": functions, "facts": facts}

    def unmatched(self, model: nn.Module) -> list[str]:
        """The patterns that no parameter of a model has a name for."""
        names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        patterns = [*(pattern for pattern, _ in self._names), *self._transposed]
        return [p.pattern for p in patterns if not any(p.fullmatch(name) for name in names)]

    def parts(self, name: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
        """A parameter, or its gradient, as views (outputs, inputs) by role; under its own name if it plays none."""
        if any(pattern.fullmatch(name) for pattern in self._transposed):
            tensor = tensor.t()
        for pattern, roles in self._names:
            if match := pattern.fullmatch(name):
                cut = self._unequal.get((name, tensor.shape)) or _rows(name, tensor, [1] * len(roles))
                return list(zip((_filled(match, role) for role in roles), tensor.split_with_sizes(cut), strict=True))
        return [(name, tensor)]

    def _measure_parts(self, model: nn.Module) -> None:
        """How long the parts of each fused map are, where the adapter says that they are not equal."""
        if not hasattr(self._written, "shares"):
            return
        for name, parameter in model.named_parameters(remove_duplicate=False):
            transposed = any(pattern.fullmatch(name) for pattern in self._transposed)
            tensor = parameter.t() if transposed else parameter
            roles = next((roles for pattern, roles in self._names if pattern.fullmatch(name)), ())
            if len(roles) < 2:
                continue
            shares = self._function("shares")(model, name)
            whole = isinstance(shares, tuple | list) and all(type(share) is int and share > 0 for share in shares)
            if not whole or len(shares) != len(roles):
                raise ContractError(
                    f"shares of {ADAPTER} returned {shares!r} for {name}; expected {len(roles)} whole numbers above 0"
                )
            self._unequal[name, tensor.shape] = _rows(name, tensor, shares)

    # The model

    def new_model(self, config: Settings) -> Any:
        """``build(model, sizes)``."""
        sizes = {name: value for name, value in config.items() if name != "position"}
        if config.get("position", "learned") != "learned":
            raise ContractError(f"{ADAPTER} builds no model with position={config['position']!r}")
        if config.get("n_classes"):
            self._function("classify")
        model = self._function("build")(self._module("model"), Sizes(**sizes))  # type: ignore[arg-type]
        if not isinstance(model, nn.Module):
            raise ContractError(f"build of {ADAPTER} returned a {type(model).__name__}; expected a torch.nn.Module")
        self._measure_parts(model)
        return model

    def logits(self, model: Any, tokens: Tensor) -> Any:
        """(B, T) -> (B, T, V)"""
        return self._function("logits")(model, tokens)

    def classified(self, model: Any, tokens: Tensor) -> tuple[object, object]:
        """(B, T) -> (B, T, V), and class logits (B, T, n_classes)"""
        return pair(self._function("classify")(model, tokens), f"classify of {ADAPTER}")

    def position_table(self, model: Any) -> Tensor:
        """(block_size, C)"""
        _, table = self._find(model, POSITIONS)
        return table.data

    def embedded(self, model: Any, tokens: Tensor, *, alike: bool) -> tuple[Any, Tensor, Callable[[Tensor], Tensor]]:
        """The logits; what the tokens are embedded as; and what of its gradient belongs to each of the tokens.

        Not the table itself: a head that shares it has a gradient for every row of it.
        """
        owner, table = self._find(model, TOKENS)
        if alike:
            table.data[:] = table.data[:1].clone()
        seen: list[Tensor] = []
        handle = owner.register_forward_hook(lambda _, __, output: seen.append(output))
        try:
            logits = self.logits(model, tokens)
        finally:
            handle.remove()
        if not seen:
            raise ContractError(f"the module that holds {TOKENS} is not called in a forward pass")
        return logits, seen[0], lambda gradient: gradient[0]

    def _find(self, model: Any, role: str) -> tuple[nn.Module, Tensor]:
        """The module that holds a role, and its tensor."""
        for name, parameter in model.named_parameters(remove_duplicate=False):
            for part, tensor in self.parts(name, parameter):
                if part == role:
                    return model.get_submodule(name.rpartition(".")[0]), tensor
        raise ContractError(f"no parameter is called {role}")

    # Its cache

    def decoded(self, model: Any, tokens: Tensor, *cache: Any, **ragged: Tensor) -> tuple[Any, Any]:
        """Logits of the tokens that are new to a cache, and the cache that has them too."""
        if ragged:
            raise ContractError(f"{ADAPTER} decodes no rows of different lengths")
        return pair(self._function("decode")(model, tokens, cache[0] if cache else None), f"decode of {ADAPTER}")

    def cache_of(self, layers: Layers, lengths: Tensor | None) -> Any:
        """A cache of these keys and values."""
        if lengths is not None:
            raise ContractError(f"{ADAPTER} decodes no rows of different lengths")
        return self._function("unpack")(list(layers))

    def rows_of(self, cache: Any, rows: Tensor) -> Any:
        """A cache of some of the rows of another."""
        return self._function("unpack")([(k[rows], v[rows]) for k, v in self.layers_of(cache)])

    def layers_of(self, cache: Any) -> list[tuple[Any, Any]]:
        """What should be the keys and values of each layer."""
        return [pair(layer, f"a layer of what pack of {ADAPTER}") for layer in self._function("pack")(cache)]

    def numbers_kept(self, cache: Any) -> list[int]:
        """How many numbers each layer keeps."""
        return [k.numel() + v.numel() for k, v in self.layers_of(cache)]

    def lengths_of(self, _: Any) -> None:
        """All rows are of one length."""
        return

    def generated(self, model: Any, prompt: Tensor, count: int, *, use_cache: bool) -> Any:
        """(B, T) -> (B, T + count)"""
        return self._function("generate")(model, prompt, count, use_cache)

    # Training

    def settings(self, train: Mapping[str, Any]) -> RunSettings:
        """What a run is made of."""
        return RunSettings(**train)

    def batch(self, *tensors: Tensor) -> Batch:
        """tokens, targets, labels (B, T)."""
        return Batch(*tensors)

    def make_batch(self, config: RunSettings, generator: torch.Generator) -> Batch:
        """Rows that count up by a stride of their own, modulo the vocabulary: data of the grader's."""
        start = torch.randint(config.vocab_size, (config.batch_size, 1), generator=generator)  # (B, 1)
        stride = torch.randint(1, MAX_STRIDE + 1, (config.batch_size, 1), generator=generator)  # (B, 1)
        sequence = (start + stride * torch.arange(config.seq_len + 1)) % config.vocab_size  # (B, T + 1)
        tokens, targets = sequence[:, :-1].contiguous(), sequence[:, 1:].contiguous()  # for losses that want a view
        return Batch(tokens, targets, tokens % 2)

    def stand_in(self, small: nn.Module) -> Any:
        """A model of the grader's own, as the loop calls one."""
        if not hasattr(self._written, "stand_in"):
            return small
        wrapped = self._function("stand_in")(self._train, small)
        if not isinstance(wrapped, nn.Module):
            raise ContractError(
                f"stand_in of {ADAPTER} returned a {type(wrapped).__name__}; expected a torch.nn.Module"
            )
        return wrapped

    def optimizer(self, model: Any, config: RunSettings) -> Any:
        """Its own optimizer."""
        return self._function("optimizer")(self._train, model, config)

    def stepped(self, model: Any, optimizer: Any, batch: Batch, config: RunSettings, step: int) -> Any:
        """One update, and what it says of it."""
        return _record(self._function("step")(self._train, model, optimizer, batch, config, step))

    @property
    def makes_single_steps(self) -> bool:
        """Whether a step can be asked for by itself: else a run is looked at after each of its steps."""
        return hasattr(self._written, "step") or not hasattr(self._written, "run")

    def trained(self, model: Any, config: RunSettings, *, batches: Any = None, optimizer: Any = None) -> Any:
        """A whole run of its own loop; what it says of each step, if anything."""
        run = self._function("run")
        if batches is None or optimizer is not None:
            raise ContractError(f"run of {ADAPTER} is given batches, and makes its own optimizer")
        history = run(self._train, model, list(batches), config)
        return [_record(entry) for entry in history] if isinstance(history, list) else history

    def ran(self, model: Any, config: RunSettings, *, batches: Any = None) -> Any:
        """A whole run: of its own loop, or where that is a script, step after step."""
        if batches is None:
            generator = torch.Generator().manual_seed(config.seed)
            batches = [self.make_batch(config, generator) for _ in range(config.steps)]
        if hasattr(self._written, "run"):
            return self.trained(model, config, batches=batches)
        model.train()
        optimizer = self.optimizer(model, config)
        return [self.stepped(model, optimizer, batch, config, step) for step, batch in enumerate(batches)]

    def seed(self, seed: int) -> None:
        """All generators start anew."""
        seed_all(seed)

    def rate(self, step: int, config: RunSettings) -> Any:
        """The learning rate of a step."""
        return self._function("rate")(self._train, step, config)

    def losses(self, model: Any, batch: Batch, class_weight: float | None) -> Any:
        """(total, lm_loss, class_loss)"""
        if class_weight:
            raise ContractError(f"{ADAPTER} weighs no loss of classes")
        total = self._function("loss")(self._train, model, batch)
        return total, total, None

    def evaluated(self, model: Any, batches: Iterable[Batch]) -> Any:
        """{lm_loss, class_accuracy}"""
        report = self._function("evaluate")(self._train, model, batches)
        return report if isinstance(report, dict) else {"lm_loss": report, "class_accuracy": None}

    @property
    def _train(self) -> ModuleType:
        return self._module("train")

    def _function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] | None = getattr(self._written, name, None)
        if not callable(found):
            raise ContractError(f"{ADAPTER} has no function {name}")
        return found


def _record(said: Any) -> Any:
    """What a step says, as a record of its losses: a number is the loss of the language model, which is all of it."""
    if not isinstance(said, dict):
        return {"loss": said, "lm_loss": said, "class_loss": None}
    return {"class_loss": None} | ({"lm_loss": said["loss"]} if "loss" in said else {}) | said


def _rows(name: str, tensor: Tensor, shares: Sequence[int]) -> list[int]:
    """How many rows each part of a tensor has."""
    whole = sum(shares)
    if tensor.size(0) % whole:
        parts = f"{whole} equal parts" if set(shares) == {1} else f"parts like {', '.join(map(str, shares))}"
        raise ContractError(f"{name} of shape {tuple(tensor.shape)} cannot be cut into {parts}")
    return [tensor.size(0) // whole * share for share in shares]


def _patterns(names: Any) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    if not isinstance(names, dict):
        raise ContractError(f"NAMES of {ADAPTER} is a {type(names).__name__}; expected a dict of patterns and roles")
    return [(_pattern(text, "NAMES"), tuple(_texts(roles))) for text, roles in names.items()]


def _pattern(text: Any, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise ContractError(f"{where} of {ADAPTER} has {text!r}, which is no regular expression: {error}") from None


def _texts(value: Any) -> Sequence[str]:
    """One text, or several."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, tuple | list) or not all(isinstance(text, str) for text in texts):
        raise ContractError(f"{ADAPTER} has {value!r}; expected a string, or a tuple of strings")
    return texts


def _filled(match: re.Match[str], role: str) -> str:
    try:
        return match.expand(role)
    except (re.error, IndexError) as error:
        raise ContractError(f"NAMES of {ADAPTER} has the role {role!r}: {error}") from None
