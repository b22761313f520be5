"""Training of the small Llama, in one function; the loss is what the model kept of its last call."""

import math

import torch


def get_lr(it, learning_rate, warmup_iters, lr_decay_iters, min_lr=0.0):
    if it < warmup_iters:
        return learning_rate * (it + 1) / warmup_iters
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_lr + coeff * (learning_rate - min_lr)


def fit(model, batches, learning_rate=5e-4, grad_clip=1.0):
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95))
    history = []
    model.train()
    for iter_num, (X, Y) in enumerate(batches):
        lr = get_lr(iter_num, learning_rate, 2, len(batches) + 2)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr

        model(X, Y)
        loss = model.last_loss
        loss.backward()
        if grad_clip != 0.0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        history.append(loss.item())
    return history
