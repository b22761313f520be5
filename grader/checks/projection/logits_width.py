"""There is one logit for each token of the vocabulary, whether it is smaller or larger than the model is wide.

## Why it matters
Logits of another width are scores for tokens that do not exist, or no scores for tokens that do. The loss
may not even notice: with a small vocabulary it only trains against some classes that never occur.

## Usual causes
- The output projection maps to the model's width, or to another size of the configuration.
- Input and output size of the projection are swapped.
- Logits were padded or cut to fit.
"""

from typing import Final

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, few_rows, model_cases
from grader.extent import MODEL
from grader.sandbox.questions import Forward, Gradients

HEAD: Final = "lm_head.weight"


def holds(case: ModelCase, context: Context) -> None:
    """Logits have shape (B, T, V), and every column of the projection answers to its weights."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision="float32")
    logits = context.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    expected = (*case.token_array().shape, case.vocab_size)
    if logits.shape != expected:
        raise CheckFailed(
            "width",
            f"with vocab_size={case.vocab_size} the logits have shape {expected}",
            f"with d_model={case.d_model} they have shape {tuple(logits.shape)}",
        )
    constant = [column for column in range(case.vocab_size) if (logits[..., column] == logits[0, 0, column]).all()]
    if constant and logits.shape[0] * logits.shape[1] > 1 and len({*map(tuple, case.tokens)}) > 1:
        raise CheckFailed(
            "padding",
            "every column of the logits depends on the tokens",
            f"column {constant[0]} has the same value everywhere",
        )
    _require_a_row_each(case, context)


def _require_a_row_each(case: ModelCase, context: Context) -> None:
    """Columns that were repeated, or made up, have no row of the head's weights that they answer to."""
    question = Gradients(config=case.config, weights=case.seeded(context.seeds))
    head = context.ask(question, {"tokens": case.token_array()}).get(f"grad.{HEAD}")
    if head is None or head.shape != (case.vocab_size, case.d_model) or not head.any(axis=1).all():
        what = "no weights of that name move the logits"
        if head is not None:
            what = f"of {len(head)} rows {int(head.any(axis=1).sum())} move the logits"
        raise CheckFailed("no-row", f"every column of the logits has a row of its own in {HEAD} (V, C)", what)


def snippet(case: ModelCase) -> str:
    """Compare the shape."""
    return model_snippet(
        case,
        f"""
logits = model(tokens)
print(tuple(logits.shape))
assert logits.shape == (*tokens.shape, {case.vocab_size}), "expected one logit for each token of the vocabulary"
""",
    )


CHECK = Check(
    id="logits-width",
    cases=model_cases(),
    holds=holds,
    in_training=True,
    at_size=few_rows,
    default=MODEL,
    snippet=snippet,
    needs=("forward-runs",),
    examples=4,
)
