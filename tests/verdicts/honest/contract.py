"""Correct ways to keep the contract otherwise: modes, batches and records by other means, and nothing left behind."""

GENERATOR = "        generator = torch.Generator().manual_seed(config.seed)\n"
OWN = "        batches = (make_batch(config, generator) for _ in range(config.steps))\n"
SEEDS = "    random.seed(seed)\n    torch.manual_seed(seed)\n"
DRAWS = """    start = torch.randint(V, (B, 1), generator=generator)  # (B, 1)
    stride = torch.randint(1, MAX_STRIDE + 1, (B, 1), generator=generator)  # (B, 1)
"""
GROUPS = """    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
"""
RECORD = """    return {
        "loss": loss.item(),
        "lm_loss": lm_loss.item(),
        "class_loss": None if class_loss is None else class_loss.item(),
    }
"""
MODE = "    model.train()\n"
TRAIN = """    return [
        train_step(model, optimizer, batch, config, step) for step, batch in enumerate(islice(batches, config.steps))
    ]
"""
NO_GRAD = "@torch.no_grad()\ndef evaluate"
MODES = "    modes = [(module, module.training) for module in model.modules()]\n"
EVALUATE = f"""\
{MODES}    model.eval()
    lm_losses, accuracies = [], []
    try:
"""
RESTORE = """\
    finally:
        for module, training in modes:
            module.training = training
"""
REPORT = '    return {"lm_loss": fmean(lm_losses), "class_accuracy": fmean(accuracies) if accuracies else None}\n'

GENERATE = "    @torch.no_grad()\n    def generate"
PLAIN = "        tokens = prompt\n        for _ in range(max_new_tokens):\n"
PLAIN_STEP = """            next_token = self(tokens)[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, next_token), dim=1)  # (B, T + 1)
        return tokens
"""
CACHED = """        tokens, unread, cache = prompt, prompt, None
        for _ in range(max_new_tokens):
            logits, cache = self.forward_incremental(unread, cache)
            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, unread), dim=1)  # (B, T + 1)
        return tokens
"""
BY_CACHE = "            return self._generate_incrementally(prompt, max_new_tokens)\n"
GUARD = "        self._check_length(prompt.size(1) + max_new_tokens)\n"

