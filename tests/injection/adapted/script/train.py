"""The loop of the lecture's script, cut out of its main function: it takes the model and the batches."""

import torch
from model import get_lr


def fit(model, batches, grad_accum_steps, rate):
    optimizer = model.configure_optimizers(weight_decay=0.1, learning_rate=rate)
    history = []
    for step, (x, y) in enumerate(batches):
        model.train()
        optimizer.zero_grad()
        loss_accum = 0.0
        parts = min(grad_accum_steps, len(x))
        for micro_x, micro_y in zip(x.tensor_split(parts), y.tensor_split(parts), strict=True):
            logits, loss = model(micro_x, micro_y)
            # means of parts: their sum has to be a mean again
            loss = loss / parts
            loss_accum += loss.detach()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        lr = get_lr(step) * rate / get_lr(10)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr
        optimizer.step()
        history.append(loss_accum.item())
    return history
