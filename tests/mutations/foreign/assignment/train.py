"""The course's training: its own optimizer, its own clip, and data that lies in a numpy array."""

import math

import numpy as np
import torch
from layers import cross_entropy


class AdamW(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            lr, (beta1, beta2) = group["lr"], group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                t = state.get("t", 0) + 1
                m = state.get("m", torch.zeros_like(p))
                v = state.get("v", torch.zeros_like(p))
                m = beta1 * m + (1 - beta1) * p.grad
                v = beta2 * v + (1 - beta2) * p.grad**2
                alpha = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
                p -= alpha * m / (torch.sqrt(v) + group["eps"])
                p -= lr * group["weight_decay"] * p
                state["t"], state["m"], state["v"] = t, m, v
        return loss


def gradient_clipping(parameters, max_l2_norm, eps=1e-6):
    grads = [p.grad for p in parameters if p.grad is not None]
    total_norm = math.sqrt(sum((g**2).sum().item() for g in grads))
    if total_norm > max_l2_norm:
        for g in grads:
            g *= max_l2_norm / (total_norm + eps)


def get_lr_cosine_schedule(it, max_learning_rate, min_learning_rate, warmup_iters, cosine_cycle_iters):
    if it < warmup_iters:
        return it / warmup_iters * max_learning_rate
    if it > cosine_cycle_iters:
        return min_learning_rate
    progress = (it - warmup_iters) / (cosine_cycle_iters - warmup_iters)
    return min_learning_rate + 0.5 * (1 + math.cos(progress * math.pi)) * (max_learning_rate - min_learning_rate)


def get_batch(dataset, batch_size, context_length, device):
    starts = np.random.randint(0, len(dataset) - context_length, size=batch_size)
    x = torch.tensor(np.stack([dataset[i : i + context_length] for i in starts]), dtype=torch.long)
    y = torch.tensor(np.stack([dataset[i + 1 : i + 1 + context_length] for i in starts]), dtype=torch.long)
    return x.to(device), y.to(device)


def train(model, dataset, steps, batch_size=4, max_lr=1e-3, max_norm=1.0, device="cpu"):
    optimizer = AdamW(model.parameters(), lr=max_lr)
    history = []
    for it in range(steps):
        lr = get_lr_cosine_schedule(it, max_lr, max_lr / 10, steps // 10 + 1, steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        x, y = get_batch(dataset, batch_size, model.context_length, device)
        optimizer.zero_grad()
        logits = model(x)
        loss = cross_entropy(logits, y)
        loss.backward()
        gradient_clipping(model.parameters(), max_norm)
        optimizer.step()
        history.append(loss.item())
    return history
