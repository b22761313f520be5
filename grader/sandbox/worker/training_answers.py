"""Answers to the questions about train.py."""

import contextlib
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count, cycle, islice
from types import ModuleType
from typing import Any

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from grader.sandbox.questions import (
    KINDS,
    Evaluate,
    Fit,
    GivenOptimizer,
    Loss,
    MakeBatch,
    OwnRun,
    Rates,
    RecordSteps,
    SeededDraws,
    StandInQuestion,
    TrainConfigs,
    TrainSteps,
    TwinRun,
    WatchedEvaluation,
    WatchedTraining,
)
from grader.sandbox.wire import Array, Tensors
from grader.sandbox.worker.contract import ContractAdapter, ContractError, as_array, as_scalar, field
from grader.sandbox.worker.model_answers import Adapter, defaults, named_gradients, precision, slope, weighted_model
from grader.sandbox.worker.seeding import seed_all, set_weights
from grader.sandbox.worker.standin import (
    EnoughSteps,
    RecordingOptimizer,
    Slight,
    StandIn,
    StandInConfig,
    StandInWithLoss,
    optimizer_of,
)
from grader.sandbox.worker.watching import (
    all_state,
    as_text,
    begin,
    counted,
    freeze,
    give_gradients,
    graph_watched,
    set_modes,
    watched_state,
)
from grader.sandbox.worker.written_adapter import WrittenAdapter


def batches_of(adapter: Adapter, tensors: Tensors) -> list[Any]:
    """One ``Batch`` for each index of the leading axis."""
    parts = [torch.from_numpy(tensors[name]) for name in ("tokens", "targets", "labels")]  # each (N, B, T)
    return [adapter.batch(*(part[i] for part in parts)) for i in range(parts[0].size(0))]


def stand_in(adapter: Adapter, question: StandInQuestion) -> StandIn:
    """The stand-in model of a question, with the grader's weights, in training mode."""
    vocab, length = int(question.train["vocab_size"]), int(question.train["seq_len"])
    dropout = question.dropout if isinstance(question, TrainSteps) else 0.0
    config = StandInConfig(
        vocab_size=vocab, block_size=length, d_model=question.width, n_classes=question.n_classes, dropout=dropout
    )
    model = StandInWithLoss(config) if isinstance(adapter, WrittenAdapter) else StandIn(config)
    model.to(getattr(torch, question.precision))
    set_weights(model, question.weights)
    return model.train()


def _given(adapter: Adapter, question: StandInQuestion, tensors: Tensors) -> tuple[StandIn, Any, Any, list[Any]]:
    """The stand-in model, the same as the loop calls it, the settings of the run, and its batches."""
    model = stand_in(adapter, question)
    return model, adapter.stand_in(model), adapter.settings(question.train), batches_of(adapter, tensors)


def both_of(package: Any) -> Adapter:
    """The adapter, once both modules are imported: what keeps one from that is reported before anything else."""
    package.module("model"), package.module("train")
    adapter: Adapter = package.adapter
    return adapter


def train_steps(adapter: Adapter, question: TrainSteps, tensors: Tensors) -> dict[str, Array]:
    answer: dict[str, Array] = {}
    with precision(question.precision):
        model, called, config, batches = _given(adapter, question, tensors)
        answer |= _snapshot(model, "initial")
        called.train(not question.in_eval)
        if question.dropout:
            torch.manual_seed(question.weights.seed)
        if question.given:
            answer |= _with_given(adapter, question.given, model, called, config, batches)
            return answer
        if question.again:
            return _twice(adapter, question, model, called, config, batches)
        if question.whole:
            history = adapter.trained(called, config, **({} if question.own_batches else {"batches": batches}))
            _require_whole(adapter, history, batches)
            answer |= _snapshot(model, f"param.{len(batches) - 1}")
        elif not adapter.makes_single_steps:
            with _after_each_step(model) as snapshots:
                history = adapter.trained(called, config, batches=batches)
            _require_whole(adapter, history, batches)
            answer |= snapshots
        else:
            history = []
            optimizer = adapter.optimizer(called, config)
            for step, batch in enumerate(batches):
                history.append(adapter.stepped(called, optimizer, batch, config, step))
                answer |= _snapshot(model, f"param.{step}")
    if history is None:
        return answer  # a loop that is no function of the contract's may keep its losses to itself
    for key, name in (("loss", "losses"), ("lm_loss", "lm_losses")):
        answer[name] = np.array([as_scalar(field(record, key, "train_step"), key) for record in history])
    class_losses = [field(record, "class_loss", "train_step") for record in history]
    answer["without_class_loss"] = np.array([int(loss is None) for loss in class_losses])
    answer["class_losses"] = np.array([as_scalar(loss, "class_loss") for loss in class_losses if loss is not None])
    return answer


