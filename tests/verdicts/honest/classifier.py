"""Correct ways to build the classifier, its loss and the evaluation otherwise."""

BUILD = """\
        with torch.random.fork_rng(devices=[]):  # what is drawn here must not shift what the caller draws next
            head = nn.Linear(self.config.d_model, self.config.n_classes)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        return head
"""
BUILT_LAST = "        self.class_head = self._build_classifier() if config.n_classes > 0 else None\n"
TABLES = "        C, V = config.d_model, config.vocab_size\n"
WALK = "        for name, parameter in self.named_parameters():\n"
CLASS_LOSS = "    return F.cross_entropy(class_logits.flatten(0, 1), labels.flatten())\n"
ACCURACY = "    return (class_logits.argmax(dim=-1) == labels).double().mean().item()\n"
NO_GRAD = "@torch.no_grad()\ndef evaluate"
EVALUATE_LOOP = """            if model.config.n_classes > 0:
                logits, class_logits = model(batch.tokens, classify=True)
                accuracies.append(class_accuracy(class_logits, batch.labels))
            else:
                logits = model(batch.tokens)
            lm_losses.append(language_model_loss(logits, batch.targets).item())
"""
FIRST = [
    (TABLES, TABLES + BUILT_LAST),
    ("        self._init_weights()\n" + BUILT_LAST, "        self._init_weights()\n"),
    (WALK, WALK + '            if name.startswith("class_head"):\n                continue\n'),
]

READS_THE_STREAM = [
    ("        x = self.ln_f(x)\n", "        stream, x = x, self.ln_f(x)\n"),
    ("            return logits, self._classify(x)\n", "            return logits, self._classify(stream)\n"),
]

SAME_BITS = {
    "head-built-first-in-a-forked-generator": {"model.py": FIRST},
    "head-built-first-with-a-generator-of-its-own": {
        "model.py": [
            *FIRST,
            (
                BUILD,
                """        head = nn.utils.skip_init(nn.Linear, self.config.d_model, self.config.n_classes)
        generator = torch.Generator().manual_seed(7)
        head.weight.data.normal_(std=0.02, generator=generator)
        head.bias.data.zero_()
        return head
""",
            ),
        ]
    },
    "head-built-last-without-a-fork": {
        "model.py": [(BUILD, "        return nn.Linear(self.config.d_model, self.config.n_classes)\n")]
    },
    "head-with-the-random-state-put-back": {
        "model.py": [
            (
                BUILD,
                """        state = torch.get_rng_state()
        head = nn.Linear(self.config.d_model, self.config.n_classes)
        torch.set_rng_state(state)
        return head
""",
            )
        ]
    },
    "head-of-zeros": {
        "model.py": [
            (
                BUILD,
                "        head = nn.Linear(self.config.d_model, self.config.n_classes)\n"
                "        nn.init.zeros_(head.weight)\n        nn.init.zeros_(head.bias)\n        return head\n",
            )
        ]
    },
    "head-of-two-layers": {
        "model.py": [
            (
                BUILD,
                "        C, N = self.config.d_model, self.config.n_classes\n"
                "        return nn.Sequential(nn.Linear(C, C), nn.GELU(), nn.Linear(C, N))\n",
            )
        ]
    },
    "head-behind-a-norm-of-its-own": {
        "model.py": [
            (
                BUILD,
                "        C, N = self.config.d_model, self.config.n_classes\n"
                "        with torch.random.fork_rng(devices=[]):\n"
                "            return nn.Sequential(nn.LayerNorm(C), nn.Linear(C, N))\n",
            )
        ]
    },
    "head-behind-dropout": {
        "model.py": [
            (
                BUILD,
                "        C, N = self.config.d_model, self.config.n_classes\n"
                "        with torch.random.fork_rng(devices=[]):\n"
                "            return nn.Sequential(nn.Dropout(self.config.dropout), nn.Linear(C, N))\n",
            )
        ]
    },
    "mask-kept-in-a-buffer": {
        "model.py": [
            (
                BUILT_LAST,
                BUILT_LAST
                + '        self.register_buffer("mask", causal_mask(config.block_size, torch.device("cpu")))\n',
            ),
            (
                "        mask = causal_mask(T, tokens.device)  # (T, T)\n",
                "        mask = self.mask[:T, :T]\n",
            ),
        ]
    },
    "head-without-bias-under-another-name": {
        "model.py": [
            (
                BUILT_LAST,
                "        if config.n_classes > 0:\n"
                "            self.parity = nn.Linear(C, config.n_classes, bias=False)\n",
            ),
            ("        if self.class_head is None:\n", "        if self.config.n_classes == 0:\n"),
            ("        return self.class_head(x)  # (B, T, n_classes)\n", "        return self.parity(x)\n"),
        ]
    },
    "class-loss-by-hand": {
        "train.py": [
            (
                CLASS_LOSS,
                "    log_p = class_logits.log_softmax(dim=-1)\n"
                "    return -log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1).mean()\n",
            )
        ]
    },
    "class-loss-with-classes-on-the-second-axis": {
        "train.py": [(CLASS_LOSS, "    return F.cross_entropy(class_logits.transpose(1, 2), labels)\n")]
    },
    "accuracy-in-float32": {
        "train.py": [(ACCURACY, "    return float((class_logits.max(-1).indices == labels).float().mean())\n")]
    },
    "accuracy-by-counting": {
        "train.py": [
            (
                ACCURACY,
                "    right = int((torch.softmax(class_logits, -1).argmax(-1) == labels).sum())\n"
                "    return right / labels.numel()\n",
            )
        ]
    },
    "evaluate-in-inference-mode": {"train.py": [(NO_GRAD, "@torch.inference_mode()\ndef evaluate")]},
    "evaluate-with-no-grad-around-the-loop": {
        "train.py": [
            (NO_GRAD, "def evaluate"),
            (
                EVALUATE_LOOP,
                "            with torch.no_grad():\n" + "".join(f"    {line}\n" for line in EVALUATE_LOOP.splitlines()),
            ),
        ]
    },
    "total-by-weighted-parts": {
        "train.py": [
            (
                "    return lm_loss + class_weight * class_loss, lm_loss, class_loss\n",
                "    total = torch.stack((lm_loss, class_weight * class_loss)).sum()\n"
                "    return total, lm_loss, class_loss\n",
            )
        ]
    },
}

# Where the head reads the stream, and through what, is its own affair.
SAME_BITS |= {
    "head-before-the-last-norm": {"model.py": READS_THE_STREAM},
    "head-of-two-layers-behind-a-norm-of-its-own-before-the-last": {
        "model.py": [
            *READS_THE_STREAM,
            (
                BUILD,
                "        C, N = self.config.d_model, self.config.n_classes\n"
                "        with torch.random.fork_rng(devices=[]):\n"
                "            return nn.Sequential(nn.LayerNorm(C), nn.Linear(C, C), nn.ReLU(), nn.Linear(C, N))\n",
            ),
        ]
    },
    "head-of-two-rectified-layers": {
        "model.py": [
            (
                BUILD,
                "        C, N = self.config.d_model, self.config.n_classes\n"
                "        with torch.random.fork_rng(devices=[]):\n"
                "            return nn.Sequential(nn.Linear(C, C), nn.ReLU(), nn.Linear(C, N))\n",
            )
        ]
    },
}

OTHER_BITS: dict[str, object] = {}