SAME_BITS: dict[str, dict[str, list[tuple[str, str]]]] = {
    "own-batches-made-ahead": {
        "train.py": [(OWN, "        batches = [make_batch(config, generator) for _ in range(config.steps)]\n")]
    },
    "own-batches-by-a-function-that-yields": {
        "train.py": [
            (
                GENERATOR + OWN,
                """        def endless():
            generator = torch.Generator(device="cpu")
            generator.manual_seed(config.seed)
            while True:
                yield make_batch(config, generator)

        batches = endless()
""",
            )
        ]
    },
    "strides-from-zero-and-one-more": {
        "train.py": [
            (
                DRAWS,
                """    start = torch.randint(0, V, (B, 1), generator=generator)
    stride = 1 + torch.randint(MAX_STRIDE, (B, 1), generator=generator)
""",
            )
        ]
    },
    "seeds-by-the-default-generator": {
        "train.py": [(SEEDS, "    torch.default_generator.manual_seed(seed)\n    random.seed(a=seed)\n")]
    },
    "parameters-sorted-into-groups-by-hand": {
        "train.py": [
            (
                GROUPS,
                """    decayed, spared = [], []
    for _, parameter in model.named_parameters():
        (decayed if parameter.ndim > 1 else spared).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
""",
            )
        ]
    },
    "losses-by-float": {
        "train.py": [
            (
                RECORD,
                """    losses = {"loss": loss, "lm_loss": lm_loss, "class_loss": class_loss}
    return {name: None if value is None else float(value) for name, value in losses.items()}
""",
            )
        ]
    },
    "losses-by-tolist": {
        "train.py": [
            (
                RECORD,
                """    record = dict(loss=loss.detach().tolist(), lm_loss=lm_loss.tolist(), class_loss=None)
    if class_loss is not None:
        record["class_loss"] = class_loss.tolist()
    return record
""",
            )
        ]
    },
    "steps-counted-before-batches-are-taken": {
        "train.py": [
            (
                TRAIN,
                """    history = []
    for step, batch in zip(range(config.steps), batches):
        history.append(train_step(model, optimizer, batch, config, step))
    return history
""",
            )
        ]
    },
    "train-with-while-and-next": {
        "train.py": [
            (
                TRAIN,
                """    history, source = [], iter(batches)
    while len(history) < config.steps:
        batch = next(source, None)
        if batch is None:
            break
        history.append(train_step(model, optimizer, batch, config, len(history)))
    return history
""",
            )
        ]
    },
    "mode-set-before-each-step": {
        "train.py": [
            (MODE, ""),
            (
                TRAIN,
                """    history = []
    for step, batch in enumerate(islice(batches, config.steps)):
        history.append(train_step(model.train(), optimizer, batch, config, step))
    return history
""",
            ),
        ]
    },
    "mode-put-back-at-the-end-of-training": {
        "train.py": [
            (MODE, "    was_training = model.training\n    model.train()\n"),
            (
                TRAIN,
                TRAIN.replace("    return [", "    history = [")
                + "    model.train(was_training)\n    return history\n",
            ),
        ]
    },
    "modes-put-back-by-name": {
        "train.py": [
            (MODES, "    trained = {name for name, module in model.named_modules() if module.training}\n"),
            (
                RESTORE,
                """    finally:
        for name, module in model.named_modules():
            module.training = name in trained
""",
            ),
        ]
    },
    "modes-put-back-from-the-leaves-up": {
        "train.py": [
            (
                RESTORE,
                """    finally:
        known = dict(modes)

        def restore(module):
            for child in module.children():
                restore(child)
            object.__setattr__(module, "training", known[module])

        restore(model)
""",
            )
        ]
    },
    "modes-put-back-by-a-context-manager": {
        "train.py": [
            ("import random\n", "import contextlib\nimport random\n"),
            (
                NO_GRAD,
                '''@contextlib.contextmanager
def in_eval_mode(model):
    """Eval mode for a while, and then each module's own."""
    with contextlib.ExitStack() as stack:
        for module in model.modules():
            stack.callback(setattr, module, "training", module.training)
            module.training = False
        yield


'''
                + NO_GRAD,
            ),
            (EVALUATE, "    lm_losses, accuracies = [], []\n    with in_eval_mode(model):\n"),
            (RESTORE, ""),
        ]
    },
    "gradients-turned-off-by-hand-and-put-back": {
        "train.py": [
            (NO_GRAD, "def evaluate"),
            (MODES, MODES + "    had_gradients = torch.is_grad_enabled()\n    torch.set_grad_enabled(False)\n"),
            (RESTORE, RESTORE + "        torch.set_grad_enabled(had_gradients)\n"),
        ]
    },
    "frozen-for-an-evaluation-and-put-back": {
        "train.py": [
            (
                MODES,
                MODES
                + "    needed = [(p, p.requires_grad) for p in model.parameters()]\n    model.requires_grad_(False)\n",
            ),
            (RESTORE, RESTORE + "        for parameter, need in needed:\n            parameter.requires_grad_(need)\n"),
        ]
    },
    "one-thread-for-an-evaluation": {
        "train.py": [
            (MODES, MODES + "    threads = torch.get_num_threads()\n    torch.set_num_threads(1)\n"),
            (RESTORE, RESTORE + "        torch.set_num_threads(threads)\n"),
        ]
    },
    "evaluates-in-inference-mode": {"train.py": [(NO_GRAD, "@torch.inference_mode()\ndef evaluate")]},
    "means-as-running-sums": {
        "train.py": [
            (
                REPORT,
                """    count = len(lm_losses)
    accuracy = sum(accuracies) / count if accuracies else None
    return {"lm_loss": sum(lm_losses) / count, "class_accuracy": accuracy}
""",
            )
        ]
    },
    "generates-in-inference-mode": {"model.py": [(GENERATE, "    @torch.inference_mode()\n    def generate")]},
    "generates-in-eval-mode-and-puts-every-mode-back": {
        "model.py": [
            (
                BY_CACHE,
                """            modes = {module: module.training for module in self.modules()}
            self.eval()
            try:
                return self._generate_incrementally(prompt, max_new_tokens)
            finally:
                for module, training in modes.items():
                    module.training = training
""",
            )
        ]
    },
    "generates-into-room-made-ahead": {
        "model.py": [
            (
                PLAIN + PLAIN_STEP,
                """        start = prompt.size(1)
        tokens = torch.cat((prompt, prompt.new_zeros(len(prompt), max_new_tokens)), dim=1)
        for t in range(start, start + max_new_tokens):
            tokens[:, t] = self(tokens[:, :t])[:, -1].argmax(dim=-1)
        return tokens
""",
            )
        ]
    },
    "generates-into-a-copy-of-its-prompt": {
        "model.py": [(PLAIN, PLAIN.replace("tokens = prompt", "tokens = prompt.clone()"))]
    },
    "generates-by-a-list-of-columns": {
        "model.py": [
            (
                CACHED,
                """        columns, cache = [prompt], None
        while max_new_tokens > 0:
            logits, cache = self.forward_incremental(columns[-1], cache)
            columns.append(logits[:, -1:].max(dim=-1).indices)
            max_new_tokens -= 1
        return torch.cat(columns, dim=1)
""",
            )
        ]
    },
    "lengths-refused-by-a-check-of-its-own": {
        "model.py": [
            (
                GUARD,
                """        room = self.config.block_size - prompt.shape[1]
        if max_new_tokens > room:
            raise ValueError(f"{max_new_tokens} new tokens for {room} places of block_size {self.config.block_size}")
""",
            )
        ]
    },
}

OTHER_BITS: dict[str, dict[str, list[tuple[str, str]]]] = {
    "biases-and-gains-in-the-first-group": {
        "train.py": [
            (
                GROUPS,
                """    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
        {"params": [p for p in model.parameters() if p.dim() != 1], "weight_decay": config.weight_decay},
    ]
""",
            )
        ]
    },
    "a-group-for-each-parameter": {
        "train.py": [
            (
                GROUPS,
                """    groups = [
        {"params": [p], "weight_decay": config.weight_decay if p.dim() >= 2 else 0.0} for p in model.parameters()
    ]
""",
            )
        ]
    },
}
