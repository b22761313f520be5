"""Wrong training loops: item, the check that must fail, and what of the reference is replaced."""

CLEAR = "    optimizer.zero_grad()\n"
BACKWARD = "    loss.backward()\n"
STEP = "    optimizer.step()\n"
CLIP = "    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n"
SET_RATE = 'group["lr"] = learning_rate(step, config)'
RATE = "    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))\n"
PARAMETERS = "    parameters = list(model.parameters())\n    groups = ["
IMPORTS = "import random\n"


def train(*pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Replacements in train.py."""
    return {"train.py": list(pairs)}


CASES = {
    "optimizer-over-a-copy": (
        "training-step",
        "parameters-move",
        train(
            (IMPORTS, "import copy\n" + IMPORTS),
            (PARAMETERS, "    parameters = list(copy.deepcopy(model).parameters())\n    groups = ["),
        ),
    ),
    "optimizer-over-matrices-alone": (
        "training-step",
        "parameters-move",
        train((PARAMETERS, "    parameters = [p for p in model.parameters() if p.dim() >= 2]\n    groups = [")),
    ),
    "stepped-before-the-backward-pass": (
        "training-step",
        "parameters-move",
        train((STEP, ""), (BACKWARD, STEP + BACKWARD)),
    ),
    "cleared-before-the-step": ("training-step", "parameters-move", train((STEP, CLEAR + STEP))),
    "parameters-put-back": (
        "training-step",
        "parameters-move",
        train(
            (
                STEP,
                "    kept = [p.detach().clone() for p in model.parameters()]\n"
                + STEP
                + "    for p, k in zip(model.parameters(), kept):\n        p.data.copy_(k)\n",
            )
        ),
    ),
    "stepped-twice": ("training-step", "step-is-exact", train((STEP, STEP + STEP))),
    "stepped-every-other-batch": (
        "training-step",
        "step-is-exact",
        train((STEP, "    if step % 2 == 0:\n        optimizer.step()\n")),
    ),
    "never-cleared": ("training-step", "step-is-exact", train((CLEAR, ""))),
    "cleared-every-other-batch": (
        "training-step",
        "step-is-exact",
        train((CLEAR, "    if step % 2 == 0:\n        optimizer.zero_grad()\n")),
    ),
    "clipped-before-the-backward-pass": (
        "training-step",
        "step-is-exact",
        train((CLIP, ""), (BACKWARD, CLIP + BACKWARD)),
    ),
    "clipped-after-the-step": ("training-step", "step-is-exact", train((CLIP, ""), (STEP, STEP + CLIP))),
    "never-clipped": ("training-step", "step-is-exact", train((CLIP, ""))),
    "clipped-by-value": ("training-step", "step-is-exact", train((CLIP, CLIP.replace("grad_norm_", "grad_value_")))),
    "rate-one-step-ahead": (
        "training-step",
        "step-is-exact",
        train((SET_RATE, SET_RATE.replace("(step", "(step + 1"))),
    ),
    "rate-set-after-the-step": (
        "training-step",
        "step-is-exact",
        train(
            (f"    for group in optimizer.param_groups:\n        {SET_RATE}\n", ""),
            (STEP, f"{STEP}    for group in optimizer.param_groups:\n        {SET_RATE}\n"),
        ),
    ),
    "first-rate-is-zero": (
        "training-step",
        "step-is-exact",
        train((RATE, "    return config.lr * min(1.0, step / max(1, config.warmup))\n")),
    ),
    "last-batch-skipped": (
        "training-step",
        "train-uses-every-batch",
        train(("islice(batches, config.steps)", "islice(batches, config.steps - 1)")),
    ),
    "always-step-zero": (
        "training-step",
        "train-uses-every-batch",
        train(
            (
                "train_step(model, optimizer, batch, config, step) for",
                "train_step(model, optimizer, batch, config, 0) for",
            )
        ),
    ),
    "first-batch-again-and-again": (
        "training-step",
        "train-uses-every-batch",
        train(("enumerate(islice(batches, config.steps))", "enumerate([next(iter(batches))] * config.steps)")),
    ),
    "unseeded-noise": (
        "training-step",
        "training-repeats",
        train((STEP, "    for p in model.parameters():\n        p.grad.mul_(1 + 1e-3 * random.random())\n" + STEP)),
    ),
    "remembers-between-runs": (
        "training-step",
        "training-repeats",
        train(
            ("MAX_STRIDE = 4\n", "MAX_STRIDE = 4\nSEEN = []\n"),
            (BACKWARD, "    SEEN.append(step)\n    loss = loss * (1 + 1e-3 * len(SEEN))\n" + BACKWARD),
        ),
    ),
    "rate-falls-after-a-while": (
        "training-step",
        "learning-rate-schedule",
        train(
            (
                RATE,
                RATE.replace("return ", "rate = ") + "    return rate if step < 6 else rate / 10\n",
            )
        ),
    ),
    "labels-modulo-three": (
        "training-step",
        "batches-are-as-specified",
        train(("labels=tokens % 2", "labels=tokens % 3")),
    ),
    "targets-not-shifted": (
        "training-step",
        "batches-are-as-specified",
        train(("sequence[:, :-1], sequence[:, 1:]", "sequence[:, :-1], sequence[:, :-1]")),
    ),
    "no-batches-of-its-own": (
        "training-step",
        "train-uses-every-batch",
        train(("    if batches is None:\n", "    if batches is None:\n        return []\n    if batches is None:\n")),
    ),
    "optimizer-of-its-own": (
        "training-step",
        "step-is-exact",
        train(("    if optimizer is None:\n", "    if True:\n")),
    ),
}
