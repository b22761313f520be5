"""Wrong classifiers, losses and evaluations: item, the check that must fail, and what is replaced."""

BUILD = """\
        with torch.random.fork_rng(devices=[]):  # what is drawn here must not shift what the caller draws next
            head = nn.Linear(self.config.d_model, self.config.n_classes)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        return head
"""
PLAIN_HEAD = "        return nn.Linear(self.config.d_model, self.config.n_classes)\n"
BUILT_LAST = "        self.class_head = self._build_classifier() if config.n_classes > 0 else None\n"
INIT = "        self._init_weights()\n"
SCORE = "        return self.class_head(x)  # (B, T, n_classes)\n"
CLASSIFIED = "            return logits, self._classify(x)\n"
NO_HEAD = """        if self.class_head is None:
            raise ValueError(f"classify=True needs a classifier head, but n_classes={self.config.n_classes!r}")
"""
CLASS_LOSS = "    return F.cross_entropy(class_logits.flatten(0, 1), labels.flatten())\n"
TOTAL = "    return lm_loss + class_weight * class_loss, lm_loss, class_loss\n"
ALONE = "        return lm_loss, lm_loss, None\n"
ACCURACY = "    return (class_logits.argmax(dim=-1) == labels).double().mean().item()\n"
RESTORE = "            module.training = training\n"
NO_GRAD = "@torch.no_grad()\ndef evaluate"
REPORT = '    return {"lm_loss": fmean(lm_losses), "class_accuracy": fmean(accuracies) if accuracies else None}\n'


def score(expression: str) -> dict[str, list[tuple[str, str]]]:
    """The head answers something else."""
    return {"model.py": [(SCORE, f"        return {expression}\n")]}


def train(old: str, new: str) -> dict[str, list[tuple[str, str]]]:
    """One replacement in train.py."""
    return {"train.py": [(old, new)]}


