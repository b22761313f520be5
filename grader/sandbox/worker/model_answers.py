"""Answers to the questions about model.py."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from msgspec import structs
from torch import Tensor, nn

from grader.sandbox.questions import (
    Classify,
    Configs,
    Decode,
    Derivatives,
    Flops,
    Forward,
    Generate,
    Gradients,
    Influence,
    ModelQuestion,
    Offers,
    OneHead,
    Parameters,
    Sharing,
    Watched,
)
from grader.sandbox.wire import DTYPES, Array, Tensors
from grader.sandbox.worker.contract import ContractAdapter, ContractError, Parts, as_array
from grader.sandbox.worker.seeding import keyed_normal, parameters_unset, require_named, set_weights, split_pairs
from grader.sandbox.worker.watching import (
    all_settings,
    all_state,
    as_text,
    begin,
    calls_counted,
    first_strange,
    give_gradients,
    graph_watched,
    set_modes,
)
from grader.sandbox.worker.written_adapter import WrittenAdapter

Adapter = ContractAdapter | WrittenAdapter


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


def weighted_model(adapter: Adapter, question: ModelQuestion, *, training: bool = False) -> Any:
    """The model of a question, in its precision, with the grader's weights, in eval mode by default.

    Schemes other than learned positions have fixed numbers, which some keep as parameters that are not to be trained.
    """
    has_learned_positions = question.config.get("position", "learned") == "learned"
    with parameters_unset() if has_learned_positions else nullcontext():
        model = adapter.new_model(question.config)
    dtype = getattr(torch, question.precision)
    if any(parameter.dtype is not dtype for parameter in model.parameters()):
        model.to(dtype)
    if isinstance(adapter, WrittenAdapter):
        require_named(model, question.weights, adapter.parts)
    if question.weights.warm:
        _warm_up(adapter, model, question, training=training)
    set_weights(model, question.weights, frozen=has_learned_positions, parts=adapter.parts)
    if question.weights.split_pairs:
        split_pairs(model, int(question.config.get("n_head", 1)), adapter.parts)
    if question.weights.graded:
        give_gradients(model)
    return model.train() if training else model.eval()


@torch.no_grad()
def _warm_up(adapter: Adapter, model: Any, question: ModelQuestion, *, training: bool) -> None:
    """Let a model speak before it is given its parameters: what it keeps of that is no longer true."""
    others = structs.replace(question.weights, seed=question.weights.seed + 1)
    set_weights(model, others, parts=adapter.parts)
    model.train(training)
    tokens = torch.zeros(1, 1, dtype=torch.int64)
    adapter.logits(model, tokens)
    if isinstance(question, Decode | Generate):
        adapter.decoded(model, tokens)


def parameters(adapter: Adapter, question: Parameters, _: Tensors) -> dict[str, Array]:
    torch.manual_seed(question.seed)
    model = adapter.new_model(question.config)
    answer = {name: as_array(p, name) for name, p in _parts_of(adapter, model)}
    return answer | ({"then.drawn": torch.rand(question.then_draw).numpy()} if question.then_draw else {})


def _parts_of(adapter: Adapter, model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The parameters, by the names that questions have for them."""
    return (part for named in model.named_parameters() for part in adapter.parts(*named))


def sharing(adapter: Adapter, question: Sharing, _: Tensors) -> dict[str, Array]:
    with parameters_unset():
        model = adapter.new_model(question.config)
    firsts: dict[int, int] = {}
    named = model.named_parameters(remove_duplicate=False)
    return {f"first.{name}": np.array(firsts.setdefault(p.data_ptr(), i)) for i, (name, p) in enumerate(named)}


def offers(adapter: Adapter, question: Offers) -> dict[str, Array]:
    assert isinstance(adapter, WrittenAdapter)
    offered = adapter.offers()
    with parameters_unset():
        model = adapter.new_model(question.config)
    named = {name: [role for role, _ in adapter.parts(name, p)] for name, p in model.named_parameters()}
    said = offered | {"parameters": named, "unmatched": adapter.unmatched(model)}
    return {"offers": as_text(json.dumps(said))}


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