def _with_given(
    adapter: Adapter, kind: GivenOptimizer, model: nn.Module, called: Any, config: Any, batches: list[Any]
) -> dict[str, Array]:
    """The last parameters of a run with an optimizer that has made a step, and what its groups say then."""
    if isinstance(adapter, WrittenAdapter):
        raise ContractError("no loop of an adapter.py takes an optimizer")
    optimizer = optimizer_of(kind, model.parameters())
    give_gradients(model)
    optimizer.step()
    optimizer.zero_grad()
    names = [sorted(set(group) - {"params", "lr"}) for group in optimizer.param_groups]
    adapter.trained(called, config, batches=batches, optimizer=optimizer)
    said = [[(n, group.get(n)) for n in known] for known, group in zip(names, optimizer.param_groups, strict=True)]
    return _snapshot(model, f"param.{len(batches) - 1}") | {"settings": as_text(repr(said))}


def _twice(
    adapter: Adapter, question: TrainSteps, model: nn.Module, called: Any, config: Any, batches: list[Any]
) -> dict[str, Array]:
    """What a second run on a model does, and what the same run does on another that is as far."""
    given = {} if question.own_batches else {"batches": batches}
    adapter.trained(called, config, **given)
    other = stand_in(adapter, question)
    other.load_state_dict(model.state_dict())
    answer: dict[str, Array] = {}
    for name, trained, loop_sees in (("again", model, called), ("anew", other, adapter.stand_in(other))):
        history = adapter.trained(loop_sees, config, **given)
        answer |= _snapshot(trained, f"{name}.param")
        if history is not None:
            answer[f"{name}.losses"] = np.array([as_scalar(field(r, "loss", "train"), "loss") for r in history])
    return answer


def _require_whole(adapter: Adapter, history: object, batches: list[Any]) -> None:
    """Complain of what a run says of its steps, unless there is one record for each of them."""
    if history is None and isinstance(adapter, WrittenAdapter):
        return
    if not isinstance(history, list) or len(history) != len(batches):
        raise ContractError(f"train returned {described(history)}; expected a list of {len(batches)} dicts")


@contextmanager
def _after_each_step(model: nn.Module) -> Iterator[dict[str, Array]]:
    """The parameters of a model after each step of an optimizer, any: param.{i}.{name}"""
    snapshots: dict[str, Array] = {}
    steps = count()
    handle = register_optimizer_step_post_hook(lambda *_: snapshots.update(_snapshot(model, f"param.{next(steps)}")))
    try:
        yield snapshots
    finally:
        handle.remove()


