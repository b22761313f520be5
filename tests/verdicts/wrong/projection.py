"""Wrong projections, parameters and errors: item, the check that must fail, and what is replaced."""

HEAD = "nn.Linear(C, V, bias=False)"
BUILT = "        self.lm_head = nn.Linear(C, V, bias=False)\n"
LOGITS = "        logits = self.lm_head(x)  # (B, T, V)\n"
CACHED = "        logits = self.lm_head(self.ln_f(x))  # (B, T_new, V)\n"
BLOCKS = "        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))\n"
RETURN = "            return logits, self._classify(x)\n        return logits\n"
TOO_LONG = """        if length > self.config.block_size:
            raise ValueError(f"sequence length={length!r} exceeds block_size={self.config.block_size!r}")
"""
HEADS = """        if config.d_model % config.n_head != 0:
            raise ValueError(f"d_model={config.d_model!r} is not a multiple of n_head={config.n_head!r}")
"""


def returned(expression: str) -> dict[str, list[tuple[str, str]]]:
    """``forward`` returns something else than the logits."""
    return {"model.py": [(RETURN, RETURN.replace("        return logits\n", f"        return {expression}\n"))]}


LONGER = "        if length > self.config.block_size:\n"

CASES = {
    "padded-with-zeros": (
        "projection",
        "logits-width",
        {
            "model.py": [
                (HEAD, "nn.Linear(C, C, bias=False)"),
                (LOGITS, LOGITS + "        logits = F.pad(logits, (0, self.config.vocab_size - logits.size(-1)))\n"),
                (CACHED, CACHED + "        logits = F.pad(logits, (0, self.config.vocab_size - logits.size(-1)))\n"),
            ]
        },
    ),
    "cut-to-fit": (
        "projection",
        "parameter-shapes",
        {
            "model.py": [
                (HEAD, "nn.Linear(C, max(C, V), bias=False)"),
                (LOGITS, LOGITS + "        logits = logits[..., : self.config.vocab_size]\n"),
                (CACHED, CACHED + "        logits = logits[..., : self.config.vocab_size]\n"),
            ]
        },
    ),
    "one-token-too-many": ("projection", "logits-width", {"model.py": [(HEAD, "nn.Linear(C, V + 1, bias=False)")]}),
    "constant-width": ("projection", "logits-width", {"model.py": [(HEAD, "nn.Linear(C, 64, bias=False)")]}),
    "tied-to-the-embedding": (
        "projection",
        "parameter-shapes",
        {"model.py": [(BUILT, BUILT + "        self.lm_head.weight = self.token_embedding.weight\n")]},
    ),
    "with-a-bias": ("projection", "parameter-shapes", {"model.py": [(HEAD, "nn.Linear(C, V)")]}),
    "extra-parameter": (
        "projection",
        "parameter-shapes",
        {"model.py": [(BUILT, BUILT + "        self.temperature = nn.Parameter(torch.ones(()))\n")]},
    ),
    "renamed": (
        "projection",
        "parameter-shapes",
        {
            "model.py": [
                (BUILT, BUILT.replace("lm_head", "head")),
                (LOGITS, LOGITS.replace("lm_head", "head")),
                (CACHED, CACHED.replace("lm_head", "head")),
            ]
        },
    ),
    "table-of-constant-size": (
        "projection",
        "parameter-shapes",
        {"model.py": [("nn.Embedding(config.block_size, C)", "nn.Embedding(32, C)")]},
    ),
    "other-default-size": (
        "projection",
        "config-defaults",
        {"model.py": [("    block_size: int = 32\n", "    block_size: int = 64\n")]},
    ),
    "other-initial-scale": (
        "projection",
        "same-init",
        {"model.py": [("        std = 0.02\n", "        std = 0.03\n")]},
    ),
    "biases-not-zeroed": (
        "projection",
        "same-init",
        {"model.py": [("                nn.init.zeros_(parameter)\n", "                pass\n")]},
    ),
    "built-in-another-order": (
        "projection",
        "same-init",
        {
            "model.py": [
                (BUILT, ""),
                (BLOCKS, BUILT + BLOCKS),
            ]
        },
    ),
    "constant-in-a-view": (
        "projection",
        "forward-runs",
        {"model.py": [(LOGITS, "        x = x.view(-1, T, 8)\n" + LOGITS)]},
    ),
    "last-position-only": ("projection", "forward-runs", returned("logits[:, -1]")),
    "float64-logits": ("projection", "forward-runs", returned("logits.double()")),
    "bfloat16-logits": ("projection", "forward-runs", returned("logits.bfloat16()")),
    "a-list": ("projection", "forward-runs", returned("logits.tolist()")),
    "a-tuple": ("projection", "forward-runs", returned("(logits, None)")),
    "a-subclass": ("projection", "forward-runs", returned('logits.as_subclass(type("T", (Tensor,), {}))')),
    "too-long-without-an-error": ("projection", "contract-errors", {"model.py": [(TOO_LONG, "        pass\n")]}),
    "too-long-as-an-assertion": (
        "projection",
        "contract-errors",
        {"model.py": [(TOO_LONG, "        assert length <= self.config.block_size\n")]},
    ),
    "heads-that-do-not-divide": ("projection", "contract-errors", {"model.py": [(HEADS, "")]}),
    "one-token-too-many-alone-is-an-error": (
        "projection",
        "contract-errors",
        {"model.py": [(LONGER, "        if length == self.config.block_size + 1:\n")]},
    ),
    "heads-that-leave-one-alone-are-an-error": (
        "projection",
        "contract-errors",
        {
            "model.py": [
                (
                    "        if config.d_model % config.n_head != 0:\n",
                    "        if config.d_model % config.n_head == 1:\n",
                )
            ]
        },
    ),
    "starts-otherwise-with-dropout": (
        "projection",
        "same-init",
        {"model.py": [("        std = 0.02\n", "        std = 0.03 if self.config.dropout else 0.02\n")]},
    ),
    "starts-otherwise-beyond-six-layers": (
        "projection",
        "same-init",
        {"model.py": [("math.sqrt(2 * self.config.n_layer)", "math.sqrt(2 * min(5, self.config.n_layer))")]},
    ),
}
