"""A small training harness: synthetic batches, a loss, one update, a loop and an evaluation."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer

# Shapes: B batch, T time, V vocabulary.

MAX_STRIDE = 4


class Batch(NamedTuple):
    """Tokens, the token that follows each, and the class of each: int64 (B, T) all three."""

    tokens: Tensor
    targets: Tensor
    labels: Tensor


@dataclass(frozen=True)
class TrainConfig:
    """What a run is made of: the data's sizes, the optimizer's settings, the weights of the losses, the seed."""

    vocab_size: int = 16
    seq_len: int = 16
    batch_size: int = 16
    steps: int = 200
    lr: float = 3e-3
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    warmup: int = 10
    class_weight: float = 0.0  # 0: the language model alone
    seed: int = 0


def seed_everything(seed: int) -> None:
    """Same seed, same run: every generator that a model or a loop may draw from starts anew."""
    random.seed(seed)
    torch.manual_seed(seed)


def make_batch(config: TrainConfig, generator: torch.Generator) -> Batch:
    """Rows that count up, modulo the vocabulary, each from a start and by a stride of its own.

    One token does not say what follows it: the stride has to be read off the tokens before. The label of a token is
    its parity.
    """
    B, T, V = config.batch_size, config.seq_len, config.vocab_size
    start = torch.randint(V, (B, 1), generator=generator)  # (B, 1)
    stride = torch.randint(1, MAX_STRIDE + 1, (B, 1), generator=generator)  # (B, 1)
    sequence = (start + stride * torch.arange(T + 1)) % V  # (B, T + 1)
    tokens, targets = sequence[:, :-1], sequence[:, 1:]  # (B, T) each
    return Batch(tokens, targets, labels=tokens % 2)


def make_optimizer(model: nn.Module, config: TrainConfig) -> Optimizer:
    """AdamW that decays matrices and embeddings; biases and the gains of norms are left alone."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=config.lr)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up over the first `warmup` steps, then constant; the first step, step 0, already moves."""
    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))


def language_model_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the next token: logits (B, T, V), targets (B, T) -> ()."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def classifier_loss(class_logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the token's class: class logits (B, T, n_classes), labels (B, T) -> ()."""
    return F.cross_entropy(class_logits.flatten(0, 1), labels.flatten())


def class_accuracy(class_logits: Tensor, labels: Tensor) -> float:
    """Share of tokens whose best-scored class is their label: class logits (B, T, n_classes), labels (B, T)."""
    return (class_logits.argmax(dim=-1) == labels).double().mean().item()


def loss_fn(model: nn.Module, batch: Batch, class_weight: float = 0.0) -> tuple[Tensor, Tensor, Tensor | None]:
    """(total, lm_loss, class_loss), with total = lm_loss + class_weight * class_loss; no class_loss at weight 0."""
    if class_weight == 0:
        lm_loss = language_model_loss(model(batch.tokens), batch.targets)
        return lm_loss, lm_loss, None
    logits, class_logits = model(batch.tokens, classify=True)
    lm_loss = language_model_loss(logits, batch.targets)
    class_loss = classifier_loss(class_logits, batch.labels)
    return lm_loss + class_weight * class_loss, lm_loss, class_loss


