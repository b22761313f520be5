"""A training loop: the gradients of parts of a batch are accumulated, and the rate follows a cosine."""

import math

import torch

gradient_accumulation_steps = 2
betas = (0.9, 0.95)
grad_clip = 1.0
warmup_iters = 2
lr_decay_iters = 200


def get_lr(it, learning_rate, min_lr):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_lr + coeff * (learning_rate - min_lr)


def train(model, batches, learning_rate, weight_decay):
    """Trains on a list of (tokens, targets); the losses, one for each."""
    optimizer = model.configure_optimizers(weight_decay, learning_rate, betas)
    history = []
    model.train()
    for iter_num, (X, Y) in enumerate(batches):
        lr = get_lr(iter_num, learning_rate, learning_rate / 10)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr

        parts = min(gradient_accumulation_steps, len(X))
        total = 0.0
        for x, y in zip(X.tensor_split(parts), Y.tensor_split(parts), strict=True):
            _, loss = model(x, y)
            loss = loss / parts
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        history.append(total)
    return history
