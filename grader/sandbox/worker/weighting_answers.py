"""Answers to the questions about how train.py weighs the two losses, and trains on both."""

from collections.abc import Iterable
from functools import partial
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.sandbox.questions import (
    ClassWeights,
    FitWeighted,
    GradientNorms,
    JointLosses,
    PairedRuns,
    Uncertainty,
)
from grader.sandbox.wire import Array, Tensors
from grader.sandbox.worker.contract import ContractError, as_array, as_scalar, field, pair
from grader.sandbox.worker.model_answers import Adapter, precision, state_of, weighted_model
from grader.sandbox.worker.seeding import keyed_normal, seed_all
from grader.sandbox.worker.training_answers import batches_of, both_of, described, stand_in, stepped_with
from grader.sandbox.worker.watching import all_state, begin, watched_state


def class_weights(train: ModuleType, question: ClassWeights, _: Tensors) -> dict[str, Array]:
    config = train.TrainConfig(**question.train)
    return {
        name: np.array([as_scalar(weight(step, config), "the weight") for step in question.steps])
        for name, weight in (("constant", train.constant_weight), ("warm_up", train.warmup_weight))
    }


def uncertainty(train: ModuleType, question: Uncertainty, tensors: Tensors) -> dict[str, Array]:
    with precision(question.precision):
        dtype = torch.get_default_dtype()
        given = [torch.from_numpy(tensors[name]).to(dtype) for name in ("losses", "log_variances")]
        losses, log_variances = (tensor.requires_grad_() for tensor in given)
        total = train.uncertainty_weighting(losses[0], losses[1], log_variances)
        answer = {"total": np.array(as_scalar(total, "the weighted sum"))}
        gradients = torch.autograd.grad(_one_number(total), (losses, log_variances), materialize_grads=True)
    for name, gradient in zip(("grad.losses", "grad.log_variances"), gradients, strict=True):
        answer[name] = as_array(gradient, name)
    return answer | {"after": as_array(log_variances, "the log variances")}


def _one_number(total: object) -> Tensor:
    """A total that can be differentiated, or a readable complaint."""
    if not isinstance(total, Tensor) or total.numel() != 1 or not total.requires_grad:
        raise ContractError("the weighted sum of the losses has no gradient; expected a tensor of one number with one")
    return total.reshape(())


def gradient_norms(package: Any, question: GradientNorms, tensors: Tensors) -> dict[str, Array]:
    train = package.module("train")
    answer: dict[str, Array] = {}
    weights: list[float] = []
    again: list[float] = []
    usable: list[bool] = []
    with precision(question.precision):
        model, batches = stand_in(package.adapter, question), batches_of(package.adapter, tensors)
        torch.manual_seed(question.weights.seed)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.25)
        answer |= watched_state(model, "before")
        for i, batch in enumerate(batches):
            losses = _losses(model, batch)
            for loss, name in zip(losses, ("lm", "class"), strict=True):
                answer |= {f"{name}.{i}.{key}": gradient for key, gradient in _gradients(model, loss).items()}
            weights.append(as_scalar(train.gradient_norm_weight(model, *losses), "the weight"))
            usable.append(_can_be_differentiated(model, losses))
            if usable[-1]:
                again.append(as_scalar(train.gradient_norm_weight(model, *losses), "the weight"))
        answer |= watched_state(model, "after")
    return answer | {"weight": np.array(weights), "again": np.array(again), "usable": np.array(usable)}


def _losses(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    logits, class_logits = model(batch.tokens, classify=True)
    return (
        F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()),
        F.cross_entropy(class_logits.flatten(0, 1), batch.labels.flatten()),
    )


def _gradients(model: nn.Module, loss: Tensor) -> dict[str, Array]:
    """By name, of the parameters that the loss depends on."""
    names, parameters = zip(*_trained(model), strict=True)
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {name: as_array(g, name) for name, g in zip(names, gradients, strict=True) if g is not None}


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are there to be trained, by name."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _can_be_differentiated(model: nn.Module, losses: tuple[Tensor, Tensor]) -> bool:
    try:
        torch.autograd.grad(losses[0] + losses[1], list(model.parameters()), retain_graph=True)
    except RuntimeError:  # the graph is gone
        return False
    return True