def train_step(
    model: nn.Module, optimizer: Optimizer, batch: Batch, config: TrainConfig, step: int
) -> dict[str, float | None]:
    """One full update of the model on one batch; returns the losses it started from."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, config)
    optimizer.zero_grad()
    loss, lm_loss, class_loss = loss_fn(model, batch, config.class_weight)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
    optimizer.step()
    return {
        "loss": loss.item(),
        "lm_loss": lm_loss.item(),
        "class_loss": None if class_loss is None else class_loss.item(),
    }


def train(
    model: nn.Module,
    config: TrainConfig,
    batches: Iterable[Batch] | None = None,
    optimizer: Optimizer | None = None,
) -> list[dict[str, float | None]]:
    """Train for config.steps updates, one per batch; returns the losses of each."""
    if batches is None:
        generator = torch.Generator().manual_seed(config.seed)
        batches = (make_batch(config, generator) for _ in range(config.steps))
    if optimizer is None:
        optimizer = make_optimizer(model, config)
    model.train()
    return [
        train_step(model, optimizer, batch, config, step) for step, batch in enumerate(islice(batches, config.steps))
    ]


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterable[Batch]) -> dict[str, float | None]:
    """Mean loss over the batches, and mean accuracy if the model has a classifier; leaves the model as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    lm_losses, accuracies = [], []
    try:
        for batch in batches:
            if model.config.n_classes > 0:
                logits, class_logits = model(batch.tokens, classify=True)
                accuracies.append(class_accuracy(class_logits, batch.labels))
            else:
                logits = model(batch.tokens)
            lm_losses.append(language_model_loss(logits, batch.targets).item())
    finally:
        for module, training in modes:
            module.training = training
    return {"lm_loss": fmean(lm_losses), "class_accuracy": fmean(accuracies) if accuracies else None}


# A follow-up: four ways to weigh the two losses. No item needs them, and nothing above calls them.


def constant_weight(step: int, config: TrainConfig) -> float:
    """The classifier's loss always counts the same."""
    return config.class_weight


def warmup_weight(step: int, config: TrainConfig) -> float:
    """The classifier's loss counts more from step to step, as the learning rate does, up to its full weight."""
    return config.class_weight * learning_rate(step, config) / config.lr


def uncertainty_weighting(lm_loss: Tensor, class_loss: Tensor, log_variances: Tensor) -> Tensor:
    """The sum of exp(-s) * loss + s / 2, with a log variance s for each objective, learned with the model: (2,) -> ()

    Kendall, Gal, Cipolla (2018): an objective that stays uncertain counts less, and the s / 2 keeps s from growing.
    The first log variance is the language model's, the second the classifier's.
    """
    return ((-log_variances).exp() * torch.stack((lm_loss, class_loss)) + log_variances / 2).sum()


def gradient_norm_weight(model: nn.Module, lm_loss: Tensor, class_loss: Tensor) -> float:
    """The weight with which the classifier's loss pulls as hard at what both objectives share as the other does.

    That is, the length of the gradient of lm_loss over that of class_loss, by all parameters that both losses reach.
    The parameters' .grad stay as they are, and both losses can still be differentiated afterwards.
    """
    parameters = list(model.parameters())
    lm = torch.autograd.grad(lm_loss, parameters, retain_graph=True, allow_unused=True)
    classes = torch.autograd.grad(class_loss, parameters, retain_graph=True, allow_unused=True)
    shared = [(a, b) for a, b in zip(lm, classes, strict=True) if a is not None and b is not None]
    lm_norm, class_norm = (torch.cat([g.flatten() for g in side]).norm().item() for side in zip(*shared, strict=True))
    return lm_norm / max(class_norm, 1e-12)


def main() -> None:
    """Train a small model on the synthetic task and show how it fares on batches it has not seen."""
    from model import GPT, GPTConfig

    config = TrainConfig()
    seed_everything(config.seed)
    model = GPT(GPTConfig(vocab_size=config.vocab_size))

    def shown(batches: Iterable[Batch]) -> Iterable[Batch]:
        """The same batches; of every twentieth, the loss is printed before the model learns from it."""
        for step, batch in enumerate(batches):
            if step % 20 == 0:
                print(f"step {step:4d}  loss {loss_fn(model, batch)[0].item():.3f}", flush=True)
            yield batch

    seen, unseen = (torch.Generator().manual_seed(config.seed + more) for more in (0, 1))
    train(model, config, shown(make_batch(config, seen) for _ in range(config.steps)))
    held_out = [make_batch(config, unseen) for _ in range(8)]
    print(f"held out   loss {evaluate(model, held_out)['lm_loss']:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)  # the model is small: two threads would spend their time waiting for each other
    main()
