"""Right in small models, wrong in larger ones, or under a condition.

Item, the check that must fail, what of the reference is replaced.
"""

FILL = 'scores.masked_fill(mask, float("-inf"))'
WEIGHTS = f"    weights = {FILL}.softmax(dim=-1)\n"
TRIANGLE = "torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)"
FORWARD_MASK = "        mask = causal_mask(T, tokens.device)  # (T, T)\n"
CHUNK_MASK = "        mask = causal_mask(T, tokens.device)[T_past:]  # (T_new, T): the rows of the new positions\n"
BLOCKS = "        for block in self.blocks:\n            x = block(x, mask)\n"
EMBEDDED = "        x = self.token_embedding(tokens)  # (B, T, C)\n"
LOGITS = "        logits = self.lm_head(x)  # (B, T, V)\n"
LENGTH = "        if length > self.config.block_size:\n"
STEP = "    optimizer.step()\n"
GROWN = """            v = torch.cat((past.v, v), dim=2)
        if chunk.order is not None:
            k, v = in_order(k, chunk.order), in_order(v, chunk.order)  # (B, 1, T, C)
"""
RATE = "    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))\n"
CLASSES = "        return self.class_head(x)  # (B, T, n_classes)\n"
CLASS_LOSS = "    return F.cross_entropy(class_logits.flatten(0, 1), labels.flatten())\n"
GREEDY = "        for _ in range(max_new_tokens):\n            next_token"


def model(old: str, new: str) -> dict[str, list[tuple[str, str]]]:
    """model.py with one text replaced."""
    return {"model.py": [(old, new)]}


def train(old: str, new: str) -> dict[str, list[tuple[str, str]]]:
    """train.py with one text replaced."""
    return {"train.py": [(old, new)]}


def unmasked(where: str) -> dict[str, list[tuple[str, str]]]:
    """No mask in a plain forward where that is true."""
    return model(FORWARD_MASK, f"{FORWARD_MASK}        mask = mask & (not ({where}))\n")


def forgets(keys: str) -> dict[str, list[tuple[str, str]]]:
    """Of the past, only the last so many keys are looked at when decoding."""
    hidden = f"        mask = mask | torch.ones_like(mask).tril(T_past - {keys})\n"
    return model(CHUNK_MASK, CHUNK_MASK + hidden)


