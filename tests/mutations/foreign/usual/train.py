"""Train a GPT on one long string of tokens; the loop is written out, with nothing hidden in a trainer."""

import math
from dataclasses import dataclass

import torch
from model import GPT, GPTConfig


@dataclass
class TrainerConfig:
    max_iters: int = 200
    batch_size: int = 12
    learning_rate: float = 1e-3
    min_lr: float = 1e-4
    warmup_iters: int = 20
    lr_decay_iters: int = 200
    weight_decay: float = 0.1
    betas: tuple = (0.9, 0.95)
    grad_clip: float = 1.0
    eval_interval: int = 50
    eval_iters: int = 4
    seed: int = 1337


def get_batch(data, block_size, batch_size):
    ix = torch.randint(len(data) - block_size, (batch_size,))
    x = torch.stack([data[i : i + block_size] for i in ix])
    y = torch.stack([data[i + 1 : i + 1 + block_size] for i in ix])
    return x, y


def get_lr(it, config):
    # 1) linear warm-up
    if it < config.warmup_iters:
        return config.learning_rate * (it + 1) / config.warmup_iters
    # 2) past the decay, the floor
    if it > config.lr_decay_iters:
        return config.min_lr
    # 3) in between, half a cosine down to the floor
    decay_ratio = (it - config.warmup_iters) / (config.lr_decay_iters - config.warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return config.min_lr + coeff * (config.learning_rate - config.min_lr)


@torch.no_grad()
def estimate_loss(model, splits, config):
    out = {}
    model.eval()
    for split, data in splits.items():
        losses = torch.zeros(config.eval_iters)
        for k in range(config.eval_iters):
            X, Y = get_batch(data, model.config.block_size, config.batch_size)
            _, loss = model(X, Y)
            losses[k] = loss.item()
        out[split] = losses.mean().item()
    model.train()
    return out


def train(model, splits, config):
    optimizer = model.configure_optimizers(config.weight_decay, config.learning_rate, config.betas)
    history, evals = [], []
    model.train()
    for it in range(config.max_iters):
        lr = get_lr(it, config)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr

        if it % config.eval_interval == 0:
            evals.append(estimate_loss(model, splits, config))

        X, Y = get_batch(splits["train"], model.config.block_size, config.batch_size)
        _, loss = model(X, Y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        optimizer.step()
        history.append(loss.item())
    return history, evals


def main():
    config = TrainerConfig()
    torch.manual_seed(config.seed)
    data = torch.arange(4000) ** 2 % 61
    n = int(0.9 * len(data))
    model = GPT(GPTConfig())
    return train(model, {"train": data[:n], "val": data[n:]}, config)


if __name__ == "__main__":
    main()
