"""Answers to the questions about model.py."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from grader.sandbox.questions import (
    Classify,
    Configs,
    Decode,
    Flops,
    Forward,
    Generate,
    Gradients,
    Influence,
    ModelQuestion,
    OneHead,
    Parameters,
    Settings,
    Sharing,
    Watched,
)
from grader.sandbox.wire import DTYPES, Array, Tensors
from grader.sandbox.worker.contract import ContractError, as_array
from grader.sandbox.worker.tracing import first_strange
from grader.sandbox.worker.watching import (
    all_state,
    as_text,
    begin,
    calls_counted,
    graph_watched,
    set_modes,
    settings,
)
from grader.sandbox.worker.weights import keyed_normal, parameters_unset, set_weights, split_pairs


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Make ``name`` the default dtype, so that constants a model creates have its precision too.

    Not so for bfloat16: models are made in float32 and then narrowed, as everybody does.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if name == "bfloat16" else getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def new_model(module: ModuleType, config: Settings) -> Any:
    """``GPT(GPTConfig(**config))``."""
    model = module.GPT(module.GPTConfig(**config))
    if not isinstance(model, nn.Module):
        raise ContractError(f"GPT(...) is a {type(model).__name__}; expected a torch.nn.Module")
    return model


def weighted_model(module: ModuleType, question: ModelQuestion, *, training: bool = False) -> Any:
    """The model of a question, in its precision, with the grader's weights, in eval mode by default.

    Schemes other than learned positions have fixed numbers, which some keep as parameters that are not to be trained.
    """
    has_learned_positions = question.config.get("position", "learned") == "learned"
    with parameters_unset() if has_learned_positions else nullcontext():
        model = new_model(module, question.config)
    dtype = getattr(torch, question.precision)
    if any(parameter.dtype is not dtype for parameter in model.parameters()):
        model.to(dtype)
    set_weights(model, question.weights, frozen=has_learned_positions)
    if question.weights.split_pairs:
        split_pairs(model, int(question.config.get("n_head", 1)))
    return model.train() if training else model.eval()


def parameters(module: ModuleType, question: Parameters, _: Tensors) -> dict[str, Array]:
    torch.manual_seed(question.seed)
    model = new_model(module, question.config)
    answer = {name: as_array(p, name) for name, p in model.named_parameters()}
    return answer | ({"then.drawn": torch.rand(question.then_draw).numpy()} if question.then_draw else {})


def sharing(module: ModuleType, question: Sharing, _: Tensors) -> dict[str, Array]:
    with parameters_unset():
        model = new_model(module, question.config)
    firsts: dict[int, int] = {}
    named = model.named_parameters(remove_duplicate=False)
    return {f"first.{name}": np.array(firsts.setdefault(p.data_ptr(), i)) for i, (name, p) in enumerate(named)}


def configs(module: ModuleType, _: Configs, __: Tensors) -> dict[str, Array]:
    return defaults(module.GPTConfig)


def defaults(kind: Any) -> dict[str, Array]:
    """The fields of a dataclass that have a default."""
    answer: dict[str, Array] = {}
    for entry in dataclasses.fields(kind):
        if isinstance(entry.default, str):
            answer[entry.name] = np.frombuffer(entry.default.encode(), np.uint8)
        elif isinstance(entry.default, int | float):
            answer[entry.name] = np.array(entry.default)
    return answer


def forward(module: ModuleType, question: Forward, tensors: Tensors) -> dict[str, Array]:
    answer: dict[str, Array] = {}
    with precision(question.precision), torch.set_grad_enabled(question.recording):
        model = _model_to_ask(module, question)
        if "position_table" in tensors:
            model.position_embedding.weight.data.copy_(torch.from_numpy(tensors["position_table"]))
        put_parameters(model, tensors)
        for i in range(sum(name.startswith("tokens.") for name in tensors)):
            tokens = torch.from_numpy(tensors[f"tokens.{i}"])
            if question.modes:
                model.train(question.modes[i])
            if question.seed is not None:
                torch.manual_seed(question.seed + (i if question.modes else 0))
            row = question.position_rows[i] if question.position_rows else -1
            with _replaced_row(model, row, question.weights.seed):
                if question.classify:
                    logits, class_logits = pair(model(tokens, classify=True), "forward(tokens, classify=True)")
                    answer[f"class_logits.{i}"] = as_array(class_logits, "the class logits")
                elif question.trace:
                    logits, name = first_strange(model, partial(model, tokens))
                    answer[f"strange.{i}"] = np.frombuffer(name.encode(), np.uint8)
                else:
                    logits = model(tokens)
            answer[f"logits.{i}"] = as_array(_widened(logits, question), "what forward returned")
    return answer


def _model_to_ask(module: ModuleType, question: Forward) -> Any:
    if not question.initial:
        return weighted_model(module, question, training=question.training)
    assert question.seed is not None
    torch.manual_seed(question.seed)
    return new_model(module, question.config).train(question.training)


@torch.no_grad()
def put_parameters(model: nn.Module, tensors: Tensors) -> None:
    """Put the given values of parameters in; all of them must be there, and have these shapes."""
    named = dict(model.named_parameters())
    for name, values in tensors.items():
        if name.startswith("parameter."):
            parameter = named.get(name.removeprefix("parameter."))
            if parameter is None or tuple(parameter.shape) != values.shape:
                raise ContractError(f"there is no {name.replace('.', ' ', 1)} of shape {values.shape}")
            parameter.copy_(torch.from_numpy(values))


def _widened(value: object, question: ModelQuestion) -> object:
    """An answer of a bfloat16 model in float32: no array has bfloat16."""
    is_narrow = question.precision == "bfloat16" and type(value) is Tensor and value.dtype is torch.bfloat16
    return value.float() if is_narrow and isinstance(value, Tensor) else value


@contextmanager
def _replaced_row(model: Any, row: int, seed: int) -> Iterator[None]:
    if row < 0:
        yield
        return
    table = model.position_embedding.weight.data
    before = table[row].clone()
    table[row] = keyed_normal(seed, f"other row {row}", tuple(before.shape), 1.0).to(before)
    yield
    table[row] = before


def one_head(module: ModuleType, question: OneHead, tensors: Tensors) -> dict[str, Array]:
    tokens = torch.from_numpy(tensors["tokens"])
    with precision(question.precision), torch.no_grad():
        model = weighted_model(module, question)
        answer = {"own": as_array(model(tokens), "what forward returned")}
        many = new_model(module, question.config | {"n_head": question.heads})
        if _graft(module, question, model, many):
            set_weights(model, question.weights)
            # The contract does not say that one class can be called where the other is.
            with contextlib.suppress(Exception):
                answer["grafted"] = as_array(model(tokens), "what forward returned")
    return answer


def _graft(module: ModuleType, question: OneHead, model: Any, many: Any) -> bool:
    """Put ``many``'s kind of attention, made for one head, in the place of ``model``'s; whether that could be done."""
    try:
        for block, other in zip(model.blocks, many.blocks, strict=True):
            if type(other.attn) is type(block.attn):
                return False
            block.attn = type(other.attn)(module.GPTConfig(**question.config)).eval()
    except Exception:
        return False
    return True


def pair(value: object, what: str) -> tuple[object, object]:
    """A result of two, or a readable complaint."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise ContractError(f"{what} returned a {type(value).__name__}; expected a tuple (logits, class_logits)")
    return value[0], value[1]


