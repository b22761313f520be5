"""Wrong under a condition that is no size: item, the check that must fail, what of the reference is replaced."""

FORWARD_MASK = "        mask = causal_mask(T, tokens.device)  # (T, T)\n"
EMBEDDED = "        x = self.token_embedding(tokens)  # (B, T, C)\n"
CLASSES = "        return self.class_head(x)  # (B, T, n_classes)\n"
STEP = "    optimizer.step()\n"


def model(old: str, new: str) -> dict[str, list[tuple[str, str]]]:
    """model.py with one text replaced."""
    return {"model.py": [(old, new)]}


def train(old: str, new: str) -> dict[str, list[tuple[str, str]]]:
    """train.py with one text replaced."""
    return {"train.py": [(old, new)]}


def unmasked(where: str) -> dict[str, list[tuple[str, str]]]:
    """No mask in a plain forward where that is true."""
    return model(FORWARD_MASK, f"{FORWARD_MASK}        mask = mask & (not ({where}))\n")


CASES = {
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