def fit_weighted(package: Any, question: FitWeighted, tensors: Tensors) -> dict[str, Array]:
    package.module("model")
    train, adapter = package.module("train"), package.adapter
    seed_all(question.seed)
    model = adapter.new_model(question.config).train()
    config = train.TrainConfig(**question.train)
    log_variances = torch.zeros(2, requires_grad=True)
    learnt = [*model.parameters(), *([log_variances] if question.weighting == "uncertainty" else [])]
    # Fused: half the time, and the bits of this loop are never compared.
    optimizer = torch.optim.AdamW(learnt, lr=float(config.lr), weight_decay=0.0, fused=True)
    lm_losses, measured = [], []
    for step, batch in enumerate(batches_of(adapter, tensors)):
        optimizer.zero_grad()
        _, lm_loss, class_loss = train.loss_fn(model, batch, 1.0)  # of any weight but 0 the parts are the same
        lm_losses.append(as_scalar(lm_loss, "the lm loss"))
        as_scalar(class_loss, "the class loss")
        total = _weighed(train, question, step, config, model, (lm_loss, class_loss), log_variances)
        if step in question.measured:
            measured.append(_measures(model, batch, (lm_loss, class_loss), total))
        torch.autograd.backward(total)
        optimizer.step()
    answer = {"lm_losses": np.array(lm_losses), **state_of(model)}
    for name in measured[0] if measured else ():
        answer[name] = np.array([measures[name] for measures in measured])
    return answer


def _weighed(
    train: ModuleType,
    question: FitWeighted,
    step: int,
    config: Any,
    model: nn.Module,
    losses: tuple[Tensor, Tensor],
    log_variances: Tensor,
) -> Tensor:
    """The total that one way to weigh makes of both losses."""
    if question.weighting == "uncertainty":
        return _one_number(train.uncertainty_weighting(*losses, log_variances))
    if question.weighting == "gradient-norm":
        weight = as_scalar(train.gradient_norm_weight(model, *losses), "the weight")
    else:
        weight = as_scalar(train.constant_weight(step, config), "the weight")
    return losses[0] + weight * losses[1]


def _measures(model: nn.Module, batch: Any, losses: tuple[Tensor, Tensor], total: Tensor) -> dict[str, float]:
    """Where the two objectives pull what they share, how hard, and how well the classes are known by now."""
    lm, classes = (_gradients(model, loss) for loss in losses)
    shared = sorted(lm.keys() & classes.keys())
    one, other = (np.concatenate([side[name].ravel() for name in shared]).astype(np.float64) for side in (lm, classes))
    norms = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    counts = [float(count) for count in torch.autograd.grad(total, losses, retain_graph=True)]
    with torch.no_grad():
        _, class_logits = pair(model(batch.tokens, classify=True), "forward(tokens, classify=True)")
    assert isinstance(class_logits, Tensor)
    return {
        "lm_norms": norms[0],
        "class_norms": norms[1],
        "cosines": float(one @ other) / (norms[0] * norms[1]) if all(norms) else float("nan"),
        "weights": counts[1] / counts[0] if counts[0] else float("nan"),
        "accuracies": (class_logits.argmax(dim=-1) == batch.labels).double().mean().item(),
    }


PARTS: Final = ("total", "lm", "class")
STRETCH: Final = 1e-3  # of a parameter: enough that a softmax in float32 is heard, and short enough to be straight