def influence(module: ModuleType, question: Influence, tensors: Tensors) -> dict[str, Array]:
    tokens = torch.from_numpy(tensors["tokens"])
    length = tokens.size(1)
    with precision(question.precision):
        model = weighted_model(module, question)
        table = model.token_embedding.weight
        if question.alike:
            table.data[:] = table.data[:1].clone()
        logits = model(tokens)
        as_array(logits, "what forward returned")
        # A random direction: the sum of the logits could be blind to a change that cancels out.
        probe = keyed_normal(question.weights.seed, "probe", (logits.size(-1),), 1.0).to(logits)
        matrix = torch.zeros(length, length, dtype=torch.float64)
        for t in question.at or range(length):
            (gradient,) = torch.autograd.grad(logits[0, t] @ probe, table, retain_graph=True, allow_unused=True)
            if gradient is not None:
                matrix[t] = gradient[tokens[0]].abs().amax(dim=1)
    return {"influence": matrix.numpy()}


def gradients(module: ModuleType, question: Gradients, tensors: Tensors) -> dict[str, Array]:
    with precision(question.precision):
        model = weighted_model(module, question)
        tokens = torch.from_numpy(tensors["tokens"])
        if "lengths" in tensors:
            lengths = torch.from_numpy(tensors["lengths"])
            logits, _ = pair(model.forward_incremental(tokens, lengths=lengths), "forward_incremental")
            probed = torch.arange(tokens.size(1)) < lengths[:, None]  # (B, T)
        else:
            logits, probed = model(tokens), torch.ones(tokens.shape, dtype=torch.bool)
        checked = as_array(_widened(logits, question), "the logits")
        answer = {"logits": checked} if question.with_logits else {}
        assert isinstance(logits, Tensor)
        probe = keyed_normal(question.weights.seed, "probe", (logits.size(-1),), 1.0).to(logits)
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = torch.autograd.grad((logits @ probe)[probed].sum(), list(named.values()), allow_unused=True)
    return answer | {
        f"grad.{name}": as_array(_widened(g, question), name)
        for name, g in zip(named, found, strict=True)
        if g is not None
    }


