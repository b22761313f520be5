"""A script that fine-tunes: epochs, a warm-up in a function of the step, and a step after every few batches."""

import torch
from torch.optim.lr_scheduler import LambdaLR


def get_linear_schedule_with_warmup(optimizer, num_warmup_steps, num_training_steps):
    def lr_lambda(current_step):
        if current_step < num_warmup_steps:
            return float(current_step) / float(max(1, num_warmup_steps))
        left = num_training_steps - current_step
        return max(0.0, float(left) / float(max(1, num_training_steps - num_warmup_steps)))

    return LambdaLR(optimizer, lr_lambda)


def grouped_parameters(model, weight_decay):
    no_decay = ["bias", "ln_1.weight", "ln_2.weight", "ln_f.weight"]
    return [
        {
            "params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)],
            "weight_decay": weight_decay,
        },
        {
            "params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)],
            "weight_decay": 0.0,
        },
    ]


def evaluate(model, dataloader):
    model.eval()
    losses = []
    for batch in dataloader:
        with torch.no_grad():
            _, loss = model(batch, labels=batch)
        losses.append(loss)
    return torch.stack(losses).mean().item()


def train(model, train_dataloader, eval_dataloader, args):
    torch.manual_seed(args.seed)
    optimizer = torch.optim.AdamW(grouped_parameters(model, args.weight_decay), lr=args.learning_rate)
    lr_scheduler = get_linear_schedule_with_warmup(optimizer, args.num_warmup_steps, args.max_train_steps)
    completed_steps = 0
    history = []
    for _epoch in range(args.num_train_epochs):
        model.train()
        total_loss = 0.0
        for step, batch in enumerate(train_dataloader):
            _, loss = model(batch, labels=batch)
            total_loss += loss.detach().float()
            loss = loss / args.gradient_accumulation_steps
            loss.backward()
            if (step + 1) % args.gradient_accumulation_steps == 0:
                torch.nn.utils.clip_grad_norm_(model.parameters(), args.max_grad_norm)
                optimizer.step()
                lr_scheduler.step()
                optimizer.zero_grad()
                completed_steps += 1
            if completed_steps >= args.max_train_steps:
                break
        history.append((total_loss.item() / len(train_dataloader), evaluate(model, eval_dataloader)))
    return history