def forward(adapter: Adapter, question: Forward, tensors: Tensors) -> dict[str, Array]:
    answer: dict[str, Array] = {}
    with precision(question.precision), torch.set_grad_enabled(question.recording):
        model = _model_to_ask(adapter, question)
        if "position_table" in tensors:
            adapter.position_table(model).copy_(torch.from_numpy(tensors["position_table"]))
        put_parameters(adapter, model, tensors)
        for i in range(sum(name.startswith("tokens.") for name in tensors)):
            tokens = _tokens(question, tensors[f"tokens.{i}"])
            if question.modes:
                model.train(question.modes[i])
            if question.seed is not None:
                torch.manual_seed(question.seed + (i if question.modes else 0))
            row = question.position_rows[i] if question.position_rows else -1
            with _replaced_row(adapter, model, row, question.weights.seed):
                if question.classify:
                    logits, class_logits = adapter.classified(model, tokens)
                    answer[f"class_logits.{i}"] = as_array(class_logits, "the class logits")
                elif question.trace:
                    logits, name = first_strange(model, partial(adapter.logits, model, tokens))
                    answer[f"strange.{i}"] = np.frombuffer(name.encode(), np.uint8)
                else:
                    logits = adapter.logits(model, tokens)
            answer[f"logits.{i}"] = as_array(_widened(logits, question), "what forward returned")
    return answer


def _tokens(question: ModelQuestion, array: Array) -> Tensor:
    """int64 (B, T), as a part of a longer tensor where the question wants that: so are those of ``make_batch``."""
    tokens = torch.from_numpy(array)
    return torch.cat((tokens[:, :1], tokens, tokens[:, :1]), dim=1)[:, 1:-1] if question.views else tokens


def _model_to_ask(adapter: Adapter, question: Forward) -> Any:
    if not question.initial:
        return weighted_model(adapter, question, training=question.training)
    assert question.seed is not None
    torch.manual_seed(question.seed)
    return adapter.new_model(question.config).train(question.training)


@torch.no_grad()
def put_parameters(adapter: Adapter, model: nn.Module, tensors: Tensors) -> None:
    """Put the given values of parameters in; all of them must be there, and have these shapes."""
    named = dict(_parts_of(adapter, model))
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
def _replaced_row(adapter: Adapter, model: Any, row: int, seed: int) -> Iterator[None]:
    if row < 0:
        yield
        return
    table = adapter.position_table(model)
    before = table[row].clone()
    table[row] = keyed_normal(seed, f"other row {row}", tuple(before.shape), 1.0).to(before)
    yield
    table[row] = before


def one_head(package: Any, question: OneHead, tensors: Tensors) -> dict[str, Array]:
    adapter, module = package.adapter, package.module("model")
    tokens = torch.from_numpy(tensors["tokens"])
    with precision(question.precision), torch.no_grad():
        model = weighted_model(adapter, question)
        answer = {"own": as_array(model(tokens), "what forward returned")}
        many = adapter.new_model(question.config | {"n_head": question.heads})
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


def influence(adapter: Adapter, question: Influence, tensors: Tensors) -> dict[str, Array]:
    tokens = torch.from_numpy(tensors["tokens"])
    length = tokens.size(1)
    with precision(question.precision):
        model = weighted_model(adapter, question)
        logits, embedded, of_tokens = adapter.embedded(model, tokens, alike=question.alike)
        as_array(logits, "what forward returned")
        # A random direction: the sum of the logits could be blind to a change that cancels out.
        probe = keyed_normal(question.weights.seed, "probe", (logits.size(-1),), 1.0).to(logits)
        matrix = torch.zeros(length, length, dtype=torch.float64)
        for t in question.at or range(length):
            (gradient,) = torch.autograd.grad(logits[0, t] @ probe, embedded, retain_graph=True, allow_unused=True)
            if gradient is not None:
                matrix[t] = of_tokens(gradient).abs().amax(dim=1)
    return {"influence": matrix.numpy()}


def gradients(adapter: Adapter, question: Gradients, tensors: Tensors) -> dict[str, Array]:
    with precision(question.precision):
        model = weighted_model(adapter, question)
        tokens = torch.from_numpy(tensors["tokens"])
        if "lengths" in tensors:
            lengths = torch.from_numpy(tensors["lengths"])
            logits, _ = adapter.decoded(model, tokens, lengths=lengths)
            probed = torch.arange(tokens.size(1)) < lengths[:, None]  # (B, T)
        else:
            logits, probed = adapter.logits(model, tokens), torch.ones(tokens.shape, dtype=torch.bool)
        checked = as_array(_widened(logits, question), "the logits")
        answer = {"logits": checked} if question.with_logits else {}
        assert isinstance(logits, Tensor)
        probe = keyed_normal(question.weights.seed, "probe", (logits.size(-1),), 1.0).to(logits)
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = torch.autograd.grad((logits @ probe)[probed].sum(), list(named.values()), allow_unused=True)
    return answer | {
        f"grad.{name}": as_array(_widened(part, question), name)
        for own_name, g in zip(named, found, strict=True)
        if g is not None
        for name, part in adapter.parts(own_name, g)
    }