CASES = {
    "head-disturbs-the-initial-weights": (
        "classifier",
        "lm-untouched",
        {"model.py": [(BUILD, PLAIN_HEAD), (INIT + BUILT_LAST, BUILT_LAST + INIT)]},
    ),
    "head-is-no-parameter": (
        "classifier",
        "lm-untouched",
        {"model.py": [(BUILD, "        return lambda x: x[..., : self.config.n_classes]\n")]},
    ),
    "trunk-is-another-with-the-head": (
        "classifier",
        "lm-untouched",
        {
            "model.py": [
                (
                    CLASSIFIED,
                    "            return logits + self._classify(x).mean(-1, keepdim=True), self._classify(x)\n",
                )
            ]
        },
    ),
    "pooled-over-time": ("classifier", "class-logits-shape", score("self.class_head(x.mean(dim=1))")),
    "last-token-only": ("classifier", "class-logits-shape", score("self.class_head(x[:, -1:])")),
    "one-class-too-many": (
        "classifier",
        "class-logits-shape",
        {
            "model.py": [
                (
                    "nn.Linear(self.config.d_model, self.config.n_classes)",
                    "nn.Linear(self.config.d_model, self.config.n_classes + 1)",
                )
            ]
        },
    ),
    "no-head-no-error": (
        "classifier",
        "class-logits-shape",
        {"model.py": [(NO_HEAD + SCORE, "        if self.class_head is None:\n            return None\n" + SCORE)]},
    ),
    "pooled-and-spread-out-again": (
        "classifier",
        "learns-parity",
        score("self.class_head(x.mean(dim=1, keepdim=True).expand_as(x))"),
    ),
    "sees-the-token-before": ("classifier", "learns-parity", score("self.class_head(x.roll(1, dims=1))")),
    "constant-class": (
        "classifier",
        "learns-parity",
        score("self.class_head(x) * 1e-9 + torch.eye(self.config.n_classes)[0]"),
    ),
    "parity-written-down": (
        "classifier",
        "learns-any-map",
        {
            "model.py": [
                (
                    CLASSIFIED,
                    "            known = F.one_hot(tokens % 2, self.config.n_classes)\n"
                    "            return logits, self._classify(x) * 1e-3 + known\n",
                ),
            ]
        },
    ),
    "parity-written-down-and-nothing-learnt": (
        "classifier",
        "learns-any-map",
        {
            "model.py": [
                (
                    CLASSIFIED,
                    "            return logits, 0 * self._classify(x) + F.one_hot(tokens % 2, self.config.n_classes)\n",
                ),
            ]
        },
    ),
    "room-for-two-classes": (
        "classifier",
        "learns-any-map",
        score("self.class_head(x) - 1e9 * (torch.arange(self.config.n_classes) > 1)"),
    ),
    "trunk-detached": ("classifier", "gradients-reach", score("self.class_head(x.detach())")),
    "head-on-the-embedding": (
        "classifier",
        "gradients-reach",
        {"model.py": [(CLASSIFIED, "            return logits, self._classify(self.token_embedding(tokens))\n")]},
    ),
    "head-without-a-gradient": (
        "classifier",
        "gradients-reach",
        score("F.linear(x, self.class_head.weight.detach(), self.class_head.bias.detach())"),
    ),
    "class-weight-ignored": ("classifier", "combined-loss", train(TOTAL, TOTAL.replace("class_weight * ", ""))),
    "class-weight-on-both": (
        "classifier",
        "combined-loss",
        train(TOTAL, TOTAL.replace("lm_loss + class_weight * class_loss", "class_weight * (lm_loss + class_loss)")),
    ),
    "class-loss-left-out": (
        "classifier",
        "combined-loss",
        train(TOTAL, TOTAL.replace("lm_loss + class_weight * class_loss", "lm_loss")),
    ),
    "class-loss-summed": (
        "classifier",
        "combined-loss",
        train(CLASS_LOSS, CLASS_LOSS.replace("flatten())", 'flatten(), reduction="sum")')),
    ),
    "softmax-over-time": (
        "classifier",
        "combined-loss",
        train(CLASS_LOSS, "    return -class_logits.log_softmax(dim=1).gather(-1, labels.unsqueeze(-1)).mean()\n"),
    ),
    "softmax-before-the-cross-entropy": (
        "classifier",
        "combined-loss",
        train(CLASS_LOSS, CLASS_LOSS.replace("class_logits", "class_logits.softmax(dim=-1)")),
    ),
    "a-class-loss-at-weight-zero": (
        "classifier",
        "combined-loss",
        train(ALONE, "        return lm_loss, lm_loss, lm_loss\n"),
    ),
    "evaluate-stays-in-eval-mode": ("classifier", "evaluate-is-honest", train(RESTORE, "            pass\n")),
    "evaluate-always-ends-in-training-mode": (
        "classifier",
        "evaluate-is-honest",
        train(RESTORE, "            module.training = True\n"),
    ),
    "evaluate-clears-gradients": (
        "classifier",
        "evaluate-is-honest",
        train(REPORT, "    model.zero_grad()\n" + REPORT),
    ),
    "evaluate-adds-gradients": (
        "classifier",
        "evaluate-is-honest",
        {
            "train.py": [
                (NO_GRAD, "def evaluate"),
                (
                    "            lm_losses.append(language_model_loss(logits, batch.targets).item())\n",
                    "            loss = language_model_loss(logits, batch.targets)\n            loss.backward()\n"
                    "            lm_losses.append(loss.item())\n",
                ),
            ]
        },
    ),
    "evaluate-draws-random-numbers": (
        "classifier",
        "evaluate-is-honest",
        train(REPORT, "    torch.rand(1)\n" + REPORT),
    ),
    "evaluate-changes-parameters": (
        "classifier",
        "evaluate-is-honest",
        train(REPORT, "    next(model.parameters()).mul_(1.001)\n" + REPORT),
    ),
    "accuracy-over-the-wrong-axis": (
        "classifier",
        "evaluate-is-honest",
        train(ACCURACY, "    return (class_logits.argmax(dim=1)[:, :1] == labels).double().mean().item()\n"),
    ),
    "accuracy-of-whole-rows": (
        "classifier",
        "evaluate-is-honest",
        train(ACCURACY, "    return (class_logits.argmax(dim=-1) == labels).all(dim=-1).double().mean().item()\n"),
    ),
    "accuracy-always-perfect": ("classifier", "evaluate-is-honest", train(ACCURACY, "    return 1.0\n")),
    "loss-of-the-last-batch": (
        "classifier",
        "evaluate-is-honest",
        train(REPORT, REPORT.replace("fmean(lm_losses)", "lm_losses[-1]")),
    ),
    "class-weight-not-passed-on": (
        "classifier",
        "joint-training-step",
        train("loss_fn(model, batch, config.class_weight)", "loss_fn(model, batch, 0.0)"),
    ),
    "class-loss-not-reported": (
        "classifier",
        "joint-training-step",
        train("None if class_loss is None else class_loss.item()", "None"),
    ),
    "half-the-gradient": ("classifier", "gradients-reach", score("self.class_head((x + x.detach()) / 2)")),
}
