"""evaluate() takes any batches once, means over them in eval mode, and changes nothing, not even when a batch fails.

## Why it matters
Held-out batches come from generators, and the last one is smaller. A number that depends on who counts the batches, or
a model that comes back in another mode, is found out long after the run.

## Usual causes
- `model.eval()` is left out, or the mode of the outermost module alone is put back.
- The mode is not put back when something raises: that takes a `finally`.
- Batches are counted or listed before they are read.
- Losses are weighted by the size of their batch.
- Gradients are not turned off.
"""

from typing import Final, get_args

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.classifier.cases import ClassCase, class_cases
from grader.checks.determinism.forward_leaves_no_trace import forward_is_to_blame
from grader.checks.traces import require_inputs_kept, require_no_trace
from grader.packages.package import PackageRaised
from grader.sandbox.questions import Modes, WatchedEvaluation
from grader.sandbox.wire import Array

MODES: Final[tuple[Modes, ...]] = get_args(Modes)
DROPOUT: Final = 0.5
CLAIM = "evaluate leaves batches, parameters, gradients, modes, settings and random generators as they were"


def holds(case: ClassCase, context: Context) -> None:
    """Whatever an evaluation does that a forward pass by itself does not."""
    try:
        _leaves_no_trace(case, context)
    except CheckFailed:
        if not forward_is_to_blame(case.headless, case.seeded(context.seeds), case.token_array(), context):
            raise


def _leaves_no_trace(case: ClassCase, context: Context) -> None:
    """Without a head, and with it where it is built; in every mode, and with a batch that is too long."""
    for classify in (False, True):
        try:
            for modes in MODES:
                _reports(case, context, modes, classify=classify)
            _survives(case, context, classify=classify)
        except PackageRaised as raised:
            if not (classify and raised.unbuilt):
                raise


def _reports(case: ClassCase, context: Context, modes: Modes, *, classify: bool) -> None:
    batches = _batches(case, context)
    question = _question(case, context, modes, classify=classify)
    answer = context.ask(question, batches)
    where = f"evaluate, given a model in {modes} mode,"
    for name in ("tokens", "targets"):
        for i in range(len(batches) // 3):
            require_inputs_kept(CLAIM, name, batches[f"{name}.{i}"], answer[f"{name}.{i}"])
    require_no_trace(CLAIM, answer, where=where)
    for name, parts in (("lm_loss", "losses"), ("class_accuracy", "accuracies")):
        # A mean taken in float32 is as honest as one in float64: losses come in the model's precision, shares do not.
        off = abs(float(answer[name]) - float(np.mean(answer[parts]))) if name in answer else 0.0
        if not off <= 1e-6:
            raise CheckFailed(
                "mean",
                f"{name} is the mean over the batches, each measured in eval mode",
                f"evaluate says {float(answer[name])!r} of a model in {modes} mode with dropout={DROPOUT}; of the "
                f"batches, which have unlike sizes, each by itself has {answer[parts].tolist()} in eval mode",
            )
    if not answer["floats"]:
        raise CheckFailed("number", "evaluate reports floats", "one of its numbers is none")
    if answer["saved"]:
        raise CheckFailed(
            "graph", "evaluate builds no graph", f"it keeps {int(answer['saved'])} tensors to go backwards"
        )


def _survives(case: ClassCase, context: Context, *, classify: bool) -> None:
    batches = _batches(case, context, too_long=True)
    question = _question(case, context, "mixed", classify=classify, breaks=True)
    answer = context.ask(question, batches)
    require_no_trace(CLAIM, answer, where="evaluate, when a batch is too long and raises,")


def _question(
    case: ClassCase, context: Context, modes: Modes, *, classify: bool, breaks: bool = False
) -> WatchedEvaluation:
    config = (case.config if classify else case.headless) | {"dropout": DROPOUT}
    return WatchedEvaluation(
        config=config, weights=case.seeded(context.seeds), modes=modes, classify=classify, breaks=breaks
    )


def _batches(case: ClassCase, context: Context, *, too_long: bool = False) -> dict[str, Array]:
    """Three batches that differ in rows and length; or two, the second of them too long for the model."""
    random = np.random.default_rng(context.seeds.derive("unlike", case.data))
    rows, length = case.token_array().shape
    shapes = [(rows + 2, length), (rows, 1), (1, case.block_size)]
    batches: dict[str, Array] = {}
    for i, shape in enumerate([shapes[0], (rows, case.block_size + 1)] if too_long else shapes):
        batches[f"tokens.{i}"] = random.integers(0, case.vocab_size, shape)
        batches[f"targets.{i}"] = random.integers(0, case.vocab_size, shape)
        batches[f"labels.{i}"] = random.integers(0, case.n_classes, shape)
    return batches


def snippet(case: ClassCase) -> str:
    """Two batches of unlike sizes, from a generator."""
    settings = ", ".join(f"{name}={value}" for name, value in case.headless.items())
    return f"""import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from model import GPT, GPTConfig
from train import Batch, evaluate

torch.manual_seed(0)
model = GPT(GPTConfig({settings}, dropout={DROPOUT})).train()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
model.blocks.eval()
modes = [module.training for module in model.modules()]
batches = []
for shape in ((4, {case.block_size}), (1, 1)):
    tokens = torch.randint({case.vocab_size}, shape)
    batches.append(Batch(tokens, (tokens + 1) % {case.vocab_size}, tokens % 2))
saved = []
with saved_tensors_hooks(lambda tensor: saved.append(1) or tensor, lambda tensor: tensor):
    loss = evaluate(model, (batch for batch in batches))["lm_loss"]
assert not saved, "evaluate builds a graph"
assert [module.training for module in model.modules()] == modes, "evaluate has changed the mode of a module"
with torch.no_grad():
    each = [F.cross_entropy(model.eval()(b.tokens).flatten(0, 1), b.targets.flatten()).item() for b in batches]
print(loss, each)
assert abs(loss - sum(each) / 2) < 1e-4, "evaluate does not report the mean over the batches"
"""


CHECK = Check(
    id="evaluate-leaves-no-trace",
    cases=class_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=1,
)