def decode(module: ModuleType, question: Decode, tensors: Tensors) -> dict[str, Array]:
    answer: dict[str, Array] = {}
    with precision(question.precision), torch.no_grad():
        model = weighted_model(module, question)
        caches: list[Any] = []
        for i, parent in enumerate(question.parents):
            cache = None
            if parent != -1:
                cache = caches[parent] if parent >= 0 else _given_cache(module, question.layers, -2 - parent, tensors)
            if f"rows.{i}" in tensors:
                cache = _rows_of(module, cache, torch.from_numpy(tensors[f"rows.{i}"]))
            # Not named where there are none: who has not built them need not know the word.
            ragged = {"lengths": torch.from_numpy(tensors[name])} if (name := f"lengths.{i}") in tensors else {}
            returned = model.forward_incremental(torch.from_numpy(tensors[f"chunk.{i}"]), cache, **ragged)
            logits, cache = pair(returned, "forward_incremental")
            answer[f"logits.{i}"] = as_array(_widened(logits, question), "the logits of forward_incremental")
            caches.append(cache)
            if i in question.keep:
                answer.update(_cache_arrays(cache, f"cache.{i}"))
        if question.recheck:
            for i in question.keep:
                answer.update(_cache_arrays(caches[i], f"again.{i}"))
    return answer


def _given_cache(module: ModuleType, layers: int, index: int, tensors: Tensors) -> Any:
    def tensor(part: str, layer: int) -> Tensor:
        # Cloned into torch's own allocation: matmul bits depend on alignment.
        return torch.from_numpy(tensors[f"given.{index}.{part}.{layer}"]).clone()

    lengths = tensors.get(f"given.{index}.lengths")
    ragged = () if lengths is None else (torch.from_numpy(lengths).clone(),)
    return module.KVCache(tuple(module.LayerKV(tensor("k", i), tensor("v", i)) for i in range(layers)), *ragged)


def _rows_of(module: ModuleType, cache: Any, rows: Tensor) -> Any:
    """A cache of some of the rows of another, by indexing: what plain tensors are good for."""
    layers = tuple(module.LayerKV(layer.k[rows], layer.v[rows]) for layer in cache.layers)
    return module.KVCache(layers, None if cache.lengths is None else cache.lengths[rows])


def _cache_arrays(cache: Any, prefix: str) -> dict[str, Array]:
    layers = getattr(cache, "layers", None)
    if not isinstance(layers, tuple):
        raise ContractError(f"the cache is a {type(cache).__name__} without a tuple .layers; expected a KVCache")
    arrays: dict[str, Array] = {}
    for index, layer in enumerate(layers):
        for part in ("k", "v"):
            # A copy: the same storage may be written to by a later step, and that must not change this record.
            arrays[f"{prefix}.{part}.{index}"] = as_array(
                getattr(layer, part, None), f"cache layer {index}.{part}"
            ).copy()
    lengths = getattr(cache, "lengths", None)
    if lengths is not None:
        arrays[f"{prefix}.lengths"] = as_array(lengths, "the cache's lengths").copy()
    return arrays


