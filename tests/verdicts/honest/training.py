"""Correct ways to write the training loop otherwise."""

LM_LOSS = "    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())\n"
CLEAR = "    optimizer.zero_grad()\n"
STEP = "    optimizer.step()\n"
CLIP = "    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n"
ADAMW = "AdamW(groups, lr=config.lr)"
RATE = "    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))\n"
TRAIN = """    return [
        train_step(model, optimizer, batch, config, step) for step, batch in enumerate(islice(batches, config.steps))
    ]
"""
IMPORTS = "from torch.optim import AdamW, Optimizer\n"
BATCH = "class Batch(NamedTuple):"

SAME_BITS = {
    "gradients-set-to-zero": {"train.py": [(CLEAR, "    optimizer.zero_grad(set_to_none=False)\n")]},
    "gradients-cleared-by-the-model": {"train.py": [(CLEAR, "    model.zero_grad()\n")]},
    "gradients-cleared-by-hand": {
        "train.py": [(CLEAR, "    for parameter in model.parameters():\n        parameter.grad = None\n")]
    },
    "gradients-cleared-after-the-step": {"train.py": [(CLEAR, ""), (STEP, STEP + "    optimizer.zero_grad()\n")]},
    "gradients-cleared-before-and-after": {"train.py": [(STEP, STEP + "    optimizer.zero_grad(set_to_none=True)\n")]},
    "for-loop-not-foreach": {"train.py": [(ADAMW, "AdamW(groups, lr=config.lr, foreach=False)")]},
    "model-imported-by-plain-name": {"train.py": [(IMPORTS, IMPORTS + "\nfrom model import GPT, GPTConfig\n")]},
    "model-imported-relatively": {"train.py": [(IMPORTS, IMPORTS + "\nfrom .model import GPT, GPTConfig\n")]},
    "batch-as-a-dataclass": {"train.py": [(BATCH, "@dataclass(frozen=True)\nclass Batch:")]},
    "train-in-a-for-loop": {
        "train.py": [
            (
                TRAIN,
                """    history = []
    for step, batch in zip(range(config.steps), batches):
        model.train()
        history.append(train_step(model, optimizer, batch, config, step))
    return history
""",
            )
        ]
    },
    "gradients-by-autograd": {
        "train.py": [
            (
                "    loss.backward()\n",
                """    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
""",
            )
        ]
    },
    "groups-with-names": {
        "train.py": [
            (
                '{"params": [p for p in parameters if p.dim() >= 2]',
                '{"name": "decayed", "params": [p for p in parameters if p.dim() >= 2]',
            ),
            (
                '{"params": [p for p in parameters if p.dim() < 2]',
                '{"name": "spared", "params": [p for p in parameters if p.dim() < 2]',
            ),
        ]
    },
    "parameters-that-are-trained-alone": {
        "train.py": [
            (
                "    parameters = list(model.parameters())\n    groups",
                "    parameters = [p for p in model.parameters() if p.requires_grad]\n    groups",
            )
        ]
    },
    "warm-up-of-none-by-itself": {
        "train.py": [(RATE, "    if config.warmup == 0:\n        return config.lr\n" + RATE)]
    },
    "more-in-the-record": {
        "train.py": [
            (CLIP, CLIP.replace("    nn", "    norm = nn")),
            ('        "loss": loss.item(),\n', '        "norm": norm.item(),\n        "loss": loss.item(),\n'),
        ]
    },
    "seeds-numpy-as-well": {
        "train.py": [
            ("    random.seed(seed)\n", "    random.seed(seed)\n    np.random.seed(seed)\n"),
            (
                "import torch\nfrom torch import Tensor, nn\n",
                "import numpy as np\nimport torch\nfrom torch import Tensor, nn\n",
            ),
        ]
    },
}

OTHER_BITS = {
    "foreach": {"train.py": [(ADAMW, "AdamW(groups, lr=config.lr, foreach=True)")]},
    "fused": {"train.py": [(ADAMW, "AdamW(groups, lr=config.lr, fused=True)")]},
    "cross-entropy-by-hand": {
        "train.py": [
            (LM_LOSS, "    return -logits.log_softmax(dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1).mean()\n")
        ]
    },
    "cross-entropy-by-row": {"train.py": [(LM_LOSS, "    return F.cross_entropy(logits.transpose(1, 2), targets)\n")]},
    "cross-entropy-by-log-sum-exp": {
        "train.py": [
            (
                LM_LOSS,
                "    chosen = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)\n"
                "    return (torch.logsumexp(logits, dim=-1) - chosen).sum() / targets.numel()\n",
            )
        ]
    },
    "clipped-by-hand": {
        "train.py": [
            (
                CLIP,
                """    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = torch.cat([g.flatten() for g in gradients]).square().sum().sqrt()
    for gradient in gradients:
        gradient.mul_(min(1.0, config.grad_clip / (norm.item() + 1e-6)))
""",
            )
        ]
    },
    "clipped-by-hand-without-a-safeguard": {
        "train.py": [
            (
                CLIP,
                """    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    if norm > config.grad_clip:
        for parameter in model.parameters():
            parameter.grad *= config.grad_clip / norm
""",
            )
        ]
    },
    "rate-by-another-formula": {
        "train.py": [
            (
                RATE,
                """    if step + 1 >= config.warmup:
        return config.lr
    return (step + 1) * config.lr / config.warmup
""",
            )
        ]
    },
    "groups-by-name": {
        "train.py": [
            (
                """        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
""",
                """        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
""",
            )
        ]
    },
}
