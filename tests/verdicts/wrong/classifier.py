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
LOGITS = "        logits = self.lm_head(x)  # (B, T, V)\n        if classify:\n"
STEP_LOSS = "    loss, lm_loss, class_loss = loss_fn(model, batch, config.class_weight)\n"
MODE = "    model.train()\n"
ADAMW = "    return AdamW(groups, lr=config.lr)\n"
CLEAR = "    optimizer.zero_grad()\n"
LABELLED = "                accuracies.append(class_accuracy(class_logits, batch.labels))\n"
PICK = "            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)\n"
REPORT = '    return {"lm_loss": fmean(lm_losses), "class_accuracy": fmean(accuracies) if accuracies else None}\n'


def score(expression: str) -> dict[str, list[tuple[str, str]]]:
    """The head answers something else."""
    return {"model.py": [(SCORE, f"        return {expression}\n")]}


def classified(expression: str, scores: str = "self._classify(x)") -> dict[str, list[tuple[str, str]]]:
    """Logits and class scores are something else where classes are asked for."""
    return {"model.py": [(CLASSIFIED, f"            return {expression}, {scores}\n")]}


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
    "logits-detached-beside-class-scores": ("classifier", "joint-gradients", classified("logits.detach()")),
    "lm-gradient-doubled-beside-class-scores": (
        "classifier",
        "joint-gradients",
        classified("2 * logits - logits.detach()"),
    ),
    "lm-gradient-doubled-beside-class-scores-with-dropout": (
        "classifier",
        "joint-gradients",
        {
            "model.py": [
                (
                    LOGITS,
                    LOGITS.replace(
                        "        if classify:\n",
                        "        if classify and self.config.dropout > 0 and logits.requires_grad:\n"
                        "            logits.register_hook(lambda gradient: 2 * gradient)\n        if classify:\n",
                    ),
                )
            ]
        },
    ),
    "half-the-class-gradient-in-training-mode": (
        "classifier",
        "joint-gradients",
        score("self.class_head((x + x.detach()) / 2 if self.training else x)"),
    ),
    "lm-loss-detached-in-the-total-of-deep-models": (
        "classifier",
        "joint-gradients",
        train(TOTAL, "    if model.config.n_layer > 1:\n        lm_loss = lm_loss.detach()\n" + TOTAL),
    ),
    "class-weights-capped": (
        "classifier",
        "joint-gradients",
        train(TOTAL, TOTAL.replace("class_weight * class_loss", "min(class_weight, 40.0) * class_loss")),
    ),
    "class-weights-of-next-to-nothing-left-out": (
        "classifier",
        "joint-gradients",
        train("    if class_weight == 0:\n", "    if class_weight < 4e-4:\n"),
    ),
    "class-weight-one-as-a-mean": (
        "classifier",
        "joint-gradients",
        train(
            TOTAL, "    if class_weight == 1:\n        return (lm_loss + class_loss) / 2, lm_loss, class_loss\n" + TOTAL
        ),
    ),
    "class-weight-rounded-by-the-step": (
        "classifier",
        "joint-run",
        train(STEP_LOSS, STEP_LOSS.replace("config.class_weight", "round(config.class_weight, 3)")),
    ),
    "class-weight-halved-by-the-loop": (
        "classifier",
        "joint-run",
        train(
            MODE,
            MODE + "    from dataclasses import replace\n"
            "    config = replace(config, class_weight=config.class_weight / 2)\n",
        ),
    ),
    "training-ends-with-classes": (
        "classifier",
        "joint-run",
        train(MODE, MODE + "    if config.class_weight:\n        return []\n"),
    ),
    "labels-made-anew-by-the-step": (
        "classifier",
        "joint-run",
        train(STEP_LOSS, "    batch = batch._replace(labels=batch.tokens % 2)\n" + STEP_LOSS),
    ),
    "labels-viewed": (
        "classifier",
        "joint-run",
        train(CLASS_LOSS, CLASS_LOSS.replace("labels.flatten()", "labels.view(-1)")),
    ),
    "step-draws-with-classes": (
        "classifier",
        "joint-run",
        train(CLEAR, CLEAR + "    if config.class_weight > 0:\n        torch.rand(())\n"),
    ),
    "step-writes-labels": (
        "classifier",
        "joint-run",
        train(
            "    optimizer.step()\n",
            "    optimizer.step()\n    if class_loss is not None:\n        batch.labels.zero_()\n",
        ),
    ),
    "another-optimizer-with-classes": (
        "classifier",
        "joint-run",
        train(ADAMW, ADAMW.replace("config.lr)", "config.lr, amsgrad=config.class_weight > 0)")),
    ),
    "head-draws-in-training-mode": (
        "classifier",
        "classify-leaves-no-trace",
        score("self.class_head(x + 0 * torch.rand(()) if self.training else x)"),
    ),
    "modes-set-by-the-head": (
        "classifier",
        "classify-leaves-no-trace",
        {"model.py": [(CLASSIFIED, "            self.train(self.training)\n" + CLASSIFIED)]},
    ),
    "dropped-once-more-before-both-heads": (
        "classifier",
        "classify-leaves-no-trace",
        {"model.py": [(LOGITS, "        if classify:\n            x = self.dropout(x)\n" + LOGITS)]},
    ),
    "scores-halved-after-many-calls": (
        "classifier",
        "classify-leaves-no-trace",
        {
            "model.py": [
                (
                    SCORE,
                    '        self.calls = getattr(self, "calls", 0) + 1\n'
                    "        return self.class_head(x) * (1 if self.calls < 60 else 0.5)\n",
                )
            ]
        },
    ),
    "head-in-another-order-with-dropout": (
        "classifier",
        "class-scores-share-the-stream",
        score("self.class_head(x.flip(1) if self.config.dropout > 0 else x)"),
    ),
    "head-in-another-order-in-training-mode-with-dropout": (
        "classifier",
        "class-scores-share-the-stream",
        score("self.class_head(x.flip(1) if self.training and self.config.dropout > 0.1 else x)"),
    ),
    "many-classes-share-scores": (
        "classifier",
        "class-logits-shape",
        score("self.class_head(x)[..., torch.arange(self.config.n_classes) % 3]"),
    ),
    "in-another-order-where-there-are-many-rows": (
        "classifier",
        "class-logits-shape",
        score("self.class_head(x.flip(1) if len(x) > 16 else x)"),
    ),
    "started-otherwise-with-a-head-and-dropout": (
        "classifier",
        "lm-untouched",
        {
            "model.py": [
                (
                    "        std = 0.02\n",
                    "        std = 0.03 if self.config.n_classes and self.config.dropout else 0.02\n",
                )
            ]
        },
    ),
    "generated-otherwise-with-a-head": (
        "classifier",
        "lm-untouched",
        {
            "model.py": [
                (PICK, PICK.replace("logits[:, -1]", "(logits[:, -1] * (-1 if self.config.n_classes > 0 else 1))"))
            ]
        },
    ),
    "evaluate-writes-labels": (
        "classifier",
        "evaluate-leaves-no-trace",
        train(LABELLED, LABELLED + "                batch.labels.zero_()\n"),
    ),
    "half-the-gradient": ("classifier", "gradients-reach", score("self.class_head((x + x.detach()) / 2)")),
}