def derivatives(adapter: Adapter, question: Derivatives, tensors: Tensors) -> dict[str, Array]:
    tokens = torch.from_numpy(tensors["tokens"])
    with precision(question.precision):
        model = weighted_model(adapter, question, training=question.training)

        def probed() -> Tensor:
            torch.manual_seed(question.seed)
            logits = adapter.logits(model, tokens)
            as_array(logits, "what forward returned")
            probe = keyed_normal(question.weights.seed, "probe", tuple(logits.shape), 1.0).to(logits)
            return cast(Tensor, (logits * probe).sum())

        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = torch.autograd.grad(probed(), list(named.values()), allow_unused=True)
        directions = {
            name: keyed_normal(question.weights.seed, f"direction {name}", tuple(parameter.shape), 1.0).to(parameter)
            for name, parameter in named.items()
        }
        backward = np.zeros(question.directions)
        for place, (direction, gradient) in enumerate(zip(directions.values(), found, strict=True)):
            if gradient is not None:
                backward[place % question.directions] += float((gradient * direction).sum())
        moved = [
            _difference_along(probed, named, directions, group, question.directions)
            for group in range(question.directions)
        ]
    return {"backward": backward, "moved": np.array(moved)}


STEP = 1e-3  # that parameters are moved by: the error is its square, and what a softmax in float32 rounds over it


@torch.no_grad()
def _difference_along(
    probed: Callable[[], Tensor],
    named: dict[str, nn.Parameter],
    directions: dict[str, Tensor],
    group: int,
    groups: int,
) -> float:
    """The quotient of differences where every so many parameters, from the one of this number, are moved."""
    moving = list(named)[group::groups]
    values = []
    for step in (STEP, -STEP):
        for name in moving:
            named[name].add_(directions[name], alpha=step)
        values.append(float(probed()))
        for name in moving:
            named[name].sub_(directions[name], alpha=step)
    return (values[0] - values[1]) / (2 * STEP)


def decode(adapter: Adapter, question: Decode, tensors: Tensors) -> dict[str, Array]:
    answer: dict[str, Array] = {}
    with precision(question.precision), torch.set_grad_enabled(question.recording):
        model = weighted_model(adapter, question, training=question.training)
        if question.seed is not None:
            torch.manual_seed(question.seed)
        caches: list[Any] = []
        for i, parent in enumerate(question.parents):
            cache = None
            if parent != -1:
                cache = caches[parent] if parent >= 0 else _given_cache(adapter, question, -2 - parent, tensors)
            if f"rows.{i}" in tensors:
                cache = adapter.rows_of(cache, torch.from_numpy(tensors[f"rows.{i}"]))
            # Not named where there are none: who has not built them need not know the word.
            ragged = {"lengths": torch.from_numpy(tensors[name])} if (name := f"lengths.{i}") in tensors else {}
            logits, cache = adapter.decoded(model, _tokens(question, tensors[f"chunk.{i}"]), cache, **ragged)
            answer[f"logits.{i}"] = as_array(_widened(logits, question), "the logits of forward_incremental")
            caches.append(cache)
            if i in question.keep:
                answer.update(_cache_arrays(adapter, cache, f"cache.{i}"))
        if question.recheck:
            for i in question.keep:
                answer.update(_cache_arrays(adapter, caches[i], f"again.{i}"))
    return answer


def _given_cache(adapter: Adapter, question: Decode, index: int, tensors: Tensors) -> Any:
    def tensor(part: str, layer: int) -> Tensor:
        # Cloned into torch's own allocation: matmul bits depend on alignment.
        kept = torch.from_numpy(tensors[f"given.{index}.{part}.{layer}"]).clone()
        return torch.cat((kept, kept), dim=2)[:, :, : kept.size(2)] if question.views else kept

    lengths = tensors.get(f"given.{index}.lengths")
    ragged = None if lengths is None else torch.from_numpy(lengths).clone()
    return adapter.cache_of([(tensor("k", i), tensor("v", i)) for i in range(question.layers)], ragged)


def _cache_arrays(adapter: Adapter, cache: Any, prefix: str) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for index, layer in enumerate(adapter.layers_of(cache)):
        for part, tensor in zip(("k", "v"), layer, strict=True):
            # A copy: the same storage may be written to by a later step, and that must not change this record.
            arrays[f"{prefix}.{part}.{index}"] = as_array(tensor, f"cache layer {index}.{part}").copy()
    lengths = adapter.lengths_of(cache)
    if lengths is not None:
        arrays[f"{prefix}.lengths"] = as_array(lengths, "the cache's lengths").copy()
    return arrays


