"""A row of nothing but padding changes no gradient: it is that of the batch without the row, in each precision finite.

## Why it matters
A gradient adds up what all rows have to say. If one of them is NaN, so is the sum, for every parameter; that its logits
are left out of the loss does not help, since zero times NaN is NaN.

## Usual causes
- A softmax over nothing, set right only after it: the way back goes through 0 / 0 all the same.
- A mean that counts padding.
- Infinities that cancel in the forward pass, and not in the derivative.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close, finite
from grader.checks.grids import logits_of
from grader.checks.snippets import model_snippet
from grader.checks.stability.cases import PRECISIONS, EmptyRowsCase, empty_rows_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Gradients, Precision
from grader.sandbox.wire import Array, Tensors

FIRST: Final = 0  # the chunk that is asked about


def holds(case: EmptyRowsCase, context: Context) -> None:
    """The first chunk: finite in each precision, and in float64 beside the rows that have real tokens."""
    answers = {precision: _asked(case, context, precision, case.length_array(FIRST) >= 0) for precision in PRECISIONS}
    for precision, answer in answers.items():
        unfit = [name for name, array in answer.items() if not finite(_that_counts(name, array, case))]
        if unfit:
            raise CheckFailed(
                "not-finite",
                "gradients are finite, and the logits of a row of nothing but padding too",
                f"with lengths {list(case.lengths[FIRST])} there is NaN or infinity in {unfit[0]}, in {precision}",
                grid=TokenGrid(tokens=case.tokens),
            )
    without = _asked(case, context, "float64", case.length_array(FIRST) > 0)
    if not close(_joined(answers["float64"], without), _joined(without, without), "gradients, float64"):
        raise CheckFailed(
            "gradient-of-padding",
            "the gradient of a batch is that of its rows that are not padding alone (in float64, up to rounding)",
            f"without the rows that are empty, of lengths {list(case.lengths[FIRST])}, it is another",
            grid=TokenGrid(tokens=case.tokens),
        )


def _asked(case: EmptyRowsCase, context: Context, precision: Precision, rows: Array) -> Tensors:
    tokens = np.ascontiguousarray(case.token_array()[rows, : case.first])
    question = Gradients(config=case.config, weights=case.seeded(context.seeds), precision=precision, with_logits=True)
    answer = context.ask(question, {"tokens": tokens, "lengths": case.length_array(FIRST)[rows]})
    logits_of(answer, "logits", tokens)
    return answer


def _that_counts(name: str, array: Array, case: EmptyRowsCase) -> Array:
    """All of a gradient; of the logits those of tokens that are real, and of rows that have none."""
    lengths = case.length_array(FIRST)[:, None]
    counts: Array = array[case.real(FIRST) | (lengths == 0)] if name == "logits" else array
    return counts


def _joined(gradients: Tensors, names: Tensors) -> Array:
    """All gradients as one vector: some are zero but for rounding, and have no scale of their own."""
    wanted = sorted(name for name in names if name.startswith("grad."))
    return np.concatenate([gradients.get(name, np.zeros_like(names[name])).ravel() for name in wanted])


def snippet(case: EmptyRowsCase) -> str:
    """The gradients of all rows, and of those that are not empty."""
    return model_snippet(
        case,
        f"""
first, lengths = tokens[:, :{case.first}], torch.tensor({list(case.lengths[FIRST])})
real = torch.arange({case.first}) < lengths[:, None]


def gradients(rows):
    with torch.enable_grad():
        logits, _ = model.forward_incremental(first[rows], lengths=lengths[rows])
        return torch.autograd.grad(logits[real[rows]].square().sum(), list(model.parameters()))


moved = max((a - b).abs().max() for a, b in zip(gradients(lengths >= 0), gradients(lengths > 0)))
print(float(moved))
assert moved <= 1e-6, "rows of nothing but padding change the gradient"
""",
    )


CHECK = Check(
    id="empty-rows-give-no-gradient",
    cases=empty_rows_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "cached-equals-full"),
    examples=3,
)
