"""Wrong positions: item, the check that must fail, and what of the reference is replaced."""

ADD = "x = x + self.position_embedding(positions)"


def add(expression: str) -> dict[str, list[tuple[str, str]]]:
    """Another line where positions are added."""
    return {"model.py": [(ADD, expression)]}


CASES = {
    "never-added": ("position", "same-token-other-position", add("pass")),
    "counted-along-the-batch": (
        "position",
        "same-token-other-position",
        add("x = x + self.position_embedding(torch.arange(x.size(0)) % self.config.block_size)[:, None]"),
    ),
    "always-the-first": (
        "position",
        "same-token-other-position",
        add("x = x + self.position_embedding(positions * 0)"),
    ),
    "looked-up-by-token": (
        "position",
        "same-token-other-position",
        add("x = x + self.position_embedding(tokens % self.config.block_size)"),
    ),
    "mean-of-all": (
        "position",
        "same-token-other-position",
        add("x = x + self.position_embedding(positions).mean(dim=0)"),
    ),
    "backwards": ("position", "position-row-reach", add("x = x + self.position_embedding(positions.flip(0))")),
    "backwards-from-the-block": (
        "position",
        "position-row-reach",
        add("x = x + self.position_embedding(self.config.block_size - 1 - positions)"),
    ),
    "from-one": (
        "position",
        "position-row-reach",
        add("x = x + self.position_embedding((positions + 1).clamp(max=self.config.block_size - 1))"),
    ),
    "summed-over-time": (
        "position",
        "position-row-reach",
        add("x = x + self.position_embedding(positions).flip(0).cumsum(0).flip(0)"),
    ),
    "added-to-the-logits-alone": (
        "position",
        "order-matters",
        {
            "model.py": [
                (ADD, "pass"),
                (
                    "        logits = self.lm_head(x)  # (B, T, V)\n",
                    "        logits = self.lm_head(x + self.position_embedding.weight[:T])\n",
                ),
            ]
        },
    ),
    "multiplied": ("position", "positions-are-added", add("x = x * (1 + self.position_embedding(positions))")),
    "added-twice": ("position", "positions-are-added", add("x = x + 2 * self.position_embedding(positions)")),
    "added-to-every-other-token-the-same": (
        "position",
        "order-matters",
        add("x = x + self.position_embedding(positions * (positions == positions[-1]))"),
    ),
}
