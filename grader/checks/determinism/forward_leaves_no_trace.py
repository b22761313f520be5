"""A forward pass changes nothing: not its tokens, no parameter or mode, and no random generator unless it drops.

## Why it matters
A model is called in the middle of other people's programs. One that seeds a generator makes all that is drawn after it
the same every time; one that writes into its tokens changes the batch that its loss is computed from.

## Usual causes
- A generator is seeded for the sake of a test, and the line stays.
- Padding or limits are written into the tokens that were passed in.
- `self.eval()` or `self.train()` is called and never taken back.
- torch's default dtype is set for the whole program.
"""

from typing import get_args

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.modes.cases import DropoutCase, dropout_cases, without_dropout
from grader.checks.snippets import model_snippet
from grader.checks.traces import require_inputs_kept, require_no_trace, require_settings_kept
from grader.sandbox.questions import Modes, Settings, Watched, Weights
from grader.sandbox.wire import Array

CLAIM = "forward leaves tokens, parameters, gradients, modes, settings and random generators as they were"


def holds(case: DropoutCase, context: Context) -> None:
    """Twice in a row without dropout, in both modes; and in training mode with it, which may draw and must go on."""
    random = np.random.default_rng(context.seeds.derive("no trace", case.weights))
    tokens = random.integers(1, case.vocab_size, case.token_array().shape)  # no zeros, which are what is written mostly
    plain = without_dropout(case)
    asked: tuple[tuple[Settings, Modes], ...] = ((plain, "training"), (plain, "eval"), (case.config, "training"))
    for config, modes in asked:
        question = Watched(
            config=config, weights=case.seeded(context.seeds), precision="float32", call="forward", modes=modes
        )
        answer = context.ask(question, {"tokens": tokens})
        require_settings_kept(answer, "model.py")
        if not answer["kept"]:
            raise CheckFailed("config", "GPT(config) keeps its configuration as .config", ".config is another one")
        drops = config is not plain
        where = f"a forward pass in {modes} mode, with dropout={config['dropout']},"
        require_inputs_kept(CLAIM, "tokens", tokens, answer["tokens"])
        require_no_trace(CLAIM, answer, where=where, free=("rng",) if drops else ())
        if drops and same_bits(answer["result.0"], answer["result.1"]):
            raise CheckFailed(
                "seeded", "dropout drops something else each time", f"{where} twice in a row gives the same logits"
            )


def forward_is_to_blame(config: Settings, weights: Weights, tokens: Array, context: Context) -> bool:
    """Whether a forward pass without dropout leaves a trace: what calls it cannot be told to have left it then."""
    for modes in get_args(Modes):
        question = Watched(config=config | {"dropout": 0.0}, weights=weights, call="forward", modes=modes)
        try:
            require_no_trace(CLAIM, context.ask(question, {"tokens": tokens}), where="a forward pass")
        except CheckFailed:
            return True
    return False


def snippet(case: DropoutCase) -> str:
    """The random state before and after."""
    return model_snippet(
        case,
        """
model.train()
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
given, state = tokens.clone(), torch.get_rng_state()
model(tokens)
assert torch.equal(tokens, given), "forward has written into its tokens"
assert torch.equal(torch.get_rng_state(), state), "forward has moved torch's random generator"
assert all(module.training for module in model.modules()), "forward has changed the mode"
""",
    )


CHECK = Check(
    id="forward-leaves-no-trace",
    cases=dropout_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=2,
)