def generate(module: ModuleType, question: Generate, tensors: Tensors) -> dict[str, Array]:
    prompt, answer = torch.from_numpy(tensors["prompt"]), dict[str, Array]()
    with precision(question.precision), torch.no_grad():
        model = weighted_model(module, question)
        if question.count:
            answer["operations"] = np.array(
                operations(lambda: model.generate(prompt, question.max_new_tokens, use_cache=question.use_cache))
            )
        tokens = model.generate(prompt, question.max_new_tokens, use_cache=question.use_cache)
    return answer | {"tokens": as_array(tokens, "what generate returned")}


def watched(package: Any, question: Watched, tensors: Tensors) -> dict[str, Array]:
    module = package.module("model")
    tokens = torch.from_numpy(tensors["tokens"])
    with precision(question.precision):
        before = settings()
        model = weighted_model(module, question)
        set_modes(model, question.modes)
        answer = begin(model, question.weights.seed) | {"before.settings": as_text(before)}
        uncounted: AbstractContextManager[list[str]] = nullcontext([])
        with graph_watched() as graph, calls_counted(model) if question.count_calls else uncounted as calls:
            try:
                times = 2 if question.call == "forward" else 1
                results = [_called(model, question, tokens) for _ in range(times)]
            except ValueError:
                return answer | {"refused": np.array(len(calls))}
        answer |= all_state(model, "after")
    answer |= {f"result.{i}": as_array(result, "what was returned") for i, result in enumerate(results)}
    return answer | {
        "tokens": as_array(tokens, "the tokens"),
        "kept": np.array(int(getattr(model, "config", None) == module.GPTConfig(**question.config))),
        "saved": np.array(graph.saved),
        "settings.import": as_text(package.settings_changed(by_train=False)),
    }


def _called(model: Any, question: Watched, tokens: Tensor) -> object:
    match question.call:
        case "forward":
            return model(tokens)
        case "forward-incremental":
            return pair(model.forward_incremental(tokens), "forward_incremental")[0]
        case "generate":
            return model.generate(tokens, question.max_new_tokens, use_cache=question.use_cache)


def state_of(model: nn.Module) -> dict[str, Array]:
    """state.{name} for each parameter and buffer, but for those of a type that cannot be sent."""
    held = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    sendable = {name: value for name, value in held.items() if str(value.dtype).removeprefix("torch.") in DTYPES}
    return {f"state.{name}": as_array(value, name) for name, value in sendable.items()}


@torch.no_grad()
def classify(module: ModuleType, question: Classify, tensors: Tensors) -> dict[str, Array]:
    model = new_model(module, question.config).eval()
    for name, value in model.state_dict().items():
        if (given := tensors.get(f"state.{name}")) is not None and isinstance(value, Tensor):
            value.copy_(torch.from_numpy(given))
    batches = torch.from_numpy(tensors["tokens"])  # (M, B, T)
    outputs = [pair(model(tokens, classify=True), "forward(tokens, classify=True)")[1] for tokens in batches]
    return {"class_logits": np.stack([as_array(logits, "the class logits") for logits in outputs])}


def operations(call: Callable[[], object]) -> int:
    """How many floating-point operations a call takes, of those that torch counts."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def flops(module: ModuleType, question: Flops, _: Tensors) -> dict[str, Array]:
    cached, full, kept = [], [], []
    with precision(question.precision), torch.no_grad():
        model = weighted_model(module, question)
        for length in question.lengths:
            tokens = torch.arange(length + 1).remainder(int(question.config["vocab_size"]))[None]  # (1, length + 1)
            _, cache = model.forward_incremental(tokens[:, :length])
            kept.append([layer.k.numel() + layer.v.numel() for layer in cache.layers])
            cached.append(operations(partial(model.forward_incremental, tokens[:, -1:], cache)))
            full.append(operations(partial(model, tokens)))
    return {"cached": np.array(cached), "full": np.array(full), "kept": np.array(kept).T}


def named_gradients(model: nn.Module, loss: Tensor) -> dict[str, float]:
    """max |d loss / d parameter| for each parameter that the loss reaches."""
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
    return {name: float(g.abs().max()) for name, g in zip(named, gradients, strict=True) if g is not None and g.numel()}
