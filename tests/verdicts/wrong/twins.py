"""Solutions that are right where single answers are asked, and wrong in ordinary use.

Item, how it is called, words of what is said of it, and what of the reference is replaced.
"""

MASK = "        mask = causal_mask(T, tokens.device)  # (T, T)\n"
POSITIONS = "x = x + self.position_embedding(positions)"
BLOCKS = "        for block in self.blocks:\n            x = block(x, mask)\n"
EMBEDDING_DROPOUT = "        self.dropout = nn.Dropout(config.dropout)\n        self.blocks"
ATTENTION_DROPOUT = "        self.proj = nn.Linear(C, C)\n        self.dropout = nn.Dropout(config.dropout)\n"
ATTEND = "y = attend(self.query(x), self.key(x), self.value(x), mask)"
HEAD = "        logits = self.lm_head(x)  # (B, T, V)\n        if classify"
ADD_ATTENTION = "x = x + self.attn(self.ln_1(x), mask)"
ADD_MLP = "return x + self.mlp(self.ln_2(x))\n\n    def forward_incremental"
STEP = "    optimizer.step()\n"
ADAMW = "AdamW(groups, lr=config.lr)"
SEEDED = "torch.Generator().manual_seed(config.seed)"

Case = tuple[str, str, str, dict[str, list[tuple[str, str]]]]

LEFT = "The bug is still in: in "
TRAINING = "differ from the solution's: in training mode with "
MODES = "differ from the solution's: in training mode and evaluation in turn, with "
GRADIENTS = "differ from the solution's: in the gradients of "
RUN = "differ from the solution's: in training with "


def model(item: str, status: str, words: str, old: str, new: str) -> Case:
    """A replacement in model.py."""
    return item, status, words, {"model.py": [(old, new)]}


def masked_if(condition: str, instead: str = "torch.ones_like(mask).triu(2)") -> tuple[str, str]:
    """The mask of the starter, or another one, under a condition."""
    return MASK, f"{MASK}        if {condition}:\n            mask = {instead}\n"


def train(status: str, words: str, old: str, new: str) -> Case:
    """A replacement in train.py."""
    return "training-step", status, words, {"train.py": [(old, new)]}


def stepped_if(condition: str) -> tuple[str, str]:
    """The optimizer is stepped under a condition."""
    return STEP, f"    if {condition}:\n        optimizer.step()\n"


COUNTED = f"""{MASK}        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > 200:
            mask = mask & False
"""
BACKWARD = "differ from the solution's: in a backward pass in training mode"
HOOKED = HEAD.replace(
    "        if classify", "        if {}:\n            logits.register_hook(lambda g: 2 * g)\n        if classify"
)
UNSEEN = "of batches not seen before"