def joint_losses(package: Any, question: JointLosses, tensors: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    with precision(question.precision):
        model = weighted_model(adapter, question, training=question.training)
        batch = adapter.batch(*(torch.from_numpy(tensors[name]) for name in BATCH))
        answer = begin(model, question.seed)
        lossed = [_parts(adapter, model, batch, question, weight) for weight in question.class_weights]
        answer |= all_state(model, "after")
        for i, parts in enumerate(lossed):
            for name, part in parts.items():
                answer[f"{name}.{i}"] = np.array(as_scalar(part, f"the {name} loss"))
                if isinstance(part, Tensor) and part.requires_grad and (name == "total" or i == 0):
                    answer |= {f"{name}.{i}.grad.{key}": g for key, g in _gradients(model, part).items()}
        slopes = _slopes(model, partial(_parts, adapter, model, batch, question, question.class_weights[0]), answer)
    return answer | slopes | {name: as_array(getattr(batch, name), name) for name in BATCH}


BATCH: Final = ("tokens", "targets", "labels")


def _parts(adapter: Adapter, model: nn.Module, batch: Any, question: JointLosses, weight: float) -> dict[str, object]:
    """The losses that are not None, by what they are of."""
    torch.manual_seed(question.seed)
    parts = adapter.losses(model, batch, weight)
    if not isinstance(parts, tuple) or len(parts) != len(PARTS):
        raise ContractError(f"loss_fn returned {described(parts)}; expected (total, lm_loss, class_loss)")
    return {name: part for name, part in zip(PARTS, parts, strict=True) if part is not None}


def _slopes(model: nn.Module, losses: Any, found: Tensors) -> dict[str, Array]:
    """slope.{part}: along a direction in which each parameter goes by a share of itself, measured and by gradient."""
    ways = {
        name: parameter.detach() * keyed_normal(0, f"way {name}", tuple(parameter.shape), STRETCH).to(parameter)
        for name, parameter in _trained(model)
    }
    ends = []
    for stretch in (1.0, -2.0):  # from the middle to one end, and from there to the other
        with torch.no_grad():
            for name, parameter in _trained(model):
                parameter.add_(ways[name], alpha=stretch)
        ends.append({name: as_scalar(part, name) for name, part in losses().items()})
    slopes: dict[str, Array] = {}
    for part, upper in ends[0].items():
        terms = [
            float((ways[name].numpy() * found[key]).sum()) for name in ways if (key := f"{part}.0.grad.{name}") in found
        ]
        slopes[f"slope.{part}"] = np.array([(upper - ends[1][part]) / 2, sum(terms), sum(map(abs, terms))])
    return slopes


def paired_runs(package: Any, question: PairedRuns, tensors: Tensors) -> dict[str, Array]:
    adapter = both_of(package)
    answer: dict[str, Array] = {}
    with precision(question.precision):
        config = adapter.settings(question.train)
        given = [adapter.batch(*parts) for parts in _with_labels_cut_out(tensors)]
        generator = torch.Generator().manual_seed(int(question.train["seed"]))
        ahead = [adapter.batch(*parts) for parts in _with_labels_cut_out(tensors)]
        equal = ahead or [adapter.make_batch(config, generator) for _ in range(int(question.train["steps"]))]
        for side, loop in (
            ("own", partial(adapter.ran, config=config, batches=given or None)),
            ("right", partial(_contract_loop, adapter, config=config, batches=equal)),
        ):
            model = weighted_model(adapter, question, training=True)
            seed_all(question.seed)
            with stepped_with(model, tuple(range(len(equal)))) as gradients:
                history = loop(model)
            state = all_state(model, side)
            answer |= {name: state[name] for name in (f"{side}.rng", f"{side}.python")}
            answer |= {f"{side}.{name}": gradient for name, gradient in gradients.items()}
            answer |= {f"{side}.param.{name}": as_array(p, name).copy() for name, p in model.named_parameters()}
            answer[f"{side}.losses"] = _reported(history, len(equal))
        for side, optimizer in (("own", adapter.optimizer), ("right", _adamw)) if question.pulls else ():
            model = weighted_model(adapter, question, training=True)
            answer |= {f"{side}.stepped.{name}": p for name, p in _pulled(model, optimizer(model, config)).items()}
    return answer | {name: np.stack([as_array(getattr(b, name), name) for b in given]) for name in BATCH if given}


def _with_labels_cut_out(tensors: Tensors) -> Iterable[tuple[Tensor, ...]]:
    """Batches whose labels are views into longer ones, as those are that are cut out; none where none are given."""
    if "tokens" not in tensors:
        return ()
    longer = np.concatenate([tensors["labels"], tensors["labels"][..., :1]], axis=-1)
    labels = torch.from_numpy(longer)[..., :-1]
    return zip(*(torch.from_numpy(tensors[name].copy()) for name in BATCH[:2]), labels, strict=True)


def _reported(history: object, steps: int) -> Array:
    """(N, 3): what is reported of each step, NaN for None."""
    if not isinstance(history, list) or len(history) != steps:
        raise ContractError(f"train returned {described(history)}; expected a list of {steps} dicts")
    losses = [[field(record, name, "train") for name in ("loss", "lm_loss", "class_loss")] for record in history]
    return np.array([[float("nan") if loss is None else as_scalar(loss, "a loss") for loss in row] for row in losses])


def _contract_loop(adapter: Adapter, model: nn.Module, *, config: Any, batches: list[Any]) -> list[dict[str, object]]:
    """The loop of the contract around the candidate's ``loss_fn``."""
    optimizer, history = _adamw(model, config), list[dict[str, object]]()
    model.train()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * min(1.0, (step + 1) / max(1, config.warmup))
        optimizer.zero_grad()
        loss, lm_loss, class_loss = adapter.losses(model, batch, config.class_weight)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        optimizer.step()
        history.append({"loss": loss, "lm_loss": lm_loss, "class_loss": class_loss})
    return history


def _adamw(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    """The optimizer of the contract."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)  # half the time: bits are never compared


PULLS: Final = (1.0, 0.01, 0.02)  # how large gradients are, one step after another


def _pulled(model: nn.Module, optimizer: Any) -> dict[str, Array]:
    """Where an optimizer takes a model's parameters, given gradients that shrink. Nothing decays."""
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    for step, size in enumerate(PULLS):
        for name, parameter in _trained(model):
            drawn = keyed_normal(step, f"pull {name}", tuple(parameter.shape), 1.0).to(parameter)
            parameter.grad = size * drawn
        optimizer.step()
    return {name: as_array(p, name).copy() for name, p in model.named_parameters()}
