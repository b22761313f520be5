"""A loop for a model of Hugging Face's: what it returns has the logits as an attribute."""

import torch
from torch.nn import functional as F


def make_optimizer(model, learning_rate, weight_decay):
    decay = [p for p in model.parameters() if p.dim() >= 2]
    no_decay = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95))


def loss_of(model, tokens, targets):
    logits = model(tokens).logits
    return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def train(model, batches, learning_rate, weight_decay, max_grad_norm, warmup):
    """One step for each of the batches, pairs of tokens and targets (B, T); the losses."""
    optimizer = make_optimizer(model, learning_rate, weight_decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / max(1, warmup)))
    model.train()
    losses = []
    for tokens, targets in batches:
        optimizer.zero_grad()
        loss = loss_of(model, tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
