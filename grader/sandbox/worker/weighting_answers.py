"""Answers to the questions about how train.py weighs the two losses."""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.sandbox.questions import ClassWeights, FitWeighted, GradientNorms, Uncertainty
from grader.sandbox.wire import Array, Tensors
from grader.sandbox.worker.contract import ContractError, as_array, as_scalar, pair
from grader.sandbox.worker.model_answers import precision, state_of
from grader.sandbox.worker.seeding import seed_all
from grader.sandbox.worker.training_answers import batches_of, stand_in
from grader.sandbox.worker.watching import watched_state


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
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {name: as_array(g, name) for name, g in zip(names, gradients, strict=True) if g is not None}


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
