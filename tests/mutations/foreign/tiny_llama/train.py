"""Training of the small Llama, in one function; the loss is what the model kept of its last call."""

import math

import torch
from model import ModelArgs, Transformer


def get_lr(it, learning_rate, warmup_iters, lr_decay_iters, min_lr=0.0):
    if it < warmup_iters:
        return learning_rate * it / warmup_iters
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_lr + coeff * (learning_rate - min_lr)


def batches(tokens, batch_size, length, generator):
    while True:
        ix = torch.randint(len(tokens) - length - 1, (batch_size,), generator=generator)
        chunk = torch.stack([tokens[i : i + length + 1] for i in ix])
        yield chunk[:, :-1], chunk[:, 1:].contiguous()


def train(tokens, max_iters=20, grad_accum_steps=2, grad_clip=1.0, learning_rate=5e-4):
    generator = torch.Generator().manual_seed(1337)
    model = Transformer(ModelArgs())
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95))
    batch_iter = batches(tokens, 4, 16, generator)
    X, Y = next(batch_iter)
    history = []

    for iter_num in range(max_iters):
        lr = get_lr(iter_num, learning_rate, 5, max_iters)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr

        for _micro_step in range(grad_accum_steps):
            model(X, Y)
            loss = model.last_loss / grad_accum_steps
            X, Y = next(batch_iter)
            loss.backward()
        if grad_clip != 0.0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        history.append(loss.item() * grad_accum_steps)
    return model, history
