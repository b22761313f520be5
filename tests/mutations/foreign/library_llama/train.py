"""A plain loop over batches with a scaler of gradients, since half precision needs one."""

import torch


def training_step(model, batch, optimizer, scaler, max_grad_norm, autocast):
    model.train()
    optimizer.zero_grad(set_to_none=True)
    with autocast:
        _, loss = model(batch, labels=batch)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach(), grad_norm


@torch.no_grad()
def evaluation_loop(model, dataloader):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    for batch in dataloader:
        _, loss = model(batch, labels=batch)
        total += loss.item() * batch.numel()
        count += batch.numel()
    model.train(was_training)
    return total / count


def train(model, batches, max_steps, lr=1e-3, max_grad_norm=1.0):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.999), weight_decay=0.01)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    autocast = torch.autocast("cpu", enabled=False)
    history = []
    for _, batch in zip(range(max_steps), batches, strict=False):
        loss, _ = training_step(model, batch, optimizer, scaler, max_grad_norm, autocast)
        history.append(loss.item())
    return history
