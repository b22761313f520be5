"""Wrong masks: item, the check that must fail, and what of the reference is replaced."""

FILL = 'scores.masked_fill(mask, float("-inf"))'
WEIGHTS = f"    weights = {FILL}.softmax(dim=-1)\n"
TRIANGLE = "torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)"

OF_THE_FORWARD = "        mask = causal_mask(T, tokens.device)  # (T, T)\n"
HIDES_LESS = "        if self.training and self.config.dropout > 0 and T > 8:\n            mask = mask & False\n"


def mask(expression: str) -> dict[str, list[tuple[str, str]]]:
    """Another matrix."""
    return {"model.py": [(TRIANGLE, expression)]}


def weights(body: str) -> dict[str, list[tuple[str, str]]]:
    """Another way from scores to weights."""
    return {"model.py": [(WEIGHTS, body)]}


CASES = {
    "hides-nothing-of-a-longer-text-where-there-is-dropout": (
        "masking",
        "future-is-hidden",
        {"model.py": [(OF_THE_FORWARD, OF_THE_FORWARD + HIDES_LESS)]},
    ),
    "hides-the-present": ("masking", "logits-are-finite", mask(TRIANGLE.replace("diagonal=1", "diagonal=0"))),
    "hides-all-but-two": ("masking", "past-is-seen", mask(f"({TRIANGLE} | {TRIANGLE}.T.tril(diagonal=-2))")),
    "hides-the-first-token": (
        "masking",
        "past-is-seen",
        mask(f"{TRIANGLE}.index_put((torch.arange(1, T), torch.tensor(0)), torch.tensor(True))"),
    ),
    "hides-nothing": ("masking", "future-is-hidden", mask(f"({TRIANGLE} & False)")),
    "flipped": ("masking", "future-is-hidden", mask(TRIANGLE.replace("triu(diagonal=1)", "tril(diagonal=-1)"))),
    "lets-three-ahead-through": ("masking", "future-is-hidden", mask(TRIANGLE.replace("=1", "=3"))),
    "after-the-softmax": (
        "masking",
        "future-is-hidden",
        weights("    weights = scores.softmax(dim=-1).masked_fill(mask, 0.0)\n"),
    ),
    "after-the-softmax-and-normalised-again": (
        "masking",
        "large-scores",
        weights(
            "    weights = scores.softmax(dim=-1).masked_fill(mask, 0.0)\n"
            "    weights = weights / weights.sum(dim=-1, keepdim=True)\n"
        ),
    ),
    "softmax-over-the-queries": (
        "masking",
        "future-is-hidden",
        weights(f"    weights = {FILL}.softmax(dim=-2)\n"),
    ),
    "a-number-that-large-scores-drown": (
        "masking",
        "large-scores",
        weights("    weights = scores.masked_fill(mask, -1e4).softmax(dim=-1)\n"),
    ),
    "added-number-that-large-scores-drown": (
        "masking",
        "large-scores",
        weights("    weights = (scores - 1e4 * mask).softmax(dim=-1)\n"),
    ),
    "a-sigmoid-in-place-of-the-softmax": (
        "masking",
        "attention-alone",
        weights(
            "    weights = scores.sigmoid().masked_fill(mask, 0.0)\n"
            "    weights = weights / weights.sum(dim=-1, keepdim=True)\n"
        ),
    ),
    "scores-of-distance-alone": (
        "masking",
        "attention-alone",
        weights(
            "    ahead = torch.arange(k.size(-2)) - torch.arange(k.size(-2))[-q.size(-2) :, None]\n"
            "    faded = (ahead.to(v.dtype) + 1e-3 * scores).masked_fill(mask, float('-inf'))\n"
            "    weights = faded.softmax(dim=-1)\n"
        ),
    ),
    "gradient-of-another-mask": (
        "masking",
        "gradient-is-causal",
        weights(
            WEIGHTS + "    seen = scores.softmax(dim=-1)\n    weights = weights.detach() + (seen - seen.detach())\n"
        ),
    ),
}
