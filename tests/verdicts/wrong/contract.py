"""What breaks a promise of the contract and computes the right thing all the same: item, check, what is replaced."""

from collections.abc import Mapping

# Of train.py.
TORCH = "from torch.optim import AdamW, Optimizer\n"
CONFIG = "@dataclass(frozen=True)\nclass TrainConfig:"
START = "torch.randint(V, (B, 1), generator=generator)"
STRIDE = "torch.randint(1, MAX_STRIDE + 1, (B, 1), generator=generator)"
GENERATOR = "        generator = torch.Generator().manual_seed(config.seed)\n"
OWN = "        batches = (make_batch(config, generator) for _ in range(config.steps))\n"
SEEDS_PYTHON = "    random.seed(seed)\n"
SEEDS_TORCH = "    torch.manual_seed(seed)\n"
DECAYED = 'if p.dim() >= 2], "weight_decay": config.weight_decay}'
SPARED = 'if p.dim() < 2], "weight_decay": 0.0}'
CLEAR = "    optimizer.zero_grad()\n"
CLIP = "    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n"
STEP = "    optimizer.step()\n"
RATE = '    for group in optimizer.param_groups:\n        group["lr"] = learning_rate(step, config)\n'
RECORD = """    return {
        "loss": loss.item(),
        "lm_loss": lm_loss.item(),
        "class_loss": None if class_loss is None else class_loss.item(),
    }
"""
MODE = "    model.train()\n"
TRAIN = """    return [
        train_step(model, optimizer, batch, config, step) for step, batch in enumerate(islice(batches, config.steps))
    ]
"""
NO_GRAD = "@torch.no_grad()\ndef evaluate"
EVAL_MODE = "    model.eval()\n"
MODES = "    modes = [(module, module.training) for module in model.modules()]\n"
RESTORE = "        for module, training in modes:\n            module.training = training\n"
LISTS = "    lm_losses, accuracies = [], []\n"
SEEN = "            lm_losses.append(language_model_loss(logits, batch.targets).item())\n"
EVALUATED = """\
        for batch in batches:
            if model.config.n_classes > 0:
                logits, class_logits = model(batch.tokens, classify=True)
                accuracies.append(class_accuracy(class_logits, batch.labels))
            else:
                logits = model(batch.tokens)
            lm_losses.append(language_model_loss(logits, batch.targets).item())
"""
PUT_BACK = f"    except Exception:\n{RESTORE}        raise\n" + RESTORE.replace("    ", "", 1).replace(
    "            module", "        module"
)
REPORT = '    return {"lm_loss": fmean(lm_losses), "class_accuracy": fmean(accuracies) if accuracies else None}\n'

LOSS = "    loss, lm_loss, class_loss = loss_fn(model, batch, config.class_weight)\n"
MAKES = "    if optimizer is None:\n        optimizer = make_optimizer(model, config)\n"
KEPT_OPTIMIZER = 'model.__dict__.setdefault("_optimizer", make_optimizer(model, config))'
PARAMETERS = "    parameters = list(model.parameters())\n"
GROUPS = "    groups = ["
NAMED = f"""\
{PARAMETERS}    spared = {{id(p) for name, p in model.named_parameters() if name.endswith(("bias", "norm.weight"))}}
"""

# Of model.py.
FUNCTIONAL = "from torch.nn import functional as F\n"
KEPT = "        self.config = config\n        C, V"
MASK = "        mask = causal_mask(T, tokens.device)  # (T, T)\n"
LOGITS = "        logits = self.lm_head(x)  # (B, T, V)\n        if classify:"
CACHED_LOGITS = "        return logits, KVCache(tuple(layers))\n"
GENERATE = "    @torch.no_grad()\n    def generate"
GUARD = "        self._check_length(prompt.size(1) + max_new_tokens)\n"
PLAIN = "        tokens = prompt\n        for _ in range(max_new_tokens):\n"
PLAIN_END = """            next_token = self(tokens)[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, next_token), dim=1)  # (B, T + 1)
        return tokens
"""
CACHED = "        tokens, unread, cache = prompt, prompt, None\n        for _ in range(max_new_tokens):\n"
CACHED_END = """            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, unread), dim=1)  # (B, T + 1)
        return tokens
"""

