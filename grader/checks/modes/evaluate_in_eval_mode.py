"""evaluate() measures the model in eval mode, and gives it back in the mode it had.

## Why it matters
With dropout on, the loss that is measured is that of a model with holes in it, and another one each time. A model that
comes back in eval mode trains on without its dropout, and nothing says so.

## Usual causes
- evaluate() does not call `model.eval()`, or calls it too late.
- The mode is looked up after it was changed, or not put back at all.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close, same_bits
from grader.checks.modes.cases import DropoutCase, dropout_cases, without_dropout
from grader.sandbox.questions import Evaluate, Settings
from grader.sandbox.wire import Tensors

BATCHES = 2


def holds(case: DropoutCase, context: Context) -> None:
    """The loss of a model with dropout beside that of one without; and the mode before and after."""
    random = np.random.default_rng(context.seeds.derive("modes", case.weights))
    shape = (BATCHES, *case.token_array().shape)
    tensors = {name: random.integers(0, case.vocab_size, shape) for name in ("tokens", "targets")}
    tensors["labels"] = tensors["tokens"] % 2
    for training in (True, False):
        mode = "training" if training else "eval"
        answer, plain = (
            _evaluated(case, context, config, tensors, training=training)
            for config in (case.config, without_dropout(case))
        )
        if not close(answer["lm_loss"], plain["lm_loss"], "scalar loss, float64"):
            raise CheckFailed(
                "noisy",
                "evaluate() reports the loss of the model in eval mode",
                f"of a model in {mode} mode with dropout={case.dropout} it reports {float(answer['lm_loss'])!r}, and "
                f"of the same one without dropout {float(plain['lm_loss'])!r}",
            )
        if not same_bits(answer["after.mode"], answer["before.mode"]):
            raise CheckFailed(
                "mode-left",
                "evaluate() gives every module back in the mode it had",
                f"a model that was in {mode} mode is not any more",
            )


def _evaluated(case: DropoutCase, context: Context, config: Settings, tensors: Tensors, *, training: bool) -> Tensors:
    question = Evaluate(config=config, weights=case.seeded(context.seeds), training=training, seed=1, classify=False)
    return context.ask(question, tensors)


def snippet(case: DropoutCase) -> str:
    """Evaluate one batch twice."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig
from train import Batch, evaluate

torch.manual_seed(0)
model = GPT(GPTConfig({settings})).train()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
tokens = torch.tensor({[list(row) for row in case.tokens]})
batch = Batch(tokens, (tokens + 1) % {case.vocab_size}, tokens % 2)
losses = [evaluate(model, [batch])["lm_loss"] for _ in range(2)]
print(losses)
assert abs(losses[0] - losses[1]) < 1e-4, "evaluate() measures with dropout on"
assert model.training, "a model that was in training mode is not any more"
"""


CHECK = Check(
    id="evaluate-in-eval-mode",
    cases=dropout_cases(narrow=True),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "dropout-follows-the-mode"),
    examples=2,
)