def generate(adapter: Adapter, question: Generate, tensors: Tensors) -> dict[str, Array]:
    prompt, answer = _tokens(question, tensors["prompt"]), dict[str, Array]()
    with precision(question.precision), torch.no_grad():
        model = weighted_model(adapter, question, training=question.training)
        call = partial(adapter.generated, model, prompt, question.max_new_tokens, use_cache=question.use_cache)
        if question.count:
            answer["operations"] = np.array(operations(call))
        tokens = call()
    return answer | {"tokens": as_array(tokens, "what generate returned")}


def watched(package: Any, question: Watched, tensors: Tensors) -> dict[str, Array]:
    adapter, module = package.adapter, package.module("model")
    tokens = torch.from_numpy(tensors["tokens"])
    with precision(question.precision):
        before = all_settings()
        model = weighted_model(adapter, question)
        set_modes(model, question.modes)
        answer = begin(model, question.weights.seed) | {"before.settings": as_text(before)}
        uncounted: AbstractContextManager[list[str]] = nullcontext([])
        with graph_watched() as graph, calls_counted(model) if question.count_calls else uncounted as calls:
            try:
                times = question.times if question.call in ("forward", "classify") else 1
                results = [_called(adapter, model, question, tokens) for _ in range(times)]
            except ValueError:
                return answer | {"refused": np.array(len(calls))}
        answer |= all_state(model, "after")
    shown = [*results[:2], *results[2:][-1:]]
    answer |= {f"result.{i}": as_array(result, "what was returned") for i, result in enumerate(shown)}
    if isinstance(adapter, ContractAdapter):
        kept = getattr(model, "config", None) == module.GPTConfig(**question.config)
        answer["kept"] = np.array(int(kept))
    return answer | {
        "tokens": as_array(tokens, "the tokens"),
        "saved": np.array(graph.saved),
        "settings.import": as_text(package.settings_changed(by_train=False)),
    }


def _called(adapter: Adapter, model: Any, question: Watched, tokens: Tensor) -> object:
    match question.call:
        case "forward":
            return adapter.logits(model, tokens)
        case "classify":
            return adapter.classified(model, tokens)[1]
        case "forward-incremental":
            return adapter.decoded(model, tokens)[0]
        case "generate":
            return adapter.generated(model, tokens, question.max_new_tokens, use_cache=question.use_cache)


def state_of(model: nn.Module) -> dict[str, Array]:
    """state.{name} for each parameter and buffer, but for those of a type that cannot be sent."""
    held = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    sendable = {name: value for name, value in held.items() if str(value.dtype).removeprefix("torch.") in DTYPES}
    return {f"state.{name}": as_array(value, name) for name, value in sendable.items()}


@torch.no_grad()
def classify(adapter: Adapter, question: Classify, tensors: Tensors) -> dict[str, Array]:
    model = adapter.new_model(question.config).eval()
    for name, value in model.state_dict().items():
        if (given := tensors.get(f"state.{name}")) is not None and isinstance(value, Tensor):
            value.copy_(torch.from_numpy(given))
    batches = torch.from_numpy(tensors["tokens"])  # (M, B, T)
    outputs = [adapter.classified(model, tokens)[1] for tokens in batches]
    return {"class_logits": np.stack([as_array(logits, "the class logits") for logits in outputs])}


def operations(call: Callable[[], object]) -> int:
    """How many floating-point operations a call takes, of those that torch counts."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def flops(adapter: Adapter, question: Flops, _: Tensors) -> dict[str, Array]:
    cached, full, kept = [], [], []
    with precision(question.precision), torch.no_grad():
        model = weighted_model(adapter, question)
        for length in question.lengths:
            tokens = torch.arange(length + 1).remainder(int(question.config["vocab_size"]))[None]  # (1, length + 1)
            _, cache = adapter.decoded(model, tokens[:, :length])
            kept.append(adapter.numbers_kept(cache))
            cached.append(operations(partial(adapter.decoded, model, tokens[:, -1:], cache)))
            full.append(operations(partial(adapter.logits, model, tokens)))
    return {"cached": np.array(cached), "full": np.array(full), "kept": np.array(kept).T}


def slope(model: nn.Module, parts: Parts, loss: Tensor, end: str) -> float:
    """How fast a loss grows with the logarithm of the parameters whose names end in this."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, [p for _, p in named], retain_graph=True, allow_unused=True)
    return sum(
        float((parameter.detach() * gradient).sum())
        for (name, p), g in zip(named, gradients, strict=True)
        if g is not None
        for (part, parameter), (_, gradient) in zip(parts(name, p), parts(name, g), strict=True)
        if part.endswith(end)
    )


def named_gradients(model: nn.Module, loss: Tensor) -> dict[str, float]:
    """max |d loss / d parameter| for each parameter that the loss reaches."""
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
    return {name: float(g.abs().max()) for name, g in zip(named, gradients, strict=True) if g is not None and g.numel()}