Case = tuple[str, str, Mapping[str, list[tuple[str, str]]]]


def step(check: str, *pairs: tuple[str, str]) -> Case:
    """A wrong train.py, for the training step to answer for."""
    return "training-step", check, {"train.py": list(pairs)}


def evaluation(*pairs: tuple[str, str]) -> Case:
    """A wrong evaluation, for the classifier to answer for."""
    return "classifier", "evaluate-leaves-no-trace", {"train.py": list(pairs)}


def forward(*pairs: tuple[str, str]) -> Case:
    """A wrong forward pass."""
    return "projection", "forward-leaves-no-trace", {"model.py": list(pairs)}


def generation(*pairs: tuple[str, str]) -> Case:
    """A wrong generation."""
    return "kv-cache", "generate-leaves-no-trace", {"model.py": list(pairs)}


def default(name: str, right: str, wrong: str) -> Case:
    """Another default of TrainConfig."""
    return step("train-config-defaults", (f"    {name} = {right}", f"    {name} = {wrong}"))


def each_step(before: str, after: str = "") -> tuple[str, str]:
    """``train`` as a loop, with more to do in it or after it."""
    return TRAIN, f"    history = []\n    for step, batch in {before}{after}    return history\n"


def wrapped(lines: str) -> str:
    """Lines one level further in."""
    return "".join(f"    {line}\n" for line in lines.splitlines())


ANY = "steps-follow-any-settings"
GIVEN = "given-optimizer-is-kept"
OWN_BATCHES = "own-batches-follow-the-seed"
TAKES = "train-takes-its-batches"
LOSSES = "losses-are-numbers"
STEP_TRACE = "step-leaves-no-trace"
STEPPED = "        history.append(train_step(model, optimizer, batch, config, step))\n"

