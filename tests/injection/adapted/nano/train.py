"""A training loop: gradients are accumulated and scaled, and the rate follows a cosine."""

import math
from contextlib import nullcontext

import torch

gradient_accumulation_steps = 2
beta1, beta2 = 0.9, 0.95
grad_clip = 1.0
warmup_iters = 2
lr_decay_iters = 20
device_type = "cpu"
ctx = nullcontext()


def get_lr(it, learning_rate, min_lr):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_lr + coeff * (learning_rate - min_lr)


def train(model, batches, learning_rate, weight_decay):
    scaler = torch.amp.GradScaler(device_type, enabled=False)
    optimizer = model.configure_optimizers(weight_decay, learning_rate, (beta1, beta2), device_type)
    history = []
    for iter_num, (X, Y) in enumerate(batches):
        lr = get_lr(iter_num, learning_rate, learning_rate / 10)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr

        # parts of a batch, one after the other: their gradients add up to that of the whole
        parts = min(gradient_accumulation_steps, len(X))
        for micro_step in range(parts):
            with ctx:
                logits, loss = model(X[micro_step::parts], Y[micro_step::parts])
                loss = loss / parts
            scaler.scale(loss).backward()
        if grad_clip != 0.0:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        history.append(loss.item() * parts)
    return history