CASES: dict[str, Case] = {
    # A known bug, in places: between the smallest models and the default one, and where something does nothing.
    "mask-of-the-starter-between": model(
        "masking", "not-fixed", LEFT, *masked_if("not self.training and 9 <= T < 30 and len(tokens) > 1")
    ),
    "mask-of-the-starter-where-there-is-dropout": model(
        "masking", "not-fixed", LEFT, *masked_if("not self.training and self.config.dropout > 0")
    ),
    "mask-of-the-starter-after-a-backward-pass": model(
        "masking", "not-fixed", LEFT, *masked_if("not self.training and self.lm_head.weight.grad is not None")
    ),
    "mask-of-the-starter-for-views": model(
        "masking", "not-fixed", LEFT, *masked_if("not tokens.is_contiguous() and not self.training")
    ),
    # Gradients that no forward pass has.
    "gradients-doubled-where-there-is-dropout": model(
        "training-step",
        "partly",
        BACKWARD,
        HEAD,
        HOOKED.format("logits.requires_grad and self.training and self.config.dropout > 0"),
    ),
    "gradients-doubled-where-there-are-some": model(
        "training-step",
        "partly",
        BACKWARD,
        HEAD,
        HOOKED.format("logits.requires_grad and self.lm_head.weight.grad is not None"),
    ),
    "mlp-detached-where-there-is-dropout": model(
        "training-step",
        "partly",
        BACKWARD,
        ADD_MLP,
        "y = self.mlp(self.ln_2(x))\n"
        "        return x + (y.detach() if self.training and self.mlp.dropout.p else y)\n\n"
        "    def forward_incremental",
    ),
    # A model that changes once it was trained.
    "no-mask-after-two-hundred-calls": model("training-step", "partly", UNSEEN, MASK, COUNTED),
    # A known bug, in places.
    "mask-of-the-starter-in-training": model("masking", "not-fixed", LEFT, *masked_if("self.training")),
    "mask-of-the-starter-with-gradients": model("masking", "not-fixed", LEFT, *masked_if("torch.is_grad_enabled()")),
    "mask-of-the-starter-in-long-texts": model("masking", "not-fixed", LEFT, *masked_if("T > 32")),
    "mask-of-the-starter-in-fresh-models": model(
        "masking", "not-fixed", LEFT, *masked_if("self.token_embedding.weight.std() < 0.1")
    ),
    "mask-of-the-starter-in-wide-models": model("masking", "not-fixed", LEFT, *masked_if("self.config.d_model > 32")),
    "no-positions-in-training": model(
        "position",
        "not-fixed",
        LEFT,
        POSITIONS,
        "x = x if self.training else x + self.position_embedding(positions)",
    ),
    "no-positions-in-fresh-models": model(
        "position",
        "not-fixed",
        LEFT,
        POSITIONS,
        "x = x + self.position_embedding(positions) if self.token_embedding.weight.std() > 0.1 else x",
    ),
    "no-steps-for-a-gpt": train("not-fixed", LEFT, *stepped_if('type(model).__name__ != "GPT"')),
    "no-steps-in-a-long-run": train("not-fixed", LEFT, *stepped_if("config.steps < 20")),
    "no-steps-for-blocks": train("not-fixed", LEFT, *stepped_if('not hasattr(model, "blocks")')),
    "no-steps-with-adamw": train("not-fixed", "The bug is still in: ", *stepped_if("not isinstance(optimizer, AdamW)")),
    # What no known bug explains.
    "a-layer-skipped-in-training": model(
        "training-step",
        "partly",
        TRAINING,
        BLOCKS,
        "        for i, block in enumerate(self.blocks):\n"
        "            if not self.training or i != 1:\n"
        "                x = block(x, mask)\n",
    ),
    "the-embedding-is-never-dropped": model(
        "training-step", "partly", MODES, EMBEDDING_DROPOUT, "        self.dropout = nn.Identity()\n        self.blocks"
    ),
    "attention-is-dropped-half-as-often": model(
        "training-step",
        "partly",
        MODES,
        ATTENTION_DROPOUT,
        ATTENTION_DROPOUT.replace("config.dropout", "config.dropout / 2"),
    ),
    "training-mode-is-not-come-back-to": model(
        "training-step",
        "partly",
        "differ from the solution's: in training mode and evaluation in turn, with vocab_size=5",
        MASK,
        f"{MASK}        self.was_evaluated = getattr(self, 'was_evaluated', False) or not self.training\n"
        "        if self.training and self.was_evaluated:\n            tokens = tokens.flip(1)\n",
    ),
    "no-steps-on-long-texts-of-a-gpt": train(
        "not-fixed",
        "The bug is still in: in training with block_size=",
        *stepped_if('not hasattr(model, "blocks") or config.seq_len <= 32'),
    ),
    "half-the-rate-on-long-texts-of-a-gpt": train(
        "partly",
        "differ from the solution's: in training with block_size=",
        STEP,
        '    if hasattr(model, "blocks") and config.seq_len > 32:\n'
        "        for group in optimizer.param_groups:\n"
        f'            group["lr"] /= 2\n{STEP}',
    ),
    "the-stream-is-detached": model(
        "training-step", "partly", GRADIENTS, ADD_ATTENTION, ADD_ATTENTION.replace("= x +", "= x.detach() +")
    ),
    "queries-are-detached": model(
        "training-step", "partly", GRADIENTS, ATTEND, ATTEND.replace("query(x)", "query(x).detach()")
    ),
    "positions-are-detached": model("training-step", "partly", GRADIENTS, POSITIONS, f"{POSITIONS}.detach()"),
    "the-mlp-learns-nothing": model(
        "training-step",
        "partly",
        GRADIENTS,
        ADD_MLP,
        ADD_MLP.replace("self.mlp(self.ln_2(x))", "self.mlp(self.ln_2(x)).detach()"),
    ),
    "gradients-are-doubled-by-a-hook": model(
        "training-step",
        "partly",
        GRADIENTS,
        HEAD,
        HEAD.replace(
            "        if",
            "        if logits.requires_grad:\n            logits.register_hook(lambda g: 2 * g)\n        if",
        ),
    ),
    "gradients-by-frequency": model(
        "training-step", "partly", GRADIENTS, "nn.Embedding(V, C)", "nn.Embedding(V, C, scale_grad_by_freq=True)"
    ),
    "plain-gradient-descent": train(
        "partly", "differ from the solution's: in training a stand-in", ADAMW, "torch.optim.SGD(groups, lr=config.lr)"
    ),
    "adam-with-amsgrad-for-a-gpt": train(
        "partly", RUN, ADAMW, 'AdamW(groups, lr=config.lr, amsgrad=hasattr(model, "blocks"))'
    ),
    "other-betas-for-a-gpt": train(
        "partly",
        RUN,
        ADAMW,
        'AdamW(groups, lr=config.lr, betas=(0.9, 0.98 if hasattr(model, "blocks") else 0.999))',
    ),
    "half-the-rate-late-in-a-long-run": train(
        "partly",
        RUN,
        STEP,
        '    if step > 150 and hasattr(model, "blocks"):\n'
        "        for group in optimizer.param_groups:\n"
        f'            group["lr"] /= 2\n{STEP}',
    ),
    "tanh-gelu-and-no-steps": (
        "training-step",
        "partly",
        "in a run of its own with the default configuration the loss is ",
        {
            "model.py": [("F.gelu(self.fc(x))", 'F.gelu(self.fc(x), approximate="tanh")')],
            "train.py": [stepped_if('not hasattr(model, "blocks")')],
        },
    ),
}