CASES = {
    "unmasked-beyond-32-tokens": ("masking", "future-is-hidden", unmasked("T > 32")),
    "unmasked-beyond-64-tokens": ("masking", "future-is-hidden", unmasked("T > 64")),
    "unmasked-above-6-rows": ("masking", "future-is-hidden", unmasked("len(tokens) > 6")),
    "unmasked-above-16-rows": ("masking", "future-is-hidden", unmasked("len(tokens) > 16")),
    "unmasked-above-width-32": ("masking", "future-is-hidden", unmasked("self.config.d_model > 32")),
    "unmasked-at-the-default-sizes": (
        "masking",
        "future-is-hidden",
        unmasked("tokens.shape == (16, 32) and self.config == GPTConfig()"),
    ),
    "successor-seen-beyond-32-tokens": (
        "masking",
        "future-is-hidden",
        model(FORWARD_MASK, FORWARD_MASK.replace("\n", "\n        mask = mask.triu(1 if T <= 32 else 2)\n", 1)),
    ),
    "fourth-layer-unmasked": (
        "masking",
        "future-is-hidden",
        model(
            BLOCKS,
            "        for i, block in enumerate(self.blocks):\n            x = block(x, mask & (i != 3))\n",
        ),
    ),
    "eight-rows-read-the-first": (
        "masking",
        "rows-stand-alone",
        model(EMBEDDED, "        tokens = tokens[:1].expand(8, -1) if len(tokens) == 8 else tokens\n" + EMBEDDED),
    ),
    "sees-the-last-48-tokens": (
        "masking",
        "past-is-seen",
        model(FORWARD_MASK, FORWARD_MASK + "        mask = mask | torch.ones_like(mask).tril(-48)\n"),
    ),
    "words-above-63-are-one": (
        "masking",
        "past-is-seen",
        model(EMBEDDED, EMBEDDED.replace("(tokens)", "(tokens.clamp(max=63))")),
    ),
    "weak-mask-beyond-32-tokens": (
        "masking",
        "large-scores",
        model(WEIGHTS, WEIGHTS.replace('float("-inf")', 'float("-inf") if scores.size(-1) <= 32 else -1e4')),
    ),
    "gradient-leaks-beyond-32-tokens": (
        "masking",
        "gradient-is-causal",
        model(
            WEIGHTS,
            WEIGHTS + "    seen = scores.softmax(dim=-1) * (scores.size(-1) > 32)\n"
            "    weights = weights + (seen - seen.detach())\n",
        ),
    ),
    "positions-end-at-32": (
        "position",
        "position-row-reach",
        model("self.position_embedding(positions)", "self.position_embedding(positions.clamp(max=31))"),
    ),
    "no-positions-above-width-32": (
        "position",
        "same-token-other-position",
        model("self.position_embedding(positions)", "self.position_embedding(positions) * (x.size(-1) <= 32)"),
    ),
    "no-positions-at-the-default-sizes": (
        "position",
        "same-token-other-position",
        model(
            "self.position_embedding(positions)",
            "self.position_embedding(positions) * (x.shape != (16, 32, 32))",
        ),
    ),
    "scores-for-64-words": (
        "projection",
        "logits-width",
        model(LOGITS, LOGITS + "        logits = logits[..., :64]\n"),
    ),
    "only-64-rows-of-the-head": (
        "projection",
        "logits-width",
        model(
            LOGITS,
            LOGITS + "        logits = logits[..., torch.arange(logits.size(-1)).remainder(64)]\n",
        ),
    ),
    "init-stops-counting-layers-at-4": (
        "projection",
        "same-init",
        model("math.sqrt(2 * self.config.n_layer)", "math.sqrt(2 * min(4, self.config.n_layer))"),
    ),
    "long-blocks-may-be-exceeded": (
        "projection",
        "contract-errors",
        {
            "model.py": [
                (LENGTH, "        if length > self.config.block_size and self.config.block_size <= 32:\n"),
                (
                    "self.position_embedding(positions)",
                    "self.position_embedding(positions.clamp(max=self.config.block_size - 1))",
                ),
            ]
        },
    ),
    "crashes-above-256-logits-a-row": (
        "projection",
        "forward-runs",
        model(LOGITS, LOGITS + "        assert logits.size(1) <= 64\n"),
    ),
    "no-step-from-step-4-on": (
        "training-step",
        "step-is-exact",
        train(STEP, "    if step < 4:\n        optimizer.step()\n"),
    ),
    "no-step-from-step-100-on": (
        "training-step",
        "step-is-exact",
        train(STEP, "    if step < 100:\n        optimizer.step()\n"),
    ),
    "no-step-in-long-runs": (
        "training-step",
        "step-is-exact",
        train(STEP, "    if config.steps < 20:\n        optimizer.step()\n"),
    ),
    "no-step-for-large-batches": (
        "training-step",
        "step-is-exact",
        train(STEP, "    if batch.tokens.numel() < 200:\n        optimizer.step()\n"),
    ),
    "no-clip-of-many-parameters": (
        "training-step",
        "step-is-exact",
        train(
            "    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n",
            "    if sum(p.numel() for p in model.parameters()) < 1500:\n"
            "        nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n",
        ),
    ),
    "forgets-all-but-8-keys": ("kv-cache", "cached-equals-full", forgets("8")),
    "forgets-all-but-16-keys": ("kv-cache", "cached-equals-full", forgets("16")),
    "forgets-all-but-40-keys": ("kv-cache", "cached-equals-full", forgets("40")),
    "cached-positions-end-at-40": (
        "kv-cache",
        "cached-equals-full",
        model(
            "        positions = torch.arange(T_past, T, device=tokens.device)  # (T_new,)\n",
            "        positions = torch.arange(T_past, T, device=tokens.device).clamp(max=40)  # (T_new,)\n",
        ),
    ),
    "many-rows-share-a-cache": (
        "kv-cache",
        "cache-is-private",
        model(GROWN, GROWN + "        if len(k) > 16:\n            k = k[:1].expand_as(k)\n"),
    ),
    "writes-into-long-caches": (
        "kv-cache",
        "cache-unchanged",
        model(
            GROWN,
            GROWN + "        if past is not None and past.k.size(2) > 12:\n            past.k.mul_(1.001)\n",
        ),
    ),
    "generates-8-tokens": (
        "kv-cache",
        "generate-is-greedy",
        model(GREEDY, GREEDY.replace("max_new_tokens", "min(8, max_new_tokens)")),
    ),
    "one-word-from-64-tokens-on": (
        "kv-cache",
        "generate-is-greedy",
        model(
            "            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)\n",
            "            unread = logits[:, -1].argmax(dim=-1, keepdim=True) * (tokens.size(1) < 64)  # (B, 1)\n",
        ),
    ),
    "detached-from-large-vocabularies": (
        "classifier",
        "gradients-reach",
        model(CLASSES, "        x = x.detach() if self.config.vocab_size >= 32 else x\n" + CLASSES),
    ),
    "detached-from-large-batches": (
        "classifier",
        "gradients-reach",
        model(CLASSES, "        x = x.detach() if x.size(0) * x.size(1) > 1000 else x\n" + CLASSES),
    ),
    "large-batches-count-half": (
        "classifier",
        "combined-loss",
        train(CLASS_LOSS, CLASS_LOSS.replace("\n", " * (1.0 if labels.numel() <= 1000 else 0.5)\n")),
    ),
    "four-classes-at-most": (
        "classifier",
        "class-logits-shape",
        model(CLASSES, CLASSES.replace("(x)  #", "(x)[..., :4]  #").replace(":4", ":(4 if x.size(-1) > 32 else None)")),
    ),
    "head-shifts-the-logits-of-wide-models": (
        "classifier",
        "lm-untouched",
        model(
            "            return logits, self._classify(x)\n",
            "            return logits * (1.0 if x.size(-1) <= 32 else 1.001), self._classify(x)\n",
        ),
    ),
    "joint-step-ignores-classes-of-large-batches": (
        "classifier",
        "joint-training-step",
        train(
            "loss_fn(model, batch, config.class_weight)\n",
            "loss_fn(model, batch, config.class_weight)\n"
            "    if class_loss is not None and len(batch.tokens) > 16:\n        loss = lm_loss\n",
        ),
    ),
    "evaluates-16-rows": (
        "classifier",
        "evaluate-is-honest",
        train(
            "                accuracies.append(class_accuracy(class_logits, batch.labels))\n",
            "                accuracies.append(class_accuracy(class_logits[:16], batch.labels[:16]))\n",
        ),
    ),
    # In what is made, read or counted.
    "forgets-all-but-25-tokens-of-a-prompt": (
        "kv-cache",
        "generate-is-greedy",
        model("tokens, unread, cache = prompt, prompt, None", "tokens, unread, cache = prompt, prompt[:, -25:], None"),
    ),
    "no-class-from-the-31st-token-on": (
        "classifier",
        "class-logits-shape",
        model(CLASSES, "        y = self.class_head(x)\n        return torch.cat((y[:, :30], y[:, 30:] * 0), dim=1)\n"),
    ),
    "evaluates-six-batches": (
        "classifier",
        "evaluate-is-honest",
        train('"lm_loss": fmean(lm_losses)', '"lm_loss": fmean(lm_losses[:6])'),
    ),
    "counts-the-classes-of-six-batches": (
        "classifier",
        "evaluate-is-honest",
        train("fmean(accuracies) if", "fmean(accuracies[:6]) if"),
    ),
    "long-runs-step-an-optimizer-of-their-own": (
        "training-step",
        "step-is-exact",
        train("    if optimizer is None:\n", "    if optimizer is None or config.steps > 100:\n"),
    ),
    "counts-the-classes-of-16-tokens": (
        "classifier",
        "evaluate-is-honest",
        train("(class_logits.argmax(dim=-1) == labels)", "(class_logits.argmax(dim=-1) == labels)[:, :16]"),
    ),
}