def described(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else f"a {type(value).__name__}"


def _snapshot(model: nn.Module, prefix: str) -> dict[str, Array]:
    return {f"{prefix}.{name}": as_array(p, name).copy() for name, p in model.named_parameters()}


def record_steps(adapter: Adapter, question: RecordSteps, tensors: Tensors) -> dict[str, Array]:
    answer: dict[str, Array] = {}
    calls, rates = [], []
    with precision(question.precision):
        model, called, config, batches = _given(adapter, question, tensors)
        if not adapter.makes_single_steps:
            return _recorded_in_a_run(adapter, model, called, config, batches)
        optimizer = RecordingOptimizer(model.parameters(), float(config.lr), question.groups)
        names = [name for name, _ in model.named_parameters()]
        numbers = question.at or range(len(batches))
        for step, batch in enumerate(batches):
            optimizer.rates.clear()
            optimizer.gradients.clear()
            adapter.stepped(called, optimizer, batch, config, numbers[step])
            calls.append(len(optimizer.rates))
            rates.append(optimizer.rates[0] if optimizer.rates else [0.0] * question.groups)
            if optimizer.gradients:
                for name, gradient in zip(names, optimizer.gradients[0], strict=False):
                    if gradient is not None:
                        answer[f"grad.{step}.{name}"] = as_array(gradient, f"the gradient of {name}")
        answer |= {"calls": np.array(calls), "lr": np.array(rates)}
        if isinstance(adapter, WrittenAdapter):
            return answer  # no loop of an adapter.py takes an optimizer
        given = RecordingOptimizer(model.parameters(), float(config.lr), question.groups)
        if question.at:  # a long run is begun, and ended: by the optimizer, or by the model where that is never stepped
            given.enough = len(batches)
            model.register_forward_pre_hook(_ending_after(FORWARDS * len(batches)))
        with contextlib.suppress(EnoughSteps):
            adapter.trained(called, config, batches=list(islice(cycle(batches), config.steps)), optimizer=given)
    return answer | {"in_train": np.array(len(given.rates))}


FORWARDS = 4  # for each step of a run that is ended


def _ending_after(most: int) -> Callable[..., None]:
    """A hook that ends a run with its first forward pass beyond so many."""
    calls = count(1)

    def end(*_: object) -> None:
        if next(calls) > most:
            raise EnoughSteps

    return end


def _recorded_in_a_run(
    adapter: Adapter, model: nn.Module, called: Any, config: Any, batches: list[Any]
) -> dict[str, Array]:
    """The same of a loop that cannot be asked for single steps, with the optimizer that it makes: of as many steps as
    there are batches."""
    answer: dict[str, Array] = {}
    rates: list[list[float]] = []

    def record(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for name, parameter in model.named_parameters() if len(rates) < len(batches) else ():
            if parameter.grad is not None:
                answer[f"grad.{len(rates)}.{name}"] = as_array(parameter.grad, f"the gradient of {name}").copy()
        rates.append([float(group["lr"]) for group in optimizer.param_groups])

    handle = register_optimizer_step_pre_hook(record)
    try:
        adapter.trained(called, config, batches=batches)
    finally:
        handle.remove()
    calls = (np.arange(len(batches)) < len(rates)).astype(np.int64)
    calls[-1] += max(0, len(rates) - len(batches))
    none = [0.0] * len(rates[0] if rates else ())
    rows = (rates + [none] * len(batches))[: len(batches)]
    return answer | {"calls": calls, "lr": np.array(rows)}


def train_configs(train: ModuleType, _: TrainConfigs, __: Tensors) -> dict[str, Array]:
    return defaults(train.TrainConfig)


def rates(adapter: Adapter, question: Rates, _: Tensors) -> dict[str, Array]:
    config = adapter.settings(question.train)
    answer = {"rates": np.array([as_scalar(adapter.rate(step, config), "lr") for step in question.steps])}
    if question.fresh:
        groups = adapter.optimizer(nn.Linear(2, 2), config).param_groups
        answer["fresh"] = np.array([as_scalar(group["lr"], "lr") for group in groups])
    return answer


def make_batch(train: ModuleType, question: MakeBatch, _: Tensors) -> dict[str, Array]:
    config = train.TrainConfig(**question.train)
    answer: dict[str, Array] = {}
    first, *others = (torch.Generator().manual_seed(question.seed + offset) for offset in (0, 0, 1))
    for index, generator in enumerate((first,) if question.once else (first, *others, first)):
        batch = train.make_batch(config, generator)
        for name in ("tokens", "targets", "labels"):
            answer[f"{name}.{index}"] = as_array(getattr(batch, name, None), f"batch.{name}")
    return answer


def seeded_draws(train: ModuleType, question: SeededDraws, _: Tensors) -> dict[str, Array]:
    # Whatever is not seeded goes on from here, every time: a bug that leaves out a generator shows again.
    random.seed(0)
    torch.manual_seed(0)
    train.seed_everything(question.seed)
    return {"torch": torch.rand(4).numpy(), "python": np.array([random.random() for _ in range(4)])}


def loss(package: Any, question: Loss, tensors: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    tokens, targets, labels = (torch.from_numpy(tensors[name]) for name in ("tokens", "targets", "labels"))
    answer: dict[str, Array] = {}
    with precision(question.precision):
        model = weighted_model(adapter, question)
        parts = adapter.losses(model, adapter.batch(tokens, targets, labels), question.class_weight)
        if not isinstance(parts, tuple) or len(parts) != 3:
            raise ContractError(f"loss_fn returned {described(parts)}; expected (total, lm_loss, class_loss)")
        for name, part in zip(("total", "lm", "class"), parts, strict=True):
            if part is not None:
                answer[name] = np.array(as_scalar(part, f"the {name} loss"))
        class_loss = parts[2]
        if isinstance(class_loss, Tensor) and class_loss.requires_grad:
            for name, size in named_gradients(model, class_loss).items():
                answer[f"grad.{name}"] = np.array(size)
            if question.along:
                answer["slopes"] = np.array([slope(model, adapter.parts, class_loss, end) for end in question.along])
        with torch.no_grad():
            logits, class_logits = _outputs(adapter, model, tokens, classify=question.classify)
    answer["logits"] = as_array(logits, "the logits")
    if question.classify:
        answer["class_logits"] = as_array(class_logits, "the class logits")
    return answer


def evaluate(package: Any, question: Evaluate, tensors: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    answer: dict[str, Array] = {}
    with precision(question.precision):
        model = weighted_model(adapter, question)
        batches = batches_of(adapter, tensors)
        with torch.no_grad():
            outputs = [_outputs(adapter, model, batch.tokens, classify=question.classify) for batch in batches]
        model.train(question.training)
        give_gradients(model)
        answer |= watched_state(model, "before")
        if question.seed is not None:
            torch.manual_seed(question.seed)
        report = adapter.evaluated(model, batches)
        answer |= watched_state(model, "after")
    answer["lm_loss"] = np.array(as_scalar(field(report, "lm_loss", "evaluate"), "lm_loss"))
    accuracy = field(report, "class_accuracy", "evaluate")
    if accuracy is not None:
        answer["class_accuracy"] = np.array(as_scalar(accuracy, "class_accuracy"))
    answer["logits"] = np.stack([as_array(logits, "the logits") for logits, _ in outputs])
    if question.classify:
        answer["class_logits"] = np.stack([as_array(logits, "the class logits") for _, logits in outputs])
    return answer


def _outputs(adapter: Adapter, model: Any, tokens: Tensor, *, classify: bool) -> tuple[object, object]:
    if classify:
        return adapter.classified(model, tokens)
    return adapter.logits(model, tokens), None


def watched_evaluation(package: Any, question: WatchedEvaluation, tensors: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    names = ("tokens", "targets", "labels")
    batches = [
        adapter.batch(*(torch.from_numpy(tensors[f"{name}.{i}"]) for name in names))
        for i in range(sum(name.startswith("tokens.") for name in tensors))
    ]
    with precision(question.precision):
        model = weighted_model(adapter, question)
        if question.breaks or question.interrupted:
            return _broken(adapter, question, model, batches)
        answer = _one_by_one(adapter, model, batches, classify=question.classify)
        freeze(model)
        set_modes(model, question.modes)
        answer |= begin(model, question.weights.seed)
        given, _ = counted(batches)
        with graph_watched() as graph:
            report = adapter.evaluated(model, given)
        answer |= all_state(model, "after")
        answer |= _with_other_weights(adapter, question, model, batches[:1])
    answer |= {f"{name}.{i}": as_array(getattr(b, name), name) for i, b in enumerate(batches) for name in names}
    numbers = {name: field(report, name, "evaluate") for name in ("lm_loss", "class_accuracy")}
    present = {name: value for name, value in numbers.items() if value is not None}
    answer |= {name: np.array(as_scalar(value, name)) for name, value in present.items()}
    floats = all(isinstance(value, float) for value in present.values())
    return answer | {"floats": np.array(int(floats)), "saved": np.array(graph.saved)}


class _OfTheReader(Exception):
    """What is wrong where batches are read from."""


def _broken(adapter: Adapter, question: WatchedEvaluation, model: nn.Module, batches: list[Any]) -> dict[str, Array]:
    """The state around an evaluation that does not come to its end."""
    given, _ = counted(batches)
    if question.interrupted:
        torch.set_default_dtype(torch.bfloat16)
        given = chain(given, _raising(_OfTheReader() if question.interrupted == "error" else KeyboardInterrupt()))
    set_modes(model, question.modes)
    raised = 0
    with torch.set_grad_enabled(not question.interrupted):
        answer = begin(model, question.weights.seed)
        try:
            adapter.evaluated(model, given)
        except (ValueError, _OfTheReader, KeyboardInterrupt):
            raised = 1
        return answer | all_state(model, "after") | {"raised": np.array(raised)}


def _raising(error: BaseException) -> Iterator[Any]:
    """No batch but an error."""
    raise error
    yield


def _with_other_weights(
    adapter: Adapter, question: WatchedEvaluation, model: nn.Module, batches: list[Any]
) -> dict[str, Array]:
    """The loss that is reported of a model that has other weights by now, and that of each batch."""
    set_weights(model, replace(question.weights, seed=question.weights.seed + 1), parts=adapter.parts)
    report = adapter.evaluated(model, batches)
    model.eval()
    losses = _one_by_one(adapter, model, batches, classify=question.classify)["losses"]
    return {"again": np.array(as_scalar(field(report, "lm_loss", "evaluate"), "lm_loss")), "again_losses": losses}


@torch.no_grad()
def _one_by_one(adapter: Adapter, model: nn.Module, batches: list[Any], *, classify: bool) -> dict[str, Array]:
    """The loss and the accuracy of each batch by itself, from what the model says of it in eval mode."""
    losses, accuracies = [], []
    for batch in batches:
        logits, class_logits = _outputs(adapter, model, batch.tokens, classify=classify)
        as_array(logits, "the logits")
        assert isinstance(logits, Tensor)
        losses.append(nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()).item())
        if classify:
            as_array(class_logits, "the class logits")
            assert isinstance(class_logits, Tensor)
            accuracies.append((class_logits.argmax(dim=-1) == batch.labels).double().mean().item())
    return {"losses": np.array(losses), "accuracies": np.array(accuracies)}


def watched_training(package: Any, question: WatchedTraining, tensors: Tensors) -> dict[str, Array]:
    package.module("train")
    adapter = package.adapter
    with precision(question.precision):
        small, called, config, batches = _given(adapter, question, tensors)
        model: StandIn | Slight = small
        if question.slight:
            model = Slight(small.config)
            called = adapter.stand_in(model)
        set_modes(called, question.modes)
        if question.freezes:
            freeze(model)
        answer = begin(model, question.weights.seed)
        read, taken = counted(batches)
        given = batches if question.listed else read
        if question.by_step:
            optimizer = adapter.optimizer(called, config)
            numbered = enumerate(given, question.first)
            history = [adapter.stepped(called, optimizer, batch, config, step) for step, batch in numbered]
        else:
            history = adapter.trained(called, config, **({} if question.own_batches else {"batches": given}))
        answer |= all_state(model, "after")
    if not isinstance(history, list) or not all(isinstance(record, dict) for record in history):
        raise ContractError(f"train returned {described(history)}; expected a list of dicts")
    if question.own_batches:
        answer |= {f"read.{i}": as_array(tokens, "what the model is given") for i, tokens in enumerate(small.read)}
        generator = torch.Generator().manual_seed(int(config.seed))
        made = [adapter.make_batch(config, generator).tokens for _ in range(int(question.train["steps"]))]
        answer |= {f"made.{i}": as_array(tokens, "batch.tokens") for i, tokens in enumerate(made)}
    for key, name in (("loss", "losses"), ("lm_loss", "lm_losses"), ("class_loss", "class_losses")):
        answer[name] = np.array([_number(record.get(key)) for record in history])
    kinds = [[KINDS.index(_kind(record, key)) for key in ("loss", "lm_loss", "class_loss")] for record in history]
    for name in ("tokens", "targets", "labels") if batches else ():
        answer[name] = np.stack([as_array(getattr(batch, name), name) for batch in batches])
    return answer | {
        "kinds": np.array(kinds).reshape(-1, 3),
        "modes": np.array(model.modes),
        "taken": np.array(len(taken)),
        "settings.import": as_text(package.settings_changed(by_train=True)),
    }


def _kind(record: dict[Any, Any], key: str) -> str:
    if key not in record:
        return "missing"
    value = record[key]
    return "none" if value is None else "float" if isinstance(value, float) else "other"


def _number(value: object) -> float:
    try:
        return as_scalar(value, "a loss")
    except ContractError:
        return float("nan")


def fit(package: Any, question: Fit, tensors: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    seed_all(question.seed)
    model = adapter.new_model(question.config).train()
    # Fused: half the time, and the bits of this loop are never compared.
    optimizer = torch.optim.AdamW(model.parameters(), lr=question.lr, weight_decay=0.0, fused=True)
    losses = []
    for batch in batches_of(adapter, tensors):
        optimizer.zero_grad()
        total, _, _ = adapter.losses(model, batch, question.class_weight)
        total.backward()
        optimizer.step()
        losses.append(as_scalar(total, "the total loss"))
    # Buffers are no part of what was learnt, and stay as they were made.
    trained = {f"state.{name}": as_array(parameter, name) for name, parameter in model.named_parameters()}
    return {"losses": np.array(losses), **trained}


def own_run(package: Any, question: OwnRun, _: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    adapter.seed(question.seed)
    model = adapter.new_model(question.config)
    config = adapter.settings(question.train)
    generator = torch.Generator().manual_seed(question.seed)
    batches = [adapter.make_batch(config, generator) for _ in range(int(question.train["steps"]))]
    accuracies = _accuracies_seen(model, batches)
    history = adapter.ran(model, config, batches=batches)
    losses = [as_scalar(field(record, "loss", "train"), "loss") for record in history]
    return {"losses": np.array(losses), "accuracies": np.array(accuracies)}


def twin_run(package: Any, question: TwinRun, _: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    with precision(question.precision):
        config = adapter.settings(question.train)
        adapter.seed(config.seed)
        model = adapter.new_model({"vocab_size": config.vocab_size} | question.config)
        with stepped_with(model, question.watched) as gradients:
            history = adapter.ran(model, config)
        answer = _losses_told(history, config) | gradients | _snapshot(model, f"param.{config.steps - 1}")
        if question.held_out and isinstance(adapter, ContractAdapter):
            answer |= _used_afterwards(adapter, model, config, question)
    return answer


def _losses_told(history: object, config: Any) -> dict[str, Array]:
    """The losses that a run tells of, a number for each step."""
    if not isinstance(history, list) or len(history) != config.steps:
        raise ContractError(f"train returned {described(history)}; expected a list of {config.steps} dicts")
    answer: dict[str, Array] = {}
    for name in ("loss", "lm_loss", "class_loss"):
        losses = [field(record, name, "train") for record in history]
        if name != "class_loss" or None not in losses:
            answer[name] = np.array([as_scalar(loss, name) for loss in losses])
    return answer


def _used_afterwards(adapter: ContractAdapter, model: Any, config: Any, question: TwinRun) -> dict[str, Array]:
    """What a trained model says of batches that it has not seen, before and after it is trained some more, if it is."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    unseen = [adapter.make_batch(config, generator).tokens for _ in range(question.held_out)]
    first = _said_of(adapter, model, unseen, "held_out.0")
    if not question.again:
        return first
    more = adapter.settings(question.train | {"steps": question.again})
    losses = _losses_told(adapter.ran(model, more), more)
    second = _said_of(adapter, model, unseen, "held_out.1")
    return first | {f"again.{name}": series for name, series in losses.items()} | second


@torch.no_grad()
def _said_of(adapter: ContractAdapter, model: Any, texts: list[Tensor], prefix: str) -> dict[str, Array]:
    """The logits of each text, in eval mode."""
    model.eval()
    return {f"{prefix}.{i}": as_array(adapter.logits(model, text), "the logits").copy() for i, text in enumerate(texts)}


@contextmanager
def stepped_with(model: nn.Module, watched: tuple[int, ...]) -> Iterator[dict[str, Array]]:
    """The gradients of a model's parameters as an optimizer, any, is stepped for the times ``watched``: grad.{i}.{name}

    There is no trace of it on the model, the optimizer or its class; and where nothing is watched, none at all.
    """
    gradients: dict[str, Array] = {}
    if not watched:
        yield gradients
        return
    calls = count()

    def record(*_: object) -> None:
        if (call := next(calls)) in watched:
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    gradients[f"grad.{call}.{name}"] = as_array(parameter.grad, f"the gradient of {name}").copy()

    handle = register_optimizer_step_pre_hook(record)
    try:
        yield gradients
    finally:
        handle.remove()


def _accuracies_seen(model: nn.Module, batches: list[Any]) -> list[float]:
    """A list, by batch, that fills with the share of targets predicted as the model is called; NaN until then."""
    places = {batch.tokens.numpy().tobytes(): place for place, batch in enumerate(batches)}
    seen = [float("nan")] * len(batches)

    def look(_: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        with contextlib.suppress(Exception):  # of another form than the contract's: not for this to complain about
            place = places[arguments[0].numpy().tobytes()]
            logits = output[0] if isinstance(output, tuple) else output
            if math.isnan(seen[place]):  # the first forward of a batch: the one it is trained on
                seen[place] = (logits.argmax(dim=-1) == batches[place].targets).double().mean().item()

    model.register_forward_hook(look)
    return seen
