"""Trains the decoder in half precision, with gradients of several pieces added up, and shows samples."""

import torch
import torch.nn.functional as F
from model import Decoder, Memory, Settings


def pairs(text, encode, length):
    ids = encode(text)
    for i in range(0, len(ids) - length - 1, length):
        source = ids[i : i + length]
        target = ids[i + 1 : i + length + 1]
        yield torch.tensor(source), torch.tensor(target)


def loss_of(model, x, y):
    logits = model(x)
    return F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        y.reshape(-1),
    )


def lr_at(step, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak


def momentum_at(step, warmup):
    return 0.85 + 0.1 * min(1.0, step / warmup)


@torch.no_grad()
def validate(model, loader):
    model.eval()
    losses, correct, seen = [], 0, 0
    for x, y in loader:
        losses.append(loss_of(model, x, y).item())
        correct += (model(x).argmax(-1) == y).sum().item()
        seen += y.numel()
    model.train()
    return sum(losses) / len(losses), correct / seen


@torch.no_grad()
def show(model, prompt, count):
    model.eval()
    memory = Memory(model.s.depth)
    ids = new = prompt
    for _ in range(count):
        logits = model(new, memory)
        new = logits[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat((ids, new), dim=1)
    model.train()
    return ids


def fit(loader, held_out, epochs=2, accum_steps=4, peak=3e-4, warmup=100, clip=1.0, device="cpu"):
    model = Decoder(Settings()).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.1)
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda")
    step, running = 0, 0.0
    for epoch in range(epochs):
        for i, (x, y) in enumerate(loader):
            loss = loss_of(model, x, y) / accum_steps
            running += loss.item()
            scaler.scale(loss).backward()
            if (i + 1) % accum_steps == 0:
                for group in optimizer.param_groups:
                    group["lr"] = lr_at(step, peak, warmup)
                scaler.unscale_(optimizer)
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad(set_to_none=True)
                step += 1
        print(epoch, i, running, norm, validate(model, held_out))
        running = 0.0
    return model