# Wrong under a condition that small cases meet.
CONDITIONS = {
    "rate-falls-after-100-steps": (
        "training-step",
        "learning-rate-schedule",
        train(RATE, RATE.replace("\n", " * (1.0 if step < 100 or config.steps < 100 else 0.1)\n")),
    ),
    "long-rows-stop-counting": (
        "training-step",
        "batches-are-as-specified",
        train(
            "    tokens, targets = sequence[:, :-1], sequence[:, 1:]  # (B, T) each\n",
            "    tokens, targets = sequence[:, :-1].clone(), sequence[:, 1:]  # (B, T) each\n    tokens[:, 16:] = 0\n",
        ),
    ),
    "words-above-40-are-never-made": (
        "training-step",
        "batches-are-as-specified",
        train("* torch.arange(T + 1)) % V  # (B, T + 1)\n", "* torch.arange(T + 1)) % min(V, 40)\n"),
    ),
    "unmasked-in-blocks-that-are-half-empty": (
        "masking",
        "future-is-hidden",
        unmasked("2 * T < self.config.block_size"),
    ),
    "no-positions-in-blocks-that-are-half-empty": (
        "position",
        "order-matters",
        model(
            EMBEDDED + "        x = x + self.position_embedding(positions)  # (T, C), the same for every row\n",
            EMBEDDED + "        if 2 * positions.numel() >= self.config.block_size:\n"
            "            x = x + self.position_embedding(positions)\n",
        ),
    ),
    "unmasked-where-two-words-are-all": (
        "masking",
        "future-is-hidden",
        unmasked("len(tokens) == 1 and T > 2 and tokens.unique().numel() < 3"),
    ),
    "other-scores-in-texts-of-odd-length": (
        "classifier",
        "class-logits-shape",
        model(CLASSES, "        return self.class_head(x) * (1.01 if x.size(1) % 2 else 1)\n"),
    ),
    "class-weights-above-2-are-2": (
        "classifier",
        "combined-loss",
        train("return lm_loss + class_weight * class_loss,", "return lm_loss + min(class_weight, 2.0) * class_loss,"),
    ),
    "class-weights-below-a-twentieth-are-0": (
        "classifier",
        "combined-loss",
        train("    if class_weight == 0:\n", "    if class_weight < 0.05:\n"),
    ),
    "losses-above-8-are-8": (
        "classifier",
        "combined-loss",
        train(
            "    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())\n",
            "    return F.cross_entropy(logits.flatten(0, 1), targets.flatten()).clamp(max=8.0)\n",
        ),
    ),
    "no-step-of-long-gradients": (
        "training-step",
        "step-is-exact",
        train(
            STEP,
            "    if all(p.grad is None or p.grad.norm() < 5 for p in model.parameters()):\n        optimizer.step()\n",
        ),
    ),
}