CASES: dict[str, Case] = {
    # Batches.
    "no-row-starts-at-the-last-token": step("batches-are-as-specified", (START, START.replace("V,", "V - 1,"))),
    "largest-stride-is-never-drawn": step("batches-are-as-specified", (STRIDE, STRIDE.replace("STRIDE + 1", "STRIDE"))),
    "some-rows-stand-still": step("batches-are-as-specified", (STRIDE, STRIDE.replace("(1,", "(0,"))),
    "one-stride-for-all-rows": step("batches-are-as-specified", (STRIDE, STRIDE.replace("(B, 1)", "(1, 1)"))),
    "all-rows-start-at-zero": step("batches-are-as-specified", (START, f"{START} * 0")),
    "rows-count-down": step("batches-are-as-specified", (STRIDE, f"-{STRIDE}")),
    "own-batches-from-the-next-seed": step(OWN_BATCHES, (GENERATOR, GENERATOR.replace("seed)", "seed + 1)"))),
    "own-batches-from-no-seed": step(OWN_BATCHES, (GENERATOR, "        generator = torch.Generator()\n")),
    "own-batches-from-the-global-stream": step(
        OWN_BATCHES, (GENERATOR, "        generator = torch.default_generator\n")
    ),
    "own-batches-are-one": step(
        OWN_BATCHES, (OWN, "        batches = [make_batch(config, generator)] * config.steps\n")
    ),
    "own-batches-by-turns": step(
        OWN_BATCHES, (OWN, "        batches = [make_batch(config, generator) for _ in range(2)] * config.steps\n")
    ),
    "own-batches-begin-with-the-second": step(
        OWN_BATCHES, (OWN, OWN.replace("        batches", "        make_batch(config, generator)\n        batches"))
    ),
    "own-batches-seeded-one-by-one": step(
        OWN_BATCHES,
        (
            OWN,
            "        seeds = range(config.seed, config.seed + config.steps)\n"
            "        batches = (make_batch(config, generator.manual_seed(seed)) for seed in seeds)\n",
        ),
    ),
    # Seeds and defaults.
    "python-never-seeded": step("seed-decides", (SEEDS_PYTHON, "")),
    "torch-never-seeded": step("seed-decides", (SEEDS_TORCH, "")),
    "torch-seeded-by-the-next-seed": step("seed-decides", (SEEDS_TORCH, SEEDS_TORCH.replace("seed)", "seed + 1)"))),
    "python-seeded-with-zero": step("seed-decides", (SEEDS_PYTHON, "    random.seed(0)\n")),
    "python-seeded-by-three-digits": step("seed-decides", (SEEDS_PYTHON, "    random.seed(seed % 1000)\n")),
    "python-seeded-from-torch": step(
        "seed-decides", (SEEDS_PYTHON + SEEDS_TORCH, SEEDS_TORCH + "    random.seed(torch.initial_seed() + 1)\n")
    ),
    "default-vocabulary": default("vocab_size: int", "16", "32"),
    "default-length": default("seq_len: int", "16", "32"),
    "default-batch": default("batch_size: int", "16", "8"),
    "default-steps": default("steps: int", "200", "20"),
    "default-rate-a-tenth": default("lr: float", "3e-3", "3e-4"),
    "default-decay": default("weight_decay: float", "0.1", "0.01"),
    "default-clip-a-tenth": default("grad_clip: float", "1.0", "0.1"),
    "default-warm-up": default("warmup: int", "10", "0"),
    "default-class-weight": default("class_weight: float", "0.0", "0.1"),
    "default-seed": default("seed: int", "0\n\n\ndef", "1337\n\n\ndef"),
    "settings-without-a-default": step(
        "train-config-defaults",
        (CONFIG, CONFIG.replace("True", "True, kw_only=True")),
        ("steps: int = 200", "steps: int"),
    ),
    # The loop.
    "one-batch-too-many-is-taken": step(
        TAKES,
        each_step(f"enumerate(batches):\n        if step == config.steps:\n            break\n{STEPPED}"),
    ),
    "all-batches-are-taken": step(TAKES, each_step(f"enumerate(list(batches)[: config.steps]):\n{STEPPED}")),
    "steps-are-ignored": step(TAKES, (TRAIN, TRAIN.replace("islice(batches, config.steps)", "batches"))),
    "batches-begin-again": step(
        TAKES,
        ("from itertools import islice\n", "from itertools import cycle, islice\n"),
        (TRAIN, TRAIN.replace("islice(batches", "islice(cycle(batches)")),
    ),
    "batches-are-counted-first": step(
        TAKES,
        (
            MODE,
            "    batches = batches if isinstance(batches, list) else list(islice(batches, config.steps + 1))\n" + MODE,
        ),
    ),
    "mode-as-it-comes": step("train-in-training-mode", (MODE, "")),
    "mode-of-the-root-alone": step("train-in-training-mode", (MODE, "    model.training = True\n")),
    "ends-in-eval-mode": step(
        "train-in-training-mode",
        each_step(f"enumerate(islice(batches, config.steps)):\n{STEPPED}", "    model.eval()\n"),
    ),
    "eval-mode-from-the-second-step": step(
        "train-in-training-mode",
        each_step(f"enumerate(islice(batches, config.steps)):\n{STEPPED}        model.eval()\n"),
    ),
    # The step.
    "losses-keep-their-graph": step(LOSSES, (RECORD, RECORD.replace(".item()", ""))),
    "losses-are-detached-tensors": step(LOSSES, (RECORD, RECORD.replace(".item()", ".detach()"))),
    "one-loss-keeps-its-graph": step(LOSSES, (RECORD, RECORD.replace("lm_loss.item()", "lm_loss"))),
    "classes-count-by-default": (
        "classifier",
        "combined-loss",
        {"train.py": [("class_weight: float = 0.0) -> tuple", "class_weight: float = 1.0) -> tuple")]},
    ),
    "losses-are-rounded": step(
        LOSSES, (RECORD, RECORD.replace('"loss": loss.item()', '"loss": round(loss.item(), 3)'))
    ),
    "losses-are-added-up": step(
        LOSSES,
        each_step(
            f"enumerate(islice(batches, config.steps)):\n{STEPPED}",
            "    for before, record in zip(history, history[1:]):\n"
            '        record["loss"] = 0.9 * before["loss"] + 0.1 * record["loss"]\n',
        ),
    ),
    "losses-from-after-the-update": step(
        LOSSES, (STEP, STEP + "    loss, lm_loss, class_loss = loss_fn(model, batch, config.class_weight)\n")
    ),
    "class-loss-of-zero": step(
        LOSSES,
        (
            RECORD,
            RECORD.replace(
                "None if class_loss is None else class_loss.item()", "0.0 if class_loss is None else class_loss.item()"
            ),
        ),
    ),
    "class-loss-left-out-at-weight-zero": step(
        LOSSES,
        (
            RECORD,
            '    losses = {"loss": loss.item(), "lm_loss": lm_loss.item()}\n'
            '    return losses if class_loss is None else losses | {"class_loss": class_loss.item()}\n',
        ),
    ),
    "step-draws-from-torch": step(STEP_TRACE, (CLEAR, CLEAR + "    torch.rand(())\n")),
    "step-draws-from-python": step(STEP_TRACE, (CLEAR, CLEAR + "    random.random()\n")),
    "step-seeds-torch": step(STEP_TRACE, (CLEAR, CLEAR + "    torch.manual_seed(config.seed + step)\n")),
    "train-seeds-torch": step(
        STEP_TRACE, ("    model.train()\n", "    torch.manual_seed(config.seed)\n    model.train()\n")
    ),
    "step-seeds-everything": step(STEP_TRACE, (CLEAR, CLEAR + "    seed_everything(config.seed)\n")),
    "step-empties-its-batch": step(STEP_TRACE, (STEP, STEP + "    batch.tokens.zero_()\n")),
    "step-writes-into-its-targets": step(STEP_TRACE, (STEP, STEP + "    batch.targets.add_(1)\n")),
    "float64-at-the-import-of-train": step(STEP_TRACE, (TORCH, TORCH + "\ntorch.set_default_dtype(torch.float64)\n")),
    "adam-without-decay-of-its-own": step(
        "decay-spares-vectors",
        (TORCH, TORCH.replace("AdamW", "Adam")),
        ("AdamW(groups", "Adam(groups"),
    ),
    "everything-decays": step("decay-spares-vectors", (SPARED, SPARED.replace("0.0", "config.weight_decay"))),
    "nothing-decays": step("decay-spares-vectors", (DECAYED, DECAYED.replace("config.weight_decay", "0.0"))),
    "rate-of-the-first-group-alone": step(
        "step-is-exact", (RATE, '    optimizer.param_groups[0]["lr"] = learning_rate(step, config)\n')
    ),
    "rate-falls-from-group-to-group": step(
        "step-is-exact",
        (
            RATE,
            RATE.replace("for group in", "for i, group in enumerate(")
            .replace("_groups:", "_groups):")
            .replace("config)", "config) * 0.9**i"),
        ),
    ),
    "clip-of-the-first-group-alone": step(
        "step-is-exact", (CLIP, CLIP.replace("model.parameters()", 'optimizer.param_groups[0]["params"]'))
    ),
    "clip-group-by-group": step(
        "step-is-exact",
        (
            CLIP,
            "    for group in optimizer.param_groups:\n"
            '        nn.utils.clip_grad_norm_(group["params"], config.grad_clip)\n',
        ),
    ),
    "optimizer-at-no-rate": step("learning-rate-schedule", ("AdamW(groups, lr=config.lr)", "AdamW(groups)")),
    "optimizer-at-ten-times-the-rate": step(
        "learning-rate-schedule", ("AdamW(groups, lr=config.lr)", "AdamW(groups, lr=10 * config.lr)")
    ),
    # Settings and sizes of any order.
    "clip-of-zero-is-none": step(ANY, (CLIP, f"    if config.grad_clip > 0:\n    {CLIP}")),
    "clip-in-whole-numbers-is-none": step(ANY, (CLIP, f"    if isinstance(config.grad_clip, float):\n    {CLIP}")),
    "clip-at-a-hundredth-at-least": step(ANY, (CLIP, CLIP.replace("config.grad_clip", "max(config.grad_clip, 0.01)"))),
    "step-at-a-third-at-most": step(
        ANY, (RATE, RATE.replace("learning_rate(step, config)", "min(0.3, learning_rate(step, config))"))
    ),
    "tall-batches-make-no-step": step(ANY, (STEP, "    if len(batch.tokens) < 32:\n        optimizer.step()\n")),
    "rows-from-33-on-are-left-out": step(ANY, (LOSS, "    batch = Batch(*(part[:32] for part in batch))\n" + LOSS)),
    "rate-of-zero-is-the-default": step(
        "learning-rate-schedule", ("return config.lr * min(", "return (config.lr or 3e-3) * min(")
    ),
    "warm-up-of-150-steps-at-most": step(
        "learning-rate-schedule", ("max(1, config.warmup)", "max(1, min(config.warmup, 150))")
    ),
    "rate-falls-after-2500-steps": step(
        "learning-rate-schedule",
        ("max(1, config.warmup))\n", "max(1, config.warmup)) * (1.0 if step < 2500 else 0.1)\n"),
    ),
    "decay-to-one-place": step(
        "decay-spares-vectors", (DECAYED, DECAYED.replace("config.weight_decay", "round(config.weight_decay, 1)"))
    ),
    "decay-of-two-at-most": step(
        "decay-spares-vectors", (DECAYED, DECAYED.replace("config.weight_decay", "min(config.weight_decay, 2.0)"))
    ),
    "vectors-by-their-names": step(
        "decay-spares-vectors",
        (PARAMETERS + GROUPS, NAMED + GROUPS),
        (DECAYED, DECAYED.replace("if p.dim() >= 2", "if id(p) not in spared")),
        (SPARED, SPARED.replace("if p.dim() < 2", "if id(p) in spared")),
    ),
    "parameters-of-known-layers-alone": step(
        "parameters-move",
        (
            PARAMETERS + GROUPS,
            "    kinds = nn.Linear | nn.Embedding | nn.LayerNorm\n"
            "    layers = (m for m in model.modules() if isinstance(m, kinds))\n"
            "    parameters = [p for m in layers for p in m.parameters(recurse=False)]\n" + GROUPS,
        ),
    ),
    "torch-seeded-without-the-sign": step("seed-decides", (SEEDS_TORCH, SEEDS_TORCH.replace("(seed)", "(abs(seed))"))),
    "python-seeded-in-31-bits": step("seed-decides", (SEEDS_PYTHON, SEEDS_PYTHON.replace("(seed)", "(seed % 2**31)"))),
    "own-batches-seeded-in-31-bits": step(OWN_BATCHES, (GENERATOR, GENERATOR.replace("seed)", "seed % 2**31)"))),
    "strides-below-the-vocabulary": step(
        "batches-are-as-specified", (STRIDE, STRIDE.replace("MAX_STRIDE + 1", "min(MAX_STRIDE, V - 1) + 1"))
    ),
    "rows-in-sixteen-bits": step(
        "batches-are-as-specified", ("torch.arange(T + 1)) % V", "torch.arange(T + 1)).short().long() % V")
    ),
    "tall-batches-backwards": step(
        "batches-are-as-specified",
        (
            "  # (B, T + 1)\n    tokens",
            "  # (B, T + 1)\n    sequence = sequence.flip(0) if B % 32 == 0 else sequence\n    tokens",
        ),
    ),
    # A run, and the next one.
    "no-batches-are-batches-of-its-own": step(TAKES, ("    if batches is None:\n", "    if not batches:\n")),
    "one-step-at-least": step(
        TAKES,
        each_step(f"enumerate(batches):\n{STEPPED}        if step + 1 >= config.steps:\n            break\n"),
    ),
    "mode-of-the-root-decides": step(
        "train-in-training-mode", (MODE, "    if not model.training:\n        model.train()\n")
    ),
    "optimizer-kept-for-the-next-run": step(
        "train-uses-every-batch",
        (MAKES, MAKES.replace("make_optimizer(model, config)", KEPT_OPTIMIZER)),
    ),
    "steps-counted-on-in-the-next-run": step(
        "train-uses-every-batch",
        (
            TRAIN,
            '    first = model.__dict__.get("_trained", 0)\n    model.__dict__["_trained"] = first + config.steps\n'
            + TRAIN.replace("config, step)", "config, first + step)"),
        ),
    ),
    "history-of-the-last-250": step("long-runs-go-on", (TRAIN, TRAIN.replace("\n    ]\n", "\n    ][-250:]\n"))),
    "250-steps-at-most": step("long-runs-go-on", (TRAIN, TRAIN.replace("config.steps", "min(config.steps, 250)"))),
    "draws-every-fifty-steps": step(
        "long-runs-go-on", (CLEAR, CLEAR + "    if step % 50 == 49:\n        torch.rand(())\n")
    ),
    "eval-mode-from-step-fifty": step(
        "long-runs-go-on",
        each_step(
            f"enumerate(islice(batches, config.steps)):\n        model.train(step < 50)\n{STEPPED}",
            "    model.train()\n",
        ),
    ),
    # What a run is given.
    "given-optimizer-forgets": step(GIVEN, (MAKES, MAKES + "    optimizer.state.clear()\n")),
    "given-adamw-made-anew": step(
        GIVEN, (MAKES, MAKES.replace("is None:", "is None or isinstance(optimizer, AdamW):"))
    ),
    "momentum-forgotten-at-each-step": step(
        GIVEN, (STEP, STEP + "    if not isinstance(optimizer, AdamW):\n        optimizer.state.clear()\n")
    ),
    "decay-written-into-what-is-given": step(
        GIVEN, (CLEAR, CLEAR + '    optimizer.param_groups[0]["weight_decay"] = config.weight_decay\n')
    ),
    "everything-is-trained": step(STEP_TRACE, (MODE, MODE + "    model.requires_grad_(True)\n")),
    "anomalies-looked-for-ever-after": step(
        STEP_TRACE, (CLEAR, "    torch.autograd.set_detect_anomaly(True)\n" + CLEAR)
    ),
    "denormals-flushed-ever-after": step(STEP_TRACE, (CLEAR, "    torch.set_flush_denormal(True)\n" + CLEAR)),
    "deterministic-ever-after": step(STEP_TRACE, (CLEAR, "    torch.use_deterministic_algorithms(True)\n" + CLEAR)),
    # The classifier.
    "one-class-is-none": (
        "classifier",
        "class-logits-shape",
        {"model.py": [("if config.n_classes > 0", "if config.n_classes > 1")]},
    ),
    "one-class-is-not-evaluated": (
        "classifier",
        "evaluate-is-honest",
        {"train.py": [("model.config.n_classes > 0", "model.config.n_classes > 1")]},
    ),
    # The evaluation.
    "evaluates-with-dropout": evaluation((EVAL_MODE, "")),
    "evaluates-the-root-alone-in-eval-mode": evaluation((EVAL_MODE, "    model.training = False\n")),
    "mean-over-tokens": evaluation(
        (SEEN, SEEN.replace("append(", "extend([").replace(".item())", ".item()] * batch.tokens.numel())")),
    ),
    "mean-over-rows": evaluation(
        (SEEN, SEEN.replace("append(", "extend([").replace(".item())", ".item()] * batch.tokens.size(0))")),
    ),
    "accuracy-over-tokens": evaluation(
        (
            "accuracies.append(class_accuracy(class_logits, batch.labels))",
            "accuracies.extend([class_accuracy(class_logits, batch.labels)] * batch.labels.numel())",
        ),
    ),
    "all-tokens-at-once": evaluation(
        (LISTS, LISTS + "    batches = [Batch(*map(torch.cat, zip(*batches, strict=True)))]\n")
    ),
    "last-batch-left-out": evaluation((LISTS, LISTS + "    batches = list(batches)[:-1]\n")),
    "smaller-batches-left-out": evaluation(
        (
            LISTS,
            LISTS + "    first, *others = batches\n"
            "    batches = [first, *(batch for batch in others if len(batch.tokens) == len(first.tokens))]\n",
        )
    ),
    "one-mode-for-all": evaluation(
        (MODES, "    was_training = model.training\n"), (RESTORE, "        model.train(was_training)\n")
    ),
    "mode-of-the-root-put-back-alone": evaluation(
        (MODES, "    was_training = model.training\n"), (RESTORE, "        model.training = was_training\n")
    ),
    "modes-of-the-children-put-back": evaluation(
        (MODES, MODES.replace("model.modules()", "[model, *model.children()]"))
    ),
    "mode-lost-when-a-batch-raises": evaluation(
        (
            "    try:\n" + EVALUATED + "    finally:\n" + RESTORE,
            "".join(line.removeprefix("    ") for line in (EVALUATED + RESTORE).splitlines(keepends=True)),
        )
    ),
    "batches-are-read-twice": evaluation(
        (LISTS, LISTS + "    count = sum(1 for _ in batches)\n"),
        (REPORT, REPORT.replace("fmean(lm_losses)", "sum(lm_losses) / count")),
    ),
    "batches-need-a-length": evaluation((LISTS, LISTS + "    assert len(batches) > 0\n")),
    "evaluates-with-gradients-on": evaluation((NO_GRAD, "def evaluate")),
    "evaluate-seeds-torch": evaluation((LISTS, LISTS + "    torch.manual_seed(0)\n")),
    "evaluate-seeds-python": evaluation((LISTS, LISTS + "    random.seed(0)\n")),
    "evaluate-writes-into-its-batches": evaluation((SEEN, SEEN + "            batch.targets.fill_(0)\n")),
    "lm-loss-is-a-tensor": evaluation((REPORT, REPORT.replace("fmean(lm_losses)", "torch.tensor(fmean(lm_losses))"))),
    "lm-loss-is-the-total": (
        "classifier",
        "joint-training-step",
        {"train.py": [(RECORD, RECORD.replace("lm_loss.item()", "loss.item()"))]},
    ),
    "class-loss-keeps-its-graph": (
        "classifier",
        "joint-training-step",
        {"train.py": [(RECORD, RECORD.replace("class_loss.item()", "class_loss"))]},
    ),
    "evaluates-32-batches-at-most": evaluation((EVALUATED, EVALUATED.replace("in batches", "in islice(batches, 32)"))),
    "evaluates-32-rows-at-most": evaluation(
        (EVALUATED, EVALUATED.replace("in batches", "in (Batch(*(part[:32] for part in b)) for b in batches)"))
    ),
    "loss-of-fifty-at-most": evaluation((SEEN, SEEN.replace(".item())", ".clamp(max=50.0).item())"))),
    "losses-looked-up": evaluation(
        (
            SEEN,
            '            memo = model.__dict__.setdefault("_memo", {})\n'
            "            loss = language_model_loss(logits, batch.targets).item()\n"
            "            lm_losses.append(memo.setdefault(batch.tokens.numpy().tobytes(), loss))\n",
        )
    ),
    "modes-put-back-after-value-errors-alone": evaluation(
        ("    finally:\n" + RESTORE, PUT_BACK.replace("Exception", "ValueError"))
    ),
    "modes-left-when-interrupted": evaluation(("    finally:\n" + RESTORE, PUT_BACK)),
    "gradients-on-in-the-end": evaluation(
        (NO_GRAD, "def evaluate"),
        (EVAL_MODE, EVAL_MODE + "    torch.set_grad_enabled(False)\n"),
        (RESTORE, RESTORE + "        torch.set_grad_enabled(True)\n"),
    ),
    "everything-is-trainable-in-the-end": evaluation(
        (EVAL_MODE, EVAL_MODE + "    model.requires_grad_(False)\n"),
        (RESTORE, RESTORE + "        model.requires_grad_(True)\n"),
    ),
    "one-thread-ever-after": evaluation((EVAL_MODE, EVAL_MODE + "    torch.set_num_threads(1)\n")),
    # The forward pass.
    "forward-seeds-torch": forward((MASK, MASK + "        torch.manual_seed(0)\n")),
    "forward-seeds-torch-in-training": forward(
        (MASK, MASK + "        if self.training:\n            torch.manual_seed(0)\n")
    ),
    "forward-seeds-torch-where-it-drops": forward(
        (MASK, MASK + "        if self.training and self.config.dropout > 0:\n            torch.manual_seed(0)\n")
    ),
    "forward-draws-from-torch": forward((MASK, MASK + "        torch.rand(())\n")),
    "forward-draws-from-torch-in-training": forward(
        (MASK, MASK + "        if self.training:\n            torch.rand(())\n")
    ),
    "forward-draws-from-python": forward(
        (FUNCTIONAL, FUNCTIONAL + "import random\n"), (MASK, MASK + "        random.random()\n")
    ),
    "forward-ends-in-eval-mode": forward((LOGITS, "        self.eval()\n" + LOGITS)),
    "forward-ends-in-training-mode": forward((LOGITS, "        self.train()\n" + LOGITS)),
    "forward-clears-gradients": forward((LOGITS, "        self.zero_grad()\n" + LOGITS)),
    "float64-at-the-import-of-model": forward((FUNCTIONAL, FUNCTIONAL + "\ntorch.set_default_dtype(torch.float64)\n")),
    # Generation.
    "generate-ends-in-eval-mode": generation((GUARD, GUARD + "        self.eval()\n")),
    "generate-ends-in-training-mode": generation(
        (CACHED_END, CACHED_END.replace("        return", "        self.train()\n        return"))
    ),
    "generate-puts-the-mode-of-the-root-back": generation(
        (CACHED, "        was_training = self.training\n        self.eval()\n" + CACHED),
        (CACHED_END, CACHED_END.replace("        return", "        self.train(was_training)\n        return")),
    ),
    "generate-writes-into-its-prompt": generation(
        (CACHED_END, CACHED_END.replace("        return", "        prompt[:, 0] = tokens[:, -1]\n        return"))
    ),
    "generate-writes-into-its-prompt-without-a-cache": generation(
        (PLAIN_END, PLAIN_END.replace("        return", "        prompt[:, 0] = tokens[:, -1]\n        return"))
    ),
    "generate-builds-a-graph": generation((GENERATE, "    def generate")),
    "generate-builds-a-graph-with-the-cache": generation((CACHED, "        torch.set_grad_enabled(True)\n" + CACHED)),
    "generate-seeds-torch": generation((GUARD, GUARD + "        torch.manual_seed(0)\n")),
    "generate-draws-from-torch": generation(
        (CACHED_END, CACHED_END.replace("logits[:, -1]", "(logits[:, -1] + 0 * torch.rand(()))"))
    ),
    "generate-clears-gradients": generation((GUARD, GUARD + "        self.zero_grad()\n")),
    "generate-stops-after-eight": generation((CACHED, CACHED.replace("max_new_tokens)", "min(max_new_tokens, 8))"))),
    "generate-stops-after-eight-without-a-cache": generation(
        (PLAIN, PLAIN.replace("max_new_tokens)", "min(max_new_tokens, 8))"))
    ),
    "generate-adds-one-at-least": generation((GUARD, GUARD + "        max_new_tokens = max(1, max_new_tokens)\n")),
    "generate-refuses-to-add-none": generation((GUARD, GUARD + "        assert max_new_tokens > 0\n")),
    "generate-starts-before-it-refuses": generation(
        (GUARD, ""),
        (PLAIN, PLAIN + "            self._check_length(tokens.size(1) + 1)\n"),
        (CACHED, CACHED + "            self._check_length(tokens.size(1) + 1)\n"),
    ),
    "cached-pass-seeds-torch": generation((CACHED_LOGITS, "        torch.manual_seed(0)\n" + CACHED_LOGITS)),
    "cached-pass-writes-into-its-tokens": generation((CACHED_LOGITS, "        tokens[:, 0] = 0\n" + CACHED_LOGITS)),
    "cached-pass-ends-in-eval-mode": generation((CACHED_LOGITS, "        self.eval()\n" + CACHED_LOGITS)),
}

# These make other items' functions fail too, which call a model, or are given the batch afterwards.
WIDER: dict[str, Case] = {
    "no-gradients-after-the-import-of-train": step(STEP_TRACE, (TORCH, TORCH + "\ntorch.set_grad_enabled(False)\n")),
    "forward-writes-into-its-tokens": forward((LOGITS, "        tokens[:, 0] = 0\n" + LOGITS)),
    "forward-moves-parameters": forward(
        (
            LOGITS,
            LOGITS.replace(
                "        if classify",
                "        with torch.no_grad():\n            self.lm_head.weight.mul_(1.0001)\n        if classify",
            ),
        )
    ),
    "forward-turns-gradients-off": forward((LOGITS, "        torch.set_grad_enabled(False)\n" + LOGITS)),
    "no-gradients-after-the-import-of-model": forward((FUNCTIONAL, FUNCTIONAL + "\ntorch.set_grad_enabled(False)\n")),
    "float64-once-a-model-is-made": forward((KEPT, "        torch.set_default_dtype(torch.float64)\n" + KEPT)),
    "configuration-kept-in-part": forward(
        (KEPT, "        self.config = GPTConfig(**{**vars(config), 'd_model': 32})\n        C, V")
    ),
}
